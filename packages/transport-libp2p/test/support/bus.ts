/**
 * A device without a network: gossip over a pub/sub double that only does what a test says, on virtual
 * timers.
 */
import { toHex, utf8 } from "@hawser/codec";
import { type AuthorId, type Crypto, createCrypto } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  type EncodedRange,
  ingestRange,
  type LogContext,
  type LogId,
  logIdOf,
  type LogStore,
  type LogWriterOptions,
  type Topic,
} from "@hawser/log";
import type { IngestOutcome } from "@hawser/sync";
import { createSeededRandom, createVirtualTimers, type VirtualTimers } from "@hawser/sync/testing";
import {
  type Behind,
  createGossip,
  type Gossip,
  type GossipContent,
  type GossipDeps,
  type GossipOptions,
  type GossipValidator,
} from "@hawser/transport-libp2p";
import type { PeerId } from "@libp2p/interface";
import { openEnvelope, sealEnvelope } from "./envelope.ts";

export const crypto: Crypto = await createCrypto();
export const topic: Topic = toHex(crypto.hash(utf8("bus topic"))) as Topic;
export const followKey: Uint8Array = crypto.hash(utf8("bus follow key"));
const random = createSeededRandom(1);

/** µs that move on when timers do. */
let stampMicros = 1_700_000_000_000_000;

/** Somebody who passes messages on. */
export function peerCalled(name: string): PeerId {
  // Safe: a peer id is only compared by its text here.
  return { toString: () => name } as PeerId;
}

export interface Bench extends AsyncDisposable {
  readonly gossip: Gossip;
  readonly store: LogStore;
  readonly timers: VirtualTimers;
  readonly behind: readonly Behind[];
  readonly names: ReadonlyMap<string, GossipValidator>;
  /** What was published, in order. */
  readonly published: readonly Uint8Array[];
  readonly ownLog: { readonly context: LogContext; readonly secret: Uint8Array };
  setListeners(count: number): void;
  /** The verdict on a message. */
  deliver(data: Uint8Array, from?: string): Promise<string>;
  heightOf(logId: LogId): Promise<number>;
}

export interface BenchOptions extends GossipOptions {
  readonly followKeys?: () => readonly Uint8Array[];
  /** In place of storing. */
  readonly ingest?: (range: EncodedRange) => Promise<IngestOutcome>;
  readonly publishFails?: boolean;
}

export function authorCalled(name: string): {
  readonly context: LogContext;
  readonly secret: Uint8Array;
} {
  const secret = crypto.hash(utf8(name));
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  return { context: { topic, domain: "hawser.data", author }, secret };
}

export async function openBench(options: BenchOptions = {}): Promise<Bench> {
  const store = createMemoryStore({ crypto });
  const timers = createVirtualTimers();
  const names = new Map<string, GossipValidator>();
  const published: Uint8Array[] = [];
  const behind: Behind[] = [];
  const ownLog = authorCalled("me");
  let listeners = 1;
  const ingest = async (range: EncodedRange): Promise<IngestOutcome> => {
    const outcome = await ingestRange({ store, crypto }, range);
    if (outcome.status === "conflict" || outcome.status === "held") {
      return { status: "refused", reason: outcome.status };
    }
    return outcome;
  };
  const deps: GossipDeps = {
    pubsub: {
      topicValidators: names,
      subscribe: () => {},
      unsubscribe: () => {},
      getSubscribers: () => Array.from({ length: listeners }),
      publish: (_name, data) => {
        if (options.publishFails === true) return Promise.reject(new Error("no stream"));
        published.push(data);
        return Promise.resolve();
      },
    },
    store,
    crypto,
    clock: { nowMicros: () => stampMicros + timers.nowMs() * 1_000 },
    timers,
    seal: (key, content) => sealEnvelope(crypto, random, key, content),
    open: (key, envelope) => openEnvelope(crypto, key, envelope),
    ingest: options.ingest ?? ingest,
    topics: () => [{ topic, followKeys: options.followKeys ?? (() => [followKey]) }],
    publishes: ({ author }) => author === ownLog.context.author,
    onBehind: (told) => behind.push(told),
  };
  const gossip = await createGossip(deps, options);
  return {
    gossip,
    store,
    timers,
    behind,
    names,
    published,
    ownLog,
    setListeners: (count) => {
      listeners = count;
    },
    deliver: async (data, from = "peer") => {
      const [validate] = names.values();
      if (validate === undefined) throw new Error("nobody listens");
      return validate(peerCalled(from), { type: "unsigned", topic: "", data });
    },
    heightOf: async (logId) => (await store.head(logId))?.height ?? 0,
    [Symbol.asyncDispose]: () => gossip[Symbol.asyncDispose](),
  };
}

/** A log of somebody else, as ranges of the given counts, each signed by itself. */
export async function rangesOf(
  name: string,
  counts: readonly number[],
  byteCount = 50,
): Promise<{ readonly logId: LogId; readonly ranges: readonly EncodedRange[] }> {
  const log = authorCalled(name);
  const store = createMemoryStore({ crypto });
  const ranges: EncodedRange[] = [];
  await writeTo(store, log, async ({ append }) => {
    for (const count of counts) await append(count, byteCount);
  });
  const logId = logIdOf(crypto, log.context);
  for await (const range of store.ranges(logId)) ranges.push(range);
  return { logId, ranges };
}

/** What writes to a log in a test. */
export interface Appender {
  append(count: number, byteCount?: number): Promise<void>;
  /** Signs what was appended without. */
  sign(): Promise<void>;
}

/** Appends to a log while `work` runs. */
export async function writeTo(
  store: LogStore,
  log: Pick<LogWriterOptions, "context" | "secret" | "sign">,
  work: (appender: Appender) => Promise<void>,
): Promise<void> {
  const clock = { nowMicros: () => ++stampMicros };
  await using writer = await createLogWriter({ store, crypto, clock }, log);
  await work({
    append: async (count, byteCount = 50) => {
      const entry = (n: number) => ({ data: new Uint8Array(byteCount).fill(n) });
      await writer.append(Array.from({ length: count }, (_, n) => entry(n)));
    },
    sign: async () => {
      await writer.checkpoint();
    },
  });
}

export function sealed(content: GossipContent, key: Uint8Array = followKey): Uint8Array {
  return sealEnvelope(crypto, random, key, content);
}

export function sealedRange(range: EncodedRange | undefined): Uint8Array {
  if (range === undefined) throw new Error("no such range");
  return sealed({ kind: "range", range });
}
