/**
 * Detached bodies (docs/spec/6-space.md §15): content beside its entry, sealed in chunks under a key of
 * its own. The key lies in a small packet that is kept apart, so that forgetting it makes every copy
 * of the chunks unreadable. Layer 5, internal but for the contracts.
 */
import {
  missingPoints,
  openBlob,
  writeBlob,
  type Blob,
  type BlobRef,
  type ByteSource,
  type PointSink,
  type PointSource,
} from "@hawser/blob";
import { concatBytes, equalBytes, toHex, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { logIdOf, type Entry, type LogId, type Topic } from "@hawser/log";
import { buildDatapoint, readPacket, type Packet } from "@hawser/packet";
import { SpaceError } from "./errors.ts";
import { findEntry } from "./explain.ts";
import type { PlacedShred } from "./fold.ts";
import { bodyBytesMax, parseEnvelope } from "./layers.ts";
import type { DetachedBodyInfo } from "./opener.ts";
import { padmeSize } from "./padding.ts";
import { hexBytes, type Place } from "./place.ts";
import { createQueue } from "./queue.ts";
import type { Reading } from "./reading.ts";
import { createRootUsers } from "./root-users.ts";
import type {
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
  /** Bytes of a chunk, node or key packet that is here. */
  point(hash: Uint8Array): Promise<Uint8Array | undefined>;
  isShredded(ref: EntryRef, hash: Uint8Array): boolean;
  /** Forgets what those who may wish so want forgotten. */
  obey(): Promise<void>;
  /** Resolves when nothing is being forgotten. */
  idle(): Promise<void>;
}

/** Bounds of taking somebody's body in. */
export interface KeepOptions {
  /** Default 1 GiB. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

/** How a body key's packet is named inside. */
export const bodyKeyType = "hawser.body-key";
const keptBytesMaxDefault: number = 1024 * 1024 * 1024;
/** Levels of a tree of the greatest blob, and one more. */
const roundsMax = 6;
const contextLabel = utf8("hawser body v1");
/** First byte of a note about a body whose packets may still be here. */
export const shredPending = 1;
const shredDone = 2;
const empty = new Uint8Array(0);
/** Points of one body that are looked at, one by one. */
const walkedPointsMax = 1_048_576;
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
  const { store, crypto, random, bodies: points, fetchPoint } = host.deps;
  const { topic } = host.syncTopic;
  const shreddedPrefix = `space/${topic}/shredded/`;
  const queue = createQueue();
  const users = createRootUsers({ store, topic });
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

  const fetched = async (
    hash: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Packet<"verified"> | undefined> => {
    const bytes = await fetchPoint?.(topic, hash, signal);
    if (bytes === undefined) return undefined;
    const read = readPacket(crypto, bytes, { allowPrivate: true });
    const isIt = read.ok && read.rest.length === 0 && equalBytes(read.packet.hash, hash);
    return isIt ? read.packet : undefined;
  };

  /** Points of one body: from the store, else fetched and kept, unless it was shredded meanwhile. */
  const sourceFor = ({ logId, seq, hash: entryHash }: Entry): PointSource => ({
    get: async (hash, signal) => {
      const here = await points?.get(hash, signal);
      if (here !== undefined) return here;
      const packet = await fetched(hash, signal);
      if (packet === undefined || isShredded({ logId, seq }, entryHash)) return undefined;
      await points?.put(packet);
      return packet;
    },
  });

  const keyPacket = async (
    entry: Entry,
    hash: Uint8Array,
    signal?: AbortSignal,
  ): Promise<Uint8Array | undefined> => {
    const here = await store.get(bodyKeyKey(topic, hash));
    if (here !== undefined) return here;
    const packet = await fetched(hash, signal);
    if (packet === undefined || packet.kind !== "datapoint") return undefined;
    if (isShredded({ logId: entry.logId, seq: entry.seq }, entry.hash)) return undefined;
    await store.commit({ writes: [{ key: bodyKeyKey(topic, hash), value: packet.data }] });
    return packet.data;
  };

  const keyOf = async (
    author: AuthorId,
    entry: Entry,
    info: DetachedBodyInfo,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> => {
    const data = await keyPacket(entry, info.keyPacket, signal);
    if (data === undefined) throw missing("the packet with its key");
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
    const { signal } = options;
    const { blob, byteCount } = opened.detached;
    try {
      const key = await keyOf(author, entry, opened.detached, signal);
      const seal = { key, context: contextOf(topic, ref.logId, author) };
      const source = sourceFor(entry);
      const abort = signal === undefined ? {} : { signal };
      return bodyOf(await openBlob({ crypto }, blob, source, { seal, ...abort }), byteCount);
    } catch (cause) {
      throw bodyError(cause);
    }
  };

  /** What anybody who has the entry sees of its body, keys or not. */
  const besideOf = async (
    ref: EntryRef,
  ): Promise<{ entry: Entry; blob: BlobRef; key: Uint8Array } | undefined> => {
    const { entry } = await findEntry(host, ref);
    const key = parseEnvelope(entry.data)?.keyPacket;
    return entry.body === undefined || key === undefined
      ? undefined
      : { entry, blob: entry.body, key };
  };

  const state = async (ref: EntryRef): Promise<BodyState> => {
    const beside = await besideOf(ref);
    if (beside === undefined) return "inline";
    if (isShredded(ref, beside.entry.hash)) return "shredded";
    const hasKey = (await store.get(bodyKeyKey(topic, beside.key))) !== undefined;
    if (!hasKey || points === undefined) return "missing";
    try {
      const walked = countedSource(points);
      for await (const _ of missingPoints({ crypto }, beside.blob, walked)) return "missing";
      return "here";
    } catch (cause) {
      throw bodyError(cause);
    }
  };

  const keep = async (ref: EntryRef, options: KeepOptions = {}): Promise<void> => {
    const { maxBytes = keptBytesMaxDefault, signal } = options;
    const beside = await besideOf(ref);
    if (beside === undefined) return;
    if (points === undefined) throw noStore();
    if (isShredded(ref, beside.entry.hash)) throw shredded();
    if (beside.blob.byteCount > maxBytes) {
      throw new SpaceError("SPACE_BODY_TOO_LARGE", `a body of ${beside.blob.byteCount} bytes`);
    }
    const key = await keyPacket(beside.entry, beside.key, signal);
    if (key === undefined) throw missing("the packet with its key");
    const source = sourceFor(beside.entry);
    try {
      for (let round = 0; round < roundsMax; round++) {
        let isWhole = true;
        for await (const { hash } of missingPoints({ crypto }, beside.blob, points)) {
          isWhole = false;
          if ((await source.get(hash, signal)) === undefined) throw missing("a part of it");
        }
        if (isWhole) return;
      }
    } catch (cause) {
      throw bodyError(cause);
    }
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

  /** Key packet first, in one commit with the note that it is gone; then the chunks. */
  const forget = async (ref: EntryRef, entry: Entry): Promise<void> => {
    const key = shreddedPrefix + nameOf(ref);
    const keyHash = parseEnvelope(entry.data)?.keyPacket;
    const root = entry.body;
    const isLeft = ({ logId, seq, hash }: Entry): boolean => !isShredded({ logId, seq }, hash);
    const note = (flag: number): { readonly key: string; readonly value: Uint8Array } => ({
      key,
      value: concatBytes(Uint8Array.of(flag), entry.hash),
    });
    // Somebody may name the packets of another's body in an entry of its own, only to shred them.
    const isKeyUsed = keyHash === undefined || (await users.of(keyHash)).some(isLeft);
    const drop =
      keyHash === undefined || isKeyUsed
        ? []
        : [{ key: bodyKeyKey(topic, keyHash), value: undefined }];
    await store.commit({ writes: [...drop, note(shredPending)] });
    forgotten.set(nameOf(ref), { hash: entry.hash, done: false });
    if (root !== undefined && points?.delete !== undefined) {
      const isRootUsed = (await users.of(root.hash)).some(isLeft);
      if (!isRootUsed) {
        for (const hash of await heldPoints(root, points)) await points.delete(hash);
      }
    }
    await store.commit({ writes: [note(shredDone)] });
    forgotten.set(nameOf(ref), { hash: entry.hash, done: true });
    host.changed.notify();
  };

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
        if (equalBytes(entry.hash, shred.hash)) await forget(ref, entry);
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
      const isLong = isBytes && body.length > bodyBytesMax;
      if (detached && points === undefined) throw noStore();
      return detached || (isLong && points !== undefined);
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
    point: async (hash) => {
      const data = await store.get(bodyKeyKey(topic, hash));
      if (data !== undefined) return buildDatapoint(crypto, data).bytes;
      return (await points?.get(hash))?.bytes;
    },
    isShredded,
    obey: () => queue.run(obeyAll),
    idle: () => queue.idle(),
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

function bodyOf(blob: Blob, byteCount: number): SpaceBody {
  async function* read(
    options: { readonly from?: number; readonly to?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { from = 0, to = byteCount, signal } = options;
    checkRange(from, to, byteCount);
    try {
      yield* blob.read(signal === undefined ? { from, to } : { from, to, signal });
    } catch (cause) {
      throw bodyError(cause);
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

function missing(what: string): SpaceError {
  return new SpaceError("SPACE_BODY_MISSING", `${what} is not here, and nobody gave it`);
}

function shredded(): SpaceError {
  return new SpaceError("SPACE_BODY_SHREDDED", "the body was shredded");
}

function noStore(): SpaceError {
  return new SpaceError("SPACE_NO_BODY_STORE", "no store for bodies was given to createSpaces");
}

/** A sink and source for bodies over a store of packets, which never deletes. */
export function createPacketBodies(packets: {
  add(batch: readonly Packet<"verified">[]): Promise<unknown>;
  get(hash: Uint8Array): Promise<{ readonly packet: Packet<"verified"> } | undefined>;
}): PointSink & BodyStore {
  return {
    put: async (packet) => {
      await packets.add([packet]);
    },
    get: async (hash) => (await packets.get(hash))?.packet,
    has: async (hash) => (await packets.get(hash)) !== undefined,
  };
}
