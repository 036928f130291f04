/** Bodies of events (docs/spec/automerge.md §2). Layer 7, pure. */
import { decodeCbor, encodeCbor, utf8, type CborValue } from "@hawser/codec";

/** The type of all events of this package. */
export const eventType = "automerge";
/** Bytes of a value, or of one piece of it, in an event. */
export const pieceBytesMax: number = 48 * 1024;
/** Pieces of one value. */
export const pieceCountMax = 1_024;
/** Bytes of one value. */
export const valueBytesMax: number = pieceBytesMax * pieceCountMax;
/** Keys in one removal. */
export const removeCountMax = 64;

const version = 1;
const partCountMax = 8;
const partBytesMax = 256;
const kindPut = 1;
const kindRemove = 2;

/** A key as automerge-repo has them. */
export type Key = readonly string[];

/** What one event says. */
export type Body =
  | {
      readonly kind: "put";
      readonly key: Key;
      readonly bytes: Uint8Array;
      /** Which piece of the value `bytes` is, from 0, of how many. */
      readonly index: number;
      readonly count: number;
    }
  | { readonly kind: "remove"; readonly keys: readonly Key[] };

/** Whether a value can be a key. */
export function isKey(value: unknown): value is Key {
  if (!Array.isArray(value) || value.length === 0 || value.length > partCountMax) return false;
  return value.every(
    (part: unknown) =>
      typeof part === "string" &&
      part !== "" &&
      part.length <= partBytesMax &&
      part.isWellFormed() &&
      utf8(part).length <= partBytesMax,
  );
}

/** The bodies that put one value. */
export function encodePut(key: Key, value: Uint8Array): readonly Uint8Array[] {
  const count = Math.max(1, Math.ceil(value.length / pieceBytesMax));
  return Array.from({ length: count }, (_, index) => {
    const piece = value.subarray(index * pieceBytesMax, (index + 1) * pieceBytesMax);
    return encodeCbor([version, kindPut, [...key], piece, index, count]);
  });
}

/** The body that removes some keys, at most 64. */
export function encodeRemove(keys: readonly Key[]): Uint8Array {
  return encodeCbor([version, kindRemove, keys.map((key): CborValue => [...key])]);
}

/** Takes a body apart; `undefined` for bytes of any other form. */
export function parseBody(body: Uint8Array): Body | undefined {
  const fields = decodeCbor(body);
  if (!Array.isArray(fields) || fields[0] !== version) return undefined;
  const [, kind, what, bytes, index, count]: readonly CborValue[] = fields;
  if (kind === kindRemove && fields.length === 3) {
    if (!Array.isArray(what) || what.length > removeCountMax) return undefined;
    const keys: readonly CborValue[] = what;
    return keys.every(isKey) ? { kind: "remove", keys } : undefined;
  }
  if (kind !== kindPut || fields.length !== 6 || !isKey(what)) return undefined;
  if (!(bytes instanceof Uint8Array) || bytes.length > pieceBytesMax) return undefined;
  if (!isCount(count, pieceCountMax) || !isCount(index, count - 1)) return undefined;
  return { kind: "put", key: what, bytes, index, count };
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max;
}
