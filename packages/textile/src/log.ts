/**
 * A log of records (docs/spec/textile.md §4). A signature of the format covers less than it should,
 * so records are judged in their log and not one by one. Layer 7, pure.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { base32 } from "multiformats/bases/base32";
import { parseCid } from "./dag.ts";
import type { ThreadKey } from "./keys.ts";
import {
  readRecord,
  signedBytes,
  type ReadRecord,
  type RecordBlocks,
  type UnreadableReason,
} from "./record.ts";

/** Why a record, and with it everything after it, does not count. */
export type RefusedReason =
  | UnreadableReason
  /** It does not follow the record before it. */
  | "CHAIN"
  /** Not signed by the log's key. */
  | "SIGNATURE"
  /** Its author is not that of the log. */
  | "IDENTITY"
  /** A first record that nothing vouches for: its signature does not cover what it carries. */
  | "UNANCHORED";

/** What is known of a log from elsewhere. */
export interface LogClaims {
  readonly threadKey: ThreadKey;
  /** The log's public key, 32 bytes: it is in its id. */
  readonly logKey: Uint8Array;
  /** CID of the newest record, if somebody trusted told it: vouches for a log of one record. */
  readonly head?: string;
  /** Who the author must be (`bbaarei…`); otherwise whoever the first record names. */
  readonly identity?: string;
}

/** The good beginning of a log, and what ended it. */
export interface VerifiedLog {
  readonly records: readonly ReadRecord[];
  readonly refused?: { readonly index: number; readonly reason: RefusedReason };
}

/**
 * Reads a log, oldest record first. A record counts when its blocks are those it names, it links to
 * the one before, the log's key signed it and its author is the log's. The first record counts only
 * when the second, or `head`, names its very bytes: anybody with the service key can forge it
 * otherwise. Work and memory are linear in the blocks given.
 */
export function verifyLog(blocks: Iterable<RecordBlocks>, claims: LogClaims): VerifiedLog {
  const records: ReadRecord[] = [];
  let { identity } = claims;
  let refused: RefusedReason | undefined;
  for (const one of blocks) {
    const read = readRecord(one, claims.threadKey);
    refused = read.ok ? judge(read.value, records.at(-1), claims, identity) : read.reason;
    if (refused !== undefined || !read.ok) break;
    identity = read.value.identity;
    records.push(read.value);
  }
  const [first] = records;
  if (records.length === 1 && first?.cid !== claims.head) {
    return { records: [], refused: { index: 0, reason: "UNANCHORED" } };
  }
  if (refused === undefined) return { records };
  return { records, refused: { index: records.length, reason: refused } };
}

function judge(
  record: ReadRecord,
  before: ReadRecord | undefined,
  claims: LogClaims,
  identity: string | undefined,
): RefusedReason | undefined {
  if (record.previous !== before?.cid) return "CHAIN";
  if (!isSigned(record, claims.logKey)) return "SIGNATURE";
  return identity !== undefined && record.identity !== identity ? "IDENTITY" : undefined;
}

/** Whether the log's key signed a record, by the rule of the format; see `verifyLog`. */
export function isSigned(record: ReadRecord, logKey: Uint8Array): boolean {
  const eventCid = parseCid(record.eventCid);
  const previous = record.previous === undefined ? undefined : parseCid(record.previous);
  if (eventCid === undefined) return false;
  const signed = signedBytes(eventCid, previous, base32.decode(record.identity));
  try {
    return ed25519.verify(record.signature, signed, logKey);
  } catch {
    return false;
  }
}
