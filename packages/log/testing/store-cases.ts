/**
 * What every LogStore must do, as cases any test runner can loop over (docs/spec/2-log.md §13).
 */
import { createLogWriter, ingestRange, readRange, verifyRange, type LogStore } from "@hawser/log";
import { check, checkEqual, checkLog, checkRejects, collect, places, stateOf } from "./check.ts";
import { commitCases } from "./commit-cases.ts";
import {
  extendLog,
  testClock,
  testCrypto,
  testDrafts,
  testFork,
  testLog,
  testTopic,
} from "./fixtures.ts";
import type { LogStoreCase } from "./harness.ts";
import { readCases } from "./read-cases.ts";

const crypto = testCrypto;

const forkCases: readonly LogStoreCase[] = [
  {
    name: "of several fork proofs the one with the smallest seq stays, in whatever order they come",
    run: async ({ open }) => {
      const log = testLog(1);
      const proofs = [];
      for (const seq of [5, 0, 2]) proofs.push((await testFork(log, seq)).proof);
      await using store = await open();
      const range = extendLog(log, log.start, testDrafts(4));
      await store.commit({ ranges: [range] });
      const seen: (number | undefined)[] = [];
      for (const proof of proofs) {
        await store.commit({ forks: [proof] });
        seen.push((await store.head(log.start.logId))?.forkedAt);
      }
      checkEqual(seen, [5, 0, 0], "forkedAt");
      checkEqual(await store.forkProofs(log.start.logId), [proofs[1]], "the kept proof");
      checkEqual((await store.heads(log.context.topic))[0]?.forkedAt, 0, "forkedAt among heads");
    },
  },
  {
    name: "a fork proof may come before the log's first entry",
    run: async ({ open }) => {
      const log = testLog(1);
      const { proof, left } = await testFork(log, 0);
      await using store = await open();
      await store.commit({ forks: [proof] });
      check((await store.head(log.start.logId)) === undefined, "a proof made a head");
      checkEqual(await store.heads(log.context.topic), [], "heads");
      checkEqual(await store.forkProofs(log.start.logId), [proof], "the proof");
      const outcome = await store.commit({ ranges: [left] });
      check(outcome.ok, "the first range after a proof was refused");
      checkEqual((await store.head(log.start.logId))?.forkedAt, 0, "forkedAt");
      checkEqual((await store.head(log.start.logId))?.height, 3, "height");
    },
  },
  {
    name: "without a proof there is none",
    run: async ({ open }) => {
      const log = testLog(1);
      await using store = await open();
      checkEqual(await store.forkProofs(log.start.logId), [], "proofs of an unknown log");
      await store.commit({ ranges: [extendLog(log, log.start, testDrafts(1))] });
      checkEqual(await store.forkProofs(log.start.logId), [], "proofs");
      check((await store.head(log.start.logId))?.forkedAt === undefined, "forkedAt is set");
    },
  },
];

/** Five ranges of three entries. */
function fiveRanges(): {
  readonly log: ReturnType<typeof testLog>;
  readonly all: ReturnType<typeof extendLog>[];
} {
  const log = testLog(1);
  let state = log.start;
  const all = Array.from({ length: 5 }, (_, index) => {
    const range = extendLog(log, state, testDrafts(3, index));
    state = range.after;
    return range;
  });
  return { log, all };
}

