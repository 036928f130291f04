/**
 * The net header: 32 mutable, unhashed bytes of routing before every packet
 * (docs/spec/1-packet.md §2). Layer 2; pure.
 */
import { PacketError } from "./errors.ts";
import { readU32, readU64, writeU32 } from "./layout.ts";
import { netHeaderBytes } from "./limits.ts";

/** "LK1" as a 24-bit number. */
export const netMagic = 0x4c_4b_31;

/** Bits of `NetHeader.flags`. */
export const netFlags: {
  /** Nobody is interested in this packet. */
  readonly silent: 0x01;
  readonly linkedInFuture: 0x02;
  readonly linkedInPrevious: 0x04;
  readonly dontForward: 0x08;
  readonly alwaysZero: 0x80;
} = {
  silent: 0x01,
  linkedInFuture: 0x02,
  linkedInPrevious: 0x04,
  dontForward: 0x08,
  alwaysZero: 0x80,
};

export interface NetHeader {
  /** The first three bytes; `netMagic` unless a reader in reference mode met something else. */
  readonly magic: number;
  readonly flags: number;
  /** Relays passed, 0 … 2^32 − 1. */
  readonly hop: number;
  /** Free for the exchange process; 2^64 − 1 when unset. */
  readonly stamp: bigint;
  /** Four free u32 values. */
  readonly ubits: readonly [number, number, number, number];
}

/** What a new packet has: magic, no flags, hop 0, no stamp, no bits. */
export const defaultNetHeader: NetHeader = Object.freeze({
  magic: netMagic,
  flags: 0,
  hop: 0,
  stamp: 0xffff_ffff_ffff_ffffn,
  ubits: Object.freeze([0, 0, 0, 0] as const),
});

/** The net header of packet bytes (the first 32 are read). Every 32 bytes are a net header. */
export function readNetHeader(bytes: Uint8Array): NetHeader {
  const word = readU32(bytes, 0);
  return {
    magic: word >>> 8,
    flags: word & 0xff,
    hop: readU32(bytes, 4),
    stamp: readU64(bytes, 8),
    ubits: [readU32(bytes, 16), readU32(bytes, 20), readU32(bytes, 24), readU32(bytes, 28)],
  };
}

/**
 * Writes `header` into 32 bytes at `offset`. Reading and writing back gives the same bytes, whatever
 * they were. Throws PacketError PACKET_NUMBER_RANGE, PACKET_TARGET_BYTES.
 */
export function writeNetHeader(target: Uint8Array, offset: number, header: NetHeader): void {
  if (offset < 0 || target.length - offset < netHeaderBytes) {
    throw new PacketError("PACKET_TARGET_BYTES", "no room for a net header");
  }
  writeU32(target, offset, unsigned(header.magic, 24) * 0x100 + unsigned(header.flags, 8));
  writeU32(target, offset + 4, unsigned(header.hop, 32));
  if (header.stamp < 0n || header.stamp > 0xffff_ffff_ffff_ffffn) {
    throw new PacketError("PACKET_NUMBER_RANGE", "net stamp is no unsigned 64-bit number");
  }
  writeU32(target, offset + 8, Number(header.stamp >> 32n));
  writeU32(target, offset + 12, Number(header.stamp & 0xffff_ffffn));
  for (const [index, value] of header.ubits.entries()) {
    writeU32(target, offset + 16 + 4 * index, unsigned(value, 32));
  }
}

/** What a relay does to a header: one hop more (never beyond 2^32 − 1), "always zero" cleared. */
export function hop(header: NetHeader): NetHeader {
  return {
    ...header,
    flags: header.flags & ~netFlags.alwaysZero,
    hop: Math.min(header.hop + 1, 0xffff_ffff),
  };
}

function unsigned(value: number, bits: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
    throw new PacketError("PACKET_NUMBER_RANGE", `${value} is no unsigned ${bits}-bit number`);
  }
  return value;
}
