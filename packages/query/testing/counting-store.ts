/** A PacketStore that counts what is read through it, around any other. */
import type { PacketStore } from "@hawser/query";

/** Rows and packets handed out so far. */
export interface ReadCounts {
  treeRows: number;
  packets: number;
  /** Most rows or packets handed out at once. */
  pageMax: number;
}

/** The store, and its counts: they may be set back. */
export function countReads(store: PacketStore): {
  readonly store: PacketStore;
  readonly counts: ReadCounts;
} {
  const counts: ReadCounts = { treeRows: 0, packets: 0, pageMax: 0 };
  const page = <Item>(kind: "treeRows" | "packets", items: readonly Item[]): readonly Item[] => {
    counts[kind] += items.length;
    counts.pageMax = Math.max(counts.pageMax, items.length);
    return items;
  };
  return {
    counts,
    store: {
      ...store,
      get: async (hash) => {
        counts.packets++;
        return store.get(hash);
      },
      treeRows: async (from, options) => page("treeRows", await store.treeRows(from, options)),
      byHash: async (from, options) => page("packets", await store.byHash(from, options)),
      byRecv: async (bounds, options) => page("packets", await store.byRecv(bounds, options)),
    },
  };
}
