/**
 * The database of loose packets (docs/spec/query.md §7): a table in receive order, an index over the
 * first eight bytes of hashes, and the tree order with the reference's own key and value bytes.
 * Sequential integer keys: a packet costs one append to a table and one row in two indexes.
 */
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { equalBytes } from "@hawser/codec";
import { parsePacket, treeKey, treeValue, type Packet, type PointTypes } from "@hawser/packet";
import { treeRowOf, type PageOptions, type StoredPacket } from "@hawser/query";
import type { TreePlace, TreeRow } from "@hawser/query";
import { SqliteStoreError } from "./errors.ts";
import type { DatabaseFormat } from "./schema.ts";

/** Raised when a table changes; a file of a higher version is refused. */
export const packetFormatVersion = 1;

/** The database of packets: "HAWP". */
export const packetFormat: DatabaseFormat = {
  applicationId: 0x48415750,
  version: packetFormatVersion,
  tables: `
CREATE TABLE packets (
  recv INTEGER PRIMARY KEY,
  hash_start INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
CREATE INDEX packets_hash ON packets (hash_start);
CREATE TABLE tree (
  key BLOB NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (key, value)
) STRICT, WITHOUT ROWID;
`,
};

type Row = Readonly<Record<string, SQLOutputValue>>;

/** The tables, without promises. Bytes are what the packets came with: nothing is checked again. */
export interface PacketRows {
  find(hash: Uint8Array): StoredPacket | undefined;
  findRecv(hash: Uint8Array): number | undefined;
  lastRecv(): number;
  /** Inside a transaction. */
  insert(stored: StoredPacket): void;
  treeRows(from: TreePlace, options: PageOptions): readonly TreeRow[];
  byHash(from: Uint8Array | undefined, options: PageOptions): readonly StoredPacket[];
  byRecv(
    bounds: { readonly low: number; readonly high: number },
    options: PageOptions,
  ): readonly StoredPacket[];
}

export function createPacketRows(
  database: DatabaseSync,
  path: string,
  types: PointTypes | undefined,
): PacketRows {
  const sql = prepareAll(database);

  const toStored = (row: Row): StoredPacket => {
    const bytes = blob(row, "bytes");
    const options = { mode: "reference", allowPrivate: true } as const;
    const parsed = parsePacket(bytes, types === undefined ? options : { ...options, types });
    if (!parsed.ok || parsed.rest.length > 0) {
      throw new SqliteStoreError("STORE_UNREADABLE", `${path} holds a packet that does not parse`);
    }
    // Safe: only verified packets are inserted, and who can write the file is trusted (README).
    return { packet: parsed.packet as Packet as Packet<"verified">, recv: integer(row, "recv") };
  };

  const findRow = (hash: Uint8Array): Row | undefined =>
    sql.find
      .all(hashStart(hash))
      .find((row) => equalBytes(blob(row, "bytes").subarray(32, 64), hash));

  return {
    find: (hash) => {
      const row = hash.length === 32 ? findRow(hash) : undefined;
      return row === undefined ? undefined : toStored(row);
    },
    findRecv: (hash) => {
      const row = findRow(hash);
      return row === undefined ? undefined : integer(row, "recv");
    },
    lastRecv: () => integer(sql.last.get() ?? {}, "recv"),
    insert: ({ packet, recv }) => {
      sql.insert.run(recv, hashStart(packet.hash), packet.bytes);
      if (treeRowOf(packet, recv) === undefined) return;
      const [key, value] = [treeKey(packet), treeValue(packet, recv)];
      if (key !== undefined && value !== undefined) sql.insertTree.run(key, value);
    },
    treeRows: (from, { max, descending = false }) => {
      const statement = descending ? sql.treeDown : sql.treeUp;
      return statement.all(from.key, valueStart(from), max).map(toTreeRow);
    },
    byHash: (from, { max, descending = false }) => {
      if (from === undefined) {
        return (descending ? sql.hashLast : sql.hashFirst).all(max).map(toStored);
      }
      const statement = descending ? sql.hashDown : sql.hashUp;
      return statement.all(hashStart(from), from, max).map(toStored);
    },
    byRecv: ({ low, high }, { max, descending = false }) => {
      const statement = descending ? sql.recvDown : sql.recvUp;
      return statement.all(low, high, max).map(toStored);
    },
  };
}

/**
 * Hashes whose first eight bytes agree are brought in order by their other bytes; there are hardly
 * any, so that the index alone decides almost always.
 */
function prepareAll(database: DatabaseSync) {
  const packets = "SELECT recv, bytes FROM packets";
  const hash = "substr(bytes, 33, 32)";
  const up = `ORDER BY hash_start, ${hash} LIMIT`;
  const down = `ORDER BY hash_start DESC, ${hash} DESC LIMIT`;
  return {
    find: database.prepare(`${packets} WHERE hash_start = ?`),
    last: database.prepare("SELECT coalesce(max(recv), 0) AS recv FROM packets"),
    insert: database.prepare("INSERT INTO packets (recv, hash_start, bytes) VALUES (?, ?, ?)"),
    insertTree: database.prepare("INSERT INTO tree (key, value) VALUES (?, ?)"),
    treeUp: database.prepare(
      "SELECT key, value FROM tree WHERE (key, value) >= (?, ?) ORDER BY key, value LIMIT ?",
    ),
    treeDown: database.prepare(
      `SELECT key, value FROM tree WHERE (key, value) < (?, ?)
       ORDER BY key DESC, value DESC LIMIT ?`,
    ),
    hashFirst: database.prepare(`${packets} ${up} ?1`),
    hashLast: database.prepare(`${packets} ${down} ?1`),
    hashUp: database.prepare(
      `${packets} WHERE hash_start >= ?1 AND (hash_start > ?1 OR ${hash} >= ?2) ${up} ?3`,
    ),
    hashDown: database.prepare(
      `${packets} WHERE hash_start <= ?1 AND (hash_start < ?1 OR ${hash} < ?2) ${down} ?3`,
    ),
    recvUp: database.prepare(`${packets} WHERE recv BETWEEN ? AND ? ORDER BY recv LIMIT ?`),
    recvDown: database.prepare(`${packets} WHERE recv BETWEEN ? AND ? ORDER BY recv DESC LIMIT ?`),
  };
}

/** `stamp ‖ hash`: what a value of the tree begins with, so what it is ordered by. */
function valueStart({ stamp, hash }: TreePlace): Uint8Array {
  const bytes = new Uint8Array(8 + hash.length);
  new DataView(bytes.buffer).setBigUint64(0, stamp);
  bytes.set(hash, 8);
  return bytes;
}

/** Out of the 52 bytes of a value: stamp u64 ‖ hash ‖ received u64 ‖ links u16 ‖ data u16. */
function toTreeRow(row: Row): TreeRow {
  const value = blob(row, "value");
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return {
    key: blob(row, "key"),
    stamp: view.getBigUint64(0),
    hash: value.subarray(8, 40),
    recv: Number(view.getBigUint64(40)),
    linkCount: view.getUint16(48),
    dataBytes: view.getUint16(50),
  };
}

/** The first eight bytes of a hash as SQLite's signed integer, in the same order. */
function hashStart(hash: Uint8Array): bigint {
  const start = new Uint8Array(8);
  start.set(hash.subarray(0, 8));
  return new DataView(start.buffer).getBigUint64(0) - 0x8000_0000_0000_0000n;
}

function blob(row: Row, column: string): Uint8Array {
  const value = row[column];
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}

function integer(row: Row, column: string): number {
  return Number(row[column] ?? 0);
}
