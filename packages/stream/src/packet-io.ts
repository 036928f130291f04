/**
 * Packets out of a byte store: one at an offset, or all in order (docs/spec/stream.md §3). Layer 4;
 * pure. Holds one window; allocates no more than a packet can have, whatever the bytes claim.
 */
import { equalBytes } from "@hawser/codec";
import {
  defaultNetHeader,
  netHeaderBytes,
  packetBytesMax,
  parsePacket,
  writeNetHeader,
  type Packet,
} from "@hawser/packet";
import type { ByteStore } from "./byte-store.ts";
import type { StreamFault } from "./errors.ts";
import { entryReadBytes, scanWindowBytes } from "./limits.ts";

const netHeader = new Uint8Array(netHeaderBytes);
writeNetHeader(netHeader, 0, defaultNetHeader);

export type PacketAt =
  | { readonly ok: true; readonly packet: Packet<"unverified"> }
  | {
      readonly ok: false;
      readonly fault: StreamFault;
      /** Whether more bytes at the end could still make a packet of it. */
      readonly isCut: boolean;
    };

/** `length` bytes from `offset`, fewer only at the end: a store may give less than was asked for. */
export async function readFully(
  store: ByteStore,
  offset: number,
  length: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  let bytes = await store.read(offset, length, signal);
  if (bytes.length === length) return bytes;
  const parts = new Uint8Array(length);
  let count = 0;
  while (bytes.length > 0) {
    parts.set(bytes.subarray(0, length - count), count);
    count += bytes.length;
    if (count >= length) break;
    bytes = await store.read(offset + count, length - count, signal);
  }
  return parts.subarray(0, Math.min(count, length));
}

/** The packet at the start of `bytes`, which lie at `offset`; its hash is not checked. */
export function packetIn(bytes: Uint8Array, offset: number): PacketAt {
  const parsed = parsePacket(bytes, { allowPrivate: true });
  if (!parsed.ok) {
    const isCut = parsed.reason === "PACKET_TOO_SHORT" || parsed.reason === "PACKET_TRUNCATED";
    const message = `no packet: ${parsed.reason}`;
    return { ok: false, fault: { code: "CORRUPT", message, offset }, isCut };
  }
  // Net headers are outside of the hash, so any other one would be a change that nothing shows.
  if (!equalBytes(bytes.subarray(0, netHeaderBytes), netHeader)) {
    const message = "the net header is not the default one";
    return { ok: false, fault: { code: "CORRUPT", message, offset }, isCut: false };
  }
  return parsed;
}

/** The packet at `offset`, before `end`. Its hash is not checked. */
export async function readPacketAt(
  store: ByteStore,
  offset: number,
  end: number,
  options: { readonly expectedBytes?: number; readonly signal?: AbortSignal } = {},
): Promise<PacketAt> {
  const { expectedBytes = entryReadBytes, signal } = options;
  const room = Math.min(packetBytesMax, end - offset);
  if (room <= 0) {
    const message = "no packet: behind the end";
    return { ok: false, fault: { code: "CORRUPT", message, offset }, isCut: true };
  }
  const head = await readFully(store, offset, Math.min(room, expectedBytes), signal);
  const first = packetIn(head, offset);
  if (first.ok || !first.isCut || head.length === room) return first;
  return packetIn(await readFully(store, offset, room, signal), offset);
}

/** Packets one after another. */
export interface PacketReader {
  /** Offset of the next packet. */
  readonly offset: number;
  /** The bytes from `offset` on that are at hand, `count` of them unless the store ends before. */
  peek(count: number): Promise<Uint8Array>;
  /** Moves on. */
  skip(count: number): void;
}

/** A reader from `start` to `end`. Bytes it gave out stay as they are. */
export function createPacketReader(
  store: ByteStore,
  start: number,
  end: number,
  signal?: AbortSignal,
): PacketReader {
  let offset = start;
  let window: Uint8Array = new Uint8Array(0);
  let windowStart = start;
  return {
    get offset() {
      return offset;
    },
    peek: async (count) => {
      const wanted = Math.min(count, end - offset);
      if (windowStart + window.length < offset + wanted) {
        const length = Math.min(Math.max(wanted, scanWindowBytes), end - offset);
        window = await readFully(store, offset, length, signal);
        windowStart = offset;
      }
      return window.subarray(offset - windowStart, offset - windowStart + wanted);
    },
    skip: (count) => {
      offset += count;
    },
  };
}
