/**
 * Entries as LK1 points: roles and tags of their links (docs/spec/2-log.md §4). Layer 3; pure. The
 * layout of the point itself is known to @hawser/packet alone.
 */
import { utf8 } from "@hawser/codec";
import {
  encodeLinkPoint,
  linkBytes,
  linkHeaderBytes,
  paddedBytes,
  pathPrefixBytes,
  pointBytesMax,
  signatureBlockBytes,
  type Path,
} from "@hawser/packet";
import { hexBytes } from "./context.ts";
import { depsMax } from "./limits.ts";
import type { Skip } from "./skips.ts";
import type { Dep, DetachedBody, LogContext } from "./types.ts";

/** The five roles; each tag ends with its word. */
export const linkRoles = {
  backlink: "prev",
  skip: "skip",
  author: "author",
  dep: "dep",
  body: "body",
} as const;

const tagBytes = 16;
/** Room for most entries. */
const scratchBytesMin = 1_024;
/** Backlink, skip, author, body and the deps. */
const linksMax: number = 4 + depsMax;

/** What an entry says, with its place given apart. */
export interface PointContent {
  readonly stamp: number;
  readonly deps: readonly Dep[];
  readonly path: Path;
  readonly body: DetachedBody | undefined;
  readonly data: Uint8Array;
  readonly signed: boolean;
}

/** Where an entry stands: what its backlink and skip link say. */
export interface PointPlace {
  readonly height: number;
  readonly hash: Uint8Array | undefined;
  skip(): Skip | undefined;
}

/** Writes points of one log into one reused buffer. */
export interface PointWriter {
  /**
   * The point of the entry at `place`: a view that the next `write` overwrites. Of a signed entry
   * the signature block is still to be put in by `sign`.
   */
  write(place: PointPlace, content: PointContent): Uint8Array;
  /** Puts the author's key and a signature at the end of the point last written. */
  sign(signature: Uint8Array): void;
  /** The bytes that a signature of the point last written covers: a view. */
  signedBytes(): Uint8Array;
}

interface MutableLink {
  readonly tag: Uint8Array;
  pointer: Uint8Array;
}

interface MutableFields {
  signed: boolean;
  readonly group: Uint8Array;
  readonly domain: Uint8Array;
  path: Path;
  readonly links: MutableLink[];
  stamp: number;
  data: Uint8Array;
}

/** Unpadded bytes of an entry's point, so that the limit can be checked before anything is made. */
export function entryPointBytes(seq: number, hasSkip: boolean, content: PointContent): number {
  const links =
    (seq > 0 ? 1 : 0) +
    (hasSkip ? 1 : 0) +
    (content.signed ? 0 : 1) +
    content.deps.length +
    (content.body === undefined ? 0 : 1);
  let pathBytes = content.path.length === 0 ? 0 : pathPrefixBytes;
  for (const component of content.path) pathBytes += 1 + component.length;
  return (
    linkHeaderBytes +
    linkBytes * links +
    pathBytes +
    content.data.length +
    (content.signed ? signatureBlockBytes : 0)
  );
}

/**
 * A writer for the log of `context`. Its buffer grows with the largest entry. Throws
 * LOG_CONTEXT_INVALID.
 */
export function createPointWriter(context: LogContext): PointWriter {
  let scratch = new Uint8Array(scratchBytesMin);
  const author = hexBytes(context.author);
  const pool: MutableLink[] = [];
  const fields: MutableFields = {
    signed: false,
    group: hexBytes(context.topic),
    domain: utf8(context.domain),
    path: [],
    links: [],
    stamp: 0,
    data: new Uint8Array(0),
  };
  let size = 0;
  const addLink = (role: Uint8Array, number: number, pointer: Uint8Array): void => {
    const index = fields.links.length;
    let link = pool[index];
    if (link === undefined) {
      link = { tag: new Uint8Array(tagBytes), pointer };
      if (pool.length < linksMax) pool.push(link);
    }
    writeTag(link.tag, role, number);
    link.pointer = pointer;
    fields.links.push(link);
  };
  return {
    write: (place, content) => {
      const seq = place.height;
      fields.signed = content.signed;
      fields.path = content.path;
      fields.stamp = content.stamp;
      fields.data = content.data;
      fields.links.length = 0;
      const skip = place.skip();
      if (place.hash !== undefined) addLink(roleBytes.backlink, seq, place.hash);
      if (skip !== undefined) addLink(roleBytes.skip, skip.seq, skip.hash);
      if (!content.signed) addLink(roleBytes.author, seq, author);
      for (const dep of content.deps) addLink(roleBytes.dep, dep.seq, dep.hash);
      const { body } = content;
      if (body !== undefined) addLink(roleBytes.body, body.byteCount, body.hash);
      const needed = paddedBytes(entryPointBytes(seq, skip !== undefined, content));
      if (needed > scratch.length) scratch = new Uint8Array(largerScratch(needed));
      size = encodeLinkPoint(scratch, 0, fields);
      return scratch.subarray(0, size);
    },
    sign: (signature) => {
      scratch.set(author, size - signatureBlockBytes);
      scratch.set(signature, size - signature.length);
    },
    signedBytes: () => scratch.subarray(0, size - signatureBlockBytes),
  };
}

/** Twice what is needed, so that growing is rare; never more than the largest point. */
function largerScratch(needed: number): number {
  return Math.max(needed, Math.min(2 * needed, paddedBytes(pointBytesMax)));
}

const roleBytes = {
  backlink: utf8(linkRoles.backlink),
  skip: utf8(linkRoles.skip),
  author: utf8(linkRoles.author),
  dep: utf8(linkRoles.dep),
  body: utf8(linkRoles.body),
} as const;

/** number u64be ‖ zeros ‖ role. */
function writeTag(tag: Uint8Array, role: Uint8Array, number: number): void {
  const high = Math.floor(number / 0x1_0000_0000);
  const low = number % 0x1_0000_0000;
  tag[0] = high >>> 24;
  tag[1] = high >>> 16;
  tag[2] = high >>> 8;
  tag[3] = high;
  tag[4] = low >>> 24;
  tag[5] = low >>> 16;
  tag[6] = low >>> 8;
  tag[7] = low;
  const start = tagBytes - role.length;
  for (let index = 8; index < start; index++) tag[index] = 0;
  for (let index = 0; index < role.length; index++) tag[start + index] = role[index] ?? 0;
}
