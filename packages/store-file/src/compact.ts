/**
 * Compaction: rewriting sealed segments without what is dead (docs/spec/store-file.md §9). Layer 4, a
 * leaf. It runs beside commits and reads, a slice at a time: sealed segments do not change, and the
 * directory is switched over in one step at the end.
 */
import { createByteReader } from "@hawser/codec";
import { corrupt } from "./errors.ts";
import { writeFully, type StoreFile } from "./files.ts";
import {
  baseName,
  createFrameWriter,
  decodeEnd,
  encodeEnd,
  encodeHeader,
  frameBytes,
  headerBytes,
  recordTypes,
  type Frame,
  type SegmentId,
} from "./format.ts";
import { createIndexBuilder, type IndexBuilder, type IndexedRecord } from "./index-file.ts";
import { writeIndex, writeNew, type LiveHome } from "./live.ts";
import { readMeta, type RecordMeta } from "./records.ts";
import { frameAt } from "./scan.ts";
import { garbageBytes, liveBytes, placeOf, type Segment } from "./segments.ts";
import { createReadWindow, type ReadWindow } from "./window.ts";

export interface CompactorDeps extends LiveHome {
  readonly segmentBytes: number;
  /** Brings everything that was committed to the disk. */
  readonly syncNewest: () => Promise<void>;
}

export interface CompactionReport {
  /** Rewritings that were finished. */
  readonly count: number;
  /** Bytes they wrote. */
  readonly writtenBytes: number;
  /** Why the last one failed; `undefined` when none did, or another succeeded since. */
  readonly failure: unknown;
}

export interface Compactor {
  /** Starts work when some is worth it. */
  wake(): void;
  /** Resolves when no work is under way. */
  idle(): Promise<void>;
  /** Gives up work under way; resolves when it has ended. */
  stop(): Promise<void>;
  report(): CompactionReport;
}

/** Bytes read or written between two pauses. */
const sliceBytes = 512 * 1024;

/** Thrown to leave a rewriting when the store closes. */
const stopped = new Error("the store is being closed");

export function createCompactor(deps: CompactorDeps): Compactor {
  const { segments, segmentBytes } = deps;
  let running: Promise<void> | undefined;
  let isStopped = false;
  let [count, writtenBytes] = [0, 0];
  let failure: unknown;
  let lookedAt = -1;

  const run = async (): Promise<void> => {
    for (;;) {
      const victims = chooseVictims(segments.all, segmentBytes);
      if (victims.length === 0 || isStopped) return;
      try {
        writtenBytes += await rewrite(deps, victims, () => isStopped);
        count++;
        failure = undefined;
      } catch (error) {
        // The store is as it was. Tried again when there is another segment.
        if (error !== stopped) failure = error;
        return;
      }
    }
  };

  return {
    wake: () => {
      const isNew = segments.all.length !== lookedAt;
      const isGrown = failure === undefined && segments.newlyDeadBytes * 16 >= segmentBytes;
      if (running !== undefined || isStopped || !(isNew || isGrown)) return;
      lookedAt = segments.all.length;
      segments.newlyDeadBytes = 0;
      running = run().finally(() => {
        running = undefined;
      });
    },
    idle: async () => running,
    stop: async () => {
      isStopped = true;
      await running;
    },
    report: () => ({ count, writtenBytes, failure }),
  };
}

/**
 * The first sealed segment that is at least half garbage, with neighbours as long as what is kept of
 * all of them fills at most half a segment; none when there is none. So each byte copied was paid for
 * by a byte that died, and small segments do not pile up.
 */
export function chooseVictims(all: readonly Segment[], segmentBytes: number): readonly Segment[] {
  const isWorth = (segment: Segment): boolean =>
    segment.isSealed &&
    garbageBytes(segment) * 2 >= segment.size - headerBytes &&
    garbageBytes(segment) > 0;
  let first = all.findIndex(isWorth);
  if (first < 0) return [];
  let end = first + 1;
  let kept = liveBytes(all[first] ?? empty);
  const fits = (segment: Segment | undefined): segment is Segment =>
    segment?.isSealed === true && (kept + liveBytes(segment)) * 2 <= segmentBytes;
  for (let next = all[first - 1]; fits(next); next = all[first - 1]) {
    kept += liveBytes(next);
    first--;
  }
  for (let next = all[end]; fits(next); next = all[end]) {
    kept += liveBytes(next);
    end++;
  }
  return all.slice(first, end);
}

