/**
 * Logs to test with: repeatable keys, contexts and ranges, without a store or a real clock.
 */
import { toHex } from "@hawser/codec";
import { createNobleCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import {
  buildRange,
  createMemoryStore,
  emptyChain,
  ingestRange,
  type ChainState,
  type Clock,
  type EntryDraft,
  type ForkProof,
  type LogContext,
  type Topic,
  type VerifiedRange,
} from "@hawser/log";

/** Pure TypeScript: equal results everywhere. */
export const testCrypto: Crypto = createNobleCrypto();

/** An author with one log. */
export interface TestLog {
  readonly context: LogContext;
  readonly secret: Uint8Array;
  readonly start: ChainState;
}

/** The same topic for the same number. */
export function testTopic(number: number): Topic {
  // Safe: 32 bytes in hex.
  return toHex(testCrypto.hash(new Uint8Array([1, number]))) as Topic;
}

/** The same secret and log for the same numbers. */
export function testLog(
  number: number,
  options: { readonly topic?: Topic; readonly domain?: string; readonly crypto?: Crypto } = {},
): TestLog {
  const { topic = testTopic(0), domain = "hawser.data", crypto = testCrypto } = options;
  const secret = crypto.hash(new Uint8Array([2, number & 0xff, number >> 8]));
  // Safe: a public key in hex.
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  const context = { topic, domain, author };
  return { context, secret, start: emptyChain(crypto, context) };
}

/** A clock that starts at `start` µs and gains `step` at each look. */
export function testClock(start = 1_700_000_000_000_000, step = 1_000): Clock {
  let now = start - step;
  return { nowMicros: () => (now += step) };
}

export interface ExtendOptions {
  /** Default `testCrypto`. */
  readonly crypto?: Crypto;
  /** Whether the last entry is signed; default true. The genesis always is. */
  readonly sign?: boolean;
  /** Indexes of further entries to sign. */
  readonly keys?: readonly number[];
  /** Stamp of the first entry; default right after the entry before. */
  readonly stamp?: number;
}

/** The next entries of a log as its author makes them. */
export function extendLog(
  log: TestLog,
  before: ChainState,
  drafts: readonly EntryDraft[],
  options: ExtendOptions = {},
): VerifiedRange {
  const { crypto = testCrypto, sign = true, keys = [], stamp = before.stamp + 1 } = options;
  const last = drafts.length - 1;
  const stamped = drafts.map((draft, index) => ({
    draft,
    stamp: stamp + index,
    signed: before.height + index === 0 || (sign && index === last) || keys.includes(index),
  }));
  return buildRange({ crypto, secret: log.secret }, before, stamped);
}

/** `count` drafts whose data differ from each other and between marks. */
export function testDrafts(count: number, mark = 0): EntryDraft[] {
  return Array.from({ length: count }, (_, index) => ({
    data: new Uint8Array([mark, index & 0xff, index >> 8]),
  }));
}

/** Two branches of one log that part at `seq`, and the proof of it. */
export interface TestFork {
  /** The entries before the fork; `undefined` when it is at the genesis. */
  readonly shared: VerifiedRange | undefined;
  readonly left: VerifiedRange;
  readonly right: VerifiedRange;
  readonly proof: ForkProof;
}

/** A fork of `log` at `seq`, three entries a branch. */
export async function testFork(log: TestLog, seq: number): Promise<TestFork> {
  const shared = seq === 0 ? undefined : extendLog(log, log.start, testDrafts(seq));
  const parted = shared?.after ?? log.start;
  const left = extendLog(log, parted, testDrafts(3, 1));
  const right = extendLog(log, parted, testDrafts(3, 2));
  await using store = createMemoryStore({ crypto: testCrypto });
  await store.commit({ ranges: shared === undefined ? [left] : [shared, left] });
  const outcome = await ingestRange({ store, crypto: testCrypto }, right);
  if (outcome.status !== "forked") throw new Error(`a fork was taken for ${outcome.status}`);
  return { shared, left, right, proof: outcome.proof };
}
