/** Helpers of the byte stores' tests. */

/** The bytes in chunks of a size. */
export async function* asyncChunks(
  bytes: Uint8Array,
  chunkBytes: number,
): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
    yield bytes.subarray(offset, offset + chunkBytes);
  }
}

/** Bytes that look random and are the same in every run. */
export function createRandomBytes(seed: number): (byteCount: number) => Uint8Array<ArrayBuffer> {
  let state = (seed * 2654435761) >>> 0 || 1;
  const next = (): number => {
    // xorshift32
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state & 255;
  };
  return (byteCount) => Uint8Array.from({ length: byteCount }, next);
}
