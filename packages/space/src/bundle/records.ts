/** What stands in a bundle, record by record (docs/spec/bundle.md §5). Layer 5, internal. */
import { decodeCbor, encodeCbor, toHex, type CborValue } from "@hawser/codec";
import { isLogContext, type EncodedRange, type LogId, type Topic } from "@hawser/log";
import { hexBytes } from "../place.ts";
import { toAuthorId } from "../words.ts";

/** Logs of one frontier record. */
export const heightsPerRecordMax = 2_048;

/** How far one log goes. */
export interface LogHeight {
  readonly logId: LogId;
  readonly height: number;
}

export type BundleRecord =
  /** When it was made, in µs by the maker's clock; the first record. */
  | { readonly kind: "begin"; readonly time: number }
  /** Entries of a control log; their contents are sealed to members and followers already. */
  | { readonly kind: "control"; readonly range: EncodedRange }
  /** A range in an outer envelope (docs/spec/6-space.md §5). */
  | { readonly kind: "sealed"; readonly envelope: Uint8Array }
  | { readonly kind: "heights"; readonly heights: readonly LogHeight[] }
  /** The last record. `withheld`: logs with something to give that could not be. */
  | { readonly kind: "end"; readonly rangeCount: number; readonly withheld: number };

const codes = { begin: 0, control: 1, sealed: 2, heights: 3, end: 4 } as const;

/** Canonical bytes of a record. */
export function encodeRecord(record: BundleRecord): Uint8Array {
  return encodeCbor([codes[record.kind], ...fieldsOf(record)]);
}

function fieldsOf(record: BundleRecord): readonly CborValue[] {
  switch (record.kind) {
    case "begin":
      return [record.time];
    case "control": {
      const { context, from, count, bytes } = record.range;
      return [context.domain, hexBytes(context.author), from, count, bytes];
    }
    case "sealed":
      return [record.envelope];
    case "heights":
      return [record.heights.map(({ logId, height }) => [hexBytes(logId), height])];
    case "end":
      return [record.rangeCount, record.withheld];
  }
}

/** A record of the section of `topic`; `undefined` when it is none this version knows. */
export function decodeRecord(bytes: Uint8Array, topic: Topic): BundleRecord | undefined {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value)) return undefined;
  const [code, first, second, ...rest] = value;
  switch (code) {
    case codes.begin:
      return value.length === 2 && isCount(first) ? { kind: "begin", time: first } : undefined;
    case codes.control:
      return value.length === 6 ? toControl(topic, [first, second, ...rest]) : undefined;
    case codes.sealed: {
      const isOne = value.length === 2 && first instanceof Uint8Array;
      return isOne ? { kind: "sealed", envelope: first } : undefined;
    }
    case codes.heights:
      return value.length === 2 ? toHeights(first) : undefined;
    case codes.end:
      if (value.length !== 3 || !isCount(first) || !isCount(second)) return undefined;
      return { kind: "end", rangeCount: first, withheld: second };
    default:
      return undefined;
  }
}

function toControl(topic: Topic, fields: readonly unknown[]): BundleRecord | undefined {
  const [domain, author, from, count, bytes] = fields;
  if (typeof domain !== "string" || !isId(author) || !(bytes instanceof Uint8Array)) {
    return undefined;
  }
  const context = { topic, domain, author: toAuthorId(author) };
  if (!isLogContext(context) || !isCount(from) || !isCount(count)) return undefined;
  return { kind: "control", range: { context, from, count, bytes } };
}

function toHeights(value: unknown): BundleRecord | undefined {
  if (!Array.isArray(value) || value.length > heightsPerRecordMax) return undefined;
  const heights: LogHeight[] = [];
  for (const item of value) {
    if (!Array.isArray(item) || item.length !== 2) return undefined;
    const [logId, height] = item;
    if (!isId(logId) || !isCount(height)) return undefined;
    // Safe: 32 bytes in hex name a log.
    heights.push({ logId: toHex(logId) as LogId, height });
  }
  return { kind: "heights", heights };
}

function isId(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
