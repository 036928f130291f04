import { fromUtf8, utf8 } from "@hawser/codec";
import {
  openView,
  readViewAt,
  type Gate,
  type GateVerdict,
  type View,
  type ViewEvent,
} from "@hawser/view";
import { createMemorySource, fakeEvent } from "@hawser/view/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const ordered: View<readonly string[]> = {
  name: "ordered",
  version: 1,
  types: ["say"],
  init: () => [],
  apply: (state, event) => [...state, fromUtf8(event.body) ?? "?"],
  encode: (state) => utf8(JSON.stringify(state)),
  decode: (bytes) => JSON.parse(fromUtf8(bytes) ?? "[]") as string[], // Safe: `encode` made them.
};

/** Commutative under causal delivery alone: it throws when an event comes before its backlink. */
const causal: View<ReadonlyMap<string, number>> = {
  name: "causal",
  version: 1,
  types: ["say"],
  commutative: true,
  init: () => new Map(),
  apply: (state, event) => {
    const last = state.get(event.logId) ?? -1;
    if (event.seq <= last) throw new Error("came after what follows it");
    return new Map(state).set(event.logId, event.seq);
  },
  encode: (state) => utf8(JSON.stringify([...state])),
  decode: (bytes) => new Map(JSON.parse(fromUtf8(bytes) ?? "[]") as [string, number][]), // Safe: as above.
};

function event(log: number, seq: number, type: string, text: string): ViewEvent {
  return fakeEvent(log, seq, { type, body: utf8(text) });
}

/**
 * Keeps out what an event of type "ban" names by its text, until one of type "lift" names it. The
 * last of them in total order decides, so the verdict depends on the set alone.
 */
const banning: Gate = {
  start: () => {
    const rulings: ViewEvent[] = [];
    return {
      add: (events) => {
        const found = events.filter(({ type }) => type === "ban" || type === "lift");
        rulings.push(...found);
        rulings.sort((a, b) => a.stamp - b.stamp);
        return found.length === 0 ? "none" : "all";
      },
      judge: (judged): GateVerdict => {
        const last = rulings.findLast(({ body }) => fromUtf8(body) === fromUtf8(judged.body));
        if (last?.type !== "ban") return { verdict: "admit" };
        const by = [{ logId: last.logId, seq: last.seq }];
        return { verdict: "refuse", reason: "BANNED", by };
      },
    };
  },
};

