/**
 * The parts of a browser that the store stands on, as one value: the browser's own, or doubles of
 * them. Layer 4; the one file that looks at globals, because IndexedDB is this store's engine.
 */
import type { IdbFactory, IdbKeyRanges } from "./idb-types.ts";

/** Bytes of this origin, as `navigator.storage.estimate()` tells them. */
export interface StorageEstimate {
  readonly usage?: number;
  readonly quota?: number;
  readonly usageDetails?: { readonly indexedDB?: number };
}

/** What the store uses of `navigator.storage`. */
export interface IdbStorageManager {
  persisted?(): Promise<boolean>;
  persist?(): Promise<boolean>;
  estimate?(): Promise<StorageEstimate>;
}

/**
 * Remembers beside the database that there is one. It must outlive the database: one that goes
 * with it proves nothing. Calls may throw; then nothing is remembered.
 */
export interface StoreMarker {
  has(name: string): boolean;
  set(name: string): void;
  remove(name: string): void;
}

/** A way to tell the other tabs that something was committed. */
export interface TabChannel {
  tell(): void;
  close(): void;
}

export interface IdbPlatform {
  readonly indexedDB: IdbFactory | undefined;
  readonly keyRange: IdbKeyRanges | undefined;
  readonly storage: IdbStorageManager | undefined;
  readonly marker: StoreMarker | undefined;
  /** `undefined` where there is none: other tabs' commits are then told with one's own. */
  openChannel(name: string, onTold: () => void): TabChannel | undefined;
  /** Calls back when the page is shown again after it was hidden or frozen; returns the end of it. */
  onShown(wake: () => void): () => void;
  /** Resolves in another task, so that input and painting get their turn. */
  pause(): Promise<void>;
  /** Calls back once after `delayMs`; returns the end of it. */
  after(delayMs: number, work: () => void): () => void;
}

interface Listening {
  addEventListener(type: string, listener: (event: unknown) => void): void;
  removeEventListener(type: string, listener: (event: unknown) => void): void;
}

interface ChannelLike extends Listening {
  postMessage(message: unknown): void;
  close(): void;
  /** Node alone: lets a process end while the channel is open. */
  unref?(): void;
}

interface PortLike {
  onmessage: (() => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** What a window or worker may have; nothing is taken for granted. */
interface BrowserScope {
  readonly indexedDB?: IdbFactory;
  readonly IDBKeyRange?: IdbKeyRanges;
  readonly navigator?: { readonly storage?: IdbStorageManager };
  readonly localStorage?: {
    getItem(key: string): string | null;
    setItem(key: string, value: string): void;
    removeItem(key: string): void;
  };
  readonly document?: Listening & { readonly visibilityState?: string };
  readonly BroadcastChannel?: new (name: string) => ChannelLike;
  readonly MessageChannel: new () => { readonly port1: PortLike; readonly port2: PortLike };
  setTimeout(work: () => void, delayMs: number): unknown;
  clearTimeout(timer: unknown): void;
}

const markerPrefix = "hawser store-idb ";

/** The browser this runs in. Parts that are missing or forbidden are left out. */
export function browserPlatform(): IdbPlatform {
  // Safe: each part is looked at before it is used, but those that all of them have.
  const scope = globalThis as unknown as BrowserScope;
  return {
    indexedDB: allowed(() => scope.indexedDB),
    keyRange: scope.IDBKeyRange,
    storage: allowed(() => scope.navigator?.storage),
    marker: localMarker(scope),
    openChannel: (name, onTold) => openBroadcast(scope, name, onTold),
    onShown: (wake) => watchVisibility(scope, wake),
    pause: () =>
      new Promise((resolve) => {
        const { port1, port2 } = new scope.MessageChannel();
        port1.onmessage = () => {
          port1.close();
          resolve();
        };
        port2.postMessage(undefined);
      }),
    after: (delayMs, work) => {
      const timer = scope.setTimeout(work, delayMs);
      return () => scope.clearTimeout(timer);
    },
  };
}

/** Reading a global may throw where the user forbids storage. */
function allowed<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** localStorage is in windows alone, and not everywhere in them. */
function localMarker(scope: BrowserScope): StoreMarker | undefined {
  const storage = allowed(() => scope.localStorage);
  if (storage === undefined || storage === null) return undefined;
  return {
    has: (name) => storage.getItem(markerPrefix + name) !== null,
    set: (name) => storage.setItem(markerPrefix + name, "1"),
    remove: (name) => storage.removeItem(markerPrefix + name),
  };
}

function openBroadcast(
  scope: BrowserScope,
  name: string,
  onTold: () => void,
): TabChannel | undefined {
  if (scope.BroadcastChannel === undefined) return undefined;
  const channel = new scope.BroadcastChannel(`hawser store-idb ${name}`);
  channel.addEventListener("message", onTold);
  channel.unref?.();
  return { tell: () => channel.postMessage(1), close: () => channel.close() };
}

/** A frozen page hears no messages: it looks when it is shown again. */
function watchVisibility(scope: BrowserScope, wake: () => void): () => void {
  const { document } = scope;
  if (document === undefined) return () => {};
  const look = (): void => {
    if (document.visibilityState === "visible") wake();
  };
  document.addEventListener("visibilitychange", look);
  document.addEventListener("resume", wake);
  return () => {
    document.removeEventListener("visibilitychange", look);
    document.removeEventListener("resume", wake);
  };
}
