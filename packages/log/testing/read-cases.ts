/** Conformance cases: reading by place, by topic, by receive order. */
import { keypointDataBytesMax, linkBytes } from "@hawser/packet";
import { ingestRange, readRange, type ChainState, type EntryDraft } from "@hawser/log";
import { check, checkEqual, checkLog, collect, places, stateOf } from "./check.ts";
import { rangesOf } from "./commit-cases.ts";
import { extendLog, testCrypto, testDrafts, testLog, testTopic } from "./fixtures.ts";
import type { LogStoreCase } from "./harness.ts";

const crypto = testCrypto;

/** Entries whose paths repeat within and across ranges. */
function draftsWithPaths(count: number, mark: number): EntryDraft[] {
  const paths = [[], [new Uint8Array([1])], [new Uint8Array([1])], [new Uint8Array([2, 3])]];
  return testDrafts(count, mark).map((draft, index) => ({
    ...draft,
    path: paths[(index + mark) % paths.length] ?? [],
  }));
}

const placeCases: readonly LogStoreCase[] = [
  {
    name: "ranges can be cut at every seq, and each cut stands alone",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const first = extendLog(log, log.start, draftsWithPaths(5, 0));
      const second = extendLog(log, first.after, draftsWithPaths(1, 1));
      const third = extendLog(log, second.after, draftsWithPaths(6, 2), { sign: false });
      await store.commit({ ranges: [first, second, third] });
      const all = [...first.entries, ...second.entries, ...third.entries];
      for (let from = 0; from <= 12; from++) {
        for (let to = from; to <= 13; to++) {
          const read = [];
          for (const range of await collect(store.ranges(log.start.logId, { from, to }))) {
            const before = await store.stateAt(log.start.logId, range.from);
            if (before !== undefined) read.push(...readRange(crypto, before, range));
          }
          checkEqual(read, all.slice(from, to), `entries of ranges [${from}, ${to})`);
        }
      }
    },
  },
  {
    name: "entries are read from any seq to any other",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const { logId } = log.start;
      const ranges = rangesOf(log, [1, 130, 2, 1, 66]);
      await store.commit({ ranges });
      const all = ranges.flatMap((range) => range.entries);
      for (const [from, to] of [
        [0, 0],
        [0, 1],
        [0, 200],
        [1, 2],
        [63, 67],
        [100, 135],
        [131, 132],
        [133, 134],
        [199, 200],
        [150, 900],
        [200, 201],
        [500, 501],
      ] as const) {
        const entries = await collect(store.entries(logId, { from, to }));
        checkEqual(entries, all.slice(from, to), `[${from}, ${to})`);
      }
      checkEqual((await collect(store.entries(logId))).length, 200, "all");
      checkEqual(await collect(store.entries(testLog(2).start.logId)), [], "an unknown log");
    },
  },
  {
    name: "the state is known at every height",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const singles: ChainState[] = [log.start];
      let state: ChainState = log.start;
      const drafts = testDrafts(150);
      for (const draft of drafts) {
        const next = extendLog(log, state, [draft], { sign: false });
        state = next.after;
        singles.push(state);
      }
      const first = extendLog(log, log.start, drafts.slice(0, 140), { sign: false });
      const second = extendLog(log, first.after, drafts.slice(140), { sign: false });
      await store.commit({ ranges: [first, second] });
      for (const height of [0, 1, 2, 13, 63, 64, 65, 127, 128, 139, 140, 141, 149, 150]) {
        const found = await store.stateAt(log.start.logId, height);
        checkEqual(found, singles[height], `state at ${height}`);
      }
      checkEqual(await store.stateAt(log.start.logId, 151), undefined, "beyond the head");
      checkEqual(await store.stateAt(testLog(2).start.logId, 0), undefined, "an unknown log");
    },
  },
  {
    name: "entries of the largest size",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      // The backlink of the second, and nothing else.
      const sizes = [keypointDataBytesMax, keypointDataBytesMax - linkBytes];
      let state: ChainState = log.start;
      for (const size of sizes) {
        const data = new Uint8Array(size).fill(size & 0xff);
        const range = extendLog(log, state, [{ data }]);
        check((await store.commit({ ranges: [range] })).ok, "refused");
        state = range.after;
      }
      const entries = await collect(store.entries(log.start.logId));
      checkEqual(
        entries.map((entry) => entry.data.length),
        sizes,
        "sizes",
      );
      checkEqual(entries.at(-1)?.hash, state.hash, "hash");
      const sum = sizes.reduce((total, size) => total + size, 0);
      checkEqual((await store.stats()).dataBytes, sum, "data bytes");
    },
  },
  {
    name: "readers of one log at the same time do not disturb each other",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const drafts = draftsWithPaths(90, 0).map((draft, index) => ({
        ...draft,
        data: new Uint8Array((index * 97) % 2_000).fill(index),
      }));
      const first = extendLog(log, log.start, drafts.slice(0, 40));
      const second = extendLog(log, first.after, drafts.slice(40));
      await store.commit({ ranges: [first, second] });
      const all = [...first.entries, ...second.entries];
      const readers = [0, 33, 41, 70].map(async (from, index) => {
        const read = [];
        for await (const entry of store.entries(log.start.logId, { from })) {
          read.push(entry);
          if (entry.seq % (index + 2) === 0) await store.stateAt(log.start.logId, entry.seq);
        }
        checkEqual(read, all.slice(from), `entries from ${from}`);
      });
      await Promise.all(readers);
    },
  },
  {
    name: "what was taken from a peer's buffer outlives that buffer",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const path = [new Uint8Array([1, 2, 3])];
      const drafts = testDrafts(150).map((draft) => ({ ...draft, path }));
      const range = extendLog(log, log.start, drafts);
      const received = { ...range, bytes: range.bytes.slice() };
      await ingestRange({ store, crypto }, received);
      received.bytes.fill(0xee);
      const entries = await collect(store.entries(log.start.logId, { from: 100, to: 140 }));
      checkEqual(entries, range.entries.slice(100, 140), "entries from the middle");
    },
  },
  {
    name: "1,000 single appends are read back, also from the middle",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      let state: ChainState = log.start;
      const hashes: Uint8Array[] = [];
      for (let index = 0; index < 1_000; index++) {
        const range = extendLog(log, state, testDrafts(1, index & 0xff), { sign: index === 999 });
        const outcome = await store.commit({ ranges: [range] });
        if (!outcome.ok) check(false, `append ${index} was refused`);
        state = range.after;
        hashes.push(range.entries[0]?.hash ?? new Uint8Array(0));
      }
      const entries = await collect(store.entries(log.start.logId));
      checkEqual(
        entries.map((entry) => entry.hash),
        hashes,
        "hashes",
      );
      for (const seq of [0, 1, 333, 640, 777, 999]) {
        const [entry] = await collect(store.entries(log.start.logId, { from: seq, to: seq + 1 }));
        checkEqual([entry?.seq, entry?.hash], [seq, hashes[seq]], `entry ${seq}`);
      }
      const head = await store.head(log.start.logId);
      checkEqual(head === undefined ? undefined : stateOf(head), state, "head");
      checkEqual((await store.stats()).entries, 1_000, "entries");
    },
  },
];

