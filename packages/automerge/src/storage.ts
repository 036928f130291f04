/**
 * createAutomergeStorage: what a `Repo` stores, as events of a space (docs/spec/automerge.md). What
 * other members stored is loaded with it, once it is known to load. Layer 7.
 */
import { next as A } from "@automerge/automerge/slim";
import type { DocumentId, Repo, StorageAdapterInterface } from "@automerge/automerge-repo";
import { concatBytes, toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  compactView,
  openView,
  type CompactionResult,
  type EventDraft,
  type EventSource,
  type Gate,
  type SnapshotOptions,
  type ViewEvent,
} from "@hawser/view";
import {
  encodePut,
  encodeRemove,
  eventType,
  isKey,
  parseBody,
  removeCountMax,
  valueBytesMax,
  type Key,
} from "./body.ts";
import { AutomergeError } from "./errors.ts";
import { frameName, framesOf } from "./frames.ts";
import { automergeView, nameOf, type AutomergeState, type Chunk } from "./state.ts";

/** Calls back once after `delayMs`; the result cancels it. */
export interface Timers {
  after(delayMs: number, callback: () => void): () => void;
}

/** What a storage takes. */
export interface AutomergeDeps {
  /** A space: where events come from and go to, and who writes them. */
  readonly source: EventSource & { readonly author: AuthorId };
  readonly crypto: Pick<Crypto, "hash">;
  readonly timers: Timers;
  /** Called between slices of work; resolve it in a later task so that a browser can paint. */
  readonly yieldToHost?: () => Promise<void>;
}

/** An event of another member that is kept out of documents. */
export interface WithheldChunk {
  readonly author: AuthorId;
  readonly logId: string;
  readonly seq: number;
  readonly key: readonly string[];
  /** `AUTOMERGE_MALFORMED`: does not load. `AUTOMERGE_CONFLICT`: not together with the rest. */
  readonly reason: "AUTOMERGE_MALFORMED" | "AUTOMERGE_CONFLICT";
}

/** A storage adapter for a `Repo`, on a space. */
export interface AutomergeStorage extends StorageAdapterInterface, AsyncDisposable {
  /** Resolves when everything stored in the space can be loaded. */
  readonly ready: Promise<void>;
  /** Why the last append failed, until one goes well; it is tried again by itself. */
  readonly problem: Error | undefined;
  /** Brings what other members write into open documents of the repo; returns the stop function. */
  attach(repo: Repo): () => void;
  /** What other members stored that is kept out, of documents that were loaded. */
  withheld(): readonly WithheldChunk[];
  /** Resolves when nothing waits to be stored. Rejects with what the space throws. */
  flush(): Promise<void>;
  /**
   * Frees disk: puts one snapshot in the place of what this device stored of each document, where that
   * is smaller, and drops from this device what is in no document any more. Other devices go on as they
   * were. Time travel to before this moment ends here. Rejects with what `compactView` throws.
   */
  compact(): Promise<CompactionResult>;
}

const retryMsMin = 1_000;
const retryMsMax = 30_000;
const appendBytesMax: number = 1024 * 1024;

/** How a storage is kept. */
export interface AutomergeOptions {
  /** Decides which events count, such as access control documents (`@hawser/acl`). */
  readonly gate?: Gate;
  /**
   * Keeps what was read on this device, so that opening it again reads later events only; default on
   * where the source has a shelf and there is no gate.
   */
  readonly snapshots?: SnapshotOptions | false;
}

