/** Names of feeds and counters. Layer 7. */
import { utf8 } from "@hawser/codec";
import { FeedError } from "./errors.ts";

/** Bytes of UTF-8. */
export const nameBytesMax = 128;

/** Well-formed text of 1–128 bytes. */
export function isName(value: unknown): value is string {
  if (typeof value !== "string" || value === "" || value.length > nameBytesMax) return false;
  return value.isWellFormed() && utf8(value).length <= nameBytesMax;
}

/** Throws `FEED_NAME_INVALID` for anything else than a name. */
export function checkName(name: string): void {
  if (isName(name)) return;
  throw new FeedError("FEED_NAME_INVALID", `a name is 1–${nameBytesMax} bytes of text`);
}
