import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { createKv, kvView, valueBytesMax, type Kv, type KvState } from "@hawser/kv";
import { encodeCbor, equalBytes, utf8 } from "@hawser/codec";
import { undo, type ViewEvent } from "@hawser/view";
import {
  checkViewLaws,
  createMemorySource,
  fakeEvent,
  type MemorySource,
} from "@hawser/view/testing";
import { encodeOps } from "../src/ops.ts";
import { createSortedKeys } from "../src/sorted-keys.ts";

function open(stored: readonly ViewEvent[] = []): { source: MemorySource; kv: Kv } {
  const source = createMemorySource();
  source.deliver(stored);
  return { source, kv: createKv({ source }) };
}

/** A replica of what two writers do, delivered by hand. */
function putBody(
  key: string,
  value: string | undefined,
  replaces: readonly Uint8Array[],
): Uint8Array {
  const [body] = encodeOps([{ key, value, replaces }]);
  if (body === undefined) throw new Error("no body");
  return body;
}

describe("Kv", () => {
  test("[TH-145] Put, Get and Del", async () => {
    const { kv } = open();
    await using _ = kv;
    await kv.put("a", "one");
    await kv.put("b", utf8("bytes"));
    expect([kv.get("a"), kv.get("b"), kv.get("c")]).toEqual(["one", utf8("bytes"), undefined]);
    await kv.del("a");
    expect(kv.get("a")).toBeUndefined();
    expect(kv.has("a")).toBe(false);
    expect(kv.size).toBe(1);
  });

  test("[TH-144] a delete is a tombstone: the log grows, the history stays", async () => {
    const { kv, source } = open();
    await using _ = kv;
    await kv.put("a", 1);
    await kv.del("a");
    expect(source.events.length).toBe(2);
    expect(kv.conflicts("a")).toMatchObject([{ value: undefined }]);
  });

  test("null is a value, not an absence", async () => {
    const { kv } = open();
    await using _ = kv;
    await kv.put("a", null);
    expect(kv.get("a")).toBe(null);
    expect(kv.has("a")).toBe(true);
  });

  test("a batch is one append; of several puts of one key the last counts", async () => {
    const { kv, source } = open();
    await using _ = kv;
    await kv.batch([
      { key: "a", value: 1 },
      { key: "b", value: 2 },
      { key: "a", value: 3 },
    ]);
    expect(source.events.length).toBe(1);
    expect([...kv.range()]).toEqual([
      { key: "a", value: 3 },
      { key: "b", value: 2 },
    ]);
    expect(kv.conflicts("a").length).toBe(1);
  });

  test("a batch too large for one entry is split and stays one append", async () => {
    const { kv, source } = open();
    await using _ = kv;
    const value = new Uint8Array(40_000);
    await kv.batch([1, 2, 3].map((index) => ({ key: `k${index}`, value })));
    expect(source.events.length).toBe(3);
    expect(kv.size).toBe(3);
  });

  test("puts in flight together do not conflict with each other", async () => {
    const { kv } = open();
    await using _ = kv;
    await Promise.all([kv.put("a", 1), kv.put("a", 2), kv.put("a", 3)]);
    expect(kv.conflicts("a").map((version) => version.value)).toEqual([3]);
  });

  test("[TH-010] a causally later put wins whatever its writer's clock says", async () => {
    const fast = fakeEvent(1, 0, { type: "kv", body: putBody("a", "fast", []) }, 9_000_000);
    const { kv } = open([fast]);
    await using _ = kv;
    await kv.ready;
    await kv.put("a", "later");
    expect(kv.get("a")).toBe("later");
    expect(kv.conflicts("a").length).toBe(1);
  });

  test("concurrent puts both stay readable and one rule picks the visible one", async () => {
    const { kv } = open([
      fakeEvent(1, 0, { type: "kv", body: putBody("a", "one", []) }, 500),
      fakeEvent(2, 0, { type: "kv", body: putBody("a", "two", []) }, 600),
    ]);
    await using _ = kv;
    await kv.ready;
    expect(kv.get("a")).toBe("two");
    expect(kv.conflicts("a").map((version) => version.value)).toEqual(["two", "one"]);
    await kv.put("a", "settled");
    expect(kv.conflicts("a").map((version) => version.value)).toEqual(["settled"]);
  });

  test("watch yields each changed key as it reads, within its prefix", async () => {
    const { kv } = open();
    await using _ = kv;
    const controller = new AbortController();
    const seen: unknown[] = [];
    const watching = (async () => {
      for await (const change of kv.watch({ prefix: "x/", signal: controller.signal })) {
        seen.push(change);
        if (change.value === undefined) controller.abort();
      }
    })();
    await kv.put("x/1", "a");
    await kv.put("y/1", "b");
    await kv.del("x/1");
    await watching;
    expect(seen.at(-1)).toEqual({ key: "x/1", value: undefined });
    expect(seen).not.toContainEqual(expect.objectContaining({ key: "y/1" }));
  });

  test.each([
    ["an empty key", "", 1, "KV_KEY_INVALID"],
    ["a lone surrogate", "\ud800", 1, "KV_KEY_INVALID"],
    ["a long key", "k".repeat(1_025), 1, "KV_KEY_INVALID"],
    ["a large value", "k", new Uint8Array(valueBytesMax + 1), "KV_VALUE_TOO_LARGE"],
    ["a float", "k", 0.5, "KV_VALUE_INVALID"],
    ["an object, as untyped callers give", "k", { a: 1 } as never, "KV_VALUE_INVALID"],
  ])("refuses %s before anything is written", async (_name, key, value, code) => {
    const { kv, source } = open();
    await using _ = kv;
    await expect(kv.put(key, value)).rejects.toMatchObject({ code });
    expect(source.events.length).toBe(0);
  });

  test("a body that is no op list changes nothing", async () => {
    const bodies = [
      utf8("junk"),
      encodeCbor([2, ["a", 1, []]]),
      encodeCbor([1, ["a", 1, [utf8("short")]]]),
      encodeCbor([1, ["", 1, []]]),
      encodeCbor([1, ["ok", 1, []], ["bad"]]),
    ];
    const { kv } = open(bodies.map((body, seq) => fakeEvent(1, seq, { type: "kv", body })));
    await using _ = kv;
    await kv.ready;
    expect(kv.size).toBe(0);
  });
});

