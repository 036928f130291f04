import { describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "@hawser/codec";
import { openView, ViewError, type View, type ViewEvent } from "@hawser/view";
import { checkViewLaws, createMemorySource, fakeEvent, oracleFold } from "@hawser/view/testing";

/** Not commutative on purpose: the text is the concatenation in total order. */
const transcript: View<string> = {
  name: "transcript",
  version: 1,
  types: ["say"],
  init: () => "",
  apply: (state, event) => `${state}${fromUtf8(event.body) ?? "?"};`,
  encode: (state) => utf8(state),
  decode: (bytes) => fromUtf8(bytes),
};

const counter: View<number> = {
  name: "counter",
  version: 1,
  types: ["say", "tick"],
  init: () => 0,
  apply: (state) => state + 1,
  encode: (state) => utf8(String(state)),
  decode: (bytes) => Number(fromUtf8(bytes)),
  commutative: true,
};

const say = (text: string): { type: string; body: Uint8Array } => ({
  type: "say",
  body: utf8(text),
});

describe("fold", () => {
  test("[TH-003] [TH-141] dropping a view and folding the log again gives the same state", async () => {
    const source = createMemorySource();
    source.deliver([fakeEvent(1, 0, say("a")), fakeEvent(2, 0, say("b"))]);
    const states: string[] = [];
    for (let round = 0; round < 2; round++) {
      await using view = openView({ source }, transcript);
      await view.ready;
      states.push(view.state);
    }
    expect(states).toEqual(["a;b;", "a;b;"]);
  });

  test("[TH-005] [TH-151] two views read one source, each with its own reducer", async () => {
    const source = createMemorySource();
    await using text = openView({ source }, transcript);
    await using count = openView({ source }, counter);
    await source.append([say("x"), { type: "tick", body: utf8("") }]);
    const [last] = await source.append([say("y")]);
    if (last === undefined) throw new Error("nothing appended");
    await text.applied(last);
    await count.applied(last);
    expect(text.state).toBe("x;y;");
    expect(count.state).toBe(3);
  });

  test("[TH-007] a reducer sees only the types it names, and not what is quarantined", async () => {
    const source = createMemorySource();
    source.deliver([
      { ...fakeEvent(1, 0, say("good")) },
      { ...fakeEvent(1, 1, say("late")), judgement: "quarantine" },
      { ...fakeEvent(1, 2, { type: "other", body: utf8("no") }) },
    ]);
    await using view = openView({ source }, transcript);
    await view.ready;
    expect(view.state).toBe("good;");
  });

  test("[TH-071] a late arrival is folded at its place in the total order", async () => {
    const source = createMemorySource();
    await using view = openView({ source }, transcript);
    const late = fakeEvent(1, 0, say("first"), 5);
    source.deliver([fakeEvent(2, 0, say("second"), 10)]);
    source.deliver([late]);
    await view.applied(late);
    expect(view.state).toBe("first;second;");
  });

  test("[TH-071] deep rewinds across checkpoints equal the oracle", async () => {
    const source = createMemorySource();
    await using view = openView({ source }, transcript, { sliceEvents: 100 });
    const old = Array.from({ length: 3_000 }, (_, seq) =>
      fakeEvent(1, seq, say(`a${seq}`), 1_000 + 10 * seq),
    );
    source.deliver(old);
    const late: ViewEvent[] = [];
    for (let seq = 0; seq < 30; seq++) {
      late.push(fakeEvent(2, seq, say(`b${seq}`), 1_005 + 1_000 * seq));
    }
    for (const event of late) source.deliver([event]);
    await view.applied(late.at(-1) ?? { logId: "", seq: 0 });
    expect(view.state).toBe(oracleFold(transcript, [...old, ...late]));
  });

  test("a slice of work ends after many events, or after few that are large", async () => {
    for (const [count, byteCount, slices] of [
      [1_000, 1, 4],
      [40, 2_000, 8],
      [3, 57_344, 3],
    ] as const) {
      const source = createMemorySource();
      const body = new Uint8Array(byteCount).fill(65);
      source.deliver(
        Array.from({ length: count }, (_, seq) =>
          fakeEvent(1, seq, { type: "say", body }, 10 + seq),
        ),
      );
      let yields = 0;
      const yieldToHost = async (): Promise<void> => {
        yields += 1;
      };
      const lengths: View<number> = {
        ...counter,
        types: ["say"],
        apply: (sum, event) => sum + event.body.length,
      };
      await using view = openView({ source, yieldToHost }, lengths);
      await view.ready;
      expect([view.state, yields]).toEqual([count * byteCount, slices]);
    }
  });

  test("[TH-008] [TH-009] laws hold for an ordered and a commutative view", async () => {
    const body = (_: unknown, choice: number): Uint8Array => utf8(String(choice % 7));
    await checkViewLaws(transcript, { type: "say", body });
    await checkViewLaws(counter, { type: "tick", body });
  });

  test("a reducer that lies about being commutative breaks a law", async () => {
    const liar = { ...transcript, commutative: true };
    const body = (_: unknown, choice: number): Uint8Array => utf8(String(choice % 7));
    await expect(checkViewLaws(liar, { type: "say", body, seed: 1 })).rejects.toThrow(
      /Property failed/,
    );
  });
});

describe("openView", () => {
  test("[TH-013] a reset drops what was folded and folds what follows", async () => {
    const source = createMemorySource();
    await using view = openView({ source }, transcript);
    const kept = fakeEvent(1, 0, say("kept"), 1_000);
    const doubtful = fakeEvent(2, 0, say("doubtful"), 1_001);
    source.deliver([kept, doubtful]);
    await view.applied(doubtful);
    expect(view.state).toBe("kept;doubtful;");
    source.reset([kept, { ...doubtful, judgement: "quarantine" }, fakeEvent(1, 1, say("next"))]);
    await view.applied({ logId: kept.logId, seq: 1 });
    expect(view.state).toBe("kept;next;");
  });

  test("[TH-002] write resolves when the view shows it; reading never appends", async () => {
    const source = createMemorySource();
    await using view = openView({ source }, transcript);
    await view.write([say("hello")]);
    expect(view.state).toBe("hello;");
    const before = source.events.length;
    void view.state;
    expect(source.events.length).toBe(before);
  });

  test("subscribers hear of wanted events only, and can stop", async () => {
    const source = createMemorySource();
    await using view = openView({ source }, transcript);
    const heard: number[] = [];
    const stop = view.subscribe((events) => heard.push(events.length));
    await view.write([say("a"), say("b"), { type: "tick", body: utf8("") }]);
    stop();
    await view.write([say("c")]);
    expect(heard).toEqual([2]);
  });

  test("changes yields the newest revision and ends with its signal", async () => {
    const source = createMemorySource();
    await using view = openView({ source }, transcript);
    const controller = new AbortController();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const revision of view.changes({ signal: controller.signal })) {
        seen.push(revision);
        if (seen.length === 2) controller.abort();
      }
    })();
    await view.write([say("a")]);
    await view.write([say("b")]);
    await reading;
    expect(seen).toEqual([1, 2]);
  });

  test("a reducer that throws stops this view, names the entry, and no other", async () => {
    const source = createMemorySource();
    const fussy: View<number> = {
      ...counter,
      apply: (state, event) => {
        if (fromUtf8(event.body) === "bad") throw new RangeError("cannot");
        return state + 1;
      },
    };
    await using broken = openView({ source }, fussy);
    await using fine = openView({ source }, transcript);
    await source.append([say("ok")]);
    await fine.write([say("bad")]);
    await expect(broken.applied({ logId: fakeEvent(0, 0, say("")).logId, seq: 1 })).rejects.toThrow(
      expect.objectContaining({ code: "VIEW_REDUCER_FAILED" }),
    );
    expect(broken.failure?.message).toMatch(/counter failed at 01010101…\/1/);
    expect(fine.state).toBe("ok;bad;");
  });

  test("a source that fails rejects ready and writes with a code", async () => {
    const source = createMemorySource();
    await using view = openView({ source }, transcript);
    await view.ready;
    const waiting = view.applied({ logId: "nobody", seq: 0 });
    source.fail(new Error("disk gone"));
    await expect(waiting).rejects.toMatchObject({ code: "VIEW_SOURCE_FAILED" });
    await expect(view.write([say("x")])).rejects.toBeInstanceOf(ViewError);
  });

  test("closing rejects what waits, and aborting a wait leaves the view alone", async () => {
    const source = createMemorySource();
    const view = openView({ source }, transcript);
    const controller = new AbortController();
    const aborted = view.applied({ logId: "x", seq: 0 }, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    const waiting = view.applied({ logId: "x", seq: 0 });
    const closing = expect(waiting).rejects.toMatchObject({ code: "VIEW_CLOSED" });
    await view[Symbol.asyncDispose]();
    await closing;
  });
});
