/**
 * The bytes of a stream as they lie in its store, for mirrors (docs/spec/stream.md §3). Layer 4; pure.
 */
import type { ByteStore } from "./byte-store.ts";
import type { EntryReader, StreamState } from "./entry-reader.ts";
import { StreamError } from "./errors.ts";
import { isIndexPacket } from "./index-packet.ts";
import { packetBytesMax } from "@hawser/packet";
import { readFully, readPacketAt, type PacketReader } from "./packet-io.ts";

const pieceBytes = 256 * 1024;

/**
 * Bytes from behind entry `fromHeight − 1` and its index to the end of `state`. Entry
 * `fromHeight − 1` must be signed: throws STREAM_RANGE otherwise.
 */
export async function* rawBytes(
  store: ByteStore,
  entries: EntryReader,
  state: StreamState,
  fromHeight: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = await endOf(store, entries, state, fromHeight, signal);
  while (offset < state.end) {
    signal?.throwIfAborted();
    const piece = await readFully(store, offset, Math.min(pieceBytes, state.end - offset), signal);
    if (piece.length === 0) {
      throw new StreamError("BYTES_MOVED", `the store has fewer than ${state.end} bytes`);
    }
    yield piece;
    offset += piece.length;
  }
}

async function endOf(
  store: ByteStore,
  entries: EntryReader,
  state: StreamState,
  height: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (height === 0) return 0;
  if (height === state.height) return state.end;
  const entry = await entries.entry(height - 1, signal);
  if (entry.packet.kind !== "keypoint") {
    throw new StreamError("STREAM_RANGE", `entry ${height - 1} is not signed`);
  }
  const options = signal === undefined ? {} : { signal };
  let offset = entry.offset + entry.packet.bytes.length;
  for (;;) {
    const read = await readPacketAt(store, offset, state.end, options);
    if (!read.ok || !isIndexPacket(read.packet)) return offset;
    offset += read.packet.bytes.length;
  }
}

/** A packet reader over bytes that arrive. What `peek` gives is good until the next `peek`. */
export interface IncomingReader extends PacketReader {
  /** Lets the source go. */
  close(): Promise<void>;
}

/** A reader over `bytes`; `start` is where the first of them belongs. */
export function createIncomingReader(
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  start: number,
): IncomingReader {
  const iterator =
    Symbol.asyncIterator in bytes ? bytes[Symbol.asyncIterator]() : bytes[Symbol.iterator]();
  let offset = start;
  // Held bytes are [from, to) of the buffer, which doubles: small pieces cost no more than large ones.
  let buffer = new Uint8Array(2 * packetBytesMax);
  let from = 0;
  let to = 0;
  let isDone = false;

  const take = (piece: Uint8Array): void => {
    const size = to - from;
    if (to + piece.length > buffer.length) {
      const target =
        size + piece.length <= buffer.length
          ? buffer
          : new Uint8Array(Math.max(2 * buffer.length, size + piece.length));
      target.set(buffer.subarray(from, to));
      buffer = target;
      from = 0;
      to = size;
    }
    buffer.set(piece, to);
    to += piece.length;
  };

  return {
    get offset() {
      return offset;
    },
    peek: async (count) => {
      while (to - from < count && !isDone) {
        const next = await iterator.next();
        if (next.done === true) isDone = true;
        else take(next.value);
      }
      return buffer.subarray(from, Math.min(to, from + count));
    },
    skip: (count) => {
      from += count;
      offset += count;
    },
    close: async () => {
      if (!isDone) await iterator.return?.();
      isDone = true;
    },
  };
}
