/**
 * The chunks that Automerge's binary format is made of: magic ‖ checksum ‖ type ‖ length ‖ contents.
 * Changes can be told apart by them without being read. Layer 7, pure.
 */
import { concatBytes, createByteReader, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { AutomergeState, Chunk } from "./state.ts";

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

/** Changes that the space has by others. */
export interface KnownChanges {
  /** Takes in a chunk that the view shows. */
  note(chunk: Chunk): void;
  /** Begins anew with what counts now. */
  clear(state: AutomergeState): void;
  /** What of a value nobody else has stored yet. */
  rest(data: Uint8Array): Uint8Array;
}

/** A repo saves what it hears from others as well; what is in the space already is left out. */
export function createKnownChanges(crypto: Pick<Crypto, "hash">): KnownChanges {
  const names = new Set<string>();
  const nameOf = ({ bytes }: Frame): string => toHex(crypto.hash(bytes).subarray(0, 16));
  const note = ({ data }: Chunk): void => {
    for (const frame of framesOf(data) ?? []) if (frame.isChange) names.add(nameOf(frame));
  };
  return {
    note,
    clear: ({ chunks }) => {
      names.clear();
      for (const group of chunks.values()) for (const chunk of group.values()) note(chunk);
    },
    rest: (data) => {
      const frames = names.size === 0 ? undefined : framesOf(data);
      if (frames === undefined || frames.some(({ isChange }) => !isChange)) return data;
      const left = frames.filter((frame) => !names.has(nameOf(frame)));
      return left.length === frames.length ? data : concatBytes(...left.map(({ bytes }) => bytes));
    },
  };
}
