/** Behind `#sqlite` in Node: the store in a file. */
import type { Crypto } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";

/** Loaded on demand, so that a device in memory does not need `node:sqlite`. */
export async function openSqlite(crypto: Crypto, path: string): Promise<LogStore> {
  const { createSqliteStore } = await import("@hawser/store-sqlite");
  return createSqliteStore({ crypto }, { path });
}
