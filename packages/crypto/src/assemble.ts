/**
 * Makes the public `Crypto` object of raw families: argument checks, domain labels, HPKE. Layer 1.
 * This is the only place where a digest meets a signing key, and both digests are made here.
 */
import type { Families } from "./back-end.ts";
import { CryptoError } from "./errors.ts";
import { hpkeOpenWith, hpkeSealWith } from "./hpke.ts";
import { assertSigningSecret } from "./signing-secret.ts";
import {
  assertByteCount,
  assertSize,
  derivedBytesMax,
  hkdfBytesMax,
  keyBytes,
  longNonceBytes,
  shortNonceBytes,
  signatureBytes,
} from "./sizes.ts";
import type { Crypto } from "./types.ts";

/** Label of the derive-key context under which everything that is no point is signed. */
const signatureLabel = "hawser sign v1 ";
/** The nonce of `sealOnce`: safe because its key seals one message ever. */
const zeroNonce = new Uint8Array(shortNonceBytes);

/** The public interface over one choice of back ends. */
export function assemble(families: Families): Crypto {
  return {
    backEnds: {
      hash: families.hash.backEnd,
      signature: families.signature.backEnd,
      agreement: families.agreement.backEnd,
      aead: families.aead.backEnd,
      aes: families.aes.backEnd,
      kdf: families.kdf.backEnd,
    },
    ...hashing(families),
    ...signing(families),
    ...agreeing(families),
    ...sealing(families),
    ...sealingByAes(families),
    ...sendingSealed(families),
  };
}

function hashing({
  hash,
}: Families): Pick<Crypto, "hash" | "createHash" | "keyedHash" | "deriveKey"> {
  return {
    hash: (bytes) => hash.hash(bytes),
    createHash: () => hash.createHash(),
    keyedHash: (key, bytes) => {
      assertSize(key, keyBytes, "key");
      return hash.keyedHash(key, bytes);
    },
    deriveKey: (context, material, byteCount = keyBytes) => {
      assertLabel(context);
      assertByteCount(byteCount, derivedBytesMax);
      return hash.deriveKey(context, material, byteCount);
    },
  };
}

function signing({
  hash,
  signature,
}: Families): Pick<
  Crypto,
  "publicKey" | "signPoint" | "verifyPoint" | "signTagged" | "verifyTagged"
> {
  const tagged = (label: string, bytes: Uint8Array): Uint8Array => {
    assertLabel(label);
    return hash.deriveKey(signatureLabel + label, bytes, keyBytes);
  };
  const sign = (digest: Uint8Array, secret: Uint8Array): Uint8Array => {
    assertSigningSecret(secret);
    return signature.sign(digest, secret);
  };
  // Lengths come from a peer here, so a wrong one is a verdict and no error.
  const hasSizes = (signed: Uint8Array, publicKey: Uint8Array): boolean =>
    signed.length === signatureBytes && publicKey.length === keyBytes;
  return {
    publicKey: (secret) => {
      assertSigningSecret(secret);
      return signature.publicKey(secret);
    },
    signPoint: (signedBytes, secret) => sign(hash.hash(signedBytes), secret),
    verifyPoint: (signedBytes, signed, publicKey) =>
      hasSizes(signed, publicKey) && signature.verify(hash.hash(signedBytes), signed, publicKey),
    signTagged: (label, bytes, secret) => sign(tagged(label, bytes), secret),
    verifyTagged: (label, bytes, signed, publicKey) =>
      hasSizes(signed, publicKey) && signature.verify(tagged(label, bytes), signed, publicKey),
  };
}

function agreeing({ agreement, kdf }: Families): Pick<Crypto, "agreementKey" | "agree" | "hkdf"> {
  return {
    agreementKey: (secret) => {
      assertSize(secret, keyBytes, "secret");
      return agreement.publicKey(secret);
    },
    agree: (secret, publicKey) => {
      assertSize(secret, keyBytes, "secret");
      assertSize(publicKey, keyBytes, "publicKey");
      return agreement.agree(secret, publicKey);
    },
    hkdf: (material, salt, info, byteCount) => {
      assertByteCount(byteCount, hkdfBytesMax);
      const pseudoRandomKey = kdf.extract(salt, material);
      const derived = kdf.expand(pseudoRandomKey, info, byteCount);
      pseudoRandomKey.fill(0);
      return derived;
    },
  };
}

function sealing({ aead }: Families): Pick<Crypto, "seal" | "open" | "sealOnce" | "openOnce"> {
  return {
    seal: (key, nonce, plaintext, associatedData) => {
      assertSize(key, keyBytes, "key");
      assertSize(nonce, longNonceBytes, "nonce");
      return aead.seal(key, nonce, plaintext, associatedData);
    },
    open: (key, nonce, sealed, associatedData) => {
      assertSize(key, keyBytes, "key");
      assertSize(nonce, longNonceBytes, "nonce");
      return aead.open(key, nonce, sealed, associatedData);
    },
    sealOnce: (key, plaintext, associatedData) => {
      assertSize(key, keyBytes, "key");
      return aead.seal(key, zeroNonce, plaintext, associatedData);
    },
    openOnce: (key, sealed, associatedData) => {
      assertSize(key, keyBytes, "key");
      return aead.open(key, zeroNonce, sealed, associatedData);
    },
  };
}

function sealingByAes({ aes }: Families): Pick<Crypto, "sealAes" | "openAes"> {
  return {
    sealAes: (key, nonce, plaintext, associatedData) => {
      assertSize(key, keyBytes, "key");
      assertSize(nonce, shortNonceBytes, "nonce");
      return aes.seal(key, nonce, plaintext, associatedData);
    },
    openAes: (key, nonce, sealed, associatedData) => {
      assertSize(key, keyBytes, "key");
      assertSize(nonce, shortNonceBytes, "nonce");
      return aes.open(key, nonce, sealed, associatedData);
    },
  };
}

function sendingSealed(families: Families): Pick<Crypto, "hpkeSeal" | "hpkeOpen"> {
  return {
    hpkeSeal: (recipientKey, plaintext, message, random) => {
      assertSize(recipientKey, keyBytes, "recipientKey");
      const ephemeralSecret = random(keyBytes);
      assertSize(ephemeralSecret, keyBytes, "random output");
      const sealed = hpkeSealWith(families, recipientKey, plaintext, message, ephemeralSecret);
      ephemeralSecret.fill(0);
      return sealed;
    },
    hpkeOpen: (secret, sealed, message) => {
      assertSize(secret, keyBytes, "secret");
      return hpkeOpenWith(families, secret, sealed, message);
    },
  };
}

function assertLabel(label: string): void {
  if (label.length === 0) throw new CryptoError("CRYPTO_BAD_LABEL", "a domain label is empty");
}
