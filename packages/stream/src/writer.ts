/**
 * Appending to an open stream: one append at a time, durable before it is seen, and brought back in
 * order when it fails (docs/spec/stream.md §6.3). Layer 4; pure.
 */
import type { ChainState } from "@hawser/log";
import { createSlots } from "./block-seal.ts";
import { createPartChannel } from "./channel.ts";
import type { StreamState } from "./entry-reader.ts";
import { faultError, StreamError, type StreamFault } from "./errors.ts";
import { createIndexBuilder, type IndexBuilder } from "./index-builder.ts";
import { queueMax } from "./limits.ts";
import { beginning, loadState, startAt, type LoadedState } from "./load.ts";
import { createPacketReader } from "./packet-io.ts";
import { createIncomingReader } from "./raw.ts";
import { openBlock, sealPlace, type BlockReadContext } from "./read-block.ts";
import { scan, type ScanStart } from "./scan.ts";
import type { HandleParts } from "./stream.ts";
import type { Appended, BlockDraft } from "./types.ts";
import { createWriteContext, writeBlocks, writeRewrap, type WriteContext } from "./write.ts";
import type { ByteStore } from "./byte-store.ts";

export type AcceptVerdict =
  | { readonly ok: true; readonly height: number; readonly addedEntries: number }
  | {
      readonly ok: false;
      readonly fault: StreamFault;
      /** Height afterwards: what came before the fault and is vouched for was kept. */
      readonly height: number;
      readonly addedEntries: number;
    };

/** The writing half of a handle. */
export interface StreamWriter {
  append(
    drafts: AsyncIterable<BlockDraft> | Iterable<BlockDraft>,
    signEvery: number,
    signal: AbortSignal | undefined,
  ): Promise<Appended | undefined>;
  rewrap(seq: number, recipients: readonly Uint8Array[]): Promise<Appended>;
  accept(
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal: AbortSignal | undefined,
  ): Promise<AcceptVerdict>;
  /** Resolves when nothing is being appended. */
  idle(): Promise<void>;
}

export interface WriterParts extends HandleParts {
  readonly context: BlockReadContext;
  publish(state: StreamState): void;
}

/** Cuts what is behind the end and puts the missing index there, then flushes. */
export async function repair(store: ByteStore, loaded: LoadedState): Promise<StreamState> {
  const { cutAt, size, missingIndex, state } = loaded;
  if (cutAt === size && missingIndex.length === 0) return state;
  if (cutAt < size) await store.truncate(cutAt);
  const end = await store.append(
    cutAt,
    missingIndex.map(({ bytes }) => bytes),
  );
  await store.flush();
  return { ...state, end };
}

