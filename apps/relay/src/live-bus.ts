/**
 * What only those who are there now want to hear, between the nodes of one relay: broadcasts and
 * signals, by NOTIFY of the database they share (docs/guides/relay.md, *Several nodes*). Layer 9.
 *
 * Nothing of it is kept, and all of it may be lost: over the budget, over a broken connection, and
 * to nodes that come later. What is said within a moment goes out as one, since each NOTIFY is a commit.
 */
import {
  createByteReader,
  createByteWriter,
  fromBase64url,
  fromHex,
  toBase64url,
  toHex,
} from "@hawser/codec";
import type { Random } from "@hawser/crypto";
import type { Timers } from "@hawser/sync";
import { createRateLimit } from "./limits.ts";

/** Something that is said to whoever is there. */
export interface LiveMessage {
  /** A broadcast to a topic, or a signal in a room. */
  readonly kind: "broadcast" | "signal";
  /** The topic or the room, 64 hex characters. */
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** The other nodes, as far as they are there. */
export interface LiveBus {
  /** Says it to the other nodes, or drops it. */
  say(message: LiveMessage): void;
  /** A part from the database, this node's own among them. */
  hear(part: string): void;
  /** Calls back with what other nodes say; returns the unsubscribe function. Must not throw. */
  listen(listener: (message: LiveMessage) => void): () => void;
  stop(): void;
}

export interface LiveBusDeps {
  readonly timers: Timers;
  readonly random: Random;
  /** Monotonic, in ms. */
  readonly nowMs: () => number;
  /** Hands parts to the database, together and in order. */
  readonly tell: (parts: readonly string[]) => Promise<void>;
}

/** How long what is said is gathered, in ms. */
const gatherMs = 20;
/** Bytes that wait to go out; more are dropped. */
const waitingBytesMax: number = 256 * 1024;
/** Bytes a node says at once, and again in each window after that: 128 KiB a second. */
const burstBytesMax: number = 256 * 1024;
const burstMs = 2_000;
/** Bytes for which one message counts beside its own. */
const overheadBytes = 256;
/** Bytes of a part: a payload of PostgreSQL has less than 8,000 characters. */
const partBytesMax = 5_700;
/** Parts that are put together of one node. */
const partsMax: number = Math.ceil((2 * waitingBytesMax) / partBytesMax);
/** Nodes of which something is put together at once. */
const nodesMax = 64;
const idBytes = 32;
const nodeBytes = 6;
const kinds = ["broadcast", "signal"] as const;
const partPattern = /^([\w-]{8}) (\d{1,3}) (more|last) ([\w-]{1,7700})$/;

export function createLiveBus({ timers, random, nowMs, tell }: LiveBusDeps): LiveBus {
  const node = toBase64url(random(nodeBytes));
  const listeners = new Set<(message: LiveMessage) => void>();
  const partsByNode = new Map<string, Uint8Array[]>();
  const budget = createRateLimit({
    max: burstBytesMax / overheadBytes,
    windowMs: burstMs,
    nowMs,
  });
  let waiting: LiveMessage[] = [];
  let waitingBytes = 0;
  let stopTimer: (() => void) | undefined;
  let isStopped = false;

  const isAllowed = (byteCount: number): boolean => {
    if (waitingBytes + byteCount > waitingBytesMax) return false;
    for (let left = byteCount; left > 0; left -= overheadBytes) {
      if (!budget.take("")) return false;
    }
    return true;
  };
  const flush = async (): Promise<void> => {
    const bytes = encodeMessages(waiting);
    [waiting, waitingBytes] = [[], 0];
    // What could not be told is lost, as everything here may be.
    await tell(partsOf(node, bytes)).catch(() => undefined);
    stopTimer = undefined;
    if (waiting.length > 0) flushLater();
  };
  const flushLater = (): void => {
    if (isStopped) return;
    stopTimer ??= timers.after(gatherMs, () => void flush());
  };

  return {
    say: (message) => {
      const cost = message.bytes.length + overheadBytes;
      if (isStopped || !isAllowed(cost)) return;
      waiting.push(message);
      waitingBytes += cost;
      flushLater();
    },
    hear: (part) => {
      const [, from = "", index = "", mark, text = ""] = partPattern.exec(part) ?? [];
      const bytes = fromBase64url(text);
      if (isStopped || from === node || bytes === undefined || mark === undefined) return;
      // The first of several begins anew: the rest of those before was lost.
      const before = index === "0" ? [] : partsByNode.get(from);
      partsByNode.delete(from);
      if (before?.length !== Number(index)) return;
      const parts = [...before, bytes];
      if (mark === "more") {
        const isFull = parts.length >= partsMax || partsByNode.size >= nodesMax;
        if (!isFull) partsByNode.set(from, parts);
        return;
      }
      for (const message of decodeMessages(new Uint8Array(Buffer.concat(parts)))) {
        for (const listener of listeners) listener(message);
      }
    },
    listen: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    stop: () => {
      isStopped = true;
      stopTimer?.();
      listeners.clear();
    },
  };
}

function partsOf(node: string, bytes: Uint8Array): readonly string[] {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += partBytesMax) {
    const mark = at + partBytesMax < bytes.length ? "more" : "last";
    parts.push(
      `${node} ${parts.length} ${mark} ${toBase64url(bytes.subarray(at, at + partBytesMax))}`,
    );
  }
  return parts;
}

/** Each as kind (1) ‖ id (32) ‖ sized bytes. */
function encodeMessages(messages: readonly LiveMessage[]): Uint8Array {
  const writer = createByteWriter();
  for (const { kind, to, bytes } of messages) {
    const id = fromHex(to);
    if (id?.length !== idBytes) continue;
    writer.u8(kinds.indexOf(kind));
    writer.bytes(id);
    writer.sized(bytes);
  }
  return writer.finish();
}

/** What is malformed ends it: another version of this program may have said it. */
function* decodeMessages(bytes: Uint8Array): Generator<LiveMessage, void, undefined> {
  const reader = createByteReader(bytes);
  while (reader.remaining > 0) {
    const kind = kinds[reader.u8()];
    const id = reader.bytes(idBytes);
    const content = reader.sized(waitingBytesMax);
    if (reader.failed || kind === undefined) return;
    yield { kind, to: toHex(id), bytes: content };
  }
}
