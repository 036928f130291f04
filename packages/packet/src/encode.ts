/**
 * Writing points into a caller's buffer: the hot path of logs (docs/spec/1-packet.md §4).
 * Layer 2; pure. Allocates nothing.
 */
import { PacketError } from "./errors.ts";
import {
  domainBytes,
  groupBytes,
  hashBytes,
  linkBytes,
  linkHeaderBytes,
  pointBytesMax,
  signatureBlockBytes,
  tagBytes,
} from "./limits.ts";
import {
  paddedBytes,
  pointOffsets,
  pointTypes,
  writeU16,
  writeU32,
  type PointTypes,
} from "./layout.ts";
import type { Link } from "./packet.ts";
import { rootedPathBytes, writeRootedPath, type Path } from "./path.ts";

/** The fields of a linkpoint or keypoint, all of them bytes. */
export interface LinkPointFields {
  /** True for a keypoint: type byte and size then count the signature block. */
  readonly signed: boolean;
  /** 32 bytes. */
  readonly group: Uint8Array;
  /** 0–16 bytes, written left-padded with zeros. */
  readonly domain: Uint8Array;
  readonly path: Path;
  /** Tags of 0–16 bytes (left-padded), pointers of 32. Order and duplicates are kept. */
  readonly links: readonly Link[];
  /** µs since the Unix epoch: an unsigned safe integer, or any u64 as a bigint. */
  readonly stamp: number | bigint;
  readonly data: Uint8Array;
}

/**
 * Padded size of the point with these fields. Throws PacketError PACKET_TOO_LARGE, or one of the
 * PACKET_PATH_… codes.
 */
export function linkPointBytes(fields: LinkPointFields): number {
  return paddedBytes(unpaddedBytes(fields, rootedPathBytes(fields.path)));
}

/**
 * Writes a point at `offset` and returns its padded size n. An unsigned point is then complete in
 * `target[offset, offset + n)`. Of a signed one, everything before the public key is written, with
 * the final header: `target[offset, offset + n − 96)` are the bytes to sign; public key and signature
 * belong behind them. No byte in those ranges keeps its old value, so a scratch buffer may be reused.
 *
 * Throws PacketError (and has then written nothing of use): PACKET_TOO_LARGE, PACKET_TARGET_BYTES,
 * PACKET_GROUP_BYTES, PACKET_DOMAIN_BYTES, PACKET_TAG_BYTES, PACKET_POINTER_BYTES,
 * PACKET_NUMBER_RANGE, or one of the PACKET_PATH_… codes.
 */
export function encodeLinkPoint(
  target: Uint8Array,
  offset: number,
  fields: LinkPointFields,
  types: PointTypes = pointTypes,
): number {
  const pathBytes = rootedPathBytes(fields.path);
  const pointBytes = unpaddedBytes(fields, pathBytes);
  const size = paddedBytes(pointBytes);
  if (offset < 0 || size > target.length - offset) {
    throw new PacketError("PACKET_TARGET_BYTES", `no room for a point of ${size} bytes`);
  }
  const pathOffset = linkHeaderBytes + linkBytes * fields.links.length;
  target[offset] = 0;
  target[offset + pointOffsets.type] = fields.signed ? types.keypoint : types.linkpoint;
  writeU16(target, offset + pointOffsets.pointBytes, pointBytes);
  writeU16(target, offset + pointOffsets.pathOffset, pathOffset);
  writeU16(target, offset + pointOffsets.dataOffset, pathOffset + pathBytes);
  writeStamp(target, offset + pointOffsets.stamp, fields.stamp);
  if (fields.group.length !== groupBytes) {
    throw new PacketError("PACKET_GROUP_BYTES", `group has ${fields.group.length} bytes, not 32`);
  }
  target.set(fields.group, offset + pointOffsets.group);
  if (fields.domain.length > domainBytes) {
    throw new PacketError(
      "PACKET_DOMAIN_BYTES",
      `domain has ${fields.domain.length} bytes, not 16 at most`,
    );
  }
  writeLeftPadded(target, offset + pointOffsets.domain, fields.domain);
  let end = offset + pointOffsets.links;
  for (const link of fields.links) end = writeLink(target, end, link);
  end = writeRootedPath(target, end, fields.path);
  target.set(fields.data, end);
  end += fields.data.length;
  target.fill(0xff, end, end + size - pointBytes);
  return size;
}

function unpaddedBytes(fields: LinkPointFields, pathBytes: number): number {
  const pointBytes =
    linkHeaderBytes +
    linkBytes * fields.links.length +
    pathBytes +
    fields.data.length +
    (fields.signed ? signatureBlockBytes : 0);
  if (pointBytes > pointBytesMax) {
    throw new PacketError(
      "PACKET_TOO_LARGE",
      `point would have ${pointBytes} bytes, not ${pointBytesMax} at most`,
    );
  }
  return pointBytes;
}

function writeLink(target: Uint8Array, offset: number, link: Link): number {
  if (link.tag.length > tagBytes) {
    throw new PacketError("PACKET_TAG_BYTES", `tag has ${link.tag.length} bytes, not 16 at most`);
  }
  if (link.pointer.length !== hashBytes) {
    throw new PacketError(
      "PACKET_POINTER_BYTES",
      `pointer has ${link.pointer.length} bytes, not 32`,
    );
  }
  writeLeftPadded(target, offset, link.tag);
  target.set(link.pointer, offset + tagBytes);
  return offset + linkBytes;
}

/** Domains and tags: 16 bytes, the value at the end, zeros before it. */
function writeLeftPadded(target: Uint8Array, offset: number, value: Uint8Array): void {
  const valueOffset = offset + tagBytes - value.length;
  for (let index = offset; index < valueOffset; index++) target[index] = 0;
  target.set(value, valueOffset);
}

function writeStamp(target: Uint8Array, offset: number, stamp: number | bigint): void {
  if (typeof stamp === "bigint") {
    if (stamp < 0n || stamp > 0xffff_ffff_ffff_ffffn) {
      throw new PacketError("PACKET_NUMBER_RANGE", "stamp is no unsigned 64-bit number");
    }
    writeU32(target, offset, Number(stamp >> 32n));
    writeU32(target, offset + 4, Number(stamp & 0xffff_ffffn));
    return;
  }
  if (!Number.isSafeInteger(stamp) || stamp < 0) {
    throw new PacketError("PACKET_NUMBER_RANGE", `stamp ${stamp} is no unsigned safe integer`);
  }
  writeU32(target, offset, Math.floor(stamp / 0x1_0000_0000));
  writeU32(target, offset + 4, stamp % 0x1_0000_0000);
}
