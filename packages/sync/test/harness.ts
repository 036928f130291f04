/**
 * Peers over memory stores and a virtual network, for the tests of this package.
 */
import { toHex, utf8 } from "@hawser/codec";
import { type AuthorId, createCrypto, type Crypto } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  ingestRange,
  type LogHead,
  type LogStore,
  type LogWriter,
  type RangeOutcome,
  type Topic,
} from "@hawser/log";
import {
  type BodySource,
  createSyncPeer,
  type OfferedLog,
  type Ingest,
  type IngestOutcome,
  type SyncIdentity,
  type SyncPeer,
  type SyncPeerOptions,
  type SyncSession,
  type SyncTopic,
  type TopicAccess,
} from "@hawser/sync";
import {
  createMemoryNetwork,
  createSeededNumbers,
  createSeededRandom,
  createVirtualTimers,
  type MemoryNetwork,
  type MemoryPair,
  type NetworkFaults,
  type VirtualTimers,
} from "@hawser/sync/testing";
import { expect } from "vitest";

export const control = "hawser.control";
export const data = "hawser.data";

/** One object for every test: making it measures and checks back ends. */
export const crypto: Crypto = await createCrypto();

export function keyOf(text: string): Uint8Array {
  return crypto.hash(utf8(text));
}

export function topicOf(text: string): Topic {
  return toHex(keyOf(`topic ${text}`)) as Topic;
}

export function authorOf(secret: Uint8Array): AuthorId {
  return toHex(crypto.publicKey(secret)) as AuthorId;
}

export function identityOf(secret: Uint8Array): SyncIdentity {
  return {
    id: authorOf(secret),
    sign: (label, bytes) => crypto.signTagged(label, bytes, secret),
  };
}

/** A topic whose keys and rights a test changes as it goes. */
export interface TestTopic extends SyncTopic {
  keys: readonly Uint8Array[];
  rights: ReadonlyMap<AuthorId, TopicAccess>;
  wants?: (log: OfferedLog) => boolean;
}

export function testTopic(
  topic: Topic,
  keys: readonly Uint8Array[],
  rights: ReadonlyMap<AuthorId, TopicAccess> = new Map(),
): TestTopic {
  const own: TestTopic = {
    topic,
    keys,
    rights,
    controlDomains: [control],
    followKeys: () => own.keys,
    accessOf: (identity) => own.rights.get(identity) ?? "none",
  };
  return own;
}

export interface TestNode {
  readonly name: string;
  readonly id: AuthorId;
  readonly secret: Uint8Array;
  readonly store: LogStore;
  readonly peer: SyncPeer;
  readonly topics: TestTopic[];
  /** Ranges handed to ingest so far. */
  ingested(): number;
  writer(topic: Topic, domain?: string): Promise<LogWriter>;
  /** Appends `count` entries of `byteCount` bytes and signs the last. */
  append(topic: Topic, count: number, domain?: string, byteCount?: number): Promise<void>;
  heads(topic: Topic): Promise<readonly LogHead[]>;
}

export interface NodeOptions extends SyncPeerOptions {
  readonly secret?: Uint8Array;
  readonly identities?: () => readonly SyncIdentity[];
  readonly store?: LogStore;
  readonly bodies?: BodySource;
  readonly wrapIngest?: (ingest: Ingest) => Ingest;
}

export interface World {
  readonly timers: VirtualTimers;
  readonly network: MemoryNetwork;
  readonly numbers: () => number;
  node(name: string, topics: readonly TestTopic[], options?: NodeOptions): TestNode;
  connect(a: TestNode, b: TestNode): Link;
  /** Lets virtual time pass until `work` is done; fails after `limitMs` of it. */
  run<Result>(work: Promise<Result>, limitMs?: number): Promise<Result>;
  /** Lets virtual time pass until `isDone`; fails after `limitMs` of it. */
  until(isDone: () => boolean, limitMs?: number): Promise<void>;
}

export interface Link {
  readonly a: SyncSession;
  readonly b: SyncSession;
  readonly pair: MemoryPair;
}

