/**
 * The stream handle: reading, appending, verifying one stream over one byte store
 * (docs/spec/stream.md). Layer 4; pure.
 */
import { equalBytes, toHex } from "@hawser/codec";
import { createCheckpoint, verifyCheckpoint, type Checkpoint, type ForkProof } from "@hawser/log";
import type { ByteSource } from "@hawser/blob";
import type { ByteStore } from "./byte-store.ts";
import { toVerdict } from "./entry.ts";
import { createEntryReader, type EntryReader, type StreamState } from "./entry-reader.ts";
import { entryFault, faultError, StreamError, type StreamFault } from "./errors.ts";
import { readBytesMaxDefault, unsignedEntriesMax } from "./limits.ts";
import { beginning, type LoadedState, type StreamIdentity } from "./load.ts";
import type { Metadata } from "./metadata.ts";
import { createPacketReader } from "./packet-io.ts";
import { proveBlock, proveFork, type StreamProof } from "./proof.ts";
import { rawBytes } from "./raw.ts";
import {
  blockContent,
  blockInfo,
  blockMetadata,
  checkContent,
  openBlock,
  type BlockReadContext,
} from "./read-block.ts";
import { isClosing } from "./record.ts";
import { scan } from "./scan.ts";
import type {
  Appended,
  AppendManyOptions,
  AppendOptions,
  Block,
  BlockDraft,
  BlockInfo,
  DecryptKeys,
  Manifest,
  StreamDeps,
  StreamId,
  StreamMark,
} from "./types.ts";
import { createStreamWriter, type AcceptVerdict, type StreamWriter } from "./writer.ts";

/** How much of a stream to verify. */
export type VerifyLevel =
  | "head"
  | "full"
  | { readonly from?: number; readonly to?: number }
  | { readonly checkpoint: Checkpoint | StreamMark };

export type VerifyVerdict =
  | {
      readonly ok: true;
      /** Entries that were vouched for: those of the whole stream, or the end of the range. */
      readonly height: number;
      /** `"full"`: bytes behind the end, left by an append that a crash cut. */
      readonly tornBytes: number;
      /** `"full"`: offsets of damaged index packets. They cost time, not truth. The first 64. */
      readonly indexFaults: readonly number[];
      readonly indexFaultCount: number;
    }
  | {
      readonly ok: false;
      readonly fault: StreamFault;
      /** Entries before the fault that are vouched for, as far as this level looked. */
      readonly height: number;
    };

export interface VerifyOptions {
  readonly signal?: AbortSignal;
  /** `"full"`: bytes walked over so far. */
  readonly onProgress?: (offset: number) => void;
}

/** What opening had to leave out or cut off. */
export interface Recovery {
  /** Bytes behind the end that were cut off, or are passed over by a reader. */
  readonly recoveredBytes: number;
  /** What is wrong with them, unless they are a torn append. */
  readonly damage: StreamFault | undefined;
}

export interface BlocksOptions {
  /** Default 0: the manifest. */
  readonly from?: number;
  /** Default the height. */
  readonly to?: number;
  readonly reverse?: boolean;
  readonly signal?: AbortSignal;
}

/** An open stream. Methods reject with StreamError STREAM_CLOSED after close. */
export interface Stream extends AsyncDisposable {
  readonly id: StreamId;
  readonly manifest: Manifest;
  /** Count of entries; the manifest is entry 0. */
  readonly height: number;
  readonly headHash: Uint8Array;
  /** Bytes of the stream. */
  readonly byteCount: number;
  /** Whether the author's secret is here and the store can be written. */
  readonly isWritable: boolean;
  /** Whether a closing directive ended it. */
  readonly isEnded: boolean;
  readonly recovery: Recovery;