const pruneCases: readonly LogStoreCase[] = [
  {
    name: "prune drops whole ranges before a seq and nothing else",
    run: async ({ open }) => {
      const { log, all } = fiveRanges();
      const { logId } = log.start;
      await using store = await open();
      await store.commit({ ranges: all });
      const full = await store.stats();
      checkEqual(await store.prune(logId, 2), 0, "prune inside the first range");
      checkEqual(await store.prune(logId, 8), 6, "prune inside the third range");
      checkEqual(await store.prune(logId, 8), 6, "the same again");
      checkEqual(await store.prune(logId, 1), 6, "an older seq");
      const head = await store.head(logId);
      checkEqual([head?.prunedTo, head?.height], [6, 15], "head");
      checkEqual(places(await collect(store.ranges(logId))), ["6+3", "9+3", "12+3"], "ranges");
      const entries = all.flatMap((range) => range.entries);
      checkEqual(await collect(store.entries(logId)), entries.slice(6), "entries");
      const received = await collect(store.received(log.context.topic, 0));
      checkEqual(places(received), ["6+3", "9+3", "12+3"], "received");
      const stats = await store.stats();
      checkEqual([stats.entries, stats.ranges], [9, 3], "counts");
      check(
        stats.dataBytes < full.dataBytes && stats.rangeBytes < full.rangeBytes,
        "no bytes freed",
      );
    },
  },
  {
    name: "after a prune the state at the cut is known, and the log goes on",
    run: async ({ open }) => {
      const { log, all } = fiveRanges();
      const { logId } = log.start;
      await using store = await open();
      await store.commit({ ranges: all.slice(0, 4) });
      await store.prune(logId, 12);
      checkEqual(await store.stateAt(logId, 11), undefined, "a state before the cut");
      checkEqual(await store.stateAt(logId, 12), all[3]?.after, "the state at the cut");
      checkEqual(await collect(store.entries(logId)), [], "entries");
      const [last] = all.slice(4);
      if (last !== undefined) check((await store.commit({ ranges: [last] })).ok, "refused");
      checkEqual(await collect(store.entries(logId)), last?.entries, "entries after the cut");
      checkEqual(await store.stateAt(logId, 12), all[3]?.after, "the state at the cut, later");
      checkEqual(await store.prune(logId, 100), 15, "prune everything");
    },
  },
  {
    name: "prune never drops what no signature vouches for",
    run: async ({ open }) => {
      const log = testLog(1);
      await using store = await open();
      const signed = extendLog(log, log.start, testDrafts(3));
      const tail = extendLog(log, signed.after, testDrafts(3, 1), { sign: false });
      await store.commit({ ranges: [signed, tail] });
      checkEqual(await store.prune(log.start.logId, 6), 3, "prunedTo");
      checkEqual(await collect(store.entries(log.start.logId)), tail.entries, "entries");
      checkEqual(await store.prune(testLog(2).start.logId, 6), 0, "an unknown log");
    },
  },
];

const aboveCases: readonly LogStoreCase[] = [
  {
    name: "a writer's log arrives whole in another store",
    run: async ({ open }) => {
      const { context, secret, start } = testLog(1);
      await using from = await open();
      await using to = await open();
      const deps = { store: from, crypto, clock: testClock() };
      await using writer = await createLogWriter(deps, { context, secret, sign: "deferred" });
      for (let index = 0; index < 30; index++) {
        await writer.append([{ data: new Uint8Array([index]), path: [new Uint8Array([1])] }]);
      }
      checkEqual(writer.head?.signedHeight, 1, "signed before the checkpoint");
      await writer.checkpoint();
      const bytes = { sum: 0 };
      const ranges = await collect(from.ranges(start.logId));
      for (const range of ranges) bytes.sum += range.bytes.length;
      const joined = new Uint8Array(bytes.sum);
      let offset = 0;
      for (const range of ranges) {
        joined.set(range.bytes, offset);
        offset += range.bytes.length;
      }
      const encoded = { context, from: 0, count: 31, bytes: joined };
      const outcome = await ingestRange({ store: to, crypto }, encoded);
      checkEqual(outcome.status, "stored", "the joined range");
      const again = await ingestRange({ store: to, crypto }, encoded);
      checkEqual(again.status, "known", "the same again");
      checkEqual(
        await collect(to.entries(start.logId)),
        await collect(from.entries(start.logId)),
        "entries",
      );
    },
  },
  {
    name: "a fork is noticed, proven and kept",
    run: async ({ open }) => {
      const log = testLog(1);
      const { shared, left, right, proof } = await testFork(log, 4);
      await using store = await open();
      if (shared !== undefined) await store.commit({ ranges: [shared] });
      for (const range of [right, left]) await ingestRange({ store, crypto }, range);
      checkEqual(await store.forkProofs(log.start.logId), [proof], "proofs");
      checkEqual((await store.head(log.start.logId))?.forkedAt, 4, "forkedAt");
    },
  },
];

