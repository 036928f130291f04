/**
 * createRecords: documents of typed values over any event source. Every author writes its own; all
 * are read (docs/spec/record.md). Layer 7; the clock is injected.
 */
import type { AuthorId } from "@hawser/crypto";
import {
  openView,
  type EventRef,
  type Gate,
  type OpenView,
  type SnapshotOptions,
  type ViewDeps,
} from "@hawser/view";
import { annotated, verdictKey, verdictsOf } from "./annotate.ts";
import { applyOp } from "./apply.ts";
import { RecordError } from "./errors.ts";
import { createFutureStamps, type FutureStamps } from "./future.ts";
import { aliveAt, type HeldDict } from "./held.ts";
import { documentBytesMax, keyBytesMax, liveKeysMax, ttlMsMax } from "./limits.ts";
import { isRefusal, type Refusal } from "./merge.ts";
import { pathNodes, printNode, toNode } from "./nodes.ts";
import { encodeOp, eventType, isKey, type RecordOp } from "./ops.ts";
import { findIn, type RecordMatch, type RecordQuery } from "./query.ts";
import { createRegistry, type TagRegistry } from "./registry.ts";
import { smartTags } from "./tags.ts";
import { nextExpiry, showDocument, type RecordDocument } from "./show.ts";
import type { NodeInput, Path, RecordNode } from "./types.ts";
import { collect, collectFrom, recordView, type RecordState, type RefusedEntry } from "./view.ts";
import { watchKeys, type RecordChange, type RecordTimers, type WatchOptions } from "./watch.ts";

/** What records need. */
export interface RecordsDeps extends ViewDeps {
  /** The present in µs; decides what has expired for a reader. */
  readonly clock: { nowMicros(): number };
  /** Who writes here: the author of what the source appends. */
  readonly author: AuthorId;
  /** Lets `watch` tell of what expires; without, it tells of entries alone. */
  readonly timers?: RecordTimers;
}

/** How records behave. */
export interface RecordsOptions {
  /** Decides which events count, an access control document for instance (`@hawser/acl`). */
  readonly gate?: Gate;
  /**
   * Snapshots of the documents on this device, so that opening them again is quick; default on where
   * the source has a shelf and no gate decides. Refusals are in none. `false`: none.
   */
  readonly snapshots?: SnapshotOptions | false;
  /** Lifetime of what is written without one; default an hour. */
  readonly ttlMsDefault?: number;
  /** Least time between two writes to one key by this author; default 0. */
  readonly writeIntervalMsMin?: number;
  /** Smart tags; default the built-in ones. It matters for writing: it says which are set-like. */
  readonly registry?: TagRegistry;
}

/** How long what is written lives. */
export interface WriteOptions {
  /** ms, 1 to 30 days. */
  readonly ttlMs?: number;
}

/** What is read. */
export interface ReadOptions {
  /** As of when, in µs; default now. What had expired by an author's newest entry is gone. */
  readonly nowMicros?: number;
  /** Whose documents; default everybody's. */
  readonly authors?: readonly AuthorId[];
  /** Shows requests as what these verifiers say; of several the later in the list wins. */
  readonly annotateBy?: readonly AuthorId[];
}

