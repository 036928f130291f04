/** Repos on spaces: documents travel, bad chunks stay out, writes that fail are made good. */
import { next as A } from "@automerge/automerge";
import { Repo, type DocHandle } from "@automerge/automerge-repo";
import { encodeCbor, equalBytes } from "@hawser/codec";
import { createEphemeralHub } from "@hawser/space";
import { at, createWorld, spaceWith } from "@hawser/space/testing";
import {
  automergeView,
  createAutomergeNetwork,
  createAutomergeStorage,
  type AutomergeStorage,
} from "@hawser/automerge";
import { checkViewLaws, createMemorySource, fakeEvent } from "@hawser/view/testing";
import { describe, expect, test } from "vitest";
import { encodePut, encodeRemove, parseBody } from "../src/body.ts";
import { framesOf } from "../src/frames.ts";
import type { AutomergeState } from "../src/state.ts";
import { authorOf, breathe, crypto, memorySource, open, timers, until } from "./help.ts";

interface Paper {
  title?: string;
  lines?: string[];
}

function repoOn(storage: AutomergeStorage): Repo {
  const repo = new Repo({ storage, saveDebounceRate: 1 });
  storage.attach(repo);
  return repo;
}

/** Waits until the repo has handed everything over. */
async function saved(storage: AutomergeStorage, repo: Repo): Promise<void> {
  await repo.flush();
  await storage.flush();
}

describe("documents in spaces", () => {
  test("[TH-152] two repos write apart, and their documents come together", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [adas, bens] = spaces.map((space) => open(space));
    if (adas === undefined || bens === undefined) throw new Error("no storages");
    const [ada, ben] = [repoOn(adas), repoOn(bens)];
    const paper = ada.create<Paper>({ title: "untitled", lines: [] });
    await saved(adas, ada);
    await world.settle(...devices);
    const theirs = await ben.find<Paper>(paper.url);
    expect(theirs.doc()).toEqual({ title: "untitled", lines: [] });
    paper.change((doc) => void doc.lines?.push("from ada"));
    theirs.change((doc) => {
      doc.lines?.push("from ben");
      doc.title = "two lines";
    });
    await saved(adas, ada);
    await saved(bens, ben);
    await world.settle(...devices);
    await until(() => paper.doc().lines?.length === 2, "ada has both lines");
    await until(() => theirs.doc().lines?.length === 2, "ben has both lines");
    expect(paper.doc()).toEqual(theirs.doc());
    expect(paper.heads()).toEqual(theirs.heads());
    // And once more from what is stored alone.
    await saved(adas, ada);
    await saved(bens, ben);
    await world.settle(...devices);
    for (const space of spaces) {
      const again = open(space);
      const found = await new Repo({ storage: again }).find<Paper>(paper.url);
      expect(found.heads()).toEqual(paper.heads());
      await again[Symbol.asyncDispose]();
    }
    for (const storage of [adas, bens]) await storage[Symbol.asyncDispose]();
  });

  test("what a repo stores of others' changes is not appended again", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [adas, bens] = spaces.map((space) => open(space));
    if (adas === undefined || bens === undefined) throw new Error("no storages");
    const [ada, ben] = [repoOn(adas), repoOn(bens)];
    // Large enough that a repo stores changes one by one.
    const lines = Array.from({ length: 400 }, (_, index) => `line ${Math.sin(index)}`);
    const paper = ada.create<Paper>({ lines });
    await saved(adas, ada);
    await world.settle(...devices);
    const theirs = await ben.find<Paper>(paper.url);
    const before = (await at(devices, 1).store.stats()).entries;
    for (let index = 0; index < 5; index++) {
      paper.change((doc) => void doc.lines?.push(`more ${index}`));
      await saved(adas, ada);
      await world.settle(...devices);
      await saved(bens, ben);
    }
    await until(() => theirs.doc().lines?.length === 405, "ben has all lines");
    await saved(bens, ben);
    const written = (await at(devices, 1).store.stats()).entries - before;
    expect(written).toBeLessThanOrEqual(7);
    for (const storage of [adas, bens]) await storage[Symbol.asyncDispose]();
  });

  test("a second repo of the device does not store again what the first did", async () => {
    const source = memorySource();
    const [first, second] = [open(source), open(source)];
    const doc = A.change(A.init<Paper>(), (draft) => void (draft.title = "x"));
    const change = A.getLastLocalChange(doc) ?? new Uint8Array(0);
    await first.save(["doc", "incremental", "a"], change);
    await breathe();
    await second.save(["doc", "incremental", "b"], change);
    await breathe();
    expect(source.events).toHaveLength(1);
    for (const storage of [first, second]) await storage[Symbol.asyncDispose]();
  });

  test("ephemeral messages and live changes go through the network adapter", async () => {
    const world = await createWorld();
    const { spaces } = await spaceWith(world, "ben");
    const hub = createEphemeralHub();
    const [ada, ben] = spaces.map(
      (space) => new Repo({ network: [createAutomergeNetwork(space.ephemeral(hub.pipe()))] }),
    );
    if (ada === undefined || ben === undefined) throw new Error("no repos");
    const paper = ada.create<Paper>({ title: "live" });
    await until(() => ben.peers.length === 1 && ada.peers.length === 1, "they meet");
    const theirs = await ben.find<Paper>(paper.url);
    expect(theirs.doc()).toEqual({ title: "live" });
    const heard: unknown[] = [];
    paper.on("ephemeral-message", ({ message }) => heard.push(message));
    theirs.broadcast({ cursor: 3 });
    await until(() => heard.length === 1, "the message is heard");
    expect(heard).toEqual([{ cursor: 3 }]);
    await ada.shutdown();
    await ben.shutdown();
  });
});

