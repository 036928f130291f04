/** The view itself: gates, judgements that change, snapshots that lie, state that is no state. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { recordView, text, ttlMsMax } from "@hawser/record";
import { encodeCbor } from "@hawser/codec";
import type { Gate } from "@hawser/view";
import { hold, heldDict, heldPair } from "../src/held.ts";
import { identityOf } from "../src/node-bytes.ts";
import { author, fold, openWorld, opEvent, printed, settled, update } from "./support.ts";

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
