/**
 * Transactions: changes of several documents that become one entry. Layer 7.
 */
import type { CollectionDefinition } from "./definition.ts";
import type { Engine } from "./docs.ts";
import { DocError } from "./errors.ts";
import type { DocRow } from "./live.ts";
import type { Query } from "./query.ts";
import type { Patch } from "./collection.ts";
import type { OpenShelf } from "./shelf.ts";
import type { Draft } from "./writer.ts";

/** A collection inside a transaction: reads see what was changed before. */
export interface TransactionCollection<Input extends object, Doc extends object> {
  get(id: string): Doc | undefined;
  has(id: string): boolean;
  /** Looks at every document. Throws like a query outside. */
  query(query?: Query): readonly DocRow<Doc>[];
  /** Gives the id. Throws DOC_EXISTS, DOC_INVALID, DOC_VALUE_INVALID, DOC_ID_INVALID. */
  insert(doc: Input, options?: { readonly id?: string }): string;
  put(id: string, doc: Input): void;
  /** Throws DOC_MISSING too. */
  patch(id: string, patch: Patch<Doc>): void;
  update(id: string, change: (doc: Doc) => Input): void;
  /** How many there were. */
  delete(...ids: readonly string[]): number;
}

/** What a transaction's function is given. */
export interface Transaction {
  in<Input extends object, Doc extends object>(
    definition: CollectionDefinition<Input, Doc>,
  ): TransactionCollection<Input, Doc>;
}

/** Runs functions inside a transaction that ends with them. */
export function createTransaction(
  engine: Pick<Engine, "shelf">,
  draftOf: (shelf: OpenShelf) => Draft,
  makeId: () => string,
): { run<Result>(run: (transaction: Transaction) => Result): Result } {
  let isOver = false;
  const open = (draft: Draft): Draft => {
    if (!isOver) return draft;
    throw new DocError("DOC_TRANSACTION_OVER", "the transaction's function has returned");
  };
  const transaction: Transaction = {
    in: <Input extends object, Doc extends object>(
      definition: CollectionDefinition<Input, Doc>,
    ) => {
      const shelf = engine.shelf(definition.name);
      if (shelf?.definition !== definition) {
        throw new DocError("DOC_COLLECTION_UNKNOWN", `${definition.name} is not open here`);
      }
      const draft = draftOf(shelf);
      return face<Input, Doc>(() => open(draft), makeId);
    },
  };
  return {
    run: (run) => {
      try {
        const result = run(transaction);
        if (result instanceof Promise) {
          result.catch(() => undefined);
          throw new DocError("DOC_TRANSACTION_OVER", "a transaction's function answers at once");
        }
        return result;
      } finally {
        isOver = true;
      }
    },
  };
}

function face<Input extends object, Doc extends object>(
  draft: () => Draft,
  makeId: () => string,
): TransactionCollection<Input, Doc> {
  return {
    // Safe: every document of a draft came out of the collection's schema.
    get: (id) => draft().get(id) as Doc | undefined,
    has: (id) => draft().get(id) !== undefined,
    // Safe: as above.
    query: (query = {}) => draft().rows(query) as readonly DocRow<Doc>[],
    insert: (doc, { id = makeId() } = {}) => {
      draft().insert(id, doc);
      return id;
    },
    put: (id, doc) => draft().put(id, doc),
    patch: (id, patch) => draft().patch(id, patch),
    // Safe: as above.
    update: (id, change) => draft().update(id, (doc) => change(doc as Doc)),
    delete: (...ids) => ids.filter((id) => draft().delete(id)).length,
  };
}
