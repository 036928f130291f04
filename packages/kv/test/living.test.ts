/** Values that expire, counters, and who wrote what. */
import { createMemorySource, checkViewLaws, fakeEvent } from "@hawser/view/testing";
import { encodeCbor, equalBytes } from "@hawser/codec";
import { undo, type ViewEvent } from "@hawser/view";
import { createKv, kvView, ttlMsMax, type KvChange, type KvDeps, type KvState } from "@hawser/kv";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeOps, noVersion, type KvOp } from "../src/ops.ts";

const second = 1_000_000;

/** A clock that stands until told, and timers that run by it. */
function createTime(start: number) {
  let now = start;
  let waiting: { readonly due: number; readonly run: () => void }[] = [];
  return {
    clock: { nowMicros: () => now },
    timers: {
      after: (delayMs: number, run: () => void) => {
        const timer = { due: now + delayMs * 1_000, run };
        waiting.push(timer);
        return () => {
          waiting = waiting.filter((other) => other !== timer);
        };
      },
    },
    get waiting() {
      return waiting.length;
    },
    set: (micros: number): void => {
      now = micros;
    },
    /** Runs what is due, in order. */
    advance: (micros: number): void => {
      const end = now + micros;
      for (;;) {
        const next = waiting.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
        if (next === undefined) break;
        waiting = waiting.filter((other) => other !== next);
        now = Math.max(now, next.due);
        next.run();
      }
      now = end;
    },
  };
}

function opEvent(log: number, seq: number, stamp: number, ...ops: readonly KvOp[]): ViewEvent {
  const [body] = encodeOps(ops);
  if (body === undefined) throw new Error("no body");
  return fakeEvent(log, seq, { type: "kv", body }, stamp);
}

const put = (key: string, value: KvOp["value"], ttlMs?: number): KvOp => {
  const op = { key, value, replaces: [] };
  return ttlMs === undefined ? op : { ...op, ttlMs };
};
const add = (key: string, amount: number, base: Uint8Array = noVersion): KvOp => {
  return { key, value: undefined, replaces: [], increment: { amount, base } };
};

function openWith(events: readonly ViewEvent[], deps: Partial<KvDeps> = {}) {
  const source = createMemorySource();
  source.deliver(events);
  return { source, kv: createKv({ source, ...deps }) };
}

function fold(events: readonly ViewEvent[]): KvState {
  let state = kvView.init();
  for (const event of events) state = kvView.apply(state, event);
  return state;
}

