/**
 * openProjection: collections of documents kept as tables of a SQL database (docs/spec/sql.md).
 * Layer 8.
 */
import { utf8, toHex } from "@hawser/codec";
import type { Collection, Docs } from "@hawser/doc";
import { sha256 } from "@noble/hashes/sha2.js";
import type { SqlDatabase, SqlRow, SqlStatement, SqlValue } from "./database.ts";
import { SqlError } from "./errors.ts";
import { assertMigrations, bringLayout, type Migration } from "./layout.ts";
import { createLiveRows, type KeptRows, type LiveRows } from "./live.ts";
import { cellOf, type TableMapping } from "./mapping.ts";
import { createFit, type Fit } from "./fit.ts";
import { deleteRows, namesOf, revisionsAfter, searchRows, upsertRows } from "./statements.ts";
import type { ReadyRow } from "./statements.ts";

/** What a projection needs. */
export interface ProjectionDeps {
  readonly docs: Docs;
  /** Its own: one projection a database. Closed by whoever opened it. */
  readonly database: SqlDatabase;
}

/** What a projection is opened with. */
export interface ProjectionOptions {
  readonly tables: readonly TableMapping[];
  readonly migrations?: readonly Migration[];
}

/** Which tables a live result reads; default: it is asked again after every change. */
export interface LiveRowsOptions {
  readonly tables?: readonly string[];
}

/** Tables that follow collections. */
export interface Projection extends AsyncDisposable {
  /**
   * Resolves when the database holds what the documents held at the call. Throws SQL_WRITE_FAILED
   * when it refuses, SQL_CLOSED.
   */
  settled(): Promise<void>;
  /** Rows of a query that only reads. Throws what the engine throws, SQL_CLOSED. */
  read(sql: string, values?: readonly SqlValue[]): Promise<readonly SqlRow[]>;
  /** A result that is asked again when its tables changed. Throws SQL_CLOSED. */
  live(sql: string, values?: readonly SqlValue[], options?: LiveRowsOptions): LiveRows;
  /**
   * Rows that have all words of a text, the last word as a beginning; best first, at most `limit`
   * (default 50). Throws SQL_SEARCH_UNKNOWN, SQL_CLOSED.
   */
  search(
    table: string,
    text: string,
    options?: { readonly limit?: number },
  ): Promise<readonly SqlRow[]>;
  /** Writes every row anew. Throws like `settled`. */
  rebuild(): Promise<void>;
  /** What the database refused; the rows are written by the next change or `rebuild`. */
  readonly problem: SqlError | undefined;
  /** Called after rows or `problem` changed; gives the function that ends it. */
  subscribe(listener: () => void): () => void;
}

/** What is to be written of a table: single documents, what differs, or everything. */
type Due = Set<string> | "differences" | "everything";

interface Target {
  readonly mapping: TableMapping;
  readonly collection: Collection<object, object>;
  readonly fit: Fit;
}

const pageRows = 1_000;
const wordsMax = 16;
const wordCharsMax = 64;

/**
 * Opens a projection: brings the database to the layout of its tables, then keeps their rows equal
 * to the documents. Throws SQL_MAPPING_INVALID, SQL_MIGRATION_INVALID, DOC_COLLECTION_UNKNOWN, and
 * what the database throws.
 */
