/**
 * Any entry of a stream, found by the index and shown to be the author's (docs/spec/stream.md §6, §7).
 * Layer 4; pure. The index is believed in nothing: a wrong one makes reads slow, never false.
 */
import { equalBytes } from "@hawser/codec";
import { skipSeqs, skipTarget, type ChainState, type LogContext, type LogId } from "@hawser/log";
import type { ByteStore } from "./byte-store.ts";
import { checkSignature, readEntry, type CheckCrypto, type EntryAt } from "./entry.ts";
import { createEntryWalk, type EntryWalk } from "./entry-walk.ts";
import { entryFault, faultError, StreamError } from "./errors.ts";
import type { IndexEdge } from "./index-builder.ts";
import { createIndexReader, type IndexReader } from "./index-reader.ts";
import { trustedHashesMax } from "./limits.ts";
import { readPacketAt } from "./packet-io.ts";

/** Where a stream stands, as its readers see it. */
export interface StreamState {
  readonly height: number;
  readonly headHash: Uint8Array;
  readonly headStamp: number;
  /** Bytes of the stream: manifest, groups, index packets. */
  readonly end: number;
  readonly edge: IndexEdge;
  /** seq of the newest rewrap. */
  readonly lastRewrap: number | undefined;
  /** Whether the head is a closing directive. */
  readonly isEnded: boolean;
}

export interface EntryReader {
  /** Entry `seq`, shown to be the author's. Throws STREAM_FAULT; STREAM_RANGE when there is none. */
  entry(seq: number, signal?: AbortSignal): Promise<EntryAt>;
  /** The chain state at a height, of entries that are the author's. */
  stateAt(height: number, signal?: AbortSignal): Promise<ChainState>;
  /** A link path: a signed entry at or after `seq` first, entry `seq` last. */
  path(seq: number, signal?: AbortSignal): Promise<readonly EntryAt[]>;
  /** The newest page of each level, level 0 first, or `undefined` when the index is damaged. */
  edge(signal?: AbortSignal): Promise<IndexEdge | undefined>;
}

export interface EntryReaderDeps {
  readonly crypto: CheckCrypto;
  readonly store: ByteStore;
}

/** What finding entries needs. */
interface FindContext extends EntryReaderDeps {
  readonly context: LogContext;
  readonly index: IndexReader;
  /** The slow way, for a damaged index. */
  readonly walk: EntryWalk;
  /** Hashes that are known to be of the author's entries. */
  readonly trusted: Map<number, Uint8Array>;
  state(): StreamState;
}

/** A reader of the stream of `context`; `state` gives where it stands at the moment. */
export function createEntryReader(
  deps: EntryReaderDeps,
  context: LogContext,
  logId: LogId,
  state: () => StreamState,
): EntryReader {
  const { crypto, store } = deps;
  const index = createIndexReader(crypto, store, state);
  const walk = createEntryWalk({ crypto, store, context, end: () => state().end });
  const find: FindContext = { crypto, store, context, index, walk, trusted: new Map(), state };
  const entry: EntryReader["entry"] = (seq, signal) => trustedEntry(find, seq, signal);
  return {
    entry,
    path: async (seq, signal) => {
      checkSeq(seq, state().height);
      return linkPath(find, await index.signedAfter(seq, signal), seq, signal);
    },
    stateAt: async (height, signal) => {
      if (height === 0) {
        return { context, logId, height, hash: undefined, stamp: 0, skips: [] };
      }
      const head = (await entry(height - 1, signal)).linked.entry;
      const skips: { seq: number; hash: Uint8Array }[] = [];
      for (const seq of skipSeqs(height)) {
        skips.push({ seq, hash: (await entry(seq, signal)).linked.entry.hash.slice() });
      }
      return { context, logId, height, hash: head.hash.slice(), stamp: head.stamp, skips };
    },
    edge: (signal) => index.edge(signal),
  };
}

async function trustedEntry(
  find: FindContext,
  seq: number,
  signal: AbortSignal | undefined,
): Promise<EntryAt> {
  checkSeq(seq, find.state().height);
  const found = await findEntry(find, seq, signal);
  const known = find.trusted.get(seq);
  if (known !== undefined) {
    assertHash(found, known);
    return found;
  }
  if (found.packet.kind === "keypoint") {
    checkSignature(find.crypto, find.context, found);
    trust(find, found);
    return found;
  }
  const path = await linkPath(find, await find.index.signedAfter(seq, signal), seq, signal);
  return path.at(-1) ?? found;
}

/** The path from signed entry `from` to `seq`; checks the signature and every link. */
async function linkPath(
  find: FindContext,
  from: number,
  seq: number,
  signal: AbortSignal | undefined,
): Promise<readonly EntryAt[]> {
  let start = from;
  let current = await findEntry(find, start, signal);
  if (current.packet.kind !== "keypoint") {
    // The index may call an entry signed that is not. The head is.
    start = find.state().height - 1;
    current = await findEntry(find, start, signal);
  }
  checkSignature(find.crypto, find.context, current);
  trust(find, current);
  const path = [current];
  for (let at = start; at > seq;) {
    const skip = skipTarget(at);
    const usesSkip = skip !== undefined && skip >= seq;
    const hash = usesSkip ? current.linked.skip?.hash : current.linked.backlink;
    at = usesSkip ? skip : at - 1;
    current = await findEntry(find, at, signal);
    assertHash(current, hash);
    trust(find, current);
    path.push(current);
  }
  return path;
}

function trust({ trusted }: FindContext, { linked }: EntryAt): void {
  if (trusted.size >= trustedHashesMax) trusted.clear();
  trusted.set(linked.entry.seq, linked.entry.hash);
}

/** Entry `seq` with a right hash; whose it is, is open. */
async function findEntry(
  find: FindContext,
  seq: number,
  signal: AbortSignal | undefined,
): Promise<EntryAt> {
  const { crypto, store, context, index, state } = find;
  const offset = await index.offsetOf(seq, signal);
  let failure: unknown = faultError(entryFault("CORRUPT", "the entry is not there", seq));
  if (offset !== undefined) {
    const read = await readPacketAt(store, offset, state().end, optional(signal));
    try {
      if (!read.ok) throw faultError({ ...read.fault, seq });
      return readEntry(crypto, context, read.packet, seq, offset);
    } catch (error) {
      if (!(error instanceof StreamError) || error.fault === undefined) throw error;
      failure = error;
    }
  }
  const found = await find.walk.find(seq, signal);
  if (found === undefined) throw failure;
  return found;
}

function assertHash(found: EntryAt, hash: Uint8Array | undefined): void {
  if (hash !== undefined && equalBytes(found.linked.entry.hash, hash)) return;
  const { seq } = found.linked.entry;
  const message = "not the entry that later ones link to";
  throw faultError(entryFault("CHAIN_BROKEN", message, seq, found.offset));
}

function checkSeq(seq: number, height: number): void {
  if (Number.isSafeInteger(seq) && seq >= 0 && seq < height) return;
  throw new StreamError("STREAM_RANGE", `no entry ${seq} in a stream of ${height}`);
}

function optional(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
