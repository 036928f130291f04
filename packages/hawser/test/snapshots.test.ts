/** Snapshots and compaction over spaces: two devices and a third, on SQLite and in memory. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { toHex, utf8 } from "@hawser/codec";
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import { createKv, kvView, type Kv } from "@hawser/kv";
import { createMemoryStore, type LogStore } from "@hawser/log";
import { createSpaces, type Space, type Spaces, type SpacesOptions } from "@hawser/space";
import { createSqliteStore } from "@hawser/store-sqlite";
import { createVirtualTimers } from "@hawser/sync/testing";
import {
  compactView,
  makeSnapshot,
  openView,
  publishSnapshot,
  readViewAt,
  undo,
  verifySnapshot,
} from "@hawser/view";

let crypto: Crypto;
let folders: string[] = [];
const timers = createVirtualTimers();
let micros = 1_790_000_000_000_000;
const clock = { nowMicros: () => (micros += 10) };

beforeAll(async () => {
  crypto = await createCrypto();
});
afterEach(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
  folders = [];
});

interface Device {
  readonly name: string;
  readonly store: LogStore;
  readonly spaces: Spaces;
}

let draws = 0;

async function openDevice(
  name: string,
  store: LogStore,
  options: SpacesOptions = {},
): Promise<Device> {
  const secret = crypto.deriveKey("hawser test identity v1", utf8(name));
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  const random = (count: number): Uint8Array => {
    const parts = [];
    for (let at = 0; at < count; at += 32) parts.push(...crypto.hash(utf8(`${name} ${draws++}`)));
    return Uint8Array.from(parts.slice(0, count));
  };
  const deps = { store, crypto, clock, random, timers, identity: { author, secret } };
  return { name, store, spaces: await createSpaces(deps, options) };
}

async function copy(from: Device, to: Device): Promise<number> {
  let stored = 0;
  for (const { topic } of from.spaces.topics()) {
    const heads = [...(await from.store.heads(topic))];
    heads.sort((a, b) => (a.context.domain < b.context.domain ? -1 : 1));
    for (const head of heads) {
      const known = (await to.store.head(head.logId))?.height ?? 0;
      const part = { from: Math.max(known, head.prunedTo), to: head.signedHeight };
      for await (const range of from.store.ranges(head.logId, part)) {
        stored += (await to.spaces.ingest(range)).status === "stored" ? 1 : 0;
      }
    }
  }
  return stored;
}

async function settle(...devices: readonly Device[]): Promise<void> {
  for (let quiet = 0; quiet < 12;) {
    let moved = 0;
    for (const from of devices) {
      for (const to of devices) if (from !== to) moved += await copy(from, to);
    }
    micros += 500_000;
    await timers.advance(500);
    quiet = moved === 0 ? quiet + 1 : 0;
  }
}

async function putAll(kv: Kv, from: number, to: number, keys = 50): Promise<void> {
  for (let at = from; at < to; at += 250) {
    for (let index = at; index < Math.min(to, at + 250); index += 25) {
      const puts = Array.from({ length: 25 }, (_, one) => index + one);
      await Promise.all(puts.map((n) => kv.put(`k${n % keys}`, n)));
    }
  }
}

async function sqliteStore(): Promise<{ readonly store: LogStore; readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-snapshots-"));
  folders.push(folder);
  const path = join(folder, "store.sqlite");
  return { store: createSqliteStore({ crypto }, { path }), path };
}

async function pair(options: SpacesOptions = {}) {
  const ada = await openDevice("ada", createMemoryStore({ crypto }), options);
  const ben = await openDevice("ben", createMemoryStore({ crypto }), options);
  const space = await ada.spaces.create();
  const other = await ben.spaces.join(await space.invite({ level: "write" }));
  await settle(ada, ben);
  return { ada, ben, space, other };
}

async function stateOf(space: Space): Promise<Uint8Array> {
  await using view = openView({ source: space }, kvView);
  await view.ready;
  return kvView.encode(view.state);
}

describe("maps of spaces", () => {
  test("who added to a counter, and by what right, and what two devices added at once", async () => {
    const { ada, ben, space, other } = await pair();
    await using a = createKv({ source: space });
    await using b = createKv({ source: other });
    await Promise.all([a.increment("n", 2), a.increment("n"), b.increment("n", 10)]);
    await a.put("brief", "x", { ttlMs: 1_000 });
    await settle(ada, ben);
    for (const kv of [a, b]) await expect.poll(() => kv.get("n")).toBe(13);
    expect(await stateOf(space)).toEqual(await stateOf(other));
    const { origins } = await b.explain("n", {
      authority: ({ author }) => space.why(author, "write"),
    });
    const said = origins.map(({ author, value, authority }) => {
      return [author === other.author, value, authority?.allowed, authority?.chain.at(-1)?.effect];
    });
    expect(said).toHaveLength(3);
    expect(said).toContainEqual([true, 10, true, "admitted"]);
    expect(said).toContainEqual([false, 2, true, "created"]);
    // A reader by whose clock it has ended, and the same bytes of state.
    await using late = createKv({ source: other, clock: { nowMicros: () => micros + 2_000_000 } });
    await late.ready;
    expect([a.get("brief"), late.get("brief")]).toEqual(["x", undefined]);
  });
});

describe("snapshots of spaces", () => {
  test("[TH-161] two devices make the same snapshot of what both wrote, byte for byte", async () => {
    const { ada, ben, space, other } = await pair();
    await using a = createKv({ source: space });
    await using b = createKv({ source: other });
    await putAll(a, 0, 600);
    await putAll(b, 600, 1_300);
    await settle(ada, ben);
    const mine = await makeSnapshot({ source: space }, kvView);
    const theirs = await makeSnapshot({ source: other }, kvView);
    expect(mine?.count).toBe(1_000);
    expect(mine?.bytes).toEqual(theirs?.bytes);
    expect(mine?.frontier).toEqual(theirs?.frontier);
  });

  test("[TH-162] [TH-163] a snapshot goes into a log of its own, and a newcomer begins there", async () => {
    const { ada, ben, space, other } = await pair();
    const kv = createKv({ source: space });
    await putAll(kv, 0, 1_100);
    const domains = async (device: Device): Promise<readonly string[]> =>
      (await device.store.heads(space.topic)).map((head) => head.context.domain).sort();
    expect(await domains(ada)).not.toContain("hawser.snap");
    const dataHead = (await ada.store.heads(space.topic)).find(
      (head) => head.context.domain === "hawser.data",
    );
    const ref = await publishSnapshot({ source: space }, kvView);
    expect(await domains(ada)).toContain("hawser.snap");
    expect(await ada.store.head(dataHead?.logId as never)).toEqual(dataHead);
    // Nothing is published twice, and a snapshot of another view hides none.
    const second = { ...kvView, name: "second" };
    const after = await publishSnapshot({ source: space }, second);
    expect(after?.seq).toBeGreaterThan(ref?.seq ?? Infinity);
    expect(await publishSnapshot({ source: space }, kvView)).toEqual(ref);
    expect((await space.snapshots.list()).map(({ seq }) => seq)).toEqual([after?.seq, ref?.seq]);
    await settle(ada, ben);
    await using view = openView({ source: other }, kvView, { snapshots: { trust: "managers" } });
    await view.ready;
    expect(view.origin).toMatchObject({ kind: "shared", author: space.author });
    await expect.poll(() => view.origin).toMatchObject({ isVerified: true });
    expect(kvView.encode(view.state)).toEqual(await stateOf(space));
    await kv[Symbol.asyncDispose]();
  });

  test("[TH-163] whoever may not read the past cannot open a snapshot of it", async () => {
    const { ada, ben, space } = await pair({ history: "fromJoin" });
    const kv = createKv({ source: space });
    await putAll(kv, 0, 1_000);
    await publishSnapshot({ source: space }, kvView);
    const link = await space.invite({ level: "write" });
    const eve = await openDevice("eve", createMemoryStore({ crypto }), { history: "fromJoin" });
    const late = await eve.spaces.join(link);
    await settle(ada, ben, eve);
    const found = await late.snapshots.list();
    expect(await Promise.all(found.map((one) => one.read()))).toEqual([undefined]);
    await using view = openView({ source: late }, kvView, { snapshots: { trust: "writers" } });
    await view.ready;
    expect(view.origin).toEqual({ kind: "events" });
    expect(view.state.present.size).toBe(0);
    // Nor can it publish what others would read otherwise.
    await expect(
      late.snapshots.publish(utf8("x"), {
        frontier: new Map(),
        judged: utf8("x"),
        local: utf8("x"),
        isShareable: false,
      }),
    ).rejects.toMatchObject({ code: "SPACE_SNAPSHOT_PRIVATE" });
    await kv[Symbol.asyncDispose]();
  });

  test("[TH-163] snapshots of removed members and of readers do not count", async () => {
    const { ada, ben, space, other } = await pair();
    const kv = createKv({ source: other });
    await putAll(kv, 0, 1_000);
    await publishSnapshot({ source: other }, kvView);
    await settle(ada, ben);
    expect((await space.snapshots.list()).map((found) => found.author)).toEqual([other.author]);
    await space.remove(other.author);
    expect(await space.snapshots.list()).toEqual([]);
    await kv[Symbol.asyncDispose]();
  });

  test("[TH-164] reopened on SQLite: state at once, nothing folded twice, writing goes on", async () => {
    const { store, path } = await sqliteStore();
    const ada = await openDevice("ada", store);
    const space = await ada.spaces.create();
    const kv = createKv({ source: space });
    await putAll(kv, 0, 1_500);
    const expected = await stateOf(space);
    await kv[Symbol.asyncDispose]();
    await ada.spaces.close();
    await store.close();
    const again = createSqliteStore({ crypto }, { path });
    const reopened = await openDevice("ada", again);
    const same = reopened.spaces.openTopic(space.topic);
    await using view = openView({ source: same }, kvView, { snapshots: {} });
    await view.ready;
    expect(view.origin).toEqual({ kind: "snapshot" });
    expect(kvView.encode(view.state)).toEqual(expected);
    await using more = createKv({ source: same });
    await more.put("new", 1);
    expect(await stateOf(same)).toEqual(kvView.encode(view.state));
    await reopened.spaces.close();
    await again.close();
  });

  test("[TH-160] after a removal, a view with a snapshot shows what all events give", async () => {
    const { ada, ben, space, other } = await pair();
    const a = createKv({ source: space });
    await using b = createKv({ source: other });
    await putAll(a, 0, 200);
    await settle(ada, ben);
    await b.put("from ben", 1);
    await settle(ada, ben);
    await a.ready;
    await a[Symbol.asyncDispose]();
    await space.remove(other.author);
    await using view = openView({ source: space }, kvView, { snapshots: {} });
    await view.ready;
    expect(kvView.encode(view.state)).toEqual(await stateOf(space));
  });
});

describe("compaction", () => {
  test("[TH-165] [TH-166] [TH-167] the file shrinks, the view stays, peers see no difference", async () => {
    const { store, path } = await sqliteStore();
    const ada = await openDevice("ada", store);
    const ben = await openDevice("ben", createMemoryStore({ crypto }));
    const space = await ada.spaces.create();
    const other = await ben.spaces.join(await space.invite({ level: "write" }));
    await settle(ada, ben);
    const kv = createKv({ source: space });
    const filler = new Uint8Array(1_000);
    for (let n = 0; n < 1_500; n += 30) {
      const puts = Array.from({ length: 30 }, (_, one) => n + one);
      await Promise.all(puts.map((key) => kv.put(`k${key % 20}`, [key, filler])));
    }
    await kv.del("k3");
    await settle(ada, ben);
    await kv[Symbol.asyncDispose]();
    const heads = await store.heads(space.topic);
    const before = await store.stats();
    const expected = await stateOf(space);

    const done = await compactView({ source: space }, [kvView]);
    expect(done.prunedEntries).toBeGreaterThan(1_000);
    expect(done.keptEvents).toBeLessThan(60);
    const after = await store.stats();
    expect(after.rangeBytes).toBeLessThan(before.rangeBytes / 5);
    expect(await stateOf(space)).toEqual(expected);
    const strip = (list: typeof heads) => list.map(({ prunedTo: _, ...head }) => head);
    expect(strip(await store.heads(space.topic))).toEqual(strip(heads));

    // A third device gets the whole past from Ben and the news from Ada.
    const link = await space.invite({ level: "write" });
    const cyd = await openDevice("cyd", createMemoryStore({ crypto }));
    const third = await cyd.spaces.join(link);
    await settle(ada, ben, cyd);
    await using mine = createKv({ source: space });
    await mine.put("after", 1);
    await settle(ada, ben, cyd);
    await using theirs = createKv({ source: third });
    await theirs.put("from cyd", 2);
    await settle(ada, ben, cyd);
    const final = await stateOf(space);
    expect(await stateOf(other)).toEqual(final);
    expect(await stateOf(third)).toEqual(final);

    // And after a restart, with no snapshot of the view at hand.
    await mine[Symbol.asyncDispose]();
    await space.shelf.write("kv", undefined);
    await ada.spaces.close();
    await store.close();
    const again = createSqliteStore({ crypto }, { path });
    const reopened = await openDevice("ada", again);
    const same = reopened.spaces.openTopic(space.topic);
    expect(await stateOf(same)).toEqual(final);
    await using last = createKv({ source: same });
    await last.put("k1", "again");
    expect(last.get("k1")).toBe("again");
    await reopened.spaces.close();
    await again.close();
  });

  test("[TH-165] events of types that no compacted view claims stay", async () => {
    const ada = await openDevice("ada", createMemoryStore({ crypto }));
    const space = await ada.spaces.create();
    await using kv = createKv({ source: space });
    await kv.put("a", 1);
    await space.append([{ type: "note", body: utf8("kept") }]);
    await kv.put("a", 2);
    const done = await compactView({ source: space }, [kvView]);
    expect(done.keptEvents).toBe(2);
    const bodies: string[] = [];
    for await (const { events, caughtUp } of space.batches()) {
      for (const event of events) if (event.type === "note") bodies.push(String(event.body.length));
      if (caughtUp) break;
    }
    expect(bodies).toEqual(["4"]);
  });

  test("others check a signed snapshot, then each cuts its history behind it; one who keeps it serves newcomers", async () => {
    const { ada, ben, space, other } = await pair();
    const cyd = await openDevice("cyd", createMemoryStore({ crypto }));
    await cyd.spaces.join(await space.invite({ level: "write" }));
    await settle(ada, ben, cyd);
    const links = [await space.invite({ level: "write" }), await space.invite({ level: "write" })];
    const a = createKv({ source: space });
    const b = createKv({ source: other });
    await putAll(a, 0, 600);
    await putAll(b, 600, 1_100);
    await settle(ada, ben, cyd);
    // Signed: it stands in its author's log, up to a signature.
    const ref = await publishSnapshot({ source: space }, kvView);
    const head = await ada.store.head(ref?.logId as never);
    expect(head).toMatchObject({ context: { author: space.author, domain: "hawser.snap" } });
    expect(head?.signedHeight).toBeGreaterThan(ref?.seq ?? Infinity);
    await settle(ada, ben, cyd);
    // Verified: by the events, before anything is cut. Not a byte of it may differ.
    const [found] = await other.snapshots.list();
    const bytes = await found?.read();
    if (bytes === undefined) throw new Error("no snapshot arrived");
    expect(found?.author).toBe(space.author);
    const verdict = await verifySnapshot({ source: other }, kvView, bytes);
    expect(verdict).toEqual({ ok: true, count: 1_000 });
    for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(await verifySnapshot({ source: other }, kvView, changed)).toMatchObject({ ok: false });
    }
    const expected = await stateOf(space);
    for (const kv of [a, b]) await kv[Symbol.asyncDispose]();
    for (const [each, device] of [[space, ada] as const, [other, ben] as const]) {
      expect((await compactView({ source: each }, [kvView])).prunedEntries).toBeGreaterThan(900);
      const heads = await device.store.heads(space.topic);
      const cut = heads.filter(({ context }) => context.domain === "hawser.data");
      expect(cut.some(({ prunedTo }) => prunedTo > 0)).toBe(true);
      expect(await stateOf(each)).toEqual(expected);
    }
    // Whoever cut cannot check any more: that is why it comes first.
    expect(await verifySnapshot({ source: other }, kvView, bytes)).toEqual({
      ok: false,
      reason: "SNAPSHOT_EVENTS_MISSING",
    });
    // A newcomer who meets only those who cut takes no state on trust alone: it waits for entries.
    const [first, second] = links;
    if (first === undefined || second === undefined) throw new Error("no links");
    const eve = await openDevice("eve", createMemoryStore({ crypto }));
    const early = await eve.spaces.join(first);
    await settle(ada, ben, eve);
    await using waiting = openView({ source: early }, kvView, { snapshots: { trust: "managers" } });
    await waiting.ready;
    expect(waiting.state.present.size).toBe(0);
    // With one who kept the whole it begins at the snapshot, and finds it true.
    const dan = await openDevice("dan", createMemoryStore({ crypto }));
    const late = await dan.spaces.join(second);
    await settle(ada, cyd, dan);
    await using view = openView({ source: late }, kvView, { snapshots: { trust: "managers" } });
    await view.ready;
    expect(view.origin).toMatchObject({ kind: "shared", author: space.author });
    await expect.poll(() => view.origin).toMatchObject({ isVerified: true });
    expect(kvView.encode(view.state)).toEqual(expected);
  });

  test("a ruling about what was compacted away stops reading, aloud, and elsewhere changes nothing", async () => {
    const { ada, ben, space, other } = await pair();
    const cyd = await openDevice("cyd", createMemoryStore({ crypto }));
    const third = await cyd.spaces.join(await space.invite({ level: "manage" }));
    await settle(ada, ben, cyd);
    await using b = createKv({ source: other });
    await b.put("k", 1);
    await b.put("k", 2);
    await settle(ada, ben);
    await compactView({ source: space }, [kvView]);
    await using live = openView({ source: space }, kvView);
    await live.ready;
    expect(live.state.present.size).toBe(1);
    // Cyd had seen nothing of what Ben wrote: it does not count any more.
    await third.remove(other.author);
    await settle(ada, cyd);
    const gone = { code: "VIEW_SOURCE_FAILED", cause: { code: "SPACE_HISTORY_GONE" } };
    await expect.poll(() => live.failure).toMatchObject(gone);
    await using again = openView({ source: space }, kvView);
    await expect(again.ready).rejects.toMatchObject(gone);
    // Whoever has all entries reads on: the cure is to take the space from there, into a fresh store.
    await using whole = createKv({ source: third });
    await whole.ready;
    await settle(ada, ben, cyd);
    expect(whole.get("k")).toBeUndefined();
    await whole.put("after", 1);
    expect(whole.get("after")).toBe(1);
  });

  test("a removal that acknowledges what was compacted away lets reading go on", async () => {
    const { ada, ben, space, other } = await pair();
    await using b = createKv({ source: other });
    await b.put("k", 1);
    await b.put("k", 2);
    await settle(ada, ben);
    await compactView({ source: space }, [kvView]);
    await space.remove(other.author);
    await using view = createKv({ source: space });
    await view.ready;
    expect(view.get("k")).toBe(2);
  });

  test("who reads while another compacts begins anew, and misses nothing", async () => {
    const made = await pair();
    for (const source of [made.space, made.other]) {
      const kv = createKv({ source });
      await putAll(kv, 0, 300, 20);
      await kv[Symbol.asyncDispose]();
      await settle(made.ada, made.ben);
    }
    await made.ada.spaces[Symbol.asyncDispose]();
    // Opened again: nothing of it is in memory any more.
    const { spaces } = await openDevice("ada", made.ada.store);
    const space = spaces.list().find(({ topic }) => topic === made.space.topic);
    if (space === undefined) throw new Error("the space is gone");
    const closing = new AbortController();
    const batches = space.batches({ signal: closing.signal })[Symbol.asyncIterator]();
    let events = [...((await batches.next()).value?.events ?? [])];
    expect(events.length).toBeGreaterThan(0);
    expect(events.length).toBeLessThan(600);
    await compactView({ source: space }, [kvView]);
    let resets = 0;
    for (let isOver = false; !isOver;) {
      const { value } = await batches.next();
      if (value === undefined) throw new Error("the reading ended");
      if (value.reset === true) [events, resets] = [[], resets + 1];
      events.push(...value.events);
      isOver = value.caughtUp;
    }
    closing.abort();
    let state = kvView.init();
    for (const event of events) state = kvView.apply(state, event);
    expect(kvView.encode(state)).toEqual(await stateOf(space));
    expect(resets).toBe(1);
    await spaces[Symbol.asyncDispose]();
  });

  test("what was pruned without a word of what stays is missed aloud", async () => {
    const { ada, space } = await pair();
    const kv = createKv({ source: space });
    for (const value of [1, 2, 3]) await kv.put("k", value);
    await kv[Symbol.asyncDispose]();
    const heads = await ada.store.heads(space.topic);
    const data = heads.find(({ context }) => context.domain === "hawser.data");
    // By another process of this device for instance.
    await ada.store.prune(data?.logId as never, 2);
    await using view = openView({ source: space }, kvView);
    await expect(view.ready).rejects.toMatchObject({
      code: "VIEW_SOURCE_FAILED",
      cause: { code: "SPACE_HISTORY_GONE" },
    });
  });

  test("what was sealed to some stays so after a compaction, and when opened again", async () => {
    const { ada, ben, space } = await pair();
    const only = [await ben.spaces.bundle(), await ada.spaces.bundle()];
    await space.append([{ type: "note", body: utf8("for two"), audience: { only } }]);
    await space.append([{ type: "note", body: utf8("for all") }]);
    const recipientsIn = async (source: Space): Promise<unknown[]> => {
      const closing = new AbortController();
      const found: unknown[] = [];
      for await (const { events, caughtUp } of source.batches({ signal: closing.signal })) {
        found.push(...events.map(({ recipients }) => recipients));
        if (caughtUp) closing.abort();
      }
      return found;
    };
    const before = await recipientsIn(space);
    expect(before).toMatchObject([{ length: 2 }, undefined]);
    await compactView({ source: space }, [kvView]);
    expect(await recipientsIn(space)).toEqual(before);
    await ada.spaces[Symbol.asyncDispose]();
    const { spaces } = await openDevice("ada", ada.store);
    const again = spaces.list().find(({ topic }) => topic === space.topic);
    if (again === undefined) throw new Error("the space is gone");
    expect(await recipientsIn(again)).toEqual(before);
    await spaces[Symbol.asyncDispose]();
  });

  test("the past before a compaction is not made up", async () => {
    const { ada, ben, space, other } = await pair();
    await using b = createKv({ source: other });
    for (const value of [1, 2]) await b.put("k", value);
    await settle(ada, ben);
    const heads = await ada.store.heads(space.topic);
    const data = heads.find(({ context }) => context.domain === "hawser.data")?.logId ?? "";
    const earlier = { at: new Map([[data, 1]]) };
    const before = await readViewAt({ source: space }, kvView, earlier);
    expect(before.present.size).toBe(1);
    await compactView({ source: space }, [kvView]);
    await expect(readViewAt({ source: space }, kvView, earlier)).rejects.toMatchObject({
      code: "VIEW_HISTORY_GONE",
    });
    const now = new Map([[data, 2]]);
    const whole = await readViewAt({ source: space }, kvView, { at: now });
    expect(whole.present.size).toBe(1);
    // What "k" was before its second value is known elsewhere only.
    const second = { logId: data, seq: 1 };
    await expect(undo({ source: space }, kvView, second)).rejects.toMatchObject({
      code: "VIEW_UNDO_UNAVAILABLE",
    });
    await undo({ source: other }, kvView, second);
    await expect.poll(() => b.get("k")).toBe(1);
  });

  test("a device that compacted its logs publishes no snapshot", async () => {
    const { ada, ben, space, other } = await pair();
    await using b = createKv({ source: other });
    await b.put("k", 1);
    await b.put("k", 2);
    await settle(ada, ben);
    await compactView({ source: space }, [kvView]);
    await expect(stateOf(space)).resolves.toBeDefined();
    const snapshot = await makeSnapshot({ source: space }, kvView, { everyEvents: 1 });
    expect(snapshot?.mark.isShareable).toBe(false);
    await expect(
      publishSnapshot({ source: space }, kvView, { everyEvents: 1 }),
    ).rejects.toMatchObject({
      code: "SPACE_SNAPSHOT_PRIVATE",
    });
  });
});
