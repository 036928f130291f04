/**
 * Log contexts: what all entries of a log have in common, and the id they make
 * (docs/spec/2-log.md §3). Layer 3; pure.
 */
import { concatBytes, fromHex, toHex, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { LogError } from "./errors.ts";
import { contextBytes } from "./limits.ts";
import type { LogContext, LogId, Topic } from "./types.ts";

const logIdLabel = "hawser log v1";
const domainBytes = 16;
const keyBytes = 32;
const hexKey = /^[0-9a-f]{64}$/;
const domainText = /^[\x21-\x7e]{1,16}$/;

/** Whether `context` names a log: lower-case hex ids, a domain of 1–16 printable ASCII characters. */
export function isLogContext(context: LogContext): boolean {
  return (
    hexKey.test(context.topic) && hexKey.test(context.author) && domainText.test(context.domain)
  );
}

/** Topic (32) ‖ domain (16, left-padded with zeros) ‖ author (32). Throws LOG_CONTEXT_INVALID. */
export function encodeContext(context: LogContext): Uint8Array<ArrayBuffer> {
  if (!isLogContext(context)) {
    throw new LogError("LOG_CONTEXT_INVALID", "topic, domain and author do not name a log");
  }
  const domain = new Uint8Array(domainBytes);
  const text = utf8(context.domain);
  domain.set(text, domainBytes - text.length);
  return concatBytes(hexBytes(context.topic), domain, hexBytes(context.author));
}

/** The context of 80 bytes, or `undefined` when they name none. */
export function decodeContext(bytes: Uint8Array): LogContext | undefined {
  if (bytes.length !== contextBytes) return undefined;
  const padded = bytes.subarray(keyBytes, keyBytes + domainBytes);
  const start = padded.findIndex((byte) => byte !== 0);
  if (start < 0) return undefined;
  const domain = String.fromCharCode(...padded.subarray(start));
  if (!domainText.test(domain)) return undefined;
  return {
    // Safe: hex of 32 bytes is what both brands stand for.
    topic: toHex(bytes.subarray(0, keyBytes)) as Topic,
    domain,
    author: toHex(bytes.subarray(keyBytes + domainBytes)) as AuthorId,
  };
}

/** The id of a log: deriveKey("hawser log v1", context bytes). Throws LOG_CONTEXT_INVALID. */
export function logIdOf(crypto: Pick<Crypto, "deriveKey">, context: LogContext): LogId {
  // Safe: the brand means exactly this derivation.
  return toHex(crypto.deriveKey(logIdLabel, encodeContext(context))) as LogId;
}

/** Whether two contexts name the same log. */
export function equalContexts(a: LogContext, b: LogContext): boolean {
  return a.topic === b.topic && a.domain === b.domain && a.author === b.author;
}

/** Bytes of a hex id. Throws LOG_CONTEXT_INVALID. */
export function hexBytes(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new LogError("LOG_CONTEXT_INVALID", "an id is not hex");
  return bytes;
}
