/**
 * A collection of documents as a TanStack DB collection: live queries over it, and optimistic writes
 * that become entries of the space. Layer 8.
 */
import type { CollectionDefinition, Docs } from "@hawser/doc";
import type { CollectionConfig, PendingMutation, SyncConfig } from "@tanstack/db";

/** A document with its id, as TanStack DB holds it. */
export type Item<Doc extends object> = Doc & { readonly _id: string };

/** What `createCollection` of TanStack DB takes. */
export type DocsCollectionOptions<Doc extends object> = CollectionConfig<Item<Doc>, string> & {
  readonly id: string;
};

/**
 * Options of a TanStack DB collection over one of documents; its `id` is the collection's name. New
 * items bring their `_id`. Writes of one transaction become one entry, of an update only the fields
 * that changed; what `Docs.transaction` throws is what a TanStack transaction is rejected with. Throws
 * DOC_COLLECTION_UNKNOWN.
 */
export function docsCollectionOptions<Input extends object, Doc extends object>(
  docs: Docs,
  definition: CollectionDefinition<Input, Doc>,
): DocsCollectionOptions<Doc> {
  type Mutations = { readonly mutations: readonly PendingMutation<Item<Doc>>[] };
  const write = async (
    { mutations }: Mutations,
    apply: (one: PendingMutation<Item<Doc>>, list: Writes<Doc>) => void,
  ): Promise<void> => {
    await docs.transaction((tx) => {
      // Safe: what TanStack DB holds came from this collection, or is checked by its schema here.
      const list = tx.in(definition) as unknown as Writes<Doc>;
      for (const one of mutations) apply(one, list);
    });
  };
  return {
    id: definition.name,
    getKey: ({ _id }) => _id,
    sync: { sync: (sync) => follow(docs, definition, sync), rowUpdateMode: "full" },
    onInsert: ({ transaction }) =>
      write(transaction, ({ modified }, list) =>
        list.insert(withoutId(modified), { id: modified._id }),
      ),
    onUpdate: ({ transaction }) =>
      write(transaction, (one, list) => list.update(one.modified._id, (doc) => changed(doc, one))),
    onDelete: ({ transaction }) =>
      write(transaction, ({ modified }, list) => void list.delete(modified._id)),
  };
}

/** What is used of a collection inside a transaction. */
interface Writes<Doc extends object> {
  insert(doc: object, options: { readonly id: string }): void;
  update(id: string, change: (doc: Doc) => object): void;
  delete(id: string): boolean;
}

/** The document with the fields that a mutation changed; the others are as they are now. */
function changed<Doc extends object>(doc: Doc, mutation: PendingMutation<Item<Doc>>): object {
  const { original, modified } = mutation;
  const fields = new Map<string, unknown>(Object.entries(doc));
  for (const key of Object.keys(original)) if (!Object.hasOwn(modified, key)) fields.delete(key);
  for (const key of Object.keys(mutation.changes)) {
    if (key !== "_id") fields.set(key, Reflect.get(modified, key));
  }
  return Object.fromEntries(fields);
}

function withoutId<Doc extends object>({ _id, ...doc }: Item<Doc>): object {
  return doc;
}

type Sync<Doc extends object> = Parameters<SyncConfig<Item<Doc>, string>["sync"]>[0];

/** Hands over what is there once it can be read, then every change; gives the function that ends it. */
function follow<Input extends object, Doc extends object>(
  docs: Docs,
  definition: CollectionDefinition<Input, Doc>,
  { begin, write, commit, truncate, markReady, markError }: Sync<Doc>,
): () => void {
  const collection = docs.in(definition);
  const known = new Set<string>();
  let isStarted = false;
  let isEnded = false;
  const insertAll = (): void => {
    begin();
    truncate();
    known.clear();
    for (const { id, doc } of collection.query().rows) {
      known.add(id);
      write({ type: "insert", value: { ...doc, _id: id } });
    }
    void commit();
  };
  const end = collection.follow((changes) => {
    if (!isStarted) return;
    if (changes.kind === "reset") {
      insertAll();
      return;
    }
    begin();
    for (const { id, doc } of changes.docs) {
      if (doc === undefined) {
        if (known.delete(id)) write({ type: "delete", key: id });
      } else {
        write({ type: known.has(id) ? "update" : "insert", value: { ...doc, _id: id } });
        known.add(id);
      }
    }
    void commit();
  });
  const start = (): void => {
    if (isEnded) return;
    isStarted = true;
    insertAll();
    markReady();
  };
  docs.ready.then(start, (error: unknown) => {
    if (!isEnded) markError(error);
  });
  return () => {
    isEnded = true;
    end();
  };
}