/** Storage on a space, for `new Repo({ storage })`. */
export function createAutomergeStorage(
  deps: AutomergeDeps,
  { gate, snapshots = {} }: AutomergeOptions = {},
): AutomergeStorage {
  const { source } = deps;
  const view = openView(
    deps.yieldToHost === undefined ? { source } : { source, yieldToHost: deps.yieldToHost },
    automergeView,
    { ...(gate !== undefined && { gate }), ...(snapshots !== false && { snapshots }) },
  );
  const outbox = createOutbox(deps);
  const known = createKnownChanges(deps.crypto);
  const docs = new Map<string, Verdicts>();
  // What was saved here and is not in the view yet; `undefined`: removed.
  const local = new Map<string, { readonly key: Key; readonly data: Uint8Array | undefined }>();
  // Values are listed in the order in which their names first came.
  const order = new Map<string, number>();
  const remember = (name: string): void => {
    if (!order.has(name)) order.set(name, order.size);
  };
  let closed = false;

  /** Values under a prefix: everybody's of documents, one's own of everything else. */
  const chunksUnder = (prefix: Key): readonly Chunk[] => {
    const [first = ""] = prefix;
    const found = new Map(view.state.chunks.get(first));
    for (const [name, { key, data }] of local) {
      if (key[0] !== first) continue;
      if (data === undefined) found.delete(name);
      else found.set(name, { key, author: source.author, logId: "", from: 0, seq: 0, data });
    }
    const isMeant = ({ key, author }: Chunk): boolean =>
      prefix.every((part, at) => key[at] === part) && (author === source.author || isShared(key));
    return [...found]
      .filter(([, chunk]) => isMeant(chunk))
      .sort(([a], [b]) => (order.get(a) ?? 0) - (order.get(b) ?? 0))
      .map(([, chunk]) => chunk);
  };
  const verdictsOf = (documentId: string): Verdicts => {
    const verdicts: Verdicts = docs.get(documentId) ?? new Map();
    docs.set(documentId, verdicts);
    return verdicts;
  };
  const goodUnder = (prefix: Key): readonly Chunk[] => {
    const [first = ""] = prefix;
    const verdicts = verdictsOf(first);
    const all = chunksUnder([first]).filter(({ key }) => isShared(key));
    if (prefix.length > 1) vetTogether(all, source.author, verdicts);
    return chunksUnder(prefix).filter(
      (chunk) => chunk.author === source.author || (verdicts.get(chunk) ?? "good") === "good",
    );
  };

  const save = async (key: Key, data: Uint8Array): Promise<void> => {
    checkKey(key);
    if (data.length > valueBytesMax) {
      const message = `${data.length} bytes; a value has ${valueBytesMax} at most`;
      throw new AutomergeError("AUTOMERGE_VALUE_TOO_LARGE", message);
    }
    const name = nameOf(key, source.author);
    remember(name);
    if (key[1] === "sync-state") {
      // For this run alone: without it peers compare anew, with it each message would be an event.
      local.set(name, { key, data });
      return;
    }
    const bytes = isShared(key) ? known.rest(data) : data;
    if (bytes.length === 0) return;
    const entry = { key, data: bytes };
    local.set(name, entry);
    await outbox.add(encodePut(key, bytes).map((body) => ({ type: eventType, body })));
  };
  const removeAll = (keys: readonly Key[]): void => {
    const own = keys.filter((key) => {
      // What was just saved may be durable and not folded yet.
      const isLocal = local.get(nameOf(key, source.author))?.data !== undefined;
      local.set(nameOf(key, source.author), { key, data: undefined });
      if (key[1] === "sync-state") local.delete(nameOf(key, source.author));
      const [first = ""] = key;
      const isFolded = view.state.chunks.get(first)?.has(nameOf(key, source.author)) ?? false;
      return (isLocal && key[1] !== "sync-state") || isFolded;
    });
    for (let start = 0; start < own.length; start += removeCountMax) {
      const body = encodeRemove(own.slice(start, start + removeCountMax));
      outbox.add([{ type: eventType, body }]).catch(() => undefined);
    }
  };

  /** One snapshot of a document for many chunks of one's own. */
  const join = async (id: string): Promise<void> => {
    const chunks = goodUnder([id, "snapshot"]).concat(goodUnder([id, "incremental"]));
    const own = chunks.filter((chunk) => chunk.author === source.author);
    const whole = own.length > 1 ? savedFrom(chunks) : undefined;
    const ownBytes = own.reduce((sum, { data }) => sum + data.length, 0);
    if (whole === undefined || whole.length >= ownBytes) return;
    const key = [id, "snapshot", toHex(deps.crypto.hash(whole))];
    await save(key, whole);
    removeAll(own.map((chunk) => chunk.key).filter((each) => each[2] !== key[2]));
  };

  const attached = new Set<Repo>();
  let state: AutomergeState | undefined;
  const ready = view.ready.then(() => {
    if (view.origin.kind === "events") return;
    // Nobody was told of what the snapshot holds.
    state = view.state;
    known.clear(state);
    for (const group of state.chunks.values()) for (const name of group.keys()) remember(name);
  });
  ready.catch(() => undefined);
  const unsubscribe = view.subscribe((events) => {
    for (const key of removedBy(events, source.author)) {
      const name = nameOf(key, source.author);
      if (local.get(name)?.data === undefined) local.delete(name);
    }
    const touched = new Map<string, Chunk[]>();
    for (const chunk of touchedBy(events, view.state)) {
      const name = nameOf(chunk.key, chunk.author);
      known.note(chunk);
      remember(name);
      local.delete(name);
      const [first = ""] = chunk.key;
      if (chunk.author === source.author || !isShared(chunk.key)) continue;
      touched.set(first, [...(touched.get(first) ?? []), chunk]);
    }
    // When judgements changed, all is told again, and documents have it already.
    if (state !== undefined && state !== view.state) known.clear(view.state);
    state = view.state;
    for (const repo of attached) {
      for (const [id, chunks] of touched) bringIn(repo, id, chunks, verdictsOf(id));
    }
  });

  return {
    ready,
    get problem() {
      return outbox.problem();
    },
    load: async (key) => {
      await ready;
      checkKey(key);
      return goodUnder(key).find((chunk) => chunk.key.length === key.length)?.data;
    },
    save: async (key, data) => {
      if (closed) throw new AutomergeError("AUTOMERGE_CLOSED", "the storage is closed");
      await ready;
      await save(key, data.slice());
    },
    remove: async (key) => {
      await ready;
      checkKey(key);
      removeAll([key]);
    },
    loadRange: async (prefix) => {
      await ready;
      return goodUnder(prefix).map(({ key, data }) => ({ key: [...key], data }));
    },
    removeRange: async (prefix) => {
      await ready;
      removeAll(chunksUnder(prefix).map(({ key }) => key));
    },
    attach: (repo) => {
      attached.add(repo);
      return () => void attached.delete(repo);
    },
    withheld: () =>
      [...docs.values()].flatMap((verdicts) =>
        [...verdicts].flatMap(([{ author, logId, seq, key }, reason]): WithheldChunk[] =>
          reason === "good" ? [] : [{ author, logId, seq, key, reason }],
        ),
      ),
    flush: () => outbox.flush(),
    compact: async () => {
      if (closed) throw new AutomergeError("AUTOMERGE_CLOSED", "the storage is closed");
      await ready;
      await outbox.flush();
      for (const id of [...view.state.chunks.keys()].sort()) await join(id);
      await outbox.flush();
      const { yieldToHost } = deps;
      const viewDeps = yieldToHost === undefined ? { source } : { source, yieldToHost };
      return await compactView(viewDeps, [automergeView]);
    },
    [Symbol.asyncDispose]: async () => {
      closed = true;
      attached.clear();
      try {
        await outbox.flush();
      } finally {
        outbox.stop();
        unsubscribe();
        await view[Symbol.asyncDispose]();
      }
    },
  };
}

