/**
 * readQuery: what a query finds in a store (docs/spec/query.md §7.3–7.5). Layer 3; pure.
 */
import { compareBytes, equalBytes } from "@hawser/codec";
import { createMatcher, type Matcher } from "../matcher.ts";
import type { CompiledQuery } from "../types.ts";
import { linkedPackets } from "./links.ts";
import { incremented, keyAfter } from "./place.ts";
import { treePass, type PassScope } from "./tree-pass.ts";
import type { PacketStore, StoredPacket } from "./types.ts";

/** Packets asked for at once, at first and at most. A page is the memory a pass needs. */
const packetsMin = 2;
const packetsMax = 64;

export interface ReadQueryOptions {
  /** Aborting makes the next step throw the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * The packets of `store` that `query` gives, in the order of its mode: what was stored when reading
 * began, and nothing that was added later. With `:follow` each match is followed by the packets it
 * links to (see `linkedPackets`). Holds one page at a time; leaving the loop ends the read. Throws
 * what the store throws.
 */
export async function* readQuery(
  store: PacketStore,
  query: CompiledQuery,
  options: ReadQueryOptions = {},
): AsyncGenerator<StoredPacket> {
  const { signal } = options;
  const check = (): void => signal?.throwIfAborted();
  check();
  const counter = createCounter(query);
  for await (const stored of storePass(store, query, counter, await store.lastRecv(), check)) {
    yield stored;
    if (query.follow) yield* linkedPackets(store, stored.packet, check);
  }
}

/** The counts of a run. The pass itself tests packets, so that this only counts. */
export function createCounter(query: CompiledQuery): Matcher {
  return createMatcher({ ...query, test: () => true });
}

/**
 * The pass over what was received up to `last`: gives what the limits let through, and ends when
 * they are used up.
 */
export async function* storePass(
  store: PacketStore,
  query: CompiledQuery,
  counter: Matcher,
  last: number,
  check: () => void,
): AsyncGenerator<StoredPacket> {
  const low = Number(query.recv.low);
  const high = Math.min(Number(query.recv.high), last);
  if (counter.isFinished("stored") || query.limits.branch.isPast(0) || low > high) return;
  for await (const stored of matches(store, query, { low, high, check })) {
    const { packet, recv } = stored;
    if (counter.test(packet, recv, "stored") === "match") yield stored;
    if (counter.isFinished("stored")) return;
  }
}

function matches(
  store: PacketStore,
  query: CompiledQuery,
  scope: PassScope,
): AsyncIterable<StoredPacket> {
  switch (query.mode) {
    case "tree-asc":
    case "tree-desc":
      return treePass(store, query, scope);
    case "hash-asc":
    case "hash-desc":
      return hashPass(store, query, scope);
    case "log-asc":
    case "log-desc":
      return logPass(store, query, scope);
  }
}

/** Both directions end at the far bound; masks of hashes are tested, not skipped by. */
async function* hashPass(
  store: PacketStore,
  query: CompiledQuery,
  { low, high, check }: PassScope,
): AsyncGenerator<StoredPacket> {
  const { hash } = query.bounds;
  const isMatch = ({ packet, recv }: StoredPacket): boolean =>
    recv >= low && recv <= high && query.test(packet);
  if (equalBytes(hash.low, hash.high)) {
    const stored = await store.get(hash.low);
    if (stored !== undefined && isMatch(stored)) yield stored;
    return;
  }
  const descending = query.mode === "hash-desc";
  let from: Uint8Array | undefined = descending ? keyAfter(hash.high) : hash.low;
  for (let max = packetsMin; ; max = Math.min(2 * max, packetsMax)) {
    check();
    const page = await store.byHash(from, { max, descending });
    for (const stored of page) {
      const beyond = descending
        ? compareBytes(stored.packet.hash, hash.low) < 0
        : compareBytes(stored.packet.hash, hash.high) > 0;
      if (beyond) return;
      if (isMatch(stored)) yield stored;
    }
    const end: Uint8Array | undefined = page.at(-1)?.packet.hash;
    if (end === undefined || page.length < max) return;
    from = descending ? end : incremented(end);
    if (from === undefined) return;
  }
}

/** From the near bound to the far one, whichever way. */
async function* logPass(
  store: PacketStore,
  query: CompiledQuery,
  scope: PassScope,
): AsyncGenerator<StoredPacket> {
  let { low, high } = scope;
  const descending = query.mode === "log-desc";
  for (let max = packetsMin; low <= high; max = Math.min(2 * max, packetsMax)) {
    scope.check();
    const page = await store.byRecv({ low, high }, { max, descending });
    for (const stored of page) if (query.test(stored.packet)) yield stored;
    const end = page.at(-1);
    if (end === undefined || page.length < max) return;
    if (descending) high = end.recv - 1;
    else low = end.recv + 1;
  }
}
