/**
 * Appending to an open stream: one append at a time, durable before it is seen, and brought back in
 * order when it fails (docs/spec/stream.md §6.3). Layer 4; pure.
 */
import { createSlots } from "./block-seal.ts";
import type { ByteStore } from "./byte-store.ts";
import { createPartChannel } from "./channel.ts";
import type { StreamState } from "./entry-reader.ts";
import { faultError, StreamError } from "./errors.ts";
import { createIndexBuilder, type IndexBuilder } from "./index-builder.ts";
import { queueMax } from "./limits.ts";
import { beginning, loadState, startAt, type LoadedState } from "./load.ts";
import { createPacketReader } from "./packet-io.ts";
import { createIncomingReader } from "./raw.ts";
import { openBlock, sealPlace, type BlockReadContext } from "./read-block.ts";
import { scan, type ScanStart } from "./scan.ts";
import type { AcceptVerdict } from "./stream.ts";
import type { Appended, BlockDraft, DecryptKeys, StreamDeps } from "./types.ts";
import {
  createWriteContext,
  endedError,
  writeBlocks,
  writeRewrap,
  type WriteContext,
} from "./write.ts";

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

/** What a writer is made from. */
export interface WriterParts {
  readonly deps: StreamDeps;
  readonly context: BlockReadContext;
  /** Absent in mirrors, which only accept. */
  readonly secret: Uint8Array | undefined;
  readonly keys: DecryptKeys;
  /** Takes where the stream stands now. */
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

/** Where a stream stands, with all that appending needs. */
interface Standing extends ScanStart {
  readonly index: IndexBuilder;
}

/** The writing half of a handle: everything that changes the store goes through its queue. */
export function createStreamWriter(parts: WriterParts): StreamWriter {
  const { context } = parts;
  const { store, identity } = context;
  let standing: Standing | undefined;
  let broken: unknown;
  const inTurn = createQueue();

  const guard: WriteGuard = {
    begin: async () => {
      if (store.abilities.isReadOnly) {
        throw new StreamError("STREAM_READ_ONLY", "the store is read only");
      }
      if (broken !== undefined) {
        const message = "an append failed before: open the stream again";
        throw new StreamError("STREAM_BROKEN", message, { cause: broken });
      }
      standing ??= await findStanding(context);
      return standing;
    },
    done: (state, next) => {
      standing = next;
      parts.publish(state);
    },
    failed: async (cause) => {
      standing = undefined;
      if (cause instanceof StreamError && cause.code === "BYTES_MOVED") {
        broken = cause;
        return;
      }
      try {
        // What was written and is vouched for stays, the rest is cut off.
        const loaded = await loadState(parts.deps.crypto, store, identity);
        if (loaded.damage !== undefined) throw faultError(loaded.damage);
        parts.publish(await repair(store, loaded));
      } catch {
        // The first failure is the one to tell of; the handle refuses from now on.
        broken = cause;
      }
    },
  };

  return {
    append: (drafts, signEvery, signal) =>
      inTurn.run(() =>
        commit(parts, guard, (write) => writeBlocks(write, drafts, signEvery, signal), signal),
      ),
    rewrap: (seq, recipients) => inTurn.run(() => rewrap(parts, guard, seq, recipients)),
    accept: (bytes, signal) => inTurn.run(() => accept(parts, guard, bytes, signal)),
    idle: () => inTurn.idle(),
  };
}

/** What one change of the store does before, after, and when it failed. */
interface WriteGuard {
  /** Throws STREAM_READ_ONLY, STREAM_BROKEN, or a fault of the stream. */
  begin(): Promise<Standing>;
  /** Publishes; without `next`, where the stream stands is read again when it is needed. */
  done(state: StreamState, next?: Standing): void;
  failed(cause: unknown): Promise<void>;
}

/** One job after another; at most `queueMax` wait. */
function createQueue(): { run<T>(job: () => Promise<T>): Promise<T>; idle(): Promise<void> } {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return {
    run: (job) => {
      if (waiting >= queueMax) {
        throw new StreamError("STREAM_QUEUE_FULL", `${queueMax} appends wait already`);
      }
      waiting += 1;
      const result = last.then(job).finally(() => {
        waiting -= 1;
      });
      last = result.catch(() => undefined);
      return result;
    },
    idle: async () => {
      await last;
    },
  };
}

/** Where an open stream stands: by its index, or by a walk over everything where that is damaged. */
async function findStanding(context: BlockReadContext): Promise<Standing> {
  const { deps, store, identity } = context;
  const { crypto } = deps;
  const state = context.state();
  const start = await startAt(crypto, store, identity, state);
  if (start !== undefined) return { ...start, index: createIndexBuilder(crypto, start.edge) };
  const reader = createPacketReader(store, 0, state.end);
  const { reached, fault } = await scan(crypto, reader, state.end, beginning(identity));
  if (reached === undefined || reached.state.height !== state.height) {
    throw faultError(fault ?? { code: "CORRUPT", message: "the stream does not hold" });
  }
  const { lastRewrap, isEnded, edge } = reached.state;
  const index = createIndexBuilder(crypto, edge);
  return { chain: reached.chain, edge, lastRewrap, isEnded, index };
}

/**
 * Appends what `produce` puts, in bounded memory. Rejects with the first failure of either side, and
 * with the signal's reason also while a source gives nothing; what it gives later goes nowhere.
 */
async function appendThrough<T>(
  store: ByteStore,
  end: number,
  produce: (put: (bytes: Uint8Array) => Promise<void>) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const channel = createPartChannel();
  const producing = produce(channel.put).then(
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
  const aborted = Promise.withResolvers<void>();
  const abort = (): void => {
    channel.end(signal?.reason);
    aborted.resolve();
  };
  if (signal?.aborted === true) abort();
  signal?.addEventListener("abort", abort);
  try {
    await store.append(end, channel.parts, signal);
    return await producing;
  } catch (error) {
    channel.cancel(error);
    await Promise.race([producing.catch(() => undefined), aborted.promise]);
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** Runs `produce` into one append; then flushes and publishes. */
async function commit<T>(
  parts: WriterParts,
  guard: WriteGuard,
  produce: (write: WriteContext) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const { deps, context, secret, keys } = parts;
  const { store, identity } = context;
  if (secret === undefined) {
    throw new StreamError("STREAM_READ_ONLY", "appending needs the author's secret");
  }
  signal?.throwIfAborted();
  const { chain, lastRewrap, isEnded, index } = await guard.begin();
  if (isEnded) throw endedError();
  const { end } = context.state();
  const place = { chain, offset: end, lastRewrap, isEnded, index };
  const { streamKey } = keys;
  try {
    const value = await appendThrough(
      store,
      end,
      (put) => produce(createWriteContext({ deps, secret, identity, streamKey, place, put })),
      signal,
    );
    await store.flush();
    const edge = index.edge();
    const { height, hash = new Uint8Array(0), stamp } = place.chain;
    const after = { edge, lastRewrap: place.lastRewrap, isEnded: place.isEnded };
    const state = { height, headHash: hash, headStamp: stamp, end: place.offset, ...after };
    guard.done(state, { chain: place.chain, ...after, index });
    return value;
  } catch (error) {
    await guard.failed(error);
    throw error;
  }
}

async function rewrap(
  parts: WriterParts,
  guard: WriteGuard,
  seq: number,
  recipients: readonly Uint8Array[],
): Promise<Appended> {
  const { deps, context } = parts;
  const { contentKey } = await openBlock(context, await context.entries.entry(seq));
  if (contentKey === undefined || recipients.length === 0) {
    throw new StreamError("STREAM_KEY", `block ${seq} is plain, or no recipients were given`);
  }
  const work = (write: WriteContext): Promise<Appended> => {
    const slotSeq = write.place.chain.height;
    const audience = { recipients, streamKey: undefined };
    const place = sealPlace(context, seq);
    const slots = createSlots(deps, place, slotSeq, contentKey, audience, undefined);
    return writeRewrap(write, seq, slots);
  };
  // Async, so that keys which cannot be sealed to reject and do not throw.
  return commit(parts, guard, async (write) => work(write), undefined);
}

async function accept(
  { deps, context }: WriterParts,
  guard: WriteGuard,
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<AcceptVerdict> {
  const { store } = context;
  const start = await guard.begin();
  const { height, end } = context.state();
  const incoming = createIncomingReader(bytes, end);
  const options = signal === undefined ? {} : { signal };
  try {
    const { reached, fault, offset } = await appendThrough(
      store,
      end,
      (put) =>
        scan(deps.crypto, incoming, Number.POSITIVE_INFINITY, start, {
          onPacket: (packet) => put(packet.slice()),
          ...options,
        }),
      signal,
    );
    if (offset > end) {
      const state = reached?.state ?? context.state();
      const isIndexed = reached?.isIndexed !== false;
      const cutAt = isIndexed ? state.end : (reached?.entryEnd ?? state.end);
      const missingIndex = isIndexed ? [] : (reached?.index ?? []);
      const size = await store.size();
      const kept = await repair(store, { state, size, cutAt, missingIndex, damage: undefined });
      await store.flush();
      guard.done(kept);
    }
    const now = context.state().height;
    const added = { height: now, addedEntries: now - height };
    return fault === undefined ? { ok: true, ...added } : { ok: false, fault, ...added };
  } catch (error) {
    await guard.failed(error);
    throw error;
  } finally {
    const closing = incoming.close();
    // A source that gives nothing may not let go either.
    if (signal?.aborted === true) closing.catch(() => undefined);
    else await closing;
  }
}
