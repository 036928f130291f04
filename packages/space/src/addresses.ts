/**
 * The address book (docs/spec/6-space.md §8): where the logs of an author can be fetched. Only the
 * writer of a log announces its addresses, so the list has no conflicts (TH-033, TH-040); every
 * address has a time to live (TH-036).
 */
import type { Clock, LogId } from "@hawser/log";
import { SpaceError } from "./errors.ts";

/** Characters an address may have. */
export const addressCharactersMax = 255;
/** Longest time to live, in seconds: 400 days. */
export const addressTtlSecondsMax: number = 400 * 24 * 3_600;
/** Addresses kept per log; a further one displaces the one that expires first. */
export const addressesPerLogMax = 16;

/** An address with its end. */
export interface LogAddress {
  readonly address: string;
  /** As announced. */
  readonly ttlSeconds: number;
  /** µs since the epoch; not listed from then on. */
  readonly expiresAt: number;
}

/** Addresses by log. `add` never shortens, `set` replaces, `update` changes what has a given TTL. */
export interface AddressBook {
  /** A ttl ≤ 0 does nothing; a longer one extends, a shorter one leaves things as they are. */
  add(logId: LogId, address: string, ttlSeconds: number, sinceMicros?: number): void;
  /** Replaces the address's time to live; ≤ 0 removes it. */
  set(logId: LogId, address: string, ttlSeconds: number, sinceMicros?: number): void;
  /** Gives every address of the log whose ttl is exactly `oldTtlSeconds` the new one, from now. */
  update(logId: LogId, oldTtlSeconds: number, newTtlSeconds: number): void;
  /** Unexpired addresses of a log, in text order. */
  addresses(logId: LogId): readonly LogAddress[];
  /** Logs with at least one unexpired address, sorted. */
  logs(): readonly LogId[];
  /** Forgets a log's addresses, or all. */
  clear(logId?: LogId): void;
}

/** A URL (`wss://…`) or multiaddr (`/ip4/…`) of printable ASCII without spaces. */
export function isAddress(value: unknown): value is string {
  if (typeof value !== "string" || value.length > addressCharactersMax) return false;
  return /^(?:[a-z][a-z0-9+.-]*:\/\/|\/)[\x21-\x7e]+$/.test(value);
}

/** An empty book. Throws `SPACE_ADDRESS_INVALID` from its methods for what is no address or ttl. */
export function createAddressBook(deps: { readonly clock: Clock }): AddressBook {
  const byLog = new Map<LogId, Map<string, LogAddress>>();

  const live = (logId: LogId): Map<string, LogAddress> => {
    const now = deps.clock.nowMicros();
    const book = byLog.get(logId) ?? new Map<string, LogAddress>();
    for (const [address, entry] of book) if (entry.expiresAt <= now) book.delete(address);
    if (book.size === 0) byLog.delete(logId);
    else byLog.set(logId, book);
    return book;
  };

  const put = (logId: LogId, entry: LogAddress): void => {
    const book = live(logId);
    book.set(entry.address, entry);
    byLog.set(logId, book);
    if (book.size > addressesPerLogMax) book.delete(soonest(book));
  };

  const checked = (address: string, ttlSeconds: number, since: number | undefined): LogAddress => {
    if (!isAddress(address)) throw new SpaceError("SPACE_ADDRESS_INVALID", "not an address");
    if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds > addressTtlSecondsMax) {
      throw new SpaceError("SPACE_ADDRESS_INVALID", `time to live of ${ttlSeconds} s`);
    }
    // A start in the future would stretch the time to live.
    const start = Math.min(since ?? Infinity, deps.clock.nowMicros());
    return { address, ttlSeconds, expiresAt: start + ttlSeconds * 1e6 };
  };

  return {
    add: (logId, address, ttlSeconds, since) => {
      const entry = checked(address, ttlSeconds, since);
      const known = live(logId).get(address);
      if (ttlSeconds <= 0 || entry.expiresAt <= deps.clock.nowMicros()) return;
      if (known === undefined) put(logId, entry);
      else {
        put(logId, {
          address,
          ttlSeconds: Math.max(known.ttlSeconds, ttlSeconds),
          expiresAt: Math.max(known.expiresAt, entry.expiresAt),
        });
      }
    },
    set: (logId, address, ttlSeconds, since) => {
      const entry = checked(address, ttlSeconds, since);
      live(logId).delete(address);
      if (ttlSeconds > 0 && entry.expiresAt > deps.clock.nowMicros()) put(logId, entry);
      else live(logId);
    },
    update: (logId, oldTtlSeconds, newTtlSeconds) => {
      // A copy: what is put back would be visited again.
      for (const entry of Array.from(live(logId).values())) {
        if (entry.ttlSeconds !== oldTtlSeconds) continue;
        const changed = checked(entry.address, newTtlSeconds, undefined);
        live(logId).delete(entry.address);
        if (newTtlSeconds > 0) put(logId, changed);
      }
      live(logId);
    },
    addresses: (logId) =>
      [...live(logId).values()].sort((a, b) => (a.address < b.address ? -1 : 1)),
    logs: () => [...byLog.keys()].filter((logId) => live(logId).size > 0).sort(),
    clear: (logId) => {
      if (logId === undefined) byLog.clear();
      else byLog.delete(logId);
    },
  };
}

function soonest(book: ReadonlyMap<string, LogAddress>): string {
  let first: LogAddress | undefined;
  for (const entry of book.values()) {
    if (first === undefined || entry.expiresAt < first.expiresAt) first = entry;
  }
  return first?.address ?? "";
}