describe("a gate", () => {
  test("[TD-7] keeps events out of the state and lists them with the reason", async () => {
    const source = createMemorySource();
    source.deliver([event(1, 0, "ban", "x"), event(2, 0, "say", "x"), event(2, 1, "say", "y")]);
    await using view = openView({ source }, ordered, { gate: banning });
    await view.ready;
    expect(view.state).toEqual(["y"]);
    const [kept] = view.withheld();
    expect(kept).toMatchObject({ verdict: "refuse", reason: "BANNED" });
    expect(fromUtf8(kept?.event.body ?? utf8(""))).toBe("x");
    expect(view.withheld()).toHaveLength(1);
  });

  test("changes its mind: events go out and come back at their place", async () => {
    const source = createMemorySource();
    await using view = openView({ source }, ordered, { gate: banning });
    const heard: number[] = [];
    view.subscribe((events) => heard.push(events.length));
    const say = [event(1, 0, "say", "a"), event(1, 1, "say", "b"), event(1, 2, "say", "c")];
    const ban = event(2, 3, "ban", "b");
    const lift = event(2, 4, "lift", "b");
    source.deliver(say);
    await view.applied({ logId: say[0]?.logId ?? "", seq: 2 });
    source.deliver([ban]);
    await view.applied(ban);
    expect(view.state).toEqual(["a", "c"]);
    source.deliver([lift]);
    await view.applied(lift);
    expect(view.state).toEqual(["a", "b", "c"]);
    expect(view.withheld()).toEqual([]);
    expect(heard).toEqual([3, 1, 1]);
  });

  test("takes nothing into a commutative view behind what follows it: the view is folded anew", async () => {
    const source = createMemorySource();
    await using view = openView({ source }, causal, { gate: banning, sliceEvents: 1 });
    const ban = event(2, 0, "ban", "a");
    const said = [event(1, 0, "say", "a"), event(1, 1, "say", "b")];
    source.deliver([ban, ...said]);
    const lift = event(2, 1, "lift", "a");
    source.deliver([lift]);
    await view.applied(lift);
    expect([...view.state.values()]).toEqual([1]);
    expect(view.failure).toBeUndefined();
  });

  test("a wait for an event ends only when the state shows what the gate says", async () => {
    const source = createMemorySource();
    let turns = 0;
    const yieldToHost = async (): Promise<void> => {
      turns += 1;
    };
    await using view = openView({ source, yieldToHost }, causal, {
      gate: banning,
      sliceEvents: 10,
    });
    source.deliver(Array.from({ length: 100 }, (_, seq) => event(1, seq, "say", `t${seq}`)));
    await view.ready;
    await view.applied({ logId: event(1, 0, "say", "").logId, seq: 99 });
    const before = turns;
    const ban = event(2, 100, "ban", "t99");
    source.deliver([ban]);
    await view.applied(ban);
    expect([...view.state.values()]).toEqual([98]);
    expect(turns - before).toBeGreaterThan(9); // folded anew in slices
  });

  test("a reset starts the gate over", async () => {
    const source = createMemorySource();
    source.deliver([event(1, 0, "ban", "x"), event(2, 0, "say", "x")]);
    await using view = openView({ source }, ordered, { gate: banning });
    await view.ready;
    const said = event(2, 0, "say", "x");
    source.reset([said, event(3, 0, "say", "y")]);
    await view.applied(event(3, 0, "say", "y"));
    expect(view.state).toEqual(["x", "y"]);
  });

  test("what is quarantined at the source reaches no gate", async () => {
    const seen: string[] = [];
    const gate: Gate = {
      start: () => ({
        add: (events) => {
          for (const { type } of events) seen.push(type);
          return "none";
        },
        judge: () => ({ verdict: "admit" }),
      }),
    };
    const source = createMemorySource();
    source.deliver([
      { ...event(1, 0, "ban", "x"), judgement: "quarantine" },
      event(1, 1, "other", "seen by the gate and not by the view"),
    ]);
    await using view = openView({ source }, ordered, { gate });
    await view.ready;
    expect(seen).toEqual(["other"]);
    expect(view.state).toEqual([]);
  });

  test("[TH-008] any arrival order and any batches give what judging everything at the end gives", async () => {
    const step = fc.record({ log: fc.nat(3), kind: fc.nat(3), text: fc.nat(3) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.infiniteStream(fc.nat(1_000)),
        fc.integer({ min: 1, max: 7 }),
        async (steps, choices, size) => {
          const heights = new Map<number, number>();
          const events = steps.map(({ log, kind, text }, index) => {
            const seq = heights.get(log) ?? 0;
            heights.set(log, seq + 1);
            const type = kind === 0 ? "ban" : kind === 1 ? "lift" : "say";
            const body = utf8(`t${text}`);
            return fakeEvent(log, seq, { type, body }, 1_000 + index);
          });
          const order = interleaved(events, () => choices.next().value ?? 0);
          await expectJudged(events, order, size);
        },
      ),
      { numRuns: 150 },
    );
  });
});

/** Keeps the order of each log. */
function interleaved(events: readonly ViewEvent[], choose: () => number): readonly ViewEvent[] {
  const left = [...events];
  const order: ViewEvent[] = [];
  while (left.length > 0) {
    const ready = left.filter(
      (one, index) => left.findIndex(({ logId }) => logId === one.logId) === index,
    );
    const pick = ready[choose() % ready.length];
    if (pick === undefined) throw new Error("nothing is ready");
    left.splice(left.indexOf(pick), 1);
    order.push(pick);
  }
  return order;
}

async function expectJudged(
  events: readonly ViewEvent[],
  order: readonly ViewEvent[],
  size: number,
): Promise<void> {
  const judge = banning.start();
  judge.add(events);
  const expected = events
    .filter((one) => one.type === "say" && judge.judge(one).verdict === "admit")
    .map(({ body }) => fromUtf8(body));
  const source = createMemorySource(9);
  await using view = openView({ source }, ordered, { gate: banning, sliceEvents: 2 });
  await using other = openView({ source }, causal, { gate: banning, sliceEvents: 2 });
  await view.ready;
  await other.ready;
  for (let start = 0; start < order.length; start += size) {
    const batch = order.slice(start, start + size);
    source.deliver(batch);
    for (const one of batch) {
      await view.applied(one);
      await other.applied(one);
    }
  }
  expect(view.state).toEqual(expected);
  expect(other.failure).toBeUndefined();
}