/** A document of ada's in memory, and its key. */
async function written() {
  const source = memorySource();
  const storage = open(source);
  const repo = repoOn(storage);
  const handle: DocHandle<Paper> = repo.create<Paper>({ title: "good" });
  await saved(storage, repo);
  return { source, storage, repo, handle };
}

/** What another member puts under a key of the document. */
function hostile(seq: number, key: readonly string[], data: Uint8Array) {
  const [body = new Uint8Array(0)] = encodePut(key, data);
  return fakeEvent(3, seq, { type: "automerge", body });
}

describe("hostile members", () => {
  const flipped = (): Uint8Array => {
    const bytes = A.save(A.change(A.init<Paper>(), (doc) => void (doc.title = "flipped")));
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 0xff;
    return bytes;
  };

  test.each([
    ["junk", () => Uint8Array.of(1, 2, 3)],
    ["a chunk with a flipped byte", flipped],
    ["a chunk that is cut", () => flipped().subarray(0, -5)],
    ["no bytes at all", () => new Uint8Array(0)],
  ])("[ATK-automerge1443] %s neither breaks nor hides the document", async (_, data) => {
    const { source, storage, repo, handle } = await written();
    const bytes = data();
    for (const kind of ["snapshot", "incremental"]) {
      source.deliver([hostile(kind.length, [handle.documentId, kind, "evil"], bytes)]);
    }
    await breathe();
    handle.change((doc) => void (doc.lines = ["goes on"]));
    await saved(storage, repo);
    const again = open(source);
    const found = await new Repo({ storage: again }).find<Paper>(handle.url);
    expect(found.doc()).toEqual({ title: "good", lines: ["goes on"] });
    if (bytes.length > 0) {
      const { author } = hostile(0, ["x"], bytes);
      expect(again.withheld()).toHaveLength(2);
      expect(again.withheld()[0]).toMatchObject({ author, reason: "AUTOMERGE_MALFORMED" });
    }
    for (const each of [storage, again]) await each[Symbol.asyncDispose]();
  });

  test("[ATK-automerge870] a second history under a known actor is kept out, live and on loading", async () => {
    const { source, storage, handle } = await written();
    const actor = A.getActorId(handle.doc());
    const forged = A.change(A.init<Paper>({ actor }), (doc) => void (doc.title = "forged"));
    source.deliver([hostile(0, [handle.documentId, "incremental", "evil"], A.save(forged))]);
    await breathe();
    expect(handle.doc()).toEqual({ title: "good" });
    expect(storage.withheld()).toMatchObject([{ seq: 0, reason: "AUTOMERGE_CONFLICT" }]);
    const again = open(source);
    const found = await new Repo({ storage: again }).find<Paper>(handle.url);
    expect(found.doc()).toEqual({ title: "good" });
    expect(again.withheld()).toMatchObject([{ seq: 0, reason: "AUTOMERGE_CONFLICT" }]);
    for (const each of [storage, again]) await each[Symbol.asyncDispose]();
  });

  test("nobody overwrites or removes what another stored", async () => {
    const { source, storage, handle } = await written();
    const [chunk] = await storage.loadRange([handle.documentId]);
    if (chunk === undefined) throw new Error("nothing is stored");
    source.deliver([
      hostile(0, chunk.key, Uint8Array.of(9)),
      fakeEvent(3, 1, { type: "automerge", body: encodeRemove([chunk.key]) }),
      hostile(2, ["storage-adapter-id"], Uint8Array.of(9)),
    ]);
    await breathe();
    expect(await storage.loadRange([handle.documentId])).toEqual([chunk]);
    expect(await storage.load(["storage-adapter-id"])).not.toEqual(Uint8Array.of(9));
    await storage[Symbol.asyncDispose]();
  });
});

