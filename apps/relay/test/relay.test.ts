/** The relay's work: devices that never meet share a space through it, and it can read none. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createOp, groupIdOf, signOp, type OpId } from "@hawser/auth";
import { concatBytes, encodeCbor, fromHex, toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import {
  createLogWriter,
  createMemoryStore,
  logIdOf,
  type EncodedRange,
  type LogId,
  type LogStore,
  type Topic,
} from "@hawser/log";
import {
  controlDomain,
  dataDomain,
  metadataKeyOf,
  parseInviteLink,
  parseSpaceId,
  spaceIdBytes,
  type Space,
} from "@hawser/space";
import { createSqliteStore } from "@hawser/store-sqlite";
import { createSyncPeer } from "@hawser/sync";
import { connectWebSocket, platformTimers } from "@hawser/transport-ws";
import { describe, expect, test } from "vitest";
import type { Relay } from "../src/index.ts";
import {
  clock,
  createDevice,
  crypto,
  errorOf,
  hostAt,
  readEvents,
  readTexts,
  recordDerivations,
  startRelay,
  temporaryFolder,
  untilSession,
  write,
  type Device,
} from "./help.ts";

interface Pair {
  readonly ada: Device;
  readonly bob: Device;
  readonly adas: Space;
  readonly bobs: Space;
  readonly link: string;
}

/** Ada founds a space, the relay follows it, Bob joins by a link; both have been online together. */
async function shareThrough(relay: Relay, adasCrypto = crypto): Promise<Pair> {
  const ada = await createDevice("ada", { crypto: adasCrypto });
  const adas = await ada.spaces.create();
  expect((await hostAt(relay, adas)).status).toBe(204);
  const link = await adas.invite({ level: "write", addresses: [relay.url] });
  await (await ada.connect(relay)).synced();
  const bob = await createDevice("bob");
  const bobs = await bob.spaces.join(link);
  await bob.connect(relay);
  await bobs.ready();
  return { ada, bob, adas, bobs, link };
}

async function hangUp(device: Device): Promise<void> {
  for (const { sessions } of device.peer.peers()) {
    for (const session of sessions) await session.close();
  }
}

/** All bytes of a folder's files, one after another. */
async function bytesOfFolder(folder: string): Promise<Buffer> {
  const names = (await readdir(folder)).sort();
  return Buffer.concat(await Promise.all(names.map((name) => readFile(join(folder, name)))));
}

