/** docs/spec/2-log.md §7: what verifyRange accepts, and what it costs. */
import { compareBytes, createByteWriter, equalBytes, type ByteWriter } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildRange,
  cutRange,
  joinRanges,
  rangeBytesMax,
  verifyRange,
  type ChainState,
  type EncodedRange,
  type LogContext,
  type RangeVerdict,
} from "@hawser/log";
import { extendLog, oracleVerify, testDrafts, testLog } from "@hawser/log/testing";
import { arbitraryHistory } from "@hawser/log/testing/arbitraries";
import {
  exampleLog as log,
  fastCrypto as crypto,
  hashesOf,
  packetsOf,
  rangeOf,
} from "./support/logs.ts";

/** Counts what a check costs. */
function counting(): {
  readonly crypto: Crypto;
  readonly counts: { hashes: number; checks: number };
} {
  const counts = { hashes: 0, checks: 0 };
  return {
    counts,
    crypto: {
      ...crypto,
      hash: (bytes) => {
        counts.hashes++;
        return crypto.hash(bytes);
      },
      verifyPoint: (...args) => {
        counts.checks++;
        return crypto.verifyPoint(...args);
      },
    },
  };
}

/** Reason and place of a refusal; throws when the range was accepted. */
function refusal(verdict: RangeVerdict): { readonly reason: string; readonly failedSeq: number } {
  if (verdict.ok) throw new Error("the range was accepted");
  return { reason: verdict.reason, failedSeq: verdict.failedSeq };
}

/** Whether what was accepted is a prefix of `range`, and nothing else. */
function expectGoodPrefix(verdict: RangeVerdict, range: ReturnType<typeof rangeOf>): number {
  if (verdict.ok) throw new Error("the range was accepted");
  const accepted = verdict.accepted;
  if (accepted === undefined) return 0;
  expect(hashesOf(accepted.entries)).toEqual(hashesOf(range.entries).slice(0, accepted.count));
  expect(accepted.after.height).toBe(accepted.from + accepted.count);
  expect(accepted.after.hash).toEqual(accepted.entries.at(-1)?.hash);
  expect(accepted.signed).toBe(true);
  expect(accepted.entries.at(-1)?.signature).toBeDefined();
  const again = verifyRange({ crypto }, range.before, accepted);
  expect(again.ok && again.range.after).toEqual(accepted.after);
  return accepted.count;
}

const keyed = extendLog(
  log,
  log.start,
  [
    { data: new Uint8Array([1]), path: [new Uint8Array([5])] },
    { data: new Uint8Array([2]), path: [new Uint8Array([5])] },
    { data: new Uint8Array([3]), deps: [{ seq: 2, hash: new Uint8Array(32).fill(1) }] },
    { data: new Uint8Array([]), body: { byteCount: 9, hash: new Uint8Array(32).fill(2) } },
    { data: new Uint8Array([4]), path: [new Uint8Array([6])] },
  ],
  { crypto, keys: [2] },
);

