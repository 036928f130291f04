/** What the tests of this package share. */
import { toHex } from "@hawser/codec";
import { createCrypto, type Crypto } from "@hawser/crypto";
import type { LogId, LogStore } from "@hawser/log";
import { createFileStore, type FileStore, type FileStoreOptions } from "@hawser/store-file";
import type { MemoryDisk } from "./memory-files.ts";

/** The fastest there is: thousands of stores are opened and read. */
export const crypto: Crypto = await createCrypto();

/** Opens a store on a disk in memory. */
export function openOn(
  disk: MemoryDisk,
  options: Omit<FileStoreOptions, "path"> = {},
): Promise<FileStore> {
  return createFileStore({ crypto, files: disk.files }, { path: "/store", ...options });
}

/**
 * Everything a store says, as text. `records` leaves out what follows from the bytes of the records:
 * decoded entries and the places of signed ones.
 */
export async function dump(store: LogStore, what: "all" | "records" = "all"): Promise<string> {
  const lines: string[] = [];
  const logIds: LogId[] = [];
  for (const topic of await store.topics()) {
    lines.push(`topic ${topic}`);
    for (const head of await store.heads(topic)) {
      logIds.push(head.logId);
      const { height, stamp, signedHeight, forkedAt, prunedTo, skips } = head;
      const numbers = [height, stamp, signedHeight, forkedAt, prunedTo].join(" ");
      const hashes = [head.hash, head.signedHash, ...skips.map((skip) => skip.hash)];
      lines.push(`head ${head.logId} ${numbers} ${hashes.map(hexOf).join(" ")}`);
    }
    for await (const range of store.received(topic, 0)) {
      lines.push(`received ${range.cursor} ${range.logId} ${range.from} ${range.count}`);
    }
  }
  for (const logId of logIds) lines.push(...(await dumpLog(store, logId, what)));
  for (const { key, value } of await store.list("")) lines.push(`value ${key} ${toHex(value)}`);
  const { logs, entries, ranges, rangeBytes, dataBytes } = await store.stats();
  lines.push(`stats ${[logs, entries, ranges, rangeBytes, dataBytes].join(" ")}`);
  return lines.join("\n");
}

async function dumpLog(
  store: LogStore,
  logId: LogId,
  what: "all" | "records",
): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const range of store.ranges(logId)) {
    lines.push(`range ${range.from} ${range.signed} ${toHex(range.bytes)}`);
  }
  const to = what === "all" ? Number.MAX_SAFE_INTEGER : 0;
  for await (const entry of store.entries(logId, { to })) {
    lines.push(`entry ${entry.seq} ${toHex(entry.hash)} ${toHex(entry.data)}`);
    if (entry.signature === undefined) continue;
    const found = await store.findSigned(entry.hash);
    lines.push(`signed ${found?.logId} ${found?.seq}`);
  }
  for (const proof of await store.forkProofs(logId)) {
    lines.push(`fork ${proof.seq} ${toHex(proof.a)} ${toHex(proof.b)}`);
  }
  return lines;
}

function hexOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "none" : toHex(bytes);
}

/** The code of what a promise rejects with, or "nothing". */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "nothing";
  } catch (error) {
    if (typeof error === "object" && error !== null && "code" in error) return String(error.code);
    return String(error);
  }
}

/** Numbers in [0, 1), the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = (seed * 0x9e3779b9) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
