/**
 * The stream handle: reading, appending, verifying one stream over one byte store
 * (docs/spec/stream.md). Layer 4; pure.
 */
import { createCheckpoint } from "@hawser/log";
import type { ByteStore } from "./byte-store.ts";
import { compareStreams, registerStream } from "./compare.ts";
import { createEntryReader } from "./entry-reader.ts";
import { StreamError } from "./errors.ts";
import { readBytesMaxDefault, unsignedEntriesMax } from "./limits.ts";
import type { LoadedState, StreamIdentity } from "./load.ts";
import { proveBlock } from "./proof.ts";
import { rawBytes } from "./raw.ts";
import {
  blockContent,
  blockInfo,
  blockMetadata,
  openBlock,
  type BlockReadContext,
} from "./read-block.ts";
import type { Recovery, Stream } from "./stream.ts";
import type { DecryptKeys, StreamDeps } from "./types.ts";
import { verifyStream } from "./verify.ts";
import { createStreamWriter, type StreamWriter } from "./writer.ts";

/** What a handle is made from. */
export interface HandleParts {
  readonly deps: StreamDeps;
  readonly store: ByteStore;
  readonly identity: StreamIdentity;
  readonly loaded: LoadedState;
  readonly recovery: Recovery;
  /** Zeroed on close, as the keys are. */
  readonly secret: Uint8Array | undefined;
  readonly keys: DecryptKeys;
}

/** What the halves of a handle share. */
interface HandleContext {
  readonly context: BlockReadContext;
  readonly writer: StreamWriter;
  /** Throws STREAM_CLOSED. */
  checkOpen(): void;
  /** Whether there is an entry `seq`. Throws STREAM_CLOSED, STREAM_RANGE for what is no seq. */
  isThere(seq: number): boolean;
}

/** The handle of a stream that was loaded, and brought in order if it is to be written. */
export function createHandle(parts: HandleParts): Stream {
  const { deps, store, identity, loaded, recovery, secret, keys } = parts;
  let state = loaded.state;
  let closing: Promise<void> | undefined;
  const { context: logContext, logId } = identity;
  const entries = createEntryReader({ crypto: deps.crypto, store }, logContext, logId, () => state);
  const context: BlockReadContext = { deps, store, identity, entries, keys, state: () => state };
  const writer = createStreamWriter({
    deps,
    context,
    secret,
    keys,
    publish: (next) => {
      state = next;
    },
  });
  const checkOpen = (): void => {
    if (closing !== undefined) throw new StreamError("STREAM_CLOSED", "the stream is closed");
  };
  const isThere = (seq: number): boolean => {
    checkOpen();
    if (Number.isSafeInteger(seq) && seq >= 0) return seq < state.height;
    throw new StreamError("STREAM_RANGE", `${seq} is no seq`);
  };
  const shared: HandleContext = { context, writer, checkOpen, isThere };
  const closeNow = async (): Promise<void> => {
    await writer.idle();
    secret?.fill(0);
    keys.streamKey?.fill(0);
    for (const key of keys.secrets ?? []) key.fill(0);
    await store.close();
  };
  const close = (): Promise<void> => (closing ??= closeNow());
  const stream: Stream = {
    id: identity.id,
    manifest: identity.manifest,
    get height() {
      return state.height;
    },
    get headHash() {
      return state.headHash.slice();
    },
    get byteCount() {
      return state.end;
    },
    isWritable: secret !== undefined,
    get isEnded() {
      return state.isEnded;
    },
    recovery,
    ...writingMethods(shared),
    ...readingMethods(shared),
    ...checkingMethods(shared, secret),
    compare: (other, signal) => compareStreams(stream, other, signal),
    close,
    [Symbol.asyncDispose]: close,
  };
  registerStream(stream, { entries, identity });
  return stream;
}

