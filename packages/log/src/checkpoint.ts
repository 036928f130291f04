/**
 * Checkpoints: an author's signed word about its log's height and head (docs/spec/2-log.md §10).
 * Layer 3; pure.
 */
import { createByteReader, createByteWriter, fromHex, toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { hexBytes } from "./context.ts";
import type { LogHead, LogId } from "./types.ts";

const label = "log checkpoint";
const version = 1;

/** "My log has this many entries, the last of them with this hash." */
export interface Checkpoint {
  readonly author: AuthorId;
  readonly logId: LogId;
  readonly height: number;
  readonly hash: Uint8Array;
  readonly signature: Uint8Array;
}

/** Signs the signed part of a head; `undefined` while a log has none. */
export function createCheckpoint(
  deps: { readonly crypto: Pick<Crypto, "signTagged"> },
  head: Pick<LogHead, "context" | "logId" | "signedHeight" | "signedHash">,
  secret: Uint8Array,
): Checkpoint | undefined {
  const { context, logId, signedHeight: height, signedHash: hash } = head;
  if (hash === undefined) return undefined;
  const body = { author: context.author, logId, height, hash };
  return { ...body, signature: deps.crypto.signTagged(label, checkpointBody(body), secret) };
}

/** Whether the author signed this. */
export function verifyCheckpoint(
  deps: { readonly crypto: Pick<Crypto, "verifyTagged"> },
  checkpoint: Checkpoint,
): boolean {
  const author = fromHex(checkpoint.author);
  if (author === undefined || checkpoint.hash.length !== 32) return false;
  if (!Number.isSafeInteger(checkpoint.height) || checkpoint.height < 1) return false;
  return deps.crypto.verifyTagged(label, checkpointBody(checkpoint), checkpoint.signature, author);
}

function checkpointBody(checkpoint: Omit<Checkpoint, "signature">): Uint8Array<ArrayBuffer> {
  const writer = createByteWriter(128);
  writer.u8(version);
  writer.bytes(hexBytes(checkpoint.author));
  writer.bytes(hexBytes(checkpoint.logId));
  writer.u64(checkpoint.height);
  writer.bytes(checkpoint.hash);
  return writer.finish();
}

/** Version u8 ‖ author 32 ‖ log id 32 ‖ height u64 ‖ hash 32 ‖ signature 64: 169 bytes. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array<ArrayBuffer> {
  const writer = createByteWriter(192);
  writer.bytes(checkpointBody(checkpoint));
  writer.bytes(checkpoint.signature);
  return writer.finish();
}

/** The checkpoint of these bytes, unverified; `undefined` when they are none. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint | undefined {
  const reader = createByteReader(bytes);
  const stated = reader.u8();
  // Safe: 32 bytes in hex are what both brands stand for.
  const author = toHex(reader.bytes(32)) as AuthorId;
  const logId = toHex(reader.bytes(32)) as LogId;
  const height = reader.u64();
  const hash = reader.bytes(32);
  const signature = reader.bytes(64);
  if (!reader.finished || stated !== version) return undefined;
  return { author, logId, height, hash, signature };
}
