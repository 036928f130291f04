/**
 * The shelf of a space: named values of views in the device's store, sealed under its identity
 * (docs/spec/view.md §3). A value that does not open is as good as none. Layer 5, internal.
 */
import { cachePrefix } from "./order-cache.ts";
import type { Device } from "./device.ts";
import type { SpacesDeps } from "./types.ts";
import type { SyncTopic } from "@hawser/sync";

/** Values by name; a name is 1–200 printable ASCII characters. */
export interface SpaceShelf {
  read(name: string): Promise<Uint8Array | undefined>;
  /** `undefined` takes the value away. Resolves when durable. */
  write(name: string, value: Uint8Array | undefined): Promise<void>;
}

/** The shelf of a space on this device. */
export function createShelf(core: {
  readonly deps: SpacesDeps;
  readonly device: Pick<Device, "vault">;
  readonly syncTopic: Pick<SyncTopic, "topic">;
}): SpaceShelf {
  const { store } = core.deps;
  const { vault } = core.device;
  const keyOf = (name: string): string => `${cachePrefix(core.syncTopic.topic)}view/${name}`;
  return {
    read: async (name) => {
      const value = await store.get(keyOf(name));
      return value === undefined ? undefined : vault.open(keyOf(name), value);
    },
    write: async (name, value) => {
      const key = keyOf(name);
      const write = value === undefined ? { key, value } : vault.write(key, value);
      await store.commit({ writes: [write] });
    },
  };
}
