/**
 * The bytes around records: file names, segment headers, frames (docs/spec/store-file.md §3, §4).
 * Layer 4; no I/O.
 */
import { crc32 } from "node:zlib";
import {
  createByteReader,
  createByteWriter,
  equalBytes,
  utf8,
  type ByteWriter,
} from "@hawser/codec";

/** Raised when the bytes change; a folder of a higher version is refused. */
export const formatVersion = 1;
/** Bytes of a segment's header. */
export const headerBytes = 26;
/** Bytes before a record's payload: length u32, type u8, checksum u32. */
export const frameBytes = 9;
/** Payload of a commit or seal record: cursor u64, durable u32. */
export const endPayloadBytes = 12;
/** A whole commit or seal record. */
export const endBytes: number = frameBytes + endPayloadBytes;
/** The largest payload of a record. */
export const payloadBytesMax: number = 2 ** 30;
/** Offsets in a segment are u32. */
export const segmentBytesMax: number = 2 ** 32 - 1;

export const recordTypes = {
  log: 1,
  range: 2,
  put: 3,
  delete: 4,
  fork: 5,
  prune: 6,
  commit: 7,
  seal: 8,
} as const;

/** Which segment a file is: it stands for the numbers `first` to `last`. */
export interface SegmentId {
  readonly first: number;
  readonly last: number;
  /** Raised at each rewriting. */
  readonly generation: number;
}

const segmentMagic = utf8("HWSRSEG\n");

function hex8(value: number): string {
  return value.toString(16).padStart(8, "0");
}

/** `<last>-<generation>`, 8 hex digits each: what a segment's file and its index are called. */
export function baseName(id: Pick<SegmentId, "last" | "generation">): string {
  return `${hex8(id.last)}-${hex8(id.generation)}`;
}

/** What a file name of the folder says, or `undefined` when it is not one of a store. */
export function parseName(
  name: string,
):
  | { readonly last: number; readonly generation: number; readonly kind: "segment" | "index" }
  | { readonly kind: "new" | "lock" }
  | undefined {
  if (name === "lock" || name === "lock-journal") return { kind: "lock" };
  const match = /^([0-9a-f]{8})-([0-9a-f]{8})\.(segment|index|new)$/.exec(name);
  if (match === null) return undefined;
  if (match[3] === "new") return { kind: "new" };
  return {
    last: Number.parseInt(match[1] ?? "", 16),
    generation: Number.parseInt(match[2] ?? "", 16),
    kind: match[3] === "index" ? "index" : "segment",
  };
}

/** Magic (8) ‖ version u16 ‖ first u32 ‖ last u32 ‖ generation u32 ‖ checksum u32. */
export function encodeHeader(id: SegmentId): Uint8Array {
  const writer = createByteWriter(headerBytes);
  writer.bytes(segmentMagic);
  writer.u16(formatVersion);
  writer.u32(id.first);
  writer.u32(id.last);
  writer.u32(id.generation);
  writer.u32(crc32(writer.finish()));
  return writer.finish();
}

/** The id in a header, "newer" for one of a later format, or `undefined` when it is none. */
export function decodeHeader(bytes: Uint8Array): SegmentId | "newer" | undefined {
  const reader = createByteReader(bytes);
  const isOurs = equalBytes(reader.bytes(segmentMagic.length), segmentMagic);
  const version = reader.u16();
  const id = { first: reader.u32(), last: reader.u32(), generation: reader.u32() };
  const checksum = reader.u32();
  if (!isOurs || !reader.finished) return undefined;
  if (checksum !== crc32(bytes.subarray(0, headerBytes - 4))) return undefined;
  if (version > formatVersion) return "newer";
  return version === formatVersion && id.first <= id.last ? id : undefined;
}

const prefix = new Uint8Array(17);
const prefixView = new DataView(prefix.buffer);

/** CRC-32 of number ‖ generation ‖ offset ‖ length ‖ type ‖ payload: what binds a record to its place. */
function frameChecksum(
  id: SegmentId,
  offset: number,
  type: number,
  parts: readonly Uint8Array[],
): number {
  prefixView.setUint32(0, id.last);
  prefixView.setUint32(4, id.generation);
  prefixView.setUint32(8, offset);
  let length = 0;
  for (const part of parts) length += part.length;
  prefixView.setUint32(12, length);
  prefix[16] = type;
  let checksum = crc32(prefix);
  for (const part of parts) checksum = crc32(part, checksum);
  return checksum;
}

