/** Points in memory, for tests, examples and small things. Layer 3; pure. */
import { toHex } from "@hawser/codec";
import type { Packet } from "@hawser/packet";
import type { PointSink, PointSource } from "./types.ts";

/** A sink and source in one. */
export interface MemoryPoints extends PointSink, PointSource {
  /** Number of points. */
  readonly count: number;
  /** Sum of their packets' sizes. */
  readonly byteCount: number;
  has(hash: Uint8Array): Promise<boolean>;
  get(hash: Uint8Array): Promise<Packet<"verified"> | undefined>;
  /** Whether the point was there. */
  delete(hash: Uint8Array): boolean;
  /** All points, in the order in which they first came. */
  packets(): readonly Packet<"verified">[];
}

/** An empty set of points. */
export function createMemoryPoints(): MemoryPoints {
  const packets = new Map<string, Packet<"verified">>();
  let byteCount = 0;
  return {
    get count() {
      return packets.size;
    },
    get byteCount() {
      return byteCount;
    },
    put: async (packet) => {
      const name = toHex(packet.hash);
      if (packets.has(name)) return;
      packets.set(name, packet);
      byteCount += packet.bytes.length;
    },
    has: async (hash) => packets.has(toHex(hash)),
    get: async (hash) => packets.get(toHex(hash)),
    delete: (hash) => {
      const name = toHex(hash);
      byteCount -= packets.get(name)?.bytes.length ?? 0;
      return packets.delete(name);
    },
    packets: () => [...packets.values()],
  };
}
