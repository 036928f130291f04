/**
 * The compact form of one entry (docs/spec/2-log.md §5): everything that a reader cannot rebuild.
 * Layer 3; pure.
 *
 *   flags u8 ‖ stamp delta varint ‖ [deps] ‖ [path] ‖ [body] ‖ data length varint ‖ data ‖ [signature]
 */
import type { ByteReader, ByteWriter } from "@hawser/codec";
import { compareBytes, equalBytes } from "@hawser/codec";
import { decodePath, encodePath, pathBytesMax, pointBytesMax, type Path } from "@hawser/packet";
import type { RangeRejectionCode } from "./errors.ts";
import { depsMax, integerMax } from "./limits.ts";
import type { PointContent } from "./point-writer.ts";
import type { Dep, DetachedBody } from "./types.ts";

/** Bits of the flags byte; the others must be zero. */
export const compactFlags = {
  /** A keypoint: 64 bytes of signature at the end. */
  signed: 0x01,
  /** A path follows. */
  path: 0x02,
  /** The path of the entry before; never set on the first entry of a range. */
  samePath: 0x04,
  deps: 0x08,
  body: 0x10,
} as const;

const flagsMask = 0x1f;
const hashBytes = 32;
const signatureBytes = 64;

/** No deps, no path: shared, so that the common entry allocates neither. */
export const noDeps: readonly Dep[] = [];
export const noPath: Path = [];

/** One entry as read from its compact form. Reused: `read` overwrites every field. */
export interface CompactEntry extends PointContent {
  readonly signature: Uint8Array | undefined;
}

/** Reads the entries of one range one after another. */
export interface CompactReader {
  /** The entry last read. Byte fields are views into the range. */
  readonly entry: CompactEntry;
  /** Offset after the entry last read. */
  readonly offset: number;
  /** Reads the next entry; a code when the bytes hold none. */
  read(): RangeRejectionCode | undefined;
}

interface MutableEntry {
  stamp: number;
  deps: readonly Dep[];
  path: Path;
  body: DetachedBody | undefined;
  data: Uint8Array;
  signed: boolean;
  signature: Uint8Array | undefined;
}

/** `stamp` and `path`: those of the entry before; a range starts with an empty path. */
export function createCompactReader(
  reader: ByteReader,
  previous: { readonly stamp: number; readonly path: Path },
): CompactReader {
  const entry: MutableEntry = {
    stamp: previous.stamp,
    deps: noDeps,
    path: previous.path,
    body: undefined,
    data: new Uint8Array(0),
    signed: false,
    signature: undefined,
  };
  const read = (): RangeRejectionCode | undefined => {
    const flags = reader.u8();
    if ((flags & ~flagsMask) !== 0) return "LOG_ENTRY_FLAGS";
    const delta = reader.varint();
    if (reader.failed) return "LOG_ENTRY_TRUNCATED";
    if (delta === 0 || delta > integerMax - entry.stamp) return "LOG_ENTRY_STAMP";
    entry.stamp += delta;
    const deps = (flags & compactFlags.deps) === 0 ? noDeps : readDeps(reader);
    if (deps === undefined) return reader.failed ? "LOG_ENTRY_TRUNCATED" : "LOG_ENTRY_DEPS";
    entry.deps = deps;
    const path = readPath(reader, flags, entry.path);
    if (path === undefined) return reader.failed ? "LOG_ENTRY_TRUNCATED" : "LOG_ENTRY_PATH";
    entry.path = path;
    entry.body = (flags & compactFlags.body) === 0 ? undefined : readBody(reader);
    const dataBytes = reader.varint();
    if (dataBytes > pointBytesMax) return "LOG_ENTRY_TOO_LARGE";
    entry.data = reader.bytes(dataBytes);
    entry.signed = (flags & compactFlags.signed) !== 0;
    entry.signature = entry.signed ? reader.bytes(signatureBytes) : undefined;
    return reader.failed ? "LOG_ENTRY_TRUNCATED" : undefined;
  };
  return {
    entry,
    get offset() {
      return reader.offset;
    },
    read,
  };
}

/** Deps in ascending order of hash, or `undefined`. */
function readDeps(reader: ByteReader): readonly Dep[] | undefined {
  const count = reader.varint();
  if (count === 0 || count > depsMax) return undefined;
  const deps: Dep[] = [];
  let previous: Uint8Array | undefined;
  for (let index = 0; index < count; index++) {
    const seq = reader.varint();
    const hash = reader.bytes(hashBytes);
    if (reader.failed) return undefined;
    if (previous !== undefined && compareBytes(previous, hash) >= 0) return undefined;
    deps.push({ seq, hash });
    previous = hash;
  }
  return deps;
}

function readPath(reader: ByteReader, flags: number, previous: Path): Path | undefined {
  switch (flags & (compactFlags.path | compactFlags.samePath)) {
    case 0:
      return noPath;
    case compactFlags.samePath:
      return previous.length === 0 ? undefined : previous;
    case compactFlags.path: {
      const decoded = decodePath(reader.sized(pathBytesMax));
      return decoded.ok && decoded.path.length > 0 ? decoded.path : undefined;
    }
    default:
      return undefined;
  }
}

function readBody(reader: ByteReader): DetachedBody {
  const byteCount = reader.varint();
  return { byteCount, hash: reader.bytes(hashBytes) };
}

/** Writes an entry that was checked; `previous` is the entry before in the same range. */
export function writeCompact(
  writer: ByteWriter,
  content: PointContent,
  previous: { readonly stamp: number; readonly path: Path },
): void {
  const same = content.path.length > 0 && equalPaths(content.path, previous.path);
  let flags = content.signed ? compactFlags.signed : 0;
  if (same) flags |= compactFlags.samePath;
  else if (content.path.length > 0) flags |= compactFlags.path;
  if (content.deps.length > 0) flags |= compactFlags.deps;
  if (content.body !== undefined) flags |= compactFlags.body;
  writer.u8(flags);
  writer.varint(content.stamp - previous.stamp);
  if (content.deps.length > 0) {
    writer.varint(content.deps.length);
    for (const dep of content.deps) {
      writer.varint(dep.seq);
      writer.bytes(dep.hash);
    }
  }
  if ((flags & compactFlags.path) !== 0) writer.sized(encodePath(content.path));
  if (content.body !== undefined) {
    writer.varint(content.body.byteCount);
    writer.bytes(content.body.hash);
  }
  writer.sized(content.data);
}

/** Whether two paths have the same components. */
export function equalPaths(a: Path, b: Path): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) {
    const left = a[index];
    const right = b[index];
    if (left === undefined || right === undefined || !equalBytes(left, right)) return false;
  }
  return true;
}
