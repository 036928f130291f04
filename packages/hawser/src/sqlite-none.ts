/** Behind `#sqlite` everywhere else: in a browser the store in its own database. */
import type { Crypto } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import { HawserError } from "./errors.ts";

/**
 * Opens the database of this name. Loaded on demand, so that a device in memory does not carry it.
 * Throws HAWSER_NO_FILES where there is none, and the STORE_… codes.
 */
export async function openSqlite(crypto: Crypto, path: string): Promise<LogStore> {
  const { createIdbStore } = await import("@hawser/store-idb");
  try {
    return await createIdbStore({ crypto }, { name: path });
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    const message = "`path` needs Node or IndexedDB; give a `store`, or neither for one in memory";
    throw new HawserError("HAWSER_NO_FILES", message, { cause: error });
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "STORE_UNAVAILABLE";
}
