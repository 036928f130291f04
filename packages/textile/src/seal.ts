/**
 * Sealed bytes of Textile Threads (docs/spec/textile.md §1): AES-256-GCM for blocks, a NaCl box for
 * messages to one identity. Layer 7, pure.
 */
import { concatBytes } from "@hawser/codec";
import { gcm } from "@noble/ciphers/aes.js";
import { hsalsa, xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { decodeDag, encodeDag } from "./dag.ts";
import { assertKey, type TextileKeyPair } from "./keys.ts";

/** Bytes of a nonce of AES-256-GCM. */
export const nonceBytes = 12;
const boxNonceBytes = 24;
const sealTagBytes = 16;

/** A block that holds `plain` sealed: a dag-cbor byte string of nonce ‖ ciphertext ‖ tag. */
export function sealBlock(
  key: Uint8Array,
  nonce: Uint8Array,
  plain: Uint8Array,
): Uint8Array<ArrayBuffer> {
  assertKey(key, "a key");
  return encodeDag(concatBytes(nonce, gcm(key, nonce).encrypt(plain)));
}

/** What a sealed block holds; `undefined` when it is none, or not sealed with this key. */
export function openBlock(key: Uint8Array, block: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const sealed = decodeDag(block);
  if (!(sealed instanceof Uint8Array) || sealed.length < nonceBytes + sealTagBytes) {
    return undefined;
  }
  try {
    const cipher = gcm(key, sealed.subarray(0, nonceBytes));
    return new Uint8Array(cipher.decrypt(sealed.subarray(nonceBytes)));
  } catch {
    return undefined;
  }
}

/** Opens a message to an identity: nonce (24) ‖ ephemeral X25519 key (32) ‖ NaCl box. */
export function openBox(
  recipient: TextileKeyPair,
  sealed: Uint8Array,
): Uint8Array<ArrayBuffer> | undefined {
  const body = boxNonceBytes + 32;
  if (sealed.length < body + sealTagBytes) return undefined;
  try {
    const secret = ed25519.utils.toMontgomerySecret(recipient.seed);
    const shared = x25519.getSharedSecret(secret, sealed.slice(boxNonceBytes, body));
    const cipher = xsalsa20poly1305(boxKey(shared), sealed.slice(0, boxNonceBytes));
    return new Uint8Array(cipher.decrypt(sealed.slice(body)));
  } catch {
    return undefined;
  }
}

/** Seals a message to an identity, as `openBox` reads it. `random` gives that many bytes. */
export function sealBox(
  recipient: Uint8Array,
  plain: Uint8Array,
  random: (count: number) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  assertKey(recipient, "a public key");
  const nonce = random(boxNonceBytes);
  const ephemeral = random(32);
  const shared = x25519.getSharedSecret(ephemeral, ed25519.utils.toMontgomery(recipient));
  const box = xsalsa20poly1305(boxKey(shared), nonce).encrypt(plain);
  return concatBytes(nonce, x25519.getPublicKey(ephemeral), box);
}

/** NaCl's step from a shared point to a key: HSalsa20 with a nonce of zeros. */
function boxKey(shared: Uint8Array): Uint8Array {
  const words = (bytes: Uint8Array): Uint32Array => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Uint32Array.from({ length: bytes.length / 4 }, (_, at) => view.getUint32(at * 4, true));
  };
  const sigma = new TextEncoder().encode("expand 32-byte k");
  const out = new Uint32Array(8);
  hsalsa(words(sigma), words(shared), new Uint32Array(4), out);
  const key = new Uint8Array(32);
  const view = new DataView(key.buffer);
  for (const [at, word] of out.entries()) view.setUint32(at * 4, word, true);
  return key;
}
