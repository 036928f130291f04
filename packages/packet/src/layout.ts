/**
 * Where the fields of a packet lie (docs/spec/1-packet.md §2–5). Layer 2; pure.
 */

/** Offsets of fields from the start of the packet. */
export interface PacketOffsets {
  readonly netHeader: 0;
  readonly hash: 32;
  readonly point: 64;
}

export const packetOffsets: PacketOffsets = { netHeader: 0, hash: 32, point: 64 };

/** Offsets of fields from the start of the point. Fields from `pathOffset` on: link, key points. */
export interface PointOffsets {
  readonly reserved: 0;
  readonly type: 1;
  /** u16: unpadded point size, signature block included. */
  readonly pointBytes: 2;
  /** Data of datapoints and error points. */
  readonly content: 4;
  /** u16: where the rooted path starts. */
  readonly pathOffset: 4;
  /** u16: where the data starts. */
  readonly dataOffset: 6;
  readonly stamp: 8;
  readonly group: 16;
  readonly domain: 48;
  readonly links: 64;
}

export const pointOffsets: PointOffsets = {
  reserved: 0,
  type: 1,
  pointBytes: 2,
  content: 4,
  pathOffset: 4,
  dataOffset: 6,
  stamp: 8,
  group: 16,
  domain: 48,
  links: 64,
};

/** The four kinds of point. */
export type PointKind = "datapoint" | "linkpoint" | "keypoint" | "errorpoint";

/** Which type byte stands for which kind. A parameter, because later Linkspace renumbered it. */
export interface PointTypes {
  readonly datapoint: number;
  readonly linkpoint: number;
  readonly keypoint: number;
  readonly errorpoint: number;
}

/** Linkspace 0.3–0.6: bits data 0x01, link 0x02, signature 0x04, error 0x80. */
export const pointTypes: PointTypes = {
  datapoint: 0x01,
  linkpoint: 0x03,
  keypoint: 0x07,
  errorpoint: 0x80,
};

/** The kind a type byte stands for, or `undefined`. */
export function pointKind(types: PointTypes, typeByte: number): PointKind | undefined {
  switch (typeByte) {
    case types.datapoint:
      return "datapoint";
    case types.linkpoint:
      return "linkpoint";
    case types.keypoint:
      return "keypoint";
    case types.errorpoint:
      return "errorpoint";
    default:
      return undefined;
  }
}

/** Size rounded up to the 8 bytes every point is aligned to. */
export function paddedBytes(byteCount: number): number {
  return (byteCount + 7) & ~7;
}

export function readU16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

export function readU32(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset) * 0x1_0000 + readU16(bytes, offset + 2);
}

export function readU64(bytes: Uint8Array, offset: number): bigint {
  return (BigInt(readU32(bytes, offset)) << 32n) | BigInt(readU32(bytes, offset + 4));
}

export function writeU16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

/** `value` is an unsigned 32-bit integer. */
export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}