const empty = { heldBytes: 0, deadBytes: 0 } as Segment;

/** A record that was copied. */
interface Copied {
  readonly record: IndexedRecord;
  /** Where it lay. */
  readonly from: number;
}

interface Rewriting {
  readonly id: SegmentId;
  readonly index: IndexBuilder;
  readonly copied: Copied[];
  /** Keys of puts that were left out. */
  readonly droppedPuts: string[];
  size: number;
  checksum: number;
}

/** Rewrites neighbours into one segment; the bytes written. */
async function rewrite(
  deps: CompactorDeps,
  victims: readonly Segment[],
  isStopped: () => boolean,
): Promise<number> {
  const [first, last] = [victims[0], victims.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const id = { first: first.id.first, last: last.id.last, generation: last.id.generation + 1 };
  const work: Rewriting = {
    id,
    index: createIndexBuilder(),
    copied: [],
    droppedPuts: [],
    size: headerBytes,
    checksum: 0,
  };
  await writeNew(deps, id, async (file) => {
    await copyLive(deps, victims, work, { file, isStopped });
    // What made records dead must be on the disk before they go.
    await deps.syncNewest();
  });
  switchOver(deps, victims, work);
  return work.size;
}

async function copyLive(
  deps: CompactorDeps,
  victims: readonly Segment[],
  work: Rewriting,
  { file, isStopped }: { readonly file: StoreFile; readonly isStopped: () => boolean },
): Promise<void> {
  const { files, directory } = deps;
  const frames = createFrameWriter();
  writeFully(file, encodeHeader(work.id), 0);
  frames.start(work.id, headerBytes);
  const flush = async (): Promise<void> => {
    writeFully(file, frames.bytes(), work.size);
    work.size = frames.offset;
    frames.start(work.id, work.size);
    await files.pause();
    if (isStopped()) throw stopped;
  };
  const window = createReadWindow(sliceBytes);
  for (const segment of victims) {
    let passed = 0;
    for (let offset = headerBytes; offset < segment.size;) {
      const { frame, meta } = readRecord(deps, segment, window, offset);
      const length = frameBytes + frame.payload.length;
      const from = placeOf(segment, offset);
      if (meta !== undefined && directory.isLive(meta, from)) {
        const record = { meta, offset: frames.offset, length };
        frames.add(frame.type, [frame.payload]);
        work.index.add(record);
        work.copied.push({ record, from });
      } else if (meta?.type === recordTypes.put) {
        work.droppedPuts.push(meta.key);
      }
      offset += length;
      passed += length;
      if (passed < sliceBytes) continue;
      passed = 0;
      await flush();
    }
  }
  const end = encodeEnd({ cursor: directory.cursor, durable: frames.offset });
  frames.add(recordTypes.seal, [end]);
  work.checksum = frames.checksum;
  await flush();
}

/** The record at `offset`; its meta is `undefined` for commit and seal. Throws STORE_CORRUPT. */
function readRecord(
  { segments }: CompactorDeps,
  segment: Segment,
  window: ReadWindow,
  offset: number,
): { readonly frame: Frame; readonly meta: RecordMeta | undefined } {
  const source = { file: segments.file(segment), id: segment.id, size: segment.size };
  const frame = frameAt(source, window, offset);
  if (frame !== undefined) {
    const meta = readMeta(frame.type, createByteReader(frame.payload));
    if (meta !== undefined || decodeEnd(frame) !== undefined) return { frame, meta };
  }
  throw corrupt(`${baseName(segment.id)}.segment`, offset, "a stored record is damaged");
}

/** The new segment takes the place of the old ones, whose files go. */
function switchOver(deps: CompactorDeps, victims: readonly Segment[], work: Rewriting): void {
  const { files, segments, directory } = deps;
  const segment = segments.create(work.id, work.size);
  segment.isSealed = true;
  segments.replace(victims, segment);
  for (const { record, from } of work.copied) {
    const { meta, offset, length } = record;
    segment.heldBytes += length;
    const isMoved = directory.move(meta, from, { place: placeOf(segment, offset), length });
    if (!isMoved) segment.deadBytes += length;
  }
  for (const key of work.droppedPuts) directory.dropOlderPut(key);
  const end = { end: work.size, checksum: work.checksum, cursor: directory.cursor };
  writeIndex(deps, segment, work.index, end);
  for (const { id } of victims) {
    files.remove(segments.path(id, "index"));
    files.remove(segments.path(id, "segment"));
  }
}
