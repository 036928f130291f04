/**
 * Devices in one process: the real packages over memory stores, seeded randomness, a clock and timers
 * that move when told to, and ranges carried from store to store through `ingest`, as an honest
 * network would bring them or as a hostile one would. Published as `@hawser/space/testing`.
 */
import { toHex, utf8 } from "@hawser/codec";
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import {
  createMemoryStore,
  ingestRange,
  type EncodedRange,
  type LogId,
  type LogStore,
  type Topic,
} from "@hawser/log";
import {
  createSpaces,
  type Space,
  type SpaceEvent,
  type Spaces,
  type SpacesOptions,
} from "@hawser/space";
import type { IngestOutcome } from "@hawser/sync";
import { createVirtualTimers, drain } from "@hawser/sync/testing";

/** One device: its keys, its store, its spaces. */
export interface Device {
  readonly name: string;
  readonly author: AuthorId;
  readonly secret: Uint8Array;
  readonly store: LogStore;
  readonly spaces: Spaces;
}

/** How a device differs from an honest one. */
export interface DeviceOptions extends SpacesOptions {
  /** µs added to the world's clock. */
  readonly clockShift?: number;
  /** What the device's store holds at the start: a copy somebody kept. */
  readonly store?: LogStore;
}

/** All devices of one test. */
export interface World {
  readonly crypto: Crypto;
  /** µs. */
  now(): number;
  device(name: string, options?: DeviceOptions): Promise<Device>;
  /** The same key and store, opened again. */
  restart(device: Device): Promise<Device>;
  /** The same key over a copy of the store as it is now: both go on by themselves. */
  duplicate(device: Device): Promise<Device>;
  /** Brings what `from` has to `to`, but for the logs `keep` says no to. */
  carry(from: Device, to: Device, keep?: (logId: LogId) => boolean): Promise<number>;
  /** Carries among all of them and lets time pass until nothing moves. */
  settle(...devices: readonly Device[]): Promise<void>;
  pass(ms: number): Promise<void>;
}

/** Every epoch gets the same reference: what grinding 2^32 ids would do to one other. */
function colliding(crypto: Crypto): Crypto {
  return {
    ...crypto,
    deriveKey: (context, bytes, byteCount) => {
      const derived = crypto.deriveKey(context, bytes, byteCount);
      return context === "hawser epoch id v1" ? derived.fill(0, 0, 4) : derived;
    },
  };
}

const start = 1_794_000_000_000_000;
const stepMs = 150;
const quietRounds = 20;

/** How a world differs from the usual one. */
export interface WorldOptions {
  /** All epochs have one reference. */
  readonly collide?: boolean;
  /** Default: the fastest there is, with suite 1. */
  readonly crypto?: Crypto;
}

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const real = options.crypto ?? (await createCrypto());
  const crypto = options.collide === true ? colliding(real) : real;
  const timers = createVirtualTimers();
  let now = start;
  const nowMicros = (): number => {
    now += 1;
    return now;
  };
  const pass = async (ms: number): Promise<void> => {
    now += ms * 1_000;
    await timers.advance(ms);
  };
  const shifts = new Map<string, number>();

  const open = async (name: string, store: LogStore, options: DeviceOptions): Promise<Device> => {
    const { clockShift = 0, store: _, ...settings } = options;
    shifts.set(name, clockShift);
    const secret = crypto.deriveKey("hawser attack identity v1", utf8(name));
    // Safe: 32 bytes in hex name an author.
    const author = toHex(crypto.publicKey(secret)) as AuthorId;
    // A restart must not draw the same bytes again.
    const random = seededRandom(`${name} ${(await store.stats()).entries}`);
    const clock = { nowMicros: () => nowMicros() + clockShift };
    const identity = { author, secret };
    const deps = { store, crypto, clock, random, timers, identity };
    return { name, author, secret, store, spaces: await createSpaces(deps, settings) };
  };

  const carry: World["carry"] = async (from, to, keep = () => true) => {
    let stored = 0;
    for (const range of await rangesFor(from, to, keep)) {
      const outcome = await to.spaces.ingest(range);
      if (outcome.status === "stored") stored += 1;
    }
    return stored;
  };

  const settle: World["settle"] = async (...devices) => {
    let quiet = 0;
    for (let round = 0; round < 300 && quiet < quietRounds; round++) {
      let stored = 0;
      for (const from of devices) {
        for (const to of devices) if (from !== to) stored += await carry(from, to);
      }
      await pass(stepMs);
      quiet = stored > 0 ? 0 : quiet + 1;
    }
    if (quiet < quietRounds) throw new Error("the devices never come to rest");
    for (const device of devices) {
      for (const { failure } of device.spaces.list()) if (failure !== undefined) throw failure;
    }
  };

  return {
    crypto,
    now: nowMicros,
    device: (name, options = {}) =>
      open(name, options.store ?? createMemoryStore({ crypto }), options),
    restart: async (device) => {
      await device.spaces.close();
      return open(device.name, device.store, { clockShift: shifts.get(device.name) ?? 0 });
    },
    duplicate: async (device) => {
      const topics = device.spaces.topics().map(({ topic }) => topic);
      const store = await copyStore(crypto, device.store, topics);
      return open(device.name, store, { clockShift: shifts.get(device.name) ?? 0 });
    },
    carry,
    settle,
    pass,
  };
}

