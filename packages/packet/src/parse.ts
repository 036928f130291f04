/**
 * From untrusted bytes to packets (docs/spec/1-packet.md §7). Layer 2; pure.
 *
 * Three steps, apart because they cost so differently: `parsePacket` checks structure (no crypto),
 * `verifyPacket` checks signature and hash, `readPacket` does both in the reference's order. None of
 * them throws on any input, copies, or allocates more than one small object.
 */
import type { Crypto } from "@hawser/crypto";
import { equalBytes } from "@hawser/codec";
import { reject, type PacketRejection, type PacketRejectionCode } from "./errors.ts";
import {
  linkBytes,
  linkHeaderBytes,
  packetHeadBytes,
  packetPrefixBytes,
  pointBytesMax,
  pointHeaderBytes,
  signatureBlockBytes,
} from "./limits.ts";
import {
  packetOffsets,
  paddedBytes,
  pointKind,
  pointOffsets,
  pointTypes,
  readU16,
  readU32,
  type PointKind,
  type PointTypes,
} from "./layout.ts";
import { netFlags, netMagic } from "./net-header.ts";
import { createPacket, isPrivate, type Packet } from "./packet.ts";
import { checkRootedPath } from "./path.ts";

/**
 * `strict` accepts one byte string per content; `reference` exactly what Linkspace's own parser
 * accepts, its second spellings included.
 */
export type ParseMode = "strict" | "reference";

export interface ParseOptions {
  /** Default `"strict"`. */
  readonly mode?: ParseMode;
  /** Whether the private group may be read here; default false: it never crosses a boundary. */
  readonly allowPrivate?: boolean;
  /** Default `pointTypes` (Linkspace 0.3–0.6). */
  readonly types?: PointTypes;
}

/** A packet of the right structure, and the bytes after it. */
export interface ParsedPacket {
  readonly ok: true;
  readonly packet: Packet<"unverified">;
  readonly rest: Uint8Array;
}

/** A packet whose hash and signature hold, and the bytes after it. */
export interface ReadPacket {
  readonly ok: true;
  readonly packet: Packet<"verified">;
  readonly rest: Uint8Array;
}

/** The packet at the start of `bytes`, or why there is none. Hash and signature stay unchecked. */
export function parsePacket(
  bytes: Uint8Array,
  options: ParseOptions = {},
): ParsedPacket | PacketRejection {
  const mode = options.mode ?? "strict";
  const header = checkHeader(bytes, mode, options.types ?? pointTypes);
  if (!header.ok) return header;
  const { kind, size } = header;
  const reason = checkPoint(bytes, kind, mode);
  if (reason !== undefined) return reject(reason);
  const packet = createPacket<"unverified">(bytes.subarray(0, size), kind);
  if (options.allowPrivate !== true && isPrivate(packet)) return reject("PACKET_GROUP_PRIVATE");
  return { ok: true, packet, rest: bytes.subarray(size) };
}

/**
 * Checks signature, then hash, of any packet. On success the same packet under its stronger type.
 */
export function verifyPacket(
  crypto: Pick<Crypto, "hash" | "verifyPoint">,
  packet: Packet,
): { readonly ok: true; readonly packet: Packet<"verified"> } | PacketRejection {
  const { publicKey, signature, signedBytes } = packet;
  if (publicKey !== undefined && signature !== undefined && signedBytes !== undefined) {
    if (!crypto.verifyPoint(signedBytes, signature, publicKey)) return reject("PACKET_SIGNATURE");
  }
  if (!equalBytes(crypto.hash(packet.point), packet.hash)) return reject("PACKET_HASH");
  // Safe: both checks that the type stands for were just made.
  return { ok: true, packet: packet as Packet<"verified"> };
}

/**
 * Parses and verifies the packet at the start of `bytes`, every check in the reference's order: the
 * private group is looked at last.
 */
export function readPacket(
  crypto: Pick<Crypto, "hash" | "verifyPoint">,
  bytes: Uint8Array,
  options: ParseOptions = {},
): ReadPacket | PacketRejection {
  const parsed = parsePacket(bytes, { ...options, allowPrivate: true });
  if (!parsed.ok) return parsed;
  const verified = verifyPacket(crypto, parsed.packet);
  if (!verified.ok) return verified;
  if (options.allowPrivate !== true && isPrivate(verified.packet)) {
    return reject("PACKET_GROUP_PRIVATE");
  }
  return { ok: true, packet: verified.packet, rest: parsed.rest };
}

