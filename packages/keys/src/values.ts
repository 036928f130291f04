/**
 * Small readers of decoded CBOR and of ids. Layer 4, internal. Each returns `undefined` for what
 * does not fit, so a parser is a row of checks.
 */
import { type CborValue, fromHex, toHex } from "@hawser/codec";
import type { Random } from "@hawser/crypto";
import { KeysError } from "./errors.ts";

/** Bytes of an id, an author or a secret. */
export const idBytes = 32;

export function asArray(
  value: CborValue | undefined,
  countMax: number,
): readonly CborValue[] | undefined {
  // Safe: Array.isArray does not narrow readonly arrays; no other member of CborValue is one.
  return Array.isArray(value) && value.length <= countMax
    ? (value as readonly CborValue[])
    : undefined;
}

export function asBytes(value: CborValue | undefined, byteCount: number): Uint8Array | undefined {
  return value instanceof Uint8Array && value.length === byteCount ? value : undefined;
}

export function asCount(value: CborValue | undefined): number | undefined {
  return typeof value === "number" && value >= 0 ? value : undefined;
}

/** A 32-byte id in hex. */
export function asId<Id extends string>(value: CborValue | undefined): Id | undefined {
  const bytes = asBytes(value, idBytes);
  // Safe: 64 hex characters are what every id brand stands for.
  return bytes === undefined ? undefined : (toHex(bytes) as Id);
}

/** Strictly ascending 32-byte ids in hex; sets have one encoding. */
export function asIdSet<Id extends string>(
  value: CborValue | undefined,
  countMax: number,
): readonly Id[] | undefined {
  const items = asArray(value, countMax);
  if (items === undefined) return undefined;
  const ids: Id[] = [];
  for (const item of items) {
    const id = asId<Id>(item);
    const previous = ids.at(-1);
    if (id === undefined || (previous !== undefined && previous >= id)) return undefined;
    ids.push(id);
  }
  return ids;
}

/** The bytes of an id handed in by the caller. Throws `KEYS_BAD_ID`. */
export function bytesOfId(id: string): Uint8Array {
  const bytes = /^[0-9a-f]{64}$/.test(id) ? fromHex(id) : undefined;
  if (bytes === undefined) throw new KeysError("KEYS_BAD_ID", "an id has 64 hex characters");
  return bytes;
}

/** Ids sorted, without duplicates. Hex of equal length sorts as its bytes do. */
export function sortedIds<Id extends string>(ids: Iterable<Id>): readonly Id[] {
  return [...new Set(ids)].sort(compareText);
}

/** Order of UTF-16 units, which for hex is the order of bytes; no locale has a say. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** 32 fresh bytes. Throws `KEYS_BAD_RANDOM` rather than use a short secret. */
export function freshSecret(random: Random): Uint8Array {
  const bytes = random(idBytes);
  if (bytes.length !== idBytes) {
    throw new KeysError("KEYS_BAD_RANDOM", `random gave ${bytes.length} bytes instead of 32`);
  }
  return bytes;
}
