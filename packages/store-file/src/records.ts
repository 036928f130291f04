/**
 * What records say (docs/spec/store-file.md §5). The payload of a record is its meta, which the index
 * repeats, and its body, which only the segment holds. Layer 4; no I/O.
 */
import { createByteReader, type ByteReader, type ByteWriter, utf8 } from "@hawser/codec";
import {
  decodeContext,
  encodeContext,
  markInterval,
  type ChainState,
  type LogContext,
  type RangeMark,
  type VerifiedRange,
} from "@hawser/log";
import { decodePath, encodePath, pathBytesMax } from "@hawser/packet";
import { recordTypes } from "./format.ts";
import { passState, readState, writeState } from "./states.ts";

/** A signed entry as it can be found: the first six bytes of its hash as a number. */
export interface SignedPlace {
  readonly seq: number;
  readonly prefix: number;
}

export interface LogRecord {
  readonly type: typeof recordTypes.log;
  /** What the other records call the log. */
  readonly log: number;
  readonly context: LogContext;
}

export interface RangeRecord {
  readonly type: typeof recordTypes.range;
  readonly log: number;
  readonly from: number;
  readonly count: number;
  readonly cursor: number;
  readonly dataBytes: number;
  /** Compact bytes. */
  readonly byteCount: number;
  /** Whether the body begins with the state before the range. */
  readonly hasState: boolean;
  readonly signed: readonly SignedPlace[];
}

export interface ValueRecord {
  readonly type: typeof recordTypes.put | typeof recordTypes.delete;
  readonly key: string;
}

export interface ForkRecord {
  readonly type: typeof recordTypes.fork;
  readonly log: number;
  readonly seq: number;
}

export interface PruneRecord {
  readonly type: typeof recordTypes.prune;
  readonly log: number;
  readonly prunedTo: number;
}

/** The meta of any record but commit and seal. */
export type RecordMeta = LogRecord | RangeRecord | ValueRecord | ForkRecord | PruneRecord;

const contextBytes = 80;
const keyBytesMax = 512;
const prefixBytes = 6;
const stateFlag = 1;

/** Six bytes of a hash as an exact number. */
export function hashPrefix(hash: Uint8Array): number {
  let value = 0;
  for (let index = 0; index < prefixBytes; index++) value = value * 256 + (hash[index] ?? 0);
  return value;
}

export function writeMeta(writer: ByteWriter, meta: RecordMeta): void {
  switch (meta.type) {
    case recordTypes.log:
      writer.varint(meta.log);
      writer.bytes(encodeContext(meta.context));
      return;
    case recordTypes.range:
      writeRangeMeta(writer, meta);
      return;
    case recordTypes.put:
    case recordTypes.delete:
      writer.sized(utf8(meta.key));
      return;
    case recordTypes.fork:
      writer.varint(meta.log);
      writer.varint(meta.seq);
      return;
    case recordTypes.prune:
      writer.varint(meta.log);
      writer.varint(meta.prunedTo);
  }
}

function writeRangeMeta(writer: ByteWriter, meta: RangeRecord): void {
  writer.varint(meta.log);
  writer.varint(meta.from);
  writer.varint(meta.count);
  writer.varint(meta.cursor);
  writer.varint(meta.dataBytes);
  writer.varint(meta.byteCount);
  writer.u8(meta.hasState ? stateFlag : 0);
  writer.varint(meta.signed.length);
  let seq = meta.from;
  for (const place of meta.signed) {
    writer.varint(place.seq - seq);
    writer.u16(Math.floor(place.prefix / 2 ** 32));
    writer.u32(place.prefix % 2 ** 32);
    seq = place.seq;
  }
}

/** The meta of a record of this type, or `undefined` when the bytes hold none. */
export function readMeta(type: number, reader: ByteReader): RecordMeta | undefined {
  const meta = readAnyMeta(type, reader);
  return reader.failed ? undefined : meta;
}

function readAnyMeta(type: number, reader: ByteReader): RecordMeta | undefined {
  switch (type) {
    case recordTypes.log: {
      const log = reader.varint();
      const context = decodeContext(reader.bytes(contextBytes));
      return context === undefined ? undefined : { type, log, context };
    }
    case recordTypes.range:
      return readRangeMeta(reader);
    case recordTypes.put:
    case recordTypes.delete:
      return { type, key: String.fromCharCode(...reader.sized(keyBytesMax)) };
    case recordTypes.fork:
      return { type, log: reader.varint(), seq: reader.varint() };
    case recordTypes.prune:
      return { type, log: reader.varint(), prunedTo: reader.varint() };
    default:
      return undefined;
  }
}

