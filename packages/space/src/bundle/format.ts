/**
 * The bytes of a bundle (docs/spec/bundle.md §3, §4): a header, and a section for each space whose
 * chunks can be neither changed, moved, left out nor cut off unnoticed. Layer 5, internal.
 */
import {
  concatBytes,
  createByteReader,
  createByteWriter,
  equalBytes,
  toHex,
  utf8,
} from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import { padmeSize } from "../padding.ts";
import { hexBytes } from "../place.ts";
import { BundleError } from "./errors.ts";

/** What a file is for. */
export type BundleKind = "entries" | "frontier";

/** The first bytes of a file. */
export interface BundleHeader {
  readonly kind: BundleKind;
  /** Spaces in the file, in any of which a section may be of somebody else's. */
  readonly sectionCount: number;
  readonly bytes: Uint8Array;
}

/** Bytes of a header. */
export const headerBytes = 44;
/** Spaces of one file. */
export const sectionsMax = 1_024;
/** Bytes of a section before its first chunk. */
export const tagBytes = 16;
/** Bytes of one record: an envelope of the largest range. */
export const recordBytesMax: number = 16 * 1024 * 1024 + 1_024;
/** Sealed bytes of one chunk: a padded record, the size of it, and a tag. */
export const chunkBytesMax: number = padmeSize(recordBytesMax + 5) + 16;
const chunkBytesMin = 17;
const magic: Uint8Array = utf8("hawserbd");
const version = 1;
const saltBytes = 32;
const kinds: readonly BundleKind[] = ["entries", "frontier"];

/** A header with a new salt. Throws `BUNDLE_TOO_MANY`. */
export function createHeader(random: Random, kind: BundleKind, sectionCount: number): BundleHeader {
  if (sectionCount > sectionsMax) {
    const message = `${sectionCount} spaces; a bundle has room for ${sectionsMax}`;
    throw new BundleError("BUNDLE_TOO_MANY", message);
  }
  const writer = createByteWriter(headerBytes);
  writer.bytes(magic);
  writer.u8(version);
  writer.u8(kinds.indexOf(kind));
  writer.u16(sectionCount);
  writer.bytes(random(saltBytes));
  return { kind, sectionCount, bytes: writer.finish() };
}

/** Throws `BUNDLE_MALFORMED`, `BUNDLE_VERSION`, `BUNDLE_KIND`. */
export function parseHeader(bytes: Uint8Array, expected: BundleKind): BundleHeader {
  if (!equalBytes(bytes.subarray(0, magic.length), magic)) {
    throw new BundleError("BUNDLE_MALFORMED", "not a Hawser bundle");
  }
  const reader = createByteReader(bytes, magic.length);
  const found = reader.u8();
  const kind = kinds[reader.u8()];
  const sectionCount = reader.u16();
  if (reader.failed || bytes.length < headerBytes) {
    throw new BundleError("BUNDLE_MALFORMED", "the bundle ends within its first bytes");
  }
  if (found !== version) {
    const message = `a bundle of version ${found}; this program reads ${version}`;
    throw new BundleError("BUNDLE_VERSION", message);
  }
  if (kind === undefined || sectionCount > sectionsMax) {
    throw new BundleError("BUNDLE_MALFORMED", "no header that any program writes");
  }
  if (kind !== expected) {
    throw new BundleError("BUNDLE_KIND", `the file holds ${kindText[kind]}, not ${expected}`);
  }
  return { kind, sectionCount, bytes };
}

const kindText: Readonly<Record<BundleKind, string>> = {
  entries: "entries",
  frontier: "a frontier",
};

/** Seals and opens the chunks of one section. */
export interface SectionKey {
  /** What a holder of the topic finds the section by, and nobody else can tell from chance. */
  readonly tag: Uint8Array;
  /** A chunk with its size in front. */
  seal(index: number, record: Uint8Array, isLast: boolean): Uint8Array;
  /** `undefined` for a chunk that does not belong at this place of this file. */
  open(index: number, sealed: Uint8Array): OpenedChunk | undefined;
}

/** A chunk that belongs where it stands. */
export interface OpenedChunk {
  readonly record: Uint8Array;
  readonly isLast: boolean;
}

/** The key of a space's section in the file with this header. */
export function sectionKeyOf(
  crypto: Crypto,
  header: BundleHeader,
  place: { readonly topic: Topic; readonly section: number },
): SectionKey {
  const { tag, key } = keysOf(crypto, header, place.topic);
  const index = createByteWriter(2);
  index.u16(place.section);
  // Header and place are in it: no section counts in another file, nor elsewhere in its own.
  const associated = concatBytes(utf8("hawser bundle chunk v1"), header.bytes, index.finish());
  return {
    tag,
    seal: (chunk, record, isLast) => {
      const sealed = crypto.seal(key, nonceOf(chunk, isLast), pad(record), associated);
      const writer = createByteWriter(sealed.length + 4);
      writer.u32(sealed.length);
      writer.bytes(sealed);
      return writer.finish();
    },
    open: (chunk, sealed) => {
      for (const isLast of [false, true]) {
        const padded = crypto.open(key, nonceOf(chunk, isLast), sealed, associated);
        const record = padded && unpad(padded);
        if (record !== undefined) return { record, isLast };
      }
      return undefined;
    },
  };
}

/** Which of these spaces a section is of, by its tag. */
export function createSectionFinder(
  crypto: Crypto,
  header: BundleHeader,
  topics: readonly Topic[],
): (tag: Uint8Array) => Topic | undefined {
  const known = new Map(topics.map((topic) => [toHex(keysOf(crypto, header, topic).tag), topic]));
  return (tag) => known.get(toHex(tag));
}

function keysOf(
  crypto: Crypto,
  header: BundleHeader,
  topic: Topic,
): { readonly tag: Uint8Array; readonly key: Uint8Array } {
  const salt = header.bytes.subarray(headerBytes - saltBytes);
  const key = crypto.deriveKey("hawser bundle section v1", concatBytes(hexBytes(topic), salt));
  return { key, tag: crypto.deriveKey("hawser bundle tag v1", key).subarray(0, tagBytes) };
}

/** index u64 ‖ last u8 ‖ zeros: the salt makes the key one of this file, so counting is enough. */
function nonceOf(index: number, isLast: boolean): Uint8Array {
  const writer = createByteWriter(24);
  writer.u64(index);
  writer.u8(isLast ? 1 : 0);
  writer.bytes(new Uint8Array(15));
  return writer.finish();
}

function pad(record: Uint8Array): Uint8Array {
  const writer = createByteWriter(record.length + 8);
  writer.sized(record);
  const padded = new Uint8Array(padmeSize(writer.size));
  padded.set(writer.finish());
  return padded;
}

function unpad(padded: Uint8Array): Uint8Array | undefined {
  const reader = createByteReader(padded);
  const record = reader.sized(recordBytesMax).slice();
  const isPadded = padded.subarray(reader.offset).every((byte) => byte === 0);
  return reader.failed || !isPadded ? undefined : record;
}

/** Reads the size in front of a chunk: 0 ends the section, `undefined` is no size. */
export function parseChunkSize(bytes: Uint8Array): number | undefined {
  const reader = createByteReader(bytes);
  const size = reader.u32();
  if (reader.failed) return undefined;
  return size === 0 || (size >= chunkBytesMin && size <= chunkBytesMax) ? size : undefined;
}
