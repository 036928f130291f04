import fc from "fast-check";
import { expect, test } from "vitest";
import type { StoredRange } from "@hawser/log";
import { testLog, testTopic } from "@hawser/log/testing";
import { createFeed } from "../src/feed.ts";
import type { ReceivedBounds } from "../src/reads.ts";
import { laneOf } from "../src/row.ts";

/** Three topics, each in a lane of its own. */
const logs = [0, 1, 2].map((number) => testLog(number, { topic: testTopic(number) }));
const lanes = logs.map((log) => laneOf(log.context.topic));

/** A database of cursors alone, whose answers come when the test says so. */
function createModel(): {
  readonly rows: StoredRange[];
  readonly counters: number[];
  commit(log: number, from: number): { readonly row: StoredRange; readonly before: number };
  laneCursors(): Promise<readonly number[]>;
  lanePage(lane: number, bounds: ReceivedBounds): Promise<readonly StoredRange[]>;
  /** Gives the oldest open answer; false when none is open. */
  answer(): boolean;
} {
  const rows: StoredRange[] = [];
  const counters = Array.from({ length: 256 }, () => 0);
  const open: (() => void)[] = [];
  const later = <Value>(read: () => Value): Promise<Value> => {
    // Read now, answered later: what a slow connection does.
    const value = read();
    return new Promise((resolve) => void open.push(() => resolve(value)));
  };
  return {
    rows,
    counters,
    commit: (number, from) => {
      const log = logs[number] ?? testLog(0);
      const lane = laneOf(log.context.topic);
      const before = counters[lane] ?? 0;
      counters[lane] = before + 1;
      const { context, start } = log;
      const place = { from, count: 1, bytes: new Uint8Array(0), signed: true };
      const row = { context, logId: start.logId, ...place, cursor: before + 1 };
      rows.push(row);
      return { row, before };
    },
    laneCursors: () => later(() => [...counters]),
    lanePage: (lane, { after, last }) =>
      later(() =>
        rows
          .filter((row) => laneOf(row.context.topic) === lane)
          .filter((row) => row.cursor > after && row.cursor <= last)
          .slice(0, 2),
      ),
    answer: () => {
      const next = open.shift();
      next?.();
      return next !== undefined;
    },
  };
}

/** Lets every promise that can settle do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

const step = fc.oneof(
  fc.record({ type: fc.constant("foreign" as const), log: fc.nat(2) }),
  fc.record({ type: fc.constant("own" as const), log: fc.nat(2) }),
  fc.constant({ type: "acknowledge" as const }),
  fc.constant({ type: "answer" as const }),
  fc.constant({ type: "wake" as const }),
  fc.constant({ type: "timer" as const }),
);

test("whatever interleaves, every range is told once and in order within its lane", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const model = createModel();
      const told: StoredRange[] = [];
      const timers: (() => void)[] = [];
      const unacknowledged: { row: StoredRange; before: number }[] = [];
      const feed = createFeed(
        {
          timers: {
            after: (_, callback) => {
              timers.push(callback);
              return () => void timers.splice(timers.indexOf(callback) >>> 0, 1);
            },
          },
          laneCursors: model.laneCursors,
          lanePage: model.lanePage,
          tell: (ranges) => void told.push(...ranges),
          hasListeners: () => true,
          report: (error) => expect(error).toBeUndefined(),
        },
        { pollMsMin: 1, pollMsMax: 10 },
        model.counters,
      );
      const acknowledge = (): void => {
        const commit = unacknowledged.shift();
        if (commit === undefined) return;
        const { row, before } = commit;
        feed.committed([row], [{ lane: laneOf(row.context.topic), before, after: row.cursor }]);
      };
      for (const [index, one] of steps.entries()) {
        if (one.type === "foreign") model.commit(one.log, index);
        else if (one.type === "own") {
          // One commit of our own at a time, as the queue sees to.
          acknowledge();
          unacknowledged.push(model.commit(one.log, index));
        } else if (one.type === "acknowledge") acknowledge();
        else if (one.type === "answer") model.answer();
        else if (one.type === "wake") feed.wake();
        else timers.shift()?.();
        await settle();
      }
      acknowledge();
      feed.wake();
      do await settle();
      while (model.answer());
      expect(told.map((row) => row.from).toSorted((a, b) => a - b)).toEqual(
        model.rows.map((row) => row.from),
      );
      for (const lane of new Set(lanes)) {
        const cursors = told
          .filter((row) => laneOf(row.context.topic) === lane)
          .map((row) => row.cursor);
        expect(cursors).toEqual(cursors.map((_, at) => at + 1));
      }
    }),
    { numRuns: 300 },
  );
});

test("without listeners nothing is read, and nothing of it told later", async () => {
  const model = createModel();
  let hasListeners = false;
  let pages = 0;
  const told: StoredRange[] = [];
  const feed = createFeed(
    {
      timers: { after: () => () => undefined },
      laneCursors: model.laneCursors,
      lanePage: (lane, bounds) => {
        pages += 1;
        return model.lanePage(lane, bounds);
      },
      tell: (ranges) => void told.push(...ranges),
      hasListeners: () => hasListeners,
      report: () => undefined,
    },
    { pollMsMin: 1, pollMsMax: 10 },
    model.counters,
  );
  model.commit(0, 1);
  feed.wake();
  do await settle();
  while (model.answer());
  expect([pages, told.length, feed.seen()]).toEqual([0, 0, 1]);
  hasListeners = true;
  model.commit(0, 2);
  feed.wake();
  do await settle();
  while (model.answer());
  expect(told.map((row) => row.from)).toEqual([2]);
});

test("a commit of our own behind foreign ones has them looked up at once", async () => {
  const model = createModel();
  const told: number[] = [];
  const feed = createFeed(
    {
      timers: { after: () => () => undefined },
      laneCursors: model.laneCursors,
      lanePage: model.lanePage,
      tell: (ranges) => void told.push(...ranges.map((row) => row.from)),
      hasListeners: () => true,
      report: () => undefined,
    },
    { pollMsMin: 1, pollMsMax: 10 },
    model.counters,
  );
  const drain = async (): Promise<void> => {
    do await settle();
    while (model.answer());
  };
  await drain();
  model.commit(0, 1);
  const { row, before } = model.commit(0, 2);
  feed.committed([row], [{ lane: laneOf(row.context.topic), before, after: row.cursor }]);
  expect(told).toEqual([]);
  await drain();
  expect(told).toEqual([1, 2]);
});

test("after the database was set back, new commits are told all the same", async () => {
  const model = createModel();
  for (let index = 0; index < 5; index++) model.commit(0, index);
  const told: number[] = [];
  const feed = createFeed(
    {
      timers: { after: () => () => undefined },
      laneCursors: model.laneCursors,
      lanePage: model.lanePage,
      tell: (ranges) => void told.push(...ranges.map((row) => row.from)),
      hasListeners: () => true,
      report: () => undefined,
    },
    { pollMsMin: 1, pollMsMax: 10 },
    model.counters,
  );
  const look = async (): Promise<void> => {
    feed.wake();
    do await settle();
    while (model.answer());
  };
  await look();
  model.rows.length = 2;
  model.counters[lanes[0] ?? 0] = 2;
  await look();
  model.commit(0, 9);
  await look();
  expect([told, feed.seen()]).toEqual([[9], 5]);
});
