/**
 * The right edge of a stream's index: grows by one entry at a time and says which index packets
 * follow it (docs/spec/stream.md §6). Layer 4; pure. Readers and writers use the same one, so a reader
 * knows every index packet byte for byte.
 */
import type { Crypto } from "@hawser/crypto";
import type { Packet } from "@hawser/packet";
import { pagePacket, tailPacket, type IndexPage, type Tail } from "./index-packet.ts";
import { indexFanOut } from "./limits.ts";

/** An entry at its place in the file. */
export interface PlacedEntry {
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly stamp: number;
  readonly isSigned: boolean;
  readonly offset: number;
  /** Bytes of its packet. */
  readonly byteCount: number;
}

export interface IndexBuilder {
  /** Adds the next entry and gives the index packets that lie right behind it. */
  add(entry: PlacedEntry): readonly Packet<"verified">[];
  /** This place as a value, which a builder can go on from. O(256 · levels). */
  edge(): IndexEdge;
}

/** What a builder is made of. */
export interface IndexEdge {
  /** The newest page of each level, level 0 first. Empty for a stream without entries. */
  readonly pages: readonly IndexPage[];
  /** Offset of the newest packet of each level from 1 on. */
  readonly edges: readonly number[];
}

interface Level {
  readonly first: number;
  readonly offsets: number[];
  readonly signed: boolean[];
}

/** A builder that goes on from an edge; without one, at the beginning. */
export function createIndexBuilder(
  crypto: Pick<Crypto, "hash">,
  edge: IndexEdge = { pages: [], edges: [] },
): IndexBuilder {
  const levels: Level[] = edge.pages.map(({ first, offsets, signed }) => ({
    first,
    offsets: [...offsets],
    signed: [...signed],
  }));
  const edges = [...edge.edges];

  const push = (level: number, offset: number, signed: readonly boolean[]): void => {
    const current = (levels[level] ??= { first: 0, offsets: [], signed: [] });
    if (current.offsets.length === indexFanOut) {
      levels[level] = {
        first: current.first + indexFanOut,
        offsets: [offset],
        signed: [...signed],
      };
      return;
    }
    current.offsets.push(offset);
    current.signed.push(...signed);
  };

  const page = (level: number): IndexPage => {
    const { first, offsets, signed } = levels[level] ?? { first: 0, offsets: [], signed: [] };
    return { level, first, offsets: [...offsets], signed: [...signed] };
  };

  return {
    add: (entry) => {
      const packets: Packet<"verified">[] = [];
      let end = entry.offset + entry.byteCount;
      const put = (packet: Packet<"verified">): number => {
        const offset = end;
        packets.push(packet);
        end += packet.bytes.length;
        return offset;
      };
      push(0, entry.offset, [entry.isSigned]);
      if (levels[0]?.offsets.length === indexFanOut) {
        let below = put(pagePacket(crypto, page(0)));
        for (let level = 1; ; level++) {
          push(level, below, []);
          below = put(pagePacket(crypto, page(level)));
          edges[level - 1] = below;
          if (levels[level]?.offsets.length !== indexFanOut) break;
        }
      }
      if (entry.isSigned) {
        const tail: Tail = {
          height: entry.seq + 1,
          headHash: entry.hash,
          stamp: entry.stamp,
          page: page(0),
          edges,
        };
        put(tailPacket(crypto, tail, end));
      }
      return packets;
    },
    edge: () => ({ pages: levels.map((_, level) => page(level)), edges: [...edges] }),
  };
}

/** How many children the newest page of each level has at a height; level 0 first. */
export function pageCounts(height: number): readonly number[] {
  const counts: number[] = [];
  let children = height;
  while (children > 0) {
    counts.push(((children - 1) % indexFanOut) + 1);
    children = Math.floor(children / indexFanOut);
  }
  return counts;
}
