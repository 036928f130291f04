/**
 * Writing blocks: contents, entries and index packets in the order of the file
 * (docs/spec/stream.md §3). Layer 4; pure. Memory: one chunk and what fits an entry.
 */
import { writeBlob, type BlobRef, type ByteSource } from "@hawser/blob";
import { concatBytes } from "@hawser/codec";
import {
  buildRange,
  createPointWriter,
  entryPacket,
  type ChainState,
  type EntryDraft,
  type PointWriter,
} from "@hawser/log";
import {
  assertRecipients,
  blockKeys,
  createSlots,
  placeBytes,
  sealBytes,
  type Audience,
  type BlockKeys,
  type SealPlace,
} from "./block-seal.ts";
import { StreamError } from "./errors.ts";
import type { IndexBuilder } from "./index-builder.ts";
import { inlineBytesMax, unsignedBytesMax } from "./limits.ts";
import type { StreamIdentity } from "./load.ts";
import {
  encodeBlock,
  encodeMetadata,
  encodeRewrap,
  isClosing,
  isDirective,
  type BlockSeal,
  type Slot,
} from "./record.ts";
import type { Appended, BlockDraft, StreamDeps } from "./types.ts";

/** Where a writer stands; moves on with each entry. */
export interface WritePlace {
  chain: ChainState;
  offset: number;
  lastRewrap: number | undefined;
  isEnded: boolean;
  readonly index: IndexBuilder;
}

/** Who writes what to where. */
export interface WriteContext {
  readonly deps: StreamDeps;
  readonly secret: Uint8Array;
  readonly identity: StreamIdentity;
  /** The stream key, if the writer has it. */
  readonly streamKey: Uint8Array | undefined;
  readonly place: WritePlace;
  readonly points: PointWriter;
  put(bytes: Uint8Array): Promise<void>;
}

const none = new Uint8Array(0);

/** A context that writes from `place` on. */
export function createWriteContext(parts: Omit<WriteContext, "points">): WriteContext {
  return { ...parts, points: createPointWriter(parts.identity.context) };
}

/** A content that was put or is ready to be: what the entry of a block says. */
interface PreparedBlock {
  readonly record: Omit<Parameters<typeof encodeBlock>[0], "at" | "lastRewrap">;
  readonly body: BlobRef | undefined;
}

/**
 * Writes blocks; every `signEvery`th and the last are signed. Returns the last one. Rejects with what
 * the drafts, their contents and `put` throw.
 */
export async function writeBlocks(
  context: WriteContext,
  drafts: AsyncIterable<BlockDraft> | Iterable<BlockDraft>,
  signEvery: number,
  signal: AbortSignal | undefined,
): Promise<Appended | undefined> {
  const { place } = context;
  let waiting: PreparedBlock | undefined;
  let last: Appended | undefined;
  let unsigned = 0;
  let unsignedBytes = 0;
  for await (const draft of drafts) {
    // The entry waits for the next draft, because the last one must be signed.
    if (waiting !== undefined) {
      const signs = unsigned + 1 >= signEvery || unsignedBytes >= unsignedBytesMax;
      const before = place.offset;
      last = await writeBlock(context, waiting, signs);
      unsigned = signs ? 0 : unsigned + 1;
      unsignedBytes = signs ? 0 : unsignedBytes + place.offset - before;
    }
    signal?.throwIfAborted();
    if (place.isEnded) throw endedError();
    waiting = await prepareBlock(context, draft, signal);
  }
  if (waiting !== undefined) last = await writeBlock(context, waiting, true);
  return last;
}

/** Writes more slots for a block. */
export async function writeRewrap(
  context: WriteContext,
  target: number,
  slots: readonly Slot[],
): Promise<Appended> {
  const { place } = context;
  if (place.isEnded) throw endedError();
  const { lastRewrap, offset: at } = place;
  const appended = await writeEntry(
    context,
    { data: encodeRewrap({ at, lastRewrap, target, slots }) },
    true,
  );
  place.lastRewrap = appended.seq;
  return appended;
}

