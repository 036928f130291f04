/** A crypto object that counts signatures, for the statistics a person asks for. */
import type { Crypto } from "@hawser/crypto";

export interface SignatureCounts {
  signed: number;
  checked: number;
}

export function countSignatures(crypto: Crypto, counts: SignatureCounts): Crypto {
  return {
    ...crypto,
    signPoint: (bytes, secret) => {
      counts.signed += 1;
      return crypto.signPoint(bytes, secret);
    },
    signTagged: (label, bytes, secret) => {
      counts.signed += 1;
      return crypto.signTagged(label, bytes, secret);
    },
    verifyPoint: (bytes, signature, publicKey) => {
      counts.checked += 1;
      return crypto.verifyPoint(bytes, signature, publicKey);
    },
    verifyTagged: (label, bytes, signature, publicKey) => {
      counts.checked += 1;
      return crypto.verifyTagged(label, bytes, signature, publicKey);
    },
  };
}
