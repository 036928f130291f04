/** What the tests of blobs share: crypto, seeded content, and awkward sources. */
import { toHex } from "@hawser/codec";
import { createCrypto, createNobleCrypto, type Crypto, type Random } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import {
  createMemoryPoints,
  openBlob,
  writeBlob,
  type BlobRef,
  type MemoryPoints,
  type OpenOptions,
  type PointSource,
  type WriteOptions,
} from "@hawser/blob";

export const crypto: Crypto = await createCrypto();
export const noble: Crypto = createNobleCrypto();

/**
 * Content that repeats nowhere within a few megabytes: a xorshift generator, four bytes at a time.
 */
export function content(byteCount: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(byteCount / 4));
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, byteCount);
}

/** The bytes in pieces of the given sizes, over and over, all through one buffer that is reused. */
export async function* pieces(
  bytes: Uint8Array,
  sizes: readonly number[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(Math.max(1, ...sizes));
  let offset = 0;
  for (let turn = 0; offset < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    const piece = bytes.subarray(offset, offset + size);
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
    buffer.fill(0xee);
    offset += size;
  }
}

export interface Written {
  readonly ref: BlobRef;
  readonly points: MemoryPoints;
}

/** Writes into fresh memory. */
export async function written(
  bytes: Uint8Array,
  options: WriteOptions = {},
  random: Random = seededRandom("blob"),
): Promise<Written> {
  const points = createMemoryPoints();
  const ref = await writeBlob({ crypto, random }, bytes, points, options);
  return { ref, points };
}

/** All bytes of a range. */
export async function readAll(
  ref: BlobRef,
  source: PointSource,
  options: OpenOptions = {},
  range: { readonly from?: number; readonly to?: number } = {},
): Promise<Uint8Array> {
  const blob = await openBlob({ crypto }, ref, source, options);
  const parts: Uint8Array[] = [];
  for await (const piece of blob.read(range)) parts.push(piece.slice());
  return Buffer.concat(parts);
}

/** A source that notes what it is asked for. */
export function counting(source: PointSource): PointSource & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    get: (hash, signal) => {
      asked.push(toHex(hash));
      return source.get(hash, signal);
    },
  };
}

/** The code of what `work` rejects with, or `"none"`. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

export const key: Uint8Array = new Uint8Array(32).fill(7);
export const context: Uint8Array = Uint8Array.of(1, 2, 3);