export async function openProjection(
  deps: ProjectionDeps,
  options: ProjectionOptions,
): Promise<Projection> {
  const { docs, database } = deps;
  const targets = new Map<string, Target>();
  const taken = new Set<string>();
  for (const mapping of options.tables) {
    for (const name of namesOf(mapping)) {
      if (taken.has(name)) {
        throw new SqlError("SQL_MAPPING_INVALID", `two tables are called ${name}, or need one`);
      }
      taken.add(name);
    }
    const collection = docs.in(mapping.collection);
    const fit = createFit(database.dialect, mapping);
    targets.set(mapping.table.toLowerCase(), { mapping, collection, fit });
  }
  assertMigrations(options.migrations ?? []);
  await bringLayout(database, options.tables, options.migrations ?? []);
  const followed = [...targets.values()];
  const writer = createWriter(deps, followed);
  const ends = followed.map(({ mapping, collection }) =>
    collection.follow((changes) => {
      if (changes.kind === "reset") writer.mark(mapping.table, "differences");
      else writer.mark(mapping.table, new Set(changes.docs.map(({ id }) => id)));
    }),
  );
  for (const { mapping } of followed) writer.mark(mapping.table, "differences");

  const kept = new Set<KeptRows>();
  writer.onWritten((tables) => {
    for (const one of kept) one.refresh(tables);
  });
  const assertOpen = (): void => {
    if (writer.isClosed()) throw new SqlError("SQL_CLOSED", "the projection is closed");
  };
  return {
    settled: () => writer.settled(),
    read: async (sql, values = []) => {
      assertOpen();
      return database.read(sql, values);
    },
    live: (sql, values = [], { tables } = {}) => {
      assertOpen();
      const reads = tables === undefined ? undefined : new Set(tables);
      const ask = () => database.read(sql, values);
      const one = createLiveRows(ask, reads, (ended) => void kept.delete(ended));
      kept.add(one);
      return one.live;
    },
    search: async (table, text, { limit = 50 } = {}) => {
      assertOpen();
      const mapping = targets.get(table.toLowerCase())?.mapping;
      if (mapping === undefined || mapping.search.length === 0) {
        throw new SqlError("SQL_SEARCH_UNKNOWN", `${table} is no table with a search`);
      }
      const words = wordsOf(text);
      if (words.length === 0) return [];
      const count = Math.max(1, Math.min(1_000, Math.floor(limit)));
      const { sql, values } = searchRows(database.dialect, mapping, words, count);
      return database.read(sql, values);
    },
    rebuild: () => {
      for (const { mapping } of followed) writer.mark(mapping.table, "everything");
      return writer.settled();
    },
    get problem() {
      return writer.problem();
    },
    subscribe: writer.subscribe,
    [Symbol.asyncDispose]: async () => {
      for (const end of ends) end();
      for (const one of kept) one.live[Symbol.dispose]();
      await writer.close();
    },
  };
}

/** The words of a text: letters and digits, so that nothing in it is an operator of a search. */
function wordsOf(text: string): readonly string[] {
  const words = text.match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.slice(0, wordsMax).map((word) => word.slice(0, wordCharsMax).toLowerCase());
}

/** Writes what is due, one transaction after another, and never two at once. */
interface Writer {
  mark(table: string, due: Due): void;
  settled(): Promise<void>;
  problem(): SqlError | undefined;
  subscribe(listener: () => void): () => void;
  onWritten(listener: (tables: ReadonlySet<string>) => void): void;
  isClosed(): boolean;
  close(): Promise<void>;
}