  /** Appends a block, signed, and resolves when it is durable. */
  append(metadata: Metadata, content?: ByteSource, options?: AppendOptions): Promise<Appended>;
  /** Appends many blocks under few signatures; resolves with the last one. Durable as a whole. */
  appendMany(
    drafts: AsyncIterable<BlockDraft> | Iterable<BlockDraft>,
    options?: AppendManyOptions,
  ): Promise<Appended | undefined>;
  /** Appends slots that open block `seq` to more recipients; its content stays where it is. */
  rewrap(seq: number, recipients: readonly Uint8Array[]): Promise<Appended>;
  /**
   * Takes bytes of a copy that go on from this one's end, for mirrors: each signed entry that follows
   * is kept, nothing else. Needs a writable store, and no secret.
   */
  accept(
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<AcceptVerdict>;

  /** What can be told of an entry without a key; `undefined` from the height on. */
  info(seq: number, signal?: AbortSignal): Promise<BlockInfo | undefined>;
  /** A block with its content, 64 MiB at most by default; `undefined` from the height on. */
  read(
    seq: number,
    options?: { readonly bytesMax?: number; readonly signal?: AbortSignal },
  ): Promise<Block | undefined>;
  /** Metadata of a block; `undefined` from the height on. */
  metadata(seq: number, signal?: AbortSignal): Promise<Metadata | undefined>;
  /** Content bytes [from, to) of a block, checked piece by piece; reads what it needs, no more. */
  readStream(
    seq: number,
    range?: { readonly from?: number; readonly to?: number; readonly signal?: AbortSignal },
  ): AsyncIterable<Uint8Array>;
  /** Entries in order, or from the last to the first. */
  blocks(options?: BlocksOptions): AsyncIterable<BlockInfo>;
  /** The bytes as they lie in the store, from behind entry `fromHeight − 1` to the end. */
  raw(options?: {
    readonly fromHeight?: number;
    readonly signal?: AbortSignal;
  }): AsyncIterable<Uint8Array>;

  verify(level: VerifyLevel, options?: VerifyOptions): Promise<VerifyVerdict>;
  /** That entry `seq` is in the stream, for whoever has nothing of it. */
  proof(seq: number, signal?: AbortSignal): Promise<StreamProof>;
  /** The author's signed word about the height. Needs the secret. */
  checkpoint(): Checkpoint;
  /** What to remember, to notice later that a stream was cut or changed. */
  mark(): StreamMark;
  /** Where this copy and another part. Both are asked for hashes only. */
  compare(other: Stream, signal?: AbortSignal): Promise<Comparison>;
  /** Waits for appends and closes the store. Idempotent. */
  close(): Promise<void>;
}

export type Comparison =
  | { readonly relation: "same" | "ahead" | "behind" }
  | { readonly relation: "unrelated" }
  | {
      readonly relation: "fork";
      /** The first entry that differs. */
      readonly seq: number;
      /** Anybody can check it with `verifyForkProof` of @hawser/log. */
      readonly proof: ForkProof;
    };

/** What a handle is made from. */
export interface HandleParts {
  readonly deps: StreamDeps;
  readonly store: ByteStore;
  readonly identity: StreamIdentity;
  readonly loaded: LoadedState;
  readonly recovery: Recovery;
  readonly secret: Uint8Array | undefined;
  readonly keys: DecryptKeys;
}

/** What comparing needs of a handle and its users do not. */
const internals = new WeakMap<
  Stream,
  { readonly entries: EntryReader; readonly identity: StreamIdentity }
>();

/** The handle of a stream that was loaded, and brought in order if it is to be written. */
export function createHandle(parts: HandleParts): Stream {
  const { deps, store, identity, loaded, recovery, secret, keys } = parts;
  const { crypto } = deps;
  let state = loaded.state;
  let isClosed = false;
  const entries = createEntryReader(
    { crypto, store },
    identity.context,
    identity.logId,
    () => state,
  );
  const context: BlockReadContext = { deps, store, identity, entries, keys, state: () => state };
  const writer: StreamWriter = createStreamWriter({
    ...parts,
    context,
    publish: (next: StreamState) => {
      state = next;
    },
  });

  const checkOpen = (): void => {
    if (isClosed) throw new StreamError("STREAM_CLOSED", "the stream is closed");
  };
  const isThere = (seq: number): boolean => {
    checkOpen();
    if (!Number.isSafeInteger(seq) || seq < 0) {
      throw new StreamError("STREAM_RANGE", `${seq} is no seq`);
    }
    return seq < state.height;
  };

  const read: Stream["read"] = async (seq, { bytesMax = readBytesMaxDefault, signal } = {}) => {
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
  };

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
    info: async (seq, signal) =>
      isThere(seq) ? blockInfo(await entries.entry(seq, signal)) : undefined,
    read,
    metadata: async (seq, signal) => {
      if (!isThere(seq)) return undefined;
      const entry = await entries.entry(seq, signal);
      const { record } = entry;
      const isPlain = record.type !== "block" || record.seal?.isMetadataSealed !== true;
      const opened = isPlain
        ? { entry, contentKey: undefined }
        : await openBlock(context, entry, signal);
      return blockMetadata(context, opened);
    },
    async *readStream(seq, range = {}) {
      if (!isThere(seq)) throw new StreamError("STREAM_RANGE", `no entry ${seq}`);
      const opened = await openBlock(context, await entries.entry(seq, range.signal), range.signal);
      yield* blockContent(context, opened, range);
    },
    async *blocks({ from = 0, to = state.height, reverse = false, signal } = {}) {
      const end = Math.min(to, state.height);
      for (let count = 0; count < end - from; count++) {
        const seq = reverse ? end - 1 - count : from + count;
        if (!isThere(seq)) return;
        yield blockInfo(await entries.entry(seq, signal));
      }
    },
    async *raw({ fromHeight = 0, signal } = {}) {
      checkOpen();
      yield* rawBytes(store, entries, state, fromHeight, signal);
    },
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
      const head = { ...identity, signedHeight: state.height, signedHash: state.headHash };
      const checkpoint = createCheckpoint({ crypto }, head, secret);
      if (checkpoint === undefined) throw new StreamError("STREAM_BROKEN", "no head");
      return checkpoint;
    },
    mark: () => ({ streamId: identity.id, height: state.height, hash: state.headHash.slice() }),
    compare: (other, signal) => compareStreams(stream, other, signal),
    close: async () => {
      if (isClosed) return;
      isClosed = true;
      await writer.idle();
      secret?.fill(0);
      await store.close();
    },
    [Symbol.asyncDispose]: () => stream.close(),
  };
  internals.set(stream, { entries, identity });
  return stream;
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

