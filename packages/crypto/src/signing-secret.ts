/** The range check of signing secrets (BIP340 "Default Signing", step 2). Layer 1. */
import { CryptoError } from "./errors.ts";
import { assertSize, keyBytes } from "./sizes.ts";

/** The order n of secp256k1, big-endian (SEC 2 §2.4.1). */
const groupOrder: Uint8Array = Uint8Array.from([
  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
  0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
]);

/** Throws `CRYPTO_BAD_LENGTH` or `CRYPTO_BAD_SECRET` unless 0 < secret < n. */
export function assertSigningSecret(secret: Uint8Array): void {
  assertSize(secret, keyBytes, "secret");
  if (!isSigningSecret(secret)) {
    throw new CryptoError("CRYPTO_BAD_SECRET", "a signing secret must lie within 1 … n − 1");
  }
}

/** Whether 32 bytes are a scalar within 1 … n − 1. Takes the same time for every secret. */
export function isSigningSecret(secret: Uint8Array): boolean {
  let union = 0;
  let borrow = 0;
  for (let index = keyBytes - 1; index >= 0; index--) {
    const byte = secret[index] ?? 0;
    union |= byte;
    borrow = ((byte - (groupOrder[index] ?? 0) - borrow) >> 8) & 1;
  }
  // A borrow is left exactly when secret < n.
  return union !== 0 && borrow === 1;
}

/** n − secret: the other scalar with the same x-only public key. The secret lies in 1 … n − 1. */
export function negatedSecret(secret: Uint8Array): Uint8Array {
  const negated = new Uint8Array(keyBytes);
  let borrow = 0;
  for (let index = keyBytes - 1; index >= 0; index--) {
    const difference = (groupOrder[index] ?? 0) - (secret[index] ?? 0) - borrow;
    negated[index] = difference & 0xff;
    borrow = (difference >> 8) & 1;
  }
  return negated;
}
