/**
 * One reader of new packets for many watches (docs/spec/query.md §7.6). Layer 3; pure.
 *
 * The feed reads each packet from the store once and offers it to every member. Who has no room
 * leaves and reads on from the store alone; it may come back once it has read what the feed has.
 */
import type { PacketStore, StoredPacket } from "./types.ts";

/** Somebody who wants every packet after some receive stamp, in receive order. */
export interface FeedMember {
  /** The receive stamp from which on nothing was seen yet. */
  cursor(): number;
  /** The next packet, not before `cursor()`. False: no room; the packet was not taken. */
  offer(stored: StoredPacket): boolean;
  /** The store failed; the feed has let go of the member. */
  fail(error: unknown): void;
}

export interface Feed {
  /** Lets a member in that has seen all that the feed has; false: read on from the store first. */
  join(member: FeedMember): boolean;
  leave(member: FeedMember): void;
  /** There may be new packets. */
  wake(): void;
}

/** Packets read at once: at most this many times the largest packet is held. */
const packetsMax = 64;

/** A feed without members; it reads nothing until there are some. */
export function createFeed(store: PacketStore): Feed {
  const members = new Set<FeedMember>();
  /** Packets of lower stamps were offered to all who were members then. */
  let cursor = 0;
  let isReading = false;
  let isStale = false;

  const offerAll = (page: readonly StoredPacket[]): void => {
    for (const stored of page) {
      cursor = Math.max(cursor, stored.recv + 1);
      for (const member of members) {
        if (stored.recv >= member.cursor() && !member.offer(stored)) members.delete(member);
      }
    }
  };

  const readAll = async (): Promise<void> => {
    while (isStale && members.size > 0) {
      isStale = false;
      const bounds = { low: cursor, high: Number.MAX_SAFE_INTEGER };
      const page = await store.byRecv(bounds, { max: packetsMax });
      offerAll(page);
      if (page.length === packetsMax) isStale = true;
    }
  };

  const wake = (): void => {
    isStale = true;
    if (isReading) return;
    isReading = true;
    void readAll()
      .catch((error: unknown) => {
        const failed = [...members];
        members.clear();
        for (const member of failed) member.fail(error);
      })
      .finally(() => {
        isReading = false;
        // A member may have come, or a packet, between the last look and here.
        if (isStale && members.size > 0) wake();
      });
  };

  return {
    join(member) {
      if (member.cursor() < cursor) return false;
      // Alone, nobody needs what lies before: the feed goes on where the member is.
      if (members.size === 0) cursor = member.cursor();
      members.add(member);
      wake();
      return true;
    },
    leave: (member) => void members.delete(member),
    wake,
  };
}
