/**
 * How safe the browser keeps what is stored: whether it may evict, and how much room there is
 * (docs/spec/store-idb.md §8). Layer 4.
 */
import type { IdbStorageManager, StorageEstimate } from "./platform.ts";

/**
 * `persistent`: only the user removes it. `best-effort`: the browser may when space is short, some
 * after days without a visit. `unknown`: the browser does not say; take it for best-effort.
 */
export type Persistence = "persistent" | "best-effort" | "unknown";

export interface StorageState {
  readonly persistence: Persistence;
  /** Bytes this origin uses, and may use; `undefined` where the browser does not say. */
  readonly usageBytes: number | undefined;
  readonly quotaBytes: number | undefined;
  /** Bytes of all IndexedDB databases of this origin; few browsers say. */
  readonly databaseBytes: number | undefined;
}

export interface PersistenceWatch {
  /** Asks unless it is granted; the outcome. */
  request(): Promise<Persistence>;
  state(): Promise<StorageState>;
}

/** What cannot be asked or does not answer is `unknown`: none of it stops a store. */
export function createPersistence(storage: IdbStorageManager | undefined): PersistenceWatch {
  const current = async (): Promise<Persistence> => toPersistence(await storage?.persisted?.());
  // Async, so that what throws at once rejects as well.
  const estimate = async (): Promise<StorageEstimate | undefined> => await storage?.estimate?.();
  return {
    request: async () => {
      try {
        const known = await current();
        if (known === "persistent") return known;
        return toPersistence(await storage?.persist?.());
      } catch {
        return "unknown";
      }
    },
    state: async () => {
      const persistence = await current().catch((): Persistence => "unknown");
      const room = await estimate().catch(() => undefined);
      return {
        persistence,
        usageBytes: room?.usage,
        quotaBytes: room?.quota,
        databaseBytes: room?.usageDetails?.indexedDB,
      };
    },
  };
}

function toPersistence(isGranted: boolean | undefined): Persistence {
  if (isGranted === undefined) return "unknown";
  return isGranted ? "persistent" : "best-effort";
}
