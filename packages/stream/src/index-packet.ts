/**
 * Index packets: pages of a 256-ary index from seq to offset, and the tail that ends every commit
 * (docs/spec/stream.md §6). Layer 4; pure. They are hints: whoever uses one checks what it leads to.
 */
import { createByteReader, createByteWriter, equalBytes, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { buildLinkpoint, privateGroup, type LinkDraft, type Packet } from "@hawser/packet";
import { indexFanOut, indexLevelsMax, streamDomain } from "./limits.ts";

/** The four bytes that end a tail. */
export const tailMark: Uint8Array = utf8("HSt1");
/** Start of the tail (8) and mark (4). */
export const trailerBytes = 12;

/** Consecutive children of one level: entries at level 0, pages of the level below above it. */
export interface IndexPage {
  readonly level: number;
  /** Number of the first child: a seq, or the number of a page. */
  readonly first: number;
  /** File offsets of the children, ascending, 1–256. */
  readonly offsets: readonly number[];
  /** Level 0: which entries are signed. Empty above. */
  readonly signed: readonly boolean[];
}

/** The last packet of a commit. */
export interface Tail {
  readonly height: number;
  readonly headHash: Uint8Array;
  readonly stamp: number;
  /** The page of the head. */
  readonly page: IndexPage;
  /** Offset of the newest page of level 1, 2, …; those that exist. */
  readonly edges: readonly number[];
}

/** The packet of a page. Deterministic: the same page gives the same bytes. */
export function pagePacket(crypto: Pick<Crypto, "hash">, page: IndexPage): Packet<"verified"> {
  const writer = createByteWriter(1024);
  writePage(writer, page);
  return indexPacket(crypto, [], 0, writer.finish());
}

/** The tail at offset `start`; its last 12 bytes are `start` and the mark, with no padding behind. */
export function tailPacket(
  crypto: Pick<Crypto, "hash">,
  tail: Tail,
  start: number,
): Packet<"verified"> {
  const writer = createByteWriter(1024);
  writePage(writer, tail.page);
  writer.varint(tail.edges.length);
  for (const edge of tail.edges) writer.varint(edge);
  // Headers and links are multiples of 8, so the data decides whether the point needs padding.
  while ((writer.size + trailerBytes) % 8 !== 0) writer.u8(0);
  writer.u64(start);
  writer.bytes(tailMark);
  const tag = createByteWriter(16);
  tag.u64(tail.height);
  tag.bytes(new Uint8Array(4));
  tag.bytes(utf8("head"));
  const link = { tag: tag.finish(), pointer: tail.headHash };
  return indexPacket(crypto, [link], tail.stamp, writer.finish());
}

function indexPacket(
  crypto: Pick<Crypto, "hash">,
  links: readonly LinkDraft[],
  stamp: number,
  data: Uint8Array,
): Packet<"verified"> {
  return buildLinkpoint(crypto, {
    group: privateGroup(),
    domain: streamDomain,
    links,
    stamp,
    data,
  });
}

function writePage(writer: ReturnType<typeof createByteWriter>, page: IndexPage): void {
  const { level, first, offsets, signed } = page;
  writer.u8(level);
  writer.varint(first);
  writer.varint(offsets.length);
  let previous = 0;
  for (const offset of offsets) {
    writer.varint(offset - previous);
    previous = offset;
  }
  if (level > 0) return;
  for (let index = 0; index < offsets.length; index += 8) {
    let bits = 0;
    for (let bit = 0; bit < 8; bit++) if (signed[index + bit] === true) bits |= 1 << bit;
    writer.u8(bits);
  }
}

type Reader = ReturnType<typeof createByteReader>;

/** The page of a packet that is in the private group and has the domain, or `undefined`. */
export function readPagePacket(packet: Packet): IndexPage | undefined {
  if (!isIndexPacket(packet) || packet.linkCount !== 0) return undefined;
  const reader = createByteReader(packet.data);
  const page = readPage(reader);
  return reader.finished ? page : undefined;
}

/** The tail of a packet that lies at `start`, or `undefined`. */
export function readTailPacket(packet: Packet, start: number): Tail | undefined {
  if (!isIndexPacket(packet) || packet.linkCount !== 1) return undefined;
  const { data } = packet;
  const trailer = data.subarray(Math.max(0, data.length - trailerBytes));
  if (readTrailer(trailer) !== start) return undefined;
  const reader = createByteReader(data.subarray(0, data.length - trailerBytes));
  const page = readPage(reader);
  const edgeCount = reader.varint();
  if (page === undefined || page.level !== 0 || edgeCount > indexLevelsMax) return undefined;
  const edges: number[] = [];
  for (let index = 0; index < edgeCount; index++) edges.push(reader.varint());
  const link = packet.link(0);
  const stamp = packet.stampNumber;
  if (reader.failed || reader.remaining >= 8 || link === undefined || stamp === undefined) {
    return undefined;
  }
  const tag = createByteReader(link.tag);
  const height = tag.u64();
  tag.bytes(4);
  if (!equalBytes(tag.bytes(4), utf8("head"))) return undefined;
  if (page.first + page.offsets.length !== height) return undefined;
  return { height, headHash: link.pointer, stamp, page, edges };
}

/** Where the last 12 bytes of a stream say that the tail starts, or `undefined`. */
export function readTrailer(bytes: Uint8Array): number | undefined {
  const reader = createByteReader(bytes);
  const start = reader.u64();
  const mark = reader.bytes(tailMark.length);
  return reader.finished && equalBytes(mark, tailMark) ? start : undefined;
}

/** Whether a packet is a page or a tail. */
export function isIndexPacket(packet: Packet): boolean {
  return (
    packet.kind === "linkpoint" &&
    packet.group.every((byte) => byte === 0) &&
    equalBytes(packet.domain, paddedDomain) &&
    packet.pathDepth === 0
  );
}

/** The domain as it lies in a packet. */
export const paddedDomain: Uint8Array = new Uint8Array(16);
paddedDomain.set(utf8(streamDomain), 16 - streamDomain.length);

function readPage(reader: Reader): IndexPage | undefined {
  const level = reader.u8();
  const first = reader.varint();
  const count = reader.varint();
  if (reader.failed || level > indexLevelsMax || count < 1 || count > indexFanOut) return undefined;
  const offsets: number[] = [];
  let offset = 0;
  for (let index = 0; index < count; index++) {
    const delta = reader.varint();
    // Only the manifest lies at 0; no two packets share a place.
    if (delta === 0 && (index > 0 || first > 0 || level > 0)) return undefined;
    offset += delta;
    offsets.push(offset);
  }
  if (reader.failed || !Number.isSafeInteger(offset)) return undefined;
  const signed: boolean[] = [];
  if (level === 0) {
    const bits = reader.bytes(Math.ceil(count / 8));
    for (let index = 0; index < count; index++) {
      signed.push((((bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1);
    }
  }
  return reader.failed ? undefined : { level, first, offsets, signed };
}
