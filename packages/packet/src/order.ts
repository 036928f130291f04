/**
 * The order of packets and the bytes that sort like it (docs/spec/1-packet.md §11). Layer 2; pure.
 */
import { compareBytes, concatBytes, createByteWriter } from "@hawser/codec";
import { publicKeyBytes } from "./limits.ts";
import { PacketError } from "./errors.ts";
import type { Packet } from "./packet.ts";

/**
 * Index key of a linkpoint or keypoint: group ‖ domain ‖ depth u8 ‖ unrooted path ‖ public key (zeros
 * if unsigned). `undefined` for datapoints and error points, which lie at no place.
 */
export function treeKey(packet: Packet): Uint8Array | undefined {
  if (!hasPlace(packet)) return undefined;
  return concatBytes(
    packet.group,
    packet.domain,
    Uint8Array.of(packet.pathDepth),
    packet.unrootedPath,
    author(packet),
  );
}

/**
 * Index value under `treeKey`, 52 bytes: stamp u64 ‖ hash ‖ received u64 ‖ link count u16 ‖ data size
 * u16. `received` is the local receive order in µs. Throws PACKET_NUMBER_RANGE.
 */
export function treeValue(packet: Packet, received: number): Uint8Array | undefined {
  if (!hasPlace(packet)) return undefined;
  if (!Number.isSafeInteger(received) || received < 0) {
    throw new PacketError(
      "PACKET_NUMBER_RANGE",
      `received ${received} is no unsigned safe integer`,
    );
  }
  const writer = createByteWriter(52);
  writer.bytes(packet.bytes.subarray(stampStart, stampEnd));
  writer.bytes(packet.hash);
  writer.u64(received);
  writer.u16(packet.linkCount);
  writer.u16(packet.data.length);
  return writer.finish();
}

/** The stamp's eight bytes within a packet. */
const stampStart = 72;
const stampEnd = 80;

/**
 * The order of packets: linkpoints and keypoints by (group, domain, depth, path, public key, stamp,
 * hash), all as unsigned bytes; then datapoints and error points by hash.
 */
export function comparePackets(a: Packet, b: Packet): number {
  if (!hasPlace(a) || !hasPlace(b)) {
    return Number(hasPlace(b)) - Number(hasPlace(a)) || compareBytes(a.hash, b.hash);
  }
  return (
    compareBytes(a.group, b.group) ||
    compareBytes(a.domain, b.domain) ||
    a.pathDepth - b.pathDepth ||
    compareBytes(a.unrootedPath, b.unrootedPath) ||
    compareBytes(author(a), author(b)) ||
    compareBytes(a.bytes.subarray(stampStart, stampEnd), b.bytes.subarray(stampStart, stampEnd)) ||
    compareBytes(a.hash, b.hash)
  );
}

/**
 * The first 8 bytes as a number in [0, 1): the upper 52 bits over 2^52. Spreads points evenly by
 * their hash. Throws PACKET_HASH_BYTES for fewer than 8 bytes.
 */
export function bytesToUniform(bytes: Uint8Array): number {
  if (bytes.length < 8) {
    throw new PacketError("PACKET_HASH_BYTES", `${bytes.length} bytes, not 8 at least`);
  }
  const upper = bytes.subarray(0, 6).reduce((sum, byte) => sum * 256 + byte, 0);
  return (upper * 16 + ((bytes[6] ?? 0) >>> 4)) / 2 ** 52;
}

function hasPlace(packet: Packet): boolean {
  return packet.kind === "linkpoint" || packet.kind === "keypoint";
}

function author(packet: Packet): Uint8Array {
  return packet.publicKey ?? new Uint8Array(publicKeyBytes);
}
