/**
 * The crypto with ideal sealed boxes for the model test: what a box holds is looked up in a table,
 * and only the right secret with the right info finds it. Hashes are the real ones. Thousands of
 * histories take seconds, and a box opens exactly when the real one would.
 */
import { concatBytes, equalBytes, toHex } from "@hawser/codec";
import { type Crypto, createNobleCrypto } from "@hawser/crypto";

interface Box {
  readonly prekey: Uint8Array;
  readonly info: Uint8Array;
  readonly plaintext: Uint8Array;
}

export function createIdealCrypto(): Crypto {
  const crypto = createNobleCrypto();
  const boxes = new Map<string, Box>();
  const agreementKey = (secret: Uint8Array): Uint8Array =>
    crypto.deriveKey("hawser test ideal prekey", secret);
  return {
    ...crypto,
    agreementKey,
    hpkeSeal: (prekey, plaintext, { info }, random) => {
      const name = random(32);
      boxes.set(toHex(name), { prekey, info, plaintext: plaintext.slice() });
      return concatBytes(name, new Uint8Array(plaintext.length + 16));
    },
    hpkeOpen: (secret, sealed, { info }) => {
      const box = boxes.get(toHex(sealed.subarray(0, 32)));
      if (box === undefined || !equalBytes(box.prekey, agreementKey(secret))) return undefined;
      return equalBytes(box.info, info) ? box.plaintext.slice() : undefined;
    },
  };
}
