/**
 * createYjsProvider: keeps a `Y.Doc` in step with its events in a space (docs/spec/yjs.md). Layer 7.
 */
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { EphemeralChannel } from "@hawser/space";
import { openView, type EventSource, type Gate, type Shelf, type View } from "@hawser/view";
import { Awareness } from "y-protocols/awareness";
import {
  applyUpdate,
  Doc,
  encodeStateAsUpdate,
  encodeStateVector,
  equalDeleteSets,
  getState,
  snapshot,
} from "yjs";
import { clientIdOf, isDocName, shelfNameOf } from "./body.ts";
import { clientOfUpdate } from "./check.ts";
import { YjsError } from "./errors.ts";
import { createOutbox, type Timers } from "./outbox.ts";
import { startPresence, type Presence } from "./presence.ts";
import {
  canonicalUpdate,
  docView,
  withheldIn,
  type DocState,
  type WithheldUpdate,
} from "./state.ts";
import { createSubdocs } from "./subdocs.ts";

/** What a provider takes. */
export interface YjsDeps {
  /** A space: where events come from and go to, and who writes them. */
  readonly source: EventSource & { readonly author: AuthorId };
  readonly crypto: Pick<Crypto, "deriveKey">;
  readonly random: Random;
  readonly timers: Timers;
  /** For presence; without it the awareness shows this session alone. */
  readonly channel?: EphemeralChannel;
  /** Called between slices of work; resolve it in a later task so that a browser can paint. */
  readonly yieldToHost?: () => Promise<void>;
}

/** How a document is kept. */
export interface YjsOptions {
  /** Which document of the space, 1–128 bytes; default `"doc"`. */
  readonly name?: string;
  /** An empty document; default a new one. */
  readonly doc?: Doc;
  /** Longest wait of an edit before it is appended, 0–1,000 ms; default 20. */
  readonly flushMs?: number;
  /** Decides which events count, such as access control documents (`@hawser/acl`). */
  readonly gate?: Gate;
  /**
   * Keeps the document on this device each time so many events were folded, ≥ 1, and when it is closed,
   * so that opening it again reads later events only. Default 1,000 where the source has a shelf and
   * there is no gate; `false`: never.
   */
  readonly snapshots?: { readonly everyEvents?: number } | false;
}

/** How a document stands. */
export interface YjsStatus {
  /**
   * `stale`: the document shows writing that does not count any more, since its author was removed;
   * make a new document with a new provider to be rid of it. `failed`: the source failed, or the
   * document holds writing that cannot be shared; `problem` says why.
   */
  readonly state: "loading" | "ready" | "stale" | "failed" | "closed";
  /** Bytes of edits that are not durable yet. */
  readonly unsavedBytes: number;
  /**
   * Why edits are not durable (appending is tried again by itself), why it failed, or what an
   * observer of the document threw.
   */
  readonly problem: Error | undefined;
}