describe("readViewAt", () => {
  const heightsAt = (events: readonly ViewEvent[]): Map<string, number> => {
    const heights = new Map<string, number>();
    for (const { logId, seq } of events) heights.set(logId, seq + 1);
    return heights;
  };

  test("[TH-004] the state at event k equals the fold of events 1…k, for every k", async () => {
    const source = createMemorySource();
    const events = Array.from({ length: 12 }, (_, index) =>
      event(index % 3, Math.floor(index / 3), "say", `t${index}`),
    ).sort((a, b) => a.stamp - b.stamp);
    source.deliver(events);
    for (let k = 0; k <= events.length; k++) {
      const past = events.slice(0, k);
      const state = await readViewAt({ source }, ordered, { at: heightsAt(past) });
      expect(state).toEqual(past.map(({ body }) => fromUtf8(body)));
    }
  });

  test("[TH-004] the past is judged by the past: what was banned later counted then", async () => {
    const source = createMemorySource();
    const said = event(1, 0, "say", "x");
    source.deliver([said, event(2, 1, "ban", "x")]);
    const at = heightsAt([said]);
    expect(await readViewAt({ source }, ordered, { at, gate: banning })).toEqual(["x"]);
    const now = heightsAt(source.events);
    expect(await readViewAt({ source }, ordered, { at: now, gate: banning })).toEqual([]);
    expect(await readViewAt({ source }, causal, { at: now, gate: banning })).toEqual(new Map());
  });

  test("[TH-006] reading changes nothing: the source has as many events as before", async () => {
    const source = createMemorySource();
    source.deliver([event(1, 0, "say", "x")]);
    await using view = openView({ source }, ordered);
    await view.ready;
    await readViewAt({ source }, ordered, { at: new Map() });
    void view.withheld();
    expect(source.events).toHaveLength(1);
    expect(Object.keys(view).filter((key) => /put|append|delete/.test(key))).toEqual([]);
  });

  test("a source that ends early, or a signal, ends the reading with a code", async () => {
    const source = createMemorySource();
    const aborted = AbortSignal.abort();
    await expect(
      readViewAt({ source }, ordered, { at: new Map(), signal: aborted }),
    ).rejects.toMatchObject({ code: "VIEW_CLOSED" });
    source.fail(new Error("disk gone"));
    await expect(readViewAt({ source }, ordered, { at: new Map() })).rejects.toMatchObject({
      code: "VIEW_SOURCE_FAILED",
    });
  });
});

describe("views and events", () => {
  test("[TH-140] a view subscribes to the types it names and applies its reducer to nothing else", async () => {
    const source = createMemorySource();
    const applied: string[] = [];
    const { name, version, types } = ordered;
    const spy: View<number> = {
      name,
      version,
      types,
      init: () => 0,
      apply: (state, { type }) => {
        applied.push(type);
        return state + 1;
      },
      encode: (state) => utf8(String(state)),
      decode: (bytes) => Number(fromUtf8(bytes)),
    };
    await using view = openView({ source }, spy);
    source.deliver([event(1, 0, "other", "a"), event(1, 1, "say", "b"), event(1, 2, "ban", "c")]);
    await view.applied(event(1, 2, "ban", ""));
    expect(applied).toEqual(["say"]);
    expect(view.state).toBe(1);
  });

  test("[TH-143] a database operation becomes an event, and the event changes the view", async () => {
    const source = createMemorySource();
    await using view = openView({ source }, ordered);
    await view.ready;
    const refs = await view.write([{ type: "say", body: utf8("put") }]);
    expect(source.events.map(({ logId, seq }) => ({ logId, seq }))).toEqual(refs);
    expect(view.state).toEqual(["put"]);
  });

  test("[NB-7] one log, many views: each is dropped, rebuilt and replaced without touching data", async () => {
    const source = createMemorySource();
    source.deliver([event(1, 0, "say", "a"), event(1, 1, "say", "b")]);
    const before = source.events.map(({ hash }) => hash);
    const count: View<number> = {
      name: "count",
      version: 1,
      types: ["say"],
      init: () => 0,
      apply: (state) => state + 1,
      encode: (state) => utf8(String(state)),
      decode: (bytes) => Number(fromUtf8(bytes)),
    };
    await using first = openView({ source }, ordered);
    const dropped = openView({ source }, count);
    await first.ready;
    await dropped.ready;
    expect([first.state, dropped.state]).toEqual([["a", "b"], 2]);
    await dropped[Symbol.asyncDispose]();
    // Another meaning under the same name: a higher version, folded from the same events.
    await using replaced = openView(
      { source },
      { ...count, version: 2, apply: (state: number) => state + 10 },
    );
    await using rebuilt = openView({ source }, count);
    await replaced.ready;
    await rebuilt.ready;
    expect([replaced.state, rebuilt.state]).toEqual([20, 2]);
    expect(first.state).toEqual(["a", "b"]);
    expect(source.events.map(({ hash }) => hash)).toEqual(before);
  });
});
