/**
 * Cuts a stream of pieces of any size into chunks of one size. Layer 3; pure. It keeps back what
 * may be the last chunk, because the last one is sealed differently; so it holds one chunk at most.
 */

/**
 * Full chunks come from `push`, the last one (1 … `size` bytes, or none of an empty stream) from
 * `rest`.
 */
export interface Chunker {
  /**
   * Chunks that are full and not the last. They are views into the piece or into a buffer that is
   * used again: use each before asking for the next.
   */
  push(piece: Uint8Array): Generator<Uint8Array, void, undefined>;
  /** What was kept back. */
  rest(): Uint8Array;
}

export function createChunker(size: number): Chunker {
  // Grows once to full size: small content pays for what it has.
  let kept = new Uint8Array(0);
  let keptBytes = 0;
  const keep = (bytes: Uint8Array): void => {
    const needed = keptBytes + bytes.length;
    if (needed > kept.length) {
      const larger = new Uint8Array(keptBytes === 0 ? needed : size);
      larger.set(kept.subarray(0, keptBytes));
      kept = larger;
    }
    kept.set(bytes, keptBytes);
    keptBytes = needed;
  };
  return {
    *push(piece) {
      let offset = 0;
      // At least one byte must stay, or the chunk given out might be the last.
      while (keptBytes + piece.length - offset > size) {
        if (keptBytes === 0) {
          yield piece.subarray(offset, offset + size);
          offset += size;
        } else {
          const taken = size - keptBytes;
          keep(piece.subarray(offset, offset + taken));
          offset += taken;
          keptBytes = 0;
          yield kept;
        }
      }
      keep(piece.subarray(offset));
    },
    rest: () => kept.subarray(0, keptBytes),
  };
}