/** The error of whoever goes on after a closing directive. */
export function endedError(): StreamError {
  return new StreamError("STREAM_ENDED", "a closing directive ended the stream");
}

async function writeBlock(
  context: WriteContext,
  { record, body }: PreparedBlock,
  signed: boolean,
): Promise<Appended> {
  const { place } = context;
  const { lastRewrap, offset: at } = place;
  const data = encodeBlock({ ...record, at, lastRewrap });
  const draft: EntryDraft = body === undefined ? { data } : { data, body };
  const appended = await writeEntry(context, draft, signed);
  place.isEnded = isClosing(record.directive);
  return appended;
}

async function writeEntry(
  context: WriteContext,
  draft: EntryDraft,
  signed: boolean,
): Promise<Appended> {
  const { deps, secret, place, points, put } = context;
  const { crypto, clock } = deps;
  const before = place.chain;
  const stamp = Math.max(clock.nowMicros(), before.stamp + 1);
  const range = buildRange({ crypto, secret, points }, before, [{ draft, stamp, signed }]);
  const [entry] = range.entries;
  if (entry === undefined) throw new StreamError("STREAM_BROKEN", "no entry was built");
  const packet = entryPacket(before, entry, points);
  const { seq, hash } = entry;
  const { offset } = place;
  const byteCount = packet.length;
  await put(packet);
  place.offset += byteCount;
  for (const { bytes } of place.index.add({
    seq,
    hash,
    stamp,
    isSigned: signed,
    offset,
    byteCount,
  })) {
    await put(bytes);
    place.offset += bytes.length;
  }
  place.chain = range.after;
  return { seq, hash };
}

async function prepareBlock(
  context: WriteContext,
  { metadata = {}, content = none, options = {} }: BlockDraft,
  signal: AbortSignal | undefined,
): Promise<PreparedBlock> {
  const { directive, metadataEncryption = "with-content", onProgress } = options;
  if (directive !== undefined && !isDirective(directive)) {
    throw new StreamError(
      "STREAM_DIRECTIVE",
      "an unknown directive, or targets that do not fit it",
    );
  }
  const plainMetadata = encodeMetadata(metadata);
  const sealed = sealFor(context, options);
  const isMetadataSealed = sealed !== undefined && metadataEncryption === "with-content";
  const { suite } = context.identity.manifest;
  const { crypto } = context.deps;
  const metadataBytes = isMetadataSealed
    ? sealBytes(crypto, suite, sealed.keys.metadata, plainMetadata)
    : plainMetadata;
  const seal: BlockSeal | undefined =
    sealed === undefined
      ? undefined
      : { commitment: sealed.keys.commitment, isMetadataSealed, slots: sealed.slots };
  const { small, rest } = await takeSmall(content);
  const record = { directive, seal, metadata: metadataBytes };
  if (rest === undefined) {
    const inline =
      sealed === undefined ? small : sealBytes(crypto, suite, sealed.keys.inline, small);
    return { record: { ...record, inline }, body: undefined };
  }
  try {
    const body = await writeContent(context, rest, sealed, {
      signal,
      onProgress,
      totalBytes: content instanceof Uint8Array ? content.length : undefined,
    });
    return { record: { ...record, inline: undefined }, body };
  } finally {
    await rest.close();
  }
}

interface Sealed {
  readonly place: SealPlace;
  readonly keys: BlockKeys;
  readonly slots: readonly Slot[];
}

function sealFor(
  context: WriteContext,
  options: NonNullable<BlockDraft["options"]>,
): Sealed | undefined {
  const audience = audienceOf(context, options);
  if (audience === undefined) return undefined;
  const { deps, identity, place } = context;
  const { suite, streamKeyId } = identity.manifest;
  const seq = place.chain.height;
  const sealPlace: SealPlace = { streamId: identity.idBytes, seq, suite };
  const contentKey = deps.random(32);
  const keys = blockKeys(deps.crypto, sealPlace, contentKey);
  const slots = createSlots(deps, sealPlace, seq, contentKey, audience, streamKeyId);
  contentKey.fill(0);
  return { place: sealPlace, keys, slots };
}

