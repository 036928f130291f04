/** AES-256-GCM: published vectors, and the back ends against each other. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex } from "@hawser/codec";
import { aesFamilies, bytes, flipped, vectors } from "./help.ts";

interface AesVectors {
  readonly cases: readonly {
    readonly name: string;
    readonly key: string;
    readonly nonce: string;
    readonly associatedData: string;
    readonly plaintext: string;
    readonly sealed: string;
  }[];
}

const { cases } = vectors<AesVectors>("aes-gcm");
const none = new Uint8Array(0);
const fill = (size: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => (index * 31 + seed) & 0xff);
const inputs = fc
  .record({
    size: fc.oneof(fc.nat({ max: 300 }), fc.constantFrom(0, 15, 16, 17, 4096, 65_004)),
    associated: fc.oneof(fc.nat({ max: 100 }), fc.constantFrom(0, 16, 17)),
    seed: fc.nat(),
  })
  .map(({ size, associated, seed }) => ({
    key: fill(32, seed + 1),
    nonce: fill(12, seed + 2),
    plaintext: fill(size, seed + 3),
    associatedData: fill(associated, seed + 4),
  }));

describe.each(aesFamilies)("AES-256-GCM by %s", (_, family) => {
  it.each(cases)("$name", (vector) => {
    const [key, nonce] = [bytes(vector.key), bytes(vector.nonce)];
    const associatedData = bytes(vector.associatedData);
    const sealed = family.seal(key, nonce, bytes(vector.plaintext), associatedData);
    expect(toHex(sealed)).toBe(vector.sealed);
    const opened = family.open(key, nonce, bytes(vector.sealed), associatedData);
    expect(toHex(opened!)).toBe(vector.plaintext);
  });

  it("refuses any changed bit of key, nonce, text, tag and associated data", () => {
    fc.assert(
      fc.property(inputs, fc.nat({ max: 100_000 }), (input, bit) => {
        const { key, nonce, plaintext, associatedData } = input;
        const sealed = family.seal(key, nonce, plaintext, associatedData);
        expect(family.open(key, nonce, sealed, associatedData)).toEqual(plaintext);
        expect(family.open(key, nonce, flipped(sealed, bit), associatedData)).toBeUndefined();
        expect(family.open(flipped(key, bit), nonce, sealed, associatedData)).toBeUndefined();
        expect(family.open(key, flipped(nonce, bit), sealed, associatedData)).toBeUndefined();
        expect(family.open(key, nonce, sealed.subarray(0, -1), associatedData)).toBeUndefined();
        const longer = concatBytes(associatedData, Uint8Array.of(0));
        expect(family.open(key, nonce, sealed, longer)).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  it("refuses everything shorter than a tag", () => {
    for (let size = 0; size < 16; size++) {
      expect(family.open(fill(32, 1), fill(12, 2), fill(size, 3), none)).toBeUndefined();
    }
  });

  it("returns bytes of their own, no Buffer, and leaves the input alone", () => {
    const [key, nonce, plaintext] = [fill(32, 1), fill(12, 2), fill(200, 3)];
    const sealed = family.seal(key, nonce, plaintext, none);
    const opened = family.open(key, nonce, sealed, none);
    expect(Object.getPrototypeOf(opened)).toBe(Uint8Array.prototype);
    expect([opened!.buffer.byteLength, sealed.buffer.byteLength]).toEqual([200, 216]);
    expect([key, nonce, plaintext]).toEqual([fill(32, 1), fill(12, 2), fill(200, 3)]);
  });
});

it("back ends seal alike at every length", () => {
  fc.assert(
    fc.property(inputs, ({ key, nonce, plaintext, associatedData }) => {
      const sealed = aesFamilies.map(([, family]) =>
        toHex(family.seal(key, nonce, plaintext, associatedData)),
      );
      expect(new Set(sealed).size).toBe(1);
    }),
    { numRuns: 60 },
  );
});
