/**
 * What a block says and holds (docs/spec/stream.md §4, §5). Layer 4; pure. Contents are given out as
 * they were checked; nothing is allocated that the bytes of the stream do not back.
 */
import { openBlob, verifyBlob, type BlobRef } from "@hawser/blob";
import type { ByteStore } from "./byte-store.ts";
import { blockKeys, openBytes, openSlots, placeBytes, type SealPlace } from "./block-seal.ts";
import { bodyBytes, createBodySource } from "./body-source.ts";
import type { EntryAt } from "./entry.ts";
import type { EntryReader, StreamState } from "./entry-reader.ts";
import { entryFault, faultError, StreamError, type StreamFaultCode } from "./errors.ts";
import type { StreamIdentity } from "./load.ts";
import type { Metadata } from "./metadata.ts";
import { decodeMetadata, type BlockRecord } from "./record.ts";
import type { BlockInfo, DecryptKeys, StreamDeps } from "./types.ts";

/** What reading contents needs. */
export interface BlockReadContext {
  readonly deps: StreamDeps;
  readonly store: ByteStore;
  readonly identity: StreamIdentity;
  readonly entries: EntryReader;
  readonly keys: DecryptKeys;
  state(): StreamState;
}

const none = new Uint8Array(0);

/** What can be told of an entry without a key. */
export function blockInfo(entry: EntryAt): BlockInfo {
  const { linked, record, packet, offset } = entry;
  const { seq, hash, stamp, body } = linked.entry;
  const seal = record.type === "block" ? record.seal : undefined;
  const slots = record.type === "rewrap" ? record.slots : (seal?.slots ?? []);
  return {
    seq,
    kind: record.type,
    hash: hash.slice(),
    stamp,
    isSigned: packet.kind === "keypoint",
    byteCount: body?.byteCount ?? inlineBytes(record.type === "block" ? record : undefined),
    isEncrypted: seal !== undefined,
    isMetadataEncrypted: seal?.isMetadataSealed === true,
    recipientCount: slots.filter(({ kind }) => kind === 2).length,
    hasStreamKeySlot: slots.some(({ kind }) => kind === 1),
    directive: record.type === "block" ? record.directive : undefined,
    target: record.type === "rewrap" ? record.target : undefined,
    offset,
  };
}

function inlineBytes(record: BlockRecord | undefined): number {
  if (record?.inline === undefined) return 0;
  return Math.max(0, record.inline.length - (record.seal === undefined ? 0 : 16));
}

/** An entry whose key was found, if it needs one. */
export interface OpenedBlock {
  readonly entry: EntryAt;
  /** `undefined` for plain blocks. */
  readonly contentKey: Uint8Array | undefined;
}

/** Finds the key of a block, in its own slots or in those of rewraps. Throws STREAM_NO_KEY. */
export async function openBlock(
  context: BlockReadContext,
  entry: EntryAt,
  signal?: AbortSignal,
): Promise<OpenedBlock> {
  const contentKey = await findContentKey(context, entry, signal);
  const { record, linked } = entry;
  if (contentKey === undefined && record.type === "block" && record.seal !== undefined) {
    throw new StreamError("STREAM_NO_KEY", `no key at hand opens block ${linked.entry.seq}`);
  }
  return { entry, contentKey };
}

async function findContentKey(
  context: BlockReadContext,
  entry: EntryAt,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  const { record, linked } = entry;
  if (record.type !== "block" || record.seal === undefined) return undefined;
  const { deps, entries, keys } = context;
  if (keys.streamKey === undefined && (keys.secrets ?? []).length === 0) return undefined;
  const { seal } = record;
  const { seq } = linked.entry;
  const place = sealPlace(context, seq);
  const own = openSlots(deps.crypto, place, seq, seal, seal.slots, keys);
  if (own !== undefined) return own;
  let at = context.state().lastRewrap;
  while (at !== undefined && at > seq) {
    const rewrap = (await entries.entry(at, signal)).record;
    // Each rewrap names an older one, as its record was checked for, so this ends.
    if (rewrap.type !== "rewrap") break;
    if (rewrap.target === seq) {
      const key = openSlots(deps.crypto, place, at, seal, rewrap.slots, keys);
      if (key !== undefined) return key;
    }
    at = rewrap.lastRewrap;
  }
  return undefined;
}

/** What the keys of a block are bound to. */
export function sealPlace(context: BlockReadContext, seq: number): SealPlace {
  const { idBytes, manifest } = context.identity;
  return { streamId: idBytes, seq, suite: manifest.suite };
}