/** A record as it lies in a segment. */
export interface Frame {
  readonly type: number;
  readonly payload: Uint8Array;
  readonly checksum: number;
}

/** The record that `bytes` is exactly, at `offset` of a segment; `undefined` when it is damaged. */
export function readFrame(id: SegmentId, offset: number, bytes: Uint8Array): Frame | undefined {
  if (bytes.length < frameBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, frameBytes);
  if (view.getUint32(0) !== bytes.length - frameBytes) return undefined;
  const type = view.getUint8(4);
  const checksum = view.getUint32(5);
  const payload = bytes.subarray(frameBytes);
  return checksum === frameChecksum(id, offset, type, [payload])
    ? { type, payload, checksum }
    : undefined;
}

/** Builds consecutive records of one segment in a buffer that is used again. */
export interface FrameWriter {
  /** Where the next record begins in the segment. */
  readonly offset: number;
  /** The checksum of the record last added. */
  readonly checksum: number;
  /** Starts anew at `offset` of a segment. */
  start(id: SegmentId, offset: number): void;
  /** Adds a record; the bytes of it, its frame included. */
  add(type: number, parts: readonly Uint8Array[]): number;
  /** Forgets what was added from `offset` on. */
  cutTo(offset: number): void;
  /** A view of what was added since the start. */
  bytes(): Uint8Array;
}

const keptBufferBytes = 4 * 1024 * 1024;

export function createFrameWriter(): FrameWriter {
  let buffer = new Uint8Array(64 * 1024);
  let view = new DataView(buffer.buffer);
  let id: SegmentId = { first: 0, last: 0, generation: 0 };
  let base = 0;
  let size = 0;
  let checksum = 0;
  const reserve = (count: number): void => {
    if (size + count <= buffer.length) return;
    const larger = new Uint8Array(Math.max(size + count, buffer.length * 2));
    larger.set(buffer.subarray(0, size));
    buffer = larger;
    view = new DataView(buffer.buffer);
  };
  return {
    get offset() {
      return base + size;
    },
    get checksum() {
      return checksum;
    },
    start: (segment, offset) => {
      if (buffer.length > keptBufferBytes) {
        buffer = new Uint8Array(64 * 1024);
        view = new DataView(buffer.buffer);
      }
      id = segment;
      base = offset;
      size = 0;
    },
    add: (type, parts) => {
      let length = 0;
      for (const part of parts) length += part.length;
      reserve(frameBytes + length);
      checksum = frameChecksum(id, base + size, type, parts);
      view.setUint32(size, length);
      view.setUint8(size + 4, type);
      view.setUint32(size + 5, checksum);
      size += frameBytes;
      for (const part of parts) {
        buffer.set(part, size);
        size += part.length;
      }
      return frameBytes + length;
    },
    cutTo: (offset) => {
      size = offset - base;
    },
    bytes: () => buffer.subarray(0, size),
  };
}

/** The payload of a commit or seal record. */
export interface GroupEnd {
  /** The store's last cursor. */
  readonly cursor: number;
  /** Bytes of this segment that were known to be on the disk when this was written. */
  readonly durable: number;
}

export function writeEnd(writer: ByteWriter, end: GroupEnd): void {
  writer.u64(end.cursor);
  writer.u32(end.durable);
}

export function encodeEnd(end: GroupEnd): Uint8Array {
  const writer = createByteWriter(endPayloadBytes);
  writeEnd(writer, end);
  return writer.finish();
}

/** The end that a frame is, or `undefined` when it is another record. */
export function decodeEnd(frame: Frame): GroupEnd | undefined {
  if (frame.type !== recordTypes.commit && frame.type !== recordTypes.seal) return undefined;
  const reader = createByteReader(frame.payload);
  const end = { cursor: reader.u64(), durable: reader.u32() };
  return reader.finished ? end : undefined;
}
