/** Streams for the tests of handler and mirrors. */
import { createCrypto } from "@hawser/crypto";
import { testClock } from "@hawser/log/testing";
import {
  createMemoryBytes,
  createStream,
  openStream,
  type ByteStore,
  type MemoryBytes,
  type Stream,
  type StreamDeps,
} from "@hawser/stream";
import { createRandomBytes } from "./stores-helpers.ts";

export const crypto: StreamDeps["crypto"] = await createCrypto();

/** Deps of one device. */
export function testDeps(seed = 1): StreamDeps {
  return { crypto, clock: testClock(), random: createRandomBytes(seed) };
}

export interface TestStream {
  readonly stream: Stream;
  readonly store: MemoryBytes;
  readonly secret: Uint8Array;
}

/** Block `seq` of the test streams: larger ones than an entry holds among them. */
export function blockBytes(seq: number): Uint8Array<ArrayBuffer> {
  return createRandomBytes(1000 + seq)(seq % 3 === 2 ? 150_000 : 10 + seq);
}

/** A stream of some blocks, the manifest not counted. */
export async function makeStream(blockCount: number, seed = 1): Promise<TestStream> {
  const deps = testDeps(seed);
  const secret = createRandomBytes(seed + 77)(32);
  const store = createMemoryBytes();
  const stream = await createStream(deps, store, { secret, metadata: { title: "A test" } });
  for (let seq = 1; seq <= blockCount; seq++) {
    await stream.append({ name: `block ${seq}`, tag: new Uint8Array([seq]) }, blockBytes(seq));
  }
  return { stream, store, secret };
}

/** An opened copy of bytes, or an error. */
export async function openCopy(store: ByteStore, secret?: Uint8Array): Promise<Stream> {
  const options = secret === undefined ? {} : { secret };
  const opened = await openStream(testDeps(5), store, options);
  if (!opened.ok) throw new Error(`${opened.fault.code}: ${opened.fault.message}`);
  return opened.stream;
}
