/** The feed by itself (docs/spec/store-idb.md §7): every order of looks and commits. */
import type { StoredRange } from "@hawser/log";
import { testLog } from "@hawser/log/testing";
import { expect, test } from "vitest";
import { createFeed } from "../src/feed.ts";

const { context, logId } = testLog(1).start;

function rangeAt(cursor: number): StoredRange {
  const bytes = new Uint8Array(0);
  return { context, logId, from: cursor, count: 1, bytes, signed: true, cursor };
}

/** A feed over `last` ranges, whose pages wait until they are let through. */
function gated(pageSize: number) {
  const state = { last: 0 };
  const told: number[] = [];
  const reports: unknown[] = [];
  let gate = Promise.withResolvers<void>();
  const feed = createFeed(
    {
      lastCursor: async () => state.last,
      page: async (after, last) => {
        const size = Math.min(pageSize, last - after);
        const page = Array.from({ length: size }, (_, at) => rangeAt(after + 1 + at));
        await gate.promise;
        return page;
      },
      hasListeners: () => true,
      tell: (ranges) => void told.push(...ranges.map(({ cursor }) => cursor)),
      report: (error) => void reports.push(error),
    },
    0,
  );
  const letThrough = (): void => {
    gate.resolve();
    gate = Promise.withResolvers();
    gate.resolve();
  };
  return { feed, state, told, reports, letThrough };
}

test("what was told while a page was on its way is not told again", async () => {
  const { feed, state, told, letThrough } = gated(2);
  state.last = 2;
  feed.wake();
  await Promise.resolve();
  // The commit of our own is told at once: nothing before it was missed.
  feed.committed([rangeAt(1)], 0, 1);
  expect(told).toEqual([1]);
  letThrough();
  await feed.stop();
  expect(told).toEqual([1]);

  const second = gated(2);
  second.state.last = 2;
  second.feed.wake();
  await Promise.resolve();
  second.feed.committed([rangeAt(1)], 0, 1);
  second.letThrough();
  await new Promise((resolve) => setImmediate(resolve));
  expect(second.told).toEqual([1, 2]);
  await second.feed.stop();
});

test("a commit behind a gap waits for what lies in the gap", async () => {
  const { feed, state, told, letThrough } = gated(100);
  letThrough();
  state.last = 5;
  feed.committed([rangeAt(4), rangeAt(5)], 3, 5);
  expect(told).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual([1, 2, 3, 4, 5]);
  await feed.stop();
});

test("a look that fails is reported, and the next one makes up for it", async () => {
  let isBroken = true;
  const told: number[] = [];
  const reports: unknown[] = [];
  const feed = createFeed(
    {
      lastCursor: async () => {
        if (isBroken) throw new Error("broken");
        return 1;
      },
      page: async () => [rangeAt(1)],
      hasListeners: () => true,
      tell: (ranges) => void told.push(...ranges.map(({ cursor }) => cursor)),
      report: (error) => void reports.push(error),
    },
    0,
  );
  feed.wake();
  await new Promise((resolve) => setImmediate(resolve));
  expect(reports).toEqual([new Error("broken")]);
  isBroken = false;
  feed.wake();
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual([1]);
  await feed.stop();
  feed.wake();
  expect(told).toEqual([1]);
});
