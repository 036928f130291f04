/** BLAKE3: published vectors over every back end, and the back ends against each other. */
import { blake3 } from "@noble/hashes/blake3.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex, utf8 } from "@hawser/codec";
import { bytes, hashes, vectors } from "./help.ts";

interface Blake3Vectors {
  readonly key: string;
  readonly context: string;
  readonly cases: readonly {
    readonly inputBytes: number;
    readonly hash: string;
    readonly keyedHash: string;
    readonly deriveKey: string;
  }[];
}

const published = vectors<Blake3Vectors>("blake3");
const inputOf = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => index % 251);

describe.each(hashes)("BLAKE3 by %s", (_, family) => {
  it("has the published digests in all three modes", () => {
    expect(published.cases.length).toBe(35);
    for (const { inputBytes, hash, keyedHash, deriveKey } of published.cases) {
      const input = inputOf(inputBytes);
      expect(toHex(family.hash(input)), `hash of ${inputBytes}`).toBe(hash);
      const keyed = family.keyedHash(bytes(published.key), input);
      expect(toHex(keyed), `keyed hash of ${inputBytes}`).toBe(keyedHash);
      const derived = family.deriveKey(published.context, input, 32);
      expect(toHex(derived), `derived key of ${inputBytes}`).toBe(deriveKey);
    }
  });

  it("streams give the published digests however the input is cut", () => {
    for (const { inputBytes, hash } of published.cases) {
      const stream = family.createHash();
      const input = inputOf(inputBytes);
      for (let start = 0; start < input.length; start += 1000) {
        stream.update(input.subarray(start, start + 1000));
      }
      expect(toHex(stream.digest()), `stream of ${inputBytes}`).toBe(hash);
    }
  });

  it("keeps interleaved streams apart", () => {
    const chunk = fc.tuple(fc.nat({ max: 3 }), fc.uint8Array({ maxLength: 3000 }));
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
        const streams = [0, 1, 2, 3].map(() => family.createHash());
        const written: Uint8Array[] = streams.map(() => new Uint8Array(0));
        for (const [index, part] of chunks) {
          streams[index]!.update(part);
          written[index] = concatBytes(written[index]!, part);
          family.hash(part);
        }
        streams.forEach((stream, index) => {
          expect(toHex(stream.digest())).toBe(toHex(blake3(written[index]!)));
        });
      }),
      { numRuns: 40 },
    );
  });

  it("refuses a stream after its digest", () => {
    const stream = family.createHash();
    stream.update(utf8("a"));
    stream.digest();
    expect(() => stream.update(utf8("b"))).toThrow(
      expect.objectContaining({ code: "CRYPTO_FINISHED" }),
    );
    expect(() => stream.digest()).toThrow(expect.objectContaining({ code: "CRYPTO_FINISHED" }));
  });

  it("returns digests that later calls do not change", () => {
    const first = family.hash(utf8("first"));
    const copy = first.slice();
    const keyed = family.keyedHash(new Uint8Array(32), utf8("first"));
    const keyedCopy = keyed.slice();
    family.hash(utf8("second"));
    family.keyedHash(new Uint8Array(32).fill(1), utf8("second"));
    expect(first).toEqual(copy);
    expect(keyed).toEqual(keyedCopy);
    expect(first.buffer.byteLength).toBe(32);
  });

  it("agrees with noble on random input, keys and contexts", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 5000 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.string({ minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 200 }),
        (input, key, context, byteCount) => {
          expect(toHex(family.hash(input))).toBe(toHex(blake3(input)));
          expect(toHex(family.keyedHash(key, input))).toBe(toHex(blake3(input, { key })));
          expect(toHex(family.deriveKey(context, input, byteCount))).toBe(
            toHex(blake3(input, { context: utf8(context), dkLen: byteCount })),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it("hashes views and Buffers like the bytes they show", () => {
    const whole = inputOf(300);
    const view = whole.subarray(17, 217);
    expect(family.hash(view)).toEqual(family.hash(view.slice()));
    expect(family.hash(Buffer.from(view))).toEqual(family.hash(view.slice()));
  });
});
