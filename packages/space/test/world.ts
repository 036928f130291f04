/**
 * Several devices in one process: seeded randomness, a clock and timers that move when told to, and
 * entries copied from store to store through `ingest` as a network would bring them.
 */
import { toHex, utf8 } from "@hawser/codec";
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import { createMemoryStore, joinRanges, type EncodedRange, type LogStore } from "@hawser/log";
import type { IngestOutcome } from "@hawser/sync";
import { createVirtualTimers, drain, type VirtualTimers } from "@hawser/sync/testing";
import {
  createBodyDepot,
  createSpaces,
  type BodyDepot,
  type BodyDepotOptions,
  type BodyPeer,
  type Space,
  type SpaceEvent,
  type Spaces,
  type SpacesDeps,
  type SpacesOptions,
} from "@hawser/space";
import { createTestClock, seededRandom, type TestClock } from "./help.ts";

export interface TestDevice {
  readonly name: string;
  readonly author: AuthorId;
  readonly secret: Uint8Array;
  readonly store: LogStore;
  readonly spaces: Spaces;
  /** Where it was given one. */
  readonly bodies: BodyDepot | undefined;
}

/** What a device has of its own. */
export interface DeviceOptions extends SpacesOptions, Partial<Pick<SpacesDeps, "crypto">> {
  readonly bodies?: BodyDepotOptions;
  /** Whom it fetches bodies from. */
  readonly bodyPeer?: BodyPeer;
}

export interface World {
  readonly crypto: Crypto;
  readonly clock: TestClock;
  readonly timers: VirtualTimers;
  device(name: string, options?: DeviceOptions): Promise<TestDevice>;
  /** The same device after a restart: same store, same identity. */
  restart(device: TestDevice, options?: DeviceOptions): Promise<TestDevice>;
  /** Copies what `from` has and `to` lacks of the topics both know. Outcomes other than known. */
  copy(from: TestDevice, to: TestDevice): Promise<readonly IngestOutcome[]>;
  /** Copies among all of them and lets timers run, until nothing moves any more. */
  settle(...devices: readonly TestDevice[]): Promise<void>;
  /** Lets timers and promises run for so many ms, without a network. */
  pass(ms: number): Promise<void>;
}

// A round trip, and how many of them without news count as rest: longer than any delay.
const stepMs = 150;
const quietRounds = 25;

/** The fastest crypto there is, unless told otherwise. */
export async function createWorld(given?: Crypto): Promise<World> {
  const crypto = given ?? (await createCrypto());
  const clock = createTestClock();
  const timers = createVirtualTimers();
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms / 1_000);
    await timers.advance(ms);
  };

  const start = async (
    seed: { readonly name: string; readonly secret: Uint8Array; readonly store: LogStore },
    given?: DeviceOptions,
  ): Promise<TestDevice> => {
    const { crypto: own = crypto, bodies: depotOptions, bodyPeer, ...options } = given ?? {};
    const { name, secret, store } = seed;
    const author = toHex(crypto.publicKey(secret)) as AuthorId;
    // A restart must not draw the same bytes again.
    const random = seededRandom(numberOf(crypto, `${name} ${(await store.stats()).entries}`));
    const bodies = depotOptions && createBodyDepot({ store, crypto: own }, depotOptions);
    if (bodyPeer !== undefined) bodies?.fetchFrom(bodyPeer);
    const deps = {
      ...(bodies && { bodies }),
      store,
      crypto: own,
      clock,
      random,
      timers,
      identity: { author, secret },
    };
    const spaces = await createSpaces(deps, options);
    return { name, author, secret, store, spaces, bodies };
  };

  const copy = async (from: TestDevice, to: TestDevice): Promise<readonly IngestOutcome[]> => {
    const shared = new Set(to.spaces.topics().map((own) => own.topic));
    const outcomes: IngestOutcome[] = [];
    for (const { topic, controlDomains } of from.spaces.topics()) {
      if (!shared.has(topic)) continue;
      const heads = [...(await from.store.heads(topic))].sort(
        (a, b) =>
          Number(controlDomains.includes(b.context.domain)) -
          Number(controlDomains.includes(a.context.domain)),
      );
      for (const head of heads) {
        const known = (await to.store.head(head.logId))?.height ?? 0;
        if (known >= head.signedHeight) continue;
        const part = { from: known, to: head.signedHeight };
        const ranges: EncodedRange[] = [];
        for await (const range of from.store.ranges(head.logId, part)) ranges.push(range);
        // As sync has it: all that is lacking is one range.
        if (ranges.length > 0) outcomes.push(await to.spaces.ingest(joinRanges(ranges)));
      }
    }
    return outcomes;
  };

  const settle = async (...devices: readonly TestDevice[]): Promise<void> => {
    let quiet = 0;
    for (let round = 0; round < 400 && quiet < quietRounds; round++) {
      let moved = false;
      for (const from of devices) {
        for (const to of devices) {
          if (from === to) continue;
          const outcomes = await copy(from, to);
          moved ||= outcomes.some((outcome) => outcome.status === "stored");
        }
      }
      await pass(stepMs);
      quiet = moved ? 0 : quiet + 1;
    }
    if (quiet < quietRounds) throw new Error("the devices never come to rest");
    for (const device of devices) {
      for (const space of device.spaces.list())
        if (space.failure !== undefined) throw space.failure;
    }
  };

  return {
    crypto,
    clock,
    timers,
    device: (name, options) => {
      const secret = crypto.deriveKey("hawser test identity v1", utf8(name));
      return start({ name, secret, store: createMemoryStore({ crypto }) }, options);
    },
    restart: async (device, options) => {
      await device.spaces.close();
      return start(device, options);
    },
    copy,
    settle,
    pass,
  };
}

function numberOf(crypto: Crypto, text: string): number {
  return new DataView(crypto.hash(utf8(text)).buffer).getUint32(0);
}

/** All events that are in the store now, in the order they come. */
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
  const timer = (async () => {
    for (let turn = 0; turn < 20; turn++) await drain();
    abort.abort();
  })();
  await Promise.race([running, timer]);
  abort.abort();
  await running;
  return events;
}

/** Bodies as text, in the order of `eventsOf`. */
export async function textsOf(space: Space): Promise<readonly string[]> {
  return (await eventsOf(space)).map((event) => new TextDecoder().decode(event.body));
}

/** Appends one note. */
export async function write(space: Space, text: string): Promise<{ logId: never; seq: number }> {
  const [ref] = await space.append([{ type: "note", body: utf8(text) }]);
  if (ref === undefined) throw new Error("nothing appended");
  return ref as never;
}

/** The space of a topic on a device. */
export function spaceOn(device: TestDevice, space: Space): Space {
  return device.spaces.openTopic(space.topic);
}

/** A founder and a writer who joined by link, at rest. */
export async function twoMembers(
  world: World,
  policy?: "remove-all",
): Promise<{
  readonly ada: TestDevice;
  readonly ben: TestDevice;
  /** Ada's and Ben's handle of the same space. */
  readonly space: Space;
  readonly other: Space;
  readonly link: string;
}> {
  const ada = await world.device("ada");
  const ben = await world.device("ben");
  const space = await ada.spaces.create(policy === undefined ? {} : { policy });
  const link = await space.invite({ level: "write" });
  const other = await ben.spaces.join(link);
  await world.settle(ada, ben);
  return { ada, ben, space, other, link };
}