describe("range", () => {
  const arbitraryKeys = fc.uniqueArray(fc.stringMatching(/^[a-c]{1,4}$/), { maxLength: 30 });
  const bound = fc.option(fc.stringMatching(/^[a-d]{0,3}$/), { nil: undefined });

  test("equals filtering and sorting everything", async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryKeys,
        fc.record({
          prefix: bound,
          from: bound,
          to: bound,
          limit: fc.option(fc.nat(5), { nil: undefined }),
          reverse: fc.boolean(),
        }),
        async (keys, raw) => {
          const options = Object.fromEntries(
            Object.entries(raw).filter(([, value]) => value !== undefined),
          );
          const { kv } = open();
          await using _ = kv;
          if (keys.length > 0) await kv.batch(keys.map((key) => ({ key, value: key })));
          const wanted = keys
            .filter((key) => key.startsWith(raw.prefix ?? ""))
            .filter((key) => raw.from === undefined || key >= raw.from)
            .filter((key) => raw.to === undefined || key < raw.to)
            .sort();
          if (raw.reverse) wanted.reverse();
          expect([...kv.range(options)].map((pair) => pair.key)).toEqual(
            wanted.slice(0, raw.limit ?? wanted.length),
          );
        },
      ),
    );
  });

  test("SortedKeys equals a sorted array through thousands of changes", () => {
    const keys = createSortedKeys();
    const oracle = new Set<string>();
    for (let step = 0; step < 6_000; step++) {
      const key = String(Math.imul(step, 2_654_435_761) >>> 18);
      if (step % 3 === 0) {
        keys.delete(key);
        oracle.delete(key);
      } else {
        keys.add(key);
        oracle.add(key);
      }
    }
    const sorted = [...oracle].sort();
    expect(keys.size).toBe(oracle.size);
    expect([...keys.ascend("")]).toEqual(sorted);
    expect([...keys.descend(undefined)]).toEqual([...sorted].reverse());
    expect([...keys.ascend("5")]).toEqual(sorted.filter((key) => key >= "5"));
    expect([...keys.descend("5")]).toEqual(sorted.filter((key) => key < "5").reverse());
  });
});

test("[TH-008] [TH-009] the key-value view obeys the view laws", async () => {
  await checkViewLaws<KvState>(kvView, {
    type: "kv",
    numRuns: 200,
    body: (state, choice) => {
      const key = "abc"[choice % 3] ?? "a";
      const replaces = (state.versions.get(key) ?? []).map((version) => version.id);
      const value = choice % 5 === 0 ? undefined : String(choice % 11);
      return putBody(key, value, replaces);
    },
  });
});

