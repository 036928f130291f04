/**
 * Which signatures under operations of a space's control logs were checked before
 * (docs/spec/6-space.md §9): opening a space reads all its operations again, and a signature takes
 * longer to check than all else about one. Layer 5, internal.
 */
import { decodeCbor, encodeCbor, toHex, type CborValue } from "@hawser/codec";
import type { KvWrite, LogId, LogStore } from "@hawser/log";
import type { Device } from "./device.ts";
import { hexBytes } from "./place.ts";

/** How far the logs were checked when the device last took note of it. */
export interface CheckedOps {
  /**
   * Does the signature hold that stands in an entry of a log in the store? `check` is asked where
   * nobody knows, in seq order.
   */
  holds(logId: LogId, seq: number, check: () => boolean): boolean;
  /** The record to keep, once enough was checked to be worth a write. */
  write(): KvWrite | undefined;
}

interface Checked {
  height: number;
  /** Entries below `height` with a false signature. */
  readonly bad: Set<number>;
}

/** Checks that are worth a write. */
const worthChecks = 64;

function recordKey(topic: string): string {
  return `space/${topic}/checked`;
}

/** Reads the record; one that is missing or does not parse means that all is checked again. */
export async function openCheckedOps(
  { store, vault }: { readonly store: LogStore; readonly vault: Device["vault"] },
  topic: string,
): Promise<CheckedOps> {
  const key = recordKey(topic);
  const value = await store.get(key);
  const known = decodeRecord(value === undefined ? undefined : vault.open(key, value));
  const fresh = new Map<LogId, Checked>();
  let checkCount = 0;
  const note = (logId: LogId, seq: number, isGood: boolean): void => {
    const now = fresh.get(logId) ?? { height: 0, bad: new Set(known.get(logId)?.bad) };
    now.height = Math.max(now.height, seq + 1, known.get(logId)?.height ?? 0);
    if (!isGood) now.bad.add(seq);
    fresh.set(logId, now);
    checkCount += 1;
  };
  return {
    holds: (logId, seq, check) => {
      const before = known.get(logId);
      if (before !== undefined && seq < before.height) return !before.bad.has(seq);
      const isGood = check();
      note(logId, seq, isGood);
      return isGood;
    },
    write: () => {
      if (checkCount < worthChecks) return undefined;
      for (const [logId, checked] of fresh) known.set(logId, checked);
      fresh.clear();
      checkCount = 0;
      return vault.write(key, encodeRecord(known));
    },
  };
}

function encodeRecord(known: ReadonlyMap<LogId, Checked>): Uint8Array {
  const items = [...known].sort(([a], [b]) => (a < b ? -1 : 1));
  return encodeCbor(
    items.map(([logId, { height, bad }]) => [
      hexBytes(logId),
      height,
      [...bad].sort((a, b) => a - b),
    ]),
  );
}

function decodeRecord(plaintext: Uint8Array | undefined): Map<LogId, Checked> {
  const known = new Map<LogId, Checked>();
  const value = plaintext === undefined ? undefined : decodeCbor(plaintext);
  for (const item of Array.isArray(value) ? value : []) {
    const fields: readonly CborValue[] = Array.isArray(item) ? item : [];
    const [logId, height, bad] = fields;
    if (!(logId instanceof Uint8Array) || typeof height !== "number") continue;
    const seqs = Array.isArray(bad) ? bad.filter((seq) => typeof seq === "number") : [];
    // Safe: 32 bytes in hex name a log.
    known.set(toHex(logId) as LogId, { height, bad: new Set(seqs) });
  }
  return known;
}
