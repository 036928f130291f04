/**
 * createDocs: typed collections of documents over any event source. Reads are synchronous, from
 * memory; writes wait for their turn, and are durable and readable when they resolve. Layer 7.
 */
import {
  openView,
  undo,
  type EventRef,
  type Gate,
  type SnapshotOptions,
  type ViewDeps,
  type ViewEvent,
} from "@hawser/view";
import { createCollection, type Collection } from "./collection.ts";
import type { CollectionDefinition } from "./definition.ts";
import { DocError } from "./errors.ts";
import { createIdMaker, platformIds } from "./ids.ts";
import { decodeItems, type WriteForm } from "./ops.ts";
import { createOverlay, type Overlay, type Run } from "./overlay.ts";
import { originsOf, withoutEvents, type DocOrigin, type OriginsOptions } from "./origins.ts";
import { createReading } from "./reading.ts";
import { createRecords, type RowChange } from "./records.ts";
import { createDelivery, type Delivery, type OpenShelf } from "./shelf.ts";
import { docEventType, docView, type DocState } from "./state.ts";
import { createTransaction, type Transaction } from "./transaction.ts";
import { createWrites } from "./writes.ts";

/** What documents need. */
export interface DocsDeps extends ViewDeps {
  /** Makes the ids of documents that are inserted without one; default: by time and chance. */
  readonly makeId?: () => string;
}

/** What documents are opened with. */
export interface DocsOptions {
  readonly collections: readonly CollectionDefinition<object, object>[];
  /** Decides which events count, an access control document for instance (`@hawser/acl`). */
  readonly gate?: Gate;
  /**
   * Snapshots of the documents on this device, so that opening them again is quick; default on where
   * the source has a shelf and no gate decides. They hold what is stored and no schema: documents of
   * one source share them, whatever their collections. `false`: none.
   */
  readonly snapshots?: SnapshotOptions | false;
  /**
   * Shows a write in reads and live results at once, before it is durable, and takes it back if it is
   * refused in the end. Until then its documents are flagged (`isPending`, `pending()`). The functions of
   * `update` and `transaction` then run several times and must do nothing but read and write documents.
   * At most 128 writes wait. An import is shown when it is durable. Default false.
   */
  readonly optimistic?: boolean;
}

/** A collection of which something is stored. */
export interface StoredCollection {
  readonly name: string;
  /** Ids of which anything was ever said, deleted documents included. */
  readonly idCount: number;
  /** Was a definition of it given here? */
  readonly isOpen: boolean;
}

/** A write that was shown and is taken back: its promise rejects with the error as well. */
export interface RefusedWrite {
  readonly error: unknown;
}

/** Collections of documents. */
export interface Docs extends AsyncDisposable {
  /** Resolves when everything stored at opening time can be read. */
  readonly ready: Promise<void>;
  /** The collection that was given at opening. Throws DOC_COLLECTION_UNKNOWN. */
  in<Input extends object, Doc extends object>(
    definition: CollectionDefinition<Input, Doc>,
  ): Collection<Input, Doc>;
  /**
   * Changes several documents, of several collections, in one entry: all or none of it. The function
   * sees its own changes, runs when its turn comes, and answers at once. What it throws is thrown,
   * and nothing is written. Throws DOC_UNIQUE, DOC_TOO_LARGE, DOC_BUSY, and what the source throws.
   */
  transaction<Result>(run: (transaction: Transaction) => Result): Promise<Result>;
  /**
   * Takes back what one event of these documents changed and nobody changed since (`origins` tells its
   * place), also somebody else's; taking back what that wrote is the redo. Gives the places of what it
   * wrote, durable and readable; none where there was nothing to take back. Reads the source once.
   * Throws VIEW_UNDO_UNAVAILABLE, DOC_TOO_LARGE, and what the source throws.
   */
  undo(ref: EventRef, options?: { readonly signal?: AbortSignal }): Promise<readonly EventRef[]>;
  /**
   * Who wrote what of which documents, when, and by what right, in total order. Reads the source once;
   * rejects with the signal's reason and what the source throws.
   */
  origins<Authority = never>(
    options?: OriginsOptions<Authority>,
  ): Promise<readonly DocOrigin<Authority>[]>;
  /** What is stored, by name, also of collections that this application does not know. */
  stored(): readonly StoredCollection[];
  /** For UI frameworks: called after each change; with the reason if it takes a shown write back. */
  subscribe(listener: (refused?: RefusedWrite) => void): () => void;
  readonly revision: number;
}

/** What a collection does through its documents. */
export interface Engine {
  readonly makeId: () => string;
  /** Every collection that is open here. */
  shelf(name: string): OpenShelf | undefined;
  /** Brings reads up to date; cheap when they are. */
  settle(): void;
  /** Ids of documents that waiting writes change. */
  pending(shelf: OpenShelf): readonly string[];
  /**
   * Runs when every write before is done, then appends what the drafts came to. `import`: a batch
   * that is not shown before.
   */
  write<Result>(run: Run<Result>, form?: WriteForm | "import"): Promise<Result>;
}