describe("writes", () => {
  test("[ATK-amrepo672] a write that failed is made good, and compaction goes on", async () => {
    const source = memorySource();
    let failures = 0;
    const failing = {
      ...source,
      append: (drafts: Parameters<typeof source.append>[0]) => {
        if (failures-- > 0) return Promise.reject(new Error("the disk is full"));
        return source.append(drafts);
      },
    };
    const storage = open(failing);
    const repo = repoOn(storage);
    const handle = repo.create<Paper>({ lines: [] });
    await saved(storage, repo);
    failures = 2;
    handle.change((doc) => void (doc.title = "while the disk is full"));
    await until(() => storage.problem !== undefined, "the failure shows");
    await timers.advance(20_000);
    await saved(storage, repo);
    expect(storage.problem).toBeUndefined();
    // Compaction: one snapshot and little else, however many changes there were.
    for (let index = 0; index < 60; index++) {
      handle.change((doc) => void doc.lines?.push(`line ${index}`));
      await saved(storage, repo);
    }
    const again = open(source);
    await again.ready;
    const chunks = await again.loadRange([handle.documentId]);
    expect(chunks.length).toBeLessThan(40);
    expect(chunks.some(({ key }) => key[1] === "snapshot")).toBe(true);
    const found = await new Repo({ storage: again }).find<Paper>(handle.url);
    expect(found.doc()).toEqual(handle.doc());
    for (const each of [storage, again]) await each[Symbol.asyncDispose]();
  });

  test("removals go together, with the next value or a moment later", async () => {
    const source = memorySource();
    const storage = open(source);
    const keyOf = (name: string): string[] => ["doc", "incremental", name];
    const kinds = (): readonly (string | undefined)[] =>
      source.events.map(({ body }) => parseBody(body)?.kind);
    for (const name of ["a", "b", "c"]) await storage.save(keyOf(name), Uint8Array.of(1));
    await storage.remove(keyOf("a"));
    await storage.remove(keyOf("b"));
    await storage.remove(keyOf("never there"));
    await breathe();
    expect(kinds()).toEqual(["put", "put", "put"]);
    expect((await storage.loadRange(["doc"])).map(({ key }) => key)).toEqual([keyOf("c")]);
    await storage.save(keyOf("d"), Uint8Array.of(1));
    expect(kinds().slice(3)).toEqual(["remove", "put"]);
    const [removal] = source.events.slice(3);
    expect(parseBody(removal?.body ?? new Uint8Array(0))).toMatchObject({
      keys: [keyOf("a"), keyOf("b")],
    });
    await storage.remove(keyOf("c"));
    await timers.advance(249);
    expect(kinds()).toHaveLength(5);
    await timers.advance(1);
    await breathe();
    expect(kinds()).toHaveLength(6);
    const keys = (await storage.loadRange(["doc"])).map(({ key }) => key);
    expect(keys).toEqual([keyOf("d")]);
    await storage[Symbol.asyncDispose]();
  });

  test("[ATK-hocuspocus382] a source that fails is no empty document", async () => {
    const { source, storage, handle } = await written();
    source.fail(new Error("the store is damaged"));
    const again = open(source);
    await expect(again.loadRange([handle.documentId])).rejects.toMatchObject({
      code: "VIEW_SOURCE_FAILED",
    });
    await expect(again.save(["a", "snapshot", "b"], Uint8Array.of(1))).rejects.toMatchObject({
      code: "VIEW_SOURCE_FAILED",
    });
    for (const each of [storage, again]) await each[Symbol.asyncDispose]();
  });

  test("misuse has codes", async () => {
    const storage = open(memorySource());
    const bad = storage.save(["x".repeat(300)], Uint8Array.of(1));
    await expect(bad).rejects.toMatchObject({ code: "AUTOMERGE_KEY_INVALID" });
    await expect(storage.load([])).rejects.toMatchObject({ code: "AUTOMERGE_KEY_INVALID" });
    const huge = storage.save(["a", "snapshot", "b"], new Uint8Array(51 * 1024 * 1024));
    await expect(huge).rejects.toMatchObject({ code: "AUTOMERGE_VALUE_TOO_LARGE" });
    await storage[Symbol.asyncDispose]();
    const late = storage.save(["a"], Uint8Array.of(1));
    await expect(late).rejects.toMatchObject({ code: "AUTOMERGE_CLOSED" });
  });
});

