/**
 * Who may have what of a space over HTTP: a proof of its current follow key, good for one request
 * (docs/spec/relay-http.md §2). Layer 9.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { Clock, Topic } from "@hawser/log";
import type { SyncTopic } from "@hawser/sync";
import {
  blindName,
  followIdOf,
  holdsUnder,
  parseFollowProof,
  proofKeyOf,
  proofSecondsMax,
  type ProvenRequest,
} from "./follow-proof.ts";

/** Somebody who holds the current follow key of a space. */
export interface Holder {
  readonly topic: Topic;
  readonly name: string;
  /** The follow key that was proven. */
  readonly followKey: Uint8Array;
}

/** What a proof is worth. `unknown` says neither whether the space is here nor what was wrong. */
export type GateVerdict =
  | {
      readonly ok: true;
      readonly holder: Holder;
      /** The proof's; 16 bytes. */
      readonly nonce: Uint8Array;
    }
  | { readonly ok: false; readonly reason: "unknown" | "stale" | "busy" };

/** Checks proofs. */
export interface Gate {
  check(
    name: string,
    header: string | undefined,
    request: Omit<ProvenRequest, "relay">,
  ): GateVerdict;
  nameOf(topic: Topic): string;
  /** Whether the space is here, and its current follow key with that id if it has one. */
  find(topic: Topic, followId: string): Holder | "replaced" | "absent";
  /** Spaces or their keys changed. */
  topicsChanged(): void;
}

export interface GateDeps {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly clock: Clock;
  readonly relay: AuthorId;
  readonly topics: () => readonly SyncTopic[];
}

/** How long a node may take to hear of a new follow key, in seconds. */
export const keyLagSeconds = 600;
/** Good proofs remembered for one space at once; more than that in four minutes are refused. */
const noncesMax = 4_096;
/** How long a proof is remembered after it came, in seconds: it may have been made ahead of us. */
const nonceSeconds: number = 2 * proofSecondsMax;

export function createGate(deps: GateDeps): Gate {
  const { crypto, clock, relay } = deps;
  const nameByTopic = new Map<Topic, string>();
  let here: ReadonlyMap<string, SyncTopic> | undefined;
  const used = createUsedNonces();
  // An unknown space costs as much as a wrong proof, so that time tells nothing either.
  const nobody = deps.random(32);

  const nameOf = (topic: Topic): string => {
    const name = nameByTopic.get(topic) ?? blindName(crypto, topic, relay);
    nameByTopic.set(topic, name);
    return name;
  };
  const topicNamed = (name: string): SyncTopic | undefined => {
    here ??= new Map(deps.topics().map((item) => [nameOf(item.topic), item]));
    return here.get(name);
  };

  return {
    nameOf,
    find: (topic, followId) => {
      const found = topicNamed(nameOf(topic));
      if (found === undefined) return "absent";
      const followKey = found.followKeys().find((key) => followIdOf(crypto, key) === followId);
      return followKey === undefined ? "replaced" : { topic, name: nameOf(topic), followKey };
    },
    topicsChanged: () => {
      here = undefined;
      const topics = new Set(deps.topics().map(({ topic }) => topic));
      for (const topic of nameByTopic.keys()) {
        if (!topics.has(topic)) nameByTopic.delete(topic);
      }
    },
    check: (name, header, asked) => {
      const proof = parseFollowProof(header);
      if (proof === undefined) return { ok: false, reason: "unknown" };
      const request = { ...asked, relay };
      const found = topicNamed(name);
      // Read now: a key that was rotated away a moment ago is worth nothing.
      const keys = found?.followKeys() ?? [];
      const followKey = (keys.length === 0 ? [nobody] : keys).find((key) =>
        holdsUnder(crypto, proofKeyOf(crypto, key), request, proof),
      );
      if (found === undefined || followKey === undefined || followKey === nobody) {
        return { ok: false, reason: "unknown" };
      }
      const { topic } = found;
      const now = nowSeconds(clock);
      const isLate = Math.abs(now - proof.seconds) > proofSecondsMax;
      const use = isLate ? "stale" : used.take(topic, toHex(proof.nonce), now);
      if (use !== "first") return { ok: false, reason: use };
      return { ok: true, holder: { topic, name, followKey }, nonce: proof.nonce };
    },
  };
}

/** The nonces of proofs, each until its proof is too old anyway. */
interface UsedNonces {
  take(topic: Topic, nonce: string, now: number): "first" | "stale" | "busy";
}

function createUsedNonces(): UsedNonces {
  // In the order in which they came, so what is too old stands in front.
  const used = new Map<string, { readonly topic: Topic; readonly at: number }>();
  const counts = new Map<Topic, number>();
  const countBy = (topic: Topic, change: number): void => {
    const count = (counts.get(topic) ?? 0) + change;
    if (count === 0) counts.delete(topic);
    else counts.set(topic, count);
  };
  const dropOld = (now: number): void => {
    for (const [key, { topic, at }] of used) {
      // Either way: a clock that was set back must not keep them.
      if (Math.abs(now - at) <= nonceSeconds) return;
      used.delete(key);
      countBy(topic, -1);
    }
  };
  return {
    take: (topic, nonce, now) => {
      dropOld(now);
      const key = `${topic} ${nonce}`;
      if (used.has(key)) return "stale";
      if ((counts.get(topic) ?? 0) >= noncesMax) return "busy";
      used.set(key, { topic, at: now });
      countBy(topic, 1);
      return "first";
    },
  };
}

/** Unix seconds. */
export function nowSeconds(clock: Clock): number {
  return Math.floor(clock.nowMicros() / 1_000_000);
}
