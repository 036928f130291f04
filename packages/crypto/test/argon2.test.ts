/** Argon2: published vectors, back ends against each other, limits. */
import { argon2d as nobleArgon2d, argon2id as nobleArgon2id } from "@noble/hashes/argon2.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex, utf8 } from "@hawser/codec";
import { argon2id } from "@hawser/crypto";
import {
  argon2,
  nobleArgon2,
  wasmArgon2,
  type Argon2BackEnd,
  type Argon2Variant,
} from "../src/argon2.ts";
import { bytes, vectors } from "./help.ts";

interface Argon2Vectors {
  readonly withSecret: {
    readonly password: string;
    readonly salt: string;
    readonly secret: string;
    readonly associatedData: string;
    readonly memoryKib: number;
    readonly passes: number;
    readonly lanes: number;
    readonly d: string;
    readonly id: string;
  };
  readonly plain: readonly {
    readonly password: string;
    readonly salt: string;
    readonly memoryKib: number;
    readonly passes: number;
    readonly lanes: number;
    readonly id: string;
  }[];
}

const { withSecret, plain } = vectors<Argon2Vectors>("argon2");
const backEnds = [
  ["noble", nobleArgon2],
  ["wasm", wasmArgon2],
] as const;
const salt = utf8("somesalt");
const small = { memoryKib: 64, passes: 1, lanes: 1, byteCount: 32 };

it("noble reproduces RFC 9106 §5.1 and §5.3", () => {
  const options = {
    m: withSecret.memoryKib,
    t: withSecret.passes,
    p: withSecret.lanes,
    dkLen: 32,
    key: bytes(withSecret.secret),
    personalization: bytes(withSecret.associatedData),
  };
  const [password, vectorSalt] = [bytes(withSecret.password), bytes(withSecret.salt)];
  expect(toHex(nobleArgon2d(password, vectorSalt, options))).toBe(withSecret.d);
  expect(toHex(nobleArgon2id(password, vectorSalt, options))).toBe(withSecret.id);
});

describe.each(backEnds)("Argon2 by %s", (_, backEnd) => {
  it.each(plain)("has the reference's Argon2id of $memoryKib KiB, $lanes lanes", async (vector) => {
    const costs = { ...vector, byteCount: 32 };
    const key = await backEnd("id", bytes(vector.password), bytes(vector.salt), costs);
    expect(toHex(key)).toBe(vector.id);
  });
});

it("back ends agree on random input and costs", async () => {
  const costs = fc.record({
    memoryKib: fc.integer({ min: 24, max: 90 }),
    passes: fc.integer({ min: 1, max: 3 }),
    lanes: fc.integer({ min: 1, max: 3 }),
    byteCount: fc.constantFrom(4, 16, 32, 64, 65, 100),
  });
  const passwords = fc.uint8Array({ minLength: 1, maxLength: 80 });
  const salts = fc.uint8Array({ minLength: 8, maxLength: 40 });
  const variants = fc.constantFrom<Argon2Variant>("d", "id");
  await fc.assert(
    fc.asyncProperty(variants, passwords, salts, costs, async (variant, password, salty, cost) => {
      const [left, right] = await Promise.all(
        backEnds.map(([, backEnd]) => backEnd(variant, password, salty, cost)),
      );
      expect(toHex(left!)).toBe(toHex(right!));
    }),
    { numRuns: 40 },
  );
});

describe("argon2id", () => {
  it("takes an empty password, which hash-wasm alone would refuse", async () => {
    const empty = new Uint8Array(0);
    const expected = await nobleArgon2("id", empty, salt, small);
    expect(await argon2id(empty, salt, small)).toEqual(expected);
    await expect(wasmArgon2("id", empty, salt, small)).rejects.toThrow("Password");
  });

  it("goes on to the next back end, and rejects when none works", async () => {
    const broken: Argon2BackEnd = () => Promise.reject(new RangeError("no memory"));
    const password = utf8("password");
    const expected = await nobleArgon2("id", password, salt, small);
    expect(await argon2("id", password, salt, small, [broken, nobleArgon2])).toEqual(expected);
    await expect(argon2("id", password, salt, small, [broken, broken])).rejects.toMatchObject({
      code: "CRYPTO_BAD_COST",
    });
  });

  it("gives different keys for the two variants", async () => {
    const password = utf8("password");
    const [left, right] = await Promise.all([
      argon2("d", password, salt, small),
      argon2("id", password, salt, small),
    ]);
    expect(left).not.toEqual(right);
  });

  it.each([
    ["no memory", { memoryKib: 0 }],
    ["less than 8 KiB a lane", { memoryKib: 15, lanes: 2 }],
    ["more than 2 GiB", { memoryKib: 2_097_153 }],
    ["half a KiB", { memoryKib: 64.5 }],
    ["no pass", { passes: 0 }],
    ["too many passes", { passes: 1025 }],
    ["no lane", { lanes: 0 }],
    ["too many lanes", { lanes: 256, memoryKib: 4096 }],
    ["too short a key", { byteCount: 3 }],
    ["too long a key", { byteCount: 1025 }],
    ["not a number", { passes: Number.NaN }],
  ])("refuses %s before it takes memory", async (_name, change) => {
    await expect(argon2id(utf8("p"), salt, { ...small, ...change })).rejects.toMatchObject({
      code: "CRYPTO_BAD_COST",
    });
  });

  it("refuses a short salt and a password without end", async () => {
    const expected = { code: "CRYPTO_BAD_LENGTH" };
    await expect(argon2id(utf8("p"), utf8("short"), small)).rejects.toMatchObject(expected);
    await expect(argon2id(new Uint8Array(65_537), salt, small)).rejects.toMatchObject(expected);
  });
});