const topicCases: readonly LogStoreCase[] = [
  {
    name: "[TH-020] heads are those of a topic, ordered by log id; topics are ordered",
    run: async ({ open }) => {
      await using store = await open();
      const topics = [testTopic(1), testTopic(2)];
      for (let number = 0; number < 10; number++) {
        const domain = number < 5 ? "hawser.data" : "hawser.control";
        const log = testLog(number % 5, { topic: topics[number % 2] ?? testTopic(0), domain });
        await store.commit({ ranges: [extendLog(log, log.start, testDrafts(number + 1))] });
      }
      checkEqual(await store.topics(), [...topics].sort(), "topics");
      const counts: number[] = [];
      for (const topic of topics) {
        const heads = await store.heads(topic);
        const ids = heads.map((head) => head.logId);
        checkEqual(ids, [...ids].sort(), "order");
        check(
          heads.every((head) => head.context.topic === topic),
          "a head of another topic",
        );
        counts.push(heads.length);
        for (const head of heads) checkEqual(await store.head(head.logId), head, "head by log");
      }
      checkEqual(counts, [5, 5], "counts");
      checkEqual(await store.heads(testTopic(3)), [], "an unknown topic");
    },
  },
  {
    name: "ranges are read in receive order, and on from any cursor",
    run: async ({ open }) => {
      await using store = await open();
      const [one, two, elsewhere] = [testLog(1), testLog(2), testLog(3, { topic: testTopic(1) })];
      const a = rangesOf(one, [2, 3]);
      const b = rangesOf(two, [4, 5]);
      const order = [a[0], b[0], b[1], a[1]];
      for (const range of order) {
        if (range !== undefined) await store.commit({ ranges: [range] });
        if (range === b[0]) await store.commit({ ranges: rangesOf(elsewhere, [1]) });
      }
      const { topic } = one.context;
      const received = await collect(store.received(topic, 0));
      checkEqual(places(received), ["0+2", "0+4", "4+5", "2+3"], "all");
      const cursors = received.map((range) => range.cursor);
      check(
        cursors.every((cursor, at) => at === 0 || cursor > (cursors[at - 1] ?? 0)),
        "cursors",
      );
      for (const [at, cursor] of cursors.entries()) {
        const rest = await collect(store.received(topic, cursor));
        checkEqual(rest.length, 3 - at, `after cursor ${cursor}`);
      }
      checkEqual(places(await collect(store.received(testTopic(1), 0))), ["0+1"], "elsewhere");
      checkEqual(await collect(store.received(topic, cursors.at(-1) ?? 0)), [], "at the end");
    },
  },
  {
    name: "reading in receive order ends, whatever is committed meanwhile",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      let state: ChainState = log.start;
      const add = async (): Promise<void> => {
        const range = extendLog(log, state, testDrafts(1), { sign: false });
        state = range.after;
        await store.commit({ ranges: [range] });
      };
      for (let index = 0; index < 3; index++) await add();
      let count = 0;
      for await (const _ of store.received(log.context.topic, 0)) {
        count++;
        if (count < 50) await add();
      }
      check(count >= 3 && count < 50, `read ${count} ranges`);
    },
  },
  {
    name: "iterations can be left early, and stop at an abort signal",
    run: async ({ open }) => {
      await using store = await open();
      const log = testLog(1);
      const { logId } = log.start;
      const ranges = rangesOf(log, [2, 2, 2]);
      await store.commit({ ranges });
      for await (const _ of store.entries(logId)) break;
      for await (const _ of store.ranges(logId)) break;
      for await (const _ of store.received(log.context.topic, 0)) break;
      const signal = AbortSignal.abort(new Error("enough"));
      for (const items of [
        store.entries(logId, { signal }),
        store.ranges(logId, { signal }),
        store.received(log.context.topic, 0, { signal }),
      ]) {
        const ended = await collect<unknown>(items).then(
          () => "read",
          (error: unknown) => (error instanceof Error ? error.message : "something"),
        );
        checkEqual(ended, "enough", "with an aborted signal");
      }
      const last = ranges.at(-1);
      if (last === undefined) return;
      check(
        (await store.commit({ ranges: [extendLog(log, last.after, testDrafts(1))] })).ok,
        "stuck",
      );
    },
  },
  {
    name: "[TH-130] what one store gives, another takes, byte for byte",
    run: async ({ open }) => {
      await using from = await open();
      await using to = await open();
      const log = testLog(1);
      const ranges = rangesOf(log, [3, 1, 40]);
      await from.commit({ ranges });
      for await (const range of from.ranges(log.start.logId)) {
        const outcome = await ingestRange({ store: to, crypto }, range);
        checkEqual(outcome.status, "stored", `range from ${range.from}`);
      }
      for (const [at, range] of ranges.entries()) {
        const [copy] = (await collect(to.ranges(log.start.logId))).slice(at);
        checkEqual(copy?.bytes, range.bytes, `bytes of range ${at}`);
      }
      const entries = ranges.flatMap((range) => range.entries);
      await checkLog(to, { entries, after: ranges.at(-1)?.after ?? log.start });
    },
  },
];

/** Reading. */
export const readCases: readonly LogStoreCase[] = [...placeCases, ...topicCases];
