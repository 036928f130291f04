/**
 * The streams in a folder, for the HTTP handler. A file is open only while it is read, so that
 * thousands of streams, or of requests for bad ones, cost no descriptors; and only while packets are
 * taken is one opened to write, so that appending here and serving go on side by side.
 */
import { link, open as openFile, readdir, rm, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { toHex } from "@hawser/codec";
import { packetBytesMax, parsePacket } from "@hawser/packet";
import {
  openStream,
  recoverStream,
  StreamError,
  type AcceptVerdict,
  type ByteStore,
  type Stream,
  type StreamDeps,
  type StreamId,
} from "@hawser/stream";
import {
  createStoreHost,
  type CreateVerdict,
  type ServedStream,
  type StreamHost,
} from "@hawser/stream/http";
import { openFileBytes } from "@hawser/stream/node";
import { codeOf } from "../errors.ts";

export interface FolderHost extends StreamHost {
  /** Looks at the folder again; resolves to the ids and files that are served. */
  refresh(): Promise<ReadonlyMap<string, string>>;
}

export interface FolderHostOptions {
  /** Whether new streams may be made. */
  readonly canCreate: boolean;
}

/** Files of a folder that are looked at. */
const filesMax = 10_000;
/** Names the files of streams that others make. */
const suffix = ".stream";
/** What is read of a spooled body at once. */
const pieceBytes = 256 << 10;

/** By what a file is known to be unchanged. */
interface Version {
  readonly inode: number;
  readonly size: number;
  readonly modifiedMs: number;
}

/** A served file, and the stream as it was in that version. */
interface Opened {
  readonly path: string;
  readonly store: ByteStore;
  version: Version;
  stream: Stream;
}

export function createFolderHost(
  deps: StreamDeps,
  folder: string,
  { canCreate }: FolderHostOptions,
): FolderHost {
  let files: ReadonlyMap<string, string> = new Map();
  const opened = new Map<string, Promise<Opened | undefined>>();
  const looked = new Map<string, Looked>();

  const refresh = async (): Promise<ReadonlyMap<string, string>> => {
    files = await findStreams(deps, folder, looked);
    return files;
  };

  const openAt = async (path: string | undefined, id: string): Promise<Opened | undefined> => {
    const version = path === undefined ? undefined : await versionOf(path);
    if (path === undefined || version === undefined) return undefined;
    const store = createPathBytes(path, version.inode);
    const stream = await openServed(deps, store, id);
    return stream === undefined ? undefined : { path, store, version, stream };
  };
  const openNow = async (id: string): Promise<Opened | undefined> =>
    (await openAt(files.get(id), id)) ?? openAt((await refresh()).get(id), id);

  /** The file as it is now: appended to since, or replaced. */
  const renew = async (id: string, known: Opened | undefined): Promise<Opened | undefined> => {
    if (known === undefined) return openNow(id);
    const version = await versionOf(known.path);
    if (version !== undefined && isSameVersion(version, known.version)) return known;
    if (version?.inode === known.version.inode) {
      const stream = await openServed(deps, known.store, id);
      if (stream !== undefined) {
        known.stream = stream;
        known.version = version;
        return known;
      }
    }
    return openNow(id);
  };

  /** One look after another: requests that come at once cost one. */
  const current = (id: string): Promise<Opened | undefined> => {
    // A failure was told to who asked for it; the next one tries anew.
    const last = opened.get(id)?.catch(() => undefined) ?? Promise.resolve(undefined);
    const next = last.then((known) => renew(id, known));
    opened.set(id, next);
    const forget = (): void => {
      if (opened.get(id) === next) opened.delete(id);
    };
    next.then((found) => found ?? forget(), forget);
    return next;
  };

  const accept = async (
    id: string,
    path: string,
    ...[bytes, options]: Parameters<Stream["accept"]>
  ): Promise<AcceptVerdict> => {
    // Anybody may send, and slowly: the lock is taken when everything is here, or it would keep the
    // author out meanwhile.
    await using spooled = await spool(join(folder, `.${id}.post`), bytes);
    await using store = await openFileBytes(path, { mode: "append" });
    const stream = await openToAppend(deps, store, id);
    const verdict = await stream.accept(spooled.pieces(), options);
    await current(id);
    return verdict;
  };

  const host: FolderHost = {
    refresh,
    list: async () => [...(await refresh()).keys()],
    open: async (id) => {
      const found = await current(id);
      if (found === undefined) return undefined;
      const { path, store } = found;
      return { stream: served(found, (...given) => accept(id, path, ...given)), store };
    },
  };
  if (!canCreate) return host;
  return { ...host, create: (id, parts) => createFile(deps, folder, id, parts) };
}

/**
 * Takes a new stream under a hidden name and gives it its own when it is whole: what a killed server
 * leaves must not stand where the stream belongs.
 */
async function createFile(
  deps: StreamDeps,
  folder: string,
  id: string,
  parts: AsyncIterable<Uint8Array>,
): Promise<CreateVerdict> {
  const part = join(folder, `.${id}.part`);
  const { create } = createStoreHost(deps, {
    list: async () => [],
    open: async () => undefined,
    create: () => openFileBytes(part, { mode: "replace" }),
  });
  if (create === undefined) throw new StreamError("BYTES_MISUSE", "no store can be made");
  try {
    const verdict = await create(id, parts);
    if (verdict.ok) await giveName(part, join(folder, `${id}${suffix}`));
    return verdict;
  } finally {
    await rm(part, { force: true });
  }
}

/** Names the file `target`, durably. Throws BYTES_EXISTS when there is one of that name. */
async function giveName(file: string, target: string): Promise<void> {
  try {
    // Unlike a rename, a link replaces nothing.
    await link(file, target);
  } catch (error) {
    if (codeOf(error) === "EEXIST") {
      throw new StreamError("BYTES_EXISTS", "there is such a file", { cause: error });
    }
    throw new StreamError("BYTES_IO", "naming the file failed", { cause: error });
  }
  try {
    await using directory = await openFile(dirname(target), "r");
    await directory.sync();
  } catch (error) {
    // Windows opens no directories; its file systems journal names themselves.
    if (!["EPERM", "EISDIR", "EACCES"].includes(codeOf(error))) throw error;
  }
}

interface Spooled extends AsyncDisposable {
  pieces(): AsyncIterable<Uint8Array>;
}

/** The bytes in a file that is gone when it is disposed. */
async function spool(
  path: string,
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Spooled> {
  const file = await openFile(path, "w+");
  const dispose = async (): Promise<void> => {
    await file.close();
    await rm(path, { force: true });
  };
  let size = 0;
  try {
    for await (const piece of bytes) {
      await file.writeFile(piece);
      size += piece.length;
    }
  } catch (error) {
    await dispose();
    throw codeOf(error) === "ENOSPC"
      ? new StreamError("BYTES_FULL", "there is no room left for what is sent", { cause: error })
      : error;
  }
  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let offset = 0; offset < size;) {
      const buffer = new Uint8Array(Math.min(pieceBytes, size - offset));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
      if (bytesRead === 0) return;
      offset += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }
  return { pieces, [Symbol.asyncDispose]: dispose };
}

/** The stream, brought in order if a crash left a torn append. Throws STREAM_FAULT for damage. */
async function openToAppend(deps: StreamDeps, store: ByteStore, id: string): Promise<Stream> {
  const found = await openServed(deps, store, id);
  const fault = found?.recovery.damage;
  // Damage may be mended from another copy; nobody who posts may have it cut off.
  if (fault !== undefined) {
    throw new StreamError("STREAM_FAULT", `${fault.code}: ${fault.message}`, { fault });
  }
  // Safe: an id that is no id pins nothing that could verify.
  if (found !== undefined) await recoverStream(deps, store, { pin: id as StreamId });
  const stream = found === undefined ? undefined : await openServed(deps, store, id);
  if (stream === undefined) throw new StreamError("BYTES_ABSENT", "the file is another by now");
  return stream;
}

/** The stream as it is whenever it is asked, with appends that take the lock for themselves. */
function served(found: Opened, accept: Stream["accept"]): ServedStream {
  const now = found.stream;
  return {
    id: now.id,
    get height() {
      return found.stream.height;
    },
    get byteCount() {
      return found.stream.byteCount;
    },
    mark: () => found.stream.mark(),
    info: now.info,
    metadata: now.metadata,
    readStream: now.readStream,
    accept,
  };
}

/** The stream `id`, or `undefined` where the file holds another one or none. */
async function openServed(
  deps: StreamDeps,
  store: ByteStore,
  id: string,
): Promise<Stream | undefined> {
  // Safe: an id that is no id pins nothing that could verify.
  const verdict = await openStream(deps, store, { pin: id as StreamId });
  if (verdict.ok) return verdict.stream;
  const { fault } = verdict;
  if (fault.code === "NO_STREAM" || fault.code === "WRONG_STREAM") return undefined;
  throw new StreamError("STREAM_FAULT", `${fault.code}: ${fault.message}`, { fault });
}

/** `undefined` when there is no such file. */
async function versionOf(path: string): Promise<Version | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found && { inode: found.ino, size: found.size, modifiedMs: found.mtimeMs };
}