export function createStreamWriter(parts: WriterParts): StreamWriter {
  const { deps, store, identity, secret, context, publish, keys } = parts;
  const { crypto } = deps;
  let chain: ChainState | undefined;
  let index: IndexBuilder | undefined;
  let broken: unknown;
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  const inTurn = <T>(job: () => Promise<T>): Promise<T> => {
    if (waiting >= queueMax) {
      throw new StreamError("STREAM_QUEUE_FULL", `${queueMax} appends wait already`);
    }
    waiting += 1;
    const result = last.then(job).finally(() => {
      waiting -= 1;
    });
    last = result.catch(() => undefined);
    return result;
  };

  const checkUsable = (): void => {
    if (store.abilities.isReadOnly) {
      throw new StreamError("STREAM_READ_ONLY", "the store is read only");
    }
    if (broken === undefined) return;
    const message = "an append failed before: open the stream again";
    throw new StreamError("STREAM_BROKEN", message, { cause: broken });
  };

  /** Where the stream stands, with all that appending needs; read once, then kept. */
  const standing = async (): Promise<ScanStart & { readonly builder: IndexBuilder }> => {
    const state = context.state();
    if (chain === undefined || index === undefined) {
      const start =
        (await startAt(crypto, store, identity, state)) ?? (await walkThrough(state.end));
      chain = start.chain;
      index = createIndexBuilder(crypto, start.edge);
    }
    const { lastRewrap, isEnded } = state;
    return { chain, edge: index.edge(), lastRewrap, isEnded, builder: index };
  };

  /** The same by a walk over everything, when the index is damaged. */
  const walkThrough = async (end: number): Promise<ScanStart> => {
    const reader = createPacketReader(store, 0, end);
    const { reached, fault } = await scan(crypto, reader, end, beginning(identity));
    if (reached === undefined || reached.state.height !== context.state().height) {
      throw faultError(fault ?? { code: "CORRUPT", message: "the stream does not hold" });
    }
    const { lastRewrap, isEnded, edge } = reached.state;
    return { chain: reached.chain, edge, lastRewrap, isEnded };
  };

  /** After a failure: what was written and is vouched for stays, the rest is cut off. */
  const reload = async (cause: unknown): Promise<void> => {
    chain = undefined;
    index = undefined;
    try {
      const loaded = await loadState(crypto, store, identity);
      if (loaded.damage !== undefined) throw faultError(loaded.damage);
      publish(await repair(store, loaded));
    } catch {
      // The first failure is the one to tell of; the handle refuses from now on.
      broken = cause;
    }
  };

  /** Runs `produce` into one append of the store; then flushes and publishes. */
  const commit = async <T>(
    produce: (write: WriteContext) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> => {
    checkUsable();
    if (secret === undefined) {
      throw new StreamError("STREAM_READ_ONLY", "appending needs the author's secret");
    }
    if (context.state().isEnded) {
      throw new StreamError("STREAM_ENDED", "a closing directive ended the stream");
    }
    signal?.throwIfAborted();
    const { chain: before, builder, lastRewrap, isEnded } = await standing();
    const { end } = context.state();
    const channel = createPartChannel();
    const place = { chain: before, offset: end, lastRewrap, isEnded, index: builder };
    const { put } = channel;
    const write = createWriteContext({
      deps,
      secret,
      identity,
      streamKey: keys.streamKey,
      place,
      put,
    });
    const producing = produce(write).then(
      (value) => {
        channel.end();
        return value;
      },
      (error: unknown) => {
        channel.end(error);
        throw error;
      },
    );
    // Its failure comes out of the append as well; nobody may call this one unhandled meanwhile.
    producing.catch(() => undefined);
    try {
      await store.append(end, channel.parts, signal);
      const value = await producing;
      await store.flush();
      chain = place.chain;
      index = place.index;
      publish({
        height: chain.height,
        headHash: chain.hash ?? new Uint8Array(0),
        headStamp: chain.stamp,
        end: place.offset,
        edge: place.index.edge(),
        lastRewrap: place.lastRewrap,
        isEnded: place.isEnded,
      });
      return value;
    } catch (error) {
      channel.cancel(error);
      await producing.catch(() => undefined);
      if (error instanceof StreamError && error.code === "BYTES_MOVED") broken = error;
      else await reload(error);
      throw error;
    }
  };

  const accept = async (
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal: AbortSignal | undefined,
  ): Promise<AcceptVerdict> => {
    checkUsable();
    const { height, end } = context.state();
    const start = await standing();
    const channel = createPartChannel();
    const scanning = scan(
      crypto,
      createIncomingReader(bytes, end),
      Number.POSITIVE_INFINITY,
      start,
      {
        onPacket: (packet) => channel.put(packet.slice()),
        ...(signal === undefined ? {} : { signal }),
      },
    ).then(
      (found) => {
        channel.end();
        return found;
      },
      (error: unknown) => {
        channel.end(error);
        throw error;
      },
    );
    scanning.catch(() => undefined);
    try {
      await store.append(end, channel.parts, signal);
      const { reached, fault, offset } = await scanning;
      if (reached !== undefined || offset > end) {
        chain = undefined;
        index = undefined;
        const size = await store.size();
        const state = reached?.state ?? context.state();
        const isWhole = reached?.isIndexed !== false;
        const cutAt = isWhole ? state.end : (reached?.entryEnd ?? state.end);
        const missingIndex = isWhole ? [] : (reached?.index ?? []);
        publish(await repair(store, { state, size, cutAt, missingIndex, damage: undefined }));
        await store.flush();
      }
      const reachedHeight = context.state().height;
      const addedEntries = reachedHeight - height;
      if (fault === undefined) return { ok: true, height: reachedHeight, addedEntries };
      return { ok: false, fault, height: reachedHeight, addedEntries };
    } catch (error) {
      channel.cancel(error);
      await scanning.catch(() => undefined);
      if (error instanceof StreamError && error.code === "BYTES_MOVED") broken = error;
      else await reload(error);
      throw error;
    }
  };

  return {
    append: (drafts, signEvery, signal) =>
      inTurn(() => commit((write) => writeBlocks(write, drafts, signEvery, signal), signal)),
    rewrap: (seq, recipients) =>
      inTurn(async () => {
        const opened = await openBlock(context, await context.entries.entry(seq));
        const { contentKey } = opened;
        if (contentKey === undefined || recipients.length === 0) {
          throw new StreamError("STREAM_KEY", `block ${seq} is plain, or no recipients were given`);
        }
        return commit((write) => {
          const slotSeq = write.place.chain.height;
          const audience = { recipients, streamKey: undefined };
          const place = sealPlace(context, seq);
          const slots = createSlots(deps, place, slotSeq, contentKey, audience, undefined);
          return writeRewrap(write, seq, slots);
        }, undefined);
      }),
    accept: (bytes, signal) => inTurn(() => accept(bytes, signal)),
    idle: async () => {
      await last;
    },
  };
}
