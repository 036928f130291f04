/** Behind `#sqlite` everywhere else: bundles for browsers carry no trace of the file store. */
import type { Crypto } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import { HawserError } from "./errors.ts";

export function openSqlite(_crypto: Crypto, _path: string): Promise<LogStore> {
  const message = "`path` needs Node; give a `store`, or neither for one in memory";
  return Promise.reject(new HawserError("HAWSER_NO_FILES", message));
}