describe("snapshots on the device", () => {
  test("a storage opens from its snapshot and reads later events only", async () => {
    const source = memorySource();
    const storage = open(source);
    for (let index = 0; index < 120; index++) {
      await storage.save(["doc", "incremental", `${index}`], Uint8Array.of(index));
      if (index % 2 === 0) await storage.remove(["doc", "incremental", `${index}`]);
    }
    await storage.save(["adapter-id"], Uint8Array.of(7));
    await storage.flush();
    const found = await storage.loadRange(["doc"]);
    await storage[Symbol.asyncDispose]();
    expect(source.shelved.size).toBe(1);
    const again = Object.assign(createMemorySource(0, source.shelved), { author: authorOf(0) });
    again.deliver(source.events);
    const later = open(again);
    await later.ready;
    expect(again.handedCount).toBe(0);
    const byKey = (a: { key: readonly string[] }, b: { key: readonly string[] }): number =>
      String(a.key) < String(b.key) ? -1 : 1;
    expect((await later.loadRange(["doc"])).toSorted(byKey)).toEqual(found.toSorted(byKey));
    expect(await later.load(["adapter-id"])).toEqual(Uint8Array.of(7));
    await later[Symbol.asyncDispose]();
    const without = createAutomergeStorage({ source: again, crypto, timers }, { snapshots: false });
    await without.ready;
    expect(again.handedCount).toBe(again.events.length);
    await without[Symbol.asyncDispose]();
  });
});

