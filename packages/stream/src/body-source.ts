/**
 * Where the points of a detached content lie (docs/spec/stream.md §3): everything about their order
 * and sizes follows from the content's size, so any of them is found without an index. Layer 4; pure.
 *
 *   chunk 0 … chunk 1024, node 0, chunk 1025 … chunk 2048, node 1, … last chunk, right edge, root
 *
 * A node is written when the next part of its level arrives, or at the end.
 */
import { chunkBytes, sealHeaderBytes, sealedChunkBytes, sealTagBytes } from "@hawser/blob";
import type { BlobRef, PointSource } from "@hawser/blob";
import { toHex } from "@hawser/codec";
import {
  linkBytes,
  linkHeaderBytes,
  packetHeadBytes,
  paddedBytes,
  pointHeaderBytes,
  type Packet,
} from "@hawser/packet";
import type { ByteStore } from "./byte-store.ts";
import { faultError } from "./errors.ts";
import { packetIn, readFully } from "./packet-io.ts";

const fanOut = 1024;
/** Chunks that one read of the store brings at most: a mebibyte. */
const chunksAhead = 16;
const chunkPacketBytes = packetHeadBytes + paddedBytes(pointHeaderBytes + chunkBytes);
const nodePacketBytes = nodeBytes(fanOut, 0);

/** A part of the content by place: level 0 is a chunk; `index` counts within the level. */
interface Part {
  readonly level: number;
  readonly index: number;
}

/** The layout of one content. Offsets count from the start of its first chunk. */
export interface BodyLayout {
  readonly rootLevel: number;
  /** Bytes of all points together. */
  readonly byteCount: number;
  place(part: Part): Place;
}

/** Where a point lies, and the size of its packet. */
interface Place {
  readonly offset: number;
  readonly byteCount: number;
}

/** Bytes that the points of a content take in the file. */
export function bodyBytes(byteCount: number, isSealed: boolean): number {
  return bodyLayout(byteCount, isSealed).byteCount;
}

/** Which content to read, and how much of it will be asked for. */
export interface BodySourceOptions {
  /** Where the content ends: the offset of its entry. */
  readonly end: number;
  readonly isSealed: boolean;
  /** Content byte after the last one wanted: chunks up to there are read ahead. Default all. */
  readonly to?: number;
}

/** Points of a content. Chunks in a row come in windows, so a store is asked seldom. */
export function createBodySource(
  store: ByteStore,
  ref: BlobRef,
  { end, isSealed, to = ref.byteCount }: BodySourceOptions,
): PointSource {
  const layout = bodyLayout(ref.byteCount, isSealed);
  const lastWanted = Math.floor(Math.max(0, to - 1) / (isSealed ? sealedChunkBytes : chunkBytes));
  const start = end - layout.byteCount;
  const root: Part = { level: layout.rootLevel, index: 0 };
  let window: Uint8Array = new Uint8Array(0);
  let windowOffset = 0;
  // By level, the children of the nodes last read: readers go down one way at a time.
  const known: (ReadonlyMap<string, Part> | undefined)[] = [];

  const partOf = (hash: Uint8Array): Part | undefined => {
    const key = toHex(hash);
    if (key === toHex(ref.hash)) return root;
    return known.find((parts) => parts?.has(key) === true)?.get(key);
  };

  const learn = (part: Part, packet: Packet): void => {
    const level = part.level - 1;
    const parts = new Map<string, Part>();
    for (const [index, link] of packet.links.entries()) {
      parts.set(toHex(link.pointer), { level, index: part.index * fanOut + index });
    }
    known[level] = parts;
  };

  /** The bytes of a part; of a chunk, with those behind it that will be wanted too. */
  const bytesOf = async (part: Part, signal: AbortSignal | undefined): Promise<Uint8Array> => {
    const { offset, byteCount } = layout.place(part);
    const isHeld = offset >= windowOffset && offset + byteCount <= windowOffset + window.length;
    if (!isHeld) {
      const lastIndex = Math.max(part.index, Math.min(lastWanted, part.index + chunksAhead - 1));
      const last = part.level === 0 ? layout.place({ level: 0, index: lastIndex }) : undefined;
      const length = last === undefined ? byteCount : last.offset + last.byteCount - offset;
      window = await readFully(store, start + offset, length, signal);
      windowOffset = offset;
    }
    return window.subarray(offset - windowOffset, offset - windowOffset + byteCount);
  };

  return {
    get: async (hash, signal) => {
      const part = partOf(hash);
      if (part === undefined || start < 0) return undefined;
      const bytes = await bytesOf(part, signal);
      const read = packetIn(bytes, start + layout.place(part).offset);
      if (!read.ok) throw faultError(read.fault);
      if (part.level > 0) learn(part, read.packet);
      return read.packet;
    },
  };
}

