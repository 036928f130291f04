/** An IndexedDB whose writes fail when told to, as a full disk makes them. */
import type { IdbDatabase, IdbFactory, IdbObjectStore, IdbTransaction } from "@hawser/store-idb";

export interface WriteFaults {
  readonly factory: IdbFactory;
  /** The durability of each write transaction. */
  readonly transactions: string[];
  /** From now on each put fails so, or the puts of one key alone; `undefined` heals. */
  failWith(error: Error | undefined, key?: string): void;
  /** How many records each page was to load. */
  readonly pages: number[];
  /** The connections that were opened, oldest first, for `forceCloseDatabase`. */
  readonly opened: IdbDatabase[];
}

/** Wraps a factory. */
export function failingWrites(inner: IdbFactory): WriteFaults {
  let fault: Error | undefined;
  let faultKey: string | undefined;
  const transactions: string[] = [];
  const pages: number[] = [];

  /** Whatever is asked of `target`, but what `changes` has; methods keep their `this`. */
  const over = <Target extends object>(target: Target, changes: Partial<Target>): Target =>
    new Proxy(target, {
      get: (of, name) => {
        const value: unknown = Reflect.get(name in changes ? changes : of, name);
        return typeof value === "function" && !(name in changes) ? value.bind(of) : value;
      },
      set: (of, name, value) => Reflect.set(of, name, value),
    });

  const table = (store: IdbObjectStore, transaction: IdbTransaction): IdbObjectStore =>
    over(store, {
      put: (value, key) => {
        const isMeant = faultKey === undefined || key === faultKey;
        if (fault === undefined || !isMeant) return store.put(value, key);
        transaction.abort();
        throw fault;
      },
      index: (name) => {
        const index = store.index(name);
        return over(index, {
          getAll: (range, count) => {
            pages.push(count ?? Number.POSITIVE_INFINITY);
            return index.getAll(range, count);
          },
        });
      },
    });

  const database = (opened: IdbDatabase): IdbDatabase =>
    over(opened, {
      transaction: (names, mode, options) => {
        if (mode === "readwrite") transactions.push(String(options?.durability));
        const transaction = opened.transaction(names, mode, options);
        const objectStore = (name: string): IdbObjectStore =>
          table(transaction.objectStore(name), transaction);
        return over(transaction, { objectStore });
      },
    });

  const connections: IdbDatabase[] = [];
  const keep = (opened: IdbDatabase): IdbDatabase => {
    connections.push(opened);
    return database(opened);
  };

  const factory: IdbFactory = {
    open: (name, version) => {
      const request = inner.open(name, version);
      let wrapped: IdbDatabase | undefined;
      return new Proxy(request, {
        get: (of, name_) => {
          if (name_ === "result") return (wrapped ??= keep(of.result));
          const value: unknown = Reflect.get(of, name_);
          return typeof value === "function" ? value.bind(of) : value;
        },
        set: (of, name_, value) => Reflect.set(of, name_, value),
      });
    },
    deleteDatabase: (name) => inner.deleteDatabase(name),
  };
  return {
    factory,
    transactions,
    pages,
    opened: connections,
    failWith: (error, key) => {
      fault = error;
      faultKey = key;
    },
  };
}
