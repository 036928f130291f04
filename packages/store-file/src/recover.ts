/**
 * Opening a folder: which files count, what they hold, where a crash cut the last one
 * (docs/spec/store-file.md §8). Layer 4, a leaf.
 */
import { join } from "node:path";
import type { Crypto } from "@hawser/crypto";
import { Directory } from "./directory.ts";
import { corrupt, FileStoreError } from "./errors.ts";
import type { FileLayer, StoreFile } from "./files.ts";
import {
  baseName,
  decodeHeader,
  formatVersion,
  headerBytes,
  parseName,
  recordTypes,
  type SegmentId,
} from "./format.ts";
import {
  createIndexBuilder,
  decodeIndex,
  type IndexBuilder,
  type IndexedRecord,
  type SegmentIndex,
} from "./index-file.ts";
import type { LiveSegment } from "./live.ts";
import { checkTail, endFrameAt, scanSegment, type ScanResult, type ScanSource } from "./scan.ts";
import { placeOf, SegmentTable, type Segment } from "./segments.ts";

/** What opening a folder had to mend. */
export interface Recovery {
  /** The end of the last segment that a crash had left half written. None of it was acknowledged. */
  readonly cut:
    | { readonly file: string; readonly offset: number; readonly byteCount: number }
    | undefined;
  /** Index files that were missing or damaged, so that their segments were read in full. */
  readonly rebuilt: readonly string[];
  /** Files of unfinished work that were removed. */
  readonly removed: readonly string[];
}

export interface OpenedFolder {
  readonly segments: SegmentTable;
  readonly directory: Directory;
  /** `undefined` when the next commit has to make a segment. */
  readonly live: LiveSegment | undefined;
  readonly recovery: Recovery;
}

export interface FolderDeps {
  readonly crypto: Pick<Crypto, "deriveKey">;
  readonly files: FileLayer;
}

type Cut = Recovery["cut"];

/** Refuses a folder that holds other things and no store. Throws STORE_FOREIGN_FOLDER. */
export function checkFolder(files: FileLayer, folder: string): void {
  const names = files.list(folder);
  const isStore = names.some((name) => parseName(name)?.kind === "segment");
  const foreign = names.find((name) => parseName(name) === undefined && !name.startsWith("."));
  if (isStore || foreign === undefined) return;
  throw new FileStoreError("STORE_FOREIGN_FOLDER", "the folder holds other files and no store");
}

/** Opens a folder that the caller has locked. */
export async function openFolder(deps: FolderDeps, folder: string): Promise<OpenedFolder> {
  const { files } = deps;
  const found = readNames(files, folder);
  const removed = removeLeftovers(files, folder, found);
  const segments = new SegmentTable(files, folder);
  const directory = new Directory(deps.crypto, (record) => segments.addDead(record));
  const rebuilt: string[] = [];
  let cut: Cut;
  let live: LiveSegment | undefined;
  try {
    for (const id of found.kept) {
      const isLast = id === found.kept.at(-1);
      const loaded = loadSegment({ files, segments, directory }, id, isLast);
      if (!loaded.isIndexed && loaded.scan.isSealed) rebuilt.push(`${baseName(id)}.index`);
      if (isLast && !loaded.scan.isSealed) {
        ({ cut, live } = await continueSegment({ files, segments }, loaded));
      }
      await files.pause();
    }
    directory.finish();
  } catch (error) {
    segments.close();
    live?.file.close();
    throw error;
  }
  return { segments, directory, live, recovery: { cut, rebuilt, removed } };
}

interface FoundNames {
  /** Segments that count, in order. */
  readonly kept: readonly SegmentId[];
  /** Names of files to remove. */
  readonly leftovers: readonly string[];
}

/** Judges the names of a folder; changes nothing. Throws STORE_CORRUPT and STORE_NEWER_FORMAT. */
function readNames(files: FileLayer, folder: string): FoundNames {
  const ids: SegmentId[] = [];
  const indexes: { readonly name: string; readonly last: number; readonly generation: number }[] =
    [];
  const leftovers: string[] = [];
  for (const name of [...files.list(folder)].sort()) {
    const parsed = parseName(name);
    if (parsed?.kind === "new") leftovers.push(name);
    if (parsed?.kind === "segment") ids.push(readId(files, folder, name, parsed));
    if (parsed?.kind === "index") indexes.push({ name, ...parsed });
  }
  const kept = chooseSegments(ids);
  const keptNames = new Set(kept.map(baseName));
  for (const id of ids) if (!keptNames.has(baseName(id))) leftovers.push(`${baseName(id)}.segment`);
  for (const { name, last, generation } of indexes) {
    if (keptNames.has(baseName({ last, generation }))) continue;
    // Behind the last segment there can be no leftover: what the index spoke of is gone.
    if (last > (kept.at(-1)?.last ?? 0))
      throw corrupt(name, 0, "the segment of this index is gone");
    leftovers.push(name);
  }
  return { kept, leftovers };
}

function readId(
  files: FileLayer,
  folder: string,
  name: string,
  named: { readonly last: number; readonly generation: number },
): SegmentId {
  const file = files.open(join(folder, name), "read");
  try {
    const bytes = new Uint8Array(headerBytes);
    const id = file.read(bytes, 0) < headerBytes ? undefined : decodeHeader(bytes);
    if (id === "newer") {
      const message = `${name} has a newer format; this version reads up to ${formatVersion}`;
      throw new FileStoreError("STORE_NEWER_FORMAT", message);
    }
    if (id === undefined || id.last !== named.last || id.generation !== named.generation) {
      throw corrupt(name, 0, "the segment's header is damaged");
    }
    return id;
  } finally {
    file.close();
  }
}

