/**
 * createDocs: typed collections of documents over any event source. Reads are synchronous, from
 * memory; writes wait for their turn, and are durable and readable when they resolve. Layer 7.
 */
import { openView, type Gate, type ViewDeps, type ViewEvent } from "@hawser/view";
import { createCollection, type Collection } from "./collection.ts";
import type { CollectionDefinition } from "./definition.ts";
import type { StoredDoc } from "./document.ts";
import { DocError } from "./errors.ts";
import { createIdMaker, platformIds } from "./ids.ts";
import { decodeItems, encodeItems, eventBytesMax, type DocItem } from "./ops.ts";
import { createRecords, type RowChange } from "./records.ts";
import type { KeptQuery } from "./live.ts";
import { docEventType, docView } from "./state.ts";
import { createTransaction, type Transaction } from "./transaction.ts";
import { createDraft, type Draft, type Shelf } from "./writer.ts";

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
  /** For UI frameworks: called after each change. */
  subscribe(listener: () => void): () => void;
  readonly revision: number;
}

/** A collection as it is kept open. */
export interface OpenShelf extends Shelf {
  readonly queries: Set<KeptQuery>;
}

/** What a collection does through its documents. */
export interface Engine {
  readonly makeId: () => string;
  /** Every collection that is open here. */
  shelf(name: string): OpenShelf | undefined;
  /** Brings reads up to date; cheap when they are. */
  settle(): void;
  /** Runs when every write before is done, then appends what the drafts came to. */
  write<Result>(
    run: (draftOf: (shelf: OpenShelf) => Draft) => Result,
    form?: "one entry" | "batch",
  ): Promise<Result>;
}

/** Writes that may wait. */
const waitingMax = 4_096;

/** Opens the collections of a source. Throws DOC_DEFINITION_INVALID. */
export function createDocs(deps: DocsDeps, options: DocsOptions): Docs {
  const { collections, ...viewOptions } = options;
  const view = openView(deps, docView, viewOptions);
  const shelves = new Map<string, OpenShelf>();
  for (const definition of collections) {
    if (shelves.has(definition.name)) {
      throw new DocError("DOC_DEFINITION_INVALID", `two collections are called ${definition.name}`);
    }
    const stored = (id: string) => view.state.get(definition.name)?.get(id);
    const records = createRecords(definition);
    shelves.set(definition.name, { definition, records, stored, queries: new Set() });
  }

  let shown = view.state;
  const settle = (): void => {
    if (view.state === shown) return;
    shown = view.state;
    for (const shelf of shelves.values()) restart(shelf, view.state.get(shelf.definition.name));
  };
  const take = (events: readonly ViewEvent[]): void => {
    if (view.state !== shown) settle();
    else takeEvents(shelves, events);
  };
  const unsubscribe = view.subscribe(take);
  const engine: Engine = {
    makeId: deps.makeId ?? createIdMaker(platformIds),
    shelf: (name) => shelves.get(name),
    settle,
    write: createQueue(async (run, form) => {
      settle();
      const drafts = new Map<OpenShelf, Draft>();
      const result = run((shelf) => draftIn(drafts, shelf));
      const items = [...drafts.values()].flatMap((draft) => draft.items());
      const bodies = form === "batch" ? packItems(items) : [packEntry(items)];
      const events = bodies.filter((body) => body.length > 0);
      if (items.length > 0) {
        await view.write(events.map((body) => ({ type: docEventType, body })));
      }
      return result;
    }),
  };
  const opened = new Map<string, unknown>();
  const open = <Input extends object, Doc extends object>(
    definition: CollectionDefinition<Input, Doc>,
  ): Collection<Input, Doc> => {
    const shelf = shelves.get(definition.name);
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
  return {
    ready: view.ready,
    in: open,
    transaction: (run) => engine.write((draftOf) => createTransaction(engine, draftOf).run(run)),
    subscribe: (listener) => view.subscribe(() => listener()),
    get revision() {
      return view.revision;
    },
    [Symbol.asyncDispose]: async () => {
      unsubscribe();
      for (const shelf of shelves.values()) {
        for (const query of [...shelf.queries]) query.close();
      }
      await view[Symbol.asyncDispose]();
    },
  };
}

function draftIn(drafts: Map<OpenShelf, Draft>, shelf: OpenShelf): Draft {
  const draft = drafts.get(shelf) ?? createDraft(shelf);
  drafts.set(shelf, draft);
  return draft;
}

function restart(shelf: OpenShelf, docs: ReadonlyMap<string, StoredDoc> | undefined): void {
  shelf.records.clear();
  for (const [id, stored] of docs ?? []) shelf.records.refresh(id, stored);
  for (const query of shelf.queries) query.restart();
}

/** Reads the documents anew that the events speak of. */
function takeEvents(shelves: ReadonlyMap<string, OpenShelf>, events: readonly ViewEvent[]): void {
  const touched = new Map<OpenShelf, Set<string>>();
  for (const event of events) {
    for (const { collection, id } of decodeItems(event.body)) {
      const shelf = shelves.get(collection);
      if (shelf === undefined) continue;
      const ids = touched.get(shelf) ?? new Set();
      touched.set(shelf, ids.add(id));
    }
  }
  for (const [shelf, ids] of touched) {
    const changes: RowChange[] = [];
    for (const id of ids) changes.push(shelf.records.refresh(id, shelf.stored(id)));
    for (const query of shelf.queries) query.take(changes);
  }
}

type Run = Engine["write"];

/** One write at a time, in the order they were asked for. Throws DOC_BUSY. */
function createQueue(
  work: <Result>(
    run: (draftOf: (shelf: OpenShelf) => Draft) => Result,
    form: "one entry" | "batch",
  ) => Promise<Result>,
): Run {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return async (run, form = "one entry") => {
    if (waiting >= waitingMax) {
      throw new DocError("DOC_BUSY", `${waitingMax} writes wait already: await some of them`);
    }
    waiting += 1;
    const done = last.then(() => work(run, form));
    last = done.catch(() => undefined);
    try {
      return await done;
    } finally {
      waiting -= 1;
    }
  };
}

/** The body of one event. Throws DOC_TOO_LARGE. */
function packEntry(items: readonly DocItem[]): Uint8Array {
  const body = items.length === 0 ? new Uint8Array(0) : encodeItems(items);
  if (body !== undefined) return body;
  throw new DocError("DOC_TOO_LARGE", `the change takes more than ${eventBytesMax} bytes`);
}

/** Bodies of as many events as it takes; a document's changes stay in one. Throws DOC_TOO_LARGE. */
function packItems(items: readonly DocItem[]): readonly Uint8Array[] {
  const bodies: Uint8Array[] = [];
  let open: DocItem[] = [];
  let byteCount = 0;
  for (const item of items) {
    const itemBytes = packEntry([item]).length;
    // An array of few items has a shorter head than one of many.
    if (open.length > 0 && byteCount + itemBytes > eventBytesMax - 8) {
      bodies.push(packEntry(open));
      open = [];
      byteCount = 0;
    }
    open.push(item);
    byteCount += itemBytes;
  }
  if (open.length > 0) bodies.push(packEntry(open));
  return bodies;
}
