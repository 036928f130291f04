/**
 * Secret addresses of feeds, for readers that cannot prove anything themselves
 * (docs/spec/relay-http.md §4.1). Layer 9.
 */
import { decodeCbor, encodeCbor, equalSecrets, fromBase64url, toBase64url } from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import type { Clock, LogStore, Topic } from "@hawser/log";
import { followIdOf } from "./follow-proof.ts";
import { keyLagSeconds, nowSeconds, type Gate, type Holder } from "./gate.ts";

/** A feed as those who hold the follow key see it. */
export interface FeedInfo {
  /** 22 characters. */
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
}

/** The feeds of all spaces. */
export interface FeedTokens {
  /** The new feed and the secret part of its address; `full` when the space has too many. */
  create(holder: Holder): Promise<(FeedInfo & { readonly token: string }) | "full">;
  list(holder: Holder): Promise<readonly FeedInfo[]>;
  /** Whether there was one. */
  revoke(holder: Holder, id: string): Promise<boolean>;
  /** Whom a token lets read, or `undefined`; it ends with the follow key that made it. */
  open(token: string): Promise<(Holder & { readonly id: string }) | undefined>;
}

export interface FeedTokenDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly random: Random;
  readonly clock: Clock;
  readonly gate: Gate;
  readonly perTopicMax: number;
}

interface FeedRecord {
  readonly topic: Topic;
  readonly followId: string;
  readonly tokenHash: Uint8Array;
  readonly created: number;
}

const idBytes = 16;
const secretBytes = 32;
const version = 1;
const tokenPattern = /^[A-Za-z0-9_-]{64}$/;
const feedKey = (id: string): string => `relay/feed/${id}`;
const topicKey = (topic: Topic, id: string): string => `relay/feed-of/${topic}/${id}`;

export function createFeedTokens(deps: FeedTokenDeps): FeedTokens {
  const { store, crypto, random, clock, gate } = deps;
  const read = async (id: string): Promise<FeedRecord | undefined> =>
    decodeRecord(await store.get(feedKey(id)));
  const remove = (topic: Topic, id: string): Promise<unknown> =>
    store.commit({
      writes: [
        { key: feedKey(id), value: undefined },
        { key: topicKey(topic, id), value: undefined },
      ],
    });
  const isEnded = ({ topic, followId }: FeedRecord): boolean =>
    gate.find(topic, followId) === "replaced";
  /** Those whose key is current; the others go, in time. */
  const list = async ({ topic }: Holder): Promise<readonly FeedInfo[]> => {
    const prefix = topicKey(topic, "");
    const feeds: FeedInfo[] = [];
    for (const { key } of await store.list(prefix)) {
      const id = key.slice(prefix.length);
      const record = await read(id);
      if (record !== undefined && !isEnded(record)) {
        feeds.push({ id, created: record.created });
      } else if (nowSeconds(clock) - (record?.created ?? 0) > keyLagSeconds) {
        await remove(topic, id);
      }
    }
    return feeds;
  };
  // One after another: two at once would both find the last place free.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <Value>(work: () => Promise<Value>): Promise<Value> => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };

  return {
    list,
    create: (holder) =>
      inTurn(async () => {
        if ((await list(holder)).length >= deps.perTopicMax) return "full";
        const bytes = random(idBytes + secretBytes);
        const id = toBase64url(bytes.subarray(0, idBytes));
        const created = nowSeconds(clock);
        const { topic, followKey } = holder;
        const tokenHash = hashOf(crypto, bytes);
        const followId = followIdOf(crypto, followKey);
        const writes = [
          { key: feedKey(id), value: encodeRecord({ topic, followId, tokenHash, created }) },
          { key: topicKey(topic, id), value: new Uint8Array(0) },
        ];
        await store.commit({ writes });
        return { id, created, token: toBase64url(bytes) };
      }),
    revoke: async ({ topic }, id) => {
      const record = await read(id);
      if (record?.topic !== topic) return false;
      await remove(topic, id);
      return true;
    },
    open: async (token) => {
      const bytes = tokenPattern.test(token) ? fromBase64url(token) : undefined;
      if (bytes === undefined) return undefined;
      const id = toBase64url(bytes.subarray(0, idBytes));
      const record = await read(id);
      if (record === undefined || !equalSecrets(hashOf(crypto, bytes), record.tokenHash)) {
        return undefined;
      }
      // Not removed here: a node that is a moment behind does not know the newest key yet.
      const holder = gate.find(record.topic, record.followId);
      return typeof holder === "string" ? undefined : { ...holder, id };
    },
  };
}

/** Who reads the store cannot read feeds with what is there. */
function hashOf(crypto: Crypto, token: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser relay feed token v1", token);
}

function encodeRecord({ topic, followId, tokenHash, created }: FeedRecord): Uint8Array {
  return encodeCbor([version, topic, followId, tokenHash, created]);
}

function decodeRecord(value: Uint8Array | undefined): FeedRecord | undefined {
  const decoded = value === undefined ? undefined : decodeCbor(value);
  if (!Array.isArray(decoded) || decoded.length !== 5) return undefined;
  const [found, topic, followId, tokenHash, created] = decoded;
  if (found !== version || typeof topic !== "string" || typeof followId !== "string") {
    return undefined;
  }
  if (!(tokenHash instanceof Uint8Array) || typeof created !== "number") return undefined;
  // Safe: only topics are written there.
  return { topic: topic as Topic, followId, tokenHash, created };
}
