/** Snapshots on the device, and what compaction leaves. */
import { at, createWorld, spaceWith } from "@hawser/space/testing";
import type { ViewEvent } from "@hawser/view";
import { createMemorySource } from "@hawser/view/testing";
import { compactYjs, createYjsView } from "@hawser/yjs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Doc } from "yjs";
import { atSpace, authorOf, createStage, crypto, memorySource, settle, textOf } from "./help.ts";

type Source = ReturnType<typeof memorySource>;

/** The same device, opened again: its events and what is on its shelf. */
function reopened({ events, shelved }: Source): Source {
  const source = Object.assign(createMemorySource(7, shelved), { author: authorOf(7) });
  source.deliver(events);
  return source;
}

async function written(source: Source, edits: number): Promise<string> {
  const stage = createStage();
  const provider = stage.open(source);
  await provider.ready;
  const text = provider.doc.getText("text");
  for (let index = 0; index < edits; index++) {
    text.insert(index % 7, `${index} `);
    if (index % 3 === 0) text.delete(0, 1);
    await provider.flush();
  }
  const found = textOf(provider);
  await stage.close();
  return found;
}

describe("snapshots on the device", () => {
  test("a document opens from its snapshot and folds later events only", async () => {
    const source = memorySource();
    const found = await written(source, 120);
    expect([...source.shelved.keys()]).toEqual([expect.stringMatching(/^yjs\/[0-9a-f]{32}$/)]);
    const again = reopened(source);
    const stage = createStage("again");
    const provider = stage.open(again);
    await provider.ready;
    expect(again.handedCount).toBe(0);
    expect(textOf(provider)).toBe(found);
    provider.doc.getText("text").insert(0, "more ");
    await provider.flush();
    await stage.pass(10);
    expect(again.handedCount).toBe(1);
    expect(provider.status().state).toBe("ready");
    const folded = stage.open(reopened(again), { snapshots: false });
    await folded.ready;
    expect(folded.snapshot()).toEqual(provider.snapshot());
    await stage.close();
  });

  test("documents of one space do not open from each other's, nor one that keeps what is deleted", async () => {
    const source = memorySource();
    const found = await written(source, 120);
    const again = reopened(source);
    const stage = createStage("again");
    const other = stage.open(again, { name: "other" });
    const whole = stage.open(again, { doc: new Doc({ gc: false }) });
    await Promise.all([other.ready, whole.ready]);
    expect(again.handedCount).toBe(source.events.length * 2);
    expect(textOf(other)).toBe("");
    expect(textOf(whole)).toBe(found);
    await stage.close();
  });

  test("edits that are no events yet are in no snapshot", async () => {
    const source = memorySource();
    const stage = createStage();
    const provider = stage.open(source, { snapshots: { everyEvents: 1 } });
    await provider.ready;
    provider.doc.getText("text").insert(0, "durable");
    await provider.flush();
    await stage.pass(10);
    const before = source.shelved.size;
    expect(before).toBe(1);
    const [kept] = source.shelved.values();
    provider.doc.getText("text").insert(0, "lost ");
    // Somebody else's event is folded meanwhile.
    const other = memorySource(3);
    const theirs = stage.open(other);
    theirs.doc.getText("text").insert(0, "theirs ");
    await theirs.flush();
    source.deliver(other.events);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect(provider.status().unsavedBytes).toBeGreaterThan(0);
    expect([...source.shelved.values()]).toEqual([kept]);
    const crashed = stage.open(reopened(source));
    await crashed.ready;
    expect(textOf(crashed)).toContain("durable");
    expect(textOf(crashed)).toContain("theirs");
    expect(textOf(crashed)).not.toContain("lost");
    await stage.close();
  });

  test("a snapshot that counts otherwise by now leaves no trace in the document", async () => {
    const source = memorySource();
    await written(source, 120);
    const again = reopened(source);
    // The last forty events have been judged away since.
    again.reset(source.events.slice(0, 80));
    const stage = createStage("again");
    const provider = stage.open(again);
    await provider.ready;
    await stage.pass(1_000);
    expect(provider.status().state).toBe("ready");
    const folded = stage.open(again, { snapshots: false });
    await folded.ready;
    expect(textOf(provider)).toBe(textOf(folded));
    await stage.close();
  });

  test("what waits, waits on after opening from a snapshot", async () => {
    const [source, bridge, other] = [memorySource(0), memorySource(1), memorySource(2)];
    const stage = createStage();
    const writer = stage.open(source);
    const second = stage.open(bridge);
    stage.open(other, { snapshots: { everyEvents: 1 } });
    writer.doc.getText("text").insert(0, "first");
    await writer.flush();
    const [first] = source.events;
    if (first === undefined) throw new Error("no event");
    bridge.deliver([first]);
    await stage.pass(10);
    second.doc.getText("text").insert(5, " second");
    await second.flush();
    other.deliver(bridge.events.slice(1));
    await stage.pass(10);
    expect(other.shelved.size).toBe(1);
    const again = reopened(other);
    const later = stage.open(again);
    await later.ready;
    expect(again.handedCount).toBe(0);
    expect(later.withheld()).toMatchObject([{ reason: "YJS_WAITS" }]);
    again.deliver([first]);
    await stage.pass(10);
    expect(textOf(later)).toBe("first second");
    await stage.close();
  });
});