describe("time to live", () => {
  const events = [
    opEvent(1, 0, 100 * second, put("short", 1, 5_000), put("long", 2, 60_000)),
    opEvent(2, 0, 100 * second, put("ever", 3)),
  ];

  test("a value is absent from its stamp plus its time to live on, by the reader's clock", async () => {
    const time = createTime(105 * second - 1);
    const { kv } = openWith(events, { clock: time.clock });
    await using _ = kv;
    await kv.ready;
    const read = () => [kv.get("short"), kv.has("short"), kv.size, [...kv.range()].length];
    expect(read()).toEqual([1, true, 3, 3]);
    time.set(105 * second);
    expect(read()).toEqual([undefined, false, 2, 2]);
    expect(kv.conflicts("short")).toMatchObject([{ value: 1, expiresAt: 105 * second }]);
    time.set(161 * second);
    expect([...kv.range()]).toEqual([{ key: "ever", value: 3 }]);
    // A clock that is set back sees what it saw then.
    time.set(101 * second);
    expect(kv.size).toBe(3);
  });

  test("without a clock nothing expires, and the state is the same bytes", async () => {
    const late = openWith(events, { clock: createTime(1_000 * second).clock });
    const none = openWith(events);
    await using a = late.kv;
    await using b = none.kv;
    await Promise.all([a.ready, b.ready]);
    expect([a.size, b.size]).toEqual([1, 3]);
    const again = kvView.decode(kvView.encode(fold(events)));
    expect(again && [...again.expiring.ascend("")]).toEqual([...fold(events).expiring.ascend("")]);
    expect(kvView.encode(fold(events))).toEqual(kvView.encode(fold([...events].reverse())));
  });

  test("watchers and subscribers are told when something expires, each key once", async () => {
    const time = createTime(0);
    const { kv } = openWith([], time);
    await using _ = kv;
    await kv.ready;
    const stop = new AbortController();
    const heard: KvChange[] = [];
    const watching = (async () => {
      for await (const change of kv.watch({ prefix: "s", signal: stop.signal })) {
        heard.push(change);
      }
    })();
    let calls = 0;
    kv.subscribe(() => (calls += 1));
    await kv.put("s1", "x", { ttlMs: 2 });
    await kv.put("other", "x", { ttlMs: 2 });
    await expect.poll(() => heard).toEqual([{ key: "s1", value: "x" }]);
    // The source's own clock stamps; what counts is where that is.
    const [version] = kv.conflicts("s1");
    time.set((version?.expiresAt ?? 0) - 1);
    const before = kv.revision;
    const called = calls;
    time.advance(10 * second);
    await expect.poll(() => heard.at(-1)).toEqual({ key: "s1", value: undefined });
    expect(kv.revision).toBeGreaterThan(before);
    expect(calls).toBeGreaterThan(called);
    expect(heard.length).toBe(2);
    stop.abort();
    await watching;
    expect(time.waiting).toBe(0);
  });

  test("a put over a value that expires lives for ever, and closing leaves no timer", async () => {
    const time = createTime(100 * second);
    const { kv } = openWith(events, time);
    await kv.ready;
    expect(time.waiting).toBe(1);
    await kv.put("short", "stays");
    await kv.put("long", "stays");
    expect(time.waiting).toBe(0);
    time.advance(1_000 * second);
    expect(kv.size).toBe(3);
    await kv.put("k", 1, { ttlMs: ttlMsMax });
    expect(time.waiting).toBe(1);
    await kv[Symbol.asyncDispose]();
    expect(time.waiting).toBe(0);
  });

  test("a map from a snapshot knows what expires next", async () => {
    const source = createMemorySource();
    source.deliver(events);
    const first = createKv({ source }, { snapshots: { everyEvents: 1 } });
    await first.ready;
    await first[Symbol.asyncDispose]();
    const again = createMemorySource(0, source.shelved);
    again.deliver(source.events);
    const time = createTime(104 * second);
    await using kv = createKv({ source: again, ...time });
    await kv.ready;
    expect(again.handedCount).toBe(0);
    expect(kv.size).toBe(3);
    expect(time.waiting).toBe(1);
    let calls = 0;
    kv.subscribe(() => (calls += 1));
    time.advance(2 * second);
    expect([kv.size, calls]).toEqual([2, 1]);
  });

  test("taking a put back gives what was there only as long as that had left", async () => {
    const { source, kv } = openWith([opEvent(1, 0, 100 * second, put("k", "old", 5_000))]);
    await using _ = kv;
    await kv.ready;
    await kv.put("k", "new");
    const event = source.events.at(-1);
    if (event === undefined) throw new Error("no event");
    const [undone] = (await undo({ source }, kvView, event)).written;
    if (undone === undefined) throw new Error("nothing was written");
    await kv.applied(undone);
    const [version] = kv.conflicts("k");
    const left = 105 * second - event.stamp;
    expect(version?.value).toBe("old");
    expect(version?.expiresAt).toBe(
      (version?.stamp ?? 0) + Math.max(1, Math.ceil(left / 1_000)) * 1_000,
    );
  });

  test.each([0, -1, 0.5, Number.NaN, ttlMsMax + 1])("refuses %s ms", async (ttlMs) => {
    const { source, kv } = openWith([]);
    await using _ = kv;
    await expect(kv.put("k", 1, { ttlMs })).rejects.toMatchObject({ code: "KV_TTL_INVALID" });
    expect(source.events.length).toBe(0);
  });
});