/** Logs and local records of a store, as somebody with the disk has them. */
async function copyStore(
  crypto: Crypto,
  from: LogStore,
  topics: readonly Topic[],
): Promise<LogStore> {
  const store = createMemoryStore({ crypto });
  for (const topic of topics) {
    for (const { logId } of await from.heads(topic)) {
      for await (const range of from.ranges(logId)) await ingestRange({ store, crypto }, range);
    }
  }
  await store.commit({ writes: await from.list("") });
  return store;
}

/** What one device has and another lacks, control logs first. */
async function rangesFor(
  from: Device,
  to: Device,
  keep: (logId: LogId) => boolean,
): Promise<readonly EncodedRange[]> {
  const shared = new Set(to.spaces.topics().map(({ topic }) => topic));
  const ranges: EncodedRange[] = [];
  for (const { topic } of from.spaces.topics()) {
    if (!shared.has(topic)) continue;
    const heads = [...(await from.store.heads(topic))].sort((a, b) =>
      a.context.domain < b.context.domain ? -1 : 1,
    );
    for (const { logId, signedHeight } of heads) {
      const known = (await to.store.head(logId))?.height ?? 0;
      if (!keep(logId) || known >= signedHeight) continue;
      const part = { from: known, to: signedHeight };
      for await (const range of from.store.ranges(logId, part)) ranges.push(range);
    }
  }
  return ranges;
}

/** Everything a device can read now, in the order it is handed out. */
export async function eventsOf(space: Space): Promise<readonly SpaceEvent[]> {
  const events: SpaceEvent[] = [];
  const abort = new AbortController();
  const running = (async () => {
    for await (const batch of space.batches({ signal: abort.signal })) {
      if (batch.reset === true) events.length = 0;
      events.push(...batch.events);
      if (batch.caughtUp) break;
    }
  })();
  // A device that cannot read yet would wait for ever.
  const patience = (async () => {
    for (let turn = 0; turn < 20; turn++) await drain();
    abort.abort();
  })();
  await Promise.race([running, patience]);
  abort.abort();
  await running;
  return events;
}

/** Texts that count, sorted: what a view would show. */
export async function textsOf(space: Space): Promise<readonly string[]> {
  const events = await eventsOf(space);
  const counted = events.filter(({ judgement }) => judgement === "accept");
  return counted.map(({ body }) => new TextDecoder().decode(body)).sort();
}

/** Appends one note; resolves to its place. */
export async function write(
  space: Space,
  text: string,
): Promise<{ readonly logId: LogId; readonly seq: number }> {
  const [ref] = await space.append([{ type: "note", body: utf8(text) }]);
  if (ref === undefined) throw new Error("nothing was appended");
  return ref;
}

/** A founder and one member per name, who joined by link with level `write`, at rest. */
export async function spaceWith(
  world: World,
  ...names: readonly string[]
): Promise<{
  readonly devices: readonly Device[];
  readonly spaces: readonly Space[];
  readonly links: readonly string[];
}> {
  const founder = await world.device("ada");
  const space = await founder.spaces.create();
  const devices = [founder];
  const spaces = [space];
  const links: string[] = [];
  for (const name of names) {
    const device = await world.device(name);
    const link = await space.invite({ level: "write" });
    links.push(link);
    spaces.push(await device.spaces.join(link));
    devices.push(device);
    await world.settle(...devices);
  }
  return { devices, spaces, links };
}

/** The item at an index that a test knows to be there. */
export function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`no item ${index}`);
  return item;
}

/** Outcomes of handing ranges to a device. */
export async function feed(
  to: Device,
  ranges: readonly EncodedRange[],
): Promise<readonly IngestOutcome["status"][]> {
  const outcomes: IngestOutcome["status"][] = [];
  for (const range of ranges) outcomes.push((await to.spaces.ingest(range)).status);
  return outcomes;
}