describe("compaction", () => {
  test("[TH-165] [TH-166] [TH-167] few events stay, documents too, and peers see no difference", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    const stage = createStage();
    const adas = stage.open(atSpace(spaces, 0));
    const bens = stage.open(atSpace(spaces, 1));
    for (let round = 0; round < 40; round++) {
      const { doc } = round % 2 === 0 ? adas : bens;
      doc.getText("text").insert(round % 5, `${round} `);
      if (round % 4 === 0) doc.getText("text").delete(0, 2);
      await stage.pass(100);
      await world.carry(ada, ben);
      await world.carry(ben, ada);
      await stage.pass(10);
    }
    adas.doc.getMap("map").set("title", "a map");
    await settle(world, stage, ada, ben);
    const before = textOf(adas);
    const heads = await ada.store.heads(atSpace(spaces, 0).topic);

    const done = await compactYjs({ source: atSpace(spaces, 0), crypto });
    expect(done.prunedEntries).toBeGreaterThan(40);
    expect(done.keptEvents).toBeLessThan(20 + 40);
    const strip = (list: typeof heads) => list.map(({ prunedTo: _, ...head }) => head);
    expect(strip(await ada.store.heads(atSpace(spaces, 0).topic))).toEqual(strip(heads));

    // Who is there goes on, in both directions.
    bens.doc.getText("text").insert(0, "ben's ");
    adas.doc.getText("text").insert(adas.doc.getText("text").length, " ada's");
    await settle(world, stage, ada, ben);
    expect(textOf(adas)).toBe(`ben's ${before} ada's`);
    expect(bens.snapshot()).toEqual(adas.snapshot());

    // Who comes later gets the past from Ben.
    const link = await atSpace(spaces, 0).invite({ level: "write" });
    const cyd = await world.device("cyd");
    const third = await cyd.spaces.join(link);
    await world.settle(ada, ben, cyd);
    const cyds = stage.open(third);
    await cyds.ready;
    expect(cyds.snapshot()).toEqual(adas.snapshot());
    cyds.doc.getText("text").insert(0, "cyd's ");
    await settle(world, stage, ada, ben, cyd);
    expect(textOf(adas)).toBe(textOf(cyds));

    // And so does a new document, from what was kept, and once more after compacting again.
    const anew = stage.open(atSpace(spaces, 0), { snapshots: false });
    await anew.ready;
    expect(anew.snapshot()).toEqual(cyds.snapshot());
    await compactYjs({ source: atSpace(spaces, 0), crypto });
    const last = stage.open(atSpace(spaces, 0), { snapshots: false });
    await last.ready;
    expect(last.snapshot()).toEqual(cyds.snapshot());
    await stage.close();
  });

  test("after it, the text of a member removed since stays, and nothing of theirs comes any more", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    const stage = createStage();
    const adas = stage.open(atSpace(spaces, 0));
    const bens = stage.open(atSpace(spaces, 1));
    bens.doc.getText("text").insert(0, "ben's");
    await settle(world, stage, ada, ben);
    bens.doc.getText("text").insert(5, " text");
    await settle(world, stage, ada, ben);
    await compactYjs({ source: atSpace(spaces, 0), crypto });
    // Ada removes him knowing his text: it stays, and nothing of him comes any more.
    await atSpace(spaces, 0).remove(ben.author);
    bens.doc.getText("text").insert(0, "late ");
    await settle(world, stage, ada, ben);
    expect(textOf(adas)).toBe("ben's text");
    expect(adas.status().state).toBe("ready");
    const anew = stage.open(atSpace(spaces, 0));
    await anew.ready;
    expect(textOf(anew)).toBe("ben's text");
    await stage.close();
  });

  test("events of other types and of quarantined authors stay, as does what waits", async () => {
    const events = await severalWriters(1, 30);
    const extra: ViewEvent[] = events.map((event, index) =>
      index % 10 === 9 ? { ...event, judgement: "quarantine" } : event,
    );
    const note = { ...at(events, 0), seq: 10_000, type: "note" };
    const kept = await compacted([...extra, note]);
    expect(kept).toContain(note);
    for (const event of extra.filter(({ judgement }) => judgement === "quarantine")) {
      expect(kept).toContain(event);
    }
  });

  test("any writing of several at once folds to the same bytes from what stays", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 10_000 }), async (seed) => {
        const events = await severalWriters(seed, 40);
        const kept = await compacted(events);
        expect(stateOf(kept)).toEqual(stateOf(events));
        expect(kept.length).toBeLessThan(events.length);
        // Whoever goes on writing where they stood fits on.
        const again = await compacted(kept);
        expect(stateOf(again)).toEqual(stateOf(events));
      }),
      { numRuns: process.env["HAWSER_FULL"] === "1" ? 200 : 8 },
    );
  });

  test("without collection, deleted text stays too", async () => {
    const source = memorySource();
    await written(source, 40);
    const bodies = async (gc: boolean): Promise<number> => {
      const kept = await compacted(source.events, gc);
      const whole = stateOf(source.events, gc);
      expect(stateOf(kept, gc)).toEqual(whole);
      return kept.reduce((sum, { body }) => sum + body.length, 0);
    };
    expect(await bodies(false)).toBeGreaterThan(await bodies(true));
  });

  test("sources that cannot, and those that stand nowhere, are named", async () => {
    await expect(compactYjs({ source: memorySource(), crypto })).rejects.toMatchObject({
      code: "VIEW_SNAPSHOT_UNAVAILABLE",
    });
  });
});

