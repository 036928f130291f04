/**
 * createAutomergeStorage: what a `Repo` stores, as events of a space (docs/spec/automerge.md). What
 * other members stored is loaded with it, once it is known to load. Layer 7.
 */
import type { Repo, StorageAdapterInterface } from "@automerge/automerge-repo";
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  compactView,
  openView,
  type CompactionResult,
  type EventRef,
  type EventSource,
  type Gate,
  type SnapshotOptions,
  type ViewEvent,
} from "@hawser/view";
import { isKey, parseBody, valueBytesMax, type Key } from "./body.ts";
import { AutomergeError } from "./errors.ts";
import { createKnownChanges } from "./frames.ts";
import { createOutbox, type Timers } from "./outbox.ts";
import { automergeView, nameOf, type AutomergeState, type Chunk } from "./state.ts";
import { bringIn, isGood, savedFrom, vetTogether, type ChunkFault, type Verdicts } from "./vet.ts";

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
  readonly reason: ChunkFault;
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
  // Seqs of events of this storage that the view has not shown yet.
  const mine = new Set<number>();
  const append: EventSource["append"] = async (drafts) => {
    const refs = await source.append(drafts);
    for (const { seq } of refs) mine.add(seq);
    return refs;
  };
  const outbox = createOutbox({ append, timers: deps.timers });
  const known = createKnownChanges(deps.crypto);
  const own = createOwnValues(source.author);
  const verdictsByDoc = new Map<string, Verdicts>();
  let closed = false;

  const verdictsOf = (documentId: string): Verdicts => {
    const verdicts: Verdicts = verdictsByDoc.get(documentId) ?? new Map();
    verdictsByDoc.set(documentId, verdicts);
    return verdicts;
  };
  /** Values under a prefix: everybody's of documents, one's own of everything else. */
  const chunksUnder = (prefix: Key): readonly Chunk[] =>
    own
      .over(view.state, prefix[0] ?? "")
      .filter(
        ({ key, author }) =>
          prefix.every((part, at) => key[at] === part) &&
          (author === source.author || isShared(key)),
      );
  const goodUnder = (prefix: Key): readonly Chunk[] => {
    const [first = ""] = prefix;
    const verdicts = verdictsOf(first);
    const all = chunksUnder([first]).filter(({ key }) => isShared(key));
    if (prefix.length > 1) vetTogether(all, source.author, verdicts);
    return chunksUnder(prefix).filter(
      (chunk) => chunk.author === source.author || isGood(verdicts, chunk),
    );
  };

  const save = async (key: Key, data: Uint8Array): Promise<void> => {
    checkKey(key);
    if (data.length > valueBytesMax) {
      const message = `${data.length} bytes; a value has ${valueBytesMax} at most`;
      throw new AutomergeError("AUTOMERGE_VALUE_TOO_LARGE", message);
    }
    const value = isShared(key) ? known.rest(data) : data;
    if (value.length === 0 && data.length > 0) return;
    const folded = own.put(key, value);
    // For this run alone: without it peers compare anew, with it each message would be an event.
    if (isPassing(key)) return;
    void shownAt(await outbox.put(key, value)).then(folded);
  };
  const remove = (key: Key): void => {
    if (isPassing(key)) {
      own.forget(key);
      return;
    }
    if (!own.has(view.state, key)) return;
    const folded = own.remove(key);
    void outbox.remove(key).then(shownAt).then(folded);
  };
  /** Resolves to whether the view shows an event; it never will where the view has stopped. */
  const shownAt = (ref: EventRef | undefined): Promise<boolean> =>
    ref === undefined
      ? Promise.resolve(false)
      : view.applied(ref).then(
          () => true,
          () => false,
        );

  /** One snapshot of a document for many chunks of one's own. */
  const join = async (id: string): Promise<void> => {
    const chunks = goodUnder([id, "snapshot"]).concat(goodUnder([id, "incremental"]));
    const ours = chunks.filter((chunk) => chunk.author === source.author);
    const whole = ours.length > 1 ? savedFrom(chunks) : undefined;
    const ownBytes = ours.reduce((sum, { data }) => sum + data.length, 0);
    if (whole === undefined || whole.length >= ownBytes) return;
    const name = toHex(deps.crypto.hash(whole));
    await save([id, "snapshot", name], whole);
    for (const { key } of ours) if (key[2] !== name) remove(key);
  };

  const attached = new Set<Repo>();
  let state: AutomergeState | undefined;
  const ready = view.ready.then(() => {
    if (view.origin.kind === "events") return;
    // Nobody was told of what the snapshot holds.
    state = view.state;
    known.clear(state);
  });
  ready.catch(() => undefined);
  const unsubscribe = view.subscribe((events) => {
    // What this storage saved is no news; another repo on this device writes as the same author.
    const news = events.filter(({ author, seq }) => author !== source.author || !mine.has(seq));
    const last = events.findLast(({ author }) => author === source.author)?.seq ?? -1;
    for (const seq of mine) if (seq <= last) mine.delete(seq);
    const touched = new Map<string, Chunk[]>();
    for (const chunk of touchedBy(news, view.state)) {
      if (!isShared(chunk.key)) continue;
      known.note(chunk);
      const [first = ""] = chunk.key;
      if (chunk.author !== source.author)
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
      return outbox.problem;
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
      remove(key);
    },
    loadRange: async (prefix) => {
      await ready;
      return goodUnder(prefix).map(({ key, data }) => ({ key: [...key], data }));
    },
    removeRange: async (prefix) => {
      await ready;
      for (const { key, author } of chunksUnder(prefix)) if (author === source.author) remove(key);
    },
    attach: (repo) => {
      attached.add(repo);
      return () => void attached.delete(repo);
    },
    withheld: () =>
      [...verdictsByDoc.values()].flatMap((verdicts) =>
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

/** Which peer has seen what: kept while the program runs. */
function isPassing(key: Key): boolean {
  return key[1] === "sync-state";
}

function checkKey(key: Key): void {
  if (isKey(key)) return;
  throw new AutomergeError("AUTOMERGE_KEY_INVALID", "a key has 1–8 parts of 1–256 bytes of text");
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

/** What this device saved or removed, until the view shows it. */
interface OwnValues {
  /** Both return what is to be called once the view shows it, with whether it does. */
  put(key: Key, data: Uint8Array): (isShown: boolean) => void;
  remove(key: Key): (isShown: boolean) => void;
  /** Drops what was never to be in the view. */
  forget(key: Key): void;
  has(state: AutomergeState, key: Key): boolean;
  /** Values with a first part: what the view shows, with this above it, in the order of saving. */
  over(state: AutomergeState, first: string): readonly Chunk[];
}

function createOwnValues(author: AuthorId): OwnValues {
  interface Pending {
    readonly key: Key;
    /** `undefined`: removed. */
    readonly data: Uint8Array | undefined;
  }
  const pending = new Map<string, Pending>();
  // Name → when it was first saved in this run; the others are older.
  const order = new Map<string, number>();
  let count = 0;
  const set = (name: string, value: Pending): ((isShown: boolean) => void) => {
    pending.set(name, value);
    return (isShown) => {
      if (isShown && pending.get(name) === value) pending.delete(name);
    };
  };
  return {
    put: (key, data) => {
      const name = nameOf(key, author);
      if (!order.has(name)) order.set(name, count++);
      return set(name, { key, data });
    },
    remove: (key) => {
      const name = nameOf(key, author);
      order.delete(name);
      return set(name, { key, data: undefined });
    },
    forget: (key) => {
      const name = nameOf(key, author);
      order.delete(name);
      pending.delete(name);
    },
    has: ({ chunks }, key) => {
      const name = nameOf(key, author);
      const value = pending.get(name);
      if (value !== undefined) return value.data !== undefined;
      return chunks.get(key[0] ?? "")?.has(name) ?? false;
    },
    over: ({ chunks }, first) => {
      const found = new Map(chunks.get(first));
      for (const [name, { key, data }] of pending) {
        if (key[0] !== first) continue;
        if (data === undefined) found.delete(name);
        else found.set(name, { key, author, logId: "", from: 0, seq: 0, data });
      }
      return [...found]
        .sort(([a], [b]) => (order.get(a) ?? -1) - (order.get(b) ?? -1))
        .map(([, chunk]) => chunk);
    },
  };
}
