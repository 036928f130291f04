/** HKDF-SHA-256: published vectors over every back end, and the back ends against each other. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "@hawser/codec";
import { bytes, kdfs, vectors } from "./help.ts";

interface HkdfVectors {
  readonly cases: readonly {
    readonly name: string;
    readonly material: string;
    readonly salt: string;
    readonly info: string;
    readonly pseudoRandomKey: string;
    readonly output: string;
  }[];
}

const { cases } = vectors<HkdfVectors>("hkdf");

describe.each(kdfs)("HKDF-SHA-256 by %s", (_, family) => {
  it.each(cases)("RFC 5869 $name", (vector) => {
    const extracted = family.extract(bytes(vector.salt), bytes(vector.material));
    expect(toHex(extracted)).toBe(vector.pseudoRandomKey);
    const output = family.expand(extracted, bytes(vector.info), vector.output.length / 2);
    expect(toHex(output)).toBe(vector.output);
  });
});

it("back ends agree on random input, up to the longest output", () => {
  const some = fc.uint8Array({ maxLength: 200 });
  const counts = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constantFrom(32, 64, 8160));
  fc.assert(
    fc.property(some, some, some, counts, (salt, material, info, byteCount) => {
      const outputs = kdfs.map(([, family]) =>
        toHex(family.expand(family.extract(salt, material), info, byteCount)),
      );
      expect(new Set(outputs).size).toBe(1);
      expect(outputs[0]!.length).toBe(2 * byteCount);
    }),
    { numRuns: 60 },
  );
});
