/**
 * Watching keys: told of entries at once, and of what expires when there are timers
 * (docs/spec/record.md §6.4).
 */
import type { AuthorId } from "@hawser/crypto";
import type { OpenView, ViewEvent } from "@hawser/view";
import { decodeOp } from "./ops.ts";
import type { RecordDocument } from "./show.ts";
import type { RecordState } from "./view.ts";

/** Calls back later. */
export interface RecordTimers {
  /** Returns a function that cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

/** Which keys. */
export interface WatchOptions {
  /** One key; else all with `prefix`, default all. */
  readonly key?: string;
  readonly prefix?: string;
  readonly signal?: AbortSignal;
}

/** A key that reads differently. */
export interface RecordChange {
  readonly key: string;
  /** Everybody's documents as they now read; none when the last one is gone. */
  readonly documents: ReadonlyMap<AuthorId, RecordDocument>;
}

/** What a watcher looks at. */
export interface Watched {
  readonly view: OpenView<RecordState>;
  readonly get: (key: string) => ReadonlyMap<AuthorId, RecordDocument>;
  /** When a key next reads differently by itself, in µs; infinite for never. */
  readonly nextExpiry: (key: string) => number;
  readonly now: () => number;
  readonly timers: RecordTimers | undefined;
  readonly closed: AbortSignal;
}

/** Expiries this close are told together, so that looking for them costs little. */
const tickMs = 100;
/** Timers overflow far later than this. */
const waitMsMax = 60 * 60 * 1_000;

/** Yields changes until the signal aborts or the records are closed. */
export async function* watchKeys(
  watched: Watched,
  options: WatchOptions,
): AsyncGenerator<RecordChange, void, undefined> {
  const changed = new Set<string>();
  const expiries = createExpiries(watched, options);
  const stopped = (): boolean => watched.closed.aborted || options.signal?.aborted === true;
  let wake: () => void = () => undefined;
  let state = watched.view.state;
  const unsubscribe = watched.view.subscribe((events) => {
    for (const event of events) noteKey(event, options, changed);
    if (watched.view.state !== state) {
      // Begun anew: whatever there was may read differently.
      state = watched.view.state;
      for (const key of [...expiries.keys(), ...state.documents.keys()]) {
        if (isWanted(key, options)) changed.add(key);
      }
    }
    wake();
  });
  const onAbort = (): void => wake();
  watched.closed.addEventListener("abort", onAbort);
  options.signal?.addEventListener("abort", onAbort);
  try {
    while (!stopped()) {
      // A set, not a queue: a slow reader sees each key once, as it reads when its turn comes.
      for (const key of [...changed, ...expiries.due()]) {
        changed.delete(key);
        expiries.note(key);
        yield { key, documents: watched.get(key) };
        if (stopped()) return;
      }
      if (changed.size > 0) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const cancel = expiries.wait(resolve);
      await promise;
      cancel();
    }
  } finally {
    unsubscribe();
    watched.closed.removeEventListener("abort", onAbort);
    options.signal?.removeEventListener("abort", onAbort);
  }
}

function isWanted(key: string, { key: only, prefix = "" }: WatchOptions): boolean {
  return only === undefined ? key.startsWith(prefix) : key === only;
}

function noteKey(event: ViewEvent, options: WatchOptions, changed: Set<string>): void {
  const verdict = decodeOp(event.body, event.stamp);
  const key = verdict.ok ? verdict.op.key : "";
  if (key !== "" && isWanted(key, options)) changed.add(key);
}

/** When the keys that are watched expire next. */
interface Expiries {
  keys(): Iterable<string>;
  /** Looks at a key again. */
  note(key: string): void;
  /** Keys of which something has expired since they were looked at. */
  due(): readonly string[];
  /** Calls back when something may be due; returns how to cancel. */
  wait(callback: () => void): () => void;
}

function createExpiries(watched: Watched, options: WatchOptions): Expiries {
  const nextOf = new Map<string, number>();
  const { timers } = watched;
  // Never later than the first of `nextOf`.
  let soonest = Number.POSITIVE_INFINITY;
  const note = (key: string): void => {
    const next = watched.nextExpiry(key);
    if (next === Number.POSITIVE_INFINITY) nextOf.delete(key);
    else nextOf.set(key, next);
    soonest = Math.min(soonest, next);
  };
  for (const key of watched.view.state.documents.keys()) if (isWanted(key, options)) note(key);
  return {
    keys: () => nextOf.keys(),
    note,
    due: () => {
      const now = watched.now();
      if (timers === undefined || soonest > now) return [];
      soonest = Number.POSITIVE_INFINITY;
      const due: string[] = [];
      for (const [key, next] of nextOf) {
        if (next <= now) due.push(key);
        else soonest = Math.min(soonest, next);
      }
      return due;
    },
    wait: (callback) => {
      if (timers === undefined || soonest === Number.POSITIVE_INFINITY) return () => undefined;
      const delayMs = Math.ceil((soonest - watched.now()) / 1_000);
      return timers.after(Math.min(Math.max(delayMs, tickMs), waitMsMax), callback);
    },
  };
}
