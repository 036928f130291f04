/**
 * Publishing new entries (docs/spec/transport-libp2p.md §4): a range as a whole where it fits,
 * otherwise the packet of its last entry. Layer 5.
 */
import { type EncodedRange, entryPacket, joinRanges } from "@hawser/log";
import type { LogContext, LogId, StoredRange, Topic } from "@hawser/log";
import { gossipName } from "./gossip-name.ts";
import type { GossipContent, GossipDeps, GossipTopic } from "./gossip-types.ts";
import { gossipBytesMax, gossipRangeBytesMax } from "./limits.ts";

/** What became of new entries. */
export type PublishOutcome = "published" | "announced" | "unheard";

export interface Publisher {
  /** Entries up to here are history: sync's, not gossip's. */
  skipHistory(topics: readonly GossipTopic[]): Promise<void>;
  committed(ranges: readonly StoredRange[], topics: ReadonlyMap<Topic, GossipTopic>): void;
  /** Resolves when nothing waits. */
  flushed(): Promise<void>;
  stop(): void;
}

interface PublisherEvents {
  onPublished(outcome: PublishOutcome): void;
  onFailure(cause: unknown): void;
}

/** One log at a time, several commits of a log at once. */
export function createPublisher(deps: GossipDeps, events: PublisherEvents): Publisher {
  const sentTo = new Map<LogId, number>();
  let waiting = new Map<LogId, { readonly context: LogContext; readonly topic: GossipTopic }>();
  let running: Promise<void> | undefined;
  let isStopped = false;

  const run = async (): Promise<void> => {
    while (waiting.size > 0 && !isStopped) {
      const batch = waiting;
      waiting = new Map();
      for (const [logId, { context, topic }] of batch) {
        try {
          const from = sentTo.get(logId) ?? 0;
          const height = (await deps.store.head(logId))?.signedHeight ?? 0;
          if (height <= from) continue;
          sentTo.set(logId, height);
          const outcome = await publishEntries(deps, { logId, context, from, height }, topic);
          if (outcome !== undefined) events.onPublished(outcome);
        } catch (cause) {
          if (!isStopped) events.onFailure(cause);
        }
      }
    }
    running = undefined;
  };
  return {
    skipHistory: async (topics) => {
      for (const { topic } of topics) {
        for (const head of await deps.store.heads(topic)) {
          if (deps.publishes(head.context) && !sentTo.has(head.logId)) {
            sentTo.set(head.logId, head.signedHeight);
          }
        }
      }
    },
    committed: (ranges, topics) => {
      for (const { context, logId, from, signed } of ranges) {
        const topic = topics.get(context.topic);
        if (topic === undefined || !deps.publishes(context)) continue;
        if (!sentTo.has(logId)) sentTo.set(logId, from);
        // A tail that waits for its signature never leaves the device.
        if (signed) waiting.set(logId, { context, topic });
      }
      if (waiting.size > 0) running ??= run();
    },
    flushed: async () => {
      while (running !== undefined) await running;
    },
    stop: () => {
      isStopped = true;
    },
  };
}

/** Entries [from, height) of a log, all of them signed. */
interface NewEntries {
  readonly logId: LogId;
  readonly context: LogContext;
  readonly from: number;
  readonly height: number;
}

/** `undefined` when there is no key to seal with, or the entries are gone already. */
async function publishEntries(
  deps: GossipDeps,
  entries: NewEntries,
  topic: GossipTopic,
): Promise<PublishOutcome | undefined> {
  const [followKey] = topic.followKeys();
  if (followKey === undefined) return undefined;
  const name = gossipName(deps.crypto, topic.topic, followKey);
  if (deps.pubsub.getSubscribers(name).length === 0) return "unheard";
  const range = await smallRange(deps, entries);
  const content = range === undefined ? await lastPacket(deps, entries) : ranged(range);
  if (content === undefined) return undefined;
  const envelope = deps.seal(followKey, content);
  if (envelope.length > gossipBytesMax) {
    throw new RangeError(`an envelope of ${envelope.length} bytes`);
  }
  await deps.pubsub.publish(name, envelope);
  return content.kind === "range" ? "published" : "announced";
}

const ranged = (range: EncodedRange): GossipContent => ({ kind: "range", range });

/** The entries as one range, unless they are too large or partly gone. */
async function smallRange(
  { store }: GossipDeps,
  { logId, from, height }: NewEntries,
): Promise<EncodedRange | undefined> {
  const parts: EncodedRange[] = [];
  let byteCount = 0;
  for await (const part of store.ranges(logId, { from, to: height })) {
    byteCount += part.bytes.length;
    if (byteCount > gossipRangeBytesMax) return undefined;
    parts.push(part);
  }
  const [first] = parts;
  return first?.from === from ? joinRanges(parts) : undefined;
}

/** The last signed entry as a packet: it proves what the log has, and is never too large. */
async function lastPacket(
  { store }: GossipDeps,
  { logId, height }: NewEntries,
): Promise<GossipContent | undefined> {
  const before = await store.stateAt(logId, height - 1);
  if (before === undefined) return undefined;
  for await (const entry of store.entries(logId, { from: height - 1, to: height })) {
    return { kind: "packet", packet: entryPacket(before, entry) };
  }
  return undefined;
}