/** Who may read a block; `undefined` for everybody. Throws STREAM_KEY, STREAM_NO_KEY. */
export function audienceOf(
  { identity, streamKey }: Pick<WriteContext, "identity" | "streamKey">,
  options: NonNullable<BlockDraft["options"]>,
): Audience | undefined {
  const { recipients, encryption = "stream" } = options;
  if (recipients !== undefined) {
    assertRecipients(recipients);
    if (recipients.length === 0 || encryption === "plain") {
      const message = 'recipients are at least one; `encryption: "plain"` takes none';
      throw new StreamError("STREAM_KEY", message);
    }
    return { recipients, streamKey: undefined };
  }
  if (encryption === "plain") return undefined;
  const { recipients: standing, streamKeyId } = identity.manifest;
  if (streamKeyId !== undefined && streamKey === undefined) {
    throw new StreamError(
      "STREAM_NO_KEY",
      "the stream is encrypted with a key that is not at hand",
    );
  }
  if (standing.length === 0 && streamKeyId === undefined) return undefined;
  return { recipients: standing, streamKey };
}

async function writeContent(
  context: WriteContext,
  content: AsyncIterable<Uint8Array>,
  sealed: Sealed | undefined,
  options: {
    readonly signal: AbortSignal | undefined;
    readonly onProgress: NonNullable<BlockDraft["options"]>["onProgress"];
    readonly totalBytes: number | undefined;
  },
): Promise<BlobRef> {
  const { deps, identity, place, put } = context;
  const sink = {
    put: async ({ bytes }: { readonly bytes: Uint8Array }): Promise<void> => {
      await put(bytes);
      place.offset += bytes.length;
    },
  };
  const { signal, onProgress, totalBytes } = options;
  return writeBlob(deps, content, sink, {
    ...(sealed === undefined
      ? {}
      : {
          seal: {
            key: sealed.keys.blob,
            suite: identity.manifest.suite,
            context: placeBytes(sealed.place),
          },
        }),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(totalBytes === undefined ? {} : { totalBytes }),
  });
}

/** A content too large for an entry, from its beginning. */
interface Rest extends AsyncIterable<Uint8Array> {
  /** Lets the source go, read or not; idempotent. */
  close(): Promise<void>;
}

/** A content that fits an entry, or all of it to go on with. */
async function takeSmall(
  content: ByteSource,
): Promise<{ readonly small: Uint8Array; readonly rest: Rest | undefined }> {
  if (content instanceof Uint8Array) {
    const rest = content.length > inlineBytesMax ? createRest([content], undefined) : undefined;
    return { small: content, rest };
  }
  const iterator =
    Symbol.asyncIterator in content ? content[Symbol.asyncIterator]() : content[Symbol.iterator]();
  const pieces: Uint8Array[] = [];
  let byteCount = 0;
  while (byteCount <= inlineBytesMax) {
    const next = await iterator.next();
    if (next.done === true) return { small: concatBytes(...pieces), rest: undefined };
    // What is no Uint8Array is refused where the rest of the content is.
    if (!(next.value instanceof Uint8Array))
      return { small: none, rest: createRest([next.value], iterator) };
    // The source may use its buffer again.
    pieces.push(next.value.slice());
    byteCount += next.value.length;
  }
  return { small: none, rest: createRest(pieces, iterator) };
}

function createRest(
  pieces: readonly Uint8Array[],
  iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array> | undefined,
): Rest {
  let isOpen = iterator !== undefined;
  async function* parts(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* pieces;
    while (iterator !== undefined && isOpen) {
      const next = await iterator.next();
      if (next.done === true) {
        isOpen = false;
        return;
      }
      yield next.value;
    }
  }
  return {
    [Symbol.asyncIterator]: parts,
    close: async () => {
      if (!isOpen) return;
      isOpen = false;
      await iterator?.return?.();
    },
  };
}
