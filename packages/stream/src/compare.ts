/**
 * Comparing two copies of one stream (docs/spec/stream.md §7.3). Layer 4; pure.
 */
import { equalBytes } from "@hawser/codec";
import type { EntryReader } from "./entry-reader.ts";
import type { StreamIdentity } from "./load.ts";
import { proveFork } from "./proof.ts";
import type { Comparison, Stream } from "./stream.ts";

/** What comparing needs of a handle and its users do not. */
export interface StreamInternals {
  readonly entries: EntryReader;
  readonly identity: StreamIdentity;
}

const internals = new WeakMap<Stream, StreamInternals>();

/** Makes a handle comparable. */
export function registerStream(stream: Stream, parts: StreamInternals): void {
  internals.set(stream, parts);
}

/**
 * Compares two copies of one stream: what `a` is to `b`. Costs O(log n) reads of each. Throws
 * STREAM_FAULT when one of them is damaged where it is looked at.
 */
export async function compareStreams(
  a: Stream,
  b: Stream,
  signal?: AbortSignal,
): Promise<Comparison> {
  const [left, right] = [internals.get(a), internals.get(b)];
  if (a.id !== b.id || left === undefined || right === undefined) return { relation: "unrelated" };
  const common = Math.min(a.height, b.height);
  const same = async (seq: number): Promise<boolean> => {
    const [one, other] = [
      await left.entries.entry(seq, signal),
      await right.entries.entry(seq, signal),
    ];
    return equalBytes(one.linked.entry.hash, other.linked.entry.hash);
  };
  if (await same(common - 1)) {
    if (a.height === b.height) return { relation: "same" };
    return { relation: a.height > b.height ? "ahead" : "behind" };
  }
  // Equal hashes mean equal beginnings, so the first difference is found by halving.
  let [equal, different] = [0, common - 1];
  while (different - equal > 1) {
    const middle = Math.floor((equal + different) / 2);
    if (await same(middle)) equal = middle;
    else different = middle;
  }
  const proof = await proveFork(left.identity, left.entries, right.entries, different, signal);
  return { relation: "fork", seq: different, proof };
}