const reopenCases: readonly LogStoreCase[] = [
  {
    name: "everything is there after reopening",
    needsReopen: true,
    run: async ({ open, reopen }) => {
      if (reopen === undefined) throw new Error("the harness cannot reopen stores");
      const log = testLog(1);
      const other = testLog(2, { topic: testTopic(2) });
      const { shared, left, proof } = await testFork(log, 2);
      const first = await open();
      const tail = extendLog(other, other.start, testDrafts(70), { sign: false });
      const ranges = shared === undefined ? [left, tail] : [shared, left, tail];
      const writes = [{ key: "a", value: new Uint8Array([1]) }];
      const outcome = await first.commit({ ranges, writes, forks: [proof] });
      await using store = await reopen(first);
      await checkReopened(store, { log, other, tail });
      checkEqual(await store.forkProofs(log.start.logId), [proof], "proofs");
      check(outcome.ok, "the first commit was refused");
      const more = extendLog(other, tail.after, testDrafts(1, 5));
      const next = await store.commit({ ranges: [more] });
      check(next.ok && outcome.ok && next.cursor > outcome.cursor, "the cursor went back");
      checkEqual((await store.head(other.start.logId))?.signedHeight, 71, "signed height");
    },
  },
  {
    name: "a tail left unsigned by a crash is signed when its writer opens",
    run: async ({ open, reopen }) => {
      const { context, secret, start } = testLog(1);
      let store = await open();
      const options = { context, secret, sign: "deferred" as const };
      const writer = await createLogWriter({ store, crypto, clock: testClock() }, options);
      await writer.append(testDrafts(4));
      await writer.append(testDrafts(2, 1));
      if (reopen !== undefined) store = await reopen(store);
      await using next = await createLogWriter({ store, crypto, clock: testClock() }, options);
      checkEqual([next.head?.height, next.head?.signedHeight], [7, 7], "after opening");
      const entries = await collect(store.entries(start.logId, { from: 6 }));
      checkEqual(entries[0]?.data.length, 0, "data of the checkpoint entry");
      await store.close();
    },
  },
];

interface Reopened {
  readonly log: ReturnType<typeof testLog>;
  readonly other: ReturnType<typeof testLog>;
  readonly tail: ReturnType<typeof extendLog>;
}

async function checkReopened(store: LogStore, { log, other, tail }: Reopened): Promise<void> {
  const head = await store.head(log.start.logId);
  checkEqual([head?.height, head?.signedHeight, head?.forkedAt], [5, 5, 2], "first head");
  const tailHead = await store.head(other.start.logId);
  checkEqual([tailHead?.height, tailHead?.signedHeight], [70, 1], "second head");
  await checkLog(store, tail);
  checkEqual(await store.get("a"), new Uint8Array([1]), "value");
  checkEqual((await store.topics()).length, 2, "topics");
  const ranges = await collect(store.ranges(other.start.logId, { from: 65 }));
  checkEqual(places(ranges), ["65+5 unsigned"], "a range from the middle");
  const [range] = ranges;
  const before = await store.stateAt(other.start.logId, 65);
  check(range !== undefined && before !== undefined, "the middle of the log is gone");
  if (range === undefined || before === undefined) return;
  checkEqual(readRange(crypto, before, range), tail.entries.slice(65), "entries of the middle");
  const verdict = verifyRange({ crypto }, stateOf(before), range);
  checkEqual(verdict.ok, false, "an unsigned range as a peer would see it");
}

/** All promises of the LogStore contract. */
export const logStoreCases: readonly LogStoreCase[] = [
  ...commitCases,
  ...readCases,
  ...forkCases,
  ...pruneCases,
  ...aboveCases,
  ...reopenCases,
  {
    name: "every method rejects after close",
    run: async ({ open }) => {
      const store = await open();
      const log = testLog(1);
      const range = extendLog(log, log.start, testDrafts(1));
      await store.commit({ ranges: [range] });
      const { logId } = log.start;
      const { topic } = log.context;
      await store.close();
      await store.close();
      await store[Symbol.asyncDispose]();
      const uses: { readonly [name: string]: () => Promise<unknown> } = {
        commit: () => store.commit({}),
        head: () => store.head(logId),
        heads: () => store.heads(topic),
        topics: () => store.topics(),
        ranges: () => collect(store.ranges(logId)),
        entries: () => collect(store.entries(logId)),
        stateAt: () => store.stateAt(logId, 0),
        findSigned: () => store.findSigned(new Uint8Array(32)),
        received: () => collect(store.received(topic, 0)),
        forkProofs: () => store.forkProofs(logId),
        prune: () => store.prune(logId, 1),
        get: () => store.get("a"),
        list: () => store.list("a"),
        stats: () => store.stats(),
      };
      for (const [name, use] of Object.entries(uses)) {
        await checkRejects(use(), "STORE_CLOSED", name);
      }
    },
  },
];
