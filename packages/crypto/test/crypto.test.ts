/** The public `Crypto`: domain separation, argument checks, verdicts, over both assemblies. */
import { schnorr } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex, utf8 } from "@hawser/codec";
import { createCrypto, createNobleCrypto, CryptoError, type Crypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import { bytes, flipped } from "./help.ts";

const fast = await createCrypto();
const noble = createNobleCrypto();
const cryptos: readonly (readonly [string, Crypto])[] = [
  ["the fastest back ends", fast],
  ["noble", noble],
];
const random = seededRandom("crypto.test");
const secret = random(32);
const text = utf8("what is signed");
const none = new Uint8Array(0);
const badLength = expect.objectContaining({ code: "CRYPTO_BAD_LENGTH" });

it("runs on native and WASM back ends here, so that the comparison means something", () => {
  expect(fast.backEnds).toEqual({
    hash: "wasm",
    signature: "wasm",
    agreement: "native",
    aead: "native",
    aes: "native",
    kdf: "noble",
  });
  expect(new Set(Object.values(noble.backEnds))).toEqual(new Set(["noble"]));
});

it("assemblies give equal bytes for equal input", () => {
  const some = fc.uint8Array({ maxLength: 3000 });
  const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const nonces = fc.uint8Array({ minLength: 24, maxLength: 24 });
  fc.assert(
    fc.property(some, some, key32, nonces, (left, right, key, nonce) => {
      const results = cryptos.map(([, crypto]) => {
        const hashed = [
          crypto.hash(left),
          crypto.keyedHash(key, left),
          crypto.deriveKey("c", left),
        ];
        const sealed = [crypto.seal(key, nonce, left, right), crypto.sealOnce(key, left, right)];
        expect(crypto.open(key, nonce, sealed[0]!, right)).toEqual(left);
        expect(crypto.openOnce(key, sealed[1]!, right)).toEqual(left);
        const derived = crypto.hkdf(left, right, key, 40);
        const byAes = crypto.sealAes(key, nonce.subarray(12), left, right);
        expect(crypto.openAes(key, nonce.subarray(12), byAes, right)).toEqual(left);
        return [...hashed, ...sealed, byAes, derived, crypto.agreementKey(key)].map(toHex);
      });
      expect(results[0]).toEqual(results[1]);
    }),
    { numRuns: 60 },
  );
});

it("messages sealed to a key on one assembly open on the other", () => {
  const recipient = random(32);
  const message = { info: utf8("info"), associatedData: utf8("data") };
  for (const [sender, receiver] of [
    [fast, noble],
    [noble, fast],
  ] as const) {
    const sealed = sender.hpkeSeal(receiver.agreementKey(recipient), text, message, random);
    expect(receiver.hpkeOpen(recipient, sealed, message)).toEqual(text);
  }
});

describe.each(cryptos)("signatures on %s", (_, crypto) => {
  const publicKey = noble.publicKey(secret);

  it("of a point are BIP340 over BLAKE3 of its bytes, the same every time", () => {
    const signature = crypto.signPoint(text, secret);
    expect(crypto.signPoint(text, secret)).toEqual(signature);
    expect(schnorr.verify(signature, noble.hash(text), publicKey)).toBe(true);
    expect(crypto.verifyPoint(text, signature, publicKey)).toBe(true);
  });

  it("with a label are BIP340 over a derived key under that label", () => {
    const signature = crypto.signTagged("test v1", text, secret);
    const digest = noble.deriveKey("hawser sign v1 test v1", text);
    expect(schnorr.verify(signature, digest, publicKey)).toBe(true);
    expect(crypto.verifyTagged("test v1", text, signature, publicKey)).toBe(true);
  });

  it("never count for another label, nor a point's for a label", () => {
    const tagged = crypto.signTagged("a", text, secret);
    expect(crypto.verifyTagged("b", text, tagged, publicKey)).toBe(false);
    expect(crypto.verifyPoint(text, tagged, publicKey)).toBe(false);
    const point = crypto.signPoint(text, secret);
    expect(crypto.verifyTagged("a", text, point, publicKey)).toBe(false);
    // Label and text cannot flow into each other.
    const joined = crypto.signTagged("ab", utf8("c"), secret);
    expect(crypto.verifyTagged("a", utf8("bc"), joined, publicKey)).toBe(false);
  });

  it("cannot be had over a digest of the caller's choice", () => {
    const digest = noble.hash(text);
    for (const signature of [
      crypto.signPoint(digest, secret),
      crypto.signTagged("a", digest, secret),
    ]) {
      expect(schnorr.verify(signature, digest, publicKey)).toBe(false);
    }
  });

  it("are refused, without an error, for any defect a peer can make", () => {
    const signature = crypto.signPoint(text, secret);
    const defects: readonly (readonly [Uint8Array, Uint8Array, Uint8Array])[] = [
      [concatBytes(text, none, Uint8Array.of(0)), signature, publicKey],
      [text, flipped(signature, 3), publicKey],
      [text, signature, flipped(publicKey, 3)],
      [text, signature.subarray(1), publicKey],
      [text, concatBytes(signature, Uint8Array.of(0)), publicKey],
      [text, none, publicKey],
      [text, signature, none],
      [text, signature, publicKey.subarray(1)],
      [text, signature, concatBytes(Uint8Array.of(2), publicKey)],
    ];
    for (const [signed, claimed, key] of defects) {
      expect(crypto.verifyPoint(signed, claimed, key)).toBe(false);
      expect(crypto.verifyTagged("a", signed, claimed, key)).toBe(false);
    }
  });

  it.each([
    ["zero", "00".repeat(32), "CRYPTO_BAD_SECRET"],
    ["n", "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", "CRYPTO_BAD_SECRET"],
    ["all ones", "ff".repeat(32), "CRYPTO_BAD_SECRET"],
    ["31 bytes", "01".repeat(31), "CRYPTO_BAD_LENGTH"],
    ["33 bytes", "01".repeat(33), "CRYPTO_BAD_LENGTH"],
  ])("throw for a secret that is %s, and do not show it", (_name, hex, code) => {
    const bad = bytes(hex);
    for (const use of [
      () => crypto.publicKey(bad),
      () => crypto.signPoint(text, bad),
      () => crypto.signTagged("a", text, bad),
    ]) {
      expect(use).toThrow(expect.objectContaining({ code }));
      expect(use).not.toThrow(hex.slice(0, 8));
    }
  });
});

describe.each(cryptos)("misuse on %s", (_, crypto) => {
  const key = random(32);
  const nonce = random(24);
  const short = key.subarray(1);

  it.each<readonly [string, () => unknown]>([
    ["a MAC key", () => crypto.keyedHash(short, text)],
    ["a derived length of 0", () => crypto.deriveKey("a", text, 0)],
    ["a derived length of 65,537", () => crypto.deriveKey("a", text, 65_537)],
    ["a derived length of 1.5", () => crypto.deriveKey("a", text, 1.5)],
    ["an HKDF length of 0", () => crypto.hkdf(text, none, none, 0)],
    ["an HKDF length of 8,161", () => crypto.hkdf(text, none, none, 8161)],
    ["an X25519 secret", () => crypto.agreementKey(short)],
    ["an X25519 secret in agree", () => crypto.agree(short, key)],
    ["an X25519 share", () => crypto.agree(key, short)],
    ["a sealing key", () => crypto.seal(short, nonce, text, none)],
    ["a nonce of 12 bytes", () => crypto.seal(key, nonce.subarray(12), text, none)],
    ["an opening key", () => crypto.open(short, nonce, text, none)],
    ["a nonce of 12 bytes in open", () => crypto.open(key, nonce.subarray(12), text, none)],
    ["a key used once", () => crypto.sealOnce(short, text, none)],
    ["a key used once in openOnce", () => crypto.openOnce(short, text, none)],
  ])("throws for the length of %s", (_name, use) => {
    expect(use).toThrow(badLength);
    expect(use).toThrow(CryptoError);
  });

  it("throws for an empty label", () => {
    const badLabel = expect.objectContaining({ code: "CRYPTO_BAD_LABEL" });
    expect(() => crypto.deriveKey("", text)).toThrow(badLabel);
    expect(() => crypto.signTagged("", text, secret)).toThrow(badLabel);
    expect(() => crypto.verifyTagged("", text, new Uint8Array(64), key)).toThrow(badLabel);
  });

  it("opens nothing that is shorter than a tag, and says so without an error", () => {
    for (let size = 0; size < 16; size++) {
      expect(crypto.open(key, nonce, new Uint8Array(size), none)).toBeUndefined();
      expect(crypto.openOnce(key, new Uint8Array(size), none)).toBeUndefined();
    }
  });

  it("agree gives no secret for a share of small order", () => {
    expect(crypto.agree(key, new Uint8Array(32))).toBeUndefined();
  });

  it("seal and sealOnce are different ciphers: neither opens the other's output", () => {
    const zero = new Uint8Array(24);
    expect(crypto.openOnce(key, crypto.seal(key, zero, text, none), none)).toBeUndefined();
    expect(crypto.open(key, zero, crypto.sealOnce(key, text, none), none)).toBeUndefined();
  });

  it("derives 32 bytes by default, and a longer key begins with the shorter", () => {
    const derived = crypto.deriveKey("a", text);
    expect(derived.length).toBe(32);
    expect(crypto.deriveKey("a", text, 100).subarray(0, 32)).toEqual(derived);
    expect(crypto.deriveKey("b", text)).not.toEqual(derived);
    expect(crypto.hash(text)).not.toEqual(derived);
  });
});
