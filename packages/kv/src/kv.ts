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
import { checkPut, decodeOps, encodeOps } from "./ops.ts";
import { kvView, type KvState } from "./state.ts";
import type { KvChange, KvPair, KvPut, KvRangeOptions, KvValue, KvVersion } from "./types.ts";

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
  /** How many keys have a value. */
  readonly size: number;
  /** Pairs in key order (UTF-16 code units). The map must not change during the iteration. */
  range(options?: KvRangeOptions): Generator<KvPair, void, undefined>;
  /** Every version that nobody has replaced, the visible one first. More than one: a conflict. */
  conflicts(key: string): readonly KvVersion[];
  /** Resolves when durable and readable. Errors: KV_KEY_INVALID, KV_VALUE_TOO_LARGE. */
  put(key: string, value: KvValue): Promise<void>;
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

/** Opens the key-value view of a source. */
export function createKv(deps: ViewDeps, options: KvOptions = {}): Kv {
  const { gate, snapshots = {} } = options;
  const view = openView(deps, kvView, {
    ...(gate && { gate }),
    ...(snapshots !== false && { snapshots }),
  });
  const batch = async (puts: readonly KvPut[]): Promise<void> => {
    for (const put of puts) checkPut(put);
    const lastPuts = new Map(puts.map((put) => [put.key, put]));
    const ops = [...lastPuts.values()].map((put) => ({
      ...put,
      replaces: versionIds(view.state, put.key),
    }));
    await view.write(encodeOps(ops).map((body) => ({ type: "kv", body })));
  };
  return {
    ready: view.ready,
    get: (key) => view.state.versions.get(key)?.[0]?.value,
    has: (key) => view.state.versions.get(key)?.[0]?.value !== undefined,
    get size() {
      return view.state.present.size;
    },
    get revision() {
      return view.revision;
    },
    range: (options = {}) => range(view.state, options),
    conflicts: (key) =>
      (view.state.versions.get(key) ?? []).map(({ value, author, stamp }) => ({
        value,
        author,
        stamp,
      })),
    put: (key, value) => batch([{ key, value }]),
    del: (key) => batch([{ key, value: undefined }]),
    batch,
    watch: (options = {}) => watch(view, options),
    applied: view.applied,
    subscribe: (listener) => view.subscribe(() => listener()),
    [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
  };
}

function versionIds(state: KvState, key: string): readonly Uint8Array[] {
  return (state.versions.get(key) ?? []).map((version) => version.id);
}

function* range(state: KvState, options: KvRangeOptions): Generator<KvPair, void, undefined> {
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
    const value = state.versions.get(key)?.[0]?.value;
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
  view: OpenView<KvState>,
  options: KvWatchOptions,
): AsyncGenerator<KvChange, void, undefined> {
  const prefix = options.prefix ?? "";
  // A set, not a queue: a slow reader sees each key once, as it reads when its turn comes.
  const changed = new Set<string>();
  const unsubscribe = view.subscribe((events: readonly ViewEvent[]) => {
    for (const event of events) {
      for (const { key } of decodeOps(event.body)) if (key.startsWith(prefix)) changed.add(key);
    }
  });
  try {
    yield* drain(view, changed);
    const signals = options.signal === undefined ? {} : { signal: options.signal };
    for await (const _ of view.changes(signals)) yield* drain(view, changed);
  } finally {
    unsubscribe();
  }
}

function* drain(view: OpenView<KvState>, changed: Set<string>): Generator<KvChange> {
  for (const key of changed) {
    changed.delete(key);
    yield { key, value: view.state.versions.get(key)?.[0]?.value };
  }
}