async function verifyStream(
  context: BlockReadContext,
  level: VerifyLevel,
  options: VerifyOptions,
): Promise<VerifyVerdict> {
  const { entries } = context;
  const { height } = context.state();
  const { signal } = options;
  if (level === "full") return verifyFull(context, options);
  let reached = level === "head" ? height - 1 : 0;
  const verdict = await toVerdict(async () => {
    if (level === "head") {
      await entries.entry(height - 1, signal);
    } else if ("checkpoint" in level) {
      await checkAgainst(context, level.checkpoint, signal);
    } else {
      const { from = 0, to = height } = level;
      if (!(from >= 0 && from <= to && to <= height)) {
        throw new StreamError("STREAM_RANGE", `[${from}, ${to}) is not within ${height} entries`);
      }
      reached = from;
      for (; reached < to; reached++) await checkOne(context, reached, to, signal);
    }
  });
  if (!verdict.ok) return { ok: false, fault: verdict.fault, height: reached };
  const vouched = level !== "head" && "to" in level ? (level.to ?? height) : height;
  return { ok: true, height: vouched, tornBytes: 0, indexFaults: [], indexFaultCount: 0 };
}

/** One entry of a range: that it is the author's, follows the one before, and has its content. */
async function checkOne(
  context: BlockReadContext,
  seq: number,
  to: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { entries } = context;
  const entry = await entries.entry(seq, signal);
  await checkContent(context, entry, signal);
  if (seq + 1 >= to) return;
  const next = await entries.entry(seq + 1, signal);
  const { backlink } = next.linked;
  if (backlink === undefined || !equalBytes(backlink, entry.linked.entry.hash)) {
    const message = "the backlink names another entry";
    throw faultError(entryFault("CHAIN_BROKEN", message, seq + 1, next.offset));
  }
  if (entry.record.type === "block" && isClosing(entry.record.directive)) {
    const message = "a closing directive came before";
    throw faultError(entryFault("CLOSED", message, seq + 1, next.offset));
  }
}

