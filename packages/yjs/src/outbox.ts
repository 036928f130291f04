/**
 * Updates on their way into events (docs/spec/yjs.md §2): gathered for a moment, merged, appended.
 * What could not be appended stays and is tried again. Layer 7.
 */
import { mergeUpdates } from "yjs";
import type { EventDraft, EventRef } from "@hawser/view";
import { encodeBodies, eventType, pieceBytesMax, updateBytesMax } from "./body.ts";
import { YjsError } from "./errors.ts";

/** Calls back once after `delayMs`; the result cancels it. */
export interface Timers {
  after(delayMs: number, callback: () => void): () => void;
}

/** What an outbox takes. */
export interface OutboxDeps {
  readonly append: (drafts: readonly EventDraft[]) => Promise<readonly EventRef[]>;
  readonly timers: Timers;
  /** Told when `unsavedBytes` or `problem` changed. */
  readonly onChange: () => void;
}

/** Updates that are not durable yet. */
export interface Outbox {
  push(update: Uint8Array): void;
  /** Bytes of updates that are not durable. */
  readonly unsavedBytes: number;
  /** Why the last append failed, until one goes well. */
  readonly problem: Error | undefined;
  /** Resolves when everything pushed so far is durable. Rejects with what the source threw. */
  flush(): Promise<void>;
  /** No timer fires any more. */
  stop(): void;
}

/** How it gathers, and under which session. */
export interface OutboxOptions {
  readonly name: string;
  readonly session: () => number;
  /** Longest wait of an update before it is appended, in ms. */
  readonly flushMs: number;
}

/** Updates merged at a time: merging costs the square of it. */
const mergeCount = 16;
/** Bytes of events in one append. */
const appendBytesMax: number = 1024 * 1024;
const retryMsMin = 1_000;
const retryMsMax = 30_000;

/** An empty outbox. */
export function createOutbox(deps: OutboxDeps, options: OutboxOptions): Outbox {
  let pending: Uint8Array[] = [];
  let unsavedBytes = 0;
  let problem: Error | undefined;
  let cancelTimer: (() => void) | undefined;
  let running: Promise<void> | undefined;
  // Edits have waited their time while an append was running.
  let isDue = false;
  let retryMs = retryMsMin;
  let stopped = false;

  const schedule = (delayMs: number): void => {
    if (stopped || cancelTimer !== undefined) return;
    cancelTimer = deps.timers.after(delayMs, () => {
      cancelTimer = undefined;
      flushWhenDue();
    });
  };

  /** One append at a time, and one behind it with all that has come meanwhile. */
  const flushWhenDue = (): void => {
    isDue = running !== undefined;
    // The reason is in `problem`, and it is tried again.
    if (!isDue) flush().catch(() => undefined);
  };

  const writeAll = async (): Promise<void> => {
    const taken = pending;
    pending = [];
    let written = 0;
    try {
      for (const group of groupsOf(taken)) {
        await appendGroup(deps, options, group.updates);
        written = group.end;
        for (const update of group.updates) unsavedBytes -= update.length;
      }
      problem = undefined;
      retryMs = retryMsMin;
    } catch (error) {
      pending = [...taken.slice(written), ...pending];
      problem = error instanceof Error ? error : new Error("append failed", { cause: error });
      retryMs = Math.min(retryMs * 2, retryMsMax);
      throw problem;
    } finally {
      deps.onChange();
    }
  };

  const flush = async (): Promise<void> => {
    while (running !== undefined) await running.catch(() => undefined);
    if (pending.length === 0) return;
    cancelTimer?.();
    cancelTimer = undefined;
    running = writeAll();
    try {
      await running;
      running = undefined;
      if (isDue) flushWhenDue();
    } catch (error) {
      running = undefined;
      isDue = false;
      schedule(retryMs);
      throw error;
    }
  };

  return {
    push: (update) => {
      pending.push(update);
      unsavedBytes += update.length;
      schedule(options.flushMs);
      deps.onChange();
    },
    get unsavedBytes() {
      return unsavedBytes;
    },
    get problem() {
      return problem;
    },
    flush,
    stop: () => {
      stopped = true;
      cancelTimer?.();
      cancelTimer = undefined;
    },
  };
}

interface Group {
  readonly updates: readonly Uint8Array[];
  /** How many of all updates are in this group and those before. */
  readonly end: number;
}

/** Updates that go into one append. */
function* groupsOf(updates: readonly Uint8Array[]): Generator<Group, void, undefined> {
  let start = 0;
  let byteCount = 0;
  for (const [index, { length }] of updates.entries()) {
    if (index > start && byteCount + length > appendBytesMax) {
      yield { updates: updates.slice(start, index), end: index };
      start = index;
      byteCount = 0;
    }
    byteCount += length;
  }
  if (start < updates.length) yield { updates: updates.slice(start), end: updates.length };
}

async function appendGroup(
  deps: OutboxDeps,
  { name, session }: OutboxOptions,
  updates: readonly Uint8Array[],
): Promise<void> {
  const bodies: Uint8Array[] = [];
  for (const part of partsOf(updates)) {
    const merged = mergeAll(part);
    if (merged.length > updateBytesMax) {
      const message = `a transaction of ${merged.length} bytes; at most ${updateBytesMax} fit`;
      throw new YjsError("YJS_UPDATE_TOO_LARGE", message);
    }
    bodies.push(...encodeBodies(name, session(), merged));
  }
  let batch: EventDraft[] = [];
  let byteCount = 0;
  for (const body of bodies) {
    if (batch.length > 0 && byteCount + body.length > appendBytesMax) {
      await deps.append(batch);
      batch = [];
      byteCount = 0;
    }
    batch.push({ type: eventType, body });
    byteCount += body.length;
  }
  if (batch.length > 0) await deps.append(batch);
}

/** Runs of updates that fit into one event together; a larger one stands alone. */
function* partsOf(
  updates: readonly Uint8Array[],
): Generator<readonly Uint8Array[], void, undefined> {
  let part: Uint8Array[] = [];
  let byteCount = 0;
  for (const update of updates) {
    if (part.length > 0 && byteCount + update.length > pieceBytesMax) {
      yield part;
      part = [];
      byteCount = 0;
    }
    part.push(update);
    byteCount += update.length;
  }
  if (part.length > 0) yield part;
}

/** One update of many, merged in small groups. */
function mergeAll(updates: readonly Uint8Array[]): Uint8Array {
  let level = updates;
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let start = 0; start < level.length; start += mergeCount) {
      const group = level.slice(start, start + mergeCount);
      const [only] = group;
      next.push(group.length === 1 && only !== undefined ? only : mergeUpdates(group));
    }
    level = next;
  }
  return level[0] ?? new Uint8Array(0);
}
