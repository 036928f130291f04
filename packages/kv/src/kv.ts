/**
 * createKv: a key-value map over any event source. Reads are synchronous, from memory.
 */
import {
  openView,
  type EventRef,
  type Gate,
  type SnapshotOptions,
  type OpenView,
  type ViewDeps,
  type ViewEvent,
} from "@hawser/view";
import { KvError } from "./errors.ts";
import { createExpiry, type Expiry, type KvClock, type KvTimers } from "./expiry.ts";
import { originsOf, type KvExplainOptions } from "./explain.ts";
import { isCountable, valueOf, type HeldVersion, type KvState } from "./held.ts";
import { checkIncrement, checkPut, decodeOps, encodeOps, noVersion, type KvOp } from "./ops.ts";
import { kvView } from "./state.ts";
import type {
  KvChange,
  KvExplanation,
  KvPair,
  KvPut,
  KvRangeOptions,
  KvValue,
  KvVersion,
} from "./types.ts";

export interface KvWatchOptions {
  readonly prefix?: string;
  readonly signal?: AbortSignal;
}

export interface Kv extends AsyncDisposable {
  /** Resolves when everything stored at opening time can be read. */
  readonly ready: Promise<void>;
  /** The value, or `undefined` when the key is absent. */
  get(key: string): KvValue | undefined;
  has(key: string): boolean;
  /** How many keys have a value; takes a step for each that has expired. */
  readonly size: number;
  /** Pairs in key order (UTF-16 code units). The map must not change during the iteration. */
  range(options?: KvRangeOptions): Generator<KvPair, void, undefined>;
  /** Every version that nobody has replaced, the visible one first. More than one: a conflict. */
  conflicts(key: string): readonly KvVersion[];
  /**
   * Which events the value rests on, and which its conflicts: who wrote them, when, and by what right.
   * Reads the source once; rejects with the signal's reason and what the source throws.
   */
  explain<Authority = never>(
    key: string,
    options?: KvExplainOptions<Authority>,
  ): Promise<KvExplanation<Authority>>;
  /**
   * Resolves when durable and readable. With `ttlMs` the key reads as absent so long after the put's
   * stamp. Errors: KV_KEY_INVALID, KV_VALUE_TOO_LARGE, KV_VALUE_INVALID, KV_TTL_INVALID.
   */
  put(key: string, value: KvValue, options?: Pick<KvPut, "ttlMs">): Promise<void>;
  /**
   * Adds to a number; an absent key counts from 0. What several add at the same time all counts. Default
   * amount 1. Errors: KV_KEY_INVALID, KV_AMOUNT_INVALID, KV_NOT_A_NUMBER.
   */
  increment(key: string, amount?: number): Promise<void>;
  del(key: string): Promise<void>;
  /** All puts and deletes in one signed batch; of several for one key the last counts. */
  batch(puts: readonly KvPut[]): Promise<void>;
  /** Each changed key once per change, as it now reads, until the signal aborts. */
  watch(options?: KvWatchOptions): AsyncIterable<KvChange>;
  /** Resolves when the event at that place is folded in. */
  applied(ref: EventRef, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** For UI frameworks: called after each change. */
  subscribe(listener: () => void): () => void;
  readonly revision: number;
}

export interface KvOptions {
  /** Decides which events count, an access control document for instance (`@hawser/acl`). */
  readonly gate?: Gate;
  /**
   * Snapshots of the map on this device, so that opening it again is quick; default on where the
   * source has a shelf and no gate decides. `false`: none.
   */
  readonly snapshots?: SnapshotOptions | false;
}

/** What a map runs on. */
export interface KvDeps extends ViewDeps {
  /** Says what has expired. Without it nothing expires for this reader. */
  readonly clock?: KvClock;
  /** With them, watchers and subscribers hear when something expires. */
  readonly timers?: KvTimers;
}

/** Opens the key-value view of a source. */
export function createKv(deps: KvDeps, options: KvOptions = {}): Kv {
  const { gate, snapshots = {} } = options;
  const view = openView(deps, kvView, {
    ...(gate && { gate }),
    ...(snapshots !== false && { snapshots }),
  });
  const closed = new AbortController();
  const expiry = createExpiry(
    deps,
    () => view.state,
    (keys) => hub.tell(keys),
  );
  const hub = createHub(view, expiry);
  view.ready.then(expiry.moved, () => undefined);
  const winnerOf = (key: string): HeldVersion | undefined => view.state.versions.get(key)?.[0];
  const get = (key: string): KvValue | undefined => {
    const winner = winnerOf(key);
    return expiry.isExpired(winner) ? undefined : valueOf(winner);
  };
  const { batch, increment } = createWriting(view, (version) => expiry.isExpired(version));
  return {
    ready: view.ready,
    get,
    has: (key) => get(key) !== undefined,
    get size() {
      return view.state.present.size - expiry.expiredCount();
    },
    get revision() {
      return hub.revision;
    },
    range: (options = {}) => range(view.state, get, options),
    conflicts: (key) =>
      (view.state.versions.get(key) ?? []).map((version) => {
        const { author, stamp, expiresAt } = version;
        return { value: valueOf(version), author, stamp, expiresAt };
      }),
    explain: async (key, options = {}) => {
      await view.ready;
      const isWithheld = (event: ViewEvent): boolean =>
        view
          .withheld()
          .some((one) => one.event.logId === event.logId && one.event.seq === event.seq);
      const reader = { state: () => view.state, isWithheld };
      const origins = await originsOf(deps, key, reader, options);
      const value = get(key);
      const state = stateOf(winnerOf(key), value);
      return { key, value, state, origins };
    },
    put: (key, value, options = {}) => batch([{ key, value, ...options }]),
    del: (key) => batch([{ key, value: undefined }]),
    increment,
    batch,
    watch: (options = {}) => watch(hub, get, closed.signal, options),
    applied: view.applied,
    subscribe: (listener) => hub.subscribe(() => listener()),
    [Symbol.asyncDispose]: async () => {
      expiry.stop();
      closed.abort();
      await view[Symbol.asyncDispose]();
    },
  };
}

function stateOf(
  winner: HeldVersion | undefined,
  value: KvValue | undefined,
): KvExplanation<never>["state"] {
  if (value !== undefined) return "value";
  if (winner === undefined) return "unknown";
  return valueOf(winner) === undefined ? "deleted" : "expired";
}

/** Changes of the state and expiries, as one stream of keys. */
interface Hub {
  readonly revision: number;
  tell(keys: readonly string[]): void;
  /** Called with the keys that changed; none when the view failed. */
  subscribe(listener: (keys: Iterable<string>) => void): () => void;
}

function createHub(view: OpenView<KvState>, expiry: Pick<Expiry, "moved">): Hub {
  const listeners = new Set<(keys: Iterable<string>) => void>();
  let expiries = 0;
  view.subscribe((events) => {
    expiry.moved();
    if (listeners.size === 0) return;
    const keys = new Set(events.flatMap(({ body }) => decodeOps(body).map(({ key }) => key)));
    for (const listener of listeners) listener(keys);
  });
  return {
    get revision() {
      return view.revision + expiries;
    },
    tell: (keys) => {
      expiries += 1;
      for (const listener of listeners) listener(keys);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Writes ops that say what they replace, or add to. */
function createWriting(
  view: OpenView<KvState>,
  isExpired: (version: HeldVersion) => boolean,
): Pick<Kv, "batch" | "increment"> {
  const pending = new Set<Promise<unknown>>();
  const write = async (ops: readonly KvOp[]): Promise<void> => {
    const written = view.write(encodeOps(ops).map((body) => ({ type: "kv", body })));
    pending.add(written);
    await written.finally(() => pending.delete(written));
  };
  const batch = async (puts: readonly KvPut[]): Promise<void> => {
    for (const put of puts) checkPut(put);
    const lastPuts = new Map(puts.map((put) => [put.key, put]));
    await write(
      [...lastPuts.values()].map((put) => ({ ...put, replaces: versionIds(view.state, put.key) })),
    );
  };
  const increment = async (key: string, amount = 1): Promise<void> => {
    checkIncrement(key, amount);
    // What is stored, and what this map put before, is what is added to: it must be shown first.
    await view.ready;
    while (pending.size > 0) await Promise.allSettled(pending);
    const winner = view.state.versions.get(key)?.[0];
    if (winner !== undefined && !isCountable(winner)) {
      throw new KvError("KV_NOT_A_NUMBER", `${key} holds something that nothing can be added to`);
    }
    // Adding to what has expired would be seen by nobody: the counter begins anew.
    if (winner !== undefined && isExpired(winner)) return batch([{ key, value: amount }]);
    const base = winner?.id ?? noVersion;
    const ops = [{ key, value: undefined, replaces: [], increment: { amount, base } }];
    await view.write(encodeOps(ops).map((body) => ({ type: "kv", body })));
  };
  return { batch, increment };
}

function versionIds(state: KvState, key: string): readonly Uint8Array[] {
  return (state.versions.get(key) ?? []).map((version) => version.id);
}

function* range(
  state: KvState,
  get: (key: string) => KvValue | undefined,
  options: KvRangeOptions,
): Generator<KvPair, void, undefined> {
  const { prefix = "", limit = Number.POSITIVE_INFINITY } = options;
  const from = options.from !== undefined && options.from > prefix ? options.from : prefix;
  const isInside = (key: string): boolean =>
    key >= from && (options.to === undefined || key < options.to) && key.startsWith(prefix);
  const keys = options.reverse
    ? state.present.descend(upperEnd(prefix, options.to))
    : state.present.ascend(from);
  let count = 0;
  for (const key of keys) {
    if (count >= limit || !isInside(key)) return;
    const value = get(key);
    if (value === undefined) continue;
    count += 1;
    yield { key, value };
  }
}

/** The first key that is after every key with `prefix` and not before `to`, or none. */
function upperEnd(prefix: string, to: string | undefined): string | undefined {
  const last = prefix.charCodeAt(prefix.length - 1);
  const after =
    prefix === "" || last === 0xffff
      ? undefined
      : prefix.slice(0, -1) + String.fromCharCode(last + 1);
  if (to === undefined) return after;
  return after === undefined || to < after ? to : after;
}

async function* watch(
  hub: Hub,
  get: (key: string) => KvValue | undefined,
  closed: AbortSignal,
  options: KvWatchOptions,
): AsyncGenerator<KvChange, void, undefined> {
  const { prefix = "", signal } = options;
  // A set, not a queue: a slow reader sees each key once, as it reads when its turn comes.
  const changed = new Set<string>();
  let wake: () => void = () => undefined;
  const onAbort = (): void => wake();
  const unsubscribe = hub.subscribe((keys) => {
    for (const key of keys) if (key.startsWith(prefix)) changed.add(key);
    wake();
  });
  closed.addEventListener("abort", onAbort);
  signal?.addEventListener("abort", onAbort);
  try {
    while (!closed.aborted && signal?.aborted !== true) {
      for (const key of changed) {
        changed.delete(key);
        yield { key, value: get(key) };
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (changed.size > 0 || closed.aborted || signal?.aborted === true) resolve();
      });
    }
  } finally {
    unsubscribe();
    closed.removeEventListener("abort", onAbort);
    signal?.removeEventListener("abort", onAbort);
  }
}
