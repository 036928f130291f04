/**
 * createSqlitePacketStore: PacketStore on the SQLite that Node carries (docs/spec/query.md §7).
 * Layer 4, a leaf. Adds that wait at the same time share one transaction, and therefore one sync of
 * the disk.
 */
import { toHex } from "@hawser/codec";
import { withNetHeader, type Packet, type PointTypes } from "@hawser/packet";
import {
  createListeners,
  QueryError,
  receiveStamps,
  type AddOutcome,
  type Clock,
  type PacketStore,
  type StoredPacket,
} from "@hawser/query";
import { toStoreError } from "./errors.ts";
import { createPacketRows, packetFormat, type PacketRows } from "./packet-rows.ts";
import { openDatabase } from "./schema.ts";
import { inTransaction } from "./transaction.ts";

export interface SqlitePacketStoreDeps {
  /** Gives receive stamps. */
  readonly clock: Clock;
}

export interface SqlitePacketStoreOptions {
  /** The database file, made when missing; ":memory:" for none. */
  readonly path: string;
  /** `full` (default): acknowledged adds survive power loss. `normal`: a crash of the process. */
  readonly durability?: "full" | "normal";
  /** How long to wait for another process's write lock, in ms; default 5,000. */
  readonly busyTimeoutMs?: number;
  /** A quota: pages (of 8,192 bytes) the file may grow to; an add beyond fails as on a full disk. */
  readonly pagesMax?: number;
  /** Type bytes of the packets in the file; default those of Linkspace 0.3–0.6. */
  readonly types?: PointTypes;
}

interface Waiting {
  readonly packets: readonly Packet<"verified">[];
  readonly resolve: (outcome: AddOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Opens the store. Throws SqliteStoreError STORE_NEWER_FORMAT, STORE_FOREIGN_FILE, STORE_UNREADABLE
 * or STORE_BUSY; adds reject with STORE_BUSY, and with STORE_WRITE_FAILED when the disk is full.
 */
export function createSqlitePacketStore(
  deps: SqlitePacketStoreDeps,
  options: SqlitePacketStoreOptions,
): PacketStore {
  const { path, durability = "full", busyTimeoutMs = 5_000, pagesMax, types } = options;
  const format = packetFormat;
  const database = openDatabase({ format, path, durability, busyTimeoutMs, pagesMax });
  const rows = createPacketRows(database, path, types);
  const listeners = createListeners<readonly StoredPacket[]>();
  let waiting: Waiting[] = [];
  let isClosed = false;

  const assertOpen = (): void => {
    if (isClosed) throw new QueryError("STORE_CLOSED", "the store is closed");
  };

  const read = async <Value>(work: () => Value): Promise<Value> => {
    assertOpen();
    try {
      return work();
    } catch (error) {
      throw toStoreError(error, path);
    }
  };

  const flush = (): void => {
    const group = waiting;
    waiting = [];
    if (group.length === 0) return;
    const work = (): readonly AddResult[] =>
      inTransaction(database, path, () =>
        group.map(({ packets }) => addBatch(rows, deps.clock, packets)),
      );
    for (const { added } of addGroup(group, work)) if (added.length > 0) listeners.tell(added);
  };

  const close = async (): Promise<void> => {
    if (isClosed) return;
    flush();
    isClosed = true;
    listeners.clear();
    database.close();
  };

  return {
    add: async (packets) => {
      assertOpen();
      // Copies: what was given may be a view into a buffer that is used again before the flush.
      const copies = packets.map((packet) => withNetHeader(packet, packet.netHeader));
      return await new Promise<AddOutcome>((resolve, reject) => {
        waiting.push({ packets: copies, resolve, reject });
        // One turn later, so that adds made in the same turn share the transaction.
        if (waiting.length === 1) void Promise.resolve().then(flush);
      });
    },
    get: (hash) => read(() => rows.find(hash)),
    lastRecv: () => read(() => rows.lastRecv()),
    treeRows: (from, page) => read(() => rows.treeRows(from, page)),
    byHash: (from, page) => read(() => rows.byHash(from, page)),
    byRecv: (bounds, page) => read(() => rows.byRecv(bounds, page)),
    onAdd: (listener) => {
      assertOpen();
      return listeners.add(listener);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface AddResult {
  readonly outcome: AddOutcome["packets"];
  readonly added: readonly StoredPacket[];
}

/** Adds of one turn in one transaction: all of them or, where that fails, none. */
function addGroup(
  group: readonly Waiting[],
  work: () => readonly AddResult[],
): readonly AddResult[] {
  let done: readonly AddResult[];
  try {
    done = work();
  } catch (error) {
    for (const { reject } of group) reject(error);
    return [];
  }
  group.forEach(({ resolve }, index) => resolve({ packets: done[index]?.outcome ?? [] }));
  return done;
}

/** Inside the transaction, so that two processes never give one stamp twice. */
function addBatch(
  rows: PacketRows,
  clock: Clock,
  packets: readonly Packet<"verified">[],
): AddResult {
  const recvByHash = new Map<string, number>();
  const fresh: Packet<"verified">[] = [];
  const isNew = packets.map((packet) => {
    const id = toHex(packet.hash);
    if (recvByHash.has(id)) return false;
    const known = rows.findRecv(packet.hash);
    recvByHash.set(id, known ?? 0);
    if (known === undefined) fresh.push(packet);
    return known === undefined;
  });
  const stamps = receiveStamps(clock, rows.lastRecv(), fresh.length);
  const added = fresh.map((packet, index) => ({ packet, recv: stamps[index] ?? 0 }));
  for (const stored of added) {
    rows.insert(stored);
    recvByHash.set(toHex(stored.packet.hash), stored.recv);
  }
  const outcome = packets.map((packet, index) => ({
    recv: recvByHash.get(toHex(packet.hash)) ?? 0,
    isNew: isNew[index] ?? false,
  }));
  return { outcome, added };
}