describe("accepting", () => {
  test("a good range is accepted as it was built", () => {
    fc.assert(
      fc.property(arbitraryHistory(), (history) => {
        const range = rangeOf(log, history);
        const { context, from, count, bytes } = range;
        const verdict = verifyRange({ crypto }, log.start, { context, from, count, bytes });
        expect(verdict).toEqual({ ok: true, range });
        expect(oracleVerify(crypto, context, packetsOf(range))).toBe(true);
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  test("a thousand entries with ten keypoints cost a thousand hashes and one signature", () => {
    const keys = Array.from({ length: 10 }, (_, index) => index * 100 + 50);
    const range = extendLog(log, log.start, testDrafts(1_000), { crypto, keys });
    const { crypto: counted, counts } = counting();
    expect(verifyRange({ crypto: counted }, log.start, range).ok).toBe(true);
    expect(counts).toEqual({ hashes: 1_000, checks: 1 });
  });

  test("ranges that were joined are accepted like one", () => {
    const parts = [cutRange(keyed, 0, 1), cutRange(keyed, 1, 3), cutRange(keyed, 3, 5)];
    const verdict = verifyRange({ crypto }, log.start, joinRanges(parts));
    expect(verdict.ok && verdict.range.after).toEqual(keyed.after);
  });
});

describe("tampering", () => {
  test("[TH-027] [TD-1] [ATK-quiet3433] no flipped bit anywhere passes, the first entry included", () => {
    for (let bit = 0; bit < keyed.bytes.length * 8; bit++) {
      const bytes = keyed.bytes.slice();
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const verdict = verifyRange({ crypto }, log.start, { ...keyed, bytes });
      expect(expectGoodPrefix(verdict, keyed)).toBeLessThanOrEqual(entryAt(keyed, bit >> 3));
    }
  });

  test("[TH-200] one signature covers what an entry says and every link it has, the first entry too", () => {
    const linked = {
      data: new Uint8Array([1, 2]),
      path: [new Uint8Array([5])],
      deps: [1, 2, 3].map((line) => ({ seq: line, hash: new Uint8Array(32).fill(line) })),
      body: { byteCount: 9, hash: new Uint8Array(32).fill(9) },
    };
    const first = extendLog(log, log.start, [linked], { crypto });
    // Behind a predecessor there are a backlink and, here, a skip link to it too.
    const later = extendLog(log, keyed.after, [linked], { crypto });
    for (const [range, before] of [
      [first, log.start],
      [later, keyed.after],
    ] as const) {
      expect(verifyRange({ crypto }, before, range).ok).toBe(true);
      for (let bit = 0; bit < range.bytes.length * 8; bit++) {
        const bytes = range.bytes.slice();
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const verdict = verifyRange({ crypto }, before, { ...range, bytes });
        expect(verdict.ok).toBe(false);
      }
    }
    // Links that the compact form leaves out are covered as well: they come from the predecessor.
    const other = extendLog(log, log.start, [...testDrafts(5)], { crypto });
    expect(other.after.height).toBe(keyed.after.height);
    expect(verifyRange({ crypto }, other.after, later).ok).toBe(false);
  });

  test("[TH-027] no truncation passes, and the good prefix of each is kept", () => {
    for (let size = 0; size < keyed.bytes.length; size++) {
      const bytes = keyed.bytes.subarray(0, size);
      const verdict = verifyRange({ crypto }, log.start, { ...keyed, bytes });
      const whole = entryAt(keyed, size);
      const good = expectGoodPrefix(verdict, keyed);
      // A count that the bytes cannot hold is refused before anything is read.
      const hopeless = size < 3 * keyed.count;
      expect(good).toBe(hopeless || whole < 1 ? 0 : whole < 3 ? 1 : 3);
    }
  });

  test("what is accepted of a damaged range is the longest prefix whose keypoint holds", () => {
    fc.assert(
      fc.property(
        arbitraryHistory(30),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (history, at, mask) => {
          const range = rangeOf(log, history);
          const bytes = range.bytes.slice();
          const offset = at % bytes.length;
          bytes[offset] = (bytes[offset] ?? 0) ^ mask;
          const verdict = verifyRange({ crypto }, log.start, { ...range, bytes });
          if (verdict.ok) {
            // Another spelling of the same entries is no other entry.
            expect(hashesOf(verdict.range.entries)).toEqual(hashesOf(range.entries));
            return;
          }
          const damaged = entryAt(range, offset);
          const lastGood = range.entries.findLastIndex(
            (entry, index) => index < damaged && entry.signature !== undefined,
          );
          const good = expectGoodPrefix(verdict, range);
          expect(good).toBe(bytes.length < 3 * range.count ? 0 : lastGood + 1);
          expect(verdict.failedSeq).toBeGreaterThanOrEqual(good);
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  test("finding the good prefix takes O(log keypoints) signature checks", () => {
    const count = 600;
    const keys = Array.from({ length: count }, (_, index) => index);
    const range = extendLog(log, log.start, testDrafts(count), { crypto, keys });
    for (const broken of [0, 1, 299, 598, 599]) {
      const bytes = range.bytes.slice();
      const offset = offsetOf(range, broken) + 5;
      bytes[offset] = (bytes[offset] ?? 0) ^ 1;
      const { crypto: counted, counts } = counting();
      const verdict = verifyRange({ crypto: counted }, log.start, { ...range, bytes });
      expect(refusal(verdict)).toEqual({ reason: "LOG_BAD_SIGNATURE", failedSeq: broken });
      expect(expectGoodPrefix(verdict, range)).toBe(broken);
      expect(counts.checks).toBeLessThanOrEqual(13);
      expect(counts.hashes).toBeLessThanOrEqual(count + 13 * 64 + 64);
    }
  });

  test("[TH-021] [TH-024] [TH-051] entries signed by another key are refused", () => {
    const thief = testLog(2, { crypto });
    const forged = buildRange({ crypto, secret: thief.secret }, log.start, [
      { draft: { data: new Uint8Array([1]) }, stamp: 1, signed: true },
    ]);
    expect(refusal(verifyRange({ crypto }, log.start, forged))).toEqual({
      reason: "LOG_BAD_SIGNATURE",
      failedSeq: 0,
    });
    const good = extendLog(log, log.start, testDrafts(2), { crypto });
    const appended = buildRange({ crypto, secret: thief.secret }, good.after, [
      { draft: { data: new Uint8Array([1]) }, stamp: 9, signed: true },
    ]);
    expect(refusal(verifyRange({ crypto }, good.after, appended)).failedSeq).toBe(2);
  });

  test("[TD-2] a range moved to another author, topic or domain is refused", () => {
    const contexts: readonly LogContext[] = [
      testLog(2, { crypto }).context,
      testLog(1, { crypto, domain: "hawser.control" }).context,
      { ...log.context, topic: "00".repeat(32) as LogContext["topic"] },
    ];
    for (const context of contexts) {
      const moved = { ...keyed, context };
      expect(refusal(verifyRange({ crypto }, log.start, moved)).reason).toBe("LOG_RANGE_CONTEXT");
      const there = { ...testLog(2, { crypto }).start, context } as ChainState;
      expect(refusal(verifyRange({ crypto }, there, moved)).reason).toBe("LOG_BAD_SIGNATURE");
    }
  });

  test("[TH-028] a range hangs on its predecessor: on another one it is refused", () => {
    const left = extendLog(log, log.start, testDrafts(5, 1), { crypto });
    const right = extendLog(log, log.start, testDrafts(5, 2), { crypto });
    const next = extendLog(log, left.after, testDrafts(2, 3), { crypto });
    expect(verifyRange({ crypto }, left.after, next).ok).toBe(true);
    expect(refusal(verifyRange({ crypto }, right.after, next)).reason).toBe("LOG_BAD_SIGNATURE");
    const shorter = { ...next, from: 4 };
    const before = extendLog(log, log.start, testDrafts(4, 1), { crypto }).after;
    expect(refusal(verifyRange({ crypto }, before, shorter)).reason).toBe("LOG_BAD_SIGNATURE");
  });

  test("an author who signs on top of a bad signature of its own is still read safely", () => {
    const first = extendLog(log, log.start, testDrafts(2), { crypto });
    const broken = { ...crypto, signPoint: (): Uint8Array => new Uint8Array(64).fill(1) };
    const second = buildRange({ crypto: broken, secret: log.secret }, first.after, [
      { draft: { data: new Uint8Array([7]) }, stamp: 50, signed: true },
    ]);
    const third = extendLog(log, second.after, testDrafts(2, 4), { crypto });
    const all = joinRanges([first, second, third]);
    expect(verifyRange({ crypto }, log.start, all).ok).toBe(true);
    const alone = verifyRange({ crypto }, log.start, joinRanges([first, second]));
    expect(refusal(alone)).toEqual({ reason: "LOG_BAD_SIGNATURE", failedSeq: 2 });
    const damaged = { ...all, bytes: all.bytes.slice() };
    damaged.bytes[damaged.bytes.length - 1] = 0;
    const verdict = verifyRange({ crypto }, log.start, damaged);
    expect(verdict.ok).toBe(false);
    expect(!verdict.ok && verdict.accepted?.count).toBe(2);
  });
});

/** Index of the entry that holds the byte at `offset`. */
function entryAt(range: EncodedRange, offset: number): number {
  let index = 0;
  while (index < range.count && offsetOf(range, index + 1) <= offset) index++;
  return index;
}

/** Where entry `index` of a range that starts at 0 begins. */
function offsetOf(range: EncodedRange, index: number): number {
  if (index === 0) return 0;
  if (index === range.count) return range.bytes.length;
  return cutRange(range, 0, index).bytes.length;
}

describe("limits", () => {
  const first = extendLog(log, log.start, testDrafts(1), { crypto });
  const hash = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

  /** The verdict about one hand-made entry after a good genesis. */
  function verdictOn(write: (writer: ByteWriter) => void): { reason: string; failedSeq: number } {
    const writer = createByteWriter();
    write(writer);
    const bytes = writer.finish();
    const range: EncodedRange = { context: log.context, from: 1, count: 1, bytes };
    return refusal(verifyRange({ crypto }, first.after, range));
  }

  /** Flags, a stamp delta of 1, and what follows before the data; then empty data. */
  function entry(
    flags: number,
    ...middle: readonly (number | Uint8Array)[]
  ): (writer: ByteWriter) => void {
    return (writer) => {
      writer.u8(flags);
      writer.varint(1);
      for (const part of middle) {
        if (typeof part === "number") writer.varint(part);
        else writer.bytes(part);
      }
      writer.varint(0);
    };
  }

  test.each([
    ["an unsigned entry alone", entry(0), "LOG_UNSIGNED_TAIL"],
    ["a signed entry without signature", entry(1), "LOG_ENTRY_TRUNCATED"],
    ["an unknown flag", entry(0x20), "LOG_ENTRY_FLAGS"],
    ["the highest flag", entry(0x80), "LOG_ENTRY_FLAGS"],
    ["no deps where deps are announced", entry(8, 0), "LOG_ENTRY_DEPS"],
    ["65 deps", entry(8, 65, ...deps(65)), "LOG_ENTRY_DEPS"],
    ["a dep twice", entry(8, 2, 1, hash(1), 1, hash(1)), "LOG_ENTRY_DEPS"],
    ["deps out of order", entry(8, 2, 1, hash(2), 1, hash(1)), "LOG_ENTRY_DEPS"],
    ["a dep cut short", entry(8, 1, 1, new Uint8Array(5)), "LOG_ENTRY_TRUNCATED"],
    ["a path announced and empty", entry(2, 0), "LOG_ENTRY_PATH"],
    ["both kinds of path", entry(6, 2, bytes(1, 7)), "LOG_ENTRY_PATH"],
    ["the path of an entry that is not there", entry(4), "LOG_ENTRY_PATH"],
    ["an empty component", entry(2, 1, bytes(0)), "LOG_ENTRY_PATH"],
    ["a component past the end", entry(2, 2, bytes(5, 1)), "LOG_ENTRY_PATH"],
    ["nine components", entry(2, 18, bytes(...Array(9).fill([1, 7]).flat())), "LOG_ENTRY_PATH"],
    ["a path of 243 bytes", entry(2, 243, new Uint8Array(243)), "LOG_ENTRY_TRUNCATED"],
    ["a body cut short", entry(16, 1, new Uint8Array(8)), "LOG_ENTRY_TRUNCATED"],
  ] as const)("%s", (_, write, reason) => {
    expect(verdictOn(write)).toEqual({ reason, failedSeq: 1 });
  });

  test("64 deps are allowed", () => {
    const draft = {
      data: new Uint8Array(0),
      deps: Array.from({ length: 64 }, (_, index) => ({ seq: index, hash: hash(index) })),
    };
    const range = extendLog(log, first.after, [draft], { crypto });
    expect(verifyRange({ crypto }, first.after, range).ok).toBe(true);
  });

  test("stamps that stand still, or reach 2^53", () => {
    const still = (writer: ByteWriter): void => writer.bytes(bytes(0, 0, 0));
    expect(verdictOn(still).reason).toBe("LOG_ENTRY_STAMP");
    const far = (writer: ByteWriter): void => {
      writer.u8(0);
      writer.varint(Number.MAX_SAFE_INTEGER);
      writer.varint(0);
    };
    expect(verdictOn(far).reason).toBe("LOG_ENTRY_STAMP");
    const last = extendLog(log, first.after, testDrafts(1), {
      crypto,
      stamp: Number.MAX_SAFE_INTEGER,
    });
    expect(verifyRange({ crypto }, first.after, last).ok).toBe(true);
  });

  test("data that fits in no packet", () => {
    const large =
      (size: number) =>
      (writer: ByteWriter): void => {
        writer.u8(0);
        writer.varint(1);
        writer.varint(size);
        writer.bytes(new Uint8Array(Math.min(size, 70_000)));
      };
    // Backlink and author link leave 64,864 bytes.
    expect(verdictOn(large(64_864)).reason).toBe("LOG_UNSIGNED_TAIL");
    expect(verdictOn(large(64_865)).reason).toBe("LOG_ENTRY_TOO_LARGE");
    expect(verdictOn(large(65_025)).reason).toBe("LOG_ENTRY_TOO_LARGE");
    expect(verdictOn(large(2 ** 40)).reason).toBe("LOG_ENTRY_TOO_LARGE");
  });

  test("numbers in a longer spelling", () => {
    const long = (writer: ByteWriter): void => writer.bytes(bytes(0, 0x81, 0x00, 0));
    expect(verdictOn(long).reason).toBe("LOG_ENTRY_TRUNCATED");
  });

  test("an unsigned genesis", () => {
    const range = { context: log.context, from: 0, count: 1, bytes: bytes(0, 1, 0) };
    expect(refusal(verifyRange({ crypto }, log.start, range))).toEqual({
      reason: "LOG_GENESIS_UNSIGNED",
      failedSeq: 0,
    });
  });

  test("[P2-M17] counts and sizes are checked before anything is read", () => {
    const { crypto: counted, counts } = counting();
    const refuse = (change: Partial<EncodedRange>): string =>
      refusal(verifyRange({ crypto: counted }, log.start, { ...keyed, ...change })).reason;
    expect(refuse({ from: 1 })).toBe("LOG_RANGE_GAP");
    for (const count of [0, -1, 1.5, Number.NaN, 2 ** 53, 1_048_577]) {
      expect(refuse({ count })).toBe("LOG_RANGE_COUNT");
    }
    expect(refuse({ count: 1_000_000 })).toBe("LOG_ENTRY_TRUNCATED");
    expect(refuse({ bytes: new Uint8Array(rangeBytesMax + 1) })).toBe("LOG_RANGE_TOO_LARGE");
    expect(counts).toEqual({ hashes: 0, checks: 0 });
  });

  test("more or fewer entries than the bytes hold: the good prefix is kept", () => {
    const fewer = verifyRange({ crypto }, log.start, { ...keyed, count: 4 });
    expect(refusal(fewer)).toEqual({ reason: "LOG_TRAILING_BYTES", failedSeq: 4 });
    expect(expectGoodPrefix(fewer, keyed)).toBe(3);
    const more = verifyRange({ crypto }, log.start, { ...keyed, count: 6 });
    expect(refusal(more)).toEqual({ reason: "LOG_ENTRY_TRUNCATED", failedSeq: 5 });
    expect(expectGoodPrefix(more, keyed)).toBe(5);
  });

  test("a tail without signature is not accepted, what comes before is", () => {
    const tail = extendLog(log, keyed.after, testDrafts(3), { crypto, sign: false });
    const verdict = verifyRange({ crypto }, log.start, joinRanges([keyed, tail]));
    expect(refusal(verdict)).toEqual({ reason: "LOG_UNSIGNED_TAIL", failedSeq: 5 });
    expect(expectGoodPrefix(verdict, keyed)).toBe(5);
  });

  test("random bytes neither pass nor throw", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.integer({ min: 1, max: 20 }),
        (noise, count) => {
          for (const before of [log.start, keyed.after]) {
            const { context } = log;
            const range = { context, from: before.height, count, bytes: noise };
            const verdict = verifyRange({ crypto }, before, range);
            expect(verdict.ok).toBe(false);
            expect(!verdict.ok && verdict.accepted).toBeUndefined();
          }
        },
      ),
      { seed: 5, numRuns: 1_000 },
    );
  });

  test("good ranges with bytes put in, taken out and replaced neither pass nor throw", () => {
    const edit = fc.record({
      at: fc.nat(keyed.bytes.length),
      remove: fc.nat(4),
      insert: fc.uint8Array({ maxLength: 4 }),
    });
    fc.assert(
      fc.property(edit, fc.integer({ min: 1, max: 7 }), ({ at, remove, insert }, count) => {
        const edited = [...keyed.bytes];
        edited.splice(at, remove, ...insert);
        const range = { ...keyed, count, bytes: new Uint8Array(edited) };
        const verdict = verifyRange({ crypto }, log.start, range);
        if (!verdict.ok) expectGoodPrefix(verdict, keyed);
        else expect(equalBytes(range.bytes, keyed.bytes) || count < 5).toBe(true);
      }),
      { seed: 6, numRuns: 500 },
    );
  });

  function deps(count: number): (number | Uint8Array)[] {
    return Array.from({ length: count }, (_, index) => hash(index))
      .sort(compareBytes)
      .flatMap((each) => [1, each]);
  }

  function bytes(...values: number[]): Uint8Array {
    return new Uint8Array(values);
  }
});
