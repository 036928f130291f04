/**
 * Held documents in bytes: what snapshots carry (docs/spec/record.md §4). As values (§2), with a
 * life at each leaf, element, argument, and container that was written as empty.
 */
import { createByteWriter, utf8, type ByteWriter } from "@hawser/codec";
import type { RefusalCode } from "./errors.ts";
import {
  heldDict,
  heldItem,
  heldLeaf,
  heldList,
  heldPair,
  heldPredicate,
  sortedPairs,
  type Held,
  type HeldDict,
  type HeldItem,
  type HeldPair,
  type HeldPairs,
  type Life,
} from "./held.ts";
import { depthMax, documentBytesMax } from "./limits.ts";
import {
  checkKeyOrder,
  createNodeReader,
  identityOf,
  kindBytes,
  readCount,
  readNode,
  readTag,
  writeNode,
  type NodeReader,
} from "./node-bytes.ts";

/** The byte before a leaf: its value and life follow. Containers have the bytes of their kinds. */
const leafByte = 10;

/** The bytes of a document with its lifetimes. */
export function encodeHeld(held: HeldDict): Uint8Array<ArrayBuffer> {
  const writer = createByteWriter(256);
  writeHeld(writer, held);
  return writer.finish();
}

function writeHeld(writer: ByteWriter, held: Held): void {
  if (held.kind === "leaf") {
    writer.u8(leafByte);
    writeLife(writer, held.life);
    writeNode(writer, held.node);
    return;
  }
  writer.u8(kindBytes[held.kind]);
  writer.u8(held.empty === undefined ? 0 : 1);
  if (held.empty !== undefined) writeLife(writer, held.empty);
  if (held.kind === "dict") writePairs(writer, held.pairs);
  if (held.kind === "list") writeItems(writer, [...held.items.values()]);
  if (held.kind === "predicate") {
    writer.sized(utf8(held.tag));
    writeItems(writer, held.args);
    writePairs(writer, held.named);
  }
}

function writeLife(writer: ByteWriter, { expiresAt, stamp }: Life): void {
  writer.u64(expiresAt);
  writer.u64(stamp);
}

function writeItems(writer: ByteWriter, items: readonly HeldItem[]): void {
  writer.varint(items.length);
  for (const { life, node } of items) {
    writeLife(writer, life);
    writeNode(writer, node);
  }
}

function writePairs(writer: ByteWriter, pairs: HeldPairs): void {
  writer.varint(pairs.size);
  for (const { key, value } of sortedPairs(pairs)) {
    writeNode(writer, key);
    writeHeld(writer, value);
  }
}

/** A held document, or why the bytes are none. */
export type HeldVerdict =
  | { readonly ok: true; readonly held: HeldDict }
  | { readonly ok: false; readonly reason: RefusalCode };

/**
 * Reads a held document. A life with a stamp later than `stampMax` is refused: an author cannot
 * have given it yet.
 */
export function decodeHeld(bytes: Uint8Array, stampMax: number): HeldVerdict {
  if (bytes.length > documentBytesMax) return { ok: false, reason: "RECORD_TOO_LARGE" };
  const source: HeldReader = { ...createNodeReader(bytes), stampMax };
  const held = readHeld(source, 1);
  const isWhole = source.reader.finished && held.kind === "dict";
  const reason = source.fault ?? (isWhole ? undefined : "RECORD_BAD_NODE");
  if (reason !== undefined || held.kind !== "dict") {
    return { ok: false, reason: reason ?? "RECORD_BAD_NODE" };
  }
  return { ok: true, held };
}

interface HeldReader extends NodeReader {
  readonly stampMax: number;
}

/** What stands in for held values behind a fault; never seen by anybody. */
const nothing: Held = heldLeaf({ kind: "bool", value: false }, { expiresAt: 0, stamp: 0 });

function failed(source: HeldReader, reason: RefusalCode): Held {
  source.fault ??= reason;
  return nothing;
}

function readHeld(source: HeldReader, depth: number): Held {
  if (depth > depthMax) return failed(source, "RECORD_TOO_DEEP");
  const kind = source.reader.u8();
  if (kind === leafByte) return readLeaf(source, depth);
  source.nodesLeft -= 1;
  if (source.nodesLeft < 0) return failed(source, "RECORD_TOO_LARGE");
  const flag = source.reader.u8();
  if (source.reader.failed || flag > 1) return failed(source, "RECORD_BAD_NODE");
  const empty = flag === 1 ? readLife(source) : undefined;
  switch (kind) {
    case kindBytes.dict:
      return heldDict(readPairs(source, depth), empty);
    case kindBytes.list: {
      const items = readItems(source, depth);
      const byIdentity = new Map(items.map((item) => [identityOf(item.node), item] as const));
      if (byIdentity.size !== items.length) return failed(source, "RECORD_BAD_NODE");
      return heldList(byIdentity, empty);
    }
    case kindBytes.predicate: {
      const tag = readTag(source);
      const args = readItems(source, depth);
      return heldPredicate({ tag, args, named: readPairs(source, depth) }, empty);
    }
    default:
      return failed(source, "RECORD_BAD_NODE");
  }
}

function readLeaf(source: HeldReader, depth: number): Held {
  const life = readLife(source);
  const node = readNode(source, depth);
  const isScalar = node.kind !== "dict" && node.kind !== "list" && node.kind !== "predicate";
  return isScalar ? heldLeaf(node, life) : failed(source, "RECORD_BAD_NODE");
}

function readLife(source: HeldReader): Life {
  const life = { expiresAt: source.reader.u64(), stamp: source.reader.u64() };
  if (source.reader.failed || life.stamp > source.stampMax) failed(source, "RECORD_BAD_NODE");
  return life;
}

function readItems(source: HeldReader, depth: number): readonly HeldItem[] {
  const items: HeldItem[] = [];
  for (let left = readCount(source); left > 0 && source.fault === undefined; left--) {
    const life = readLife(source);
    items.push(heldItem(readNode(source, depth + 1), life));
  }
  return items;
}

function readPairs(source: HeldReader, depth: number): HeldPairs {
  const pairs = new Map<string, HeldPair>();
  let last = "";
  for (let left = readCount(source); left > 0 && source.fault === undefined; left--) {
    const key = readNode(source, depth + 1);
    last = checkKeyOrder(source, key, last);
    pairs.set(last, heldPair(key, readHeld(source, depth + 1)));
  }
  return pairs;
}
