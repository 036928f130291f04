/**
 * BIP340 by libsecp256k1 in WebAssembly (tiny-secp256k1). Layer 1, internal. The module is handed
 * in: how to get its .wasm file is the platform's business.
 */
import type { SignatureFamily } from "./back-end.ts";
import { nobleSignature } from "./noble.ts";
import { signatureBytes } from "./sizes.ts";

/** The part of tiny-secp256k1 2.x that is used. */
export interface Secp256k1Module {
  xOnlyPointFromScalar(secret: Uint8Array): Uint8Array;
  signSchnorr(digest: Uint8Array, secret: Uint8Array, auxiliary?: Uint8Array): Uint8Array;
  verifySchnorr(digest: Uint8Array, publicKey: Uint8Array, signature: Uint8Array): boolean;
}

const zeroAuxiliary = new Uint8Array(32);
/** Bytes of r that are all ones when r lies between the group order and the field size. */
const highBytes = 15;

/** The signature family on `module`, with verdicts equal to noble's for every input. */
export function createWasmSignature(module: Secp256k1Module): SignatureFamily {
  return {
    backEnd: "wasm",
    publicKey: (secret) => module.xOnlyPointFromScalar(secret),
    sign: (digest, secret) => module.signSchnorr(digest, secret, zeroAuxiliary),
    verify: (digest, signature, publicKey) => {
      // BIP340 lets r reach the field size, the module only the group order. Nobody meets the gap
      // by chance (2^-128), so noble may be slow there.
      if (isAllOnes(signature.subarray(0, highBytes))) {
        return nobleSignature.verify(digest, signature, publicKey);
      }
      // libsecp256k1 would admit s = 0, noble refuses it; no honest signer ever makes it.
      if (isZero(signature.subarray(signatureBytes / 2))) return false;
      try {
        return module.verifySchnorr(digest, publicKey, signature);
      } catch {
        // The module throws for a key that is no point and for r or s out of range.
        return false;
      }
    },
  };
}

function isAllOnes(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0xff);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
