/** A crypto object that counts signatures, for the figures a relay prints when it ends. Layer 9. */
import type { Crypto } from "@hawser/crypto";

/** Counted since the object was made. */
export interface SignatureCounts {
  readonly signed: number;
  readonly checked: number;
}

/** `crypto` with a counter in front of the four signature functions. */
export function countSignatures(crypto: Crypto): {
  readonly crypto: Crypto;
  counts(): SignatureCounts;
} {
  let signed = 0;
  let checked = 0;
  return {
    counts: () => ({ signed, checked }),
    crypto: {
      ...crypto,
      signPoint: (bytes, secret) => {
        signed += 1;
        return crypto.signPoint(bytes, secret);
      },
      signTagged: (label, bytes, secret) => {
        signed += 1;
        return crypto.signTagged(label, bytes, secret);
      },
      verifyPoint: (bytes, signature, publicKey) => {
        checked += 1;
        return crypto.verifyPoint(bytes, signature, publicKey);
      },
      verifyTagged: (label, bytes, signature, publicKey) => {
        checked += 1;
        return crypto.verifyTagged(label, bytes, signature, publicKey);
      },
    },
  };
}