function createWriter({ docs, database }: ProjectionDeps, targets: readonly Target[]): Writer {
  let due = new Map<string, Due>();
  let running: Promise<void> | undefined;
  let problem: SqlError | undefined;
  let isClosed = false;
  const listeners = new Set<() => void>();
  const written: ((tables: ReadonlySet<string>) => void)[] = [];
  const tell = (): void => {
    for (const listener of listeners) listener();
  };

  const writeDue = async (taken: ReadonlyMap<string, Due>): Promise<void> => {
    const statements: SqlStatement[] = [];
    for (const target of targets) {
      const one = taken.get(target.mapping.table);
      if (one === undefined) continue;
      // Single documents of all tables go into one transaction, as they were written.
      if (one instanceof Set) statements.push(...statementsFor(database, target, one));
      else await reconcile(database, target, one, () => isClosed);
    }
    if (statements.length > 0) await database.write(statements);
  };
  const work = async (): Promise<void> => {
    await docs.ready;
    while (due.size > 0 && !isClosed) {
      const taken = due;
      due = new Map();
      try {
        await writeDue(taken);
        problem = undefined;
      } catch (cause) {
        for (const [table, one] of taken) due.set(table, mergeDue(one, due.get(table)));
        problem = new SqlError("SQL_WRITE_FAILED", "the database refused what changed", { cause });
        tell();
        return;
      }
      for (const listener of written) listener(new Set(taken.keys()));
      tell();
    }
  };
  const start = (): Promise<void> => {
    running ??= work().finally(() => {
      running = undefined;
      // What was marked between the last look and now.
      if (due.size > 0 && problem === undefined && !isClosed) void start();
    });
    return running;
  };
  return {
    mark: (table, one) => {
      due.set(table, mergeDue(one, due.get(table)));
      if (!isClosed) void start();
    },
    settled: async () => {
      if (isClosed) throw new SqlError("SQL_CLOSED", "the projection is closed");
      await start();
      while (running !== undefined) await running;
      if (problem !== undefined) throw problem;
      if (due.size > 0) throw new SqlError("SQL_CLOSED", "the projection was closed");
    },
    problem: () => problem,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    onWritten: (listener) => void written.push(listener),
    isClosed: () => isClosed,
    close: async () => {
      isClosed = true;
      await running;
      listeners.clear();
    },
  };
}

function mergeDue(a: Due, b: Due | undefined): Due {
  if (b === undefined) return a;
  if (a === "everything" || b === "everything") return "everything";
  if (!(a instanceof Set) || !(b instanceof Set)) return "differences";
  return new Set([...a, ...b]);
}

/** Puts the documents of these ids as they are now, or takes them out. */
function statementsFor(
  { dialect }: SqlDatabase,
  target: Target,
  ids: Iterable<string>,
): readonly SqlStatement[] {
  const { mapping, collection, fit } = target;
  const rows: ReadyRow[] = [];
  const gone: string[] = [];
  for (const id of ids) {
    if (!fit.takesId(id)) continue;
    const doc = collection.get(id);
    if (doc === undefined) gone.push(id);
    else rows.push(readyRow(target, id, doc));
  }
  return [...deleteRows(dialect, mapping.table, gone), ...upsertRows(dialect, mapping, rows)];
}

function readyRow({ mapping, fit }: Target, id: string, doc: object): ReadyRow {
  const cells = mapping.columns.map((column) => fit.cell(column, cellOf(doc, column)));
  return { id, cells, revision: toHex(sha256(utf8(JSON.stringify(cells))).subarray(0, 8)) };
}

/**
 * Goes through a table page by page and mends what differs, or everything; each page is a
 * transaction. Documents that change meanwhile are due again afterwards.
 */
async function reconcile(
  database: SqlDatabase,
  target: Target,
  due: "differences" | "everything",
  isClosed: () => boolean,
): Promise<void> {
  const { mapping, collection } = target;
  const seen = new Set<string>();
  let last: string | undefined;
  for (;;) {
    const page = revisionsAfter(database.dialect, mapping.table, last, pageRows);
    const rows = await database.read(page.sql, page.values);
    const differing: string[] = [];
    for (const row of rows) {
      const id = String(row["_id"]);
      last = id;
      seen.add(id);
      const doc = collection.get(id);
      const isSame = doc !== undefined && readyRow(target, id, doc).revision === row["_revision"];
      if (due === "everything" || !isSame) differing.push(id);
    }
    const statements = statementsFor(database, target, differing);
    if (statements.length > 0) await database.write(statements);
    if (rows.length < pageRows || isClosed()) break;
  }
  const missing = collection.query().rows.flatMap(({ id }) => (seen.has(id) ? [] : [id]));
  for (let at = 0; at < missing.length && !isClosed(); at += pageRows) {
    await database.write(statementsFor(database, target, missing.slice(at, at + pageRows)));
  }
}
