/**
 * The live segment: the one that grows (docs/spec/store-file.md §3). Layer 4, a leaf.
 */
import { dirname } from "node:path";
import type { Directory } from "./directory.ts";
import { FileStoreError } from "./errors.ts";
import { writeFully, type FileLayer, type StoreFile } from "./files.ts";
import {
  createFrameWriter,
  encodeEnd,
  encodeHeader,
  headerBytes,
  recordTypes,
  type SegmentId,
} from "./format.ts";
import { createIndexBuilder, type IndexBuilder, type SegmentEnd } from "./index-file.ts";
import type { Segment, SegmentTable } from "./segments.ts";

export interface LiveSegment {
  readonly segment: Segment;
  readonly file: StoreFile;
  readonly index: IndexBuilder;
  /** Bytes known to be on the disk. */
  durable: number;
  /** Checksum of the last commit or seal record. */
  checksum: number;
  /** Something behind `segment.size` has to be cut off before the next write. */
  needsCut: boolean;
  /** A sync failed. The kernel forgets lost pages once it reported them: another sync would lie. */
  failure: Error | undefined;
}

/** What the live segment is part of. */
export interface LiveHome {
  readonly files: FileLayer;
  readonly segments: SegmentTable;
  readonly directory: Directory;
}

/** Makes the next segment. Its file appears under its name once its header is on the disk. */
export async function createLive(home: LiveHome): Promise<LiveSegment> {
  const { files, segments } = home;
  const number = (segments.all.at(-1)?.id.last ?? 0) + 1;
  const id: SegmentId = { first: number, last: number, generation: 0 };
  await writeNew(home, id, async (file) => {
    writeFully(file, encodeHeader(id), 0);
    return undefined;
  });
  const file = files.open(segments.path(id, "segment"), "write");
  const segment = segments.create(id, headerBytes);
  segments.append(segment);
  const index = createIndexBuilder();
  return {
    segment,
    file,
    index,
    durable: headerBytes,
    checksum: 0,
    needsCut: false,
    failure: undefined,
  };
}

/**
 * Writes a file under a passing name, syncs it and gives it the name of segment `id`. Whoever opens
 * the folder sees all of it or nothing.
 */
export async function writeNew<Value>(
  { files, segments }: Pick<LiveHome, "files" | "segments">,
  id: SegmentId,
  fill: (file: StoreFile) => Promise<Value>,
): Promise<Value> {
  const path = segments.path(id, "new");
  files.remove(path);
  const file = files.open(path, "create");
  let value: Value;
  try {
    value = await fill(file);
    await file.sync();
  } catch (error) {
    file.close();
    files.remove(path);
    throw error;
  }
  file.close();
  const name = segments.path(id, "segment");
  files.rename(path, name);
  files.syncFolder(dirname(name));
  return value;
}

/** Cuts off what a failed write left. */
export function cutLive(live: LiveSegment): void {
  if (!live.needsCut) return;
  live.file.truncate(live.segment.size);
  live.needsCut = false;
}

/** Throws STORE_WRITE_FAILED, and again at every later call once a sync failed. */
export async function syncLive(live: LiveSegment): Promise<void> {
  const { size } = live.segment;
  if (live.failure !== undefined) throw live.failure;
  if (live.durable >= size) return;
  try {
    await live.file.sync();
  } catch (cause) {
    const message = "a sync failed; reopen the store";
    live.failure = new FileStoreError("STORE_WRITE_FAILED", message, { cause });
    throw live.failure;
  }
  live.durable = Math.max(live.durable, size);
}

/** Ends the segment: a seal record, a sync, its index. No other segment exists behind it before. */
export async function sealLive(home: LiveHome, live: LiveSegment): Promise<void> {
  const { segment } = live;
  cutLive(live);
  await syncLive(live);
  const frames = createFrameWriter();
  frames.start(segment.id, segment.size);
  const end = { cursor: home.directory.cursor, durable: live.durable };
  frames.add(recordTypes.seal, [encodeEnd(end)]);
  live.needsCut = true;
  writeFully(live.file, frames.bytes(), segment.size);
  await live.file.sync();
  live.needsCut = false;
  segment.size = frames.offset;
  segment.isSealed = true;
  live.durable = segment.size;
  live.checksum = frames.checksum;
  live.file.close();
  writeIndex(home, segment, live.index, endOf(home, live));
}

/** What the index of the live segment vouches for: the caller has synced it. */
export function endOf({ directory }: Pick<LiveHome, "directory">, live: LiveSegment): SegmentEnd {
  return { end: live.segment.size, checksum: live.checksum, cursor: directory.cursor };
}

/**
 * Writes the index of a segment beside it. Opening without an index is slower and nothing else, so a
 * failure is none of the caller's; a torn index is told by its checksum.
 */
export function writeIndex(
  { files, segments }: Pick<LiveHome, "files" | "segments">,
  segment: Segment,
  index: IndexBuilder,
  end: SegmentEnd,
): void {
  const bytes = index.encode(segment.id, end);
  const path = segments.path(segment.id, "new");
  try {
    files.remove(path);
    const file = files.open(path, "create");
    try {
      writeFully(file, bytes, 0);
    } finally {
      file.close();
    }
    files.rename(path, segments.path(segment.id, "index"));
    segment.indexBytes = bytes.length;
  } catch {
    // A full disk must not turn a finished commit into a failed one.
    segment.indexBytes = 0;
  }
}