/** All documents of a source. */
export interface Records extends AsyncDisposable {
  /** Resolves when everything stored at opening time can be read. */
  readonly ready: Promise<void>;
  /**
   * Merges a dictionary into the own document under a key. Resolves when durable and readable.
   * Throws RECORD_KEY_INVALID, RECORD_TTL_INVALID, RECORD_TOO_MANY_KEYS, RECORD_TOO_SOON, and why
   * the op would change nothing (`RefusalCode`); nothing is appended then.
   */
  update(key: string, dict: NodeInput, options?: WriteOptions): Promise<void>;
  /** Puts a value at a path, whatever was there. Throws as `update`. */
  set(key: string, path: Path, value: NodeInput, options?: WriteOptions): Promise<void>;
  /** Takes out the value at a path, or one element of the list there. Throws as `update`. */
  remove(key: string, path?: Path, options?: { readonly item?: NodeInput }): Promise<void>;
  /** Lets everything at and below a path live at least as long as said. Throws as `update`. */
  touch(key: string, path?: Path, options?: WriteOptions): Promise<void>;
  /** Writes the own document as a whole, so that older entries may go. Throws as `update`. */
  snapshot(key: string): Promise<void>;
  /** Everybody's documents under a key; no author without any. Nothing that has expired. */
  get(key: string, options?: ReadOptions): ReadonlyMap<AuthorId, RecordDocument>;
  /** Keys with at least one document that can be seen, sorted by code units. */
  keys(prefix?: string, options?: ReadOptions): readonly string[];
  /** Parts of documents. */
  query<T = RecordNode>(query: RecordQuery<T>): readonly RecordMatch<T>[];
  /** Each changed key once per change, as it now reads, until the signal aborts. */
  watch(options?: WatchOptions): AsyncIterable<RecordChange>;
  /** The newest entries that changed nothing, at most 16 an author. */
  refusals(author?: AuthorId): readonly RefusedEntry[];
  /** Frees what no reading can show any more; returns how many documents went. */
  collect(): number;
  /** For UI frameworks: called after each change. */
  subscribe(listener: () => void): () => void;
  readonly revision: number;
}

/** Opens the records of a source. Throws RECORD_TTL_INVALID. */
export function createRecords(deps: RecordsDeps, options: RecordsOptions = {}): Records {
  const { gate, snapshots = {}, ttlMsDefault = 60 * 60 * 1_000 } = options;
  checkTtl(ttlMsDefault);
  const view = openView(deps, recordView, {
    sliceEvents,
    ...(gate && { gate }),
    ...(snapshots !== false && { snapshots }),
  });
  const future = createFutureStamps();
  const unsubscribe = view.subscribe((events) => future.note(events, deps.clock.nowMicros()));
  const closed = new AbortController();
  const core: Core = { deps, options, view, future, writtenAt: new Map() };
  const { setLike } = options.registry ?? createRegistry(smartTags);
  const ttlOf = (write: WriteOptions): number => checkTtl(write.ttlMs ?? ttlMsDefault);
  const get: Records["get"] = (key, read = {}) => readKey(core, key, read);
  return {
    ready: view.ready,
    update: async (key, input, write = {}) => {
      const node = toNode(input);
      if (node.kind !== "dict") throw new RecordError("RECORD_KIND_MISMATCH", "no dictionary");
      const tags = [...tagsIn(node)].filter((tag) => setLike.has(tag)).sort();
      await append(core, { op: "update", key, node, ttlMs: ttlOf(write), setLike: tags });
    },
    set: async (key, path, value, write = {}) => {
      const node = toNode(value);
      await append(core, { op: "set", key, path: pathNodes(path), node, ttlMs: ttlOf(write) });
    },
    remove: async (key, path = [], { item } = {}) => {
      const element = item === undefined ? undefined : toNode(item);
      await append(core, { op: "remove", key, path: pathNodes(path), item: element });
    },
    touch: async (key, path = [], write = {}) =>
      append(core, { op: "touch", key, path: pathNodes(path), ttlMs: ttlOf(write) }),
    snapshot: async (key) => {
      const held = ownDocument(core, key);
      if (held === undefined) throw new RecordError("RECORD_NOT_FOUND", `no document at ${key}`);
      await append(core, { op: "snapshot", key, held });
    },
    get,
    keys: (prefix = "", read = {}) => keysOf(core, prefix, read),
    query: (query) => {
      const keys = query.key === undefined ? keysOf(core, query.prefix ?? "", query) : [query.key];
      return findIn(keys, (key) => get(key, query), query);
    },
    watch: (watchOptions = {}) =>
      watchKeys(
        {
          view,
          get: (key) => get(key),
          nextExpiry: (key) => nextOf(core, key),
          now: () => deps.clock.nowMicros(),
          timers: deps.timers,
          closed: closed.signal,
        },
        watchOptions,
      ),
    refusals: (author) => refusalsOf(view.state, author),
    collect: () => collect(view.state),
    subscribe: (listener) => view.subscribe(() => listener()),
    get revision() {
      return view.revision;
    },
    [Symbol.asyncDispose]: async () => {
      closed.abort();
      unsubscribe();
      await view[Symbol.asyncDispose]();
    },
  };
}

