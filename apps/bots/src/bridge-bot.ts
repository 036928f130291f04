/**
 * A bridge to the web: a reader of a space that hands each event over, in order, at least once, and
 * takes up where it was. What counts is decided by the space: events of those who may not write, or
 * were removed, are never handed over. Layer 9.
 */
import { decodeCbor, encodeCbor, toHex, type CborValue } from "@hawser/codec";
import type { LogStore } from "@hawser/log";
import type { Space, SpaceEvent } from "@hawser/space";
import type { Timers } from "@hawser/sync";
import { BotError } from "./errors.ts";

export interface BridgeBotDeps {
  readonly space: Space;
  /** Where the bot remembers how far it is. */
  readonly store: LogStore;
  readonly timers: Timers;
  /** Hands one event over. What it throws is tried again, later and later. */
  readonly deliver: (event: SpaceEvent, signal: AbortSignal) => Promise<void>;
}

export interface BridgeBotOptions {
  /** Names the bot in the store, so that several may read one space. */
  readonly name: string;
  /** Types of events to hand over; default all. */
  readonly types?: readonly string[];
  /** Tries before the bot stops; default 10, a second apart and then twice as long each time. */
  readonly triesMax?: number;
}

/** A running bridge. */
export interface BridgeBot extends AsyncDisposable {
  /** Resolves when it was stopped; rejects with `BOT_DELIVERY_FAILED` when the other side never took it. */
  readonly done: Promise<void>;
  /** Events handed over since the start. */
  readonly delivered: number;
}

const firstPauseMs = 1_000;
const pauseMsMax = 15 * 60_000;
const defaultTries = 10;

/** Starts a bridge. */
export function createBridgeBot(deps: BridgeBotDeps, options: BridgeBotOptions): BridgeBot {
  const { space, store, timers, deliver } = deps;
  const { name, types, triesMax = defaultTries } = options;
  const abort = new AbortController();
  const { signal } = abort;
  const key = `bridge/${space.topic}/${name}`;
  let delivered = 0;

  const handOver = async (event: SpaceEvent): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      try {
        await deliver(event, signal);
        return;
      } catch (cause) {
        signal.throwIfAborted();
        if (attempt < triesMax) {
          await pause(timers, Math.min(pauseMsMax, firstPauseMs * 2 ** (attempt - 1)), signal);
          continue;
        }
        const message = `the other side took nothing in ${triesMax} tries`;
        throw new BotError("BOT_DELIVERY_FAILED", message, { cause });
      }
    }
  };

  const run = async (): Promise<void> => {
    const progress = readProgress(await store.get(key));
    for await (const batch of space.batches({ signal })) {
      // After a reset everything comes again: what was handed over stays so.
      for (const event of batch.events) {
        const isWanted = types === undefined || types.includes(event.type);
        if (!isWanted || isPast(progress, event)) continue;
        if (event.judgement === "accept") {
          await handOver(event);
          delivered += 1;
        }
        pass(progress, event);
        await store.commit({ writes: [{ key, value: encodeProgress(progress) }] });
      }
    }
  };
  const done = run().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  done.catch(() => undefined);
  return {
    done,
    get delivered() {
      return delivered;
    },
    [Symbol.asyncDispose]: async () => {
      abort.abort();
      await done.catch(() => undefined);
    },
  };
}

/** Posts events as JSON, signed, to one address. */
export function webhook(options: {
  readonly url: string;
  /** Shared with the receiver: it checks `x-hawser-signature`, HMAC-SHA-256 of the body in hex. */
  readonly secret: string;
  /** Default: the platform's. */
  readonly fetch?: typeof globalThis.fetch;
}): BridgeBotDeps["deliver"] {
  const { url, secret, fetch: send = globalThis.fetch } = options;
  return async (event, signal) => {
    const body = JSON.stringify(jsonOf(event));
    const headers = {
      "content-type": "application/json",
      "x-hawser-signature": await hmacHex(secret, body),
      // The same event may come twice: receivers drop what they know.
      "idempotency-key": toHex(event.hash),
    };
    const answer = await send(url, { method: "POST", headers, body, signal, redirect: "error" });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`the receiver answers ${answer.status}`);
  };
}

function jsonOf(event: SpaceEvent): Readonly<Record<string, unknown>> {
  const { logId, seq, author, stamp, hash, type, sequence = null, body } = event;
  const time = new Date(stamp / 1_000).toISOString();
  const text = Buffer.from(body).toString("base64");
  return { logId, seq, author, time, hash: toHex(hash), type, sequence, body: text };
}

async function hmacHex(secret: string, body: string): Promise<string> {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const { subtle } = globalThis.crypto;
  const key = await subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign"]);
  return toHex(new Uint8Array(await subtle.sign("HMAC", key, encoder.encode(body))));
}

/** How far a bridge is. */
interface Progress {
  /** Log id → one past the last event that was dealt with. */
  readonly heights: Map<string, number>;
  /** Quarantined events before that, as `log id/seq`: a manager may still accept them. */
  readonly withheld: Set<string>;
}

function refOf({ logId, seq }: SpaceEvent): string {
  return `${logId}/${seq}`;
}

function isPast({ heights, withheld }: Progress, event: SpaceEvent): boolean {
  if (event.seq >= (heights.get(event.logId) ?? 0)) return false;
  return !withheld.has(refOf(event)) || event.judgement !== "accept";
}

function pass({ heights, withheld }: Progress, event: SpaceEvent): void {
  heights.set(event.logId, Math.max(heights.get(event.logId) ?? 0, event.seq + 1));
  if (event.judgement === "accept") withheld.delete(refOf(event));
  else withheld.add(refOf(event));
}

function encodeProgress({ heights, withheld }: Progress): Uint8Array {
  const rows = [...heights].sort(([a], [b]) => (a < b ? -1 : 1));
  return encodeCbor([rows, [...withheld].sort()]);
}

function readProgress(bytes: Uint8Array | undefined): Progress {
  const progress: Progress = { heights: new Map(), withheld: new Set() };
  const value = bytes === undefined ? undefined : decodeCbor(bytes);
  if (!Array.isArray(value)) return progress;
  const [rows, refs]: readonly CborValue[] = value;
  for (const row of Array.isArray(rows) ? (rows as readonly CborValue[]) : []) {
    const [logId, height]: readonly CborValue[] = Array.isArray(row) ? row : [];
    if (typeof logId === "string" && typeof height === "number")
      progress.heights.set(logId, height);
  }
  for (const ref of Array.isArray(refs) ? (refs as readonly CborValue[]) : []) {
    if (typeof ref === "string") progress.withheld.add(ref);
  }
  return progress;
}

function pause(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      cancel();
      reject(signal.reason as Error);
    };
    const cancel = timers.after(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
