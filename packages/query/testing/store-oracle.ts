/**
 * What a query gives, the obvious way: all packets, sorted, asked one by one, counted. Slow; what
 * index scans are compared with. It shares nothing with them but the order of packets.
 */
import { compareBytes, toHex } from "@hawser/codec";
import { comparePackets, type Packet } from "@hawser/packet";
import type { QueryMode, StoredPacket } from "@hawser/query";

/** 0-based counts from `low` to `high`, both included. */
export interface OracleCounts {
  readonly low: number;
  readonly high: number;
}

/** A query in the plainest form. */
export interface OracleQuery {
  readonly mode: QueryMode;
  readonly recv: { readonly low: number; readonly high: number };
  readonly all: OracleCounts;
  readonly stored: OracleCounts;
  readonly branch: OracleCounts;
  test(packet: Packet): boolean;
}

/** What a read of a store that holds `packets` gives, in order. */
export function oracleRead(
  packets: readonly StoredPacket[],
  query: OracleQuery,
): readonly StoredPacket[] {
  const isTree = query.mode.startsWith("tree");
  const matches = packets
    .filter(({ packet }) => !isTree || hasPlace(packet))
    .filter(({ recv }) => recv >= query.recv.low && recv <= query.recv.high)
    .filter(({ packet }) => query.test(packet))
    .sort((a, b) => compareIn(query.mode, a, b));
  const branches = new Map<string, number>();
  const inBranch = matches.filter(({ packet }) => {
    if (!isTree) return query.branch.high >= 0;
    const branch = branchOf(packet);
    const count = branches.get(branch) ?? 0;
    branches.set(branch, count + 1);
    return isWithin(count, query.branch);
  });
  return inBranch.filter((_, count) => isWithin(count, query.all) && isWithin(count, query.stored));
}

function isWithin(count: number, { low, high }: OracleCounts): boolean {
  return count >= low && count <= high;
}

function hasPlace(packet: Packet): boolean {
  return packet.kind === "linkpoint" || packet.kind === "keypoint";
}

function branchOf(packet: Packet): string {
  const { group, domain, unrootedPath, publicKey } = packet;
  const parts = [group, domain, unrootedPath, publicKey ?? new Uint8Array(32)];
  return parts.map(toHex).join("|");
}

function compareIn(mode: QueryMode, a: StoredPacket, b: StoredPacket): number {
  switch (mode) {
    case "tree-asc":
      return comparePackets(a.packet, b.packet);
    case "tree-desc": {
      // Only within a branch does the order turn round.
      const isOne = branchOf(a.packet) === branchOf(b.packet);
      return comparePackets(a.packet, b.packet) * (isOne ? -1 : 1);
    }
    case "hash-asc":
      return compareBytes(a.packet.hash, b.packet.hash);
    case "hash-desc":
      return compareBytes(b.packet.hash, a.packet.hash);
    case "log-asc":
      return a.recv - b.recv;
    case "log-desc":
      return b.recv - a.recv;
  }
}