/**
 * Packets lying back to back. Yields each in turn; after the first rejection (a cut-off last packet
 * is `PACKET_TRUNCATED` or `PACKET_TOO_SHORT`) it yields that and ends, because nothing marks where
 * the next packet would start.
 */
export function* parsePackets(
  bytes: Uint8Array,
  options: ParseOptions = {},
): Generator<ParsedPacket | PacketRejection, void, undefined> {
  let rest = bytes;
  while (rest.length > 0) {
    const parsed = parsePacket(rest, options);
    yield parsed;
    if (!parsed.ok) return;
    rest = parsed.rest;
  }
}

/** Smallest content (point without its 4 header bytes) of each kind. */
const contentBytesMin: { readonly [kind in PointKind]: number } = {
  datapoint: 0,
  errorpoint: 0,
  linkpoint: linkHeaderBytes - pointHeaderBytes,
  keypoint: linkHeaderBytes - pointHeaderBytes + signatureBlockBytes,
};

interface PacketHeader {
  readonly ok: true;
  readonly kind: PointKind;
  /** Bytes of the whole packet, all of them available. */
  readonly size: number;
}

/** Rows 1–9: everything the first 68 bytes and the number of available bytes decide. */
export function checkHeader(
  bytes: Uint8Array,
  mode: ParseMode,
  types: PointTypes,
): PacketHeader | PacketRejection {
  if (bytes.length < packetPrefixBytes) return reject("PACKET_TOO_SHORT", packetPrefixBytes);
  if (mode === "strict") {
    if (readU32(bytes, 0) >>> 8 !== netMagic) return reject("PACKET_MAGIC");
    if (((bytes[3] ?? 0) & netFlags.alwaysZero) !== 0) return reject("PACKET_FLAGS");
  }
  const start = packetOffsets.point;
  const reserved = bytes[start + pointOffsets.reserved] ?? 0;
  if (reserved !== 0) return reject("PACKET_RESERVED_BYTE", reserved);
  const pointBytes = readU16(bytes, start + pointOffsets.pointBytes);
  if (mode === "strict" && pointBytes < pointHeaderBytes) return reject("PACKET_POINT_BYTES");
  if (pointBytes > pointBytesMax) return reject("PACKET_TOO_LARGE");
  const typeByte = bytes[start + pointOffsets.type] ?? 0;
  const kind = pointKind(types, typeByte);
  if (kind === undefined) return reject("PACKET_TYPE_UNKNOWN", typeByte);
  const contentBytes = Math.max(0, pointBytes - pointHeaderBytes);
  if (contentBytes < contentBytesMin[kind]) return reject("PACKET_TOO_SMALL");
  const size = packetHeadBytes + paddedBytes(pointBytes);
  if (size > bytes.length) return reject("PACKET_TRUNCATED", size);
  return { ok: true, kind, size };
}

/** Rows 10–14: offsets, links, path and padding of a point that is wholly there. */
function checkPoint(
  bytes: Uint8Array,
  kind: PointKind,
  mode: ParseMode,
): PacketRejectionCode | undefined {
  const start = packetOffsets.point;
  const pointBytes = readU16(bytes, start + pointOffsets.pointBytes);
  const tailBytes = kind === "keypoint" ? signatureBlockBytes : 0;
  if (kind === "linkpoint" || kind === "keypoint") {
    const pathOffset = readU16(bytes, start + pointOffsets.pathOffset);
    const dataOffset = readU16(bytes, start + pointOffsets.dataOffset);
    if (dataOffset > pointBytes - tailBytes || pathOffset > dataOffset) return "PACKET_DATA_OFFSET";
    if (pathOffset < linkHeaderBytes) return "PACKET_PATH_OFFSET";
    if ((pathOffset - linkHeaderBytes) % linkBytes !== 0) return "PACKET_LINK_BYTES";
    const reason = checkRootedPath(bytes.subarray(start + pathOffset, start + dataOffset), mode);
    if (reason !== undefined) return reason;
  }
  // Padding lies before the signature block, so both ends move back by its size.
  const end = start + paddedBytes(pointBytes) - tailBytes;
  for (let offset = start + pointBytes - tailBytes; offset < end; offset++) {
    if (bytes[offset] !== 0xff) return "PACKET_PADDING";
  }
  // A point of no bytes is what remains of sizes 0–3 in reference mode: 1–3 failed on padding.
  return pointBytes === 0 ? "PACKET_POINT_BYTES" : undefined;
}
