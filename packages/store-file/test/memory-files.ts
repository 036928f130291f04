/**
 * A file system in memory that can be full, fail its syncs, lose its power and be damaged: what the
 * tests put under the store. After a power loss files hold what was synced and any part of what was
 * not, in pages; names hold what was synced and a beginning of what was not.
 */
import { FileStoreError, type FileLayer, type StoreFile } from "@hawser/store-file";

const pageBytes = 64;

interface Content {
  bytes: Uint8Array;
  synced: Uint8Array;
}

type NameStep =
  | { readonly kind: "make"; readonly name: string; readonly content: Content }
  | { readonly kind: "rename"; readonly name: string; readonly to: string }
  | { readonly kind: "remove"; readonly name: string };

/** An error with the system's code. */
function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export interface MemoryDisk {
  readonly files: FileLayer;
  /** Bytes that may still be written; a write beyond takes what there is room for, then fails. */
  room: number;
  /** How many of the next syncs fail. */
  failingSyncs: number;
  /** Calls until the power goes; then every call fails. */
  stepsLeft: number;
  /** Bytes written so far. */
  readonly writtenBytes: number;
  /** Every read fails. */
  isUnreadable: boolean;
  names(): readonly string[];
  bytes(name: string): Uint8Array;
  put(name: string, bytes: Uint8Array): void;
  remove(name: string): void;
  /** The same files on a sound disk: what a killed process leaves. */
  copy(): MemoryDisk;
  /** What a power loss leaves; `random` gives numbers in [0, 1). */
  afterPowerLoss(random: () => number): MemoryDisk;
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function createMemoryDisk(start: ReadonlyMap<string, Uint8Array> = new Map()): MemoryDisk {
  const names = new Map<string, Content>();
  for (const [name, bytes] of start) names.set(name, { bytes, synced: bytes });
  let syncedNames = new Map(names);
  let steps: NameStep[] = [];
  let isLocked = false;
  const disk = {
    room: Number.POSITIVE_INFINITY,
    failingSyncs: 0,
    stepsLeft: Number.POSITIVE_INFINITY,
    writtenBytes: 0,
    isUnreadable: false,
  };

  const step = (): void => {
    if (disk.stepsLeft <= 0) throw systemError("EIO");
    disk.stepsLeft--;
  };
  const take = (next: NameStep): void => {
    applyStep(names, next);
    steps.push(next);
  };

  const openContent = (content: Content): StoreFile => ({
    size: () => content.bytes.length,
    read: (target, position) => {
      if (disk.isUnreadable) throw systemError("EIO");
      const part = content.bytes.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
    write: (bytes, position) => {
      step();
      // In pieces, so that a write can be torn by the power going.
      const count = Math.min(bytes.length, pageBytes * 3, disk.room);
      if (count <= 0) throw systemError("ENOSPC");
      disk.room -= count;
      disk.writtenBytes += count;
      const size = Math.max(content.bytes.length, position + count);
      const next = new Uint8Array(size);
      next.set(content.bytes);
      next.set(bytes.subarray(0, count), position);
      content.bytes = next;
      return count;
    },
    truncate: (size) => {
      step();
      disk.room += Math.max(0, content.bytes.length - size);
      content.bytes = content.bytes.slice(0, size);
    },
    sync: async () => {
      step();
      const { bytes } = content;
      await Promise.resolve();
      step();
      if (disk.failingSyncs > 0) {
        disk.failingSyncs--;
        throw systemError("EIO");
      }
      content.synced = bytes;
    },
    close: () => undefined,
  });

  const files: FileLayer = {
    makeFolder: step,
    list: () => [...names.keys()],
    open: (path, mode) => {
      const name = baseOf(path);
      if (mode === "create") {
        step();
        if (names.has(name)) throw systemError("EEXIST");
        take({
          kind: "make",
          name,
          content: { bytes: new Uint8Array(), synced: new Uint8Array() },
        });
      }
      const content = names.get(name);
      if (content === undefined) throw systemError("ENOENT");
      return openContent(content);
    },
    rename: (from, to) => {
      step();
      take({ kind: "rename", name: baseOf(from), to: baseOf(to) });
    },
    remove: (path) => {
      step();
      const name = baseOf(path);
      disk.room += names.get(name)?.bytes.length ?? 0;
      if (names.has(name)) take({ kind: "remove", name });
    },
    syncFolder: () => {
      step();
      syncedNames = new Map(names);
      steps = [];
    },
    lock: () => {
      if (isLocked) throw new FileStoreError("STORE_BUSY", "locked");
      isLocked = true;
      return {
        release: () => {
          isLocked = false;
        },
      };
    },
    pause: () => Promise.resolve(),
  };

  return Object.assign(disk, {
    files,
    names: () => [...names.keys()].sort(),
    bytes: (name: string) => names.get(name)?.bytes ?? new Uint8Array(),
    put: (name: string, bytes: Uint8Array) => void names.set(name, { bytes, synced: bytes }),
    remove: (name: string) => void names.delete(name),
    copy: () => createMemoryDisk(new Map([...names].map(([name, { bytes }]) => [name, bytes]))),
    afterPowerLoss: (random: () => number) => {
      const left = new Map(syncedNames);
      const stepCount = Math.floor(random() * (steps.length + 1));
      for (const each of steps.slice(0, stepCount)) applyStep(left, each);
      return createMemoryDisk(
        new Map([...left].map(([name, content]) => [name, survivor(content, random)])),
      );
    },
  });
}

function applyStep(names: Map<string, Content>, step: NameStep): void {
  if (step.kind === "make") {
    names.set(step.name, step.content);
    return;
  }
  const content = names.get(step.name);
  names.delete(step.name);
  if (step.kind === "rename" && content !== undefined) names.set(step.to, content);
}

/** Each page that was written since the last sync is there or is not. */
function survivor({ bytes, synced }: Content, random: () => number): Uint8Array {
  if (bytes === synced) return bytes;
  const grown = Math.floor(random() * (Math.max(0, bytes.length - synced.length) + 1));
  const size = random() < 0.5 ? Math.max(bytes.length, synced.length) : synced.length + grown;
  const left = new Uint8Array(size);
  left.set(synced.subarray(0, size));
  for (let page = 0; page < size; page += pageBytes) {
    if (random() < 0.5) left.set(bytes.subarray(page, Math.min(page + pageBytes, size)), page);
  }
  return left;
}
