/**
 * Broadcasts between the sessions of a peer: each is taken in once, and goes on at most once
 * (docs/spec/3-sync.md §7.1). Layer 4.
 */
import { toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import { SyncError } from "./errors.ts";
import { broadcastBytesMax, broadcastsRemembered } from "./limits.ts";
import type { Broadcast } from "./machine-types.ts";
import type { RunningSession } from "./session.ts";

/** Hears what peers broadcast to a topic. */
export type BroadcastListener = (topic: Topic, bytes: Uint8Array) => void;

export interface Broadcasts {
  /** Says something to all sessions of the topic. Throws SYNC_FRAME_TOO_LARGE. */
  say(topic: Topic, bytes: Uint8Array): void;
  /** What a session heard. */
  heard(from: RunningSession, broadcast: Broadcast): void;
  listen(listener: BroadcastListener): () => void;
}

export function createBroadcasts(
  deps: { readonly crypto: Crypto; sessions(topic: Topic): Iterable<RunningSession> },
  options: { readonly mode: "take" | "forward" },
): Broadcasts {
  const listeners = new Set<{ readonly call: BroadcastListener }>();
  const seen = createRing(broadcastsRemembered);
  const passedOn = createRing(broadcastsRemembered);
  const keyOf = (topic: Topic, bytes: Uint8Array): string =>
    `${topic} ${toHex(deps.crypto.hash(bytes).subarray(0, 16))}`;
  return {
    say: (topic, bytes) => {
      if (bytes.length === 0 || bytes.length > broadcastBytesMax) {
        const message = `a broadcast has 1 to ${broadcastBytesMax} bytes`;
        throw new SyncError("SYNC_FRAME_TOO_LARGE", message);
      }
      seen.add(keyOf(topic, bytes));
      for (const session of deps.sessions(topic)) {
        session.broadcast({ topic, bytes, isForwarded: false });
      }
    },
    heard: (from, { topic, bytes, isForwarded }) => {
      const key = keyOf(topic, bytes);
      if (seen.add(key)) for (const { call } of listeners) call(topic, bytes);
      // One hop: what a relay had from another relay goes no further. Remembered by itself, so that
      // nobody keeps a broadcast from others by saying it first as a forwarded one.
      if (options.mode !== "forward" || isForwarded || !passedOn.add(key)) return;
      for (const session of deps.sessions(topic)) {
        if (session !== from) session.broadcast({ topic, bytes, isForwarded: true });
      }
    },
    listen: (call) => {
      const own = { call };
      listeners.add(own);
      return () => void listeners.delete(own);
    },
  };
}

/** The last `countMax` keys. */
interface Ring {
  /** False when the key is among them already. */
  add(key: string): boolean;
}

function createRing(countMax: number): Ring {
  const keys = new Set<string>();
  return {
    add: (key) => {
      if (keys.has(key)) return false;
      keys.add(key);
      const [oldest] = keys;
      if (keys.size > countMax && oldest !== undefined) keys.delete(oldest);
      return true;
    },
  };
}
