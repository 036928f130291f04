/**
 * Reading a segment record by record, and judging where it ends (docs/spec/store-file.md §8).
 * Layer 4, a leaf.
 */
import { Buffer } from "node:buffer";
import { createByteReader } from "@hawser/codec";
import { corrupt } from "./errors.ts";
import type { StoreFile } from "./files.ts";
import {
  baseName,
  decodeEnd,
  endBytes,
  endPayloadBytes,
  frameBytes,
  headerBytes,
  readFrame,
  recordTypes,
  type Frame,
  type SegmentId,
} from "./format.ts";
import type { IndexedRecord, SegmentEnd } from "./index-file.ts";
import { readMeta } from "./records.ts";
import { createReadWindow, type ReadWindow } from "./window.ts";

const scanBytes = 1024 * 1024;

/** What a scan found. */
export interface ScanResult extends SegmentEnd {
  readonly isSealed: boolean;
  /** The first byte that is no sound record; `end` when there is nothing behind the last group. */
  readonly stoppedAt: number;
}

/** A segment to scan. */
export interface ScanSource {
  readonly file: StoreFile;
  readonly id: SegmentId;
  /** Bytes of the file. */
  readonly size: number;
}

/**
 * Reads whole groups from `start`, where `before` holds, and gives the records of each to `onRecord`
 * when the group's end was read. Stops at the first record that is not sound.
 */
export function scanSegment(
  source: ScanSource,
  start: SegmentEnd,
  onRecord: (record: IndexedRecord) => void,
): ScanResult {
  const window = createReadWindow(scanBytes);
  let last: SegmentEnd = start;
  let group: IndexedRecord[] = [];
  let offset = start.end;
  for (;;) {
    const frame = frameAt(source, window, offset);
    if (frame === undefined) return { ...last, isSealed: false, stoppedAt: offset };
    const length = frameBytes + frame.payload.length;
    const end = decodeEnd(frame);
    if (end === undefined) {
      const meta = readMeta(frame.type, createByteReader(frame.payload));
      if (meta === undefined) return { ...last, isSealed: false, stoppedAt: offset };
      group.push({ meta, offset, length });
    } else {
      for (const record of group) onRecord(record);
      group = [];
      last = { end: offset + length, checksum: frame.checksum, cursor: end.cursor };
      if (frame.type === recordTypes.seal) {
        return { ...last, isSealed: true, stoppedAt: last.end };
      }
    }
    offset += length;
  }
}

/** The sound record at `offset`, or `undefined`. Allocates no more than the file holds. */
export function frameAt(
  { file, id, size }: ScanSource,
  window: ReadWindow,
  offset: number,
): Frame | undefined {
  const head = window.get(file, offset, frameBytes);
  if (head === undefined) return undefined;
  const length = frameBytes + createByteReader(head).u32();
  if (length > size - offset) return undefined;
  const bytes = window.get(file, offset, length);
  return bytes === undefined ? undefined : readFrame(id, offset, bytes);
}

/** The commit or seal record that ends at `end`, or `undefined`. */
export function endFrameAt(source: ScanSource, end: number): Frame | undefined {
  if (end < headerBytes + endBytes) return undefined;
  const frame = frameAt(source, createReadWindow(), end - endBytes);
  return frame === undefined || decodeEnd(frame) === undefined ? undefined : frame;
}

/**
 * Tells a torn tail from damage. What lies behind the last whole group may go if nothing says that it
 * was once on the disk: no index, and no sound commit record behind it. Throws STORE_CORRUPT.
 */
export function checkTail(source: ScanSource, scan: ScanResult, vouchedEnd: number): void {
  const durable = Math.max(vouchedEnd, durableBehind(source, scan.stoppedAt));
  if (scan.end >= durable) return;
  const file = `${baseName(source.id)}.segment`;
  throw corrupt(file, scan.stoppedAt, `a record is damaged, and ${durable} bytes were stored`);
}

/** The most that any sound commit or seal record behind `offset` says was on the disk before it. */
function durableBehind(source: ScanSource, offset: number): number {
  const { file, id, size } = source;
  let durable = 0;
  for (let start = offset; start < size; start += scanBytes) {
    const bytes = new Uint8Array(Math.min(scanBytes + endBytes - 1, size - start));
    const got = bytes.subarray(0, file.read(bytes, start));
    for (let at = nextEnd(got, 0); at >= 0; at = nextEnd(got, at + 1)) {
      const frame = readFrame(id, start + at, got.subarray(at, at + endBytes));
      const end = frame === undefined ? undefined : decodeEnd(frame);
      if (end !== undefined) durable = Math.max(durable, end.durable);
    }
  }
  return durable;
}

const endStart = new Uint8Array([0, 0, 0, endPayloadBytes]);

/** Where bytes that may be a commit or seal record begin, from `start` on; −1 for nowhere. */
function nextEnd(bytes: Uint8Array, start: number): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = buffer.indexOf(endStart, start); at >= 0; at = buffer.indexOf(endStart, at + 1)) {
    if (at + endBytes > bytes.length) return -1;
    const type = bytes[at + 4];
    if (type === recordTypes.commit || type === recordTypes.seal) return at;
  }
  return -1;
}