describe("two devices", () => {
  test("[TH-195] share a raw space through a relay that knows neither its id nor its text", async () => {
    const folder = await temporaryFolder();
    const relay = await startRelay({ data: folder });
    const [ada, bob] = [await createDevice("ada"), await createDevice("bob")];
    const adas = await ada.spaces.createRaw();
    expect((await hostAt(relay, adas)).status).toBe(204);
    await write(adas, "whoever finds this may answer");
    await (await ada.connect(relay)).synced();
    await hangUp(ada);
    const bobs = await bob.spaces.openRaw(adas.link([relay.url]));
    await bob.connect(relay);
    await write(bobs, "found");
    expect(await readTexts(bobs, 2)).toEqual(["found", "whoever finds this may answer"]);
    await bob.peer.peers()[0]!.sessions[0]!.synced();
    await relay.close();
    const stored = await bytesOfFolder(folder);
    expect(stored.includes(Buffer.from(fromHex(adas.topic)!))).toBe(true);
    expect(stored.includes("whoever finds")).toBe(false);
    expect(stored.includes(Buffer.from(adas.id!))).toBe(false);
  });

  test("[TH-037] [TH-130] share a space through a relay whose files hold no text and no read key", async () => {
    const folder = await temporaryFolder();
    const [atAda, atRelay] = [recordDerivations(), recordDerivations()];
    const relay = await startRelay({ data: folder, crypto: atRelay.crypto });
    const { ada, adas, bobs } = await shareThrough(relay, atAda.crypto);
    await write(adas, "the harvest begins at dawn", "bring the long ladders");
    await write(bobs, "the cider press is mended");
    const texts = [
      "bring the long ladders",
      "the cider press is mended",
      "the harvest begins at dawn",
    ];
    expect(await readTexts(adas, 3)).toEqual(texts);
    expect(await readTexts(bobs, 3)).toEqual(texts);
    const [event] = await readEvents(adas, 1);
    const contentKey = await adas.contentKeyOf(event!);
    await ada.peer.peers()[0]!.sessions[0]!.synced();
    await relay.close();

    const stored = await bytesOfFolder(folder);
    const holds = (bytes: Uint8Array | string): boolean => stored.includes(Buffer.from(bytes));
    // What is stored in clear is found; so what is not found is not there.
    expect(holds(fromHex(adas.topic)!)).toBe(true);
    expect(texts.filter(holds)).toEqual([]);
    const secretsAndReadKeys = atAda.of("hawser read key v1");
    expect(secretsAndReadKeys.length).toBeGreaterThan(0);
    expect([contentKey, ...secretsAndReadKeys].filter(holds)).toEqual([]);
    // Of the id the relay knows only what is derived from it.
    expect(holds(adas.id!)).toBe(false);
    expect(holds(decodeId(adas.id!))).toBe(false);
    // And what it holds of the logs is, byte for byte, what their authors wrote.
    await using replica = createSqliteStore({ crypto }, { path: join(folder, "relay.sqlite") });
    const logsAtAda = await logsOf(ada.store, adas.topic);
    expect(logsAtAda.size).toBe(4);
    expect(await logsOf(replica, adas.topic)).toEqual(logsAtAda);
    // The relay never had an epoch's secret in memory either: reading derives from it.
    expect(atRelay.of("hawser read key v1")).toEqual([]);
    expect(atRelay.of("hawser follow key v1")).toEqual([]);
  });

  test("[TH-041] [TH-124] who was away reads from the relay what was written, with its writer gone", async () => {
    const relay = await startRelay();
    const { ada, bob, adas, bobs } = await shareThrough(relay);
    await hangUp(bob);
    await write(adas, "one", "two");
    await ada.peer.peers()[0]!.sessions[0]!.synced();
    await hangUp(ada);
    await bob.connect(relay);
    expect(await readTexts(bobs, 2)).toEqual(["one", "two"]);
  });

  test("[TH-037] what does not verify is not stored, and costs its sender the connection", async () => {
    const relay = await startRelay();
    const { ada, bob, adas, bobs } = await shareThrough(relay);
    await write(adas, "true");
    expect(await readTexts(bobs, 1)).toEqual(["true"]);
    await hangUp(bob);
    await write(bobs, "to be tampered with");
    const { entries } = await relay.stats();

    const { ingest, identities, topics } = bob.spaces;
    const random = seededRandom("liar");
    const store = tampered(bob.store);
    const timers = platformTimers;
    const deps = { store, crypto, random, timers, ingest, identities, topics };
    await using liar = createSyncPeer(deps);
    const session = liar.attach(await connectWebSocket(`${relay.url}/v1/sync`));
    expect(await session.closed).toMatchObject({ code: "SYNC_BAD_RANGE", by: "remote" });
    expect((await relay.stats()).entries).toBe(entries);

    await bob.connect(relay);
    expect(await readTexts(adas, 2)).toEqual(["to be tampered with", "true"]);
    expect((await ada.peer.peers()[0]!.sessions[0]!.synced()).complete).toBe(true);
  });

  test("[TH-038] a relay started again on its data is the same relay and serves what it had", async () => {
    const folder = await temporaryFolder();
    const before = await startRelay({ data: folder });
    const { ada, bob, adas, bobs } = await shareThrough(before);
    await hangUp(bob);
    await write(adas, "before the restart");
    await ada.peer.peers()[0]!.sessions[0]!.synced();
    await before.close();
    const figures = await before.stats();

    const after = await startRelay({ data: folder });
    expect(after.author).toBe(before.author);
    const { topics, logs, entries, rangeBytes, dataBytes } = await after.stats();
    expect({ topics, logs, entries, rangeBytes, dataBytes }).toEqual({
      topics: 1,
      logs: figures.logs,
      entries: figures.entries,
      rangeBytes: figures.rangeBytes,
      dataBytes: figures.dataBytes,
    });
    await bob.connect(after);
    expect(await readTexts(bobs, 1)).toEqual(["before the restart"]);
    await ada.connect(after);
    await write(bobs, "and after it");
    expect(await readTexts(adas, 2)).toEqual(["and after it", "before the restart"]);
  });
});

