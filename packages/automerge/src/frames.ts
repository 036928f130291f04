/**
 * The chunks that Automerge's binary format is made of: magic ‖ checksum ‖ type ‖ length ‖ contents.
 * Changes can be told apart by them without being read. Layer 7, pure.
 */
import { createByteReader, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";

const magic = [0x85, 0x6f, 0x4a, 0x83];
const typeDocument = 0;
const typeCompressedChange = 2;

/** One chunk. */
export interface Frame {
  /** A change: one that others may have stored as well. */
  readonly isChange: boolean;
  readonly bytes: Uint8Array;
}

/** Takes bytes apart into chunks; `undefined` when they are no row of chunks. */
export function framesOf(bytes: Uint8Array): readonly Frame[] | undefined {
  const frames: Frame[] = [];
  const reader = createByteReader(bytes);
  while (reader.remaining > 0) {
    const start = bytes.length - reader.remaining;
    const head = reader.bytes(4);
    reader.bytes(4);
    const type = reader.bytes(1)[0] ?? 0xff;
    reader.bytes(reader.varint());
    const isChunk = !reader.failed && magic.every((byte, at) => head[at] === byte);
    if (!isChunk || type > typeCompressedChange) return undefined;
    const end = bytes.length - reader.remaining;
    frames.push({ isChange: type !== typeDocument, bytes: bytes.subarray(start, end) });
  }
  return frames;
}

/** What tells a chunk from all others: 16 bytes of its hash. */
export function frameName(crypto: Pick<Crypto, "hash">, { bytes }: Frame): string {
  return toHex(crypto.hash(bytes).subarray(0, 16));
}
