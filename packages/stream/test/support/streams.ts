/** Streams to test with: repeatable keys, clock and randomness. */
import { createNobleCrypto, type Crypto } from "@hawser/crypto";
import {
  createMemoryBytes,
  createStream,
  openStream,
  type ByteStore,
  type MemoryBytes,
  type OpenStreamOptions,
  type Stream,
  type StreamDeps,
} from "@hawser/stream";

export const crypto: Crypto = createNobleCrypto();

/** A secret of an author or recipient; the same for the same number. */
export function secretOf(number: number): Uint8Array {
  return crypto.deriveKey("hawser test secret", Uint8Array.of(number));
}

/** Deps with a seeded random and a clock that gains 1 ms at each look. */
export function testDeps(seed = 0, used: Crypto = crypto): StreamDeps {
  let now = 1_700_000_000_000_000;
  let count = 0;
  return {
    crypto: used,
    clock: { nowMicros: () => (now += 1_000) },
    random: (byteCount) => {
      count += 1;
      const input = Uint8Array.of(seed, count & 0xff, count >> 8);
      return used.deriveKey("hawser test random", input, byteCount);
    },
  };
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);
export const untext = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

/** Bytes that do not compress or repeat; the same for the same arguments. */
export function noise(byteCount: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(byteCount);
  let state = seed * 2_654_435_761;
  for (let index = 0; index < byteCount; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

export interface Made {
  readonly store: MemoryBytes;
  readonly stream: Stream;
  readonly secret: Uint8Array;
}

/** A stream of author 1 in memory. */
export async function make(
  options: Partial<Parameters<typeof createStream>[2]> = {},
  deps: StreamDeps = testDeps(),
): Promise<Made> {
  const store = createMemoryBytes();
  const secret = options.secret ?? secretOf(1);
  const stream = await createStream(deps, store, { ...options, secret });
  return { store, stream, secret };
}

/** Opens, and fails the test with the fault where there is one. */
export async function open(
  store: ByteStore,
  options: OpenStreamOptions = {},
  deps: StreamDeps = testDeps(9),
): Promise<Stream> {
  const verdict = await openStream(deps, store, options);
  if (!verdict.ok) throw new Error(`${verdict.fault.code}: ${verdict.fault.message}`);
  return verdict.stream;
}

/** A reader of these bytes. */
export async function openBytes(
  bytes: Uint8Array,
  options: OpenStreamOptions = {},
): Promise<Stream> {
  return open(createMemoryBytes({ bytes }), options);
}

export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece.slice());
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/**
 * The same crypto, remembering signatures it made and checked: thousands of nearly equal streams then
 * cost hashes only. What it answers is what the real one answered for these very bytes.
 */
export function remembering(used: Crypto): Crypto {
  const made = new Map<string, Uint8Array>();
  const checked = new Map<string, boolean>();
  const keyOf = (...parts: readonly Uint8Array[]): string =>
    parts.map((part) => Buffer.from(used.hash(part)).toString("base64")).join();
  return {
    ...used,
    signPoint: (bytes, secret) => {
      const key = keyOf(bytes, secret);
      const signature = made.get(key) ?? used.signPoint(bytes, secret);
      made.set(key, signature);
      return signature;
    },
    verifyPoint: (bytes, signature, publicKey) => {
      const key = keyOf(bytes, signature, publicKey);
      const holds = checked.get(key) ?? used.verifyPoint(bytes, signature, publicKey);
      checked.set(key, holds);
      return holds;
    },
  };
}
