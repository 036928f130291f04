/**
 * The arithmetic of trees: sizes, levels, and what a node at a place must look like
 * (docs/spec/blob.md §2). Layer 3; pure. A tree has one canonical form, so that everything about a
 * node but its pointers follows from the size of the blob.
 */
import { utf8 } from "@hawser/codec";
import { datapointDataBytesMax, tagBytes } from "@hawser/packet";
import { sealTagBytes } from "./limits.ts";

/** The domain of tree nodes. */
export const treeDomain: Uint8Array = new Uint8Array(tagBytes);
treeDomain.set(utf8("hawser.blob"), tagBytes - utf8("hawser.blob").length);

/** Stored bytes of a full chunk: all that a datapoint holds. */
export const chunkBytes: number = datapointDataBytesMax;
/** Content bytes of a full chunk under a seal. */
export const sealedChunkBytes: number = chunkBytes - sealTagBytes;
/** Children of a full node. */
export const fanOut = 1024;
/** Levels above the chunks of the largest tree: 1,024^4 > 2^32. */
export const levelMax = 4;

/** A subtree by the chunks it covers, and how high it is. */
export interface Span {
  /** 0 is a chunk. */
  readonly level: number;
  readonly firstChunk: number;
  /** At least 1. */
  readonly chunkCount: number;
}

/** The form of a whole blob. */
export interface TreeForm {
  readonly isSealed: boolean;
  /** Bytes in the chunks, seal tags included. */
  readonly storedBytes: number;
  readonly root: Span;
}

/** The form of a tree of `byteCount` content bytes. */
export function treeForm(byteCount: number, isSealed: boolean): TreeForm {
  const contentBytes = isSealed ? sealedChunkBytes : chunkBytes;
  const chunkCount = Math.max(1, Math.ceil(byteCount / contentBytes));
  const storedBytes = isSealed ? byteCount + chunkCount * sealTagBytes : byteCount;
  // The header of a seal lies in a node, so a sealed blob has one even above a single chunk.
  let level = isSealed ? 1 : 0;
  while (fanOut ** level < chunkCount) level++;
  return { isSealed, storedBytes, root: { level, firstChunk: 0, chunkCount } };
}

/** Number of children of the node over `span`. */
export function childCount(span: Span): number {
  return Math.ceil(span.chunkCount / fanOut ** (span.level - 1));
}

/** Child `index` of the node over `span`. All are full but the last. */
export function childSpan(span: Span, index: number): Span {
  const full = fanOut ** (span.level - 1);
  return {
    level: span.level - 1,
    firstChunk: span.firstChunk + index * full,
    chunkCount: Math.min(full, span.chunkCount - index * full),
  };
}

/** Stored bytes under a subtree. */
export function spanBytes(form: TreeForm, span: Span): number {
  const end = Math.min((span.firstChunk + span.chunkCount) * chunkBytes, form.storedBytes);
  return end - span.firstChunk * chunkBytes;
}

/** The tag of a link to a subtree: its bytes, big-endian in 8, three zeros, its level, "blob". */
export function spanTag(form: TreeForm, span: Span): Uint8Array {
  return subtreeTag(spanBytes(form, span), span.level);
}

/** The tag of a link to a subtree of `byteCount` stored bytes. */
export function subtreeTag(byteCount: number, level: number): Uint8Array {
  const tag = new Uint8Array(tagBytes);
  const view = new DataView(tag.buffer);
  view.setUint32(0, Math.floor(byteCount / 0x1_0000_0000));
  view.setUint32(4, byteCount % 0x1_0000_0000);
  tag[11] = level;
  tag.set(utf8("blob"), 12);
  return tag;
}