function isSameVersion(a: Version, b: Version): boolean {
  return a.inode === b.inode && a.size === b.size && a.modifiedMs === b.modifiedMs;
}

/** The bytes of a file that is opened anew for each read; BYTES_MOVED once it is another one. */
function createPathBytes(path: string, inode: number): ByteStore {
  const withFile = async <T>(
    work: (file: FileHandle, size: number) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> => {
    signal?.throwIfAborted();
    await using file = await openFile(path, "r");
    const { ino, size } = await file.stat();
    if (ino !== inode) throw new StreamError("BYTES_MOVED", "the file was replaced");
    return work(file, size);
  };
  const refuse = async (): Promise<never> => {
    throw new StreamError("BYTES_MISUSE", "the store is open for reading only");
  };
  const close = async (): Promise<void> => undefined;
  return {
    abilities: { canTruncate: false, isExclusive: false, isReadOnly: true },
    size: (signal) => withFile(async (_, size) => size, signal),
    read: (offset, length, signal) =>
      withFile(async (file, size) => {
        const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
        let count = 0;
        while (count < bytes.length) {
          const part = bytes.subarray(count);
          const { bytesRead } = await file.read(part, 0, part.length, offset + count);
          if (bytesRead === 0) break;
          count += bytesRead;
        }
        return bytes.subarray(0, count);
      }, signal),
    append: refuse,
    flush: close,
    truncate: refuse,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What a file was when it was looked into. */
interface Looked {
  readonly version: Version;
  readonly id: string | undefined;
}

/**
 * Ids of the streams in a folder, by a look at the first packet of each file that changed since the
 * last time: anybody may ask for the list, and for ids that are not there.
 */
async function findStreams(
  deps: StreamDeps,
  folder: string,
  looked: Map<string, Looked>,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const entries = await readdir(folder, { withFileTypes: true });
  const isServed = ({ name }: { readonly name: string }): boolean =>
    !name.startsWith(".") && !name.endsWith(".lock");
  const names = entries
    .filter((entry) => entry.isFile() && isServed(entry))
    .map(({ name }) => name)
    .toSorted()
    .slice(0, filesMax);
  for (const name of names) {
    const path = join(folder, name);
    const version = await versionOf(path);
    if (version === undefined) continue;
    const known = looked.get(path);
    const isCurrent = known !== undefined && isSameVersion(known.version, version);
    const id = isCurrent ? known.id : await manifestId(deps, path);
    looked.set(path, { version, id });
    if (id !== undefined && !found.has(id)) found.set(id, path);
  }
  const present = new Set(names);
  for (const path of looked.keys()) if (!present.has(basename(path))) looked.delete(path);
  return found;
}

async function manifestId(deps: StreamDeps, path: string): Promise<string | undefined> {
  try {
    await using file = await openFile(path, "r");
    const buffer = new Uint8Array(packetBytesMax);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    const parsed = parsePacket(buffer.subarray(0, bytesRead));
    if (!parsed.ok || parsed.packet.kind !== "keypoint") return undefined;
    return toHex(deps.crypto.hash(parsed.packet.point));
  } catch {
    // A file that cannot be read is not served; who asks for it is told that it is not there.
    return undefined;
  }
}
