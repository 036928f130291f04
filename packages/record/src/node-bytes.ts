/**
 * Values in bytes, one form each (docs/spec/record.md §2). Flat: a byte for the kind, then what it
 * holds; so depth, count and size are bounded while reading, before anything is built.
 */
import {
  compareBytes,
  concatBytes,
  createByteReader,
  createByteWriter,
  fromHex,
  fromUtf8,
  toHex,
  utf8,
  type ByteReader,
  type ByteWriter,
} from "@hawser/codec";
import type { RefusalCode } from "./errors.ts";
import { depthMax, documentBytesMax, documentNodesMax, tagBytesMax } from "./limits.ts";
import type { Pair, RecordNode, ScalarNode } from "./types.ts";

/** The byte that begins each kind. */
export const kindBytes = {
  no: 0,
  yes: 1,
  string: 2,
  whole: 3,
  negative: 4,
  float: 5,
  bytes: 6,
  dict: 7,
  list: 8,
  predicate: 9,
} as const;

/** How elements of lists are written: as they stand, or sorted so that equal lists are alike. */
type ListOrder = "kept" | "sorted";

/** The bytes of a value; lists keep their order. */
export function encodeNode(node: RecordNode): Uint8Array<ArrayBuffer> {
  const writer = createByteWriter(64);
  writeNode(writer, node, "kept");
  return writer.finish();
}

/** Text that equal values share and no others: the hex of the bytes with all lists sorted. */
export function identityOf(node: RecordNode): string {
  const writer = createByteWriter(32);
  writeNode(writer, node, "sorted");
  return toHex(writer.finish());
}

/** Appends a value. Recursion is bounded: makers and readers of values hold the depth limit. */
export function writeNode(writer: ByteWriter, node: RecordNode, order: ListOrder = "kept"): void {
  switch (node.kind) {
    case "dict":
      writer.u8(kindBytes.dict);
      writePairs(writer, node.pairs, order);
      return;
    case "list": {
      writer.u8(kindBytes.list);
      writer.varint(node.items.length);
      if (order === "kept") for (const item of node.items) writeNode(writer, item, order);
      else writer.bytes(concatBytes(...node.items.map(sortedBytes).sort(compareBytes)));
      return;
    }
    case "predicate":
      writer.u8(kindBytes.predicate);
      writer.sized(utf8(node.tag));
      writer.varint(node.args.length);
      for (const arg of node.args) writeNode(writer, arg, order);
      writePairs(writer, node.named, order);
      return;
    default:
      writeScalar(writer, node);
  }
}

function sortedBytes(node: RecordNode): Uint8Array {
  const writer = createByteWriter(32);
  writeNode(writer, node, "sorted");
  return writer.finish();
}

/** Pairs are sorted by the identities of their keys already: whoever makes a node sees to it. */
function writePairs(writer: ByteWriter, pairs: readonly Pair[], order: ListOrder): void {
  writer.varint(pairs.length);
  for (const [key, value] of pairs) {
    writeNode(writer, key, order);
    writeNode(writer, value, order);
  }
}

function writeScalar(writer: ByteWriter, node: ScalarNode): void {
  switch (node.kind) {
    case "bool":
      writer.u8(node.value ? kindBytes.yes : kindBytes.no);
      return;
    case "string":
      writer.u8(kindBytes.string);
      writer.sized(utf8(node.value));
      return;
    case "int": {
      const isNegative = node.value < 0n;
      writer.u8(isNegative ? kindBytes.negative : kindBytes.whole);
      writer.sized(magnitudeBytes(isNegative ? -1n - node.value : node.value));
      return;
    }
    case "float": {
      const buffer = new Uint8Array(8);
      new DataView(buffer.buffer).setFloat64(0, node.value);
      writer.u8(kindBytes.float);
      writer.bytes(buffer);
      return;
    }
    case "bytes":
      writer.u8(kindBytes.bytes);
      writer.sized(node.value);
  }
}

/** Big-endian, without leading zeros; zero is empty. */
function magnitudeBytes(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0);
  const hex = value.toString(16);
  return fromHex(hex.length % 2 === 0 ? hex : `0${hex}`) ?? new Uint8Array(0);
}

/** Reads values from untrusted bytes and keeps count. After a fault nothing it gives means anything. */
export interface NodeReader {
  readonly reader: ByteReader;
  /** The first thing that was wrong. */
  fault: RefusalCode | undefined;
  nodesLeft: number;
}

export function createNodeReader(bytes: Uint8Array): NodeReader {
  return { reader: createByteReader(bytes), fault: undefined, nodesLeft: documentNodesMax };
}

/** A value, or why the bytes are none. */
export type NodeVerdict =
  | { readonly ok: true; readonly node: RecordNode }
  | { readonly ok: false; readonly reason: RefusalCode };

