/**
 * createWatcher: the watches of one store by qid (docs/spec/query.md §7.6). Layer 3; pure.
 */
import { toHex } from "@hawser/codec";
import { QueryError } from "../errors.ts";
import type { CompiledQuery } from "../types.ts";
import { createFeed } from "./feed.ts";
import type { Clock, PacketStore, Timers } from "./types.ts";
import { runWatch, type PacketHandler, type WatchEnd, type WatchRun } from "./watch.ts";

export interface WatcherDeps {
  readonly store: PacketStore;
  /** The clock of the store's receive stamps: it decides when a watch expires. */
  readonly clock: Clock;
  readonly timers: Timers;
}

export interface WatcherOptions {
  /** Watches at one time at most; default 4,096. */
  readonly watchesMax?: number;
}

export interface WatchOptions {
  /** Aborting ends the watch as `closed`. */
  readonly signal?: AbortSignal;
}

/** A registered watch. */
export interface Watch {
  readonly qid: Uint8Array;
  readonly query: CompiledQuery;
  /** Settles once the last callback is done; never rejects. */
  readonly ended: Promise<WatchEnd>;
  /** Ends it as `closed`. */
  stop(): void;
  /** Packets so far that satisfied every rule, and those of them that were new. */
  counts(): { readonly matchCount: number; readonly freshCount: number };
}

export interface Watcher extends AsyncDisposable {
  /**
   * Gives every packet of the store that the query gives, then every new one, until it ends. A watch
   * of the same qid is replaced at once. May be called from a callback. Throws QueryError
   * WATCH_QID_MISSING, WATCH_TOO_MANY, WATCH_CLOSED.
   */
  watch(query: CompiledQuery, onPacket: PacketHandler, options?: WatchOptions): Watch;
  /** Ends the watch of this qid as `closed`; whether there was one. */
  stop(qid: Uint8Array): boolean;
  /** Ends every watch whose qid begins so; how many there were. */
  stopPrefix(prefix: Uint8Array): number;
  /** The watches that run, by qid. */
  list(): readonly Watch[];
  /** Looks for packets that came another way than through this store object: by another process. */
  wake(): void;
  /**
   * Ends all as `closed` and waits for their last callbacks, so a callback must not wait for it.
   * Idempotent.
   */
  close(): Promise<void>;
}

/** Timers take no longer delays. */
const delayMsMax = 0x7fff_ffff;

/** A watcher without watches. The store stays its owner's. */
export function createWatcher(deps: WatcherDeps, options: WatcherOptions = {}): Watcher {
  const { watchesMax = 4_096 } = options;
  const { store } = deps;
  const feed = createFeed(store);
  const entries = new Map<string, { readonly watch: Watch; readonly run: WatchRun }>();
  /** Runs that have not ended, the replaced and stopped ones among them. */
  const running = new Set<WatchRun>();
  const unsubscribe = store.onAdd(() => feed.wake());
  let isClosed = false;

  const watch = (
    query: CompiledQuery,
    onPacket: PacketHandler,
    { signal }: WatchOptions = {},
  ): Watch => {
    const { qid } = query;
    if (isClosed) throw new QueryError("WATCH_CLOSED", "the watcher is closed");
    if (qid === undefined) throw new QueryError("WATCH_QID_MISSING", "a watch needs a :qid");
    const id = toHex(qid);
    const old = entries.get(id);
    if (old === undefined && entries.size >= watchesMax) {
      throw new QueryError("WATCH_TOO_MANY", `${watchesMax} watches are running`);
    }
    old?.run.cut("replaced");
    const run = runWatch({ store, feed }, query, onPacket);
    const stop = (): void => run.cut("closed");
    const entry = { watch: { qid, query, ended: run.ended, stop, counts: run.counts }, run };
    entries.set(id, entry);
    running.add(run);
    const disarm = armExpiry(deps, query, run);
    const detach = onAbort(signal, stop);
    void run.ended.then(() => {
      running.delete(run);
      disarm();
      detach();
      if (entries.get(id) === entry) entries.delete(id);
    });
    return entry.watch;
  };

  const stopPrefix = (prefix: Uint8Array): number => {
    const text = toHex(prefix);
    const found = [...entries].filter(([id]) => id.startsWith(text));
    for (const [id, { run }] of found) {
      run.cut("closed");
      entries.delete(id);
    }
    return found.length;
  };

  const close = async (): Promise<void> => {
    isClosed = true;
    unsubscribe();
    stopPrefix(new Uint8Array(0));
    await Promise.all([...running].map((run) => run.ended));
  };

  return {
    watch,
    stop(qid) {
      const entry = entries.get(toHex(qid));
      entry?.run.cut("closed");
      return entries.delete(toHex(qid));
    },
    stopPrefix,
    list: () => [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry.watch),
    wake: () => feed.wake(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Calls back when the signal aborts, at once where it has; returns the cancel function. */
function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal?.aborted === true) callback();
  signal?.addEventListener("abort", callback);
  return () => signal?.removeEventListener("abort", callback);
}

/** Expires the run once the clock is past the query's upper bound; returns the cancel function. */
function armExpiry(
  { clock, timers }: WatcherDeps,
  query: CompiledQuery,
  run: WatchRun,
): () => void {
  const high = Number(query.recv.high);
  let cancel: () => void = () => undefined;
  if (high >= Number.MAX_SAFE_INTEGER) return cancel;
  const arm = (): void => {
    const leftMs = Math.ceil((high + 1 - clock.nowMicros()) / 1_000);
    if (leftMs <= 0) run.expire();
    else cancel = timers.after(Math.min(leftMs, delayMsMax), arm);
  };
  arm();
  return () => cancel();
}
