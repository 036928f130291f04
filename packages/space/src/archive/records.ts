/** What stands in an archive, record by record (docs/spec/archive.md §5). Layer 5, internal. */
import { decodeCbor, encodeCbor, toHex, type CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { LogId, Topic } from "@hawser/log";
import type { OwnHeight } from "../guard.ts";
import { hexBytes } from "../place.ts";

/** Whose archive it is; the first record. */
export interface OwnerRecord {
  readonly kind: "owner";
  /** µs since the epoch, by the device's clock. */
  readonly time: number;
  readonly author: AuthorId;
  /** 32 bytes; `undefined` when the archive was made without the identity. */
  readonly secret: Uint8Array | undefined;
}

/** A space begins. */
export interface SpaceRecord {
  readonly kind: "space";
  readonly topic: Topic;
  readonly variant: "access-controlled" | "raw";
  /** The device's record of the space, unsealed. */
  readonly about: Uint8Array;
  /** How far the device's own logs go here. */
  readonly own: readonly OwnHeight[];
}

/** A value of the store's key-value space. */
export interface ValueRecord {
  readonly kind: "value";
  readonly key: string;
  /** It was sealed under the identity, and has to be so again. */
  readonly isSealed: boolean;
  readonly value: Uint8Array;
}

/** A log of the last space begins. */
export interface LogRecord {
  readonly kind: "log";
  /** Chain state before the first entry that is here: later than the start of a pruned log. */
  readonly state: Uint8Array;
  /** Entries up to here follow. */
  readonly height: number;
}

/** Entries of the last log, in compact form. */
export interface RangeRecord {
  readonly kind: "range";
  readonly from: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** A fork proof of the last log. */
export interface ForkRecord {
  readonly kind: "fork";
  readonly proof: Uint8Array;
}

/** The rest of the last log, or with a topic a whole space, could not be read when it was written. */
export interface BrokenRecord {
  readonly kind: "broken";
  readonly topic: Topic;
  readonly reason: string;
}

/** Everything was written. */
export interface EndRecord {
  readonly kind: "end";
  readonly spaces: number;
  readonly logs: number;
  readonly entries: number;
}

export type ArchiveRecord =
  | OwnerRecord
  | SpaceRecord
  | ValueRecord
  | LogRecord
  | RangeRecord
  | ForkRecord
  | BrokenRecord
  | EndRecord;

const codes = {
  owner: 0,
  space: 1,
  value: 2,
  log: 3,
  range: 4,
  fork: 5,
  broken: 6,
  end: 7,
} as const;

/** Canonical bytes of a record. */
export function encodeRecord(record: ArchiveRecord): Uint8Array {
  return encodeCbor([codes[record.kind], ...fieldsOf(record)]);
}

function fieldsOf(record: ArchiveRecord): readonly CborValue[] {
  switch (record.kind) {
    case "owner":
      return [record.time, hexBytes(record.author), record.secret ?? null];
    case "space": {
      const own = record.own.map(({ logId, height }) => [hexBytes(logId), height]);
      return [hexBytes(record.topic), record.variant === "raw", record.about, own];
    }
    case "value":
      return [record.key, record.isSealed, record.value];
    case "log":
      return [record.state, record.height];
    case "range":
      return [record.from, record.count, record.bytes];
    case "fork":
      return [record.proof];
    case "broken":
      return [hexBytes(record.topic), record.reason];
    case "end":
      return [record.spaces, record.logs, record.entries];
  }
}

/** The record of these bytes, or `undefined` when they are none. */
export function decodeRecord(bytes: Uint8Array): ArchiveRecord | undefined {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value)) return undefined;
  const [code, a, b, c, d, ...rest]: readonly CborValue[] = value;
  if (rest.length > 0) return undefined;
  switch (code) {
    case codes.owner:
      return ownerOf(a, b, c);
    case codes.space:
      return spaceOf(a, b, c, d);
    case codes.value:
      if (typeof a !== "string" || typeof b !== "boolean" || !isBytes(c)) return undefined;
      return { kind: "value", key: a, isSealed: b, value: c };
    case codes.log:
      return isBytes(a) && isCount(b) ? { kind: "log", state: a, height: b } : undefined;
    case codes.range:
      if (!isCount(a) || !isCount(b) || !isBytes(c)) return undefined;
      return { kind: "range", from: a, count: b, bytes: c };
    case codes.fork:
      return isBytes(a) ? { kind: "fork", proof: a } : undefined;
    case codes.broken:
      if (!is32(a) || typeof b !== "string") return undefined;
      return { kind: "broken", topic: toHex(a) as Topic, reason: b };
    case codes.end:
      if (!isCount(a) || !isCount(b) || !isCount(c)) return undefined;
      return { kind: "end", spaces: a, logs: b, entries: c };
    default:
      return undefined;
  }
}

function ownerOf(
  time: CborValue | undefined,
  author: CborValue | undefined,
  secret: CborValue | undefined,
): OwnerRecord | undefined {
  if (!isCount(time) || !is32(author) || !(secret === null || is32(secret))) return undefined;
  // Safe: 32 bytes in hex name an author.
  return { kind: "owner", time, author: toHex(author) as AuthorId, secret: secret ?? undefined };
}

function spaceOf(
  topic: CborValue | undefined,
  isRaw: CborValue | undefined,
  about: CborValue | undefined,
  own: CborValue | undefined,
): SpaceRecord | undefined {
  if (!is32(topic) || typeof isRaw !== "boolean" || !isBytes(about)) return undefined;
  if (!Array.isArray(own)) return undefined;
  const heights: OwnHeight[] = [];
  for (const row of own as readonly CborValue[]) {
    const [logId, height]: readonly CborValue[] = Array.isArray(row) ? row : [];
    if (!is32(logId) || !isCount(height)) return undefined;
    // Safe: 32 bytes in hex name a log.
    heights.push({ logId: toHex(logId) as LogId, height });
  }
  const variant = isRaw ? "raw" : "access-controlled";
  // Safe: 32 bytes in hex name a topic.
  return { kind: "space", topic: toHex(topic) as Topic, variant, about, own: heights };
}

function isBytes(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array;
}

function is32(value: CborValue | undefined): value is Uint8Array {
  return isBytes(value) && value.length === 32;
}

function isCount(value: CborValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
