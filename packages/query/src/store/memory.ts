/**
 * The PacketStore that keeps everything in memory: for tests, short-lived tools and as the model of
 * what an adapter does (docs/spec/query.md §7). Layer 3; pure.
 */
import { compareBytes, toHex } from "@hawser/codec";
import { withNetHeader, type Packet } from "@hawser/packet";
import { QueryError } from "../errors.ts";
import { createListeners } from "./listeners.ts";
import { compareTreePlaces, treeRowOf } from "./place.ts";
import { receiveStamps } from "./recv.ts";
import { createSortedList, lowerBound, type SortedList } from "./sorted-list.ts";
import type { AddOutcome, Clock, PacketStore, StoredPacket, TreePlace, TreeRow } from "./types.ts";

export interface MemoryPacketStoreDeps {
  readonly clock: Clock;
}

/** What has a hash, in hash order. */
interface Hashed {
  readonly hash: Uint8Array;
}

interface HashedPacket extends Hashed {
  readonly stored: StoredPacket;
}

/** The three orders, without promises. */
interface Tables {
  add(packets: readonly Packet<"verified">[]): readonly StoredPacket[];
  lastRecv(): number;
  get(hash: Uint8Array): StoredPacket | undefined;
  readonly tree: SortedList<TreeRow, TreePlace>;
  readonly hashes: SortedList<HashedPacket, Hashed>;
  readonly received: readonly StoredPacket[];
  /** Where packets with stamps in [low, high] begin and end in `received`. */
  slice(low: number, high: number): readonly [number, number];
}

function createTables(clock: Clock): Tables {
  const storedByHash = new Map<string, StoredPacket>();
  const received: StoredPacket[] = [];
  const tree = createSortedList<TreeRow, TreePlace>(compareTreePlaces);
  const hashes = createSortedList<HashedPacket, Hashed>((a, b) => compareBytes(a.hash, b.hash));
  const lastRecv = (): number => received.at(-1)?.recv ?? 0;

  const keep = (stored: StoredPacket): void => {
    const { hash } = stored.packet;
    storedByHash.set(toHex(hash), stored);
    received.push(stored);
    hashes.insert({ hash, stored });
    const row = treeRowOf(stored.packet, stored.recv);
    if (row !== undefined) tree.insert(row);
  };

  /** Copies, because what was given may be a view into a buffer that is used again. */
  const add = (packets: readonly Packet<"verified">[]): readonly StoredPacket[] => {
    const fresh = new Map<string, Packet<"verified">>();
    for (const packet of packets) {
      const id = toHex(packet.hash);
      if (!storedByHash.has(id) && !fresh.has(id)) fresh.set(id, packet);
    }
    const stamps = receiveStamps(clock, lastRecv(), fresh.size);
    const added = [...fresh.values()].map((packet, index) => ({
      packet: withNetHeader(packet, packet.netHeader),
      recv: stamps[index] ?? 0,
    }));
    for (const stored of added) keep(stored);
    return added;
  };

  return {
    add,
    lastRecv,
    get: (hash) => storedByHash.get(toHex(hash)),
    tree,
    hashes,
    received,
    slice: (low, high) => {
      const start = lowerBound(received.length, (index) => (received[index]?.recv ?? 0) < low);
      const end = lowerBound(received.length, (index) => (received[index]?.recv ?? 0) <= high);
      return [start, end];
    },
  };
}

/** An empty store. Its methods throw what `PacketStore` says and nothing else. */
export function createMemoryPacketStore(deps: MemoryPacketStoreDeps): PacketStore {
  const tables = createTables(deps.clock);
  const listeners = createListeners<readonly StoredPacket[]>();
  let isClosed = false;

  const assertOpen = (): void => {
    if (isClosed) throw new QueryError("STORE_CLOSED", "the store is closed");
  };

  const close = async (): Promise<void> => {
    isClosed = true;
    listeners.clear();
  };

  return {
    add: async (packets): Promise<AddOutcome> => {
      assertOpen();
      const added = tables.add(packets);
      // A known packet comes back with its own stamp; only the first copy of a batch is new.
      const fresh = new Set(added.map(({ recv }) => recv));
      const outcome = packets.map((packet) => {
        const recv = tables.get(packet.hash)?.recv ?? 0;
        return { recv, isNew: fresh.delete(recv) };
      });
      if (added.length > 0) listeners.tell(added);
      return { packets: outcome };
    },
    get: async (hash) => {
      assertOpen();
      return tables.get(hash);
    },
    lastRecv: async () => {
      assertOpen();
      return tables.lastRecv();
    },
    treeRows: async (from, { max, descending = false }) => {
      assertOpen();
      return descending ? tables.tree.before(from, max) : tables.tree.from(from, max);
    },
    byHash: async (from, { max, descending = false }) => {
      assertOpen();
      const place = from === undefined ? undefined : { hash: from };
      const { hashes } = tables;
      const found = descending ? hashes.before(place, max) : hashes.from(place, max);
      return found.map(({ stored }) => stored);
    },
    byRecv: async ({ low, high }, { max, descending = false }) => {
      assertOpen();
      const [start, end] = tables.slice(low, high);
      if (!descending) return tables.received.slice(start, Math.min(end, start + max));
      return tables.received.slice(Math.max(start, end - max), end).reverse();
    },
    onAdd: (listener) => {
      assertOpen();
      return listeners.add(listener);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
