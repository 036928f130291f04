/**
 * Blocks as Textile stores them: dag-cbor, named by a CIDv1 over SHA-256 (docs/spec/textile.md §2).
 * Layer 7, pure.
 */
import { decode, encode } from "@ipld/dag-cbor";
import { sha256 } from "@noble/hashes/sha2.js";
import { CID } from "multiformats/cid";
import { create as createDigest } from "multiformats/hashes/digest";
import { TextileError } from "./errors.ts";

/** A value of the IPLD data model; integers outside ±(2^53 − 1) are bigints. */
export type DagValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | CID
  | readonly DagValue[]
  | DagMap;

export interface DagMap {
  readonly [key: string]: DagValue;
}

/** Bytes a block may have, ours and theirs: what libp2p peers exchanged at most. */
export const blockBytesMax = 2_097_152;
/** How deep a value may nest; checked before anything recursive looks at it. */
export const dagDepthMax = 64;

const sha256Code = 0x12;
const dagCborCode = 0x71;

/** The dag-cbor of a value. Throws TEXTILE_VALUE_INVALID. */
export function encodeDag(value: DagValue): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(encode(value));
  } catch (cause) {
    throw new TextileError("TEXTILE_VALUE_INVALID", "the value has no dag-cbor form", { cause });
  }
  if (!isBounded(bytes)) {
    throw new TextileError("TEXTILE_VALUE_INVALID", "the value nests too deep or is too large");
  }
  return bytes;
}

/** The value of a block, or `undefined` when it is malformed, too large or nests too deep. */
export function decodeDag(bytes: Uint8Array): DagValue | undefined {
  if (!isBounded(bytes)) return undefined;
  try {
    // Safe: dag-cbor decodes to the IPLD data model and nothing else.
    return decode(bytes);
  } catch {
    return undefined;
  }
}

/** The CID of a dag-cbor block. */
export function blockCid(bytes: Uint8Array): CID {
  return CID.createV1(dagCborCode, createDigest(sha256Code, sha256(bytes)));
}

/** A CID in text; `undefined` when it is none. */
export function parseCid(text: string): CID | undefined {
  try {
    return CID.parse(text);
  } catch {
    return undefined;
  }
}

/** The value as a map, or `undefined`. */
export function asMap(value: DagValue | undefined): DagMap | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value) || value instanceof Uint8Array || CID.asCID(value) !== null) {
    return undefined;
  }
  // Safe: every other object of the data model is a map.
  return value as DagMap;
}

/** A field of a map that is bytes. */
export function bytesOf(map: DagMap, key: string): Uint8Array<ArrayBuffer> | undefined {
  const value = ownField(map, key);
  return value instanceof Uint8Array ? new Uint8Array(value) : undefined;
}

/** A field of a map that is a link. */
export function linkOf(map: DagMap, key: string): CID | undefined {
  const value = ownField(map, key);
  return (typeof value === "object" && CID.asCID(value)) || undefined;
}

/** A field that the map itself has. */
export function ownField(map: DagMap, key: string): DagValue | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/**
 * Walks the heads without recursion: no container announces more items than there are bytes left,
 * and none nests deeper than the limit.
 */
function isBounded(bytes: Uint8Array): boolean {
  if (bytes.length > blockBytesMax) return false;
  const open: number[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const { major, argument, size } = readHead(bytes, offset);
    offset += size;
    if (major === 2 || major === 3) offset += argument;
    const items = major === 4 ? argument : major === 5 ? argument * 2 : major === 6 ? 1 : 0;
    if (items > bytes.length - offset) return false;
    if (items > 0) {
      if (open.push(items) > dagDepthMax) return false;
      continue;
    }
    closeFull(open);
  }
  return offset === bytes.length && open.length === 0;
}

/** One item is complete: so are all containers of which it was the last. */
function closeFull(open: number[]): void {
  while (open.length > 0) {
    const left = (open.pop() ?? 1) - 1;
    if (left > 0) {
      open.push(left);
      return;
    }
  }
}

interface Head {
  readonly major: number;
  readonly argument: number;
  readonly size: number;
}

function readHead(bytes: Uint8Array, offset: number): Head {
  const first = bytes[offset] ?? 0;
  const info = first & 31;
  const extra = info < 24 || info > 27 ? 0 : 1 << (info - 24);
  let argument = info;
  if (extra > 0) {
    argument = 0;
    for (let index = 1; index <= extra; index++) {
      argument = argument * 256 + (bytes[offset + index] ?? 0);
    }
  }
  return { major: first >> 5, argument, size: 1 + extra };
}