describe("counters", () => {
  test("what several add at the same time all counts, in any order", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.integer({ min: -5, max: 5 }).filter((n) => n !== 0),
          { maxLength: 12 },
        ),
        fc.infiniteStream(fc.nat()),
        (amounts, choices) => {
          const events = amounts.map((amount, log) => opEvent(log, 0, 500, add("n", amount)));
          const shuffled = [...events];
          for (let at = shuffled.length - 1; at > 0; at--) {
            const other = (choices.next().value ?? 0) % (at + 1);
            const [a, b] = [shuffled[at], shuffled[other]];
            if (a !== undefined && b !== undefined) [shuffled[at], shuffled[other]] = [b, a];
          }
          expect(kvView.encode(fold(shuffled))).toEqual(kvView.encode(fold(events)));
          const decoded = kvView.decode(kvView.encode(fold(events)));
          const [held] = decoded?.versions.get("n") ?? [];
          const sum = amounts.reduce((total, amount) => total + amount, 0);
          expect(held?.added).toBe(amounts.length === 0 ? undefined : BigInt(sum));
        },
      ),
    );
  });

  test("an absent key counts from 0, a number from where it is, a deleted one from 0", async () => {
    const { kv } = openWith([]);
    await using _ = kv;
    await Promise.all([kv.increment("n"), kv.increment("n", 4), kv.increment("n", -2)]);
    expect(kv.get("n")).toBe(3);
    await kv.put("n", 10);
    await Promise.all([kv.increment("n"), kv.increment("n")]);
    expect(kv.get("n")).toBe(12);
    await kv.del("n");
    expect(kv.has("n")).toBe(false);
    await kv.increment("n", 5);
    await kv.increment("n", -5);
    expect([kv.get("n"), kv.has("n"), kv.size]).toEqual([0, true, 1]);
  });

  test("what was put just before is what is added to", async () => {
    const { kv } = openWith([]);
    await using _ = kv;
    await Promise.all([kv.put("n", 100), kv.increment("n"), kv.increment("n")]);
    expect(kv.get("n")).toBe(102);
  });

  test("a put counts from its value on; what was added to the old one at the same time goes with it", async () => {
    const base = opEvent(1, 0, 100, put("n", 1));
    const { kv, source } = openWith([base]);
    await using _ = kv;
    await kv.ready;
    const [held] = fold([base]).versions.get("n") ?? [];
    if (held === undefined) throw new Error("no version");
    const replaced = opEvent(2, 0, 200, { key: "n", value: 50, replaces: [held.id] });
    const added = opEvent(3, 0, 300, add("n", 7, held.id));
    expect(kvView.encode(fold([base, replaced, added]))).toEqual(
      kvView.encode(fold([base, added, replaced])),
    );
    source.deliver([added]);
    await expect.poll(() => kv.get("n")).toBe(8);
    source.deliver([replaced]);
    await expect.poll(() => kv.get("n")).toBe(50);
    // The same where there was nothing before.
    const orders = [added, opEvent(4, 0, 50, add("m", 1)), opEvent(5, 0, 60, put("m", "text"))];
    expect(kvView.encode(fold(orders))).toEqual(kvView.encode(fold([...orders].reverse())));
  });

  test("nothing is added to text; a sum stays a safe integer", async () => {
    const text = opEvent(1, 0, 100, put("t", "text"), put("big", Number.MAX_SAFE_INTEGER));
    const { kv, source } = openWith([text]);
    await using _ = kv;
    await kv.ready;
    await expect(kv.increment("t")).rejects.toMatchObject({ code: "KV_NOT_A_NUMBER" });
    for (const amount of [0, 0.5, 2 ** 31, Number.NaN]) {
      await expect(kv.increment("n", amount)).rejects.toMatchObject({ code: "KV_AMOUNT_INVALID" });
    }
    expect(source.events.length).toBe(1);
    await kv.increment("big", 5);
    expect(kv.get("big")).toBe(Number.MAX_SAFE_INTEGER);
    await kv.increment("big", -6);
    expect(kv.get("big")).toBe(Number.MAX_SAFE_INTEGER - 1);
    // A hostile writer adds to text all the same: it reads as it did.
    const [held] = fold([text]).versions.get("t") ?? [];
    const state = fold([text, opEvent(9, 0, 900, add("t", 3, held?.id ?? noVersion))]);
    expect(kvView.encode(state)).toEqual(kvView.encode(fold([text])));
  });

  test("adding to what has expired begins anew", async () => {
    const time = createTime(200 * second);
    const { kv } = openWith([opEvent(1, 0, 100 * second, put("n", 40, 1_000))], time);
    await using _ = kv;
    await kv.ready;
    expect(kv.get("n")).toBeUndefined();
    await kv.increment("n", 2);
    expect(kv.get("n")).toBe(2);
  });

  test("taking an increment back takes its amount, whatever was added since", async () => {
    const { source, kv } = openWith([]);
    await using _ = kv;
    await kv.increment("n", 5);
    await kv.increment("n", 2);
    const [first] = source.events;
    const [undone] = (await undo({ source }, kvView, first ?? { logId: "", seq: 0 })).written;
    if (undone === undefined) throw new Error("nothing was written");
    await kv.applied(undone);
    expect(kv.get("n")).toBe(2);
  });

  test("compaction keeps what a counter consists of and drops what it was before", async () => {
    const { source, kv } = openWith([]);
    await using _ = kv;
    for (let n = 0; n < 5; n++) await kv.increment("n");
    await kv.put("n", 10);
    await kv.increment("n", 3);
    const whole = fold(source.events);
    const kept = source.events.filter((event) => kvView.superseded?.(whole, event) !== true);
    expect(kept.length).toBe(2);
    expect(kvView.encode(fold(kept))).toEqual(kvView.encode(whole));
  });
});

