/** docs/spec/2-log.md §4–§5: entries, their packets and their compact form. */
import { concatBytes, decodeCbor, encodeCbor, toHex } from "@hawser/codec";
import { buildDatapoint, buildLinkpoint, parsePacket } from "@hawser/packet";
import fc from "fast-check";
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  cutRange,
  decodeChainState,
  decodeContext,
  encodeChainState,
  encodeContext,
  equalContexts,
  isLogContext,
  joinRanges,
  logIdOf,
  readEntryPacket,
  readRange,
  stateWithin,
  tryCutRange,
  verifyRange,
  type EncodedRange,
  type EntryDraft,
  type LogContext,
  type LogStore,
  type VerifiedRange,
} from "@hawser/log";
import { createOracleLog, extendLog, oracleVerify, testDrafts } from "@hawser/log/testing";
import { arbitraryContext, arbitraryHistory } from "@hawser/log/testing/arbitraries";
import { exampleLog as log, fastCrypto as crypto, packetsOf, rangeOf } from "./support/logs.ts";

const numRuns = 60;

describe("packets", () => {
  test("[TH-022] [TH-026] [P2-M14] a range stands for the packets that the oracle builds", () => {
    fc.assert(
      fc.property(arbitraryHistory(), (history) => {
        const range = rangeOf(log, history);
        const oracle = createOracleLog(crypto, log.context, log.secret);
        let stamp = 0;
        for (const { draft, delta, signed } of history) {
          stamp += delta;
          oracle.append(draft, stamp, signed);
        }
        expect(packetsOf(range)).toEqual(oracle.packets);
        expect(oracleVerify(crypto, log.context, oracle.packets)).toBe(true);
        expect(range.entries.map((entry) => entry.seq)).toEqual(history.map((_, seq) => seq));
      }),
      { seed: 1, numRuns },
    );
  });

  test("an entry read from its packet is the entry", () => {
    fc.assert(
      fc.property(arbitraryHistory(8), (history) => {
        const range = rangeOf(log, history);
        for (const [index, bytes] of packetsOf(range).entries()) {
          const parsed = parsePacket(bytes);
          if (!parsed.ok) throw new Error(parsed.reason);
          const read = readEntryPacket(crypto, log.context, parsed.packet);
          expect(read?.entry).toEqual(range.entries[index]);
          expect(read?.backlink).toEqual(range.entries[index - 1]?.hash);
        }
      }),
      { seed: 2, numRuns },
    );
  });

  test("[TH-030] [TH-018] a body may be bytes inside or a root of anything outside", () => {
    const body = { byteCount: 3_000_000, hash: new Uint8Array(32).fill(3) };
    const drafts: EntryDraft[] = [
      { data: new Uint8Array([0, 255, 10]) },
      { data: new Uint8Array(0), body },
      { data: new Uint8Array([1]), body },
    ];
    const range = extendLog(log, log.start, drafts, { crypto });
    const verdict = verifyRange({ crypto }, log.start, range);
    expect(verdict.ok && verdict.range.entries.map(({ data, body: own }) => [data, own])).toEqual(
      drafts.map((draft) => [draft.data, draft.body]),
    );
  });

  test("[TH-030] a body is raw bytes, a nested value, or many blocks under one root", () => {
    const nested = encodeCbor([
      ["title", "x"],
      ["parts", [1, [2, [3]]]],
      ["note", null],
    ]);
    const scope = { group: new Uint8Array(32).fill(7), domain: "files", stamp: 1 };
    const leaves = [0, 1, 2].map((index) =>
      buildDatapoint(crypto, new Uint8Array(60_000).fill(index)),
    );
    const links = leaves.map((leaf) => ({ tag: new Uint8Array(16), pointer: leaf.hash }));
    const root = buildLinkpoint(crypto, { ...scope, links, data: new Uint8Array(0) });
    const drafts: EntryDraft[] = [
      { data: new Uint8Array([0, 255, 10]) },
      { data: nested },
      { data: new Uint8Array(0), body: { byteCount: 180_000, hash: root.hash } },
    ];
    const verdict = verifyRange(
      { crypto },
      log.start,
      extendLog(log, log.start, drafts, { crypto }),
    );
    if (!verdict.ok) throw new Error(verdict.reason);
    const [raw, value, many] = verdict.range.entries;
    expect(raw?.data).toEqual(new Uint8Array([0, 255, 10]));
    expect(decodeCbor(value!.data)).toEqual(decodeCbor(nested));
    // Whoever has the entry finds every block from it, and knows it for the right one.
    const blocks = new Map([root, ...leaves].map((packet) => [toHex(packet.hash), packet]));
    const top = blocks.get(toHex(many!.body!.hash));
    const found = top!.links.map((link) => blocks.get(toHex(link.pointer))!.data);
    expect(found).toEqual(leaves.map((leaf) => leaf.data));
  });
});