/** A document in step with its space. */
export interface YjsProvider extends AsyncDisposable {
  readonly doc: Doc;
  readonly name: string;
  /** Who is there, as editor bindings want it. */
  readonly awareness: Awareness;
  /** Resolves when everything stored is in the document. Rejects when it cannot be read. */
  readonly ready: Promise<void>;
  status(): YjsStatus;
  /** Calls back when the status may have changed; returns the unsubscribe function. */
  subscribe(listener: () => void): () => void;
  /** Resolves when every edit made so far is durable. Rejects with what the space throws. */
  flush(): Promise<void>;
  /** Events that are here and not in the document, and why. */
  withheld(): readonly WithheldUpdate[];
  /**
   * One update with everything that counts: what an export or a backup holds. Equal documents give
   * equal bytes on every device.
   */
  snapshot(): Uint8Array;
  /** The provider of a sub-document that was loaded, by its guid. */
  subdoc(guid: string): YjsProvider | undefined;
  /** Makes edits durable and lets go of the document. Rejects when they cannot be made durable. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** After judgements changed, the document is compared when nothing has come for so many ms. */
const settleMs = 250;

interface Parts {
  readonly deps: YjsDeps;
  readonly options: YjsOptions;
  readonly name: string;
  readonly doc: Doc;
  readonly session: number;
}

/**
 * Attaches an empty document to its events. Gives the document a client id of its own, so make
 * editor bindings afterwards. Throws `YJS_NAME_INVALID`, `YJS_DOC_NOT_EMPTY`.
 */
export function createYjsProvider(deps: YjsDeps, options: YjsOptions = {}): YjsProvider {
  const { name = "doc", doc = new Doc() } = options;
  if (!isDocName(name)) throw new YjsError("YJS_NAME_INVALID", "a name has 1–128 bytes of text");
  if (doc.store.clients.size > 0) {
    throw new YjsError("YJS_DOC_NOT_EMPTY", "attach the provider before anything is written");
  }
  const session = new DataView(deps.random(4).slice().buffer).getUint32(0);
  doc.clientID = clientIdOf(deps.crypto, deps.source.author, session);
  return attach({ deps, options, name, doc, session });
}

function attach(parts: Parts): YjsProvider {
  const { deps, doc, name, session } = parts;
  const listeners = new Set<() => void>();
  let foreign: YjsError | undefined;
  const notify = (): void => {
    for (const listener of listeners) listener();
  };
  const outbox = createOutbox(
    { append: (drafts) => deps.source.append(drafts), timers: deps.timers, onChange: notify },
    { name, session: () => session, flushMs: parts.options.flushMs ?? 20 },
  );
  const isWhole = (): boolean => outbox.unsavedBytes === 0 && foreign === undefined;
  const replica = openReplica(parts, { isWhole, notify });
  const awareness = new Awareness(doc);
  const presence = presenceOf(parts, awareness);
  let closing: Promise<void> | undefined;
  let isReady = false;
  replica.ready.then(
    () => {
      isReady = true;
      doc.emit("sync", [true, doc]);
      notify();
    },
    () => notify(),
  );

  const onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === replica.origin) return;
    const client = clientOfUpdate(update);
    if (client === "none" || client === doc.clientID) {
      outbox.push(update);
      return;
    }
    const message = "the document has writing of a client that is no session of this device";
    foreign ??= new YjsError("YJS_FOREIGN_CLIENT", message);
    notify();
  };
  doc.on("update", onUpdate);
  const subdocs = createSubdocs(doc, name, (child, childName) =>
    createYjsProvider(deps, { ...parts.options, doc: child, name: childName }),
  );

  const problem = (): Error | undefined =>
    foreign ?? replica.failure() ?? outbox.problem ?? subdocs.problem() ?? replica.observerError();
  const stateNow = (): YjsStatus["state"] => {
    if (closing !== undefined) return "closed";
    if (foreign !== undefined || replica.failure() !== undefined) return "failed";
    if (!isReady) return "loading";
    return replica.isStale() ? "stale" : "ready";
  };
  const close = async (): Promise<void> => {
    doc.off("update", onUpdate);
    presence?.close();
    awareness.destroy();
    try {
      await subdocs.close();
      await outbox.flush();
    } finally {
      outbox.stop();
      await replica.close();
      notify();
      listeners.clear();
    }
  };
  return {
    doc,
    name,
    awareness,
    ready: replica.ready,
    status: () => ({
      state: stateNow(),
      unsavedBytes: outbox.unsavedBytes,
      problem: problem(),
    }),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    flush: async () => {
      if (foreign !== undefined) throw foreign;
      await outbox.flush();
    },
    withheld: () => replica.withheld(),
    snapshot: () => canonicalUpdate(replica.counted()),
    subdoc: (guid) => subdocs.get(guid),
    [Symbol.asyncDispose]: () => {
      closing ??= close();
      return closing;
    },
  };
}

function presenceOf({ deps, name, session }: Parts, awareness: Awareness): Presence | undefined {
  const { channel, crypto, timers } = deps;
  if (channel === undefined) return undefined;
  return startPresence({ crypto, timers, channel, awareness }, { name, session });
}

/** The events folded into the document. */
interface Replica {
  /** The origin of its transactions. */
  readonly origin: object;
  readonly ready: Promise<void>;
  failure(): Error | undefined;
  /** What an observer of the document threw last. The document is unharmed. */
  observerError(): Error | undefined;
  isStale(): boolean;
  withheld(): readonly WithheldUpdate[];
  /** A document with everything that counts and nothing else, but for edits not yet durable. */
  counted(): Doc;
  close(): Promise<void>;
}

interface ReplicaHost {
  /** Is everything that was written here in events? */
  readonly isWhole: () => boolean;
  readonly notify: () => void;
}

/**
 * A Yjs document cannot give writing back. So when judgements change, everything that counts is
 * folded into a second document; what the first lacks of it is brought over, and what it has too
 * much makes it stale.
 */
