/**
 * A device's disk over the file store on a file system in memory. A crash is a power loss: files hold
 * what was synced and any pages of what was written since, so the last batch may be torn anywhere.
 */
import type { CommitBatch, CommitOutcome, LogStore } from "@hawser/log";
import { createFileStore, type FileLayer, type StoreFile } from "@hawser/store-file";
import { calmDisk, diskError, mortal, type Disk, type DiskDeps, type DiskFaults } from "./disk.ts";
import type { Owner } from "./schedule.ts";

/** Smallest piece of a file that is there or is not after a power loss. */
const pageBytes = 64;

interface Content {
  bytes: Uint8Array;
  synced: Uint8Array;
}

type Names = Map<string, Content>;

/** A disk of files that outlives crashes. */
export function createFileDisk(deps: DiskDeps): Disk {
  const { crypto, draws } = deps;
  const faults = calmDisk();
  const count = { errors: 0, busy: 0 };
  let names: Names = new Map();
  let synced: Names = new Map();

  const commitTo = async (inner: LogStore, batch: CommitBatch): Promise<CommitOutcome> => {
    count.busy += 1;
    try {
      return await inner.commit(batch);
    } catch (error) {
      count.errors += 1;
      throw error;
    } finally {
      count.busy -= 1;
    }
  };
  return {
    faults,
    open: async (owner) => {
      const folder = { names, onSync: (now: Names) => void (synced = now) };
      const files = createMemoryFiles(deps, folder, faults, owner);
      const inner = await createFileStore(
        { crypto, files },
        { path: "/sim", segmentBytes: 65_536 },
      );
      return mortal(inner, owner, (batch) => commitTo(inner, batch));
    },
    crash: () => {
      // Names that were not synced are there or not; a rename has happened or not.
      const isSynced = draws.chance(0.5);
      const left: Names = new Map();
      for (const [name, content] of isSynced ? synced : names) {
        const bytes = survivor(content, () => draws.float());
        left.set(name, { bytes, synced: bytes });
      }
      names = left;
      synced = new Map(left);
      count.busy = 0;
      return Promise.resolve();
    },
    errorCount: () => count.errors,
    busyCount: () => count.busy,
  };
}

/** Each page written since the last sync is there or is not, and so is the file's new length. */
function survivor({ bytes, synced }: Content, random: () => number): Uint8Array {
  if (bytes === synced) return bytes;
  const grown = Math.max(0, bytes.length - synced.length);
  const left = new Uint8Array(synced.length + Math.floor(random() * (grown + 1)));
  left.set(synced.subarray(0, left.length));
  for (let page = 0; page < left.length; page += pageBytes) {
    if (random() < 0.5)
      left.set(bytes.subarray(page, Math.min(page + pageBytes, left.length)), page);
  }
  return left;
}

interface Folder {
  readonly names: Names;
  readonly onSync: (names: Names) => void;
}

function createMemoryFiles(
  deps: DiskDeps,
  folder: Folder,
  faults: DiskFaults,
  owner: Owner,
): FileLayer {
  const { names } = folder;
  const baseOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const { schedule, draws } = deps;
      schedule.after(owner, draws.between(0, faults.delayMsMax), resolve);
    });
  return {
    makeFolder: () => undefined,
    list: () => [...names.keys()].sort(),
    open: (path, mode) => {
      const name = baseOf(path);
      if (mode === "create") {
        if (names.has(name)) throw Object.assign(new Error("EEXIST"), { code: "EEXIST" });
        names.set(name, { bytes: new Uint8Array(), synced: new Uint8Array() });
      }
      const content = names.get(name);
      if (content === undefined) throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
      return openFile(content, faults, pause);
    },
    rename: (from, to) => {
      const content = names.get(baseOf(from));
      names.delete(baseOf(from));
      if (content !== undefined) names.set(baseOf(to), content);
    },
    remove: (path) => void names.delete(baseOf(path)),
    syncFolder: () => folder.onSync(new Map(names)),
    lock: () => ({ release: () => undefined }),
    pause,
  };
}

function openFile(content: Content, faults: DiskFaults, pause: () => Promise<void>): StoreFile {
  return {
    size: () => content.bytes.length,
    read: (target, position) => {
      const part = content.bytes.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
    write: (bytes, position) => {
      if (faults.isFull) throw diskError("ENOSPC");
      const next = new Uint8Array(Math.max(content.bytes.length, position + bytes.length));
      next.set(content.bytes);
      next.set(bytes, position);
      content.bytes = next;
      return bytes.length;
    },
    truncate: (size) => {
      content.bytes = content.bytes.slice(0, size);
    },
    sync: async () => {
      const { bytes } = content;
      await pause();
      content.synced = bytes;
    },
    close: () => undefined,
  };
}