function readRangeMeta(reader: ByteReader): RangeRecord | undefined {
  const log = reader.varint();
  const from = reader.varint();
  const count = reader.varint();
  const cursor = reader.varint();
  const dataBytes = reader.varint();
  const byteCount = reader.varint();
  const flags = reader.u8();
  const signedCount = reader.varint();
  if (flags > stateFlag || signedCount > reader.remaining) return undefined;
  const signed: SignedPlace[] = [];
  let seq = from;
  for (let index = 0; index < signedCount; index++) {
    seq += reader.varint();
    signed.push({ seq, prefix: reader.u16() * 2 ** 32 + reader.u32() });
  }
  const hasState = flags === stateFlag;
  const type = recordTypes.range;
  return { type, log, from, count, cursor, dataBytes, byteCount, hasState, signed };
}

/** What the index keeps of a range that is being committed. */
export function rangeMeta(
  range: VerifiedRange,
  place: { readonly log: number; readonly cursor: number; readonly hasState: boolean },
): RangeRecord {
  const signed: SignedPlace[] = [];
  let dataBytes = 0;
  for (const entry of range.entries) {
    dataBytes += entry.data.length;
    if (entry.signature === undefined) continue;
    signed.push({ seq: entry.seq, prefix: hashPrefix(entry.hash) });
  }
  const { from, count } = range;
  const byteCount = range.bytes.length;
  return { type: recordTypes.range, ...place, from, count, dataBytes, byteCount, signed };
}

/** Meta and the part of the body that lies before the compact bytes. */
export function writeRangeRecord(
  writer: ByteWriter,
  meta: RangeRecord,
  range: VerifiedRange,
): void {
  writeMeta(writer, meta);
  if (meta.hasState) writeState(writer, range.before, 0);
  writeState(writer, range.after, range.from);
  // The first mark is the start of the range, which needs none.
  const marks = range.marks.slice(1);
  writer.varint(marks.length);
  let height = range.from;
  let offset = 0;
  for (const mark of marks) {
    writer.varint(mark.state.height - height);
    writer.varint(mark.offset - offset);
    writer.sized(encodePath(mark.path));
    writeState(writer, mark.state, height);
    height = mark.state.height;
    offset = mark.offset;
  }
}

/** The body of a range record. Everything in it is read when it is asked for. */
export interface RangeBody {
  readonly bytes: Uint8Array;
  /** The state before the range, where the record holds it; `empty` gives context and id. */
  stateBefore(empty: ChainState): ChainState | undefined;
  /** The state after it, given the one before. */
  stateAfter(before: ChainState): ChainState | undefined;
  /** The last mark at or before `seq`, given the state before; none when `seq` is before the first. */
  markBefore(before: ChainState, seq: number): RangeMark | undefined;
}

/** The body of the record with this meta; `reader` stands after the meta. */
export function rangeBody(meta: RangeRecord, payload: Uint8Array, start: number): RangeBody {
  const { from, count } = meta;
  /** A reader after the state before. */
  const open = (): ByteReader => {
    const reader = createByteReader(payload, start);
    if (meta.hasState) passState(reader, from, 0);
    return reader;
  };
  return {
    bytes: payload.subarray(payload.length - meta.byteCount),
    stateBefore: (empty) =>
      meta.hasState ? readState(createByteReader(payload, start), from, empty) : undefined,
    stateAfter: (before) => readState(open(), from + count, before),
    markBefore: (before, seq) => {
      if (seq < from + markInterval) return undefined;
      const reader = open();
      passState(reader, from + count, from);
      return lastMark(reader, before, seq);
    },
  };
}

function lastMark(reader: ByteReader, before: ChainState, seq: number): RangeMark | undefined {
  const count = reader.varint();
  let found: RangeMark | undefined;
  let state = before;
  let offset = 0;
  for (let index = 0; index < count && !reader.failed; index++) {
    const height = state.height + reader.varint();
    if (height > seq) return found;
    offset += reader.varint();
    const path = decodePath(reader.sized(pathBytesMax));
    const next = readState(reader, height, state);
    if (next === undefined || !path.ok || reader.failed) return undefined;
    state = next;
    found = { state, offset, path: path.path };
  }
  return found;
}
