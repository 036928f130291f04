/**
 * How much a relay gives to whom, and the counters that hold it to that. Layer 9.
 */

/**
 * What a relay gives to whom. All limits are on by default; a relay without any would store the
 * internet.
 */
export interface RelayLimits {
  /** Spaces this relay hosts. */
  readonly topicsMax: number;
  /** Compact bytes of one space. */
  readonly topicBytesMax: number;
  readonly topicEntriesMax: number;
  /** Compact bytes of one author key in all spaces. */
  readonly authorBytesMax: number;
  /** Compact bytes of all spaces together. */
  readonly storeBytesMax: number;
  /** Bytes of one detached body; longer ones are not kept. */
  readonly bodyBytesMax: number;
  /** Bytes of detached bodies of one space. */
  readonly topicBodyBytesMax: number;
  /** Bytes of detached bodies of all spaces together. */
  readonly storeBodyBytesMax: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Hosting requests of one address in an hour; each may add a space. */
  readonly hostRequestsPerHourMax: number;
  /** New connections of one address in a minute. */
  readonly connectsPerMinuteMax: number;
  /** Mailboxes open at once for devices that are being paired. */
  readonly mailboxesMax: number;
  /** Requests of one address about mailboxes in a minute; a pairing takes about 12 a side. */
  readonly pairRequestsPerMinuteMax: number;
  /** Requests of one address for entries, feeds and hooks in a minute, proven or not. */
  readonly readRequestsPerMinuteMax: number;
  /** Proven ones for one space in a minute, whoever sends them. */
  readonly topicRequestsPerMinuteMax: number;
  /** Feeds and hooks that one address, or one space, makes in an hour. */
  readonly hookRequestsPerHourMax: number;
  readonly feedsPerTopicMax: number;
  readonly hooksPerTopicMax: number;
  readonly hooksMax: number;
}

/** Bytes of the longest hosting request (docs/spec/6-space.md §6.4). */
export const hostingBytesMax = 8_192;

/** What holds when nothing else is said. */
export const defaultRelayLimits: RelayLimits = {
  topicsMax: 10_000,
  topicBytesMax: 4 * 1024 * 1024 * 1024,
  topicEntriesMax: 10_000_000,
  authorBytesMax: 4 * 1024 * 1024 * 1024,
  storeBytesMax: 64 * 1024 * 1024 * 1024,
  bodyBytesMax: 1024 * 1024 * 1024,
  topicBodyBytesMax: 4 * 1024 * 1024 * 1024,
  storeBodyBytesMax: 64 * 1024 * 1024 * 1024,
  connectionsMax: 2_000,
  connectionsPerAddressMax: 64,
  hostRequestsPerHourMax: 60,
  connectsPerMinuteMax: 120,
  mailboxesMax: 1_000,
  pairRequestsPerMinuteMax: 120,
  readRequestsPerMinuteMax: 240,
  topicRequestsPerMinuteMax: 1_200,
  hookRequestsPerHourMax: 60,
  feedsPerTopicMax: 32,
  hooksPerTopicMax: 16,
  hooksMax: 10_000,
};

/** Counts events per key in fixed windows. Bounded: forgets the oldest keys first. */
export interface RateLimit {
  /** True when the event may happen; it is then counted. */
  take(key: string): boolean;
}

export interface RateLimitOptions {
  readonly max: number;
  readonly windowMs: number;
  readonly nowMs: () => number;
  /** Keys remembered at once; default 100,000. */
  readonly keysMax?: number;
}

/** A token bucket per key: `max` at once, refilled evenly over the window. */
export function createRateLimit(options: RateLimitOptions): RateLimit {
  const { max, windowMs, nowMs, keysMax = 100_000 } = options;
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    take: (key) => {
      const now = nowMs();
      const old = buckets.get(key) ?? { tokens: max, atMs: now };
      const refilled = Math.min(max, old.tokens + ((now - old.atMs) / windowMs) * max);
      const isAllowed = refilled >= 1;
      // Deleted and set again, so that the map's order is the order of last use.
      buckets.delete(key);
      buckets.set(key, { tokens: isAllowed ? refilled - 1 : refilled, atMs: now });
      const [oldest] = buckets.keys();
      if (buckets.size > keysMax && oldest !== undefined) buckets.delete(oldest);
      return isAllowed;
    },
  };
}

/** Bytes held at once. */
export interface ByteBudget {
  /** The release function, or `undefined` when it would be too many; the first always fits. */
  hold(byteCount: number): (() => void) | undefined;
}

export function createByteBudget(bytesMax: number): ByteBudget {
  let held = 0;
  return {
    hold: (byteCount) => {
      if (held > 0 && held + byteCount > bytesMax) return undefined;
      held += byteCount;
      let isHeld = true;
      return () => {
        if (isHeld) held -= byteCount;
        isHeld = false;
      };
    },
  };
}

/** Counts what is open per key. */
export interface OpenCount {
  /** The release function, or `undefined` when the key or the whole has too many open. */
  open(key: string): (() => void) | undefined;
  readonly total: number;
  readonly totalMax: number;
}

export function createOpenCount(options: { perKeyMax: number; totalMax: number }): OpenCount {
  const counts = new Map<string, number>();
  let total = 0;
  return {
    get total() {
      return total;
    },
    totalMax: options.totalMax,
    open: (key) => {
      const count = counts.get(key) ?? 0;
      if (count >= options.perKeyMax || total >= options.totalMax) return undefined;
      counts.set(key, count + 1);
      total += 1;
      let isOpen = true;
      return () => {
        if (!isOpen) return;
        isOpen = false;
        total -= 1;
        const left = (counts.get(key) ?? 1) - 1;
        if (left === 0) counts.delete(key);
        else counts.set(key, left);
      };
    },
  };
}