/**
 * Of the segments that stand for one number the one counts that stands for most, and of these the
 * last rewriting; the others are what a crash left of finished work. Numbers may not be missing.
 */
function chooseSegments(ids: readonly SegmentId[]): readonly SegmentId[] {
  const newestFirst = ids.toSorted((a, b) => b.last - a.last || b.generation - a.generation);
  const kept: SegmentId[] = [];
  let expected = newestFirst[0]?.last ?? 0;
  for (const id of newestFirst) {
    if (id.last > expected) continue;
    if (id.last < expected) throw corrupt(baseName({ ...id, last: expected }), 0, "is missing");
    kept.unshift(id);
    expected = id.first - 1;
  }
  if (expected > 0) throw corrupt(baseName({ last: expected, generation: 0 }), 0, "is missing");
  return kept;
}

function removeLeftovers(files: FileLayer, folder: string, found: FoundNames): readonly string[] {
  for (const name of found.leftovers) files.remove(join(folder, name));
  if (found.leftovers.length > 0) files.syncFolder(folder);
  return found.leftovers;
}

interface Loaded {
  readonly segment: Segment;
  readonly source: ScanSource;
  readonly scan: ScanResult;
  readonly index: IndexBuilder;
  /** Whether the index was used. */
  readonly isIndexed: boolean;
  /** The end up to which an index says that all was on the disk. */
  readonly vouchedEnd: number;
}

interface LoadTarget {
  readonly files: FileLayer;
  readonly segments: SegmentTable;
  readonly directory: Directory;
}

/** Takes the records of one segment into the directory: from its index, then from itself. */
function loadSegment(target: LoadTarget, id: SegmentId, isLast: boolean): Loaded {
  const { segments, directory } = target;
  const segment = segments.create(id, headerBytes);
  segments.append(segment);
  const file = segments.file(segment);
  const source = { file, id, size: file.size() };
  const take = (record: IndexedRecord): void => {
    segment.heldBytes += record.length;
    const place = placeOf(segment, record.offset);
    directory.apply(record.meta, { place, length: record.length });
  };
  const known = readIndexFile(target, segment);
  if (known !== undefined && source.size < known.end) {
    throw corrupt(`${baseName(id)}.segment`, source.size, `${known.end} bytes were stored`);
  }
  const endFrame = known === undefined ? undefined : endFrameAt(source, known.end);
  const isIndexed = known !== undefined && endFrame?.checksum === known.checksum;
  let start = { end: headerBytes, checksum: 0, cursor: 0 };
  if (known !== undefined && isIndexed) {
    for (const record of known.records) take(record);
    start = known;
  }
  const isEndSealed = isIndexed && endFrame?.type === recordTypes.seal;
  const index = createIndexBuilder(isIndexed && !isEndSealed ? known : undefined);
  const scan = isEndSealed
    ? { ...start, isSealed: true, stoppedAt: start.end }
    : scanSegment(source, start, (record) => {
        index.add(record);
        take(record);
      });
  // Nothing is ever written behind a seal, and every segment but the last has one.
  const isEnded = scan.isSealed || !isLast;
  checkTail(source, scan, Math.max(known?.end ?? 0, isEnded ? source.size : 0));
  if (!isLast && !scan.isSealed) throw corrupt(`${baseName(id)}.segment`, scan.end, "is cut short");
  segment.size = scan.end;
  segment.isSealed = scan.isSealed;
  directory.cursor = Math.max(directory.cursor, scan.cursor);
  return { segment, source, scan, index, isIndexed, vouchedEnd: known?.end ?? 0 };
}

function readIndexFile(
  { files, segments }: LoadTarget,
  segment: Segment,
): SegmentIndex | undefined {
  let file: StoreFile;
  try {
    file = files.open(segments.path(segment.id, "index"), "read");
  } catch {
    // Missing or unreadable: the segment itself is read instead.
    return undefined;
  }
  try {
    const bytes = new Uint8Array(file.size());
    const got = file.read(bytes, 0);
    segment.indexBytes = got;
    return got === bytes.length ? decodeIndex(segment.id, bytes) : undefined;
  } finally {
    file.close();
  }
}

/** Makes the last segment the live one, without its torn tail. */
async function continueSegment(
  { files, segments }: Pick<LoadTarget, "files" | "segments">,
  { segment, source, scan, index, vouchedEnd }: Loaded,
): Promise<{ readonly cut: Cut; readonly live: LiveSegment }> {
  const file = files.open(segments.path(segment.id, "segment"), "write");
  const byteCount = source.size - scan.end;
  try {
    if (byteCount > 0) {
      file.truncate(scan.end);
      await file.sync();
    }
  } catch (error) {
    file.close();
    throw error;
  }
  const name = `${baseName(segment.id)}.segment`;
  const cut = byteCount > 0 ? { file: name, offset: scan.end, byteCount } : undefined;
  const durable = byteCount > 0 ? scan.end : Math.max(vouchedEnd, headerBytes);
  return {
    cut,
    live: {
      segment,
      file,
      index,
      durable,
      checksum: scan.checksum,
      needsCut: false,
      failure: undefined,
    },
  };
}
