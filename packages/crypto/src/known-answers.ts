/**
 * Known answers: what a fast back end must say before it is used. Layer 1, internal. A broken or
 * foreign build (a patched WASM engine, an OpenSSL without an algorithm) then costs speed and
 * never correctness. Values are the published ones; the tests run the whole vector files.
 */
import { concatBytes, equalBytes, fromHex, utf8 } from "@hawser/codec";
import { nobleLongAead } from "./aead.ts";
import type {
  AeadFamily,
  AesFamily,
  AgreementFamily,
  HashFamily,
  KdfFamily,
  SignatureFamily,
} from "./back-end.ts";
import { nobleHash } from "./noble.ts";
import { keyBytes, shortNonceBytes, signatureBytes } from "./sizes.ts";

const empty = new Uint8Array(0);
/** 0, 1, 2 … 250, 0 …: the input of the official BLAKE3 vectors. */
const pattern = Uint8Array.from({ length: 3072 }, (_, index) => index % 251);

/** BLAKE3 test_vectors.json at 0, 1 and 3072 bytes; keys are checked against noble, two of them. */
export function isRightHash(family: HashFamily): boolean {
  const stream = family.createHash();
  const other = family.createHash();
  stream.update(pattern.subarray(0, 1000));
  other.update(pattern.subarray(0, 1));
  stream.update(pattern.subarray(1000));
  const firstKey = utf8("whats the Elvish word for friend");
  const secondKey = pattern.subarray(0, keyBytes);
  return (
    is(family.hash(empty), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262") &&
    is(family.hash(pattern), "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2") &&
    is(stream.digest(), "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2") &&
    is(other.digest(), "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213") &&
    [firstKey, secondKey, firstKey].every((key) =>
      equalBytes(family.keyedHash(key, pattern), nobleHash.keyedHash(key, pattern)),
    )
  );
}

/** BIP340 test vector 0, and the same with one bit flipped. */
export function isRightSignature(family: SignatureFamily): boolean {
  const secret = new Uint8Array(keyBytes);
  secret[keyBytes - 1] = 3;
  const digest = new Uint8Array(keyBytes);
  const publicKey = family.publicKey(secret);
  const signature = family.sign(digest, secret);
  const forged = signature.slice();
  forged[signatureBytes - 1] = (forged[signatureBytes - 1] ?? 0) ^ 1;
  return (
    is(publicKey, "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9") &&
    is(
      signature,
      "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca8215" +
        "25f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0",
    ) &&
    family.verify(digest, signature, publicKey) &&
    !family.verify(digest, forged, publicKey)
  );
}

/** RFC 7748 §6.1, and the zero share. */
export function isRightAgreement(family: AgreementFamily): boolean {
  const secret = bytesOf("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const other = bytesOf("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const shared = family.agree(secret, other) ?? empty;
  return (
    is(
      family.publicKey(secret),
      "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
    ) &&
    is(shared, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742") &&
    family.agree(secret, new Uint8Array(keyBytes)) === undefined
  );
}

/** Equal to noble on a long message (short ones are noble's anyway), and a wrong tag refused. */
export function isRightAead(family: AeadFamily): boolean {
  const key = pattern.subarray(7, 7 + keyBytes);
  const nonce = pattern.subarray(99, 99 + shortNonceBytes);
  const associatedData = pattern.subarray(0, 40);
  const sealed = family.seal(key, nonce, pattern, associatedData);
  const opened = family.open(key, nonce, sealed, associatedData) ?? empty;
  const forged = concatBytes(sealed);
  forged[0] = (forged[0] ?? 0) ^ 1;
  return (
    equalBytes(sealed, nobleLongAead.seal(key, nonce, pattern, associatedData)) &&
    equalBytes(opened, pattern) &&
    family.open(key, nonce, forged, associatedData) === undefined
  );
}

/**
 * Test case 16 of the GCM specification, whose text ends inside a block, and a wrong tag refused.
 */
export function isRightAes(family: AesFamily): boolean {
  const key = bytesOf("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const nonce = bytesOf("cafebabefacedbaddecaf888");
  const associatedData = bytesOf("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const plaintext = bytesOf(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
  );
  const sealed = family.seal(key, nonce, plaintext, associatedData);
  const forged = concatBytes(sealed);
  forged[0] = (forged[0] ?? 0) ^ 1;
  return (
    is(
      sealed,
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" +
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ) &&
    equalBytes(family.open(key, nonce, sealed, associatedData) ?? empty, plaintext) &&
    family.open(key, nonce, forged, associatedData) === undefined
  );
}

/** RFC 5869 A.1. */
export function isRightKdf(family: KdfFamily): boolean {
  const material = new Uint8Array(22).fill(0x0b);
  const info = bytesOf("f0f1f2f3f4f5f6f7f8f9");
  const derived = family.expand(family.extract(pattern.subarray(0, 13), material), info, 42);
  return is(
    derived,
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  );
}

function is(bytes: Uint8Array, hex: string): boolean {
  return equalBytes(bytes, bytesOf(hex));
}

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) ?? empty;
}
