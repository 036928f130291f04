/** A browser to test with: fake-indexeddb, and the rest by hand. */
import { IDBFactory, IDBKeyRange } from "fake-indexeddb";
import { browserPlatform, type IdbPlatform, type StoreMarker } from "@hawser/store-idb";

/** A marker in memory. */
export function memoryMarker(names: Set<string> = new Set()): StoreMarker {
  return {
    has: (name) => names.has(name),
    set: (name) => void names.add(name),
    remove: (name) => void names.delete(name),
  };
}

/** A browser of its own, with no database yet; platforms of one browser share `indexedDB`. */
export function fakePlatform(changes: Partial<IdbPlatform> = {}): IdbPlatform {
  return {
    ...browserPlatform(),
    indexedDB: new IDBFactory(),
    keyRange: IDBKeyRange,
    storage: undefined,
    marker: memoryMarker(),
    ...changes,
  };
}
