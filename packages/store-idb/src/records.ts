/**
 * The tables and their records (docs/spec/store-idb.md §2), and the way from and to the words of the
 * log. Layer 4; pure.
 */
import { fromHex, toHex } from "@hawser/codec";
import {
  decodeChainState,
  type ChainState,
  type CommitBatch,
  type ForkProof,
  type KvWrite,
  type LogHead,
  type LogId,
  type StoredRange,
  type VerifiedRange,
} from "@hawser/log";
import type { IdbDatabase } from "./idb-types.ts";

/** Raised when a table changes; a database of a higher version is refused. */
export const formatVersion = 1;

export const tableNames = ["counters", "logs", "ranges", "forks", "kv"] as const;
export type TableName = (typeof tableNames)[number];

/** The one record of `counters`. */
export interface Counters {
  /** The highest ever given; never goes back, also not by pruning. */
  readonly cursor: number;
  readonly logs: number;
  readonly entries: number;
  readonly ranges: number;
  readonly rangeBytes: number;
  readonly dataBytes: number;
}

export const countersKey = "all";
export const noCounters: Counters = {
  cursor: 0,
  logs: 0,
  entries: 0,
  ranges: 0,
  rangeBytes: 0,
  dataBytes: 0,
};

/** One log. */
export interface LogRecord {
  readonly logId: Uint8Array;
  /** Present from the first entry on; a proof alone does not list its log. */
  readonly topic?: Uint8Array;
  /** The chain state at the height, encoded. */
  readonly state: Uint8Array;
  readonly signedHeight: number;
  readonly signedHash?: Uint8Array;
  readonly forkedAt?: number;
  readonly prunedTo: number;
  /** `first` of the newest range with a state before it. */
  readonly markedAt: number;
}

/** One range. Its key is [cursor, size, dataBytes]: pages and sums need not load the bytes. */
export interface RangeRecord {
  readonly cursor: number;
  /** Compact bytes. */
  readonly size: number;
  readonly dataBytes: number;
  readonly logId: Uint8Array;
  readonly topic: Uint8Array;
  readonly first: number;
  readonly count: number;
  /** `first` of the nearest range at or before this one that has `before`; 0 for none. */
  readonly markedAt: number;
  /** The chain state before the range, encoded. */
  readonly before?: Uint8Array;
  readonly bytes: Uint8Array;
  /** Of each signed entry the first six bytes of its hash, as a number. */
  readonly signed: readonly number[];
}

/** The fork proof of a log. */
export interface ForkRecord {
  readonly seq: number;
  readonly proof: Uint8Array;
}

/** Makes the tables of a new database. */
export function makeTables(database: IdbDatabase): void {
  database.createObjectStore("counters");
  const logs = database.createObjectStore("logs", { keyPath: "logId" });
  logs.createIndex("topic", ["topic", "logId"]);
  const ranges = database.createObjectStore("ranges", { keyPath: ["cursor", "size", "dataBytes"] });
  ranges.createIndex("place", ["logId", "first"], { unique: true });
  ranges.createIndex("received", ["topic", "cursor"]);
  ranges.createIndex("signed", "signed", { multiEntry: true });
  database.createObjectStore("forks");
  database.createObjectStore("kv");
}

/** Six bytes of a hash as an exact Number: the index of signed entries. */
export function hashPrefix(hash: Uint8Array): number {
  let value = 0;
  for (let index = 0; index < 6; index++) value = value * 256 + (hash[index] ?? 0);
  return value;
}

/** The bytes of an id in hex. */
export function bytesOf(id: string): Uint8Array {
  return fromHex(id) ?? new Uint8Array(0);
}

/** A copy with a buffer of its own: the database would keep all of a larger buffer. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** The log's state as it was stored. Its id lies beside it and is not derived again. */
export function stateOf(logId: Uint8Array, state: Uint8Array): ChainState {
  return decodeChainState({ deriveKey: () => logId }, state);
}

/** The head; `undefined` before the first entry. */
export function headOf(record: LogRecord | undefined): LogHead | undefined {
  if (record?.topic === undefined) return undefined;
  return {
    ...stateOf(record.logId, record.state),
    signedHeight: record.signedHeight,
    signedHash: record.signedHash,
    forkedAt: record.forkedAt,
    prunedTo: record.prunedTo,
  };
}

/** A range of a log as the contract's value. */
export function storedOf(
  head: Pick<LogHead, "context" | "signedHeight">,
  record: RangeRecord,
): StoredRange {
  const { first: from, count, bytes, cursor } = record;
  return {
    context: head.context,
    // Safe: the hex of the 32 bytes that were made from one.
    logId: toHex(record.logId) as LogId,
    from,
    count,
    bytes,
    signed: from + count <= head.signedHeight,
    cursor,
  };
}

/** What a commit keeps of a verified range. */
export interface NewRange {
  readonly before: ChainState;
  readonly after: ChainState;
  readonly bytes: Uint8Array;
  readonly dataBytes: number;
  readonly signed: readonly number[];
  readonly lastSigned: { readonly seq: number; readonly hash: Uint8Array } | undefined;
}

/** All that is needed of a range, in copies: callers may reuse their buffers. */
export function newRange(range: VerifiedRange): NewRange {
  let dataBytes = 0;
  const signed: number[] = [];
  let lastSigned: NewRange["lastSigned"];
  for (const { seq, hash, data, signature } of range.entries) {
    dataBytes += data.length;
    if (signature === undefined) continue;
    signed.push(hashPrefix(hash));
    lastSigned = { seq, hash: ownBytes(hash) };
  }
  const { before, after } = range;
  return { before, after, bytes: ownBytes(range.bytes), dataBytes, signed, lastSigned };
}

/** A record that the database gave, which is what was put there or nothing. */
export function recordIn<Record>(value: unknown): Record | undefined {
  // Safe: nobody else writes to these tables; what lies in them is checked where it is decoded.
  return value as Record | undefined;
}

/** A batch in copies. */
export interface OwnBatch {
  readonly ranges: readonly NewRange[];
  readonly writes: readonly KvWrite[];
  readonly forks: readonly ForkProof[];
}

export function ownBatch({ ranges = [], writes = [], forks = [] }: CommitBatch): OwnBatch {
  return {
    ranges: ranges.map(newRange),
    writes: writes.map(({ key, value }) => ({ key, value: value && ownBytes(value) })),
    forks: forks.map((proof) => ({ ...proof, a: ownBytes(proof.a), b: ownBytes(proof.b) })),
  };
}
