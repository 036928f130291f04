/** Conformance cases: what a commit does, and that it does it wholly or not at all. */
import { toHex } from "@hawser/codec";
import type { ChainState, StoredRange, VerifiedRange } from "@hawser/log";
import { check, checkEqual, checkLog, checkRejects, collect, places, stateOf } from "./check.ts";
import { extendLog, testDrafts, testFork, testLog, testTopic, type TestLog } from "./fixtures.ts";
import type { LogStoreCase } from "./harness.ts";

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

const rangeCases: readonly LogStoreCase[] = [
  {
    name: "a new store is empty",
    run: async ({ open }) => {
      await using store = await open();
      const { start, context } = testLog(1);
      checkEqual(await store.head(start.logId), undefined, "head");
      checkEqual(await store.heads(context.topic), [], "heads");
      checkEqual(await store.topics(), [], "topics");
      checkEqual(await collect(store.ranges(start.logId)), [], "ranges");
      checkEqual(await collect(store.entries(start.logId)), [], "entries");
      checkEqual(await collect(store.received(context.topic, 0)), [], "received");
      checkEqual(await store.stateAt(start.logId, 0), undefined, "state");
      checkEqual(await store.findSigned(bytes(1, 2)), undefined, "a signed entry");
      const { logs, entries, ranges, rangeBytes, dataBytes } = await store.stats();
      checkEqual([logs, entries, ranges, rangeBytes, dataBytes], [0, 0, 0, 0, 0], "stats");
    },
  },
  {
    name: "[TH-026] a committed range is there, in full",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const path = [bytes(1), bytes(0xff, 0)];
      const deps = [{ seq: 3, hash: new Uint8Array(32).fill(9) }];
      const body = { byteCount: 2 ** 40, hash: new Uint8Array(32).fill(8) };
      const drafts = [
        { data: bytes(1, 2, 3), path },
        { data: bytes(), path, deps },
        { data: bytes(4), body },
        { data: bytes(5), path },
      ];
      const range = extendLog(log, log.start, drafts, { stamp: 1_700_000_000_000_000 });
      const outcome = await store.commit({ ranges: [range] });
      check(outcome.ok && outcome.cursor > 0, "the commit was refused");
      await checkLog(store, range);
      const head = await store.head(log.start.logId);
      checkEqual(head, { ...range.after, ...signedTo(range, 4) }, "head");
      const stats = await store.stats();
      checkEqual([stats.logs, stats.entries, stats.ranges, stats.dataBytes], [1, 4, 1, 5], "stats");
    },
  },
  {
    name: "a batch extends several logs, and one log several times",
    run: async ({ open }) => {
      await using store = await open();
      const [log, other] = [testLog(1), testLog(2)];
      const first = extendLog(log, log.start, testDrafts(2));
      const second = extendLog(log, first.after, testDrafts(3, 1));
      const third = extendLog(other, other.start, testDrafts(1));
      check((await store.commit({ ranges: [first, third, second] })).ok, "refused");
      await checkLog(store, joined(first, second));
      await checkLog(store, third);
    },
  },
  {
    name: "a batch is applied wholly or not at all",
    run: async ({ open }) => {
      await using store = await open();
      const [log, other, third] = [testLog(1), testLog(2), testLog(3)];
      const first = extendLog(log, log.start, testDrafts(2));
      const second = extendLog(log, first.after, testDrafts(2));
      const fits = extendLog(other, other.start, testDrafts(2));
      const { proof } = await testFork(third, 0);
      const writes = [{ key: "a", value: bytes(1) }];
      const outcome = await store.commit({ ranges: [fits, second], writes, forks: [proof] });
      checkEqual(outcome, { ok: false, reason: "STORE_HEAD_MOVED", head: undefined }, "outcome");
      checkEqual(await store.head(other.start.logId), undefined, "the range that fits");
      checkEqual(await store.get("a"), undefined, "the value");
      checkEqual(await store.forkProofs(third.start.logId), [], "the proof");
      checkEqual(await collect(store.received(log.context.topic, 0)), [], "received");
      check((await store.commit({ ranges: [fits, first, second], writes })).ok, "refused");
      checkEqual(await store.get("a"), bytes(1), "the value of the second attempt");
    },
  },
  {
    name: "a bad key undoes its whole batch",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const ranges = [extendLog(log, log.start, testDrafts(1))];
      for (const key of ["", "ü", "a\n", "x".repeat(513)]) {
        const writes = [
          { key: "good", value: bytes(1) },
          { key, value: bytes(1) },
        ];
        await checkRejects(store.commit({ ranges, writes }), "STORE_KEY_INVALID", `key ${key}`);
      }
      checkEqual(await store.head(log.start.logId), undefined, "head");
      checkEqual(await store.get("good"), undefined, "the good key");
    },
  },
  {
    name: "a range that does not extend the head is refused, with the head",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const first = extendLog(log, log.start, testDrafts(3));
      const other = extendLog(log, log.start, testDrafts(3, 1));
      await store.commit({ ranges: [first] });
      const refused: readonly VerifiedRange[] = [
        first,
        extendLog(log, log.start, testDrafts(5)),
        extendLog(log, other.after, testDrafts(1)),
        extendLog(log, extendLog(log, first.after, testDrafts(1)).after, testDrafts(1)),
      ];
      for (const range of refused) {
        const outcome = await store.commit({ ranges: [range] });
        check(!outcome.ok, `entries from ${range.from} were taken`);
        if (!outcome.ok) checkEqual(outcome.head, await store.head(log.start.logId), "head");
      }
      await checkLog(store, first);
    },
  },
  {
    name: "of commits at the same time on one head exactly one wins",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const rivals = Array.from({ length: 8 }, (_, mark) =>
        extendLog(log, log.start, testDrafts(2, mark)),
      );
      const outcomes = await Promise.all(rivals.map((range) => store.commit({ ranges: [range] })));
      const winners = rivals.filter((_, index) => outcomes[index]?.ok === true);
      checkEqual(winners.length, 1, "winners");
      const [winner] = winners;
      if (winner !== undefined) await checkLog(store, winner);
    },
  },
  {
    name: "commits at the same time on different logs all win",
    run: async ({ open }) => {
      await using store = await open();
      const ranges = Array.from({ length: 12 }, (_, number) => {
        const log = testLog(number);
        return extendLog(log, log.start, testDrafts(2, number));
      });
      const outcomes = await Promise.all(ranges.map((range) => store.commit({ ranges: [range] })));
      check(
        outcomes.every((outcome) => outcome.ok),
        "a commit was refused",
      );
      const cursors = outcomes.map((outcome) => (outcome.ok ? outcome.cursor : 0));
      checkEqual(new Set(cursors).size, cursors.length, "different cursors");
      for (const range of ranges) await checkLog(store, range);
    },
  },
  {
    name: "what was committed does not change with the caller's buffers",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const value = bytes(1, 2);
      const range = extendLog(log, log.start, testDrafts(3));
      const hashes = range.entries.map((entry) => toHex(entry.hash));
      await store.commit({ ranges: [range], writes: [{ key: "a", value }] });
      value.fill(9);
      range.bytes.fill(9);
      checkEqual(await store.get("a"), bytes(1, 2), "value");
      const entries = await collect(store.entries(log.start.logId));
      checkEqual(
        entries.map((entry) => toHex(entry.hash)),
        hashes,
        "hashes",
      );
      (await store.get("a"))?.fill(9);
      checkEqual(await store.get("a"), bytes(1, 2), "value after its copy was changed");
    },
  },
];