test("[TH-008] [TH-009] expiring values and counters obey the view laws", async () => {
  await checkViewLaws<KvState>(kvView, {
    type: "kv",
    numRuns: 200,
    body: (state, choice) => {
      const key = "abc"[choice % 3] ?? "a";
      const held = state.versions.get(key) ?? [];
      const op: KvOp =
        choice % 2 === 0
          ? add(key, (choice % 7) + 1, held[0]?.id ?? noVersion)
          : {
              key,
              value: choice % 5 === 0 ? undefined : choice % 13,
              replaces: held.map(({ id }) => id),
              ...(choice % 4 === 1 && { ttlMs: (choice % 100) + 1 }),
            };
      const [body] = encodeOps([op]);
      return body ?? new Uint8Array(0);
    },
  });
});

test("ops that break a limit make their event empty", async () => {
  const id = new Uint8Array(16);
  const bodies = [
    [1, ["k", 1, [], 0]],
    [1, ["k", 1, [], -5]],
    [1, ["k", 1, [], "5"]],
    [1, ["k", 1, [], ttlMsMax + 1]],
    [1, ["k", 1, [], 5, 6]],
    [1, ["k", 0, id]],
    [1, ["k", 2 ** 31, id]],
    [1, ["k", "1", id]],
    [1, ["k", 1, id.subarray(1)]],
    [1, ["k", 1, id, 5]],
  ].map((op) => encodeCbor(op));
  const events = bodies.map((body, seq) => fakeEvent(1, seq, { type: "kv", body }));
  const state = fold(events);
  expect(equalBytes(kvView.encode(state), kvView.encode(kvView.init()))).toBe(true);
});

describe("explain", () => {
  test("names the events a value rests on, their writers, and by what right", async () => {
    const one = opEvent(1, 0, 100, put("n", 5));
    const [held] = fold([one]).versions.get("n") ?? [];
    const base = held?.id ?? noVersion;
    const events = [
      one,
      opEvent(2, 0, 300, add("n", 2, base)),
      opEvent(3, 0, 90, put("n", "older"), put("other", 1)),
      opEvent(4, 0, 80, put("gone", 1)),
    ];
    const { kv } = openWith(events, { clock: createTime(second).clock });
    await using _ = kv;
    const authority = (event: ViewEvent): string => `right of ${event.author.slice(0, 4)}`;
    const said = await kv.explain("n", { authority });
    expect(said).toMatchObject({ key: "n", value: 7, state: "value" });
    expect(said.origins).toMatchObject([
      {
        kind: "put",
        value: "older",
        stamp: 90,
        isShown: false,
        authority: "right of " + (events[2]?.author ?? "").slice(0, 4),
      },
      { kind: "put", value: 5, stamp: 100, isShown: true, seq: 0 },
      { kind: "increment", value: 2, stamp: 300, isShown: true },
    ]);
    expect(said.origins[2]?.author).toBe(events[1]?.author);
    await kv.del("gone");
    expect(await kv.explain("gone")).toMatchObject({
      state: "deleted",
      value: undefined,
      origins: [{ kind: "delete", isShown: true, authority: undefined }],
    });
    expect(await kv.explain("never")).toEqual({
      key: "never",
      value: undefined,
      state: "unknown",
      origins: [],
    });
  });

  test("says that a value expired, and until when it lived", async () => {
    const time = createTime(second);
    const { kv } = openWith([opEvent(1, 0, 100, put("k", 1, 5))], time);
    await using _ = kv;
    expect(await kv.explain("k")).toMatchObject({
      state: "expired",
      value: undefined,
      origins: [{ value: 1, expiresAt: 5_100 }],
    });
    const stop = new AbortController();
    stop.abort(new Error("enough"));
    await expect(kv.explain("k", { signal: stop.signal })).rejects.toThrow("enough");
  });
});