describe("membership", () => {
  test("a removed member is given nothing more by the relay", async () => {
    const relay = await startRelay();
    const { ada, bob, adas, bobs } = await shareThrough(relay);
    await write(adas, "for both");
    expect(await readTexts(bobs, 1)).toEqual(["for both"]);
    await hangUp(bob);
    await adas.remove(bob.author);
    await write(adas, "for one");
    await ada.peer.peers()[0]!.sessions[0]!.synced();

    const session = await bob.connect(relay);
    const report = await session.synced();
    expect(report.topics.map(({ received }) => received)).toEqual(["none"]);
    expect(session.progress().entriesReceived).toBe(0);
    expect(await readTexts(bobs, 1)).toEqual(["for both"]);
  });

  test("a member who is removed while connected loses the relay at once", async () => {
    const relay = await startRelay();
    const { bob, adas, bobs } = await shareThrough(relay);
    const session = bob.peer.peers()[0]!.sessions[0]!;
    await untilSession(session, () => session.access(bobs.topic)?.received === "full");
    await adas.remove(bob.author);
    await untilSession(session, () => session.access(bobs.topic)?.received === "none");
    await write(adas, "for one");
    expect(await readTexts(adas, 1)).toEqual(["for one"]);
    expect((await session.synced()).complete).toBe(false);
    const data = { topic: adas.topic, author: adas.author, domain: dataDomain };
    expect(await bob.store.head(logIdOf(crypto, data))).toBeUndefined();
  });

  test("[ATK-lfa135] a member who missed a rotation gets the control logs, then everything", async () => {
    const relay = await startRelay();
    const { ada, bob, adas, bobs } = await shareThrough(relay);
    await hangUp(bob);
    const carol = await createDevice("carol");
    await adas.add(await carol.spaces.bundle(), "write");
    await adas.remove(carol.author);
    await write(adas, "under the new keys");
    await ada.peer.peers()[0]!.sessions[0]!.synced();
    const session = await bob.connect(relay);
    expect(await readTexts(bobs, 1)).toEqual(["under the new keys"]);
    await untilSession(session, () => session.access(bobs.topic)?.received === "full");
  });

  test("[ATK-quiet3454] the relay's own key cannot raise the relay, whatever it writes", async () => {
    const folder = await temporaryFolder();
    const relay = await startRelay({ data: folder });
    const { ada, adas, link } = await shareThrough(relay);
    const eve = await createDevice("eve");
    await adas.add(await eve.spaces.bundle(), "manage");
    await write(adas, "text");
    const [event] = await readEvents(adas, 1);
    const raise = { heads: event!.authHeads, relay: relay.author, link, space: adas };

    const secret = secretOf(folder);
    const forged = await raiseRelay(raise, { author: relay.author, secret });
    expect(await ada.spaces.ingest(forged)).toMatchObject({ status: "stored" });
    expect(adas.access(relay.author)).toEqual({ level: "pull", mayDelete: false });

    // The same operation of somebody who manages the space counts: it was only not the relay's.
    const rightful = await raiseRelay(raise, eve);
    expect(await ada.spaces.ingest(rightful)).toMatchObject({ status: "stored" });
    expect(adas.access(relay.author)).toEqual({ level: "manage", mayDelete: false });
  });
});