/** Documents are everybody's; what else a repo stores is of its device alone. */
function isShared(key: Key): boolean {
  return key.length === 3 && (key[1] === "snapshot" || key[1] === "incremental");
}

function checkKey(key: Key): void {
  if (isKey(key)) return;
  throw new AutomergeError("AUTOMERGE_KEY_INVALID", "a key has 1–8 parts of 1–256 bytes of text");
}

/** Snapshots first, as a repo loads them. */
function inOrder(chunks: readonly Chunk[]): readonly Chunk[] {
  const isSnapshot = ({ key }: Chunk): boolean => key[1] === "snapshot";
  return [...chunks.filter(isSnapshot), ...chunks.filter((chunk) => !isSnapshot(chunk))];
}

type Verdicts = Map<Chunk, "good" | WithheldChunk["reason"]>;

/**
 * A repo loads all chunks of a document in one go, so one bad chunk would take the document with it.
 * Those of others are tried first: all together, and one by one where that fails.
 */
function vetTogether(all: readonly Chunk[], self: AuthorId, verdicts: Verdicts): void {
  const fresh = all.filter((chunk) => chunk.author !== self && !verdicts.has(chunk));
  if (fresh.length === 0) return;
  const isKept = (chunk: Chunk): boolean => (verdicts.get(chunk) ?? "good") === "good";
  if (loads(inOrder(all.filter(isKept)))) {
    for (const chunk of fresh) verdicts.set(chunk, "good");
    return;
  }
  for (const chunk of fresh) {
    verdicts.set(chunk, loads([chunk]) ? "good" : "AUTOMERGE_MALFORMED");
  }
  if (loads(inOrder(all.filter(isKept)))) return;
  const isFresh = new Set(fresh);
  const taken = [...inOrder(all.filter((chunk) => isKept(chunk) && !isFresh.has(chunk)))];
  for (const chunk of inOrder(all.filter((each) => isKept(each) && isFresh.has(each)))) {
    if (loads([...taken, chunk])) taken.push(chunk);
    else verdicts.set(chunk, "AUTOMERGE_CONFLICT");
  }
}