/** Reads the one form of a value; every other spelling of it is refused. */
export function decodeNode(bytes: Uint8Array): NodeVerdict {
  if (bytes.length > documentBytesMax) return { ok: false, reason: "RECORD_TOO_LARGE" };
  const source = createNodeReader(bytes);
  const node = readNode(source, 1);
  const reason = source.fault ?? (source.reader.finished ? undefined : "RECORD_BAD_NODE");
  return reason === undefined ? { ok: true, node } : { ok: false, reason };
}

/** What stands in for values behind a fault; never seen by anybody. */
const nothing: RecordNode = { kind: "bool", value: false };

function failed(source: NodeReader, reason: RefusalCode): RecordNode {
  source.fault ??= reason;
  return nothing;
}

/** The next value, at `depth` from 1. */
export function readNode(source: NodeReader, depth: number): RecordNode {
  source.nodesLeft -= 1;
  if (source.nodesLeft < 0) return failed(source, "RECORD_TOO_LARGE");
  if (depth > depthMax) return failed(source, "RECORD_TOO_DEEP");
  const { reader } = source;
  const kind = reader.u8();
  if (reader.failed) return failed(source, "RECORD_BAD_NODE");
  switch (kind) {
    case kindBytes.dict:
      return { kind: "dict", pairs: readPairs(source, depth) };
    case kindBytes.list: {
      const items = readMany(source, depth);
      const isDistinct = new Set(items.map(identityOf)).size === items.length;
      return isDistinct ? { kind: "list", items } : failed(source, "RECORD_BAD_NODE");
    }
    case kindBytes.predicate: {
      const tag = readTag(source);
      const args = readMany(source, depth);
      return { kind: "predicate", tag, args, named: readPairs(source, depth) };
    }
    default:
      return readScalar(source, kind);
  }
}

/** The tag of a predicate. */
export function readTag(source: NodeReader): string {
  const tag = fromUtf8(source.reader.sized(tagBytesMax));
  if (tag === undefined || source.reader.failed) failed(source, "RECORD_BAD_NODE");
  return tag ?? "";
}

/** How many come next; never more than the bytes that are left could hold. */
export function readCount(source: NodeReader): number {
  const count = source.reader.varint();
  if (source.reader.failed || count > source.reader.remaining) {
    failed(source, "RECORD_BAD_NODE");
    return 0;
  }
  return count;
}

function readMany(source: NodeReader, depth: number): readonly RecordNode[] {
  const items: RecordNode[] = [];
  for (let left = readCount(source); left > 0 && source.fault === undefined; left--) {
    items.push(readNode(source, depth + 1));
  }
  return items;
}

function readPairs(source: NodeReader, depth: number): readonly Pair[] {
  const pairs: Pair[] = [];
  let last = "";
  for (let left = readCount(source); left > 0 && source.fault === undefined; left--) {
    const key = readNode(source, depth + 1);
    last = checkKeyOrder(source, key, last);
    pairs.push([key, readNode(source, depth + 1)]);
  }
  return pairs;
}

/** The identity of `key`, which must come after `last`: pairs are sorted, and no key is there twice. */
export function checkKeyOrder(source: NodeReader, key: RecordNode, last: string): string {
  const identity = identityOf(key);
  if (identity === last) failed(source, "RECORD_DUPLICATE_KEY");
  else if (identity < last) failed(source, "RECORD_BAD_NODE");
  return identity;
}

function readScalar(source: NodeReader, kind: number): RecordNode {
  const { reader } = source;
  switch (kind) {
    case kindBytes.no:
    case kindBytes.yes:
      return { kind: "bool", value: kind === kindBytes.yes };
    case kindBytes.string: {
      const value = fromUtf8(reader.sized(documentBytesMax));
      if (value === undefined || reader.failed) return failed(source, "RECORD_BAD_NODE");
      return { kind: "string", value };
    }
    case kindBytes.whole:
    case kindBytes.negative: {
      const magnitude = reader.sized(documentBytesMax);
      if (reader.failed || magnitude[0] === 0) return failed(source, "RECORD_BAD_NODE");
      const value = magnitude.length === 0 ? 0n : BigInt(`0x${toHex(magnitude)}`);
      return { kind: "int", value: kind === kindBytes.negative ? -1n - value : value };
    }
    case kindBytes.float: {
      const field = reader.bytes(8);
      if (reader.failed) return failed(source, "RECORD_BAD_NODE");
      const value = new DataView(field.buffer, field.byteOffset).getFloat64(0);
      const hasOneForm = !Number.isNaN(value) && !Object.is(value, -0);
      return hasOneForm ? { kind: "float", value } : failed(source, "RECORD_BAD_NODE");
    }
    case kindBytes.bytes: {
      const value = reader.sized(documentBytesMax).slice();
      return reader.failed ? failed(source, "RECORD_BAD_NODE") : { kind: "bytes", value };
    }
    default:
      return failed(source, "RECORD_BAD_NODE");
  }
}