describe("quotas", () => {
  test("[NB-13] hold for a space whoever writes in it; the relay knows keys and no names", async () => {
    const relay = await startRelay({ limits: { topicBytesMax: 30_000 } });
    const { ada, bob, adas, bobs } = await shareThrough(relay);
    const session = ada.peer.peers()[0]!.sessions[0]!;
    const bobsSession = bob.peer.peers()[0]!.sessions[0]!;
    await write(adas, "x".repeat(12_000));
    expect((await session.synced()).complete).toBe(true);
    await write(bobs, "y".repeat(12_000));
    expect((await bobsSession.synced()).complete).toBe(true);
    // Together they have used it up: what either writes now is over it.
    await write(bobs, "z".repeat(12_000));
    expect((await bobsSession.synced()).complete).toBe(false);
    await write(adas, "z".repeat(12_000));
    expect((await session.synced()).complete).toBe(false);
    expect((await relay.stats()).rangeBytes).toBeLessThan(30_000);
  });

  test("a space over its bytes takes no more, keeps serving, and harms no other", async () => {
    const relay = await startRelay({ limits: { topicBytesMax: 30_000 } });
    const { ada, bob, adas, bobs } = await shareThrough(relay);
    const session = ada.peer.peers()[0]!.sessions[0]!;
    await hangUp(bob);
    await write(adas, "fits");
    expect((await session.synced()).complete).toBe(true);
    await write(adas, "x".repeat(40_000));
    const report = await session.synced();
    expect(report).toMatchObject({ complete: false, topics: [{ skippedThere: 1 }] });
    const { rangeBytes } = await relay.stats();
    expect(rangeBytes).toBeLessThan(30_000);

    await bob.connect(relay);
    expect(await readTexts(bobs, 1)).toEqual(["fits"]);
    const other = await ada.spaces.create();
    expect((await hostAt(relay, other)).status).toBe(204);
    await write(other, "elsewhere");
    const again = await session.synced();
    const topic = again.topics.find((entry) => entry.topic === other.topic);
    expect(topic).toMatchObject({ given: "full", received: "full", skippedThere: 0 });
    expect((await relay.stats()).rangeBytes).toBeGreaterThan(rangeBytes);
  });

  test("entries are counted too, over restarts", async () => {
    const folder = await temporaryFolder();
    const before = await startRelay({ data: folder });
    const { ada, adas } = await shareThrough(before);
    await write(adas, "one", "two", "three");
    await ada.peer.peers()[0]!.sessions[0]!.synced();
    await before.close();
    const { entries } = await before.stats();

    const after = await startRelay({ data: folder, limits: { topicEntriesMax: entries + 2 } });
    const session = await ada.connect(after);
    expect((await session.synced()).complete).toBe(true);
    await write(adas, "four", "five", "six");
    expect((await session.synced()).complete).toBe(false);
    expect((await after.stats()).entries).toBe(entries);
  });

  test("all spaces together are bounded; then no new one is taken", async () => {
    const relay = await startRelay({ limits: { storeBytesMax: 1024 * 1024 } });
    const ada = await createDevice("ada");
    const [first, second] = [await ada.spaces.create(), await ada.spaces.create()];
    expect((await hostAt(relay, first)).status).toBe(204);
    expect((await hostAt(relay, second)).status).toBe(204);
    const session = await ada.connect(relay);
    expect((await session.synced()).complete).toBe(true);
    const { rangeBytes } = await relay.stats();
    await write(first, ...Array.from({ length: 30 }, () => "x".repeat(40_000)));
    expect((await session.synced()).complete).toBe(false);
    expect((await relay.stats()).rangeBytes).toBe(rangeBytes);
    await write(second, "this still fits");
    const report = await session.synced();
    const topic = report.topics.find((entry) => entry.topic === second.topic);
    expect(topic).toMatchObject({ skippedThere: 0 });
    const answer = await hostAt(relay, await ada.spaces.create());
    expect(await errorOf(answer)).toBe("507 RELAY_FULL");
  });

  test("two relays on one data folder are refused", async () => {
    const folder = await temporaryFolder();
    const relay = await startRelay({ data: folder });
    await expect(startRelay({ data: folder })).rejects.toMatchObject({ code: "RELAY_DATA_BUSY" });
    await relay.close();
    expect((await startRelay({ data: folder })).author).toBe(relay.author);
  });
});

