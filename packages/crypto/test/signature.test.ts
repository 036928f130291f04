/** BIP340: published vectors over every back end, and the back ends against each other. */
import { schnorr } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "@hawser/codec";
import { isSigningSecret, negatedSecret } from "../src/signing-secret.ts";
import { bytes, flipped, signatures, vectors } from "./help.ts";

interface Bip340Vectors {
  readonly cases: readonly {
    readonly index: number;
    readonly secret: string;
    readonly publicKey: string;
    readonly auxiliary: string;
    readonly message: string;
    readonly signature: string;
    readonly valid: boolean;
    readonly comment: string;
  }[];
}

const { cases } = vectors<Bip340Vectors>("bip340");
/** The interface takes 32-byte digests alone; the vectors with other messages go to noble itself. */
const digestCases = cases.filter(({ message }) => message.length === 64);
const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const fieldSize = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
const one = `${"00".repeat(31)}01`;
const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter(isSigningSecret);
const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });

it("noble reproduces all 19 BIP340 vectors, odd message lengths and auxiliary bytes included", () => {
  expect(cases.map(({ index }) => index)).toEqual([...Array(19).keys()]);
  for (const { index, secret, publicKey, auxiliary, message, signature, valid } of cases) {
    const verdict = schnorr.verify(bytes(signature), bytes(message), bytes(publicKey));
    expect(verdict, `vector ${index}`).toBe(valid);
    if (secret === "") continue;
    const signed = schnorr.sign(bytes(message), bytes(secret), bytes(auxiliary));
    expect(toHex(signed), `vector ${index}`).toBe(signature);
  }
});

describe.each(signatures)("BIP340 by %s", (_, family) => {
  it.each(digestCases)("vector $index: $comment", (vector) => {
    const digest = bytes(vector.message);
    const verdict = family.verify(digest, bytes(vector.signature), bytes(vector.publicKey));
    expect(verdict).toBe(vector.valid);
    if (vector.secret === "") return;
    expect(toHex(family.publicKey(bytes(vector.secret)))).toBe(vector.publicKey);
    if (/[^0]/.test(vector.auxiliary)) return;
    expect(toHex(family.sign(digest, bytes(vector.secret)))).toBe(vector.signature);
  });

  it("takes the whole range of secrets, 1 and n − 1 included", () => {
    const digest = new Uint8Array(32).fill(9);
    const last = negatedSecret(bytes(one));
    expect(toHex(family.publicKey(last))).toBe(toHex(family.publicKey(bytes(one))));
    expect(family.sign(digest, last)).toEqual(family.sign(digest, bytes(one)));
    const signature = family.sign(digest, last);
    expect(family.verify(digest, signature, family.publicKey(last))).toBe(true);
  });

  it.each([
    ["s = 0", `${"11".repeat(32)}${"00".repeat(32)}`],
    ["s = n", `${"11".repeat(32)}${order}`],
    ["s = n + 1", `${"11".repeat(32)}${order.slice(0, -2)}42`],
    ["s all ones", `${"11".repeat(32)}${"ff".repeat(32)}`],
    ["r = 0", `${"00".repeat(32)}${one}`],
    ["r = n, below the field size", `${order}${one}`],
    ["r = p", `${fieldSize}${one}`],
    ["r all ones", `${"ff".repeat(32)}${one}`],
    ["all zero", "00".repeat(64)],
  ])("refuses %s without throwing", (_name, signature) => {
    const publicKey = family.publicKey(bytes(one));
    expect(family.verify(new Uint8Array(32), bytes(signature), publicKey)).toBe(false);
  });

  it.each([
    ["zero", "00".repeat(32)],
    ["the field size", fieldSize],
    ["all ones", "ff".repeat(32)],
    ["no point of the curve", "eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34"],
  ])("refuses a public key that is %s", (_name, publicKey) => {
    const digest = new Uint8Array(32);
    const signature = family.sign(digest, bytes(one));
    expect(family.verify(digest, signature, bytes(publicKey))).toBe(false);
  });
});

it("back ends sign alike, verify each other, and refuse every flipped bit", () => {
  fc.assert(
    fc.property(secrets, digests, fc.nat({ max: 511 }), (secret, digest, bit) => {
      const [[, first], ...others] = signatures as readonly [
        (typeof signatures)[number],
        ...typeof signatures,
      ];
      const signature = first.sign(digest, secret);
      const publicKey = first.publicKey(secret);
      for (const [, other] of others) {
        expect(other.publicKey(secret)).toEqual(publicKey);
        expect(other.sign(digest, secret)).toEqual(signature);
      }
      for (const [, family] of signatures) {
        expect(family.verify(digest, signature, publicKey)).toBe(true);
        expect(family.verify(digest, flipped(signature, bit), publicKey)).toBe(false);
        expect(family.verify(flipped(digest, bit), signature, publicKey)).toBe(false);
        expect(family.verify(digest, signature, flipped(publicKey, bit))).toBe(false);
      }
    }),
    { numRuns: 20 },
  );
});

it("back ends agree on arbitrary bytes as signature and key", () => {
  const signatureBytes = fc.uint8Array({ minLength: 64, maxLength: 64 });
  fc.assert(
    fc.property(digests, signatureBytes, digests, (digest, signature, publicKey) => {
      const verdicts = signatures.map(([, family]) => family.verify(digest, signature, publicKey));
      expect(new Set(verdicts).size).toBe(1);
    }),
    { numRuns: 100 },
  );
});

describe("signing secrets", () => {
  it.each([
    ["0", "00".repeat(32), false],
    ["1", one, true],
    ["n − 1", `${order.slice(0, -2)}40`, true],
    ["n", order, false],
    ["n + 1", `${order.slice(0, -2)}42`, false],
    ["2^256 − 1", "ff".repeat(32), false],
    ["2^255", `80${"00".repeat(31)}`, true],
    ["n with its first byte less", `fe${order.slice(2)}`, true],
  ])("%s", (_name, secret, expected) => {
    expect(isSigningSecret(bytes(secret))).toBe(expected);
  });

  it("negation is the group's: n − secret, and back", () => {
    fc.assert(
      fc.property(secrets, (secret) => {
        const sum = BigInt(`0x${toHex(secret)}`) + BigInt(`0x${toHex(negatedSecret(secret))}`);
        expect(sum).toBe(BigInt(`0x${order}`));
        expect(negatedSecret(negatedSecret(secret))).toEqual(secret);
      }),
    );
  });
});
