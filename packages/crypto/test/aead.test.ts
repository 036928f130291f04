/** ChaCha20-Poly1305 and XChaCha20-Poly1305: vectors, and the back ends against each other. */
import { chacha20poly1305, hchacha, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex, utf8 } from "@hawser/codec";
import type { AeadFamily } from "../src/back-end.ts";
import { aeads, bytes, flipped, vectors } from "./help.ts";

interface AeadVectors {
  readonly hchacha20: { readonly key: string; readonly nonce: string; readonly subkey: string };
  readonly cases: readonly {
    readonly name: string;
    readonly key: string;
    readonly nonce: string;
    readonly associatedData: string;
    readonly plaintext: string;
    readonly sealed: string;
  }[];
}

const { hchacha20, cases } = vectors<AeadVectors>("aead");

/** Lengths around every border: blocks of 16 and 64, the end of the short form, and beyond. */
const sizes = fc.oneof(
  fc.nat({ max: 300 }),
  fc.constantFrom(0, 1, 15, 16, 17, 63, 64, 65, 2032, 2047, 2048, 2049, 4096, 5000),
);
const associatedSizes = fc.oneof(
  fc.nat({ max: 100 }),
  fc.constantFrom(0, 16, 64, 65, 511, 512, 513, 700),
);
const fill = (size: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => (index * 31 + seed) & 0xff);
const nonceSizes = fc.constantFrom(12, 24);
const inputs = fc
  .record({ size: sizes, associated: associatedSizes, nonce: nonceSizes, seed: fc.nat() })
  .map(({ size, associated, nonce, seed }) => ({
    key: fill(32, seed + 1),
    nonce: fill(nonce, seed + 2),
    plaintext: fill(size, seed + 3),
    associatedData: fill(associated, seed + 4),
  }));

it("draft-irtf-cfrg-xchacha-03 §2.2.1: HChaCha20", () => {
  const words = (input: Uint8Array): Uint32Array => new Uint32Array(input.slice().buffer);
  const subkey = new Uint32Array(8);
  const constants = words(utf8("expand 32-byte k"));
  hchacha(constants, words(bytes(hchacha20.key)), words(bytes(hchacha20.nonce)), subkey);
  expect(toHex(new Uint8Array(subkey.buffer))).toBe(hchacha20.subkey);
});

describe.each(aeads)("AEAD by %s", (_, family) => {
  it.each(cases)("$name", (vector) => {
    const [key, nonce] = [bytes(vector.key), bytes(vector.nonce)];
    const associatedData = bytes(vector.associatedData);
    const sealed = family.seal(key, nonce, bytes(vector.plaintext), associatedData);
    expect(toHex(sealed)).toBe(vector.sealed);
    const opened = family.open(key, nonce, bytes(vector.sealed), associatedData);
    expect(toHex(opened!)).toBe(vector.plaintext);
  });

  it("seals as noble does and opens what it sealed, at every length", () => {
    fc.assert(
      fc.property(inputs, ({ key, nonce, plaintext, associatedData }) => {
        const oracle = nonce.length === 24 ? xchacha20poly1305 : chacha20poly1305;
        const sealed = family.seal(key, nonce, plaintext, associatedData);
        expect(toHex(sealed)).toBe(toHex(oracle(key, nonce, associatedData).encrypt(plaintext)));
        expect(family.open(key, nonce, sealed, associatedData)).toEqual(plaintext);
      }),
      { numRuns: 150 },
    );
  });

  it("refuses any changed bit of key, nonce, text, tag and associated data", () => {
    const bits = fc.nat({ max: 100_000 });
    fc.assert(
      fc.property(inputs, bits, ({ key, nonce, plaintext, associatedData }, bit) => {
        const sealed = family.seal(key, nonce, plaintext, associatedData);
        const open: AeadFamily["open"] = (...input) => family.open(...input);
        expect(open(key, nonce, flipped(sealed, bit), associatedData)).toBeUndefined();
        expect(open(flipped(key, bit), nonce, sealed, associatedData)).toBeUndefined();
        expect(open(key, flipped(nonce, bit), sealed, associatedData)).toBeUndefined();
        const longer = concatBytes(associatedData, Uint8Array.of(0));
        expect(open(key, nonce, sealed, longer)).toBeUndefined();
        expect(open(key, nonce, sealed.subarray(0, -1), associatedData)).toBeUndefined();
        if (associatedData.length === 0) return;
        expect(open(key, nonce, sealed, flipped(associatedData, bit))).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });

  it("refuses everything shorter than a tag", () => {
    for (let size = 0; size < 16; size++) {
      const none = new Uint8Array(0);
      expect(family.open(fill(32, 1), fill(12, 2), fill(size, 3), none)).toBeUndefined();
    }
  });

  it("does not mix associated data and text: bytes moved across the border are refused", () => {
    const key = fill(32, 1);
    const nonce = fill(12, 2);
    const sealed = family.seal(key, nonce, fill(48, 3), fill(16, 4));
    const moved = sealed.subarray(16);
    const data = concatBytes(fill(16, 4), sealed.subarray(0, 16));
    expect(family.open(key, nonce, moved, data)).toBeUndefined();
  });

  it("returns bytes of their own and leaves the input alone", () => {
    const key = fill(32, 1);
    const nonce = fill(24, 2);
    const plaintext = fill(200, 3);
    const associatedData = fill(40, 4);
    const sealed = family.seal(key, nonce, plaintext, associatedData);
    const kept = sealed.slice();
    const opened = family.open(key, nonce, sealed, associatedData);
    family.seal(key, nonce, fill(200, 9), associatedData);
    expect(sealed).toEqual(kept);
    expect(opened).toEqual(fill(200, 3));
    expect([key, nonce, plaintext, associatedData]).toEqual([
      fill(32, 1),
      fill(24, 2),
      fill(200, 3),
      fill(40, 4),
    ]);
    expect(Object.getPrototypeOf(opened)).toBe(Uint8Array.prototype);
    expect(opened!.buffer.byteLength).toBe(200);
    expect(sealed.buffer.byteLength).toBe(216);
  });

  it("takes views at odd offsets of larger arrays", () => {
    const odd = (part: Uint8Array): Uint8Array =>
      concatBytes(fill(3, 0), part, fill(5, 0)).subarray(3, 3 + part.length);
    for (const size of [0, 1, 100, 3000]) {
      const parts = [fill(32, 1), fill(24, 2), fill(size, 3), fill(70, 4)] as const;
      const sealed = family.seal(...parts);
      expect(family.seal(odd(parts[0]), odd(parts[1]), odd(parts[2]), odd(parts[3]))).toEqual(
        sealed,
      );
      const opened = family.open(odd(parts[0]), odd(parts[1]), odd(sealed), odd(parts[3]));
      expect(opened).toEqual(parts[2]);
    }
  });

  it("opens a tampered message and then a good one", () => {
    const key = fill(32, 1);
    const nonce = fill(24, 2);
    const none = new Uint8Array(0);
    const sealed = family.seal(key, nonce, fill(500, 3), none);
    expect(family.open(key, nonce, flipped(sealed, 5), none)).toBeUndefined();
    expect(family.open(key, nonce, sealed, none)).toEqual(fill(500, 3));
  });
});
