/**
 * What a sequencer knows, as bytes (docs/spec/view.md §6): kept in the device's store so that opening
 * a space looks at new entries only. Local, never sent; a bad one is as good as none. Layer 5.
 */
import type { OpId } from "@hawser/auth";
import { createByteReader, createByteWriter, fromHex, toHex, type ByteReader } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { LogId } from "@hawser/log";
import { readPlaceIndex, type PlaceIndex } from "./place-index.ts";
import type { SeenStep } from "./seen.ts";
import type { Position, SignedHead, Span } from "./sequencer.ts";

/** One data log, up to what was released of it. */
export interface ImageLog {
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly released: number;
  readonly signedHead: SignedHead | undefined;
  readonly positions: readonly Position[];
  readonly rejected: readonly (readonly [number, "BAD_DEP" | "BAD_STAMP"])[];
}

/** A sequencer at rest. */
export interface OrderImage {
  /** Receive cursor of the store it was made on. */
  readonly cursor: number;
  readonly logs: readonly ImageLog[];
  readonly spans: readonly Span[];
  readonly seen: readonly SeenStep[];
  /** Signed entries of the data logs. */
  readonly places: PlaceIndex;
}

const formatVersion = 1;
const idBytes = 32;

/** The bytes of an image. */
export function encodeImage(image: OrderImage): Uint8Array {
  const { logs, places } = image;
  const writer = createByteWriter(1_024 + places.bytes.length + image.spans.length * 4);
  const logIds = places.logIds;
  const numbers = new Map(logIds.map((logId, index) => [logId, index]));
  const id = (hex: string): void => writer.bytes(fromHex(hex) ?? new Uint8Array(idBytes));
  const ops = new Map<OpId, number>();
  for (const { positions } of logs) {
    for (const { heads } of positions) for (const op of heads) ops.set(op, ops.get(op) ?? ops.size);
  }
  writer.u8(formatVersion);
  writer.varint(image.cursor);
  writer.varint(logIds.length);
  for (const logId of logIds) id(logId);
  writer.varint(ops.size);
  for (const op of ops.keys()) id(op);
  writer.varint(logs.length);
  for (const log of logs) {
    writer.varint(numbers.get(log.logId) ?? 0);
    id(log.author);
    writer.varint(log.released);
    const head = log.signedHead;
    writer.varint(head === undefined ? 0 : head.seq + 1);
    if (head !== undefined) {
      writer.bytes(head.hash);
      writer.u64(head.stamp);
    }
    writer.varint(log.positions.length);
    for (const { seq, heads } of log.positions) {
      writer.varint(seq);
      writer.varint(heads.length);
      for (const op of heads) writer.varint(ops.get(op) ?? 0);
    }
    writer.varint(log.rejected.length);
    for (const [seq, reason] of log.rejected) {
      writer.varint(seq);
      writer.u8(reason === "BAD_DEP" ? 0 : 1);
    }
  }
  writer.varint(image.spans.length);
  for (const span of image.spans) {
    writer.varint(numbers.get(span.logId) ?? 0);
    writer.varint(span.from);
    writer.varint(span.to - span.from);
  }
  writer.varint(image.seen.length);
  for (const step of image.seen) {
    writer.varint(numbers.get(step.logId) ?? 0);
    writer.varint(numbers.get(step.target) ?? 0);
    writer.varint(step.seq);
    writer.varint(step.height);
  }
  writer.sized(places.bytes);
  return writer.finish();
}

/** The image in such bytes, or `undefined`. */
export function decodeImage(bytes: Uint8Array): OrderImage | undefined {
  const reader = createByteReader(bytes);
  if (reader.u8() !== formatVersion) return undefined;
  const cursor = reader.varint();
  // Safe: only `encodeImage` makes these bytes, from ids.
  const logIds = list(reader, () => toHex(reader.bytes(idBytes)) as LogId);
  const ops = list(reader, () => toHex(reader.bytes(idBytes)) as OpId);
  const logAt = (number: number): LogId => logIds[number] ?? ("" as LogId);
  const opAt = (number: number): OpId => ops[number] ?? ("" as OpId);
  const logs = list(reader, () => readLog(reader, logAt, opAt));
  const authors = new Map(logs.map((log) => [log.logId, log.author]));
  const spans = list(reader, (): Span => {
    const logId = logAt(reader.varint());
    const from = reader.varint();
    const author = authors.get(logId) ?? ("" as AuthorId);
    return { logId, author, from, to: from + reader.varint() };
  });
  const seen = list(reader, (): SeenStep => {
    const logId = logAt(reader.varint());
    const target = logAt(reader.varint());
    return { logId, target, seq: reader.varint(), height: reader.varint() };
  });
  const places = readPlaceIndex(reader.sized(bytes.length), logIds);
  const isWhole = !reader.failed && reader.remaining === 0 && places !== undefined;
  return isWhole ? { cursor, logs, spans, seen, places } : undefined;
}

function readLog(
  reader: ByteReader,
  logAt: (number: number) => LogId,
  opAt: (number: number) => OpId,
): ImageLog {
  const logId = logAt(reader.varint());
  const author = toHex(reader.bytes(idBytes)) as AuthorId;
  const released = reader.varint();
  const signed = reader.varint();
  const signedHead =
    signed === 0
      ? undefined
      : { logId, seq: signed - 1, hash: reader.bytes(idBytes).slice(), stamp: reader.u64() };
  const positions = list(reader, (): Position => ({
    seq: reader.varint(),
    heads: list(reader, () => opAt(reader.varint())),
  }));
  const rejected = list(reader, (): readonly [number, "BAD_DEP" | "BAD_STAMP"] => [
    reader.varint(),
    reader.u8() === 0 ? "BAD_DEP" : "BAD_STAMP",
  ]);
  return { logId, author, released, signedHead, positions, rejected };
}

function list<Item>(reader: ByteReader, read: () => Item): Item[] {
  const count = reader.varint();
  const items: Item[] = [];
  for (let index = 0; index < count && !reader.failed; index++) items.push(read());
  return items;
}