function stateOf(events: readonly ViewEvent[], gc = true): Uint8Array {
  const view = createYjsView({ crypto }, { gc });
  let state = view.init();
  for (const event of events) {
    if (event.judgement === "accept" && event.type === "yjs") state = view.apply(state, event);
  }
  return view.encode(state);
}

/** What compaction would keep of events. */
async function compacted(events: readonly ViewEvent[], gc = true): Promise<readonly ViewEvent[]> {
  const source = createMemorySource(7);
  source.deliver(events);
  let kept: readonly ViewEvent[] = [];
  const compact = async (_: unknown, keep: readonly ViewEvent[]) => {
    kept = keep;
    return { prunedEntries: 0, keptEvents: keep.length };
  };
  await compactYjs({ source: { ...source, compact }, crypto }, { gc });
  return kept;
}

/** Three writers who hear of each other now and then, each with a text and a map. */
async function severalWriters(seed: number, edits: number): Promise<readonly ViewEvent[]> {
  let state = seed;
  const pick = (count: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % count;
  };
  const stage = createStage(`writers ${seed}`);
  const sources = [0, 1, 2].map((log) => memorySource(log));
  const writers = sources.map((source) => stage.open(source));
  const known = sources.map(() => new Set<ViewEvent>());
  const all: ViewEvent[] = [];
  for (let edit = 0; edit < edits; edit++) {
    const who = pick(3);
    const text = at(writers, who).doc.getText("text");
    if (pick(3) === 0 && text.length > 3) text.delete(pick(text.length - 2), 2);
    else text.insert(pick(text.length + 1), `${edit}`);
    if (pick(5) === 0) at(writers, who).doc.getMap("map").set("k", edit);
    await at(writers, who).flush();
    for (const event of at(sources, who).events) {
      if (event.author !== at(sources, who).author || all.includes(event)) continue;
      all.push(event);
      at(known, who).add(event);
    }
    const whom = pick(3);
    const news = all.filter((event) => !at(known, whom).has(event));
    for (const event of news) at(known, whom).add(event);
    at(sources, whom).deliver(news);
    await stage.pass(1);
  }
  await stage.close();
  return all;
}