/** All of each log of a topic, in compact form. */
async function logsOf(store: LogStore, topic: Topic): Promise<ReadonlyMap<LogId, string>> {
  const logs = new Map<LogId, string>();
  for (const { logId } of await store.heads(topic)) {
    const parts: Uint8Array[] = [];
    for await (const range of store.ranges(logId)) parts.push(range.bytes);
    logs.set(logId, toHex(concatBytes(...parts)));
  }
  return logs;
}

/** A store that hands out data logs with one bit of them flipped. */
function tampered(store: LogStore): LogStore {
  return {
    ...store,
    async *ranges(logId, options) {
      for await (const range of store.ranges(logId, options)) {
        const bytes = Uint8Array.from(range.bytes);
        if (range.context.domain === dataDomain) bytes[bytes.length >> 1]! ^= 1;
        yield { ...range, bytes };
      }
    },
  };
}

/** The bytes behind a space id. */
function decodeId(id: string): Uint8Array {
  const parsed = parseSpaceId(id);
  if (!parsed.ok) throw new Error(parsed.reason);
  return spaceIdBytes(parsed.value.id);
}

/** The relay's secret, as whoever has its files can read it. */
function secretOf(folder: string): Uint8Array {
  const database = new DatabaseSync(join(folder, "relay.sqlite"), { readOnly: true });
  const row = database.prepare("SELECT value FROM kv WHERE key = 'relay/secret'").get();
  database.close();
  const secret = row?.["value"];
  if (!(secret instanceof Uint8Array)) throw new Error("no secret");
  return secret;
}

/** A control log by `writer` whose only entry makes the relay a manager; all of it well-formed. */
async function raiseRelay(
  facts: { heads: readonly OpId[]; relay: AuthorId; link: string; space: Space },
  writer: { readonly author: AuthorId; readonly secret: Uint8Array },
): Promise<EncodedRange> {
  const { topic, id } = facts.space;
  const { createOp: create } = parseInviteLink(crypto, facts.link);
  const { op, bytes } = createOp(crypto, {
    author: writer.author,
    group: groupIdOf(crypto, create),
    deps: facts.heads,
    action: {
      type: "set",
      grant: {
        member: { kind: "individual", id: facts.relay },
        access: { level: "manage", mayDelete: false },
      },
    },
  });
  const context = { topic, author: writer.author, domain: controlDomain };
  const logId = logIdOf(crypto, context);
  // docs/spec/6-space.md §3: place, then [0, op, signature] sealed under the metadata key.
  const ids = [topic, logId, writer.author].map((text) => fromHex(text)!);
  const place = concatBytes(...ids, new Uint8Array(8));
  const nonce = new Uint8Array(24).fill(7);
  const key = metadataKeyOf(crypto, id!);
  const { secret } = writer;
  const plaintext = encodeCbor([0, bytes, signOp(crypto, op.id, secret)]);
  const data = concatBytes(nonce, crypto.seal(key, nonce, plaintext, place));

  await using store = createMemoryStore({ crypto });
  await using log = await createLogWriter({ store, crypto, clock }, { context, secret });
  await log.append([{ data }]);
  for await (const range of store.ranges(logId)) return range;
  throw new Error("nothing was written");
}