async function verifyFull(
  context: BlockReadContext,
  options: VerifyOptions,
): Promise<VerifyVerdict> {
  const { deps, store, identity } = context;
  const size = await store.size(options.signal);
  const reader = createPacketReader(store, 0, size, options.signal);
  const found = await scan(deps.crypto, reader, size, beginning(identity), options);
  const { reached, fault, isCut, indexFaults, indexFaultCount } = found;
  const height = reached?.state.height ?? 0;
  if (fault !== undefined && !isCut) return { ok: false, fault, height };
  if (reached === undefined || height < context.state().height) {
    const message = "entries that were there before are gone";
    return { ok: false, fault: fault ?? entryFault("ROLLED_BACK", message, height), height };
  }
  const end = reached.isIndexed ? reached.state.end : Math.min(reached.state.end, size);
  return { ok: true, height, tornBytes: size - end, indexFaults, indexFaultCount };
}

async function checkAgainst(
  context: BlockReadContext,
  checkpoint: Checkpoint | StreamMark,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { deps, identity, entries } = context;
  const isOurs =
    "streamId" in checkpoint
      ? checkpoint.streamId === identity.id
      : checkpoint.logId === identity.logId && checkpoint.author === identity.context.author;
  if (!isOurs)
    throw faultError({ code: "WRONG_STREAM", message: "a checkpoint of another stream" });
  if ("signature" in checkpoint && !verifyCheckpoint(deps, checkpoint)) {
    throw faultError({ code: "BAD_CHECKPOINT", message: "the author did not sign the checkpoint" });
  }
  const { height, hash } = checkpoint;
  if (height > context.state().height) {
    const message = `${context.state().height} entries, the checkpoint has ${height}`;
    throw faultError(entryFault("ROLLED_BACK", message, height - 1));
  }
  const { linked } = await entries.entry(height - 1, signal);
  if (equalBytes(linked.entry.hash, hash)) return;
  const message = "another entry than the checkpoint has";
  throw faultError(entryFault("FORK", message, height - 1));
}

/**
 * Compares two copies of one stream: what `a` is to `b`. Costs O(log n) reads of each. Throws
 * STREAM_FAULT when one of them is damaged where it is looked at.
 */
export async function compareStreams(
  a: Stream,
  b: Stream,
  signal?: AbortSignal,
): Promise<Comparison> {
  const [left, right] = [internals.get(a), internals.get(b)];
  if (a.id !== b.id || left === undefined || right === undefined) return { relation: "unrelated" };
  const common = Math.min(a.height, b.height);
  const same = async (seq: number): Promise<boolean> => {
    const [one, other] = [
      await left.entries.entry(seq, signal),
      await right.entries.entry(seq, signal),
    ];
    return toHex(one.linked.entry.hash) === toHex(other.linked.entry.hash);
  };
  if (await same(common - 1)) {
    if (a.height === b.height) return { relation: "same" };
    return { relation: a.height > b.height ? "ahead" : "behind" };
  }
  // Equal hashes mean equal beginnings, so the first difference is found by halving.
  let [equal, different] = [0, common - 1];
  while (different - equal > 1) {
    const middle = Math.floor((equal + different) / 2);
    if (await same(middle)) equal = middle;
    else different = middle;
  }
  const proof = await proveFork(left.identity, left.entries, right.entries, different, signal);
  return { relation: "fork", seq: different, proof };
}
