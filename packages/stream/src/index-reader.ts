/**
 * Looking up seqs in a stream's index (docs/spec/stream.md §6). Layer 4; pure. What it finds is a hint:
 * pages may be missing, damaged or false, and nothing here ends in a loop because of it.
 */
import { verifyPacket } from "@hawser/packet";
import type { ByteStore } from "./byte-store.ts";
import type { CheckCrypto } from "./entry.ts";
import type { StreamState } from "./entry-reader.ts";
import type { IndexEdge } from "./index-builder.ts";
import { readPagePacket, type IndexPage } from "./index-packet.ts";
import { indexFanOut } from "./limits.ts";
import { readPacketAt } from "./packet-io.ts";

const pagesKept = 32;

export interface IndexReader {
  /** Where entry `seq` should lie, or `undefined` when the index does not say. */
  offsetOf(seq: number, signal: AbortSignal | undefined): Promise<number | undefined>;
  /** The first entry at or after `seq` that the index says is signed; else the head. */
  signedAfter(seq: number, signal: AbortSignal | undefined): Promise<number>;
  /** The newest page of each level, level 0 first, or `undefined` when one is not there. */
  edge(signal: AbortSignal | undefined): Promise<IndexEdge | undefined>;
}

/** Entries from `from` to before `to`. */
interface SeqSpan {
  readonly from: number;
  readonly to: number;
}

function isWithin({ from, to }: SeqSpan, seq: number): boolean {
  return from <= seq && seq < to;
}

type PageReader = (
  offset: number | undefined,
  level: number,
  signal: AbortSignal | undefined,
) => Promise<IndexPage | undefined>;

/** Reads pages of a level, and keeps some. */
function createPageReader(
  crypto: CheckCrypto,
  store: ByteStore,
  state: () => StreamState,
): PageReader {
  const pages = new Map<number, IndexPage>();
  return async (offset, level, signal) => {
    if (offset === undefined) return undefined;
    const known = pages.get(offset);
    if (known !== undefined) return known.level === level ? known : undefined;
    const options = signal === undefined ? {} : { signal };
    const read = await readPacketAt(store, offset, state().end, options);
    if (!read.ok || !verifyPacket(crypto, read.packet).ok) return undefined;
    const page = readPagePacket(read.packet);
    if (page?.level !== level) return undefined;
    if (pages.size >= pagesKept) pages.clear();
    pages.set(offset, page);
    return page;
  };
}

/** A reader of the index; `state` gives where the stream stands at the moment. */
export function createIndexReader(
  crypto: CheckCrypto,
  store: ByteStore,
  state: () => StreamState,
): IndexReader {
  const readPage = createPageReader(crypto, store, state);
  // Pages that call nothing signed would be gone through for every entry.
  let unsigned: SeqSpan = { from: 0, to: 0 };

  /** The level-0 page that should hold `seq`. */
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
      page = newest[level] ?? (await readPage(edges[level - 1], level, signal));
    }
    while (page !== undefined && level > 0) {
      const offset = page.offsets[number - page.first];
      level -= 1;
      number = Math.floor(seq / indexFanOut ** level);
      page = await readPage(offset, level, signal);
    }
    return page;
  };

  return {
    offsetOf: async (seq, signal) => {
      const page = await pageOf(seq, signal);
      return page?.offsets[seq - page.first];
    },
    signedAfter: async (seq, signal) => {
      const head = state().height - 1;
      const found = (at: number): number => {
        unsigned = { from: seq, to: at };
        return at;
      };
      for (let at = seq; at < head;) {
        if (isWithin(unsigned, at)) {
          at = unsigned.to;
          continue;
        }
        const page = await pageOf(at, signal);
        const end = page === undefined ? 0 : page.first + page.offsets.length;
        // A false page must not hold the search in place.
        if (page === undefined || page.first > at || end <= at) {
          found(at);
          return head;
        }
        for (; at < end && !isWithin(unsigned, at); at++) {
          if (page.signed[at - page.first] === true) return found(at);
        }
      }
      return found(head);
    },
    edge: async (signal) => {
      const { pages: newest, edges } = state().edge;
      const all: IndexPage[] = [...newest];
      for (let level = all.length; level <= edges.length; level++) {
        const page = await readPage(edges[level - 1], level, signal);
        if (page === undefined) return undefined;
        all.push(page);
      }
      return { pages: all, edges };
    },
  };
}
