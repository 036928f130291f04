/**
 * The streams of a handler, kept in byte stores (docs/spec/stream.md, "HTTP"). Layer 4.
 */
import { StreamError } from "../errors.ts";
import type { ByteStore } from "../byte-store.ts";
import { openStream, recoverStream, type OpenVerdict } from "../open.ts";
import type { Stream } from "../stream.ts";
import { createMemoryBytes } from "../stores/memory.ts";
import type { StreamDeps, StreamId } from "../types.ts";
import type { CreateVerdict, HostedStream, StreamHost } from "./handler.ts";
import { mirrorStream, openMirror } from "./mirror.ts";

/** Where the bytes of streams are: a folder, a bucket. */
export interface StreamStores {
  /** Ids of all streams. */
  list(): Promise<readonly string[]>;
  /** The store of a stream, writable if appends are to be taken; `undefined` when there is none. */
  open(id: string): Promise<ByteStore | undefined>;
  /** A new, empty store. Absent: streams cannot be PUT. */
  create?(id: string): Promise<ByteStore>;
}

/** A host that opens each stream once, when it is asked for, and keeps it open until it is closed. */
export interface StoreHost extends StreamHost, AsyncDisposable {
  /** Closes all streams and their stores. */
  close(): Promise<void>;
}

/** A hosted stream with all its methods: the host closes it. */
interface OpenedStream extends HostedStream {
  readonly stream: Stream;
}

/**
 * The host of the streams in some stores. A stream that does not verify throws STREAM_FAULT; a store
 * that holds none, such as a PUT that was cut off leaves, is not there, and the next PUT takes it.
 */
export function createStoreHost(deps: StreamDeps, stores: StreamStores): StoreHost {
  const opened = new Map<string, Promise<OpenedStream | undefined>>();

  const openNow = async (id: string): Promise<OpenedStream | undefined> => {
    const store = await stores.open(id);
    if (store === undefined) return undefined;
    let verdict: OpenVerdict;
    try {
      // Safe: an id that is no id pins nothing that could verify.
      verdict = await openToServe(deps, store, id as StreamId);
    } catch (error) {
      await store.close();
      throw error;
    }
    if (verdict.ok) return { stream: verdict.stream, store };
    await store.close();
    const { fault } = verdict;
    if (fault.code === "NO_STREAM") return undefined;
    throw new StreamError("STREAM_FAULT", `${fault.code}: ${fault.message}`, { fault });
  };

  const open = (id: string): Promise<OpenedStream | undefined> => {
    const known = opened.get(id);
    if (known !== undefined) return known;
    const opening = openNow(id);
    opened.set(id, opening);
    // What is not there, or not well, is looked for again the next time.
    const forget = (): boolean => opened.delete(id);
    opening.then((hosted) => hosted ?? forget(), forget);
    return opening;
  };

  const close = async (): Promise<void> => {
    const all = [...opened.values()];
    opened.clear();
    for (const settled of await Promise.allSettled(all)) {
      if (settled.status === "fulfilled") await settled.value?.stream.close();
    }
  };

  const { create } = stores;
  const createOrTake = async (id: string): Promise<ByteStore> => {
    try {
      if (create !== undefined) return await create(id);
    } catch (error) {
      const left = codeOf(error) === "BYTES_EXISTS" ? await stores.open(id) : undefined;
      if (left !== undefined) return left;
      throw error;
    }
    throw new StreamError("BYTES_MISUSE", "no store can be made");
  };
  return {
    list: () => stores.list(),
    open,
    ...(create === undefined
      ? {}
      : { create: (id, parts) => createVerified(deps, createOrTake, id, parts) }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Cuts what a crash left of an append, so that the next one finds its place; damage stays. */
async function openToServe(
  deps: StreamDeps,
  store: ByteStore,
  pin: StreamId,
): Promise<OpenVerdict> {
  const verdict = await openStream(deps, store, { pin });
  if (!verdict.ok || store.abilities.isReadOnly) return verdict;
  if (verdict.stream.recovery.damage !== undefined) return verdict;
  const recovered = await recoverStream(deps, store, { pin });
  return recovered.ok ? openStream(deps, store, { pin }) : recovered;
}

/** Nothing is stored before all of it is verified. */
async function createVerified(
  deps: StreamDeps,
  createStore: (id: string) => Promise<ByteStore>,
  id: string,
  parts: AsyncIterable<Uint8Array>,
): Promise<CreateVerdict> {
  const spool = createMemoryBytes();
  await spool.append(0, parts);
  // Safe: an id that is no id pins nothing that could verify.
  const source = await openStream(deps, spool, { pin: id as StreamId });
  if (!source.ok) return source;
  const whole = await source.stream.verify("full");
  if (!whole.ok) return { ok: false, fault: whole.fault };
  if (source.stream.byteCount < (await spool.size())) {
    const message = "bytes are left behind the last signed entry";
    return { ok: false, fault: { code: "CORRUPT", message, offset: source.stream.byteCount } };
  }
  return keep(deps, source.stream, await createStore(id));
}

async function keep(deps: StreamDeps, source: Stream, store: ByteStore): Promise<CreateVerdict> {
  try {
    const target = await openMirror(deps, source, store);
    if (!target.ok) throw new StreamError("BYTES_EXISTS", "the store holds something else");
    const outcome = await mirrorStream(source, target.stream);
    return outcome.ok ? { ok: true } : { ok: false, fault: outcome.fault };
  } finally {
    await store.close();
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}
