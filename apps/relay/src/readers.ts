/** What a relay has for those who come over plain HTTP, put together. Layer 9. */
import type { Crypto } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import { platformTimers } from "@hawser/transport-ws";
import type { Data } from "./data.ts";
import { createFeedTokens, type FeedTokens } from "./feed-tokens.ts";
import type { Follower } from "./follower.ts";
import { createGate, type Gate } from "./gate.ts";
import { openIdentity } from "./identity.ts";
import {
  createByteBudget,
  createOpenCount,
  createRateLimit,
  type ByteBudget,
  type OpenCount,
  type RateLimit,
} from "./limits.ts";
import { openNotifier, type Notifier } from "./notifier.ts";
import type { RelaySettings } from "./options.ts";
import { createOutbound } from "./outbound.ts";
import { openPuller, type Puller } from "./pull.ts";
import { providersByName, type PushProvider } from "./push-provider.ts";
import { createWebPushProvider, vapidKeyOf } from "./web-push.ts";
import { createUsedProofs, type UsedProofs } from "./used-proofs.ts";
import { createWebhookProvider } from "./webhook.ts";

/** A rate of requests for a space. */
interface TopicRate {
  take(topic: Topic): boolean;
}

/** The parts that the routes for readers work with. */
export interface Readers {
  readonly gate: Gate;
  /** Of requests that changed something. */
  readonly usedProofs: UsedProofs;
  readonly puller: Puller;
  readonly feeds: FeedTokens;
  readonly notifier: Notifier;
  readonly providers: ReadonlyMap<string, PushProvider>;
  /** Per address, before anything is looked at. */
  readonly requests: RateLimit;
  /** Per space, once the follow key is proven. */
  readonly topicRequests: TopicRate;
  /** Feeds and hooks made, per address and per space. */
  readonly makings: RateLimit;
  /** Pages in memory at once. */
  readonly pages: OpenCount;
  /** Bytes of finished pages that their clients have not taken yet. */
  readonly pageBytes: ByteBudget;
  /** `https://…` under which the relay is reached; without, what the request says. */
  readonly publicUrl: string | undefined;
  readonly trustProxy: boolean;
  isClosing(): boolean;
}

const minuteMs = 60 * 1_000;
const pagesMax = 32;
const pagesPerAddressMax = 4;
/** A page has 1.4 MiB as a rule, and up to 19 MiB where one range is that long. */
const pageBytesHeldMax: number = 96 * 1024 * 1024;

/** Opens what is in the store. `stop` ends what would write. */
export async function openReaders(
  settings: RelaySettings,
  parts: {
    readonly crypto: Crypto;
    readonly data: Data;
    readonly follower: Follower;
    readonly isClosing: () => boolean;
  },
): Promise<Readers & { stop(): Promise<void> }> {
  const { data, follower, crypto, isClosing } = parts;
  const { limits, nowMs, random, clock, onFailure, publicUrl, trustProxy } = settings;
  const { store, cluster } = data;
  const { spaces } = follower;
  const relay = spaces.author;
  const base = { store, crypto, random, clock, relay };
  const gate = createGate({ ...base, topics: spaces.topics });
  const openPlace = (): Promise<Puller> => openPuller(base);
  // Nodes that start together agree on one key of cursors.
  const puller = cluster === undefined ? await openPlace() : await cluster.exclusively(openPlace);
  const providers = await openProviders(settings, base);
  const notifier = await openNotifier({
    ...base,
    timers: platformTimers,
    gate,
    puller,
    providers,
    isTeller: () => cluster?.isLeader() ?? true,
    isShared: cluster !== undefined,
    onFailure,
    limits,
  });
  const unsubscribe = spaces.onTopicsChanged(() => {
    gate.topicsChanged();
    notifier.topicsChanged();
  });
  const rate = (max: number, windowMs: number): RateLimit =>
    createRateLimit({ max, windowMs, nowMs });
  return {
    gate,
    usedProofs: cluster?.usedProofs(base) ?? createUsedProofs(base),
    puller,
    feeds: createFeedTokens({ ...base, gate, perTopicMax: limits.feedsPerTopicMax }),
    notifier,
    providers,
    requests: rate(limits.readRequestsPerMinuteMax, minuteMs),
    topicRequests: seenBy(follower, rate(limits.topicRequestsPerMinuteMax, minuteMs)),
    makings: rate(limits.hookRequestsPerHourMax, 60 * minuteMs),
    pages: createOpenCount({ perKeyMax: pagesPerAddressMax, totalMax: pagesMax }),
    pageBytes: createByteBudget(pageBytesHeldMax),
    publicUrl,
    trustProxy,
    isClosing,
    stop: async () => {
      unsubscribe();
      puller.stop();
      await notifier.stop();
    },
  };
}

/** Whoever may read a space keeps it from being idle. */
function seenBy({ retention }: Follower, topicRequests: TopicRate): TopicRate {
  return {
    take: (topic) => {
      retention?.seen(topic);
      return topicRequests.take(topic);
    },
  };
}

async function openProviders(
  settings: RelaySettings,
  deps: Parameters<typeof openIdentity>[0],
): Promise<ReadonlyMap<string, PushProvider>> {
  const { webPush, pushProviders, random } = settings;
  const outbound = settings.outbound ?? createOutbound({ timers: platformTimers });
  const providers: PushProvider[] = [createWebhookProvider(outbound)];
  if (webPush !== undefined) {
    const { secret } = await openIdentity(deps);
    const key = vapidKeyOf(deps.crypto, secret);
    providers.push(createWebPushProvider({ outbound, random, key }, webPush));
  }
  return providersByName([...providers, ...pushProviders]);
}
