/**
 * A device: a store, a log of its own, gossip and sync on one libp2p node.
 */
import { toHex, utf8 } from "@hawser/codec";
import { type AuthorId, createCrypto, type Crypto } from "@hawser/crypto";
import {
  type Clock,
  createLogWriter,
  createMemoryStore,
  ingestRange,
  type LogContext,
  type LogId,
  logIdOf,
  type LogStore,
  type LogWriter,
  type Topic,
} from "@hawser/log";
import { createSyncPeer, type Ingest, type SyncPeer } from "@hawser/sync";
import { createSeededRandom, realTimers as timers } from "@hawser/sync/testing";
import {
  type Behind,
  createGossip,
  createSyncStreams,
  type Gossip,
  type GossipOptions,
  type SyncStreams,
} from "@hawser/transport-libp2p";
import { openEnvelope, sealEnvelope } from "./envelope.ts";
import { type Node, startNode } from "./nodes.ts";

export const crypto: Crypto = await createCrypto();
export const topic = toHex(crypto.hash(utf8("gossip topic"))) as Topic;
export const dataDomain = "hawser.data";

/** A follow key by its name. */
export function followKeyOf(name: string): Uint8Array {
  return crypto.hash(utf8(`follow key ${name}`));
}

/** µs that always move on. */
let stampMicros = 1_700_000_000_000_000;
export const clock: Clock = { nowMicros: () => ++stampMicros };

export interface Device extends AsyncDisposable {
  readonly node: Node;
  readonly store: LogStore;
  readonly gossip: Gossip;
  readonly streams: SyncStreams;
  readonly peer: SyncPeer;
  readonly context: LogContext;
  readonly logId: LogId;
  readonly writer: LogWriter;
  readonly behind: readonly Behind[];
  /** Its follow keys from now on, newest first. */
  rotate(names: readonly string[]): Promise<void>;
  /** Appends entries of 100 bytes, signed as a batch. */
  append(count: number, byteCount?: number): Promise<void>;
  /** Height of a log here. */
  heightOf(logId: LogId): Promise<number>;
}

export interface DeviceOptions {
  readonly keys?: readonly string[];
  readonly gossip?: GossipOptions;
  readonly node?: Parameters<typeof startNode>[0];
  /** Whether the device asks whoever has more for it, by sync; default no. */
  readonly isCurious?: boolean;
  /** Authors whose entries are not taken. */
  readonly refused?: readonly AuthorId[];
}

let deviceCount = 0;

export async function startDevice(name: string, options: DeviceOptions = {}): Promise<Device> {
  const secret = crypto.hash(utf8(name));
  const id = toHex(crypto.publicKey(secret)) as AuthorId;
  const random = createSeededRandom(++deviceCount);
  const store = createMemoryStore({ crypto });
  const node = await startNode(options.node);
  const behind: Behind[] = [];
  let keys = options.keys ?? ["1"];
  const shared = {
    topic,
    followKeys: () => keys.map(followKeyOf),
    accessOf: () => "none" as const,
    controlDomains: [],
  };
  const ingest: Ingest = async (range) => {
    if (options.refused?.includes(range.context.author) === true) {
      return { status: "refused", reason: "no access" };
    }
    const outcome = await ingestRange({ store, crypto }, range);
    if (outcome.status === "conflict" || outcome.status === "held") {
      return { status: "refused", reason: outcome.status };
    }
    return outcome;
  };
  const peer = createSyncPeer({
    store,
    crypto,
    random,
    timers,
    ingest,
    identities: () => [{ id, sign: (label, bytes) => crypto.signTagged(label, bytes, secret) }],
    topics: () => [shared],
  });
  const streams = await createSyncStreams({
    node,
    crypto,
    timers,
    onConnection: (connection) => peer.attach(connection),
  });
  const gossip = await createGossip(
    {
      pubsub: node.services.pubsub,
      store,
      crypto,
      clock,
      timers,
      seal: (followKey, content) => sealEnvelope(crypto, random, followKey, content),
      open: (followKey, envelope) => openEnvelope(crypto, followKey, envelope),
      ingest,
      topics: () => [shared],
      publishes: ({ author }) => author === id,
      onBehind: (told) => {
        behind.push(told);
        if (options.isCurious !== true) return;
        void streams.dial(told.peer).then((connection) => peer.attach(connection));
      },
    },
    options.gossip,
  );
  const context = { topic, domain: dataDomain, author: id };
  const logId = logIdOf(crypto, context);
  const writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  return {
    node,
    store,
    gossip,
    streams,
    peer,
    context,
    logId,
    writer,
    behind,
    rotate: async (names) => {
      keys = names;
      peer.topicsChanged();
      await gossip.topicsChanged();
    },
    append: async (count, byteCount = 100) => {
      const entry = (n: number) => ({ data: new Uint8Array(byteCount).fill(n) });
      await writer.append(Array.from({ length: count }, (_, n) => entry(n)));
    },
    heightOf: async (wanted) => (await store.head(wanted))?.height ?? 0,
    [Symbol.asyncDispose]: async () => {
      await gossip[Symbol.asyncDispose]();
      await peer[Symbol.asyncDispose]();
      await streams[Symbol.asyncDispose]();
      await node.stop();
      await writer[Symbol.asyncDispose]();
    },
  };
}
