/**
 * Conformance cases of size: a million entries in bounded memory, many callers at once, pruning under
 * way. Apart from the others because they take seconds: run them in a test file of their own.
 */
import { createCrypto, type Crypto } from "@hawser/crypto";
import type { ChainState, LogStore, VerifiedRange } from "@hawser/log";
import { check, checkEqual, collect, stateOf } from "./check.ts";
import { extendLog, testDrafts, testLog, type TestLog } from "./fixtures.ts";
import type { LogStoreCase } from "./harness.ts";

const logCount = 4;
const roundCount = 250;
const rangeEntries = 1_000;
const entryCount = logCount * roundCount * rangeEntries;
const memoryGrowthDefault = 192 * 1024 * 1024;

/** A log that is being written. */
interface Growing {
  readonly log: TestLog;
  state: ChainState;
}

function nextRange(crypto: Crypto, growing: Growing, count: number, mark: number): VerifiedRange {
  const range = extendLog(growing.log, growing.state, testDrafts(count, mark & 0xff), { crypto });
  growing.state = range.after;
  return range;
}

async function checkMillion(store: LogStore, logs: readonly Growing[]): Promise<void> {
  const perLog = roundCount * rangeEntries;
  for (const { state } of logs) {
    const head = await store.head(state.logId);
    checkEqual(head === undefined ? undefined : stateOf(head), stateOf(state), "head");
    for (const from of [0, 63, 64, 12_345, perLog / 2, perLog - 1]) {
      const [entry] = await collect(store.entries(state.logId, { from, to: from + 1 }));
      checkEqual([entry?.seq, entry?.data[1]], [from, (from % rangeEntries) & 0xff], "an entry");
    }
  }
  const { context } = logs[0]?.state ?? testLog(0).start;
  let [count, cursor] = [0, 0];
  for await (const range of store.received(context.topic, 0)) {
    check(range.cursor > cursor, "the receive order goes back");
    cursor = range.cursor;
    count += range.count;
  }
  checkEqual(count, entryCount, "entries in receive order");
}

const millionCase: LogStoreCase = {
  name: "a million entries in bounded memory, pruned to half, and there after reopening",
  run: async ({ open, reopen, memoryBytes, memoryGrowthBytesMax = memoryGrowthDefault }) => {
    const crypto = await createCrypto();
    const logs = Array.from({ length: logCount }, (_, number): Growing => {
      const log = testLog(number, { crypto });
      return { log, state: log.start };
    });
    let store = await open();
    let before = 0;
    for (let round = 0; round < roundCount; round++) {
      const ranges = logs.map((log) => nextRange(crypto, log, rangeEntries, round));
      const outcomes = await Promise.all(ranges.map((range) => store.commit({ ranges: [range] })));
      check(
        outcomes.every(({ ok }) => ok),
        `round ${round} was refused`,
      );
      // Not from the start: code, buffers and caches come first.
      if (round === 24) before = memoryBytes?.() ?? 0;
    }
    const growth = (memoryBytes?.() ?? 0) - before;
    check(growth <= memoryGrowthBytesMax, `the memory grew by ${growth} bytes`);
    await checkMillion(store, logs);
    const { entries, ranges, dataBytes } = await store.stats();
    checkEqual([entries, ranges, dataBytes], [entryCount, 1_000, entryCount * 3], "stats");
    const half = (roundCount / 2) * rangeEntries;
    const cuts = await Promise.all(logs.map(({ state }) => store.prune(state.logId, half)));
    checkEqual(
      cuts,
      logs.map(() => half),
      "cuts",
    );
    const pruned = await store.stats();
    checkEqual([pruned.entries, pruned.ranges], [entryCount / 2, 500], "stats after pruning");
    if (reopen !== undefined) store = await reopen(store);
    const again = await store.stats();
    checkEqual({ ...again, diskBytes: 0 }, { ...pruned, diskBytes: 0 }, "stats after reopening");
    for (const log of logs) {
      const range = nextRange(crypto, log, 1, 0);
      check((await store.commit({ ranges: [range] })).ok, "an append at the end was refused");
      checkEqual(await store.stateAt(log.state.logId, half - 1), undefined, "a pruned state");
      const [first] = await collect(store.entries(log.state.logId, { to: half + 1 }));
      checkEqual(first?.seq, half, "the first entry that is left");
    }
    await store.close();
  },
};

const callersCase: LogStoreCase = {
  name: "many callers at once: commits, prunes and reads on many logs leave what each was told",
  run: async ({ open, reopen }) => {
    const crypto = await createCrypto();
    let store = await open();
    const heard = { entries: 0 };
    store.onCommit((ranges) => {
      for (const { count } of ranges) heard.entries += count;
    });
    const logs = Array.from({ length: 40 }, (_, number): Growing => {
      const log = testLog(number, { crypto });
      return { log, state: log.start };
    });
    const cuts = await Promise.all(
      logs.map((log, index) => writeAndPrune(crypto, store, log, index)),
    );
    checkEqual(
      heard.entries,
      logs.reduce((sum, { state }) => sum + state.height, 0),
      "heard",
    );
    const expected = logs.reduce(
      (sum, { state }, index) => sum + state.height - (cuts[index] ?? 0),
      0,
    );
    checkEqual((await store.stats()).entries, expected, "entries");
    if (reopen !== undefined) store = await reopen(store);
    for (const [index, { state }] of logs.entries()) {
      const head = await store.head(state.logId);
      checkEqual([head?.height, head?.prunedTo], [state.height, cuts[index]], "head");
      const entries = await collect(store.entries(state.logId));
      checkEqual(entries.length, state.height - (cuts[index] ?? 0), "entries of a log");
      checkEqual(await store.get(`log/${index}`), new Uint8Array([19]), "value");
    }
    await store.close();
  },
};

/** One caller: twenty commits with prunes and reads between; the last cut. */
async function writeAndPrune(
  crypto: Crypto,
  store: LogStore,
  growing: Growing,
  index: number,
): Promise<number> {
  let cut = 0;
  for (let round = 0; round < 20; round++) {
    const range = nextRange(crypto, growing, 1 + ((index + round) % 5), round);
    const writes = [{ key: `log/${index}`, value: new Uint8Array([round]) }];
    check((await store.commit({ ranges: [range], writes })).ok, "refused");
    const { logId, height } = growing.state;
    if (round % 6 === 5) cut = await store.prune(logId, height - 7);
    const read = await collect(store.entries(logId, { from: cut }));
    checkEqual(read.length, height - cut, "entries just written");
  }
  return cut;
}

/** Size, callers at once, pruning, stats. */
export const logStoreScaleCases: readonly LogStoreCase[] = [millionCase, callersCase];