test("[TH-009] a snapshot is the same bytes whatever order made it", () => {
  const events = [3, 1, 2].map((log) =>
    fakeEvent(log, 0, { type: "kv", body: putBody("k", `v${log}`, []) }),
  );
  const fold = (list: typeof events): Uint8Array => {
    let state = kvView.init();
    for (const event of list) state = kvView.apply(state, event);
    return kvView.encode(state);
  };
  expect(equalBytes(fold(events), fold([...events].reverse()))).toBe(true);
});

describe("undo", () => {
  async function written(): Promise<{ source: MemorySource; kv: Kv }> {
    const { source, kv } = open();
    await kv.put("a", 1);
    await kv.batch([
      { key: "a", value: 2 },
      { key: "b", value: 3 },
    ]);
    return { source, kv };
  }
  const place = (source: MemorySource, index: number): { logId: string; seq: number } => {
    const event = source.events[index];
    return { logId: event?.logId ?? "", seq: event?.seq ?? -1 };
  };

  test("takes an event back, and taking that back is the redo", async () => {
    const { source, kv } = await written();
    await using _ = kv;
    const [undone] = (await undo({ source }, kvView, place(source, 1))).written;
    if (undone === undefined) throw new Error("nothing was written");
    await kv.applied(undone);
    expect([kv.get("a"), kv.get("b")]).toEqual([1, undefined]);
    const [redone] = (await undo({ source }, kvView, undone)).written;
    if (redone === undefined) throw new Error("nothing was written");
    await kv.applied(redone);
    expect([kv.get("a"), kv.get("b")]).toEqual([2, 3]);
  });

  test("leaves alone what was written since", async () => {
    const { source, kv } = await written();
    await using _ = kv;
    await kv.put("a", "newer");
    const [undone] = (await undo({ source }, kvView, place(source, 1))).written;
    if (undone === undefined) throw new Error("nothing was written");
    await kv.applied(undone);
    expect([kv.get("a"), kv.get("b")]).toEqual(["newer", undefined]);
    expect((await undo({ source }, kvView, place(source, 0))).written).toEqual([]);
  });

  test("of an event that is not there writes nothing", async () => {
    const { source, kv } = await written();
    await using _ = kv;
    const count = source.events.length;
    const missing = { logId: "none", seq: 0 };
    await expect(undo({ source }, kvView, missing)).rejects.toMatchObject({
      code: "VIEW_UNDO_UNAVAILABLE",
    });
    const { invert: _invert, ...plain } = kvView;
    await expect(undo({ source }, plain, place(source, 0))).rejects.toMatchObject({
      code: "VIEW_UNDO_UNAVAILABLE",
    });
    expect(source.events.length).toBe(count);
  });
});

describe("snapshots of the map", () => {
  test("a map that is opened from a snapshot reads, ranges and writes as before", async () => {
    const source = createMemorySource();
    const first = createKv({ source }, { snapshots: { everyEvents: 1 } });
    for (const key of ["a", "b/1", "b/2", "c"]) await first.put(key, [key, null, true, -5]);
    await first.put("é", utf8("bytes"));
    await first.del("b/1");
    await first[Symbol.asyncDispose]();
    const again = createMemorySource(0, source.shelved);
    again.deliver(source.events);
    await using kv = createKv({ source: again });
    await kv.ready;
    expect(again.handedCount).toBe(0);
    expect([...kv.range()].map((pair) => pair.key)).toEqual(["a", "b/2", "c", "é"]);
    expect(kv.get("a")).toEqual(["a", null, true, -5]);
    expect(kv.has("b/1")).toBe(false);
    expect(kv.conflicts("b/1")).toMatchObject([{ value: undefined }]);
    expect(kv.get("é")).toEqual(utf8("bytes"));
  });

  test("no cut of a state decodes to another one", () => {
    const state = kvView.init();
    const events = [0, 1, 2].map((log) =>
      fakeEvent(log, 0, { type: "kv", body: putBody(`k${log}`, "v", []) }),
    );
    for (const event of events) kvView.apply(state, event);
    const bytes = kvView.encode(state);
    for (let length = 0; length < bytes.length; length++) {
      const decoded = kvView.decode(bytes.slice(0, length));
      if (decoded !== undefined) expect(equalBytes(kvView.encode(decoded), bytes)).toBe(false);
    }
  });
});