/** The layout of a content of `byteCount` bytes, before encryption. */
export function bodyLayout(byteCount: number, isSealed: boolean): BodyLayout {
  const contentBytes = isSealed ? sealedChunkBytes : chunkBytes;
  const chunkCount = Math.max(1, Math.ceil(byteCount / contentBytes));
  let rootLevel = isSealed ? 1 : 0;
  while (fanOut ** rootLevel < chunkCount) rootLevel++;
  const lastContent = byteCount - (chunkCount - 1) * contentBytes;
  const lastStored = isSealed ? lastContent + sealTagBytes : lastContent;
  const lastChunkBytes = packetHeadBytes + paddedBytes(pointHeaderBytes + lastStored);

  const chunkSize = (index: number): number =>
    index === chunkCount - 1 ? lastChunkBytes : chunkPacketBytes;
  /** Where chunk `index` starts: behind full chunks and the nodes that were closed by then. */
  const chunkOffset = (index: number): number =>
    index * chunkPacketBytes + closedNodes(index) * nodePacketBytes;
  const chunksEnd =
    chunkOffset(chunkCount - 1) +
    lastChunkBytes +
    (closedNodes(chunkCount) - closedNodes(chunkCount - 1)) * nodePacketBytes;
  const edge = rightEdge(chunkCount, rootLevel, isSealed, chunksEnd);

  const place = ({ level, index }: Part): Place => {
    if (level === 0) return { offset: chunkOffset(index), byteCount: chunkSize(index) };
    const last = edge.nodes.find((node) => node.level === level && node.index === index);
    if (last !== undefined) return last;
    const closer = closingChunk(level, index);
    const offset = chunkOffset(closer) + chunkSize(closer) + (level - 1) * nodePacketBytes;
    return { offset, byteCount: nodePacketBytes };
  };
  return { rootLevel, byteCount: edge.end, place };
}

/**
 * The nodes written after the last chunk: the last node of each level, and the full ones that its
 * arrival closes above it. At most two a level.
 */
function rightEdge(
  chunkCount: number,
  rootLevel: number,
  isSealed: boolean,
  start: number,
): { readonly nodes: readonly (Part & Place)[]; readonly end: number } {
  // How many parts of each level have arrived.
  const arrived = [chunkCount];
  for (let level = 0; level < rootLevel; level++) arrived.push(closedRows(arrived[level] ?? 0));
  const nodes: (Part & Place)[] = [];
  let end = start;
  const write = (level: number, byteCount: number): void => {
    nodes.push({ level, index: arrived[level] ?? 0, offset: end, byteCount });
    arrived[level] = (arrived[level] ?? 0) + 1;
    end += byteCount;
  };
  for (let level = 1; level <= rootLevel; level++) {
    const children = (arrived[level - 1] ?? 0) - (arrived[level] ?? 0) * fanOut;
    const isRoot = level === rootLevel;
    write(level, nodeBytes(children, isSealed && isRoot ? sealHeaderBytes : 0));
    for (let above = level + 1; above <= rootLevel; above++) {
      if (closedRows(arrived[above - 1] ?? 0) === arrived[above]) break;
      write(above, nodePacketBytes);
    }
  }
  return { nodes, end };
}

/** Of n parts of a level that have arrived, the whole rows that were closed: all but the last. */
function closedRows(count: number): number {
  return count === 0 ? 0 : Math.floor((count - 1) / fanOut);
}

/** Full nodes that lie before chunk `index`: those closed when chunks before it arrived. */
function closedNodes(index: number): number {
  let count = 0;
  for (let parts = closedRows(index); parts > 0; parts = closedRows(parts)) count += parts;
  return count;
}

/** The chunk whose arrival closes full node `index` of a level. */
function closingChunk(level: number, index: number): number {
  let part = index;
  for (let below = level; below > 0; below--) part = (part + 1) * fanOut;
  return part;
}

function nodeBytes(children: number, dataBytes: number): number {
  return packetHeadBytes + paddedBytes(linkHeaderBytes + linkBytes * children + dataBytes);
}
