/**
 * Snapshots in the author's own `snap` log (docs/spec/view.md §4): sealed so that only those open one
 * who hold the keys of every epoch whose events may be in it. Layer 5, internal.
 *
 *   first entry  1 ‖ 0 ‖ parts varint ‖ bytes varint ‖ epochs varint ‖ epoch id (32)… ‖ nonce (24)
 *   part         1 ‖ 1 ‖ index varint ‖ ≤ 56,000 bytes of the sealed snapshot
 */
import { levels } from "@hawser/auth";
import { concatBytes, createByteReader, createByteWriter, toHex, utf8 } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { EpochId } from "@hawser/keys";
import type { LogId } from "@hawser/log";
import type { Core } from "./core.ts";
import { SpaceError } from "./errors.ts";
import { padmeSize } from "./padding.ts";
import { hexBytes } from "./place.ts";
import type { EntryRef, SpaceMark } from "./types.ts";
import { snapDomain } from "./words.ts";

/** A snapshot that is whole here. */
export interface FoundSnapshot extends EntryRef {
  readonly author: AuthorId;
  /** What its author may do now, at least. */
  readonly level: "write" | "manage";
  /** Opens it; `undefined` where this device lacks a key, or it is none. Up to 16.8 MB. */
  read(): Promise<Uint8Array | undefined>;
}

/** The snapshot logs of a space. */
export interface SpaceSnapshots {
  /**
   * Puts a snapshot into this device's snapshot log, for everybody who can read all events before the
   * mark. Throws `SPACE_SNAPSHOT_PRIVATE`, `SPACE_NO_ACCESS`, `SPACE_BODY_TOO_LARGE`.
   */
  publish(bytes: Uint8Array, mark: SpaceMark): Promise<EntryRef>;
  /**
   * Those among the last 600 entries of each author who may write now, an author's newest first.
   * None of them is opened yet.
   */
  list(): Promise<readonly FoundSnapshot[]>;
}

const partBytesMax = 56_000;
/** Bytes of one snapshot: 300 parts. */
const snapshotBytesMax: number = 300 * partBytesMax - 1_024;
/** Entries of one log in which snapshots are looked for: two of the largest. */
const listedEntriesMax = 600;
const epochsMax = 1_024;
const nonceBytes = 24;
const idBytes = 32;
const format = 1;

interface Head {
  readonly parts: number;
  readonly byteCount: number;
  readonly epochs: readonly EpochId[];
  readonly nonce: Uint8Array;
  /** Its own bytes: what the sealing binds. */
  readonly data: Uint8Array;
}

/** The snapshot logs of a core. */
export function createSnapshots(core: Core): SpaceSnapshots {
  return {
    publish: (bytes, mark) => core.queue.run(() => publish(core, bytes, mark)),
    list: () => list(core),
  };
}

async function publish(core: Core, bytes: Uint8Array, mark: SpaceMark): Promise<EntryRef> {
  const { graph, group } = core.fold();
  const access = graph.accessOf(group, core.device.author);
  if (access === undefined || levels.indexOf(access.level) < levels.indexOf("write")) {
    throw new SpaceError("SPACE_NO_ACCESS", "snapshots are published by those who may write");
  }
  if (!mark.isShareable) {
    const message = "events before the mark are not the same for all readers";
    throw new SpaceError("SPACE_SNAPSHOT_PRIVATE", message);
  }
  if (bytes.length > snapshotBytesMax) {
    const message = `a snapshot of ${bytes.length} bytes; at most ${snapshotBytesMax} can be shared`;
    throw new SpaceError("SPACE_BODY_TOO_LARGE", message);
  }
  const { ring, keyState } = core.fold();
  const epochs = ring.epochs(keyState).map(({ id }) => id);
  const sealed = seal(core, bytes, epochs.sort());
  await core.advance();
  const heads = core.sequencer().heads();
  const [entry] = await core.own.append("snap", { make: () => sealed, heads });
  if (entry === undefined) throw new Error("an append of entries gave none");
  return { logId: entry.logId, seq: entry.seq };
}

/** The entries of a snapshot, each within the limit of one. */
function seal(core: Core, bytes: Uint8Array, epochs: readonly EpochId[]): readonly Uint8Array[] {
  const { crypto, random } = core.deps;
  const key = snapshotKey(core, epochs);
  if (key === undefined || epochs.length > epochsMax) {
    throw new SpaceError("SPACE_SNAPSHOT_PRIVATE", "this device lacks keys of older epochs");
  }
  const padded = new Uint8Array(padmeSize(bytes.length + 4));
  new DataView(padded.buffer).setUint32(0, bytes.length);
  padded.set(bytes, 4);
  const nonce = random(nonceBytes);
  const byteCount = padded.length + 16;
  const parts = Math.ceil(byteCount / partBytesMax);
  const data = encodeHead({ parts, byteCount, epochs, nonce });
  const sealed = crypto.seal(key, nonce, padded, aad(core, core.device.author, data));
  const entries = [data];
  for (let index = 0; index < parts; index++) {
    const writer = createByteWriter(partBytesMax + 16);
    writer.u8(format);
    writer.u8(1);
    writer.varint(index);
    writer.bytes(sealed.subarray(index * partBytesMax, (index + 1) * partBytesMax));
    entries.push(writer.finish());
  }
  return entries;
}

