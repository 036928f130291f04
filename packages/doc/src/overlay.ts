/**
 * Writes that are shown before they are durable (docs/spec/doc.md §3.7): over the documents that are
 * confirmed lie those that the waiting writes would make of them. Whatever changes below, the waiting
 * writes are worked out anew, in their order; so one that is refused leaves nothing behind. Layer 7.
 */
import { applyItem, cloneStoredDoc, type StoredDoc } from "./document.ts";
import { marksOf } from "./marks.ts";
import { packWrite, type DocItem, type WriteForm } from "./ops.ts";
import type { Row, RowChange } from "./records.ts";
import type { Delivery, OpenShelf } from "./shelf.ts";
import { createDraft, type Draft } from "./writer.ts";

/** What a write does, once or again: it changes drafts, and asks for ids it makes. */
export type Run<Result> = (draftOf: (shelf: OpenShelf) => Draft, makeId: () => string) => Result;

/** A write that is shown and waits. */
export interface WaitingWrite {
  readonly run: Run<unknown>;
  readonly form: WriteForm;
  /** The ids it made, in order: it makes the same ones whenever it runs. */
  readonly made: string[];
  readonly number: number;
}

/** Documents by collection. */
export type Touched = ReadonlyMap<OpenShelf, ReadonlySet<string>>;

/** What waiting writes make of the documents. */
export interface Overlay {
  readonly waitingCount: number;
  /** Shows a write. Throws what the write throws, and shows nothing then. */
  add(run: Run<unknown>, form: WriteForm): WaitingWrite;
  /** Forgets a write, at the next `rebase`; says whether it was there. */
  drop(write: WaitingWrite): boolean;
  /** What is below has changed, or which writes wait. */
  rebase(touched: Touched): void;
  /** Everything below was read anew. */
  restart(): void;
  /** Ids of documents that a waiting write changes, sorted. */
  pendingIn(shelf: OpenShelf): readonly string[];
}

/** Later than every stamp: who writes has seen what is there. */
const pendingStamp = Number.MAX_SAFE_INTEGER;

/** An overlay over shelves, of no writes yet. */
export function createOverlay(
  shelves: ReadonlyMap<string, OpenShelf>,
  makeId: () => string,
  delivery: Delivery,
): Overlay {
  const docs = new Map<OpenShelf, Map<string, StoredDoc>>();
  let waiting: WaitingWrite[] = [];
  let number = 0;

  const storedOf = (shelf: OpenShelf, id: string): StoredDoc | undefined =>
    docs.get(shelf)?.get(id) ?? shelf.stored(id);

  const itemsOf = (write: WaitingWrite): readonly DocItem[] => {
    const drafts = new Map<OpenShelf, Draft>();
    const draftOf = (shelf: OpenShelf): Draft => {
      const { definition, shown } = shelf;
      const face = { definition, records: shown, stored: (id: string) => storedOf(shelf, id) };
      const draft = drafts.get(shelf) ?? createDraft(face);
      drafts.set(shelf, draft);
      return draft;
    };
    write.run(draftOf, madeAgain(write.made, makeId));
    const items = [...drafts.values()].flatMap((draft) => draft.items());
    // What no entry holds is refused now.
    packWrite(items, write.form);
    return items;
  };

  /** Lays one write over what is shown. Throws what the write throws, and changes nothing then. */
  const lay = (write: WaitingWrite, befores: Befores): void => {
    const hash = new Uint8Array(32);
    new DataView(hash.buffer).setUint32(0, write.number);
    const markAt = marksOf({ stamp: pendingStamp, hash });
    let index = 0;
    for (const item of itemsOf(write)) {
      const shelf = shelves.get(item.collection);
      if (shelf === undefined) continue;
      befores.note(shelf, item.id);
      const over = docs.get(shelf) ?? new Map<string, StoredDoc>();
      docs.set(shelf, over);
      const doc = over.get(item.id) ?? cloneStoredDoc(shelf.stored(item.id));
      over.set(item.id, doc);
      index = applyItem(doc, item, markAt, index);
      shelf.shown.refresh(item.id, doc, "pending");
    }
  };

  const layAll = (befores: Befores): void => {
    for (const write of waiting) {
      try {
        lay(write, befores);
      } catch {
        // It does not fit what is there now. Its turn decides, and tells its caller.
      }
    }
  };

  return {
    get waitingCount() {
      return waiting.length;
    },
    add: (run, form) => {
      const write = { run, form, made: [], number: number++ };
      const befores = createBefores();
      lay(write, befores);
      waiting.push(write);
      delivery.changed(befores.changes());
      return write;
    },
    drop: (write) => {
      const before = waiting.length;
      waiting = waiting.filter((other) => other !== write);
      return waiting.length < before;
    },
    rebase: (touched) => {
      const befores = createBefores();
      for (const [shelf, ids] of touched) for (const id of ids) befores.note(shelf, id);
      for (const [shelf, over] of docs) for (const id of over.keys()) befores.note(shelf, id);
      docs.clear();
      befores.each((shelf, id) => shelf.shown.adopt(id, shelf.records));
      layAll(befores);
      delivery.changed(befores.changes());
    },
    restart: () => {
      docs.clear();
      for (const shelf of shelves.values()) {
        shelf.shown.clear();
        for (const id of shelf.records.rows.keys()) shelf.shown.adopt(id, shelf.records);
        for (const id of shelf.records.invalid.keys()) shelf.shown.adopt(id, shelf.records);
      }
      layAll(createBefores());
      delivery.restarted(shelves.values());
    },
    pendingIn: (shelf) => [...(docs.get(shelf)?.keys() ?? [])].sort(),
  };
}

/** Gives the ids that were made before, in the same order, then new ones. */
export function madeAgain(made: string[], makeId: () => string): () => string {
  let next = 0;
  return () => {
    const id = made[next] ?? makeId();
    made[next] = id;
    next += 1;
    return id;
  };
}

/** Rows as they were shown before several changes. */
interface Befores {
  note(shelf: OpenShelf, id: string): void;
  each(visit: (shelf: OpenShelf, id: string) => void): void;
  /** From then to now. */
  changes(): ReadonlyMap<OpenShelf, readonly RowChange[]>;
}

function createBefores(): Befores {
  const rows = new Map<OpenShelf, Map<string, Row | undefined>>();
  return {
    note: (shelf, id) => {
      const known = rows.get(shelf) ?? new Map<string, Row | undefined>();
      rows.set(shelf, known);
      if (!known.has(id)) known.set(id, shelf.shown.rows.get(id));
    },
    each: (visit) => {
      for (const [shelf, known] of rows) for (const id of known.keys()) visit(shelf, id);
    },
    changes: () =>
      new Map(
        [...rows].map(([shelf, known]) => [
          shelf,
          [...known]
            .map(([id, before]) => ({ before, after: shelf.shown.rows.get(id) }))
            .filter(({ before, after }) => before !== after),
        ]),
      ),
  };
}
