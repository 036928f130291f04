/**
 * Values and removals on their way into events (docs/spec/automerge.md §2): one append at a time, and
 * one behind it with all that came meanwhile. What could not be appended is tried again. Layer 7.
 */
import type { EventDraft, EventRef, EventSource } from "@hawser/view";
import { encodePut, encodeRemove, eventType, removeCountMax, type Key } from "./body.ts";

/** Calls back once after `delayMs`; the result cancels it. */
export interface Timers {
  after(delayMs: number, callback: () => void): () => void;
}

/** What an outbox takes. */
export interface OutboxDeps {
  readonly append: EventSource["append"];
  readonly timers: Timers;
}

/** What is not durable yet. */
export interface Outbox {
  /**
   * Resolves when the value is durable, to an event that is not before it. Never rejects: a repo that
   * is told of one failed write never compacts again, so what fails is tried until it goes well.
   */
  put(key: Key, value: Uint8Array): Promise<EventRef | undefined>;
  /** As `put`, but waits a moment for others: nothing is lost where a removal is. */
  remove(key: Key): Promise<EventRef | undefined>;
  /** Resolves when all of it is durable. Rejects with what the source threw. */
  flush(): Promise<void>;
  /** Why the last append failed, until one goes well. */
  readonly problem: Error | undefined;
  /** No timer fires any more. */
  stop(): void;
}

interface Item {
  readonly what: { readonly bodies: readonly Uint8Array[] } | { readonly removed: Key[] };
  readonly done: ReturnType<typeof Promise.withResolvers<EventRef | undefined>>;
}

const retryMsMin = 1_000;
const retryMsMax = 30_000;
/** A repo removes one value after another: they go with the next value, or so many ms later. */
const removeMs = 250;
/** Bytes of events in one append. */
const appendBytesMax: number = 1024 * 1024;

/** An empty outbox. */
export function createOutbox({ append, timers }: OutboxDeps): Outbox {
  const waiting: Item[] = [];
  // So many at the front are being appended.
  let takenCount = 0;
  let problem: Error | undefined;
  let running: Promise<void> | undefined;
  let cancelTimer: (() => void) | undefined;
  let retryMs = retryMsMin;
  let stopped = false;

  const flushAfter = (delayMs: number): void => {
    if (stopped) return;
    // Its failure is in `problem`.
    cancelTimer ??= timers.after(delayMs, () => void flush().catch(() => undefined));
  };
  const add = (what: Item["what"]): Item["done"]["promise"] => {
    const done = Promise.withResolvers<EventRef | undefined>();
    waiting.push({ what, done });
    return done.promise;
  };
  const drain = async (): Promise<void> => {
    cancelTimer?.();
    cancelTimer = undefined;
    try {
      while (waiting.length > 0) {
        const group = groupOf(waiting);
        takenCount = group.itemCount;
        const ref = await appendInParts(append, group.bodies);
        for (const { done } of waiting.splice(0, takenCount)) done.resolve(ref);
      }
      problem = undefined;
      retryMs = retryMsMin;
    } catch (error) {
      problem = error instanceof Error ? error : new Error("append failed", { cause: error });
      flushAfter(retryMs);
      retryMs = Math.min(retryMs * 2, retryMsMax);
      throw problem;
    } finally {
      takenCount = 0;
      running = undefined;
    }
  };
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    running ??= drain();
    await running;
  };
  return {
    put: (key, value) => {
      const durable = add({ bodies: encodePut(key, value) });
      flush().catch(() => undefined);
      return durable;
    },
    remove: (key) => {
      const last = waiting.length > takenCount ? waiting.at(-1) : undefined;
      if (
        last !== undefined &&
        "removed" in last.what &&
        last.what.removed.length < removeCountMax
      ) {
        last.what.removed.push(key);
        return last.done.promise;
      }
      if (running === undefined) flushAfter(removeMs);
      return add({ removed: [key] });
    },
    flush,
    get problem() {
      return problem;
    },
    stop: () => {
      stopped = true;
      cancelTimer?.();
    },
  };
}

/** The bodies of as many items at the front as go into one append, of one at least. */
function groupOf(items: readonly Item[]): {
  readonly bodies: readonly Uint8Array[];
  readonly itemCount: number;
} {
  const bodies: Uint8Array[] = [];
  let itemCount = 0;
  let byteCount = 0;
  for (const { what } of items) {
    const own = "bodies" in what ? what.bodies : [encodeRemove(what.removed)];
    for (const { length } of own) byteCount += length;
    if (itemCount > 0 && byteCount > appendBytesMax) break;
    bodies.push(...own);
    itemCount += 1;
  }
  return { bodies, itemCount };
}

/** A value that is larger than one append goes in several, with nothing in between. */
async function appendInParts(
  append: EventSource["append"],
  bodies: readonly Uint8Array[],
): Promise<EventRef | undefined> {
  let refs: readonly EventRef[] = [];
  let part: EventDraft[] = [];
  let byteCount = 0;
  for (const body of bodies) {
    if (part.length > 0 && byteCount + body.length > appendBytesMax) {
      refs = await append(part);
      part = [];
      byteCount = 0;
    }
    part.push({ type: eventType, body });
    byteCount += body.length;
  }
  if (part.length > 0) refs = await append(part);
  return refs.at(-1);
}