function openReplica(
  { deps, options, doc, name, session }: Parts,
  { isWhole, notify }: ReplicaHost,
): Replica {
  const origin = {};
  let second: Doc | undefined;
  let isFilled = false;
  let held: (() => void) | undefined;
  let isStale = false;
  let observerError: Error | undefined;
  let stopTimer: (() => void) | undefined;

  const newDoc = (): Doc => {
    held = undefined;
    if (!isFilled) return doc;
    second = new Doc({ gc: doc.gc });
    compareSoon();
    return second;
  };
  const isOwn = (author: AuthorId, number: number): boolean =>
    second === undefined && author === deps.source.author && number === session;
  const onObserverError = (cause: unknown): void => {
    observerError = cause instanceof Error ? cause : new Error("an observer threw", { cause });
  };
  const hold = (fill: () => void): void => {
    held = fill;
  };
  const onApply = (): void => {
    isFilled = true;
  };
  // The source has judged what is held: what it hands out goes on from there, or begins anew.
  const onBatch = (isReset: boolean): void => {
    const fill = held;
    held = undefined;
    if (fill === undefined || isReset) return;
    isFilled = true;
    fill();
  };
  const { everyEvents } = options.snapshots === false ? {} : (options.snapshots ?? {});
  const shelfName = shelfNameOf(deps.crypto, name, doc.gc);
  const snapshots = { name: shelfName, ...(everyEvents !== undefined && { everyEvents }) };
  const viewOptions = { name, newDoc, onApply, hold };
  const view = openView<DocState>(
    viewDeps(deps, { onBatch, isWhole }),
    keptWhenWhole(
      docView({ crypto: deps.crypto, origin, isOwn, onObserverError }, viewOptions),
      isWhole,
    ),
    {
      ...(options.gate !== undefined && { gate: options.gate }),
      ...(options.snapshots !== false && { snapshots }),
    },
  );

  const compare = (): void => {
    stopTimer = undefined;
    if (second === undefined) return;
    if (!isWhole()) {
      compareSoon();
      return;
    }
    isStale = hasMore(doc, second);
    notify();
  };
  const compareSoon = (): void => {
    stopTimer?.();
    stopTimer = deps.timers.after(settleMs, compare);
  };
  const unsubscribe = view.subscribe(() => {
    if (second !== undefined) {
      applyUpdate(doc, encodeStateAsUpdate(second, encodeStateVector(doc)), origin);
      compareSoon();
    }
    notify();
  });

  return {
    origin,
    ready: view.ready,
    failure: () => view.failure,
    observerError: () => observerError,
    isStale: () => isStale,
    withheld: () => withheldIn(view.state),
    counted: () => second ?? doc,
    close: async () => {
      stopTimer?.();
      unsubscribe();
      await view[Symbol.asyncDispose]();
    },
  };
}

/** What the view of one document reads, told of each batch before it is folded. */
function viewDeps(
  { source, yieldToHost }: YjsDeps,
  host: { readonly onBatch: (isReset: boolean) => void; readonly isWhole: () => boolean },
): { readonly source: EventSource; readonly yieldToHost?: () => Promise<void> } {
  const { shelf } = source;
  const watched: EventSource = {
    append: (drafts) => source.append(drafts),
    batches: async function* (options) {
      for await (const batch of source.batches(options)) {
        host.onBatch(batch.reset === true);
        yield batch;
      }
    },
    ...(shelf !== undefined && { shelf: guardedShelf(shelf, host.isWhole) }),
  };
  return yieldToHost === undefined ? { source: watched } : { source: watched, yieldToHost };
}

/** Encoding what is not kept would only take time. */
function keptWhenWhole(view: View<DocState>, isWhole: () => boolean): View<DocState> {
  const none = new Uint8Array(0);
  return { ...view, encode: (state) => (isWhole() ? view.encode(state) : none) };
}

/** The document shows edits before they are events. Such a state is not kept: they may be lost yet. */
function guardedShelf(shelf: Shelf, isWhole: () => boolean): Shelf {
  return {
    read: (name) => shelf.read(name),
    write: (name, value) => (isWhole() ? shelf.write(name, value) : Promise.resolve()),
  };
}

/** Whether a document has insertions or deletions that another lacks, which it has all of. */
function hasMore(doc: Doc, than: Doc): boolean {
  for (const client of doc.store.clients.keys()) {
    if (getState(doc.store, client) > getState(than.store, client)) return true;
  }
  return !equalDeleteSets(snapshot(doc).ds, snapshot(than).ds);
}
