/**
 * Matcher: a compiled query over a stream of packets, with its counters
 * (docs/spec/query.md §6.3). Layer 3; pure.
 */
import type { Packet } from "@hawser/packet";
import type { CompiledQuery, CountRule } from "./types.ts";

/**
 * `match`: give the packet. `skip`: not this one. `finished`: neither this one nor any later one.
 */
export type MatchVerdict = "match" | "skip" | "finished";

/** What a packet comes from: a pass over the store, or the packets that arrive afterwards. */
export type MatchSource = "stored" | "fresh";

/** One run of a query. Holds the counts, so every run needs its own. */
export interface Matcher {
  /** Receive stamps in µs; a packet of later stamp must not come before one of an earlier. */
  test(packet: Packet, recv: number, source: MatchSource): MatchVerdict;
  /** Whether every later packet of the source would be `finished` for its count. */
  isFinished(source: MatchSource): boolean;
  /** Packets that satisfied every rule so far, given or not. */
  counts(): { readonly all: number; readonly stored: number; readonly fresh: number };
}

/**
 * A matcher at its beginning. `from` continues the counts of an earlier run: a watch goes on where
 * its pass over the store ended. Limits per branch are the store's business.
 */
export function createMatcher(
  query: CompiledQuery,
  from: { readonly all: number; readonly stored: number; readonly fresh: number } = {
    all: 0,
    stored: 0,
    fresh: 0,
  },
): Matcher {
  const { limits, test } = query;
  const recvLow = Number(query.recv.low);
  const recvHigh = Number(query.recv.high);
  const count = { ...from };
  const rules: { readonly [source in MatchSource]: CountRule } = limits;
  const isFinished = (source: MatchSource): boolean =>
    rules[source].isPast(count[source]) || limits.all.isPast(count.all);
  return {
    isFinished,
    counts: () => ({ ...count }),
    test(packet, recv, source) {
      if (recv > recvHigh || isFinished(source)) return "finished";
      if (recv < recvLow || !test(packet)) return "skip";
      const given = rules[source].accepts(count[source]) && limits.all.accepts(count.all);
      count[source]++;
      count.all++;
      return given ? "match" : "skip";
    },
  };
}
