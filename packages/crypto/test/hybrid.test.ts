/** HPKE over X-Wing: the draft's vectors, a second reading of the KEM, and what must not open. */
import { x25519 } from "@noble/curves/ed25519.js";
import { sha3_256, shake256 } from "@noble/hashes/sha3.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex, utf8 } from "@hawser/codec";
import { createNobleCrypto, type HpkeMessage } from "@hawser/crypto";
import { createHybridHpke, withHybrid } from "@hawser/crypto/hybrid";
import { seededRandom } from "@hawser/crypto/testing";
import { scheduleOf } from "../src/hpke.ts";
import { createNobleFamilies } from "../src/noble.ts";
import { bytes, flipped, vectors } from "./help.ts";

interface XWingVectors {
  readonly vectors: readonly {
    readonly seed: string;
    readonly encapsulationSeed: string;
    readonly sharedSecret: string;
    readonly ciphertextHash?: string;
  }[];
}

const published = vectors<XWingVectors>("x-wing").vectors;
const hybrid = createHybridHpke();
const crypto = createNobleCrypto();
const none = new Uint8Array(0);
const message: HpkeMessage = { info: utf8("hybrid test"), associatedData: utf8("bound") };
const secret = bytes(published[0]!.seed);
const publicKey = hybrid.publicKey(secret);
const sealed = hybrid.seal(publicKey, utf8("text"), message, seededRandom("hybrid"));

/** What a decapsulated secret seals, by the key schedule that RFC 9180's vectors prove. */
function sealUnder(shared: string, plaintext: Uint8Array, { info, associatedData }: HpkeMessage) {
  const { kdf, aead } = createNobleFamilies();
  const suite = concatBytes(utf8("HPKE"), bytes("647a00010003"));
  const { key, baseNonce } = scheduleOf(kdf, suite, bytes(shared), info);
  return aead.seal(key, baseNonce, plaintext, associatedData);
}

describe("[P2-K-hpke] the draft's vectors", () => {
  it.each(published.map((vector, index) => [index + 1, vector] as const))("%i", (_, vector) => {
    const key = hybrid.publicKey(bytes(vector.seed));
    expect(key.length).toBe(1216);
    const random = (): Uint8Array => bytes(vector.encapsulationSeed);
    const made = hybrid.seal(key, utf8("text"), message, random);
    expect(toHex(made.subarray(1120))).toBe(
      toHex(sealUnder(vector.sharedSecret, utf8("text"), message)),
    );
    if (vector.ciphertextHash !== undefined) {
      expect(toHex(crypto.hash(made.subarray(0, 1120)))).toBe(vector.ciphertextHash);
    }
    expect(hybrid.open(bytes(vector.seed), made, message)).toEqual(utf8("text"));
  });

  it("agree with X-Wing written out: SHAKE-256, both KEMs, SHA3-256 over the label", () => {
    const seed = seededRandom("x-wing oracle")(32);
    const expanded = shake256(seed, { dkLen: 96 });
    const lattice = ml_kem768.keygen(expanded.subarray(0, 64));
    const curveSecret = expanded.subarray(64);
    const curveKey = x25519.getPublicKey(curveSecret);
    const key = concatBytes(lattice.publicKey, curveKey);
    expect(hybrid.publicKey(seed)).toEqual(key);
    const made = hybrid.seal(key, utf8("text"), message, seededRandom("x-wing seal"));
    const share = made.subarray(1088, 1120);
    const latticeSecret = ml_kem768.decapsulate(made.subarray(0, 1088), lattice.secretKey);
    const curveShared = x25519.getSharedSecret(curveSecret, share);
    const label = bytes("5c2e2f2f5e5c");
    const shared = sha3_256(concatBytes(latticeSecret, curveShared, share, curveKey, label));
    const expected = sealUnder(toHex(shared), utf8("text"), message);
    expect(made.subarray(1120)).toEqual(expected);
  });
});

describe("[P2-K-hpke] what must not open", () => {
  it("refuses another secret, info, associated data, and any flipped bit of either half", () => {
    expect(hybrid.open(secret, sealed, message)).toEqual(utf8("text"));
    expect(hybrid.open(bytes(published[1]!.seed), sealed, message)).toBeUndefined();
    expect(hybrid.open(secret, sealed, { ...message, info: none })).toBeUndefined();
    expect(hybrid.open(secret, sealed, { ...message, associatedData: none })).toBeUndefined();
    // Bits of the ML-KEM part, of the X25519 share (its ignored top bit too), text and tag.
    for (const bit of [0, 8 * 1087, 8 * 1088, 8 * 1120 - 1, 8 * 1120, 8 * sealed.length - 1]) {
      expect(hybrid.open(secret, flipped(sealed, bit), message), `bit ${bit}`).toBeUndefined();
    }
  });

  it("refuses truncations and a share of small order", () => {
    for (const size of [0, 32, 1088, 1119, 1120, 1135, sealed.length - 1]) {
      expect(hybrid.open(secret, sealed.subarray(0, size), message)).toBeUndefined();
    }
    const zeroShare = sealed.slice().fill(0, 1088, 1120);
    expect(hybrid.open(secret, zeroShare, message)).toBeUndefined();
  });

  it("knows which keys can be sealed to", () => {
    const large = publicKey.slice().fill(0xff, 0, 3);
    const zeroShare = publicKey.slice().fill(0, 1184);
    expect(hybrid.isPublicKey(publicKey)).toBe(true);
    const bad = [none, publicKey.subarray(1), concatBytes(publicKey, none, utf8("x")), large];
    for (const key of [...bad, zeroShare]) {
      expect(hybrid.isPublicKey(key)).toBe(false);
      expect(() => hybrid.seal(key, none, message, seededRandom("bad"))).toThrow(
        expect.objectContaining({ code: "CRYPTO_BAD_KEY" }),
      );
    }
  });

  it("throws for secrets and randomness of another size", () => {
    const code = expect.objectContaining({ code: "CRYPTO_BAD_LENGTH" });
    expect(() => hybrid.publicKey(new Uint8Array(31))).toThrow(code);
    expect(() => hybrid.open(new Uint8Array(33), sealed, message)).toThrow(code);
    expect(() => hybrid.seal(publicKey, none, message, () => new Uint8Array(32))).toThrow(code);
  });
});

describe("the entry point", () => {
  it("adds one member to a crypto and changes nothing else", () => {
    const { hybrid: added, ...rest } = withHybrid(crypto);
    expect(added?.publicKeyBytes).toBe(1216);
    expect(rest).toEqual(crypto);
  });

  it("is imported by no other source file, so that no bundle holds ML-KEM unasked", () => {
    const index = readFileSync(new URL("../src/index.ts", import.meta.url), "utf8");
    const reached = new Set<string>();
    const queue = [index];
    for (const text of queue) {
      for (const [, name] of text.matchAll(/(?:from|import)\s*\(?\s*"\.\/([^"]+)"/g)) {
        if (name === undefined || reached.has(name)) continue;
        reached.add(name);
        queue.push(readFileSync(new URL(`../src/${name}`, import.meta.url), "utf8"));
      }
    }
    expect(reached.has("assemble.ts")).toBe(true);
    expect(reached.has("hybrid.ts")).toBe(false);
    expect(queue.some((text) => text.includes("post-quantum"))).toBe(false);
  });
});
