/** The view itself: gates, judgements that change, snapshots that lie, state that is no state. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRecords, recordView, text, ttlMsMax } from "@hawser/record";
import { encodeCbor } from "@hawser/codec";
import type { Gate } from "@hawser/view";
import { createMemorySource, type MemorySource } from "@hawser/view/testing";
import { hold, heldDict, heldPair } from "../src/held.ts";
import { identityOf } from "../src/node-bytes.ts";
import { author, fold, openWorld, opEvent, printed, second, settled, update } from "./support.ts";

describe("the view", () => {
  test("a gate keeps an author's documents out", async () => {
    const gate: Gate = {
      start: () => ({
        add: () => "none",
        judge: (event) =>
          event.author === author(1)
            ? { verdict: "refuse", reason: "NOT_HERE", by: [] }
            : { verdict: "admit" },
      }),
    };
    const { records, source } = await openWorld({ gate });
    source.deliver([opEvent(1, 0, update([["a", 1]])), opEvent(2, 0, update([["b", 1]]))]);
    await settled();
    expect([...records.get("k").keys()]).toEqual([author(2)]);
  });

  test("[SR-watch] when judgements change, what is gone is told", async () => {
    const kept = opEvent(2, 0, update([["b", 1]]));
    const { records, source } = await openWorld();
    source.deliver([opEvent(1, 0, { ...update([["a", 1]]), key: "gone" }), kept]);
    const abort = new AbortController();
    const heard = new Map<string, number>();
    const watching = (async () => {
      for await (const { key, documents } of records.watch({ signal: abort.signal })) {
        heard.set(key, documents.size);
      }
    })();
    await settled();
    source.reset([kept]);
    await settled();
    expect(records.keys()).toEqual(["k"]);
    expect([...heard]).toEqual([
      ["gone", 0],
      ["k", 1],
    ]);
    abort.abort();
    await watching;
  });

  test("[SR-ttl-clamp] a snapshot gives no life a stamp later than its own", async () => {
    const { records, source, clock } = await openWorld();
    const life = { expiresAt: Number.MAX_SAFE_INTEGER, stamp: 5_000 };
    const pairs = new Map([
      [identityOf(text("a")), heldPair(text("a"), hold(text("x"), life))] as const,
    ]);
    const held = heldDict(pairs, undefined);
    source.deliver([
      opEvent(1, 0, { op: "snapshot", key: "k", held }, 4_999),
      opEvent(2, 0, { op: "snapshot", key: "k", held }, 5_000),
    ]);
    await settled();
    expect(records.refusals(author(1))).toMatchObject([{ code: "RECORD_BAD_NODE" }]);
    expect(printed(records, 2)).toBe('{"a"="x"}');
    clock.now = 5_000 + ttlMsMax * 1_000;
    expect(records.keys()).toEqual([]);
  });

  test("[SR-order-law] state round-trips, and bytes that are no state are refused", () => {
    const events = [
      opEvent(0, 0, update([["a", ["x", { d: 1 }]]])),
      opEvent(1, 0, update([["p", { e: {} }]])),
    ];
    const state = fold(events);
    const bytes = recordView.encode(state);
    const decoded = recordView.decode(bytes);
    expect(decoded && recordView.encode(decoded)).toEqual(bytes);
    for (let end = 0; end < bytes.length; end++) {
      expect(recordView.decode(bytes.subarray(0, end))).toBeUndefined();
    }
    for (const bad of [[2, []], [1], [1, [["a", 1]]], [1, [["a", 1, [["k", 1]]]]], [1, 7]]) {
      expect(recordView.decode(encodeCbor(bad))).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (junk) => {
        const read = recordView.decode(junk);
        if (read !== undefined) expect(recordView.encode(read)).toBeDefined();
      }),
    );
  });
});

describe("snapshots on this device", () => {
  const reopened = async (source: MemorySource, now = 1_000) => {
    const clock = { nowMicros: () => now };
    const again = createMemorySource(0, source.shelved);
    again.deliver(source.events);
    const records = createRecords({ source: again, clock, author: author(0) });
    await records.ready;
    return { again, records };
  };

  test("[SR-order-law] documents open from one, go on behind it, and read as all entries make them", async () => {
    const { records, source } = await openWorld();
    for (let round = 0; round < 60; round++) {
      await records.update("mine", { round });
      source.deliver([
        opEvent(
          1,
          round,
          round % 7 === 0
            ? { op: "remove", key: "k", path: [], item: undefined }
            : update([["r", round]]),
        ),
      ]);
    }
    await settled();
    await records[Symbol.asyncDispose]();
    source.deliver([opEvent(2, 0, update([["late", 1]]))]);
    const { again, records: next } = await reopened(source);
    expect(again.handedCount).toBe(1);
    for (const log of [0, 1, 2]) {
      for (const key of ["k", "mine"]) {
        const all = fold(source.events).documents.get(key)?.get(author(log));
        expect(printed(next, log, key) === undefined).toBe(all === undefined);
      }
    }
    expect(printed(next, 0, "mine")).toBe('{"round"=59}');
    expect(printed(next, 2)).toBe('{"late"=1}');
    await next[Symbol.asyncDispose]();
  });

  test("[SR-ttl-clamp] what is dated ahead of the clock waits in one until its time", async () => {
    const present = 1_700_000_000 * second;
    const { records, source, clock } = await openWorld();
    clock.now = present;
    const ahead = present + 3_600 * second;
    const events = Array.from({ length: 120 }, (_, seq) =>
      opEvent(1, seq, update([["a", seq]], ttlMsMax), ahead + seq),
    );
    source.deliver(events);
    await settled();
    expect(printed(records, 1)).toBe('{"a"=119}');
    await records[Symbol.asyncDispose]();
    const { again, records: next } = await reopened(source, present);
    expect([again.handedCount, next.keys()]).toEqual([0, []]);
    await next[Symbol.asyncDispose]();
    const { records: later } = await reopened(source, ahead);
    expect(printed(later, 1)).toBe('{"a"=119}');
    await later[Symbol.asyncDispose]();
  });
});