/** What the functions below share. */
interface Core {
  readonly deps: RecordsDeps;
  readonly options: RecordsOptions;
  readonly view: OpenView<RecordState>;
  readonly future: FutureStamps;
  /** When keys were last written through this object, in µs. */
  readonly writtenAt: Map<string, number>;
}

/** Events folded without a pause: an op on the largest document takes some tenths of a ms. */
const sliceEvents = 100;
/** Bytes of one op: a document, and a path to it. */
const opBytesMax = documentBytesMax + 4_000;

function checkTtl(ttlMs: number): number {
  if (Number.isSafeInteger(ttlMs) && ttlMs >= 1 && ttlMs <= ttlMsMax) return ttlMs;
  throw new RecordError("RECORD_TTL_INVALID", `a lifetime is 1 to ${ttlMsMax} ms, not ${ttlMs}`);
}

/** A moment that the next own entry is not before. */
function nextStamp({ deps, view }: Core): number {
  const last = view.state.authors.get(deps.author)?.stamp ?? 0;
  return Math.max(deps.clock.nowMicros(), last + 1);
}

function ownDocument(core: Core, key: string): HeldDict | undefined {
  const document = core.view.state.documents.get(key)?.get(core.deps.author);
  return document === undefined ? undefined : aliveAt(document, nextStamp(core));
}

/** Appends what changes something; throws for anything else, and then nothing was appended. */
async function append(core: Core, op: RecordOp): Promise<void> {
  if (!isKey(op.key)) {
    const message = `a key is 1–${keyBytesMax} bytes of well-formed text`;
    throw new RecordError("RECORD_KEY_INVALID", message);
  }
  const stamp = nextStamp(core);
  const before = core.view.state.documents.get(op.key)?.get(core.deps.author);
  if (before === undefined || aliveAt(before, stamp) === undefined) checkKeyCount(core, stamp);
  const result = applyOp(before, op, stamp);
  if (result !== undefined && isRefusal(result)) throw refusalError(op.key, result);
  const body = encodeOp(op);
  if (body.length > opBytesMax) {
    throw new RecordError("RECORD_TOO_LARGE", `the op takes ${body.length} bytes`);
  }
  checkInterval(core, op.key, stamp);
  const refs = await core.view.write([{ type: eventType, body }]);
  // The entry's own stamp is the one that counts: something may have expired in between.
  const refused = refusalsOf(core.view.state, core.deps.author).find(isAt(refs));
  if (refused !== undefined)
    throw refusalError(op.key, { refused: refused.code, path: refused.path });
}

function isAt(refs: readonly EventRef[]): (entry: RefusedEntry) => boolean {
  return (entry) => refs.some((ref) => ref.logId === entry.logId && ref.seq === entry.seq);
}

function refusalError(key: string, { refused, path }: Refusal): RecordError {
  const place = [JSON.stringify(key), ...path.map(printNode)].join(" / ");
  return new RecordError(refused, `refused at ${place}; nothing was changed`);
}

function checkKeyCount({ view, deps }: Core, stamp: number): void {
  collectFrom(view.state, deps.author);
  let liveCount = 0;
  for (const key of view.state.authors.get(deps.author)?.keys ?? []) {
    const document = view.state.documents.get(key)?.get(deps.author);
    if (document !== undefined && document.latest > stamp) liveCount += 1;
  }
  if (liveCount < liveKeysMax) return;
  throw new RecordError("RECORD_TOO_MANY_KEYS", `${liveCount} documents of this author live`);
}