function writingMethods({
  writer,
  checkOpen,
  isThere,
}: HandleContext): Pick<Stream, "append" | "appendMany" | "rewrap" | "accept"> {
  return {
    append: async (metadata, content, options = {}) => {
      checkOpen();
      const { signal, ...blockOptions } = options;
      const draft = {
        metadata,
        options: blockOptions,
        ...(content === undefined ? {} : { content }),
      };
      const appended = await writer.append([draft], unsignedEntriesMax, signal);
      if (appended === undefined) throw new StreamError("STREAM_BROKEN", "nothing was appended");
      return appended;
    },
    appendMany: async (drafts, { signEvery = unsignedEntriesMax, signal } = {}) => {
      checkOpen();
      if (!Number.isInteger(signEvery) || signEvery < 1 || signEvery > unsignedEntriesMax) {
        throw new StreamError("STREAM_RANGE", `signEvery is 1 to ${unsignedEntriesMax}`);
      }
      return writer.append(drafts, signEvery, signal);
    },
    rewrap: async (seq, recipients) => {
      if (!isThere(seq)) throw new StreamError("STREAM_RANGE", `no entry ${seq}`);
      return writer.rewrap(seq, recipients);
    },
    accept: async (bytes, { signal } = {}) => {
      checkOpen();
      return writer.accept(bytes, signal);
    },
  };
}

function readingMethods({
  context,
  checkOpen,
  isThere,
}: HandleContext): Pick<Stream, "info" | "read" | "metadata" | "readStream" | "blocks" | "raw"> {
  const { entries, store } = context;
  return {
    info: async (seq, signal) =>
      isThere(seq) ? blockInfo(await entries.entry(seq, signal)) : undefined,
    read: async (seq, { bytesMax = readBytesMaxDefault, signal } = {}) => {
      if (!isThere(seq)) return undefined;
      const entry = await entries.entry(seq, signal);
      const info = blockInfo(entry);
      if (info.byteCount > bytesMax) {
        throw new StreamError("STREAM_RANGE", `block ${seq} has ${info.byteCount} bytes`);
      }
      const opened = await openBlock(context, entry, signal);
      const metadata = blockMetadata(context, opened);
      const pieces = blockContent(context, opened, signal === undefined ? {} : { signal });
      return { info, metadata, bytes: await gather(pieces, info.byteCount) };
    },
    metadata: async (seq, signal) => {
      if (!isThere(seq)) return undefined;
      const entry = await entries.entry(seq, signal);
      const { record } = entry;
      const isSealed = record.type === "block" && record.seal?.isMetadataSealed === true;
      const opened = isSealed
        ? await openBlock(context, entry, signal)
        : { entry, contentKey: undefined };
      return blockMetadata(context, opened);
    },
    async *readStream(seq, range = {}) {
      if (!isThere(seq)) throw new StreamError("STREAM_RANGE", `no entry ${seq}`);
      const opened = await openBlock(context, await entries.entry(seq, range.signal), range.signal);
      yield* blockContent(context, opened, range);
    },
    async *blocks({ from = 0, to = context.state().height, reverse = false, signal } = {}) {
      const end = Math.min(to, context.state().height);
      for (let count = 0; count < end - from; count++) {
        const seq = reverse ? end - 1 - count : from + count;
        if (!isThere(seq)) return;
        yield blockInfo(await entries.entry(seq, signal));
      }
    },
    async *raw({ fromHeight = 0, signal } = {}) {
      checkOpen();
      yield* rawBytes(store, entries, context.state(), fromHeight, signal);
    },
  };
}

function checkingMethods(
  { context, checkOpen }: HandleContext,
  secret: Uint8Array | undefined,
): Pick<Stream, "verify" | "proof" | "checkpoint" | "mark"> {
  const { deps, identity, entries } = context;
  return {
    verify: async (level, options = {}) => {
      checkOpen();
      return verifyStream(context, level, options);
    },
    proof: async (seq, signal) => {
      checkOpen();
      return proveBlock(identity, entries, seq, signal);
    },
    checkpoint: () => {
      checkOpen();
      if (secret === undefined) {
        throw new StreamError("STREAM_READ_ONLY", "a checkpoint needs the author's secret");
      }
      const { height, headHash } = context.state();
      const head = { ...identity, signedHeight: height, signedHash: headHash };
      const checkpoint = createCheckpoint(deps, head, secret);
      if (checkpoint === undefined) throw new StreamError("STREAM_BROKEN", "no head");
      return checkpoint;
    },
    mark: () => {
      const { height, headHash } = context.state();
      return { streamId: identity.id, height, hash: headHash.slice() };
    },
  };
}

async function gather(
  pieces: AsyncIterable<Uint8Array>,
  byteCount: number,
): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = new Uint8Array(0);
  let count = 0;
  for await (const piece of pieces) {
    // Allocated once the first piece has shown that the content is there.
    if (count === 0) bytes = new Uint8Array(byteCount);
    bytes.set(piece, count);
    count += piece.length;
  }
  return bytes;
}
