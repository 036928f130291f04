/**
 * What makes a packet an entry of a stream (docs/spec/stream.md §4). Layer 4; pure. Faults are thrown
 * as STREAM_FAULT; `toVerdict` makes values of them where a verdict is asked for.
 */
import { equalBytes, fromHex, toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { readEntryPacket, type LinkedEntry, type LogContext, type Topic } from "@hawser/log";
import type { Packet } from "@hawser/packet";
import { entryFault, faultError, StreamError, type StreamFault } from "./errors.ts";
import { paddedDomain } from "./index-packet.ts";
import { streamDomain } from "./limits.ts";
import { readRecord, type StreamRecord } from "./record.ts";

/** An entry as it lies in a file. Its own hash is right; whose it is must still be shown. */
export interface EntryAt {
  readonly linked: LinkedEntry;
  readonly record: StreamRecord;
  readonly packet: Packet;
  readonly offset: number;
}

/** The part of `Crypto` that checking needs. */
export type CheckCrypto = Pick<Crypto, "hash" | "deriveKey" | "verifyPoint">;

/** Whether a packet has the place of a stream's entry, of whichever stream. */
export function isStreamPacket(packet: Packet): boolean {
  if (packet.kind !== "linkpoint" && packet.kind !== "keypoint") return false;
  return equalBytes(packet.domain, paddedDomain);
}

/** The context of the stream whose manifest this is, or `undefined` when it is none. */
export function contextOfManifest(packet: Packet): LogContext | undefined {
  const { publicKey } = packet;
  if (publicKey === undefined || !isStreamPacket(packet)) return undefined;
  if (packet.group.every((byte) => byte === 0)) return undefined;
  // Safe: 32 bytes in hex are what both brands stand for.
  const topic = toHex(packet.group) as Topic;
  return { topic, domain: streamDomain, author: toHex(publicKey) as AuthorId };
}

/**
 * The entry `seq` of a packet at `offset`. Throws STREAM_FAULT: HASH_MISMATCH, WRONG_STREAM,
 * BAD_SIGNATURE for another author's, CHAIN_BROKEN for another place, CORRUPT for no entry. Whether
 * the signature holds is not checked here.
 */
export function readEntry(
  crypto: CheckCrypto,
  context: LogContext,
  packet: Packet,
  seq: number,
  offset: number,
): EntryAt {
  const fail = (code: StreamFault["code"], message: string): StreamError =>
    faultError(entryFault(code, message, seq, offset));
  if (!equalBytes(crypto.hash(packet.point), packet.hash)) {
    throw fail("HASH_MISMATCH", "the bytes do not have the stated hash");
  }
  if (!isStreamPacket(packet)) throw fail("CORRUPT", "a packet that has no place in a stream");
  if (toHex(packet.group) !== context.topic) {
    throw fail("WRONG_STREAM", "an entry of another stream");
  }
  const { publicKey } = packet;
  if (publicKey !== undefined && !equalBytes(publicKey, authorKey(context))) {
    throw fail("BAD_SIGNATURE", "signed by another key");
  }
  const linked = readEntryPacket(crypto, context, packet);
  if (linked === undefined) throw fail("CORRUPT", "the links of this entry have no place in a log");
  if (linked.entry.seq !== seq) {
    throw fail("CHAIN_BROKEN", `entry ${linked.entry.seq} where entry ${seq} belongs`);
  }
  const record = readRecord(context, linked.entry);
  if (record === undefined) throw fail("CORRUPT", "the data of this entry is no record");
  if (record.at !== offset) {
    throw fail("CHAIN_BROKEN", `written for offset ${record.at}, not ${offset}`);
  }
  return { linked, record, packet, offset };
}

/** Throws STREAM_FAULT with BAD_SIGNATURE unless the author signed this entry. */
export function checkSignature(crypto: CheckCrypto, context: LogContext, entry: EntryAt): void {
  const { signature, signedBytes } = entry.packet;
  const holds =
    signature !== undefined &&
    signedBytes !== undefined &&
    crypto.verifyPoint(signedBytes, signature, authorKey(context));
  if (holds) return;
  const message = "the author's signature does not hold";
  throw faultError(entryFault("BAD_SIGNATURE", message, entry.linked.entry.seq, entry.offset));
}

/** The author's public key. */
export function authorKey(context: LogContext): Uint8Array {
  return fromHex(context.author) ?? new Uint8Array(0);
}

/** The value of `work`, or the fault it met. Other errors go on. */
export async function toVerdict<T>(
  work: () => Promise<T>,
): Promise<
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: StreamFault }
> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    if (error instanceof StreamError && error.fault !== undefined) {
      return { ok: false, fault: error.fault };
    }
    throw error;
  }
}
