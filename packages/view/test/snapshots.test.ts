import { describe, expect, test } from "vitest";
import fc from "fast-check";
import {
  concatBytes,
  decodeCbor,
  encodeCbor,
  equalBytes,
  fromUtf8,
  toHex,
  utf8,
} from "@hawser/codec";
import {
  compareEvents,
  decodeSnapshot,
  makeSnapshot,
  openView,
  publishSnapshot,
  verifySnapshot,
  type EventSource,
  type SharedSnapshot,
  type View,
  type ViewError,
  type ViewEvent,
} from "@hawser/view";
import { encodeSnapshot } from "../src/snapshot.ts";
import { createMemorySource, fakeEvent, oracleFold, type MemorySource } from "@hawser/view/testing";

/** Order matters here: what was said, in total order. */
const ordered: View<readonly string[]> = {
  name: "said",
  version: 1,
  types: ["say"],
  init: () => [],
  apply: (state, event) => [...state, fromUtf8(event.body) ?? ""],
  encode: (state) => encodeCbor([...state]),
  decode: (bytes) => {
    const value = decodeCbor(bytes);
    const isLines = Array.isArray(value) && value.every((line) => typeof line === "string");
    return isLines ? value : undefined;
  },
};

/** Order does not matter: a sum. */
const sum: View<{ total: number }> = {
  name: "sum",
  version: 1,
  types: ["say"],
  commutative: true,
  init: () => ({ total: 0 }),
  apply: (state, event) => {
    state.total += event.body.length;
    return state;
  },
  encode: (state) => utf8(String(state.total)),
  decode: (bytes) => ({ total: Number(fromUtf8(bytes)) }),
};

function say(log: number, seq: number, text: string, stamp?: number): ViewEvent {
  return fakeEvent(log, seq, { type: "say", body: utf8(text) }, stamp);
}

function stream(log: number, count: number): readonly ViewEvent[] {
  return Array.from({ length: count }, (_, seq) => say(log, seq, `${log}.${seq}`));
}

/** The same device, opened again: its shelf, and these events in its store. */
function reopened(source: MemorySource, more: readonly ViewEvent[] = []): MemorySource {
  const again = createMemorySource(0, source.shelved);
  again.deliver([...source.events, ...more]);
  return again;
}

const keeping = { snapshots: { everyEvents: 10 } } as const;

async function shelvedAfter(events: readonly ViewEvent[]): Promise<MemorySource> {
  const source = createMemorySource();
  source.deliver(events);
  const view = openView({ source }, ordered, keeping);
  await view.ready;
  await view[Symbol.asyncDispose]();
  return source;
}

test("the snapshot of docs/spec/view.md §1, byte for byte", () => {
  const none = new Uint8Array(0);
  const mark = { frontier: new Map<string, number>(), judged: none, local: none };
  const snapshot = { view: "sum", version: 1, count: 0, mark, last: undefined, state: utf8("0") };
  expect(toHex(encodeSnapshot(snapshot, false))).toBe("010b876373756d01008040f6f630");
  expect(decodeSnapshot(encodeSnapshot(snapshot, false))?.state).toEqual(utf8("0"));
});