export function createWorld(
  seed: number,
  faults?: NetworkFaults,
  onFrame?: (frame: Uint8Array) => void,
): World {
  const timers = createVirtualTimers();
  const numbers = createSeededNumbers(seed);
  const random = createSeededRandom(seed + 1);
  const network = createMemoryNetwork({
    timers,
    numbers,
    ...(faults ? { faults } : {}),
    ...(onFrame ? { onFrame } : {}),
  });
  let stampMicros = 1_700_000_000_000_000;
  const clock = { nowMicros: () => stampMicros++ };

  const node = (
    name: string,
    topics: readonly TestTopic[],
    options: NodeOptions = {},
  ): TestNode => {
    const { secret = keyOf(`secret ${name}`), wrapIngest = (plain) => plain } = options;
    const store = options.store ?? createMemoryStore({ crypto });
    const own = [...topics];
    let ingested = 0;
    const plain: Ingest = async (range) => {
      ingested += 1;
      return outcomeOf(await ingestRange({ store, crypto }, range));
    };
    const identities = options.identities ?? (() => [identityOf(secret)]);
    const peer = createSyncPeer(
      {
        store,
        crypto,
        random,
        timers,
        ingest: wrapIngest(plain),
        identities,
        topics: () => own,
        ...(options.bodies && { bodies: options.bodies }),
      },
      options,
    );
    const writers = new Map<string, Promise<LogWriter>>();
    const writer = (topic: Topic, domain = data): Promise<LogWriter> => {
      const key = `${topic} ${domain}`;
      const context = { topic, domain, author: authorOf(secret) };
      const known =
        writers.get(key) ?? createLogWriter({ store, crypto, clock }, { context, secret });
      writers.set(key, known);
      return known;
    };
    return {
      name,
      id: authorOf(secret),
      secret,
      store,
      peer,
      topics: own,
      ingested: () => ingested,
      writer,
      append: async (topic, count, domain = data, byteCount = 20) => {
        const log = await writer(topic, domain);
        const start = log.head?.height ?? 0;
        await log.append(
          Array.from({ length: count }, (_, index) => ({
            data: new Uint8Array(byteCount).fill((start + index) % 251),
          })),
        );
      },
      heads: (topic) => store.heads(topic),
    };
  };
  const until = async (isDone: () => boolean, limitMs = 60_000): Promise<void> => {
    if (!(await timers.runUntil(isDone, limitMs))) {
      throw new Error(`not done after ${limitMs} ms of virtual time`);
    }
  };
  return {
    timers,
    network,
    numbers,
    node,
    connect: (a, b) => {
      const pair = network.connect();
      return { a: a.peer.attach(pair.a), b: b.peer.attach(pair.b), pair };
    },
    run: async (work, limitMs = 60_000) => {
      let isOver = false;
      const watched = work.finally(() => {
        isOver = true;
      });
      watched.catch(() => {});
      const isDone = await timers.runUntil(() => isOver, limitMs);
      if (!isDone) throw new Error(`not done after ${limitMs} ms of virtual time`);
      return watched;
    },
    until,
  };
}

/** The log layer's verdict in the words of sync, as an owner without rules of its own gives it. */
export function outcomeOf(outcome: RangeOutcome): IngestOutcome {
  switch (outcome.status) {
    case "conflict":
      return { status: "refused", reason: "CONFLICT" };
    case "held":
      return { status: "refused", reason: "HELD_FOR_CLOCK" };
    case "stored":
      return { status: "stored", height: outcome.height };
    case "known":
      return { status: "known" };
    default:
      return outcome;
  }
}

/** Both sides of a link are through. */
export async function synced(world: World, link: Link): Promise<void> {
  await world.run(Promise.all([link.a.synced(), link.b.synced()]));
}

/** Heads as comparable text. */
export async function headsText(node: TestNode, topic: Topic): Promise<string> {
  const heads = await node.heads(topic);
  return heads
    .filter((head) => head.signedHeight > 0)
    .map((head) => `${head.logId}:${head.signedHeight}:${toHex(head.signedHash ?? keyOf(""))}`)
    .join("\n");
}

export async function expectEqual(topic: Topic, ...nodes: readonly TestNode[]): Promise<void> {
  const texts = await Promise.all(nodes.map((node) => headsText(node, topic)));
  for (const text of texts) expect(text).toBe(texts[0]);
}

/** A digest of every compact byte of every log of a topic. */
export async function bytesOfTopic(node: TestNode, topic: Topic): Promise<string> {
  const lines: string[] = [];
  for (const head of await node.heads(topic)) {
    const hash = crypto.createHash();
    let byteCount = 0;
    for await (const range of node.store.ranges(head.logId)) {
      hash.update(range.bytes);
      byteCount += range.bytes.length;
    }
    lines.push(`${head.logId} ${byteCount} ${toHex(hash.digest())}`);
  }
  return lines.join("\n");
}

/** What a full member of every test holds. */
export const followKey: Uint8Array = keyOf("follow key of epoch 1");
export const laterFollowKey: Uint8Array = keyOf("follow key of epoch 2");
