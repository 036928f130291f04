/** What is added to the store from now on, by this process or another. */
import type { PacketStore, StoredPacket } from "@hawser/query";
import type { PacketIo } from "./io.ts";

/** How often a store that another process writes to is looked at. */
export const pollMs = 100;
/** Packets taken at once: at most 16 MB. */
const pageMax = 256;

export interface StoreTail {
  /** The next packets in receive order; none when there are none yet. */
  next(): Promise<readonly StoredPacket[]>;
}

/** Packets received after `from`, a receive stamp. */
export function createStoreTail(store: PacketStore, from: number): StoreTail {
  let last = from;
  return {
    next: async () => {
      const bounds = { low: last + 1, high: Number.MAX_SAFE_INTEGER };
      const packets = await store.byRecv(bounds, { max: pageMax });
      last = packets.at(-1)?.recv ?? last;
      return packets;
    },
  };
}

/** Waits before the next look; false when the command is to stop. */
export async function untilNextLook(io: Pick<PacketIo, "wait" | "signal">): Promise<boolean> {
  if (!io.signal.aborted) await io.wait(pollMs, io.signal);
  return !io.signal.aborted;
}
