/**
 * Detached bodies (docs/spec/6-space.md §15): content beside its entry, sealed in chunks under a key of
 * its own. The key lies in a small packet that is kept apart, so that forgetting it makes every copy
 * of the chunks unreadable. Layer 5, internal but for the contracts.
 */
import {
  missingPoints,
  openBlob,
  pointAt,
  sealedChunkBytes,
  writeBlob,
  type Blob,
  type BlobRef,
  type ByteSource,
  type PointSource,
} from "@hawser/blob";
import { concatBytes, equalBytes, toHex, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { logIdOf, type Entry, type KvWrite, type LogId, type Topic } from "@hawser/log";
import { buildDatapoint } from "@hawser/packet";
import type { BodyPlace, PieceRead } from "@hawser/sync";
import { createBodyIndex, namedBodyOf, type NamedBody } from "./body-index.ts";
import { createPartFetcher, type FetchOptions, type PartFetcher } from "./body-fetch.ts";
import { openKeeping } from "./body-keeper.ts";
import { SpaceError } from "./errors.ts";
import { findEntry } from "./explain.ts";
import type { PlacedShred } from "./fold.ts";
import type { DetachedBodyInfo } from "./opener.ts";
import { padmeSize } from "./padding.ts";
import { hexBytes, type Place } from "./place.ts";
import { createQueue } from "./queue.ts";
import type { Reading } from "./reading.ts";
import type {
  BodyProgress,
  BodyState,
  BodyStore,
  EntryRef,
  OpenBodyOptions,
  SpaceBody,
  SpaceDraft,
} from "./types.ts";
import { dataDomain } from "./words.ts";

/** A draft whose detached body lies in the store already. */
export interface PreparedDraft extends Omit<SpaceDraft, "body"> {
  readonly body: Uint8Array;
  readonly beside?: PreparedBody;
}

/** A written body and the key that opens it. */
export interface PreparedBody {
  readonly blob: BlobRef;
  /** Secret. */
  readonly key: Uint8Array;
  /** Before padding. */
  readonly byteCount: number;
}

/** What bodies ask of their space. */
export interface BodyHost extends Pick<Reading, "deps" | "syncTopic" | "opener" | "changed"> {
  readonly self: AuthorId;
  /** Wishes that are here, whoever made them. */
  shreds(): readonly PlacedShred[];
  /** `undefined`: not to be said yet. */
  mayShred(shred: PlacedShred): boolean | undefined;
}

/** Detached bodies of one space. */
export interface Bodies {
  /** Is the draft's body to stand beside its entry? Throws `SPACE_NO_BODY_STORE`, `_DRAFT_INVALID`. */
  isDetached(draft: SpaceDraft): boolean;
  /** Seals and stores the body. */
  prepare(draft: SpaceDraft): Promise<PreparedDraft>;
  open(ref: EntryRef, options?: OpenBodyOptions): Promise<SpaceBody>;
  state(ref: EntryRef): Promise<BodyState>;
  /** Fetches what is missing, key packet included. */
  keep(ref: EntryRef, options?: KeepOptions): Promise<void>;
  isShredded(ref: EntryRef, hash: Uint8Array): boolean;
  /** Forgets what those who may wish so want forgotten. */
  obey(): Promise<void>;
  /** Ends what is fetched unread; resolves when nothing is being written or forgotten. */
  close(): Promise<void>;
}

/** Bounds of taking somebody's body in. */
export interface KeepOptions {
  /** Default 1 GiB. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BodyProgress) => void;
}

/** How a body key's packet is named inside. */
export const bodyKeyType = "hawser.body-key";
const keptBytesMaxDefault: number = 1024 * 1024 * 1024;
/** Chunks that are fetched ahead of a reader: 4 MB. */
const windowChunks = 64;
const contextLabel = utf8("hawser body v1");
/** First byte of a note about a body whose packets may still be here. */
export const shredPending = 1;
const shredDone = 2;
const empty = new Uint8Array(0);
/** Points of one body that are looked at, one by one. */
const walkedPointsMax = 1_048_576;
/** Peers that are asked at a time for a body that nobody reads. */
const peersMax = 8;
/** Wishes of one maker about one body that are looked at. */
const wishesMax = 4;
/** Wishes of those who may not that are looked at again. */
const refusedMax = 1_024;

/** Where the key packet of a key lies in the store. */
export function bodyKeyKey(topic: Topic, hash: Uint8Array): string {
  return `space/${topic}/body-key/${toHex(hash)}`;
}

/** The place that a key packet is bound to: one entry and one body, and no entry's own place. */
export function bodyKeyPlace(crypto: Crypto, place: Place, root: Uint8Array): Place {
  const { topic, author, seq } = place;
  const derived = crypto.deriveKey(
    "hawser body key place v1",
    concatBytes(hexBytes(place.logId), root),
  );
  // Safe: 32 bytes in hex, as a log id; no log has it.
  return { topic, logId: toHex(derived) as LogId, author, seq };
}

/** Bodies of a space; reads once which were forgotten. */
export async function openBodies(host: BodyHost): Promise<Bodies> {
  const { store, crypto, random, bodies: depot } = host.deps;
  const { topic } = host.syncTopic;
  const points = depot?.shelf(topic);
  const shreddedPrefix = `space/${topic}/shredded/`;
  const queue = createQueue();
  // By place: the hash of the entry, and whether its chunks are gone as well.
  const forgotten = new Map<string, { readonly hash: Uint8Array; readonly done: boolean }>();
  for (const { key, value } of await store.list(shreddedPrefix)) {
    const done = value[0] === shredDone;
    forgotten.set(key.slice(shreddedPrefix.length), { hash: value.slice(1), done });
  }

  const nameOf = ({ logId, seq }: EntryRef): string => `${logId}/${seq}`;
  const targetOf = ({ author, seq }: PlacedShred): EntryRef => ({
    logId: logIdOf(crypto, { topic, author, domain: dataDomain }),
    seq,
  });
  const wishes = createWishes(
    () => host.shreds(),
    (shred) => nameOf(targetOf(shred)),
  );

  const isShredded = (ref: EntryRef, hash: Uint8Array): boolean => {
    const known = forgotten.get(nameOf(ref));
    if (known !== undefined && equalBytes(known.hash, hash)) return true;
    return wishes
      .about(nameOf(ref))
      .some((shred) => equalBytes(shred.hash, hash) && host.mayShred(shred) === true);
  };

  /** Fetches parts of the body of an entry, for as long as nobody shreds it. */
  const partsOf = ({ logId, seq, hash }: EntryRef & { readonly hash: Uint8Array }): PartFetcher => {
    if (depot === undefined || points === undefined) throw noStore();
    const assertWanted = (): void => {
      if (isShredded({ logId, seq }, hash)) throw shredded();
    };
    return createPartFetcher({ crypto, topic, depot, points, assertWanted });
  };

  const keyPacket = async (
    entry: Entry,
    hash: Uint8Array,
    options: FetchOptions,
  ): Promise<Uint8Array> => {
    const here = await store.get(bodyKeyKey(topic, hash));
    if (here !== undefined) return here;
    const packet = await partsOf(entry).named(hash, options);
    if (packet.kind !== "datapoint") {
      throw new SpaceError("SPACE_BODY_INVALID", "the packet with its key is no datapoint");
    }
    await store.commit({ writes: [{ key: bodyKeyKey(topic, hash), value: packet.data.slice() }] });
    return packet.data;
  };

  const keyOf = async (
    author: AuthorId,
    entry: Entry,
    info: DetachedBodyInfo,
    options: FetchOptions,
  ): Promise<Uint8Array> => {
    const data = await keyPacket(entry, info.keyPacket, options);
    const place = { topic, logId: entry.logId, author, seq: entry.seq };
    const opened = host.opener().openAt(bodyKeyPlace(crypto, place, info.blob.hash), data);
    if (opened.status === "noKey" || (opened.status === "opened" && opened.body === undefined)) {
      throw new SpaceError("SPACE_NO_KEY", "the body is sealed to others");
    }
    const isKey = opened.status === "opened" && opened.type === bodyKeyType;
    if (!isKey || opened.body?.length !== 32) {
      throw new SpaceError("SPACE_BODY_INVALID", "the packet with its key holds none");
    }
    return opened.body;
  };

  const open = async (ref: EntryRef, options: OpenBodyOptions = {}): Promise<SpaceBody> => {
    const { author, domain, entry } = await findEntry(host, ref);
    const opened = domain === dataDomain ? host.opener().open(author, entry) : undefined;
    if (opened?.status !== "opened") {
      throw new SpaceError("SPACE_NO_KEY", `entry ${ref.seq} cannot be read`);
    }
    if (opened.detached === undefined) {
      if (opened.body !== undefined) return inlineBody(opened.body);
      throw new SpaceError("SPACE_NO_KEY", "the body is sealed to others");
    }
    if (isShredded(ref, entry.hash)) throw shredded();
    const { blob, byteCount } = opened.detached;
    if (points === undefined) throw noStore();
    const { signal } = options;
    try {
      const key = await keyOf(author, entry, opened.detached, options);
      const seal = { key, context: contextOf(topic, ref.logId, author) };
      const parts = partsOf(entry);
      await parts.chunks(blob, { from: 0, to: 0 }, options);
      const abort = signal === undefined ? {} : { signal };
      const source = await openBlob({ crypto }, blob, points, { seal, ...abort });
      const fetch = (range: { readonly from: number; readonly to: number }, given: FetchOptions) =>
        parts.chunks(blob, range, { ...options, ...given });
      return bodyOf(source, byteCount, fetch);
    } catch (cause) {
      throw bodyError(cause);
    }
  };

  /** What anybody who has the entry sees of its body, keys or not. */
  const besideOf = async (
    ref: EntryRef,
  ): Promise<{ readonly entry: Entry; readonly body: NamedBody } | undefined> => {
    const { author, entry } = await findEntry(host, ref);
    const body = namedBodyOf(author, ref.logId, entry);
    return body && { entry, body };
  };

  const state = async (ref: EntryRef): Promise<BodyState> => {
    const beside = await besideOf(ref);
    if (beside === undefined) return "inline";
    const { body } = beside;
    if (isShredded(ref, body.hash)) return "shredded";
    const hasKey = (await store.get(bodyKeyKey(topic, body.keyPacket))) !== undefined;
    if (!hasKey || points === undefined) return "missing";
    try {
      const walked = countedSource(points);
      for await (const _ of missingPoints({ crypto }, blobOf(body), walked)) return "missing";
      return "here";
    } catch (cause) {
      throw bodyError(cause);
    }
  };

  /** All of it, for whoever holds the entry. */
  const fetchWhole = async (
    { entry, body }: { readonly entry: Entry; readonly body: NamedBody },
    options: FetchOptions,
  ): Promise<void> => {
    if (isShredded(entry, body.hash)) throw shredded();
    try {
      await keyPacket(entry, body.keyPacket, options);
      await partsOf(entry).chunks(blobOf(body), { from: 0, to: Infinity }, options);
    } catch (cause) {
      throw bodyError(cause);
    }
  };

  const keep = async (ref: EntryRef, options: KeepOptions = {}): Promise<void> => {
    const { maxBytes = keptBytesMaxDefault, ...rest } = options;
    const beside = await besideOf(ref);
    if (beside === undefined) return;
    if (points === undefined) throw noStore();
    const { byteCount } = beside.body;
    if (byteCount > maxBytes) {
      throw new SpaceError("SPACE_BODY_TOO_LARGE", `a body of ${byteCount} bytes`);
    }
    await fetchWhole(beside, rest);
  };

  /** Points of a blob that are here. A forged one shows what it shows before it is found out. */
  const heldPoints = async (blob: BlobRef, held: PointSource): Promise<readonly Uint8Array[]> => {
    const found = new Map<string, Uint8Array>();
    const count = createWalkCount();
    const recorder: PointSource = {
      get: async (hash, signal) => {
        count();
        const packet = await held.get(hash, signal);
        if (packet !== undefined) found.set(toHex(hash), hash.slice());
        return packet;
      },
    };
    try {
      for await (const _ of missingPoints({ crypto }, blob, recorder)) continue;
    } catch (cause) {
      const isTooLong = cause instanceof SpaceError && cause.code === "SPACE_BODY_TOO_LARGE";
      if (blobCodeOf(cause) === undefined && !isTooLong) throw cause;
    }
    return [...found.values()];
  };

  const index = createBodyIndex({ store, topic }, (body) => keeping?.noteOf(body) ?? []);

  /** Deletes the packets of a body that no other entry names, but for one that was shredded, too. */
  const discard = async (
    body: NamedBody,
    isLeft: (other: NamedBody) => boolean,
    notes: readonly KvWrite[],
  ): Promise<void> => {
    // Somebody may name the packets of another's body in an entry of its own, only to shred them.
    const isKeyUsed = (await index.of(body.keyPacket)).some(isLeft);
    const drop = isKeyUsed ? [] : [{ key: bodyKeyKey(topic, body.keyPacket), value: undefined }];
    await store.commit({ writes: [...drop, ...notes] });
    if (points?.delete === undefined || (await index.of(body.root)).some(isLeft)) return;
    for (const hash of await heldPoints(blobOf(body), points)) await points.delete(hash);
  };

  /** Key packet first, in one commit with the note that it is gone; then the chunks. */
  const forget = async (ref: EntryRef, author: AuthorId, entry: Entry): Promise<void> => {
    const note = (flag: number): KvWrite => ({
      key: shreddedPrefix + nameOf(ref),
      value: concatBytes(Uint8Array.of(flag), entry.hash),
    });
    const body = namedBodyOf(author, ref.logId, entry);
    const isLeft = (other: NamedBody): boolean =>
      !isShredded(other, other.hash) && nameOf(other) !== nameOf(ref);
    const pending = [note(shredPending), ...((body && keeping?.forgetting(body)) ?? [])];
    if (body === undefined) await store.commit({ writes: pending });
    forgotten.set(nameOf(ref), { hash: entry.hash, done: false });
    if (body !== undefined) await discard(body, isLeft, pending);
    await store.commit({ writes: [note(shredDone)] });
    forgotten.set(nameOf(ref), { hash: entry.hash, done: true });
    host.changed.notify();
  };

  const bodyAt = async ({ author, ...ref }: NamedBody) => {
    const { entry } = await findEntry(host, ref);
    const body = namedBodyOf(author, ref.logId, entry);
    return body && { entry, body };
  };
  const keeping =
    depot &&
    (await openKeeping({
      store,
      topic,
      depot,
      self: host.self,
      isShredded: (body) => isShredded(body, body.hash),
      catchUp: () => index.catchUp(),
      discard: (body, writes) => discard(body, (other) => nameOf(other) !== nameOf(body), writes),
      fetch: async (named, part, signal) => {
        try {
          const found = await bodyAt(named);
          if (found === undefined) return "invalid";
          const given = { signal, patience: "none", prefer: named.author, peersMax } as const;
          if (part === "all") await fetchWhole(found, given);
          else await partsOf(found.entry).chunks(blobOf(found.body), { from: 0, to: 0 }, given);
          return "whole";
        } catch (cause) {
          const fault = bodyError(cause);
          const isInvalid = fault instanceof SpaceError && fault.code === "SPACE_BODY_INVALID";
          return isInvalid ? "invalid" : "missing";
        }
      },
    }));

  /** A point for a peer: under a name that an entry gives whose body was not shredded. */
  const serve = async ({ name, depth, index: at }: BodyPlace): Promise<PieceRead> => {
    const users = await index.of(name);
    if (!users.some((body) => !isShredded(body, body.hash))) return { status: "none" };
    const point = await pointUnder(name, { depth, index: at });
    if (point !== undefined) return { status: "here", bytes: point };
    return { status: keeping?.isDue(name) === true ? "later" : "none" };
  };
  const pointUnder = async (
    name: Uint8Array,
    place: { readonly depth: number; readonly index: number },
  ): Promise<Uint8Array | undefined> => {
    const key = await store.get(bodyKeyKey(topic, name));
    if (key !== undefined) {
      return place.depth === 0 ? buildDatapoint(crypto, key).point : undefined;
    }
    if (points === undefined) return undefined;
    try {
      return (await pointAt({ crypto }, name, place, points))?.point;
    } catch (cause) {
      // Damaged here: somebody else may have it whole.
      if (blobCodeOf(cause) !== undefined) return undefined;
      throw cause;
    }
  };
  if (depot !== undefined && keeping !== undefined) {
    depot.register(topic, { read: serve, ...keeping });
    keeping.look();
  }

  // Each wish is followed once; those whose maker may not (yet) are looked at again.
  let followed: readonly PlacedShred[] = [];
  let followedCount = 0;
  let refused: PlacedShred[] = [];

  const obeyAll = async (): Promise<void> => {
    const list = host.shreds();
    if (list !== followed) {
      followed = list;
      followedCount = 0;
      refused = [];
    }
    const due = [...refused, ...list.slice(followedCount)];
    followedCount = list.length;
    refused = due.filter((shred) => host.mayShred(shred) !== true).slice(-refusedMax);
    for (const shred of due) {
      const ref = targetOf(shred);
      const known = forgotten.get(nameOf(ref));
      if (known?.done === true && equalBytes(known.hash, shred.hash)) continue;
      if (host.mayShred(shred) !== true) continue;
      // Of an entry that is not here nothing was kept, and nothing will be.
      for await (const entry of store.entries(ref.logId, { from: ref.seq, to: ref.seq + 1 })) {
        if (equalBytes(entry.hash, shred.hash)) await forget(ref, shred.author, entry);
      }
    }
  };

  return {
    isDetached: ({ body, detached = false }) => {
      const isBytes = body instanceof Uint8Array;
      if (!isBytes && !detached) {
        const message = "a body that comes in pieces stands beside its entry: set detached";
        throw new SpaceError("SPACE_DRAFT_INVALID", message);
      }
      if (detached && points === undefined) throw noStore();
      return detached;
    },
    prepare: async ({ body, ...draft }) => {
      if (points === undefined) throw noStore();
      const { self } = host;
      const logId = logIdOf(crypto, { topic, author: self, domain: dataDomain });
      const key = random(32).slice();
      const counted = { byteCount: 0 };
      const seal = { key, context: contextOf(topic, logId, self) };
      const blob = await writeBlob({ crypto, random }, padded(body, counted), points, { seal });
      return { ...draft, body: empty, beside: { blob, key, byteCount: counted.byteCount } };
    },
    open,
    state,
    keep,
    isShredded,
    obey: () => queue.run(obeyAll),
    close: async () => {
      await keeping?.stop();
      await queue.idle();
    },
  };
}

/**
 * Wishes by the place they are about, the last few of each maker: so nobody drowns another's, or
 * makes looking one up expensive. Grows with the list, and starts anew with a new one.
 */
function createWishes(
  shreds: () => readonly PlacedShred[],
  nameOf: (shred: PlacedShred) => string,
): { about(name: string): readonly PlacedShred[] } {
  let list: readonly PlacedShred[] = [];
  let read = 0;
  let byName = new Map<string, PlacedShred[]>();
  return {
    about: (name) => {
      const now = shreds();
      if (now !== list) {
        list = now;
        read = 0;
        byName = new Map();
      }
      for (; read < list.length; read++) {
        const shred = list[read];
        if (shred === undefined) continue;
        const key = nameOf(shred);
        const known = byName.get(key) ?? [];
        byName.set(key, known);
        known.push(shred);
        const own = known.filter(({ by }) => by === shred.by);
        const [oldest] = own;
        if (own.length > wishesMax && oldest !== undefined) known.splice(known.indexOf(oldest), 1);
      }
      return byName.get(name) ?? [];
    },
  };
}

/** What chunks are bound to: a log, and so an author and a space. */
function contextOf(topic: Topic, logId: LogId, author: AuthorId): Uint8Array {
  return concatBytes(contextLabel, hexBytes(topic), hexBytes(logId), hexBytes(author));
}

/** The content, then zeros up to PADMÉ. */
async function* padded(
  source: ByteSource,
  counted: { byteCount: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of source instanceof Uint8Array ? [source] : source) {
    counted.byteCount += piece.length;
    yield piece;
  }
  let rest = padmeSize(counted.byteCount) - counted.byteCount;
  const zeros = new Uint8Array(Math.min(rest, paddingPieceBytes));
  for (; rest > 0; rest -= Math.min(rest, zeros.length)) yield zeros.subarray(0, rest);
}

const paddingPieceBytes = 65_536;

/** A body that is fetched as it is read, a window ahead. */
function bodyOf(
  blob: Blob,
  byteCount: number,
  fetch: (
    range: { readonly from: number; readonly to: number },
    options: FetchOptions,
  ) => Promise<void>,
): SpaceBody {
  async function* read(
    options: { readonly from?: number; readonly to?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { from = 0, to = byteCount, signal } = options;
    checkRange(from, to, byteCount);
    const given = signal === undefined ? {} : { signal };
    const end = Math.ceil(to / sealedChunkBytes);
    const fetchFrom = async (first: number): Promise<unknown> => {
      if (first >= end) return undefined;
      const last = Math.min(first + windowChunks, end);
      return fetch({ from: first, to: last }, given).then(
        () => undefined,
        (cause: unknown) => cause,
      );
    };
    let next = fetchFrom(Math.floor(from / sealedChunkBytes));
    for (let at = Math.floor(from / sealedChunkBytes); at < end; at += windowChunks) {
      const failure = await next;
      if (failure === undefined) next = fetchFrom(at + windowChunks);
      const start = Math.max(from, at * sealedChunkBytes);
      const stop = Math.min(to, (at + windowChunks) * sealedChunkBytes);
      try {
        // After a failure too: what did come is good.
        yield* blob.read({ from: start, to: stop, ...given });
      } catch (cause) {
        throw bodyError(failure ?? cause);
      }
      if (failure !== undefined) throw bodyError(failure);
    }
  }
  return { byteCount, read, bytes: (maxBytes) => collect(read(), byteCount, maxBytes) };
}

function inlineBody(body: Uint8Array): SpaceBody {
  const byteCount = body.length;
  async function* read(
    options: { readonly from?: number; readonly to?: number } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { from = 0, to = byteCount } = options;
    checkRange(from, to, byteCount);
    if (from < to) yield body.subarray(from, to);
  }
  return { byteCount, read, bytes: (maxBytes) => collect(read(), byteCount, maxBytes) };
}

function checkRange(from: number, to: number, byteCount: number): void {
  const isRange = Number.isSafeInteger(from) && Number.isSafeInteger(to);
  if (isRange && from >= 0 && from <= to && to <= byteCount) return;
  throw new SpaceError("SPACE_BODY_RANGE", `[${from}, ${to}) is not within ${byteCount} bytes`);
}

async function collect(
  pieces: AsyncIterable<Uint8Array>,
  byteCount: number,
  maxBytes: number,
): Promise<Uint8Array> {
  if (byteCount > maxBytes) {
    throw new SpaceError("SPACE_BODY_TOO_LARGE", `a body of ${byteCount} bytes`);
  }
  const bytes = new Uint8Array(byteCount);
  let offset = 0;
  for await (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}

function blobOf({ root, byteCount }: NamedBody): BlobRef {
  return { hash: root, byteCount };
}

/** Throws after as many steps as a body of 64 GiB takes: few points can stand for terabytes. */
function createWalkCount(): () => void {
  let count = 0;
  return () => {
    count += 1;
    if (count <= walkedPointsMax) return;
    throw new SpaceError("SPACE_BODY_TOO_LARGE", "a body of too many parts to look at each");
  };
}

function countedSource(points: BodyStore): PointSource {
  const count = createWalkCount();
  const has = async (hash: Uint8Array, signal?: AbortSignal): Promise<boolean> => {
    count();
    if (points.has !== undefined) return points.has(hash, signal);
    return (await points.get(hash, signal)) !== undefined;
  };
  return { get: (hash, signal) => points.get(hash, signal), has };
}

/** Faults of points in words of this layer; whatever else goes on as it is. */
function bodyError(cause: unknown): unknown {
  const code = blobCodeOf(cause);
  if (code === undefined) return cause;
  if (code === "BLOB_MISSING" || code === "BLOB_HASH") {
    return new SpaceError("SPACE_BODY_MISSING", "a part of the body is not here", { cause });
  }
  const message = "the body is not what its entry says, or its key is another's";
  return new SpaceError("SPACE_BODY_INVALID", message, { cause });
}

/** By code, not by class: blobs may come from another copy of their package. */
function blobCodeOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !("code" in cause)) return undefined;
  const { code } = cause;
  return typeof code === "string" && code.startsWith("BLOB_") ? code : undefined;
}

function shredded(): SpaceError {
  return new SpaceError("SPACE_BODY_SHREDDED", "the body was shredded");
}

function noStore(): SpaceError {
  return new SpaceError("SPACE_NO_BODY_STORE", "no store for bodies was given to createSpaces");
}