/** A change that nobody makes: where it is not in the document, not all before it was read. */
const sentinel = (() => {
  let made: { readonly bytes: Uint8Array; readonly head: string } | undefined;
  return () => {
    if (made !== undefined) return made;
    const doc = A.emptyChange(A.init<unknown>({ actor: "00" }), { time: 0 });
    made = { bytes: A.save(doc), head: A.getHeads(doc)[0] ?? "" };
    A.free(doc);
    return made;
  };
})();

/** Whether Automerge takes all of the chunks: it stops without a word at what it cannot read. */
function loads(chunks: readonly Chunk[]): boolean {
  if (chunks.some(({ data }) => framesOf(data) === undefined)) return false;
  const { bytes, head } = sentinel();
  let doc = A.init<unknown>();
  try {
    doc = A.loadIncremental(doc, concatBytes(...chunks.map(({ data }) => data), bytes));
    return A.getHeads(doc).includes(head);
  } catch {
    // The verdict on bytes that Automerge refuses.
    return false;
  } finally {
    A.free(doc);
  }
}

/** A document of chunks that load, as one; `undefined` where they are not all that they build on. */
function savedFrom(chunks: readonly Chunk[]): Uint8Array | undefined {
  let doc = A.init<unknown>();
  try {
    doc = A.loadIncremental(doc, concatBytes(...inOrder(chunks).map(({ data }) => data)));
    // Changes whose foundations are elsewhere wait in the document, and would not be saved.
    return A.getMissingDeps(doc, []).length === 0 ? A.save(doc) : undefined;
  } catch {
    // Bytes that Automerge refuses stay as they are.
    return undefined;
  } finally {
    A.free(doc);
  }
}

/** Chunks of others that came just now, into a document that is open. */
function bringIn(
  repo: Repo,
  documentId: string,
  fresh: readonly Chunk[],
  verdicts: Verdicts,
): void {
  // Safe: a key that names no document finds no handle.
  const handle = repo.handles[documentId as DocumentId];
  if (handle?.isReady() !== true) return;
  const good = fresh.filter((chunk) => {
    const verdict = verdicts.get(chunk) ?? (loads([chunk]) ? "good" : "AUTOMERGE_MALFORMED");
    verdicts.set(chunk, verdict);
    return verdict === "good";
  });
  if (good.length === 0) return;
  handle.update((doc) => {
    let next = doc;
    for (const chunk of inOrder(good)) {
      try {
        next = A.loadIncremental(next, chunk.data);
      } catch {
        // Automerge leaves the document as it was.
        verdicts.set(chunk, "AUTOMERGE_CONFLICT");
      }
    }
    return next;
  });
}

