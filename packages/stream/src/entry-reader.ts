/**
 * Any entry of a stream, found by the index and shown to be the author's (docs/spec/stream.md §6, §7).
 * Layer 4; pure. The index is believed in nothing: a wrong one makes reads slow, never false.
 */
import { equalBytes } from "@hawser/codec";
import { skipSeqs, skipTarget, type ChainState, type LogContext, type LogId } from "@hawser/log";
import { verifyPacket } from "@hawser/packet";
import type { ByteStore } from "./byte-store.ts";
import {
  checkSignature,
  isStreamPacket,
  readEntry,
  type CheckCrypto,
  type EntryAt,
} from "./entry.ts";
import { entryFault, faultError, StreamError } from "./errors.ts";
import type { IndexEdge } from "./index-builder.ts";
import { readPagePacket, type IndexPage } from "./index-packet.ts";
import { indexFanOut, trustedHashesMax } from "./limits.ts";
import { createPacketReader, packetIn, readPacketAt } from "./packet-io.ts";
import { packetBytesMax } from "@hawser/packet";

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

const pagesKept = 32;

/** A reader of the stream of `context`; `state` gives where it stands at the moment. */
export function createEntryReader(
  deps: EntryReaderDeps,
  context: LogContext,
  logId: LogId,
  state: () => StreamState,
): EntryReader {
  const { crypto, store } = deps;
  const trusted = new Map<number, Uint8Array>();
  const pages = new Map<number, IndexPage>();

  const trust = (seq: number, hash: Uint8Array): void => {
    if (trusted.size >= trustedHashesMax) trusted.clear();
    trusted.set(seq, hash);
  };

  const readPage = async (
    offset: number,
    level: number,
    signal: AbortSignal | undefined,
  ): Promise<IndexPage | undefined> => {
    const known = pages.get(offset);
    if (known !== undefined) return known.level === level ? known : undefined;
    const read = await readPacketAt(store, offset, state().end, optional(signal));
    if (!read.ok || !verifyPacket(crypto, read.packet).ok) return undefined;
    const page = readPagePacket(read.packet);
    if (page?.level !== level) return undefined;
    if (pages.size >= pagesKept) pages.clear();
    pages.set(offset, page);
    return page;
  };

  /** The level-0 page that holds `seq`, or `undefined` when the index does not lead to it. */
  const pageOf = async (
    seq: number,
    signal: AbortSignal | undefined,
  ): Promise<IndexPage | undefined> => {
    const { pages: newest, edges } = state().edge;
    let page = newest[0];
    let level = 0;
    let number = seq;
    // Up to the newest page that covers the child, then down through whole ones.
    while (page !== undefined && number < page.first) {
      level += 1;
      number = Math.floor(number / indexFanOut);
      const edge = edges[level - 1];
      page =
        newest[level] ?? (edge === undefined ? undefined : await readPage(edge, level, signal));
    }
    while (page !== undefined && level > 0) {
      const offset = page.offsets[number - page.first];
      level -= 1;
      number = Math.floor(seq / indexFanOut ** level);
      page = offset === undefined ? undefined : await readPage(offset, level, signal);
    }
    return page;
  };

  const readAt = async (
    seq: number,
    offset: number,
    signal: AbortSignal | undefined,
  ): Promise<EntryAt> => {
    const read = await readPacketAt(store, offset, state().end, optional(signal));
    if (!read.ok) throw faultError({ ...read.fault, seq });
    return readEntry(crypto, context, read.packet, seq, offset);
  };

  /** The slow way, for a damaged index: looks at every packet from the start. */
  const walkTo = async (
    seq: number,
    signal: AbortSignal | undefined,
  ): Promise<EntryAt | undefined> => {
    const reader = createPacketReader(store, 0, state().end, signal);
    while (reader.offset < state().end) {
      const { offset } = reader;
      const read = packetIn(await reader.peek(packetBytesMax), offset);
      if (!read.ok) return undefined;
      reader.skip(read.packet.bytes.length);
      if (!isStreamPacket(read.packet)) continue;
      try {
        return readEntry(crypto, context, read.packet, seq, offset);
      } catch {
        // Another entry, or a damaged one: the one that is sought may still come.
      }
    }
    return undefined;
  };

  /** Entry `seq` with a right hash; whose it is, is open. */
  const find = async (seq: number, signal: AbortSignal | undefined): Promise<EntryAt> => {
    const page = await pageOf(seq, signal);
    const offset = page?.offsets[seq - page.first];
    let failure: unknown = faultError(entryFault("CORRUPT", "the entry is not there", seq));
    if (offset !== undefined) {
      try {
        return await readAt(seq, offset, signal);
      } catch (error) {
        if (!(error instanceof StreamError) || error.fault === undefined) throw error;
        failure = error;
      }
    }
    const found = await walkTo(seq, signal);
    if (found === undefined) throw failure;
    return found;
  };

  /** The first entry at or after `seq` that the index says is signed; else the head. */
  const signedAfter = async (seq: number, signal: AbortSignal | undefined): Promise<number> => {
    const head = state().height - 1;
    for (let at = seq; at < head;) {
      const page = await pageOf(at, signal);
      // A false page must not hold the search in place.
      if (page === undefined || page.first > at) return head;
      if (page.first + page.offsets.length <= at) return head;
      for (; at < page.first + page.offsets.length; at++) {
        if (page.signed[at - page.first] === true) return at;
      }
    }
    return head;
  };

  /** The path from signed entry `from` to `seq`; checks the signature and every link. */
  // Calls itself once at most, with the head.
  const pathFrom = async (
    from: number,
    seq: number,
    signal: AbortSignal | undefined,
  ): Promise<EntryAt[]> => {
    let current = await find(from, signal);
    const head = state().height - 1;
    // The index may call an entry signed that is not. The head is.
    if (current.packet.kind !== "keypoint" && from < head) return pathFrom(head, seq, signal);
    checkSignature(crypto, context, current);
    trust(from, current.linked.entry.hash);
    const path = [current];
    for (let at = from; at > seq;) {
      const skip = skipTarget(at);
      const usesSkip = skip !== undefined && skip >= seq;
      const hash = usesSkip ? current.linked.skip?.hash : current.linked.backlink;
      at = usesSkip ? skip : at - 1;
      current = await find(at, signal);
      assertHash(current, hash);
      trust(at, current.linked.entry.hash);
      path.push(current);
    }
    return path;
  };

  const path = async (seq: number, signal?: AbortSignal): Promise<readonly EntryAt[]> => {
    checkSeq(seq, state().height);
    return pathFrom(await signedAfter(seq, signal), seq, signal);
  };

  const entry = async (seq: number, signal?: AbortSignal): Promise<EntryAt> => {
    checkSeq(seq, state().height);
    const found = await find(seq, signal);
    const known = trusted.get(seq);
    if (known !== undefined) {
      assertHash(found, known);
    } else if (found.packet.kind === "keypoint") {
      checkSignature(crypto, context, found);
      trust(seq, found.linked.entry.hash);
    } else {
      const links = await pathFrom(await signedAfter(seq, signal), seq, signal);
      return links.at(-1) ?? found;
    }
    return found;
  };

  return {
    entry,
    path,
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
    edge: async (signal) => {
      const { pages: newest, edges } = state().edge;
      const all: IndexPage[] = [...newest];
      for (let level = all.length; level <= edges.length; level++) {
        const offset = edges[level - 1];
        const page = offset === undefined ? undefined : await readPage(offset, level, signal);
        if (page === undefined) return undefined;
        all.push(page);
      }
      return { pages: all, edges };
    },
  };
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
