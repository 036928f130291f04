/**
 * One record: the four blocks that carry an event (docs/spec/textile.md §3). Layer 7, pure.
 */
import { concatBytes } from "@hawser/codec";
import { ed25519 } from "@noble/curves/ed25519.js";
import type { CID } from "multiformats/cid";
import {
  asMap,
  blockCid,
  bytesOf,
  decodeDag,
  encodeDag,
  linkOf,
  parseCid,
  type DagValue,
} from "./dag.ts";
import { TextileError } from "./errors.ts";
import {
  identityOf,
  keyBytes,
  marshalPublicKey,
  unmarshalPublicKey,
  type TextileKeyPair,
  type ThreadKey,
} from "./keys.ts";
import { nonceBytes, openBlock, sealBlock } from "./seal.ts";

/** The four blocks of a record, as they lie in a store and travel. */
export interface RecordBlocks {
  readonly record: Uint8Array;
  readonly event: Uint8Array;
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

/** What a record says of itself before its log was looked at: see `verifyLog`. */
export interface ReadRecord {
  /** CID of the sealed record block: the name by which the next record links to it. */
  readonly cid: string;
  readonly eventCid: string;
  /** Absent in the first record of a log. */
  readonly previous?: string;
  /** Who claims to have written it (`bbaarei…`); only the log's key vouches for that. */
  readonly identity: string;
  readonly signature: Uint8Array;
  /** The body, when the read key was there. */
  readonly body?: DagValue;
}

/** Why a record cannot be read. */
export type UnreadableReason =
  /** A block is no dag-cbor, or lacks a field. */
  | "MALFORMED"
  /** A block is not sealed with the key given. */
  | "SEALED"
  /** A block is not the one that its link names. */
  | "LINK";

export type RecordRead =
  | { readonly ok: true; readonly value: ReadRecord }
  | { readonly ok: false; readonly reason: UnreadableReason };

/** What a new record is made of. */
export interface RecordDraft {
  readonly body: DagValue;
  readonly threadKey: ThreadKey;
  /** Signs the record. */
  readonly logKey: TextileKeyPair;
  /** Public key of the author, 32 bytes. */
  readonly identity: Uint8Array;
  /** CID of the record before; absent in the first one. */
  readonly previous?: string;
}

/** A record that was just made. */
export interface SealedRecord extends RecordBlocks {
  readonly cid: string;
}

/**
 * Seals a body into a record. `random` is asked for a content key (32 bytes) and three nonces (12
 * bytes each, for body, header and record), in this order. Throws TEXTILE_READ_KEY_MISSING,
 * TEXTILE_VALUE_INVALID, TEXTILE_KEY_INVALID.
 */
export function sealRecord(
  random: (count: number) => Uint8Array,
  draft: RecordDraft,
): SealedRecord {
  const { service, read } = draft.threadKey;
  if (read === undefined) {
    throw new TextileError("TEXTILE_READ_KEY_MISSING", "a record is sealed with the read key too");
  }
  const contentKey = random(keyBytes);
  const body = sealBlock(contentKey, random(nonceBytes), encodeDag(draft.body));
  const header = sealBlock(read, random(nonceBytes), encodeDag({ key: contentKey }));
  const event = encodeDag({ body: blockCid(body), header: blockCid(header) });
  const eventCid = blockCid(event);
  const previous = previousOf(draft);
  const identity = marshalPublicKey(draft.identity);
  const signed = signedBytes(eventCid, previous, identity);
  const plain = encodeDag({
    sig: ed25519.sign(signed, draft.logKey.seed),
    ...(previous === undefined ? {} : { prev: previous }),
    block: eventCid,
    pubKey: identity,
  });
  const record = sealBlock(service, random(nonceBytes), plain);
  return { record, event, header, body, cid: blockCid(record).toString() };
}

function previousOf({ previous }: RecordDraft): CID | undefined {
  if (previous === undefined) return undefined;
  const cid = parseCid(previous);
  if (cid === undefined) {
    throw new TextileError("TEXTILE_VALUE_INVALID", "`previous` is the CID of a record");
  }
  return cid;
}

/**
 * Opens a record: with the service key its links, author and signature, with the read key also its
 * body. A verdict: records come from elsewhere.
 */
export function readRecord(blocks: RecordBlocks, threadKey: ThreadKey): RecordRead {
  const plain = openBlock(threadKey.service, blocks.record);
  if (plain === undefined) return { ok: false, reason: "SEALED" };
  const fields = asMap(decodeDag(plain));
  const eventCid = fields && linkOf(fields, "block");
  const signature = fields && bytesOf(fields, "sig");
  const marshalled = fields && bytesOf(fields, "pubKey");
  const publicKey = marshalled && unmarshalPublicKey(marshalled);
  const hasPrevious = fields !== undefined && Object.hasOwn(fields, "prev");
  const previous = fields && linkOf(fields, "prev");
  if (eventCid === undefined || signature?.length !== 64 || publicKey === undefined) {
    return { ok: false, reason: "MALFORMED" };
  }
  if (hasPrevious && previous === undefined) return { ok: false, reason: "MALFORMED" };
  if (!eventCid.equals(blockCid(blocks.event))) return { ok: false, reason: "LINK" };
  const inner = readEvent(blocks, threadKey.read);
  if (!inner.ok) return inner;
  return {
    ok: true,
    value: {
      cid: blockCid(blocks.record).toString(),
      eventCid: eventCid.toString(),
      ...(previous === undefined ? {} : { previous: previous.toString() }),
      identity: identityOf(publicKey),
      signature,
      ...(inner.body === undefined ? {} : { body: inner.body }),
    },
  };
}

type InnerRead =
  | { readonly ok: true; readonly body?: DagValue }
  | { readonly ok: false; readonly reason: UnreadableReason };

function readEvent(blocks: RecordBlocks, readKey: Uint8Array | undefined): InnerRead {
  const event = asMap(decodeDag(blocks.event));
  const bodyCid = event && linkOf(event, "body");
  const headerCid = event && linkOf(event, "header");
  if (bodyCid === undefined || headerCid === undefined) return { ok: false, reason: "MALFORMED" };
  const isLinked =
    bodyCid.equals(blockCid(blocks.body)) && headerCid.equals(blockCid(blocks.header));
  if (!isLinked) return { ok: false, reason: "LINK" };
  if (readKey === undefined) return { ok: true };
  const header = openBlock(readKey, blocks.header);
  if (header === undefined) return { ok: false, reason: "SEALED" };
  const fields = asMap(decodeDag(header));
  const contentKey = fields && bytesOf(fields, "key");
  if (contentKey?.length !== keyBytes) return { ok: false, reason: "MALFORMED" };
  const plain = openBlock(contentKey, blocks.body);
  if (plain === undefined) return { ok: false, reason: "SEALED" };
  const body = decodeDag(plain);
  return body === undefined ? { ok: false, reason: "MALFORMED" } : { ok: true, body };
}

/**
 * What the log's key signs: the event and the record before. Of a first record the author's key
 * alone, whatever it carries: the format's weakness, for which `verifyLog` makes up.
 */
export function signedBytes(
  eventCid: CID,
  previous: CID | undefined,
  identity: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return previous === undefined
    ? new Uint8Array(identity)
    : concatBytes(eventCid.bytes, previous.bytes);
}
