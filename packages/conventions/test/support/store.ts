/** The simplest PacketStore: an array, sorted anew for each question. */
import { compareBytes, equalBytes } from "@hawser/codec";
import { treeKey, type Packet } from "@hawser/packet";
import type { PacketStore, StoredPacket, TreeRow } from "@hawser/query";

type Place = Pick<TreeRow, "key" | "stamp" | "hash">;

export function createNaiveStore(nowMicros: () => number): PacketStore {
  const stored: StoredPacket[] = [];
  const listeners = new Set<(packets: readonly StoredPacket[]) => void>();
  const find = (hash: Uint8Array): StoredPacket | undefined =>
    stored.find(({ packet }) => equalBytes(packet.hash, hash));
  const rows = (): readonly TreeRow[] => stored.flatMap(rowOf).sort(compareRows);
  return {
    async add(packets) {
      const fresh: StoredPacket[] = [];
      const outcome = packets.map((packet) => {
        const known = find(packet.hash);
        if (known !== undefined) return { recv: known.recv, isNew: false };
        const recv = Math.max(nowMicros(), (stored.at(-1)?.recv ?? 0) + 1);
        stored.push({ packet, recv });
        fresh.push({ packet, recv });
        return { recv, isNew: true };
      });
      if (fresh.length > 0) for (const listener of listeners) listener(fresh);
      return { packets: outcome };
    },
    get: async (hash) => find(hash),
    lastRecv: async () => stored.at(-1)?.recv ?? 0,
    treeRows: async (from, { max, descending = false }) => {
      const all = rows();
      return descending
        ? all
            .filter((row) => compareRows(row, from) < 0)
            .toReversed()
            .slice(0, max)
        : all.filter((row) => compareRows(row, from) >= 0).slice(0, max);
    },
    byHash: async () => [],
    byRecv: async () => [],
    onAdd(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function rowOf({ packet, recv }: StoredPacket): readonly TreeRow[] {
  const key = treeKey(packet as Packet);
  if (key === undefined) return [];
  const { stamp, hash, linkCount, data } = packet;
  return [{ key, stamp, hash, recv, linkCount, dataBytes: data.length }];
}

function compareRows(a: Place, b: Place): number {
  return (
    compareBytes(a.key, b.key) ||
    (a.stamp < b.stamp ? -1 : Number(a.stamp > b.stamp)) ||
    compareBytes(a.hash, b.hash)
  );
}