/** From the read keys of all these epochs: whoever lacks one of them cannot make it. */
function snapshotKey(core: Core, epochs: readonly EpochId[]): Uint8Array | undefined {
  const opener = core.opener();
  const parts: Uint8Array[] = [hexBytes(core.syncTopic.topic)];
  for (const id of epochs) {
    const readKey = opener.readKey(id);
    if (readKey === undefined) return undefined;
    parts.push(hexBytes(id), readKey);
  }
  return core.deps.crypto.deriveKey("hawser snapshot key v1", concatBytes(...parts));
}

function aad(core: Core, author: AuthorId, head: Uint8Array): Uint8Array {
  const names = utf8("hawser snapshot v1");
  return concatBytes(names, hexBytes(core.syncTopic.topic), hexBytes(author), head);
}

function encodeHead(head: Omit<Head, "data">): Uint8Array {
  const writer = createByteWriter(64 + head.epochs.length * idBytes);
  writer.u8(format);
  writer.u8(0);
  writer.varint(head.parts);
  writer.varint(head.byteCount);
  writer.varint(head.epochs.length);
  for (const id of head.epochs) writer.bytes(hexBytes(id));
  writer.bytes(head.nonce);
  return writer.finish();
}

function readHead(data: Uint8Array): Head | undefined {
  const reader = createByteReader(data);
  if (reader.u8() !== format || reader.u8() !== 0) return undefined;
  const parts = reader.varint();
  const byteCount = reader.varint();
  const count = reader.varint();
  if (count > epochsMax || byteCount > snapshotBytesMax * 2) return undefined;
  if (parts !== Math.ceil(byteCount / partBytesMax) || parts === 0) return undefined;
  // Safe: epoch ids are such bytes in hex; one that does not exist opens nothing.
  const epochs = Array.from({ length: count }, () => toHex(reader.bytes(idBytes)) as EpochId);
  const nonce = reader.bytes(nonceBytes).slice();
  return reader.finished ? { parts, byteCount, epochs, nonce, data } : undefined;
}

function readPart(data: Uint8Array, index: number): Uint8Array | undefined {
  const reader = createByteReader(data);
  const isPart = reader.u8() === format && reader.u8() === 1 && reader.varint() === index;
  return isPart && !reader.failed ? reader.bytes(reader.remaining) : undefined;
}

async function list(core: Core): Promise<readonly FoundSnapshot[]> {
  const { graph, group } = core.fold();
  const found: FoundSnapshot[] = [];
  for (const { logId, context, signedHeight, prunedTo } of await core.deps.store.heads(
    core.syncTopic.topic,
  )) {
    const { domain, author } = context;
    if (domain !== snapDomain || core.forkedAt(logId) !== undefined) continue;
    const level = graph.accessOf(group, author)?.level;
    if (level !== "write" && level !== "manage") continue;
    const from = Math.max(prunedTo, signedHeight - listedEntriesMax);
    for (const { seq, parts } of await wholeIn(core, logId, { from, to: signedHeight })) {
      const read = () => readAt(core, { logId, author, seq, parts });
      found.push({ logId, seq, author, level, read });
    }
  }
  return found;
}

/** Where in a log there is a first entry with all its parts, newest first. */
async function wholeIn(
  core: Core,
  logId: LogId,
  span: { readonly from: number; readonly to: number },
): Promise<readonly { readonly seq: number; readonly parts: number }[]> {
  const whole: { readonly seq: number; readonly parts: number }[] = [];
  let start: { readonly seq: number; readonly parts: number } | undefined;
  for await (const { seq, data } of core.deps.store.entries(logId, span)) {
    const head = readHead(data);
    if (head !== undefined) start = { seq, parts: head.parts };
    else if (start === undefined || readPart(data, seq - start.seq - 1) === undefined) {
      start = undefined;
    } else if (seq - start.seq === start.parts) whole.unshift(start);
  }
  return whole;
}

async function readAt(
  core: Core,
  place: EntryRef & { readonly author: AuthorId; readonly parts: number },
): Promise<Uint8Array | undefined> {
  const { logId, author, seq, parts } = place;
  let head: Head | undefined;
  const sealed: Uint8Array[] = [];
  const span = { from: seq, to: seq + parts + 1 };
  for await (const entry of core.deps.store.entries(logId, span)) {
    head ??= readHead(entry.data);
    const part = readPart(entry.data, entry.seq - seq - 1);
    if (part !== undefined) sealed.push(part);
  }
  return head && open(core, author, head, concatBytes(...sealed));
}

function open(
  core: Core,
  author: AuthorId,
  head: Head,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const key = snapshotKey(core, head.epochs);
  if (key === undefined || sealed.length !== head.byteCount) return undefined;
  const padded = core.deps.crypto.open(key, head.nonce, sealed, aad(core, author, head.data));
  if (padded === undefined || padded.length < 4) return undefined;
  const view = new DataView(padded.buffer, padded.byteOffset, padded.byteLength);
  const size = view.getUint32(0);
  return size + 4 <= padded.length ? padded.slice(4, 4 + size) : undefined;
}