/** Opens the collections of a source. Throws DOC_DEFINITION_INVALID. */
export function createDocs(deps: DocsDeps, options: DocsOptions): Docs {
  const { collections, gate, snapshots = {}, optimistic = false } = options;
  const view = openView(deps, docView, {
    ...(gate && { gate }),
    ...(snapshots !== false && { snapshots }),
  });
  const shelves = openShelves(collections, () => view.state, optimistic);
  const makeId = deps.makeId ?? createIdMaker(platformIds);
  const delivery = createDelivery();
  const overlay = optimistic ? createOverlay(shelves, makeId, delivery) : undefined;
  const listeners = new Set<(refused?: RefusedWrite) => void>();
  let shownCount = 0;
  const tell = (refused?: RefusedWrite): void => {
    shownCount += 1;
    for (const listener of listeners) listener(refused);
  };

  const reading = createReading(
    shelves,
    () => view.state,
    () => {
      if (overlay === undefined) delivery.restarted(shelves.values());
      else overlay.restart();
    },
  );
  const append = async (bodies: readonly Uint8Array[]): Promise<string | undefined> => {
    const refs = await view.write(bodies.map((body) => ({ type: docEventType, body })));
    return refs.at(-1)?.logId;
  };
  const writes = createWrites({ overlay, makeId, settle: reading.settle, tell, append });
  let isOpen = false;
  let catching: Promise<void> | undefined;
  /** What a snapshot holds is read a slice a task, and told of when it can be shown. */
  const catchUp = (): void => {
    catching ??= (async () => {
      while (!reading.settleSome()) await deps.yieldToHost?.();
      catching = undefined;
      tell();
    })();
  };
  const unsubscribe = view.subscribe((events) => {
    writes.arrived(events);
    if (!reading.isReplaced) takeEvents(shelves, events, overlay, delivery);
    if (reading.isBehind && !isOpen) return catchUp();
    reading.settle();
    tell();
  });
  const ready = view.ready.then(async () => {
    // A snapshot may be all there is: then no event tells that something can be read.
    if (reading.isBehind) catchUp();
    await catching;
    isOpen = true;
  });
  ready.catch(() => undefined);
  /** The source as this view folds it. */
  const admitted = (): ViewDeps => {
    const out = new Set(view.withheld().map(({ event }) => `${event.logId}/${event.seq}`));
    if (out.size === 0) return deps;
    const isOut = ({ logId, seq }: ViewEvent): boolean => out.has(`${logId}/${seq}`);
    return { ...deps, source: withoutEvents(deps.source, isOut) };
  };
  const engine: Engine = {
    makeId,
    shelf: (name) => shelves.get(name),
    settle: reading.settle,
    pending: (shelf) => overlay?.pendingIn(shelf) ?? [],
    write: writes.write,
  };
  return {
    ready,
    in: createOpener(engine),
    transaction: (run) =>
      engine.write((draftOf, nextId) => createTransaction(engine, draftOf, nextId).run(run)),
    undo: async (ref, { signal } = {}) => {
      await view.ready;
      const asked = signal === undefined ? {} : { signal };
      const { written } = await undo(admitted(), docView, ref, asked);
      for (const one of written) await view.applied(one);
      return written;
    },
    origins: async (asked = {}) => {
      await view.ready;
      return originsOf(admitted(), () => view.state, asked);
    },
    stored: () =>
      [...view.state]
        .map(([name, docs]) => ({ name, idCount: docs.size, isOpen: shelves.has(name) }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    subscribe: (listener) => {
      // A set holds a listener once: each subscriber has its own.
      const own = (refused?: RefusedWrite): void => listener(refused);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    get revision() {
      return view.revision + shownCount;
    },
    [Symbol.asyncDispose]: async () => {
      unsubscribe();
      listeners.clear();
      for (const shelf of shelves.values()) {
        for (const query of shelf.queries) query.close();
      }
      await view[Symbol.asyncDispose]();
    },
  };
}

function openShelves(
  collections: DocsOptions["collections"],
  state: () => DocState,
  optimistic: boolean,
): ReadonlyMap<string, OpenShelf> {
  const shelves = new Map<string, OpenShelf>();
  for (const definition of collections) {
    if (shelves.has(definition.name)) {
      throw new DocError("DOC_DEFINITION_INVALID", `two collections are called ${definition.name}`);
    }
    const stored = (id: string) => state().get(definition.name)?.get(id);
    const records = createRecords(definition);
    const shown = optimistic ? createRecords(definition) : records;
    shelves.set(definition.name, { definition, records, shown, stored, queries: new Set() });
  }
  return shelves;
}

function createOpener(engine: Engine): Docs["in"] {
  const opened = new Map<string, unknown>();
  return <Input extends object, Doc extends object>(
    definition: CollectionDefinition<Input, Doc>,
  ): Collection<Input, Doc> => {
    const shelf = engine.shelf(definition.name);
    if (shelf?.definition !== definition) {
      throw new DocError(
        "DOC_COLLECTION_UNKNOWN",
        `the documents were not opened with this definition of ${definition.name}`,
      );
    }
    const collection = opened.get(definition.name) ?? createCollection(engine, shelf);
    opened.set(definition.name, collection);
    // Safe: the shelf was opened with the very definition that the types come from.
    return collection as Collection<Input, Doc>;
  };
}

/** Reads the documents anew that the events speak of. */
function takeEvents(
  shelves: ReadonlyMap<string, OpenShelf>,
  events: readonly ViewEvent[],
  overlay: Overlay | undefined,
  delivery: Delivery,
): void {
  const touched = new Map<OpenShelf, Set<string>>();
  for (const event of events) {
    for (const { collection, id } of decodeItems(event.body)) {
      const shelf = shelves.get(collection);
      if (shelf === undefined) continue;
      const ids = touched.get(shelf) ?? new Set();
      touched.set(shelf, ids.add(id));
    }
  }
  const changes = new Map<OpenShelf, readonly RowChange[]>();
  for (const [shelf, ids] of touched) {
    changes.set(
      shelf,
      [...ids].map((id) => shelf.records.refresh(id, shelf.stored(id))),
    );
  }
  if (overlay === undefined) delivery.changed(changes);
  else overlay.rebase(touched);
}
