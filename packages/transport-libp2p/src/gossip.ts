/**
 * Gossip: new entries of shared topics over gossipsub, under names that only followers know
 * (docs/spec/transport-libp2p.md §4). Layer 5; the pub/sub service is the application's.
 */
import type { LogContext, Topic } from "@hawser/log";
import type { PeerId } from "@libp2p/interface";
import { createBudgets } from "./budget.ts";
import { TransportLibp2pError } from "./errors.ts";
import { gossipName } from "./gossip-name.ts";
import { createPublisher } from "./gossip-publish.ts";
import { createReceiver, type Subscription } from "./gossip-receive.ts";
import type {
  Gossip,
  GossipDeps,
  GossipOptions,
  GossipStats,
  GossipTopic,
} from "./gossip-types.ts";
import { behindMs, gossipBytesMax, namesPerTopicMax } from "./limits.ts";

/**
 * What gossipsub should be made with: no name of the sender on messages, bounded messages, and a
 * message goes to every subscriber we know at once.
 */
export const gossipsubOptions: {
  readonly globalSignaturePolicy: "StrictNoSign";
  readonly maxInboundDataLength: number;
  readonly floodPublish: true;
  readonly allowPublishToZeroTopicPeers: true;
} = {
  globalSignaturePolicy: "StrictNoSign",
  // The rest of a message is its name.
  maxInboundDataLength: gossipBytesMax + 1_024,
  floodPublish: true,
  allowPublishToZeroTopicPeers: true,
};

type Counts = { -readonly [Kind in keyof GossipStats]: number };

/**
 * Listens to the topics of `deps.topics()` and publishes what is appended from now on. Throws
 * TRANSPORT_LIBP2P_BAD_OPTION, and what the store throws.
 */
export async function createGossip(deps: GossipDeps, options: GossipOptions = {}): Promise<Gossip> {
  const counts = noCounts();
  let lastError: unknown;
  let topics: ReadonlyMap<Topic, GossipTopic> = new Map();
  let isClosed = false;

  const tellBehind = createBehindTeller(deps);
  const receiver = createReceiver({
    deps,
    budgets: createBudgets(deps.clock, ratesOf(options)),
    onMessage: (kind) => counts[kind]++,
    onFailure: (cause) => {
      lastError = cause;
    },
    onBehind: tellBehind,
  });
  const publisher = createPublisher(deps, {
    onPublished: (outcome) => counts[outcome]++,
    onFailure: (cause) => {
      counts.failed++;
      lastError = cause;
    },
  });
  const names = createNames(deps, (subscription, peer, data) =>
    receiver.validate(subscription, peer, data),
  );
  const listen = async (): Promise<void> => {
    const current = deps.topics();
    await publisher.skipHistory(current.filter(({ topic }) => !topics.has(topic)));
    if (isClosed) return;
    topics = new Map(current.map((topic) => [topic.topic, topic]));
    names.listenTo(current);
  };
  const unsubscribe = deps.store.onCommit((ranges) => {
    publisher.committed(ranges, topics);
    for (const logId of new Set(ranges.map((range) => range.logId))) receiver.committed(logId);
  });
  await listen();
  return {
    topicsChanged: () => {
      if (!isClosed) return listen();
      const error = new TransportLibp2pError("TRANSPORT_LIBP2P_CLOSED", "it was disposed");
      return Promise.reject(error);
    },
    flushed: () => publisher.flushed(),
    stats: () => ({ ...counts }),
    lastError: () => lastError,
    [Symbol.asyncDispose]: async () => {
      if (isClosed) return;
      isClosed = true;
      unsubscribe();
      names.listenTo([]);
      receiver.stop();
      publisher.stop();
      await publisher.flushed();
    },
  };
}

function noCounts(): Counts {
  return {
    published: 0,
    announced: 0,
    unheard: 0,
    failed: 0,
    stored: 0,
    known: 0,
    behind: 0,
    repeated: 0,
    overBudget: 0,
    foreign: 0,
    bad: 0,
    refused: 0,
  };
}

function ratesOf(options: GossipOptions): { readonly messages: number; readonly bytes: number } {
  const { peerMessagesPerSecond: messages = 50, peerBytesPerSecond: bytes = 1024 * 1024 } = options;
  if (!(messages >= 1 && messages <= 10_000)) {
    const message = "peerMessagesPerSecond is 1 to 10,000";
    throw new TransportLibp2pError("TRANSPORT_LIBP2P_BAD_OPTION", message);
  }
  if (!(bytes >= gossipBytesMax && bytes <= 1024 ** 3)) {
    const message = "peerBytesPerSecond is 128 KiB to 1 GiB";
    throw new TransportLibp2pError("TRANSPORT_LIBP2P_BAD_OPTION", message);
  }
  return { messages, bytes };
}

/** The names that are listened to, kept in step with topics and keys. */
function createNames(
  { pubsub, crypto }: GossipDeps,
  validate: (subscription: Subscription, peer: PeerId, data: Uint8Array) => Promise<string>,
): { listenTo(topics: readonly GossipTopic[]): void } {
  const open = new Set<string>();
  return {
    listenTo: (topics) => {
      const wanted = new Map<string, Subscription>();
      for (const entry of topics) {
        const { topic } = entry;
        for (const followKey of entry.followKeys().slice(0, namesPerTopicMax)) {
          const name = gossipName(crypto, topic, followKey);
          wanted.set(name, { name, topic, followKey });
        }
      }
      for (const name of open) {
        if (wanted.has(name)) continue;
        pubsub.unsubscribe(name);
        pubsub.topicValidators.delete(name);
        open.delete(name);
      }
      for (const [name, subscription] of wanted) {
        if (open.has(name)) continue;
        open.add(name);
        // Nothing under the name is taken without being judged.
        pubsub.topicValidators.set(name, (peer, { data }) => validate(subscription, peer, data));
        pubsub.subscribe(name);
      }
    },
  };
}

/** Tells the owner, at most once in a while for each topic and peer. */
function createBehindTeller(
  deps: GossipDeps,
): (context: LogContext, height: number, peer: PeerId) => void {
  const told = new Set<string>();
  return (context, height, peer) => {
    const key = `${context.topic} ${peer.toString()}`;
    if (told.has(key)) return;
    told.add(key);
    deps.timers.after(behindMs, () => told.delete(key));
    deps.onBehind?.({ topic: context.topic, context, height, peer });
  };
}