describe("compact form", () => {
  test("an unsigned entry costs its data and at most 16 bytes, three to seven as a rule", () => {
    const data = new Uint8Array(200);
    const one = extendLog(log, log.start, [{ data }], { crypto, stamp: 1_700_000_000_000_000 });
    for (const [delta, overhead] of [
      [1, 4],
      [1_000, 5],
      [1_000_000, 6],
      [3_600_000_000, 8],
      [2 ** 52, 11],
    ] as const) {
      const range = extendLog(log, one.after, [{ data }], {
        crypto,
        sign: false,
        stamp: one.after.stamp + delta,
      });
      expect(range.bytes.length - data.length).toBe(overhead);
    }
  });

  test("decoding gives the entries again, from the start and from every mark", () => {
    const range = extendLog(log, log.start, testDrafts(200), { crypto, sign: false });
    expect(range.marks.map((mark) => mark.state.height)).toEqual([0, 64, 128, 192]);
    expect(readRange(crypto, log.start, range)).toEqual(range.entries);
    for (const mark of range.marks) {
      const entries = readRange(crypto, log.start, range, { from: 195, to: 199, mark });
      expect(entries).toEqual(range.entries.slice(195, 199));
    }
  });

  test("every cut stands alone, and consecutive cuts join to what was cut", () => {
    fc.assert(
      fc.property(arbitraryHistory(), fc.nat(20), fc.nat(20), (history, first, second) => {
        const range = rangeOf(log, history);
        const [from, to] = [Math.min(first, second), Math.max(first, second) + 1];
        if (to > range.count) return;
        const cut = cutRange(range, from, to);
        const before = stateWithin(crypto, log.start, range, from);
        expect(readRange(crypto, before, cut)).toEqual(range.entries.slice(from, to));
        const parts = [cut];
        if (from > 0) parts.unshift(cutRange(range, 0, from));
        if (to < range.count) parts.push(cutRange(range, to, range.count));
        const joined = joinRanges(parts);
        expect(joined.bytes).toEqual(concatBytes(...parts.map((part) => part.bytes)));
        expect(readRange(crypto, log.start, joined)).toEqual(range.entries);
        expect(verifyRange({ crypto }, log.start, joined).ok).toBe(true);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  test("cuts outside a range, and joins that leave a gap, are refused", () => {
    const range = extendLog(log, log.start, testDrafts(4), { crypto });
    for (const [from, to] of [
      [0, 5],
      [2, 2],
      [3, 2],
      [-1, 2],
    ] as const) {
      expect(() => cutRange(range, from, to)).toThrow(
        expect.objectContaining({ code: "LOG_CUT_INVALID" }),
      );
      expect(tryCutRange(range, from, to)).toBeUndefined();
    }
    const [start, end] = [cutRange(range, 0, 1), cutRange(range, 2, 4)];
    for (const parts of [[], [start, end], [start, start]]) {
      expect(() => joinRanges(parts)).toThrow(expect.objectContaining({ code: "LOG_CUT_INVALID" }));
    }
    const broken = { ...range, bytes: range.bytes.subarray(0, 20) };
    expect(() => cutRange(broken, 1, 2)).toThrow(
      expect.objectContaining({ code: "STORE_CORRUPT" }),
    );
    expect(() => readRange(crypto, log.start, broken)).toThrow(/does not parse/);
  });

  test("an unverified range cannot be committed: the type checker says so", () => {
    expectTypeOf<EncodedRange>().not.toExtend<VerifiedRange>();
    expectTypeOf<VerifiedRange>().toExtend<EncodedRange>();
    type Ranges = NonNullable<Parameters<LogStore["commit"]>[0]["ranges"]>;
    expectTypeOf<readonly EncodedRange[]>().not.toExtend<Ranges>();
  });
});

describe("contexts and states", () => {
  test("[TH-051] a log id is derived from topic, domain and public key, and binds each", () => {
    const id = logIdOf(crypto, log.context);
    const changed: readonly LogContext[] = [
      { ...log.context, topic: log.context.author as string as LogContext["topic"] },
      { ...log.context, domain: "hawser.dat" },
      { ...log.context, author: log.context.topic as string as LogContext["author"] },
    ];
    for (const context of changed) {
      expect(logIdOf(crypto, context)).not.toBe(id);
      expect(equalContexts(context, log.context)).toBe(false);
    }
    expect(logIdOf(crypto, { ...log.context })).toBe(id);
  });

  test("contexts round-trip in 80 bytes", () => {
    fc.assert(
      fc.property(arbitraryContext, (context) => {
        const bytes = encodeContext(context);
        expect(bytes.length).toBe(80);
        expect(decodeContext(bytes)).toEqual(context);
      }),
      { seed: 4 },
    );
  });

  test("what is no context is refused", () => {
    for (const change of [
      { topic: "" },
      { topic: "AB".repeat(32) },
      { author: "zz".repeat(32) },
      { domain: "" },
      { domain: "seventeen letters" },
      { domain: "über" },
      { domain: "a\0" },
    ]) {
      const context = { ...log.context, ...change } as LogContext;
      expect(isLogContext(context)).toBe(false);
      expect(() => encodeContext(context)).toThrow(
        expect.objectContaining({ code: "LOG_CONTEXT_INVALID" }),
      );
    }
    const bytes = encodeContext(log.context);
    expect(decodeContext(bytes.subarray(1))).toBeUndefined();
    expect(decodeContext(concatBytes(bytes, new Uint8Array(1)))).toBeUndefined();
    const blank = bytes.slice();
    blank.fill(0, 32, 48);
    expect(decodeContext(blank)).toBeUndefined();
    blank[40] = 65;
    expect(decodeContext(blank)).toBeUndefined();
  });

  test("states round-trip, and damaged ones are refused", () => {
    let state = log.start;
    for (let height = 0; height < 60; height++) {
      const bytes = encodeChainState(state);
      expect(decodeChainState(crypto, bytes)).toEqual(state);
      for (const wrong of [bytes.subarray(1), bytes.subarray(0, -1), concatBytes(bytes, bytes)]) {
        expect(() => decodeChainState(crypto, wrong)).toThrow(
          expect.objectContaining({ code: "STORE_CORRUPT" }),
        );
      }
      state = extendLog(log, state, testDrafts(1), { crypto, sign: false }).after;
    }
  });
});
