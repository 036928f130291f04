/** What the state of the key-value view holds, and how it reads. Layer 7, internal. */
import type { SortedKeys } from "./sorted-keys.ts";
import type { KvValue, KvVersion } from "./types.ts";

/** A version that nobody has replaced. */
export interface HeldVersion extends KvVersion {
  readonly id: Uint8Array;
  /** What was put: without what was added. */
  readonly value: KvValue | undefined;
  /** What was added, modulo 2^64; `undefined` when nobody ever added to it. */
  readonly added: bigint | undefined;
}

/** Versions of each key ever written, winner first; tombstones stay. */
export interface VersionTable {
  get(key: string): readonly HeldVersion[] | undefined;
  set(key: string, versions: readonly HeldVersion[]): void;
  /** Ascending. */
  keys(): readonly string[];
}

/** All of the map. */
export interface KvState {
  readonly versions: VersionTable;
  /** Keys whose winner is a value, expired or not. */
  readonly present: SortedKeys;
  /** `expiryKey` of each winner that expires. */
  readonly expiring: SortedKeys;
}

const expiryDigits = 16;

/** Orders keys by when their winner expires (µs). */
export function expiryKey(expiresAt: number, key: string): string {
  return String(expiresAt).padStart(expiryDigits, "0") + key;
}

/** What an `expiryKey` is of. */
export function fromExpiryKey(text: string): { readonly expiresAt: number; readonly key: string } {
  const expiresAt = Number(text.slice(0, expiryDigits));
  return { expiresAt, key: text.slice(expiryDigits) };
}

/** What a version reads, expired or not: what was put and what was added to it. */
export function valueOf(version: HeldVersion | undefined): KvValue | undefined {
  if (version?.added === undefined) return version?.value;
  const { value = 0, added } = version;
  if (typeof value !== "number") return value;
  const sum = BigInt(value) + added;
  // Only whoever floods can get there; a value stays a safe integer.
  if (sum > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
  if (sum < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER;
  return Number(sum);
}

/** Can anything be added to it? */
export function isCountable({ value }: HeldVersion): boolean {
  return value === undefined || typeof value === "number";
}
