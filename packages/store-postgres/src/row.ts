/** Rows as the driver gives them, read with care. Layer 4. */
import { fromHex, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  decodeChainState,
  decodeContext,
  LogError,
  type LogHead,
  type LogId,
  type StoredRange,
  type Topic,
} from "@hawser/log";

/** A row by column names. */
export type Row = Readonly<Record<string, unknown>>;

/** Bytes of a column. Throws STORE_CORRUPT. */
export function bytesIn(row: Row, name: string): Uint8Array {
  const value = row[name];
  if (value instanceof Uint8Array) return value;
  throw new LogError("STORE_CORRUPT", `column ${name} holds no bytes`);
}

/** A whole number of a column. Throws STORE_CORRUPT. */
export function integerIn(row: Row, name: string): number {
  const value = row[name];
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw new LogError("STORE_CORRUPT", `column ${name} holds no whole number`);
}

/** Bytes of an id or topic, for a statement. */
export function bytesOf(id: string): Uint8Array {
  return fromHex(id) ?? new Uint8Array(0);
}

/** The lane of a topic: its first byte, and the key of its counter. */
export function laneOf(topic: Topic): number {
  return bytesOf(topic)[0] ?? 0;
}

/** Six bytes of a hash as an exact Number: the index of signed entries. */
export function hashPrefix(hash: Uint8Array): number {
  let value = 0;
  for (let index = 0; index < 6; index++) value = value * 256 + (hash[index] ?? 0);
  return value;
}

/** The log id of a row. */
export function logIdIn(row: Row): LogId {
  // Safe: only log ids are stored in that column.
  return toHex(bytesIn(row, "log_id")) as LogId;
}

/** The topic of a row of `logs` or `ranges`. */
export function topicIn(row: Row): Topic {
  // Safe: those tables hold whole topics only.
  return toHex(bytesIn(row, "topic")) as Topic;
}

/** The head in a row of `logs` with `forked_at`. Throws STORE_CORRUPT. */
export function headIn(crypto: Pick<Crypto, "deriveKey">, row: Row): LogHead {
  const signedHash = row["signed_hash"];
  return {
    ...decodeChainState(crypto, bytesIn(row, "state")),
    signedHeight: integerIn(row, "signed_height"),
    signedHash: signedHash instanceof Uint8Array ? signedHash : undefined,
    forkedAt: row["forked_at"] === null ? undefined : integerIn(row, "forked_at"),
    prunedTo: integerIn(row, "pruned_to"),
  };
}

/** The range in a row of `ranges` with the log's `context` and `signed_height`. */
export function storedRangeIn(row: Row): StoredRange {
  const context = decodeContext(bytesIn(row, "context"));
  if (context === undefined) throw new LogError("STORE_CORRUPT", "a context does not parse");
  return { ...placeIn(row), context, logId: logIdIn(row) };
}

/** What a row of `ranges` says of itself; its log is the caller's business. */
export function placeIn(row: Row): Omit<StoredRange, "context" | "logId"> {
  const from = integerIn(row, "first");
  const count = integerIn(row, "count");
  return {
    from,
    count,
    bytes: bytesIn(row, "bytes"),
    signed: from + count <= integerIn(row, "signed_height"),
    cursor: integerIn(row, "cursor"),
  };
}