const tailCases: readonly LogStoreCase[] = [
  {
    name: "an unsigned tail is kept, and not counted as signed",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const { logId } = log.start;
      const first = extendLog(log, log.start, testDrafts(3));
      const tail = extendLog(log, first.after, testDrafts(2, 1), { sign: false });
      const more = extendLog(log, tail.after, testDrafts(2, 2), { sign: false });
      await store.commit({ ranges: [first] });
      await store.commit({ ranges: [tail] });
      await store.commit({ ranges: [more] });
      const head = await store.head(logId);
      checkEqual(head, { ...more.after, ...signedTo(first, 3) }, "head");
      const before = places(await collect(store.ranges(logId)));
      checkEqual(before, ["0+3", "3+2 unsigned", "5+2 unsigned"], "ranges");
      const last = extendLog(log, more.after, testDrafts(1, 3));
      await store.commit({ ranges: [last] });
      checkEqual(
        places(await collect(store.ranges(logId))),
        ["0+3", "3+2", "5+2", "7+1"],
        "signed",
      );
      checkEqual((await store.head(logId))?.signedHeight, 8, "signed height");
      const received = await collect(store.received(log.context.topic, 0));
      check(
        received.every((range) => range.signed),
        "a received range still counts as unsigned",
      );
    },
  },
  {
    name: "a range that ends unsigned counts up to its last signed entry",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const range = extendLog(log, log.start, testDrafts(9), { sign: false, keys: [5] });
      await store.commit({ ranges: [range] });
      const head = await store.head(log.start.logId);
      checkEqual([head?.height, head?.signedHeight], [9, 6], "heights");
      checkEqual(head?.signedHash, range.entries[5]?.hash, "signed hash");
      const cut = await collect(store.ranges(log.start.logId, { to: 6 }));
      checkEqual(places(cut), ["0+6"], "cut at the signed height");
    },
  },
  {
    name: "signed entries are found by their hash, unsigned ones are not",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const other = testLog(2);
      const range = extendLog(log, log.start, testDrafts(9), { keys: [5] });
      await store.commit({ ranges: [range, extendLog(other, other.start, testDrafts(2))] });
      for (const entry of range.entries) {
        const expected =
          entry.signature === undefined ? undefined : { logId: entry.logId, seq: entry.seq };
        checkEqual(await store.findSigned(entry.hash), expected, `entry ${entry.seq}`);
      }
      checkEqual(await store.findSigned(new Uint8Array(32)), undefined, "an unknown hash");
    },
  },
];