describe("snapshots on this device", () => {
  test("[TH-160] a snapshot and the events behind it give what all events give, and less is folded", async () => {
    const source = await shelvedAfter(stream(1, 100));
    const later = [say(1, 100, "later"), say(2, 0, "other", 9_000)];
    const again = reopened(source, later);
    await using view = openView({ source: again }, ordered, keeping);
    await view.ready;
    expect(view.state).toEqual(oracleFold(ordered, again.events));
    expect(view.origin).toEqual({ kind: "snapshot" });
    expect(again.handedCount).toBe(2);
  });

  test("[TH-164] a restart begins at the snapshot, shown before anything is read", async () => {
    const source = await shelvedAfter(stream(1, 40));
    const again = reopened(source);
    await using view = openView({ source: again }, ordered, keeping);
    await view.applied({ logId: say(1, 39, "").logId, seq: 39 });
    expect(view.state.length).toBe(40);
    await view.ready;
    expect(again.handedCount).toBe(0);
  });

  test("an event that belongs before the snapshot makes the view fold everything", async () => {
    const source = await shelvedAfter(stream(1, 40));
    const again = reopened(source, [say(2, 0, "early", 1_005)]);
    await using view = openView({ source: again }, ordered, keeping);
    await view.ready;
    expect(view.state).toEqual(oracleFold(ordered, again.events));
    expect(view.state[1]).toBe("early");
    expect(view.origin).toEqual({ kind: "events" });
  });

  test("so does one that comes while the view is open", async () => {
    const source = await shelvedAfter(stream(1, 40));
    const again = reopened(source);
    await using view = openView({ source: again }, ordered, keeping);
    await view.ready;
    again.deliver([say(2, 0, "early", 1_005)]);
    await view.applied(say(2, 0, "", 1_005));
    expect(view.state).toEqual(oracleFold(ordered, again.events));
  });

  test("what a reducer left half done is kept by no snapshot", async () => {
    const source = createMemorySource();
    const failing: View<{ total: number }> = {
      ...sum,
      apply: (state, event) => {
        if (fromUtf8(event.body) === "1.140") throw new Error("a bug");
        return sum.apply(state, event);
      },
    };
    const events = stream(1, 150);
    source.deliver(events.slice(0, 120));
    const view = openView({ source }, failing, keeping);
    await view.ready;
    source.deliver(events.slice(120));
    await expect(view.applied(say(1, 149, ""))).rejects.toMatchObject({
      code: "VIEW_REDUCER_FAILED",
    });
    await expect(view.keep()).rejects.toMatchObject({ code: "VIEW_SNAPSHOT_UNAVAILABLE" });
    await view[Symbol.asyncDispose]();
    const again = reopened(source);
    await using mended = openView({ source: again }, sum, keeping);
    await mended.ready;
    expect(mended.state).toEqual(oracleFold(sum, events));
  });

  test("a snapshot asked for while a batch is folded waits for its end", async () => {
    const source = createMemorySource();
    const events = stream(1, 60);
    source.deliver(events);
    let kept: Promise<void> | undefined;
    let sliceCount = 0;
    const yieldToHost = async (): Promise<void> => {
      sliceCount += 1;
      if (sliceCount === 8) kept = view.keep();
      await Promise.resolve();
    };
    const options = { sliceEvents: 10, snapshots: { everyEvents: 10_000 } };
    const view = openView({ source, yieldToHost }, sum, options);
    await view.ready;
    source.deliver(stream(2, 60));
    await view.applied(say(2, 59, ""));
    await kept;
    const again = reopened(source);
    await view[Symbol.asyncDispose]();
    await using next = openView({ source: again }, sum, options);
    await next.ready;
    expect(next.origin).toEqual({ kind: "snapshot" });
    expect(next.state).toEqual(oracleFold(sum, again.events));
  });

  test("what is judged otherwise by now is folded anew, and never shown as counting", async () => {
    const source = await shelvedAfter(stream(1, 40));
    const again = createMemorySource(0, source.shelved);
    again.deliver(
      source.events.map((event) =>
        event.seq >= 20 ? { ...event, judgement: "quarantine" as const } : event,
      ),
    );
    await using view = openView({ source: again }, ordered, keeping);
    await view.ready;
    expect(view.state).toEqual(stream(1, 20).map((event) => fromUtf8(event.body)));
  });

  test.each([
    ["of another version", { ...ordered, version: 2 }],
    ["whose state no longer decodes", { ...ordered, decode: () => undefined }],
  ])("a snapshot %s is not used", async (_name, view) => {
    const again = reopened(await shelvedAfter(stream(1, 40)));
    await using open = openView({ source: again }, view, keeping);
    await open.ready;
    expect(open.origin).toEqual({ kind: "events" });
    expect(again.handedCount).toBe(40);
  });

  test("cut or foreign bytes on the shelf are as good as none", async () => {
    const source = await shelvedAfter(stream(1, 40));
    const whole = source.shelved.get("said") ?? new Uint8Array(0);
    for (const length of [0, 1, 2, 40, 60]) {
      source.shelved.set("said", whole.slice(0, length));
      const again = reopened(source);
      await using view = openView({ source: again }, ordered, { snapshots: {} });
      await view.ready;
      expect(view.state.length).toBe(40);
    }
  });

  test("without the option, and behind a gate, nothing is kept or taken", async () => {
    const source = createMemorySource();
    source.deliver(stream(1, 40));
    const gate = {
      start: () => ({
        add: () => "none" as const,
        judge: () => ({ verdict: "admit" }) as const,
      }),
    };
    for (const options of [{}, { gate, snapshots: { everyEvents: 1 } }]) {
      const view = openView({ source }, ordered, options);
      await view.ready;
      await expect(view.keep()).rejects.toMatchObject({ code: "VIEW_SNAPSHOT_UNAVAILABLE" });
      await view[Symbol.asyncDispose]();
    }
    expect(source.shelved.size).toBe(0);
  });

  test("any cut into two sessions, any order of what comes later, equals the oracle", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ log: fc.nat(3), stamp: fc.integer({ min: 1, max: 60 }) }), {
          maxLength: 60,
        }),
        fc.nat(60),
        async (raw, cut) => {
          const heights = [0, 0, 0, 0];
          const stamps = [0, 0, 0, 0];
          const events = raw.map(({ log, stamp }) => {
            const seq = heights[log] ?? 0;
            heights[log] = seq + 1;
            stamps[log] = (stamps[log] ?? 0) + stamp;
            return say(log, seq, `${log}.${seq}`, stamps[log]);
          });
          for (const view of [ordered, sum] as readonly View<unknown>[]) {
            const source = createMemorySource();
            source.deliver(events.slice(0, cut));
            const first = openView({ source }, view, { snapshots: { everyEvents: 1 } });
            await first.ready;
            await first[Symbol.asyncDispose]();
            const again = reopened(source, events.slice(cut));
            await using open = openView({ source: again }, view, { snapshots: { everyEvents: 7 } });
            await open.ready;
            expect(view.encode(open.state)).toEqual(view.encode(oracleFold(view, events)));
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

function published(author: ViewEvent["author"], bytes: Uint8Array, seq: number): SharedSnapshot {
  return { author, level: "manage", logId: "snap", seq, read: async () => bytes };
}

/** A source with a snapshot log in memory. */
function withLog(source: MemorySource, log: SharedSnapshot[]): EventSource {
  return {
    ...source,
    get events() {
      return source.events;
    },
    snapshots: {
      list: async () => log,
      publish: async (bytes) => {
        const author = say(1, 0, "").author;
        log.unshift(published(author, bytes, log.length));
        return { logId: "snap", seq: log.length - 1 };
      },
    },
  };
}

describe("snapshots that all peers make alike", () => {
  const events = [...stream(1, 1_300), ...stream(2, 1_200)];

  function shuffled(seed: number): readonly ViewEvent[] {
    // Merges the logs at random; each stays in its own order.
    const rest = [events.slice(0, 1_300), events.slice(1_300)];
    const order: ViewEvent[] = [];
    let state = seed;
    while (order.length < events.length) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      const pick = rest[(state >>> 16) % 2]?.shift() ?? rest[0]?.shift() ?? rest[1]?.shift();
      if (pick !== undefined) order.push(pick);
    }
    return order;
  }

  test("[TH-161] peers with the same events, in any order of arrival, make the same bytes", async () => {
    for (const view of [ordered, sum] as readonly View<unknown>[]) {
      const made = [];
      for (const seed of [1, 2, 3]) {
        const source = createMemorySource();
        source.deliver(shuffled(seed));
        made.push(await makeSnapshot({ source }, view));
      }
      expect(made.map((one) => one?.count)).toEqual([2_000, 2_000, 2_000]);
      const [first] = made;
      for (const one of made) {
        expect(equalBytes(one?.bytes ?? new Uint8Array(1), first?.bytes ?? utf8("x"))).toBe(true);
      }
      const expected = oracleFold(view, [...events].sort(compareEvents).slice(0, 2_000));
      const state = decodeSnapshot(first?.bytes ?? new Uint8Array(0))?.state;
      expect(state).toEqual(view.encode(expected));
    }
  });

  test("[TH-161] later events change no snapshot that lies before them", async () => {
    const source = createMemorySource();
    source.deliver(shuffled(4));
    const before = await makeSnapshot({ source }, sum, { countMax: 1_000 });
    source.deliver([say(1, 1_300, "more"), say(2, 1_200, "more")]);
    const after = await makeSnapshot({ source }, sum, { countMax: 1_000 });
    expect(before?.bytes).toEqual(after?.bytes);
    expect(before?.count).toBe(1_000);
  });

  test("fewer events than one takes give none", async () => {
    const source = createMemorySource();
    source.deliver(stream(1, 999));
    expect(await makeSnapshot({ source }, sum)).toBeUndefined();
  });

  test("[TH-163] a newcomer begins at a trusted snapshot and finds it true", async () => {
    const log: SharedSnapshot[] = [];
    const maker = createMemorySource();
    maker.deliver(shuffled(5));
    await publishSnapshot({ source: withLog(maker, log) }, ordered);
    expect(log.length).toBe(1);
    const newcomer = createMemorySource();
    newcomer.deliver(shuffled(6));
    const source = withLog(newcomer, log);
    await using view = openView({ source }, ordered, { snapshots: { trust: "managers" } });
    await view.ready;
    expect(view.origin).toMatchObject({ kind: "shared" });
    expect(view.state).toEqual(oracleFold(ordered, events));
    await expect
      .poll(() => view.origin)
      .toEqual({ kind: "shared", author: log[0]?.author, isVerified: true });
  });

  test("[TH-163] a false snapshot is found out, said aloud and dropped", async () => {
    const log: SharedSnapshot[] = [];
    const maker = createMemorySource();
    // The maker folds other content at the same places.
    maker.deliver(events.map((event) => ({ ...event, body: utf8("lie") })));
    await publishSnapshot({ source: withLog(maker, log) }, ordered);
    const newcomer = createMemorySource();
    newcomer.deliver(shuffled(7));
    const source = withLog(newcomer, log);
    const told: ViewError[] = [];
    const snapshots = { trust: "writers", onMismatch: (e: ViewError) => told.push(e) } as const;
    await using view = openView({ source }, ordered, { snapshots });
    await expect.poll(() => told.length).toBe(1);
    expect(told[0]?.code).toBe("VIEW_SNAPSHOT_MISMATCH");
    await expect.poll(() => view.origin).toEqual({ kind: "events" });
    await view.applied({ logId: say(2, 0, "").logId, seq: 1_199 });
    expect(view.state).toEqual(oracleFold(ordered, events));
  });

  /** A true snapshot of all events, changed. */
  async function changedSnapshot(
    change: (snapshot: NonNullable<ReturnType<typeof decodeSnapshot>>) => object,
  ): Promise<SharedSnapshot> {
    const source = createMemorySource();
    source.deliver(shuffled(5));
    const made = await makeSnapshot({ source }, ordered);
    const snapshot = decodeSnapshot(made?.bytes ?? new Uint8Array(0));
    if (snapshot === undefined) throw new Error("no snapshot");
    const bytes = encodeSnapshot({ ...snapshot, ...change(snapshot) }, false);
    return published(say(1, 0, "").author, bytes, 0);
  }

  test("[TH-163] a true state with a false last event is found out: it would hide what is late", async () => {
    const first = [...events].sort(compareEvents)[0];
    const found = await changedSnapshot(() => ({ last: first }));
    const newcomer = createMemorySource();
    newcomer.deliver(shuffled(7));
    const source = withLog(newcomer, [found]);
    const bytes = (await found.read()) ?? new Uint8Array(0);
    expect(await verifySnapshot({ source }, ordered, bytes)).toMatchObject({ ok: false });
    await using view = openView({ source }, ordered, { snapshots: { trust: "writers" } });
    await view.ready;
    await expect.poll(() => view.origin).toEqual({ kind: "events" });
    const late = say(3, 0, "late", 1_500);
    newcomer.deliver([late]);
    await view.applied(late);
    expect(view.state).toEqual(oracleFold(ordered, [...events, late]));
  });

  test("[TH-163] a false snapshot that cannot be checked is dropped, and never found true", async () => {
    const found = await changedSnapshot(() => ({ state: ordered.encode(["lie"]) }));
    const newcomer = createMemorySource();
    newcomer.deliver(shuffled(7));
    const source = withLog(newcomer, [found]);
    // Somebody wrote an entry that opens to nobody: from then on no mark is the same for all readers.
    const unopened: EventSource = {
      ...source,
      batches: async function* (reading) {
        for await (const batch of source.batches(reading)) {
          const mark = (at?: ReadonlyMap<string, number>) => {
            const known = batch.mark?.(at);
            return known && { ...known, isShareable: false };
          };
          yield { ...batch, mark };
        }
      },
    };
    const told: ViewError[] = [];
    const snapshots = { trust: "writers", onMismatch: (e: ViewError) => told.push(e) } as const;
    await using view = openView({ source: unopened }, ordered, { snapshots });
    await view.ready;
    await expect.poll(() => view.origin).toEqual({ kind: "events" });
    await view.applied({ logId: say(2, 0, "").logId, seq: 1_199 });
    expect(view.state).toEqual(oracleFold(ordered, events));
    expect(told).toEqual([]);
  });

  test("[TH-163] an unchecked snapshot is never kept as one of this device", async () => {
    const found = await changedSnapshot(() => ({ state: ordered.encode(["lie"]) }));
    const newcomer = createMemorySource();
    newcomer.deliver(shuffled(7));
    const source = withLog(newcomer, [found]);
    let readings = 0;
    // The check reads the source a second time, and that takes for ever.
    const slow: EventSource = {
      ...source,
      batches: async function* (reading) {
        if (++readings === 2)
          await new Promise((done) => reading.signal.addEventListener("abort", done));
        yield* source.batches(reading);
      },
    };
    const view = openView({ source: slow }, ordered, {
      snapshots: { trust: "writers", everyEvents: 1 },
    });
    await view.ready;
    expect(view.origin).toMatchObject({ kind: "shared", isVerified: false });
    expect(view.state[0]).toBe("lie");
    const more = Array.from({ length: 120 }, (_, seq) => say(3, seq, "more", 90_000 + seq));
    newcomer.deliver(more);
    await view.applied({ logId: say(3, 0, "").logId, seq: 119 });
    const kept = expect(view.keep()).rejects.toMatchObject({ code: "VIEW_SNAPSHOT_UNAVAILABLE" });
    await view[Symbol.asyncDispose]();
    await kept;
    expect(newcomer.shelved.size).toBe(0);
  });

  test("[TH-163] a snapshot on which a reducer fails does not stop the view", async () => {
    const bad = await changedSnapshot(() => ({ state: ordered.encode(["bad"]), count: 1 }));
    const brittle: typeof ordered = {
      ...ordered,
      apply: (state, event) => {
        if (state[0] === "bad") throw new Error("no such state");
        return ordered.apply(state, event);
      },
    };
    const newcomer = createMemorySource();
    newcomer.deliver(shuffled(7));
    const source = withLog(newcomer, [bad]);
    await using view = openView({ source }, brittle, { snapshots: { trust: "writers" } });
    await view.ready;
    await expect.poll(() => view.origin).toEqual({ kind: "events" });
    await view.applied({ logId: say(2, 0, "").logId, seq: 1_199 });
    expect(view.failure).toBeUndefined();
    expect(view.state).toEqual(oracleFold(ordered, events));
  });

  test("[TH-163] nothing of a snapshot is shown before its events are here", async () => {
    const found = await changedSnapshot(() => ({}));
    const newcomer = createMemorySource();
    newcomer.deliver(stream(1, 5));
    const source = withLog(newcomer, [found]);
    await using view = openView({ source }, ordered, { snapshots: { trust: "writers" } });
    const shown: number[] = [];
    view.subscribe(() => shown.push(view.state.length));
    let isThere = false;
    const far = view.applied({ logId: say(1, 0, "").logId, seq: 900 }).then(
      () => (isThere = true),
      () => undefined,
    );
    await view.ready;
    expect(Math.max(...shown)).toBe(5);
    expect(isThere).toBe(false);
    await view[Symbol.asyncDispose]();
    await far;
  });

  test("the newest of each author counts, and none of other views hides it", async () => {
    const source = createMemorySource();
    source.deliver(shuffled(5));
    const log: SharedSnapshot[] = [];
    await publishSnapshot({ source: withLog(source, log) }, ordered);
    await publishSnapshot({ source: withLog(source, log) }, sum);
    await using view = openView({ source: withLog(source, log) }, ordered, {
      snapshots: { trust: "writers" },
    });
    await expect.poll(() => view.origin).toMatchObject({ kind: "shared", isVerified: true });
  });

  test("nobody is trusted unless it is said", async () => {
    const log: SharedSnapshot[] = [];
    const maker = createMemorySource();
    maker.deliver(shuffled(5));
    await publishSnapshot({ source: withLog(maker, log) }, sum);
    for (const trust of [undefined, [say(3, 0, "").author]]) {
      const source = withLog(createMemorySource(), log);
      const snapshots = trust === undefined ? {} : { trust };
      await using view = openView({ source }, sum, { snapshots });
      await view.ready;
      expect(view.origin).toEqual({ kind: "events" });
      expect(view.state.total).toBe(0);
    }
  });

  test("a snapshot of events that are not here is not begun with", async () => {
    const log: SharedSnapshot[] = [];
    const maker = createMemorySource();
    maker.deliver(shuffled(5));
    await publishSnapshot({ source: withLog(maker, log) }, sum);
    const newcomer = createMemorySource();
    newcomer.deliver(stream(1, 5));
    const source = withLog(newcomer, log);
    await using view = openView({ source }, sum, { snapshots: { trust: "writers" } });
    await view.ready;
    expect(view.state.total).toBe(oracleFold(sum, stream(1, 5)).total);
  });

  test("verifySnapshot names what is wrong", async () => {
    const source = createMemorySource();
    source.deliver(shuffled(8));
    const made = await makeSnapshot({ source }, sum);
    const bytes = made?.bytes ?? new Uint8Array(0);
    expect(await verifySnapshot({ source }, sum, bytes)).toEqual({ ok: true, count: 2_000 });
    const verdictOf = async (changed: Uint8Array, from = source) =>
      await verifySnapshot({ source: from }, sum, changed);
    expect(await verdictOf(utf8("junk"))).toEqual({ ok: false, reason: "SNAPSHOT_UNREADABLE" });
    const other = concatBytes(bytes.slice(0, -1), utf8("9"));
    expect(await verdictOf(other)).toMatchObject({ reason: "SNAPSHOT_STATE_DIFFERS" });
    const part = createMemorySource();
    part.deliver(stream(1, 20));
    expect(await verdictOf(bytes, part)).toMatchObject({ reason: "SNAPSHOT_EVENTS_MISSING" });
    const judged = createMemorySource();
    judged.deliver(
      events.map((event, index) => (index === 3 ? { ...event, judgement: "quarantine" } : event)),
    );
    expect(await verdictOf(bytes, judged)).toMatchObject({ reason: "SNAPSHOT_JUDGED_OTHERWISE" });
  });

  test("every truncation and every flipped bit of the head is refused or another snapshot", async () => {
    const source = createMemorySource();
    source.deliver(stream(1, 10));
    const made = await makeSnapshot({ source }, sum, { everyEvents: 10 });
    const bytes = made?.bytes ?? new Uint8Array(0);
    for (let index = 0; index < bytes.length; index++) {
      const flipped = bytes.slice();
      flipped[index] = (flipped[index] ?? 0) ^ 1;
      const verdict = await verifySnapshot({ source }, sum, flipped);
      // The place of the last event is a hint for late arrivals: it decides no state.
      if (verdict.ok)
        expect(decodeSnapshot(flipped)?.last).not.toEqual(decodeSnapshot(bytes)?.last);
    }
  });
});

describe("a reducer that throws", () => {
  test("stops its view alone, names the entry, and goes on after a fix", async () => {
    const source = createMemorySource();
    source.deliver([say(1, 0, "a"), say(1, 1, "bad"), say(1, 2, "c")]);
    const broken: View<readonly string[]> = {
      ...ordered,
      apply: (state, event) => {
        if (fromUtf8(event.body) === "bad") throw new Error("cannot");
        return ordered.apply(state, event);
      },
    };
    await using stopped = openView({ source }, broken);
    await using other = openView({ source }, ordered);
    await other.ready;
    await expect(stopped.ready).rejects.toMatchObject({
      code: "VIEW_REDUCER_FAILED",
      entry: { logId: say(1, 1, "").logId, seq: 1 },
    });
    await expect(stopped.retry()).rejects.toMatchObject({ code: "VIEW_REDUCER_FAILED" });
    await stopped.retry(ordered);
    expect(stopped.failure).toBeUndefined();
    expect(stopped.state).toEqual(["a", "bad", "c"]);
    source.deliver([say(1, 3, "d")]);
    await stopped.applied(say(1, 3, ""));
    expect(stopped.state).toEqual(other.state);
  });
});
