/**
 * The segments of an open store: which there are, how much of each is dead, and reading records from
 * them. Layer 4, a leaf.
 *
 * A *place* is where a record lies: slot × 2^32 + offset. Slots are given anew by each opening and
 * never twice, so a place never comes to mean another record.
 */
import { join } from "node:path";
import type { Located } from "./directory.ts";
import { corrupt, toReadError } from "./errors.ts";
import type { FileLayer, StoreFile } from "./files.ts";
import {
  baseName,
  endBytes,
  headerBytes,
  readFrame,
  type Frame,
  type SegmentId,
} from "./format.ts";
import type { ReadWindow } from "./window.ts";

/** One segment file. */
export interface Segment {
  readonly slot: number;
  readonly id: SegmentId;
  /** Bytes that count. */
  size: number;
  /** Of those, bytes of records other than commit and seal. */
  heldBytes: number;
  /** Of those, bytes of records that nothing needs. */
  deadBytes: number;
  /** Bytes of its index file; 0 while there is none. */
  indexBytes: number;
  /** No record will follow. */
  isSealed: boolean;
}

const offsetRange = 2 ** 32;
/** Files kept open for reading; a folder may hold thousands. */
const openFilesMax = 64;

export function placeOf(segment: Segment, offset: number): number {
  return segment.slot * offsetRange + offset;
}

export function offsetOf(place: number): number {
  return place % offsetRange;
}

/** Bytes of records that are still needed: what a rewriting copies. */
export function liveBytes(segment: Segment): number {
  return segment.heldBytes - segment.deadBytes;
}

/** Bytes that a rewriting frees: dead records, and the commit records between the others. */
export function garbageBytes(segment: Segment): number {
  return Math.max(0, segment.size - headerBytes - endBytes - liveBytes(segment));
}

export class SegmentTable {
  readonly #files: FileLayer;
  readonly #folder: string;
  readonly #bySlot = new Map<number, Segment>();
  /** Least recently used first. */
  readonly #open = new Map<number, StoreFile>();
  #order: readonly Segment[] = [];
  #slotCount = 0;
  /** Bytes that died since somebody set this to 0. */
  newlyDeadBytes = 0;

  constructor(files: FileLayer, folder: string) {
    this.#files = files;
    this.#folder = folder;
  }

  /** Oldest first. */
  get all(): readonly Segment[] {
    return this.#order;
  }

  get diskBytes(): number {
    return this.#order.reduce((sum, { size, indexBytes }) => sum + size + indexBytes, 0);
  }

  path(id: SegmentId, kind: "segment" | "index" | "new"): string {
    return join(this.#folder, `${baseName(id)}.${kind}`);
  }

  /** A segment that takes its place by its numbers, once `replace` or `append` gives it one. */
  create(id: SegmentId, size: number): Segment {
    const slot = this.#slotCount++;
    return { slot, id, size, heldBytes: 0, deadBytes: 0, indexBytes: 0, isSealed: false };
  }

  append(segment: Segment): void {
    this.#bySlot.set(segment.slot, segment);
    this.#order = [...this.#order, segment];
  }

  /** Puts a rewritten segment in place of neighbours, whose files are closed. */
  replace(old: readonly Segment[], segment: Segment): void {
    this.#bySlot.set(segment.slot, segment);
    const first = this.#order.findIndex((each) => old.includes(each));
    this.#order = this.#order.toSpliced(first, old.length, segment);
    for (const { slot } of old) {
      this.#bySlot.delete(slot);
      this.#open.get(slot)?.close();
      this.#open.delete(slot);
    }
  }

  addDead({ place, length }: Located): void {
    const segment = this.#bySlot.get(Math.floor(place / offsetRange));
    if (segment === undefined) return;
    segment.deadBytes += length;
    this.newlyDeadBytes += length;
  }

  /**
   * The record at a place. Throws STORE_CORRUPT with the file and byte when it is damaged, and
   * STORE_UNREADABLE when the file cannot be read.
   */
  read({ place, length }: Located, window: ReadWindow | undefined): Frame {
    const segment = this.#bySlot.get(Math.floor(place / offsetRange));
    if (segment === undefined)
      throw corrupt("the directory", place, "names a segment that is gone");
    const name = `${baseName(segment.id)}.segment`;
    const offset = offsetOf(place);
    let frame: Frame | undefined;
    try {
      frame = readAt(this.file(segment), segment.id, { offset, length }, window);
    } catch (error) {
      throw toReadError(error, name);
    }
    if (frame === undefined) throw corrupt(name, offset, "a stored record is damaged");
    return frame;
  }

  /** The file of a segment, open for reading. */
  file(segment: Segment): StoreFile {
    const known = this.#open.get(segment.slot);
    const file = known ?? this.#files.open(this.path(segment.id, "segment"), "read");
    this.#open.delete(segment.slot);
    this.#open.set(segment.slot, file);
    if (this.#open.size > openFilesMax) this.#closeOldest();
    return file;
  }

  close(): void {
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
  }

  #closeOldest(): void {
    for (const [slot, file] of this.#open) {
      file.close();
      this.#open.delete(slot);
      return;
    }
  }
}

function readAt(
  file: StoreFile,
  id: SegmentId,
  { offset, length }: { readonly offset: number; readonly length: number },
  window: ReadWindow | undefined,
): Frame | undefined {
  const ahead = window?.get(file, offset, length);
  const frame = ahead === undefined ? undefined : readFrame(id, offset, ahead);
  if (frame !== undefined) return frame;
  // A window may hold bytes of a write that failed and was made anew; the file itself decides.
  const bytes = new Uint8Array(length);
  return file.read(bytes, offset) === length ? readFrame(id, offset, bytes) : undefined;
}
