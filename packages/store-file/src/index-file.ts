/**
 * Index files: the metas of a segment's records without their bodies (docs/spec/store-file.md §6).
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
import { formatVersion, frameBytes, headerBytes, type SegmentId } from "./format.ts";
import { readMeta, writeMeta, type RecordMeta } from "./records.ts";

const indexMagic = utf8("HWSRIDX\n");
const checksumBytes = 4;

/** A record of a segment as the index tells it. */
export interface IndexedRecord {
  readonly meta: RecordMeta;
  readonly offset: number;
  /** Bytes with the frame. */
  readonly length: number;
}

/** Where a segment stands: what an index vouches for. */
export interface SegmentEnd {
  /** Bytes of the segment, up to the end of a commit or seal record. */
  readonly end: number;
  /** Checksum of that record. */
  readonly checksum: number;
  /** The store's cursor there. */
  readonly cursor: number;
}

/** What an index file says. */
export interface SegmentIndex extends SegmentEnd {
  readonly records: readonly IndexedRecord[];
  /** The records in their bytes. */
  readonly bytes: Uint8Array;
  /** Where the last of them ends in the segment. */
  readonly recordsEnd: number;
}

/** Gathers the index of one segment while it grows. */
export interface IndexBuilder {
  add(record: IndexedRecord): void;
  encode(id: SegmentId, end: SegmentEnd): Uint8Array;
}

/** Goes on from what an index file says, so that opening need not encode it again. */
export function createIndexBuilder(start?: SegmentIndex): IndexBuilder {
  const writer = createByteWriter(4_096);
  let previousEnd = start?.recordsEnd ?? headerBytes;
  if (start !== undefined) writer.bytes(start.bytes);
  return {
    add: ({ meta, offset, length }) => {
      writer.u8(meta.type);
      writer.varint(offset - previousEnd);
      writer.varint(length - frameBytes);
      writeMeta(writer, meta);
      previousEnd = offset + length;
    },
    encode: (id, end) => encodeIndex(id, end, writer),
  };
}

/**
 * Magic (8) ‖ version u16 ‖ last u32 ‖ generation u32 ‖ end u32 ‖ end checksum u32 ‖ cursor u64 ‖
 * records ‖ checksum u32.
 */
function encodeIndex(id: SegmentId, end: SegmentEnd, records: ByteWriter): Uint8Array {
  const writer = createByteWriter(records.size + 64);
  writer.bytes(indexMagic);
  writer.u16(formatVersion);
  writer.u32(id.last);
  writer.u32(id.generation);
  writer.u32(end.end);
  writer.u32(end.checksum);
  writer.u64(end.cursor);
  writer.bytes(records.finish());
  writer.u32(crc32(writer.finish()));
  return writer.finish();
}

/** A segment's index, or `undefined` when the bytes are damaged or of another segment. */
export function decodeIndex(id: SegmentId, file: Uint8Array): SegmentIndex | undefined {
  if (file.length < indexMagic.length + checksumBytes) return undefined;
  const content = file.subarray(0, file.length - checksumBytes);
  const reader = createByteReader(content);
  if (createByteReader(file, content.length).u32() !== crc32(content)) return undefined;
  if (!equalBytes(reader.bytes(indexMagic.length), indexMagic)) return undefined;
  if (reader.u16() !== formatVersion) return undefined;
  if (reader.u32() !== id.last || reader.u32() !== id.generation) return undefined;
  const end = { end: reader.u32(), checksum: reader.u32(), cursor: reader.u64() };
  const bytes = content.subarray(reader.offset);
  const records: IndexedRecord[] = [];
  let recordsEnd = headerBytes;
  while (!reader.failed && reader.remaining > 0) {
    const type = reader.u8();
    const offset = recordsEnd + reader.varint();
    const length = reader.varint() + frameBytes;
    const meta = readMeta(type, reader);
    recordsEnd = offset + length;
    if (meta === undefined || recordsEnd > end.end) return undefined;
    records.push({ meta, offset, length });
  }
  return reader.failed ? undefined : { ...end, records, bytes, recordsEnd };
}
