/** One query over a store: what is there, then what is added, with one set of counters. */
import {
  createMatcher,
  readQuery,
  type CompiledQuery,
  type CountRule,
  type Matcher,
  type PacketStore,
  type StoredPacket,
} from "@hawser/query";

/** A query at work. */
export interface Watch {
  readonly query: CompiledQuery;
  /** What the store had when the watch began, and where the store ended then. */
  stored(): AsyncGenerator<StoredPacket, void, undefined>;
  /** Whether a later packet matches. Packets of the first pass must not come here. */
  takes(stored: StoredPacket): boolean;
  /** True when nothing can match any more, counts and the clock considered. */
  isFinished(nowMicros: number): boolean;
}

const anyCount: CountRule = {
  low: 0n,
  high: 0xffff_ffffn,
  accepts: () => true,
  isPast: () => false,
};

/** A watch on what was stored up to `last`, a receive stamp, and on what comes after it. */
export function createWatch(store: PacketStore, query: CompiledQuery, last: number): Watch {
  const matcher: Matcher = createMatcher(query);
  const high = query.recv.high < BigInt(last) ? query.recv.high : BigInt(last);
  // The pass finds, the matcher counts: so the counts go on where the pass ends.
  const pass: CompiledQuery = {
    ...query,
    follow: false,
    recv: { low: query.recv.low, high },
    limits: { ...query.limits, all: anyCount, stored: anyCount },
  };
  return {
    query,
    stored: async function* () {
      if (matcher.isFinished("stored") || last === 0) return;
      for await (const stored of readQuery(store, pass)) {
        const verdict = matcher.test(stored.packet, stored.recv, "stored");
        if (verdict === "match") yield stored;
        if (verdict === "finished" || matcher.isFinished("stored")) return;
      }
    },
    takes: ({ packet, recv }) => matcher.test(packet, recv, "fresh") === "match",
    isFinished: (nowMicros) =>
      matcher.isFinished("fresh") || BigInt(Math.floor(nowMicros)) > query.recv.high,
  };
}
