/**
 * What the store uses of IndexedDB, by structure: the browser's objects fit, and so do doubles.
 * Layer 4; types only, because the repository compiles without the types of the DOM.
 */

export interface IdbRequest<Result = unknown> {
  readonly result: Result;
  readonly error: Error | null;
  onsuccess: ((event: unknown) => void) | null;
  onerror: ((event: unknown) => void) | null;
}

export interface IdbVersionChange {
  readonly oldVersion: number;
  /** `null` when the database is deleted. */
  readonly newVersion: number | null;
}

export interface IdbOpenRequest extends IdbRequest<IdbDatabase> {
  readonly transaction: IdbTransaction | null;
  onupgradeneeded: ((event: IdbVersionChange) => void) | null;
  onblocked: ((event: unknown) => void) | null;
}

/** Keys of this store: strings, numbers, bytes and lists of them. */
export type IdbKey = string | number | Uint8Array | readonly IdbKey[];

/** An IDBKeyRange; opaque. */
export type IdbKeyRange = object;

export interface IdbKeyRanges {
  bound(lower: IdbKey, upper: IdbKey, lowerOpen?: boolean, upperOpen?: boolean): IdbKeyRange;
}

export interface IdbKeyCursor {
  readonly key: unknown;
  readonly primaryKey: unknown;
  continue(key?: IdbKey): void;
}

export interface IdbReadable {
  get(key: IdbKey | IdbKeyRange): IdbRequest;
  getAll(range: IdbKeyRange, count?: number): IdbRequest<readonly unknown[]>;
  getAllKeys(range: IdbKeyRange, count?: number): IdbRequest<readonly unknown[]>;
  openKeyCursor(range?: IdbKeyRange, direction?: string): IdbRequest<IdbKeyCursor | null>;
}

export interface IdbObjectStore extends IdbReadable {
  put(value: unknown, key?: IdbKey): IdbRequest;
  delete(key: IdbKey): IdbRequest;
  index(name: string): IdbReadable;
  createIndex(
    name: string,
    keyPath: string | readonly string[],
    options?: { readonly unique?: boolean; readonly multiEntry?: boolean },
  ): unknown;
}

export interface IdbTransaction {
  readonly error: Error | null;
  oncomplete: ((event: unknown) => void) | null;
  onabort: ((event: unknown) => void) | null;
  objectStore(name: string): IdbObjectStore;
  abort(): void;
  commit?(): void;
}

export interface IdbDatabase {
  readonly objectStoreNames: { contains(name: string): boolean };
  onversionchange: ((event: IdbVersionChange) => void) | null;
  /** Fires when the browser, not the page, ends the connection. */
  onclose: ((event: unknown) => void) | null;
  createObjectStore(
    name: string,
    options?: { readonly keyPath?: string | readonly string[] },
  ): IdbObjectStore;
  transaction(
    names: readonly string[],
    mode: "readonly" | "readwrite",
    options?: { readonly durability: "strict" | "relaxed" },
  ): IdbTransaction;
  close(): void;
}

export interface IdbFactory {
  open(name: string, version: number): IdbOpenRequest;
  deleteDatabase(name: string): IdbOpenRequest;
}
