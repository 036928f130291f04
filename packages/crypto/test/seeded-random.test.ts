/** The published test randomness. */
import { expect, it } from "vitest";
import { concatBytes, toHex } from "@hawser/codec";
import { seededRandom } from "@hawser/crypto/testing";

it("repeats for the same seed and differs for another", () => {
  expect(toHex(seededRandom("a")(40))).toBe(toHex(seededRandom("a")(40)));
  expect(toHex(seededRandom("a")(40))).not.toBe(toHex(seededRandom("b")(40)));
  expect(toHex(seededRandom(7)(40))).toBe(toHex(seededRandom("7")(40)));
});

it("is one stream, however it is cut, and goes on past its blocks", () => {
  const whole = seededRandom("stream")(500);
  const random = seededRandom("stream");
  const parts = [1, 0, 63, 64, 65, 307].map((count) => random(count));
  expect(parts.map((part) => part.length)).toEqual([1, 0, 63, 64, 65, 307]);
  expect(toHex(concatBytes(...parts))).toBe(toHex(whole));
  expect(new Set(whole).size).toBeGreaterThan(150);
});
