/**
 * Finding entries without the index: by a walk over the packets that is made once
 * (docs/spec/stream.md §6). Layer 4; pure. Whoever serves a stream may serve a false index, and each
 * read would otherwise cost a walk of its own. Memory: 65,536 places.
 */
import { equalBytes, toHex } from "@hawser/codec";
import { readEntryPacket, type LogContext } from "@hawser/log";
import { packetBytesMax, type Packet } from "@hawser/packet";
import type { ByteStore } from "./byte-store.ts";
import { isStreamPacket, readEntry, type CheckCrypto, type EntryAt } from "./entry.ts";
import { StreamError } from "./errors.ts";
import { walkMarksMax } from "./limits.ts";
import { createPacketReader, packetIn, readPacketAt } from "./packet-io.ts";
import { createSerialQueue } from "./stores/common.ts";

export interface EntryWalk {
  /**
   * The first packet that is entry `seq` of the stream by its own words and with a right hash, or
   * `undefined`. Whose it is, is open. Goes on where earlier walks ended.
   */
  find(seq: number, signal?: AbortSignal): Promise<EntryAt | undefined>;
}

interface WalkParts {
  readonly crypto: CheckCrypto;
  readonly store: ByteStore;
  readonly context: LogContext;
  /** Places to remember at most; default 65,536. */
  readonly marksMax?: number;
  /** Where the stream ends at the moment. */
  end(): number;
}

/** A walk that has not begun. */
export function createEntryWalk(parts: WalkParts): EntryWalk {
  const { crypto, store, context, marksMax = walkMarksMax, end } = parts;
  const marks = createMarks(marksMax);
  // One walk at a time, so that each goes on where the one before it ended.
  const queue = createSerialQueue();
  let walkedTo = 0;

  const seqOf = (packet: Packet): number | undefined => {
    if (!isStreamPacket(packet) || toHex(packet.group) !== context.topic) return undefined;
    if (!equalBytes(crypto.hash(packet.point), packet.hash)) return undefined;
    return readEntryPacket(crypto, context, packet)?.entry.seq;
  };

  const findNow = async (
    wanted: number,
    signal: AbortSignal | undefined,
  ): Promise<EntryAt | undefined> => {
    const stop = end();
    const mark = marks.before(wanted);
    if (mark?.seq === wanted) {
      // A walk reads far ahead, which one packet has no use for.
      const read = await readPacketAt(
        store,
        mark.offset,
        stop,
        signal === undefined ? {} : { signal },
      );
      const { offset, seq } = mark;
      const known = read.ok
        ? entryAt(crypto, context, { packet: read.packet, seq, offset })
        : undefined;
      if (known !== undefined) return known;
    }
    const reader = createPacketReader(store, mark?.offset ?? 0, stop, signal);
    while (reader.offset < stop) {
      signal?.throwIfAborted();
      const { offset } = reader;
      const read = packetIn(await reader.peek(packetBytesMax), offset);
      if (!read.ok) return undefined;
      const { packet } = read;
      const seq = seqOf(packet);
      reader.skip(packet.bytes.length);
      if (offset >= walkedTo) {
        walkedTo = reader.offset;
        if (isStreamPacket(packet)) marks.add(seq, offset);
      }
      if (seq !== wanted) continue;
      const found = entryAt(crypto, context, { packet, seq, offset });
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return { find: (seq, signal) => queue.run(() => findNow(seq, signal)) };
}

/** The entry, or `undefined` when it is a damaged one: the one that is sought may still come. */
function entryAt(
  crypto: CheckCrypto,
  context: LogContext,
  at: { readonly packet: Packet; readonly seq: number; readonly offset: number },
): EntryAt | undefined {
  try {
    return readEntry(crypto, context, at.packet, at.seq, at.offset);
  } catch (error) {
    if (error instanceof StreamError) return undefined;
    throw error;
  }
}

interface Mark {
  readonly seq: number;
  readonly offset: number;
}

interface Marks {
  /** The next packet of a stream on the way; `seq` is `undefined` where it is no entry. */
  add(seq: number | undefined, offset: number): void;
  /** The nearest known entry at or before `seq`. */
  before(seq: number): Mark | undefined;
}

/** Places of entries in rising order, thinned out when they get many. */
function createMarks(countMax: number): Marks {
  let marks: Mark[] = [];
  let stride = 1;
  let expected = 0;
  let missed = 0;
  return {
    add: (seq, offset) => {
      // A packet may claim any seq. One that comes too early must not hide those before it, unless
      // as many were passed that are no entries.
      if (seq === undefined || seq < expected || seq > expected + missed) {
        missed += 1;
        return;
      }
      expected = seq + 1;
      missed = 0;
      if (seq % stride === 0) marks.push({ seq, offset });
      if (marks.length <= countMax) return;
      stride *= 2;
      marks = marks.filter((mark) => mark.seq % stride === 0);
    },
    before: (seq) => {
      let [from, to] = [0, marks.length];
      while (from < to) {
        const middle = Math.floor((from + to) / 2);
        if ((marks[middle]?.seq ?? 0) <= seq) from = middle + 1;
        else to = middle;
      }
      return marks[from - 1];
    },
  };
}