/** What events put that is still there. */
function* touchedBy(
  events: readonly ViewEvent[],
  state: AutomergeState,
): Generator<Chunk, void, undefined> {
  for (const { body, author, logId, seq } of events) {
    const parsed = parseBody(body);
    if (parsed?.kind !== "put") continue;
    const chunk = state.chunks.get(parsed.key[0] ?? "")?.get(nameOf(parsed.key, author));
    if (chunk?.logId === logId && chunk.seq === seq) yield chunk;
  }
}

/** What this device's events took out. */
function* removedBy(events: readonly ViewEvent[], self: AuthorId): Generator<Key, void, undefined> {
  for (const { body, author } of events) {
    const parsed = author === self ? parseBody(body) : undefined;
    if (parsed?.kind === "remove") yield* parsed.keys;
  }
}

interface KnownChanges {
  /** Takes in what the view shows. */
  note(chunk: Chunk): void;
  /** Begins anew with what counts now. */
  clear(state: AutomergeState): void;
  /** What of a value nobody has stored yet. */
  rest(data: Uint8Array): Uint8Array;
}

/** A repo stores what it hears from others as well; what is in the space already is left out. */
function createKnownChanges(crypto: Pick<Crypto, "hash">): KnownChanges {
  const names = new Set<string>();
  const note = ({ key, data }: Chunk): void => {
    if (!isShared(key)) return;
    for (const frame of framesOf(data) ?? []) {
      if (frame.isChange) names.add(frameName(crypto, frame));
    }
  };
  return {
    note,
    clear: ({ chunks }) => {
      names.clear();
      for (const group of chunks.values()) for (const chunk of group.values()) note(chunk);
    },
    rest: (data) => {
      const frames = framesOf(data);
      if (frames === undefined || frames.some(({ isChange }) => !isChange)) return data;
      const left = frames.filter((frame) => !names.has(frameName(crypto, frame)));
      return left.length === frames.length ? data : concatBytes(...left.map(({ bytes }) => bytes));
    },
  };
}

interface Outbox {
  /** Resolves when the drafts are durable; what fails is tried again until it goes well. */
  add(drafts: readonly EventDraft[]): Promise<void>;
  flush(): Promise<void>;
  problem(): Error | undefined;
  stop(): void;
}

interface Waiting {
  readonly drafts: readonly EventDraft[];
  readonly resolve: () => void;
}

/**
 * A repo that is told of one failed write never compacts again. So a write is kept and tried
 * again, and the repo waits for it.
 */
function createOutbox({ source, timers }: AutomergeDeps): Outbox {
  const waiting: Waiting[] = [];
  let problem: Error | undefined;
  let running: Promise<void> | undefined;
  let cancel: (() => void) | undefined;
  let retryMs = retryMsMin;
  let stopped = false;

  const appendNext = async (next: Waiting): Promise<void> => {
    let batch: EventDraft[] = [];
    let byteCount = 0;
    for (const draft of next.drafts) {
      if (batch.length > 0 && byteCount + draft.body.length > appendBytesMax) {
        await source.append(batch);
        batch = [];
        byteCount = 0;
      }
      batch.push(draft);
      byteCount += draft.body.length;
    }
    if (batch.length > 0) await source.append(batch);
  };
  const drain = async (): Promise<void> => {
    cancel?.();
    cancel = undefined;
    try {
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        await appendNext(next);
        waiting.shift();
        next.resolve();
      }
      problem = undefined;
      retryMs = retryMsMin;
    } catch (error) {
      problem = error instanceof Error ? error : new Error("append failed", { cause: error });
      if (!stopped) cancel = timers.after(retryMs, () => void flush().catch(() => undefined));
      retryMs = Math.min(retryMs * 2, retryMsMax);
      throw problem;
    } finally {
      running = undefined;
    }
  };
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    running ??= drain();
    await running;
  };
  return {
    add: (drafts) =>
      new Promise((resolve) => {
        waiting.push({ drafts, resolve });
        // Its failure is in `problem`.
        flush().catch(() => undefined);
      }),
    flush,
    problem: () => problem,
    stop: () => {
      stopped = true;
      cancel?.();
    },
  };
}
