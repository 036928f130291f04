import { describe, expect, test } from "vitest";
import fc from "fast-check";
import {
  compareBytes,
  createByteReader,
  createByteWriter,
  decodeCbor,
  encodeCbor,
  equalBytes,
  fromBase64url,
  fromHex,
  toBase64url,
  toHex,
  type CborValue,
} from "@hawser/codec";

const bytes = fc.uint8Array({ maxLength: 80 });

describe("text forms", () => {
  test("hex and base64url round-trip and equal Node's own", () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(toHex(value)).toBe(Buffer.from(value).toString("hex"));
        expect(fromHex(toHex(value))).toEqual(value);
        expect(toBase64url(value)).toBe(Buffer.from(value).toString("base64url"));
        expect(fromBase64url(toBase64url(value))).toEqual(value);
      }),
    );
  });

  test.each(["a", "AB==", "A", "AAB", "a+b/", "AA\n"])("base64url refuses %j", (text) => {
    expect(fromBase64url(text)).toBeUndefined();
  });

  test.each(["0", "0g", "0x00"])("hex refuses %j", (text) => {
    expect(fromHex(text)).toBeUndefined();
  });
});

describe("ByteReader", () => {
  test("reads back what ByteWriter wrote", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), bytes, fc.nat(0xffff_ffff), (number, value, word) => {
        const writer = createByteWriter(1);
        writer.varint(number);
        writer.sized(value);
        writer.u32(word);
        writer.u64(number);
        const reader = createByteReader(writer.finish());
        expect(reader.varint()).toBe(number);
        expect(reader.sized(80)).toEqual(value);
        expect(reader.u32()).toBe(word);
        expect(reader.u64()).toBe(number);
        expect(reader.finished).toBe(true);
      }),
    );
  });

  test("every truncation fails and none throws", () => {
    const writer = createByteWriter();
    writer.varint(300);
    writer.sized(new Uint8Array(9));
    writer.u16(7);
    const whole = writer.finish();
    for (let size = 0; size < whole.length; size++) {
      const reader = createByteReader(whole.subarray(0, size));
      reader.varint();
      reader.sized(9);
      reader.u16();
      expect(reader.finished).toBe(false);
    }
  });

  test.each([["8000"], ["ff80808080808000"], ["ffffffffffffff7f"]])(
    "varint %s is over-long or too large",
    (hex) => {
      const reader = createByteReader(fromHex(hex) ?? new Uint8Array());
      reader.varint();
      expect(reader.failed).toBe(true);
    },
  );

  test("a length above the bound fails before any copy", () => {
    const reader = createByteReader(new Uint8Array([200, 1]));
    reader.sized(100);
    expect(reader.failed).toBe(true);
  });
});

describe("canonical CBOR", () => {
  const value = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constant(null),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.string(),
      bytes,
      fc.array(tie("value"), { maxLength: 5 }),
    ),
  })).value;

  test("round-trips", () => {
    fc.assert(
      fc.property(value, (item) => {
        const normal = Object.is(item, -0) ? 0 : item;
        expect(decodeCbor(encodeCbor(normal as never))).toEqual(normal);
      }),
    );
  });

  test("encodings are plain arrays whose slices are copies, short or long", () => {
    for (const size of [1, 100_000]) {
      const bytes = encodeCbor(new Uint8Array(size));
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
      const copy = bytes.slice();
      copy[0] = 0;
      expect(bytes[0]).not.toBe(0);
    }
  });

  test("any bytes either decode to what encodes to them, or are refused", () => {
    fc.assert(
      fc.property(bytes, (input) => {
        const decoded = decodeCbor(input);
        if (decoded !== undefined) expect(equalBytes(encodeCbor(decoded), input)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["1800", "a longer spelling of zero"],
    ["a0", "a map"],
    ["9f01ff", "an indefinite array"],
    ["f97e00", "a float"],
    ["c000", "a tag"],
    ["0000", "two values"],
    ["9bffffffffffffffff", "an array of 2^64 − 1"],
    ["5bffffffffffffffff00", "a string of 2^64 − 1"],
    ["81".repeat(40) + "00", "forty levels"],
    ["", "nothing"],
  ])("refuses %s: %s", (hex) => {
    expect(decodeCbor(fromHex(hex) ?? new Uint8Array())).toBeUndefined();
  });
});

test.each<readonly [string, unknown]>([
  ["an object", { a: 1 }],
  ["an object in an array", [1, { a: 1 }]],
  ["undefined", undefined],
  ["a fraction", 0.5],
  ["a big integer", 1n],
  ["a function", () => 1],
])("%s is refused and not written as something else", (_name, value) => {
  // Untyped callers can give anything.
  expect(() => encodeCbor(value as CborValue)).toThrow(TypeError);
});

test("compareBytes sorts like unsigned bytes, prefix first", () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      expect(Math.sign(compareBytes(a, b))).toBe(Math.sign(Buffer.compare(a, b)));
    }),
  );
});