const valueCases: readonly LogStoreCase[] = [
  {
    name: "values are put, replaced and deleted",
    run: async ({ open }) => {
      await using store = await open();
      checkEqual(await store.get("a"), undefined, "before");
      const writes = [
        { key: "a", value: bytes(1) },
        { key: "b", value: bytes() },
        { key: "gone", value: undefined },
      ];
      const outcome = await store.commit({ writes });
      check(outcome.ok, "refused");
      checkEqual([await store.get("a"), await store.get("b")], [bytes(1), bytes()], "put");
      await store.commit({ writes: [{ key: "a", value: new Uint8Array(100_000).fill(7) }] });
      checkEqual((await store.get("a"))?.length, 100_000, "replaced");
      await store.commit({
        writes: [
          { key: "a", value: undefined },
          { key: "b", value: bytes(1) },
          { key: "b", value: bytes(2) },
        ],
      });
      checkEqual([await store.get("a"), await store.get("b")], [undefined, bytes(2)], "deleted");
    },
  },
  {
    name: "list gives the keys of a prefix in order, every character meant as it is",
    run: async ({ open }) => {
      await using store = await open();
      const keys = ["a", "a%", "a%b", "a/1", "a/10", "a/2", "aXb", "a_b", "b", "A", "a~", "~~"];
      await store.commit({ writes: keys.map((key) => ({ key, value: bytes(key.length) })) });
      const listed = async (prefix: string): Promise<string> =>
        (await store.list(prefix)).map(({ key }) => key).join(" ");
      checkEqual(await listed(""), "A a a% a%b a/1 a/10 a/2 aXb a_b a~ b ~~", "all");
      checkEqual(await listed("a/"), "a/1 a/10 a/2", "a/");
      checkEqual(await listed("a%"), "a% a%b", "a%");
      checkEqual(await listed("a_"), "a_b", "a_");
      checkEqual(await listed("~"), "~~", "~");
      checkEqual(await listed("c"), "", "c");
      checkEqual((await store.list("a/1"))[1], { key: "a/10", value: bytes(4) }, "a pair");
    },
  },
];

const listenerCases: readonly LogStoreCase[] = [
  {
    name: "listeners hear of each commit with ranges, once, when it can be read",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const heard: (readonly StoredRange[])[] = [];
      const heads: Promise<unknown>[] = [];
      const stop = store.onCommit((ranges) => {
        heard.push(ranges);
        heads.push(store.head(log.start.logId).then((head) => head?.height));
      });
      const first = extendLog(log, log.start, testDrafts(2));
      const tail = extendLog(log, first.after, testDrafts(2), { sign: false });
      await store.commit({ ranges: [first, tail] });
      await store.commit({ ranges: [first] });
      await store.commit({ writes: [{ key: "a", value: bytes(1) }] });
      await store.commit({});
      checkEqual(heard.map(places), [["0+2", "2+2 unsigned"]], "heard");
      checkEqual(await Promise.all(heads), [4], "height while listening");
      checkEqual(heard[0]?.[0]?.logId, log.start.logId, "log id");
      stop();
      stop();
      await store.commit({ ranges: [extendLog(log, tail.after, testDrafts(1))] });
      checkEqual(heard.length, 1, "after unsubscribing");
    },
  },
  {
    name: "[TH-100] a head moves forward by what is appended, and never back",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const other = testLog(2, { topic: testTopic(9) });
      let state: ChainState = log.start;
      for (let height = 1; height <= 20; height++) {
        const range = extendLog(log, state, testDrafts(1, height), { sign: false });
        await store.commit({ ranges: [range] });
        if (height === 1)
          await store.commit({ ranges: [extendLog(other, other.start, testDrafts(1))] });
        await store.commit({ ranges: [range] });
        state = range.after;
        const head = await store.head(log.start.logId);
        check(head !== undefined, "no head");
        if (head !== undefined) checkEqual(stateOf(head), state, `head at ${height}`);
      }
    },
  },
];

function signedTo(
  range: VerifiedRange,
  signedHeight: number,
): { readonly [name: string]: unknown } {
  const signedHash = range.entries[signedHeight - 1 - range.from]?.hash;
  return { signedHeight, signedHash, forkedAt: undefined, prunedTo: 0 };
}

function joined(
  first: VerifiedRange,
  second: VerifiedRange,
): Pick<VerifiedRange, "entries" | "after"> {
  return { entries: [...first.entries, ...second.entries], after: second.after };
}

/** Used by other cases too: a log of ranges of these sizes. */
export function rangesOf(log: TestLog, sizes: readonly number[]): readonly VerifiedRange[] {
  let state = log.start;
  return sizes.map((size, index) => {
    const range = extendLog(log, state, testDrafts(size, index));
    state = range.after;
    return range;
  });
}

/** Commits. */
export const commitCases: readonly LogStoreCase[] = [
  ...rangeCases,
  ...tailCases,
  ...valueCases,
  ...listenerCases,
];