/** Metadata of an opened block. Throws STREAM_FAULT. */
export function blockMetadata(context: BlockReadContext, opened: OpenedBlock): Metadata {
  const { record, linked } = opened.entry;
  if (record.type === "manifest") return record.manifest.metadata;
  if (record.type === "rewrap") return {};
  const { seq } = linked.entry;
  let bytes: Uint8Array | undefined = record.metadata;
  if (record.seal?.isMetadataSealed === true && opened.contentKey !== undefined) {
    const { crypto } = context.deps;
    const place = sealPlace(context, seq);
    const { metadata } = blockKeys(crypto, place, opened.contentKey);
    bytes = openBytes(crypto, place.suite, metadata, record.metadata);
  }
  const decoded = bytes === undefined ? undefined : decodeMetadata(bytes);
  if (decoded === undefined) {
    throw faultError(entryFault("CORRUPT", "the metadata does not open", seq, opened.entry.offset));
  }
  return decoded;
}

/** The content bytes [from, to) of an opened block. Throws STREAM_FAULT, STREAM_RANGE. */
export async function* blockContent(
  context: BlockReadContext,
  opened: OpenedBlock,
  range: { readonly from?: number; readonly to?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { record, linked } = opened.entry;
  const { seq, body } = linked.entry;
  const { byteCount } = blockInfo(opened.entry);
  const { from = 0, to = byteCount, signal } = range;
  if (
    !Number.isSafeInteger(from) ||
    !Number.isSafeInteger(to) ||
    from < 0 ||
    from > to ||
    to > byteCount
  ) {
    throw new StreamError("STREAM_RANGE", `[${from}, ${to}) is not within ${byteCount} bytes`);
  }
  if (from === to && body === undefined) return;
  if (record.type !== "block") return;
  if (body === undefined) {
    yield openInline(context, opened, record).subarray(from, to);
    return;
  }
  try {
    const blob = await openBlob(
      { crypto: context.deps.crypto },
      body,
      bodySource(context, opened.entry, body, to),
      {
        ...(opened.contentKey === undefined
          ? {}
          : { seal: blobSeal(context, seq, opened.contentKey) }),
        ...(signal === undefined ? {} : { signal }),
      },
    );
    yield* blob.read({ from, to, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    throw toFault(error, seq);
  }
}

/** Checks every point of a detached content, without a key. Throws STREAM_FAULT. */
export async function checkContent(
  context: BlockReadContext,
  entry: EntryAt,
  signal?: AbortSignal,
): Promise<void> {
  const { seq, body } = entry.linked.entry;
  if (body === undefined) return;
  const source = bodySource(context, entry, body, body.byteCount);
  const options = signal === undefined ? {} : { signal };
  const verdict = await verifyBlob({ crypto: context.deps.crypto }, body, source, options);
  if (verdict.ok) return;
  throw faultError(entryFault(faultOf(verdict.reason), `the content: ${verdict.reason}`, seq));
}

function bodySource(
  { store }: BlockReadContext,
  entry: EntryAt,
  body: BlobRef,
  to: number,
): ReturnType<typeof createBodySource> {
  const isSealed = entry.record.type === "block" && entry.record.seal !== undefined;
  // What an entry says of its content's size is believed only as far as the bytes before it go.
  if (body.byteCount > entry.offset || bodyBytes(body.byteCount, isSealed) > entry.offset) {
    const { seq } = entry.linked.entry;
    throw faultError(
      entryFault("CORRUPT", "the content is larger than the stream", seq, entry.offset),
    );
  }
  return createBodySource(store, body, { end: entry.offset, isSealed, to });
}

function openInline(
  context: BlockReadContext,
  opened: OpenedBlock,
  record: BlockRecord,
): Uint8Array {
  const bytes = record.inline ?? none;
  if (opened.contentKey === undefined) return bytes;
  const { seq } = opened.entry.linked.entry;
  const { crypto } = context.deps;
  const place = sealPlace(context, seq);
  const { inline } = blockKeys(crypto, place, opened.contentKey);
  const content = openBytes(crypto, place.suite, inline, bytes);
  if (content === undefined) {
    throw faultError(entryFault("CORRUPT", "the content does not open", seq, opened.entry.offset));
  }
  return content;
}

function blobSeal(
  context: BlockReadContext,
  seq: number,
  contentKey: Uint8Array,
): { readonly key: Uint8Array; readonly context: Uint8Array } {
  const place = sealPlace(context, seq);
  const { blob } = blockKeys(context.deps.crypto, place, contentKey);
  return { key: blob, context: placeBytes(place) };
}

function faultOf(code: string): StreamFaultCode {
  return code === "BLOB_HASH" ? "HASH_MISMATCH" : "CORRUPT";
}

/** By code: the class is another one where two copies of a package meet. */
function toFault(error: unknown, seq: number): unknown {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : "";
  if (typeof code !== "string" || !code.startsWith("BLOB_") || code === "BLOB_RANGE") return error;
  const message = `the content: ${code}`;
  const fault = entryFault(faultOf(code), message, seq);
  return new StreamError("STREAM_FAULT", `${fault.code}: ${message}`, { fault, cause: error });
}