function checkInterval({ options, writtenAt }: Core, key: string, stamp: number): void {
  const interval = (options.writeIntervalMsMin ?? 0) * 1_000;
  if (interval === 0) return;
  const last = writtenAt.get(key);
  if (last !== undefined && stamp - last < interval) {
    throw new RecordError("RECORD_TOO_SOON", `${key} was written ${stamp - last} µs ago`);
  }
  // Oldest first: a key that is written again goes to the end.
  writtenAt.delete(key);
  for (const [old, at] of writtenAt) {
    if (stamp - at < interval) break;
    writtenAt.delete(old);
  }
  writtenAt.set(key, stamp);
}

function readKey(
  core: Core,
  key: string,
  { nowMicros, authors, annotateBy }: ReadOptions,
): ReadonlyMap<AuthorId, RecordDocument> {
  const clock = core.deps.clock.nowMicros();
  const now = nowMicros ?? clock;
  const byAuthor = core.view.state.documents.get(key);
  const documents = new Map<AuthorId, RecordDocument>();
  for (const author of authors ?? [...(byAuthor?.keys() ?? [])].sort()) {
    const held = byAuthor?.get(author);
    const firstSeen = core.future.firstSeenBy(author, clock);
    const shown = held === undefined ? undefined : showDocument(author, held, now, firstSeen);
    if (shown !== undefined) documents.set(author, shown);
  }
  return annotateBy === undefined ? documents : overlaid(core, key, documents, { now, annotateBy });
}

function overlaid(
  core: Core,
  key: string,
  documents: ReadonlyMap<AuthorId, RecordDocument>,
  { now, annotateBy }: { readonly now: number; readonly annotateBy: readonly AuthorId[] },
): ReadonlyMap<AuthorId, RecordDocument> {
  const said = readKey(core, verdictKey(key), { nowMicros: now, authors: annotateBy });
  const verdicts = new Map(
    [...said.values()].flatMap((document) => [...verdictsOf(document.node)]),
  );
  return new Map(
    [...documents].map(([author, document]) => {
      const node = annotated(document.node, verdicts);
      return [author, node.kind === "dict" ? { ...document, node } : document] as const;
    }),
  );
}

function keysOf(
  core: Core,
  prefix: string,
  { nowMicros, authors }: ReadOptions,
): readonly string[] {
  const clock = core.deps.clock.nowMicros();
  const now = nowMicros ?? clock;
  const wanted = authors === undefined ? undefined : new Set(authors);
  const keys: string[] = [];
  for (const [key, byAuthor] of core.view.state.documents) {
    if (!key.startsWith(prefix)) continue;
    const isSeen = [...byAuthor].some(([author, held]) => {
      if (held.latest <= now || wanted?.has(author) === false) return false;
      return nextExpiry(held, now, core.future.firstSeenBy(author, clock)) < Infinity;
    });
    if (isSeen) keys.push(key);
  }
  return keys.sort();
}

/** When a key next looks different by itself. */
function nextOf(core: Core, key: string): number {
  const now = core.deps.clock.nowMicros();
  let next = Number.POSITIVE_INFINITY;
  for (const [author, held] of core.view.state.documents.get(key) ?? []) {
    next = Math.min(next, nextExpiry(held, now, core.future.firstSeenBy(author, now)));
  }
  return next;
}

function refusalsOf(state: RecordState, author: AuthorId | undefined): readonly RefusedEntry[] {
  if (author !== undefined) return state.authors.get(author)?.refusals ?? [];
  return [...state.authors.values()].flatMap((known) => known.refusals);
}

/** The tags of all predicates in a value. Bounded by its depth. */
function tagsIn(node: RecordNode, tags: Set<string> = new Set()): ReadonlySet<string> {
  if (node.kind === "dict") for (const [, value] of node.pairs) tagsIn(value, tags);
  if (node.kind === "list") for (const item of node.items) tagsIn(item, tags);
  if (node.kind === "predicate") {
    tags.add(node.tag);
    for (const [, value] of node.named) tagsIn(value, tags);
  }
  return tags;
}