describe("compaction", () => {
  test("[TH-165] [TH-166] [TH-167] one snapshot stays; peers see no difference, and go on", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    const [adas, bens] = [open(at(spaces, 0)), open(at(spaces, 1))];
    const [repo, other] = [repoOn(adas), repoOn(bens)];
    const handle = repo.create<Paper>({ lines: [] });
    for (let index = 0; index < 30; index++) {
      handle.change((doc) => doc.lines?.push(`line ${index}`));
      await saved(adas, repo);
    }
    await world.settle(ada, ben);
    const done = await adas.compact();
    expect(done.prunedEntries).toBeGreaterThan(30);
    expect(done.keptEvents).toBeLessThan(4);
    const fresh = open(at(spaces, 0));
    const again = await new Repo({ storage: fresh }).find<Paper>(handle.url);
    expect(again.heads()).toEqual(handle.heads());
    // Open documents go on, here and there.
    handle.change((doc) => doc.lines?.push("after it"));
    await saved(adas, repo);
    await world.settle(ada, ben);
    const theirs = await other.find<Paper>(handle.url);
    expect(theirs.doc()?.lines).toHaveLength(31);
    theirs.change((doc) => doc.lines?.push("ben's"));
    await saved(bens, other);
    await world.settle(ada, ben);
    await until(() => handle.doc()?.lines?.length === 32, "Ben's line came to Ada");
    await saved(adas, repo);
    await saved(bens, other);
    for (const each of [adas, bens, fresh]) await each[Symbol.asyncDispose]();
  });

  test("[TH-165] what was replaced or removed goes, whole or in pieces; what is being put stays", () => {
    const big = new Uint8Array(100_000).fill(1);
    const put = (key: string, value: Uint8Array): readonly Uint8Array[] => encodePut([key], value);
    const bodies = [
      ...put("replaced", Uint8Array.of(1)),
      ...put("big", big).slice(0, 2),
      ...put("ends it", Uint8Array.of(2)),
      ...put("big", big).slice(2),
      ...put("replaced", big),
      ...put("replaced", Uint8Array.of(3)),
      ...put("removed", big),
      encodeRemove([["removed"], ["never there"]]),
      ...put("stays", big),
      ...put("open", big).slice(0, 1),
    ];
    const events = bodies.map((body, seq) => fakeEvent(0, seq, { type: "automerge", body }));
    const fold = (some: readonly (typeof events)[number][]): AutomergeState =>
      some.reduce((state, event) => automergeView.apply(state, event), automergeView.init());
    const state = fold(events);
    const kept = events.filter((event) => automergeView.superseded?.(state, event) === false);
    const same = (a: AutomergeState, b: AutomergeState): boolean =>
      equalBytes(automergeView.encode(a), automergeView.encode(b));
    expect(same(fold(kept), state)).toBe(true);
    expect(kept.map(({ seq }) => seq)).toEqual([3, 8, 13, 14, 15, 16]);
    // What follows fits on either.
    const rest = put("open", big)
      .slice(1)
      .map((body, at) => fakeEvent(0, events.length + at, { type: "automerge", body }));
    expect(same(fold([...kept, ...rest]), fold([...events, ...rest]))).toBe(true);
  });
});

describe("the view", () => {
  test("obeys the laws of views", async () => {
    await checkViewLaws(automergeView, {
      type: "automerge",
      seed: 152,
      body: (_state, choice) => {
        const key = ["doc", "incremental", String(choice % 5)];
        if (choice % 7 === 0) return encodeRemove([key]);
        const [first = new Uint8Array(0), second = first] = encodePut(
          key,
          new Uint8Array(choice % 3 === 0 ? 60_000 : 3).fill(choice % 251),
        );
        return choice % 2 === 0 ? first : second;
      },
    });
  });

  test.each([
    ["no CBOR", Uint8Array.of(0xff)],
    ["another version", encodeCbor([2, 1, ["a"], Uint8Array.of(1), 0, 1])],
    ["no key", encodeCbor([1, 1, [], Uint8Array.of(1), 0, 1])],
    ["a long key", encodeCbor([1, 1, ["x".repeat(257)], Uint8Array.of(1), 0, 1])],
    [
      "many parts",
      encodeCbor([1, 1, Array.from({ length: 9 }, () => "a"), Uint8Array.of(1), 0, 1]),
    ],
    ["a piece behind the last", encodeCbor([1, 1, ["a"], Uint8Array.of(1), 1, 1])],
    ["no pieces", encodeCbor([1, 1, ["a"], Uint8Array.of(1), 0, 0])],
    ["too many keys", encodeCbor([1, 2, Array.from({ length: 65 }, () => ["a"])])],
    ["another kind", encodeCbor([1, 3, ["a"]])],
  ])("refuses a body with %s", (_, bytes) => {
    expect(parseBody(bytes)).toBeUndefined();
  });

  test("takes chunks apart, and nothing else", () => {
    const doc = A.change(A.init<Paper>(), (draft) => void (draft.title = "x"));
    const change = A.getLastLocalChange(doc) ?? new Uint8Array(0);
    const both = Uint8Array.from([...A.save(doc), ...change]);
    expect(framesOf(both)?.map(({ isChange }) => isChange)).toEqual([false, true]);
    expect(framesOf(both.subarray(1))).toBeUndefined();
    expect(framesOf(both.subarray(0, -1))).toBeUndefined();
    expect(authorOf(0)).not.toBe(authorOf(1));
  });
});
