/**
 * The streams in a folder, for the HTTP handler. Files are opened to read; only while packets are
 * taken is one opened to write, so that appending here and serving go on side by side.
 */
import { open as openFile, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { toHex } from "@hawser/codec";
import { packetBytesMax, parsePacket } from "@hawser/packet";
import {
  openStream,
  StreamError,
  type AcceptVerdict,
  type ByteStore,
  type Stream,
  type StreamDeps,
  type StreamId,
} from "@hawser/stream";
import { createStoreHost, type ServedStream, type StreamHost } from "@hawser/stream/http";
import { openFileBytes } from "@hawser/stream/node";

export interface FolderHost extends StreamHost, AsyncDisposable {
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

/** A served file and the stream as it was when it had `size` bytes. */
interface Opened {
  readonly path: string;
  readonly store: ByteStore;
  readonly inode: number;
  stream: Stream;
  size: number;
}

export function createFolderHost(
  deps: StreamDeps,
  folder: string,
  { canCreate }: FolderHostOptions,
): FolderHost {
  let files: ReadonlyMap<string, string> = new Map();
  const opened = new Map<string, Promise<Opened | undefined>>();
  const looked = new Map<string, Looked>();
  const stores: ByteStore[] = [];

  const refresh = async (): Promise<ReadonlyMap<string, string>> => {
    files = await findStreams(deps, folder, looked);
    return files;
  };

  const openNow = async (id: string): Promise<Opened | undefined> => {
    const path = files.get(id) ?? (await refresh()).get(id);
    if (path === undefined) return undefined;
    const store = await openFileBytes(path, { mode: "read" });
    stores.push(store);
    const { ino: inode } = await stat(path);
    const size = await store.size();
    return { path, store, inode, size, stream: await openServed(deps, store, id) };
  };

  /** The file as it is now: appended to since, or replaced. */
  const current = async (id: string): Promise<Opened | undefined> => {
    const known = await opened.get(id);
    if (known !== undefined) {
      const found = await stat(known.path).catch(() => undefined);
      if (found?.ino === known.inode) {
        if (found.size !== known.size) {
          known.stream = await openServed(deps, known.store, id);
          known.size = found.size;
        }
        return known;
      }
      files = new Map();
    }
    const opening = openNow(id);
    opened.set(id, opening);
    const forget = (): boolean => opened.delete(id);
    opening.then((found) => found ?? forget(), forget);
    return opening;
  };

  const accept = async (
    id: string,
    path: string,
    ...[bytes, options]: Parameters<Stream["accept"]>
  ): Promise<AcceptVerdict> => {
    await using store = await openFileBytes(path, { mode: "append" });
    const stream = await openServed(deps, store, id);
    const verdict = await stream.accept(bytes, options);
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
    [Symbol.asyncDispose]: async () => {
      for (const store of stores) await store.close();
    },
  };
  if (!canCreate) return host;
  const creator = createStoreHost(deps, {
    list: async () => [],
    open: async () => undefined,
    create: (id) => openFileBytes(join(folder, `${id}${suffix}`), { mode: "create" }),
  });
  const { create } = creator;
  return create === undefined ? host : { ...host, create };
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

async function openServed(deps: StreamDeps, store: ByteStore, id: string): Promise<Stream> {
  // Safe: an id that is no id pins nothing that could verify.
  const verdict = await openStream(deps, store, { pin: id as StreamId });
  if (verdict.ok) return verdict.stream;
  const { fault } = verdict;
  throw new StreamError("STREAM_FAULT", `${fault.code}: ${fault.message}`, { fault });
}

/** What a file was when it was looked into. */
interface Looked {
  readonly inode: number;
  readonly size: number;
  readonly id: string | undefined;
}

/**
 * Ids of the streams in a folder, by a look at the first packet of each file that is new since the
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
    const file = await stat(path).catch(() => undefined);
    if (file === undefined) continue;
    const { ino: inode, size } = file;
    const known = looked.get(path);
    // The first packet of a stream stays; what was none may have become one.
    const isCurrent = known?.inode === inode && (known.id !== undefined || known.size === size);
    const id = isCurrent ? known.id : await manifestId(deps, path);
    looked.set(path, { inode, size, id });
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
