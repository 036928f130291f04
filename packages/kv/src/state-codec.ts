/**
 * The state of the key-value view in bytes (docs/spec/view.md §5): made for being opened without
 * being read. Versions are decoded when somebody asks for their key.
 */
import {
  compareBytes,
  createByteReader,
  createByteWriter,
  decodeCbor,
  encodeCbor,
  fromHex,
  fromUtf8,
  toHex,
  utf8,
  type ByteReader,
  type ByteWriter,
} from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { versionBytes } from "./ops.ts";
import { createSortedKeys } from "./sorted-keys.ts";
import { expiryKey, valueOf, type HeldVersion, type KvState, type VersionTable } from "./held.ts";

const formatVersion = 3;
const authorBytes = 32;
/** Set in the offset of a key whose winner is a tombstone. */
const absentBit = 0x8000_0000;
/** What follows a version's author. */
const marks = { expires: 1, added: 2 } as const;
const addedBytes = 8;

/** Versions by key: those of a snapshot, with changes over them. */
export function createVersionTable(stored?: StoredVersions): VersionTable {
  const held = new Map<string, readonly HeldVersion[]>();
  return {
    get: (key) => {
      const known = held.get(key);
      if (known !== undefined || stored === undefined) return known;
      const versions = stored.get(key);
      if (versions !== undefined) held.set(key, versions);
      return versions;
    },
    set: (key, versions) => void held.set(key, versions),
    keys: () => {
      const all = new Set(stored?.keys ?? []);
      for (const key of held.keys()) all.add(key);
      return [...all].sort();
    },
  };
}

/** Versions as a snapshot holds them. */
interface StoredVersions {
  /** Ascending. */
  readonly keys: readonly string[];
  get(key: string): readonly HeldVersion[] | undefined;
}

/** The one encoding of a state. */
export function encodeState(state: KvState): Uint8Array {
  const keys = state.versions.keys();
  const lists = keys.map((key) => state.versions.get(key) ?? []);
  const authors = [...new Set(lists.flatMap((list) => list.map(({ author }) => author)))].sort();
  const numbers = new Map(authors.map((author, index) => [author, index]));
  const body = createByteWriter(1_024 + keys.length * 64);
  const offsets: number[] = [];
  for (const list of lists) {
    offsets.push(body.size + (valueOf(list[0]) === undefined ? absentBit : 0));
    body.varint(list.length);
    for (const version of list) writeVersion(body, version, numbers.get(version.author) ?? 0);
  }
  const writer = createByteWriter(1_024 + body.size + keys.length * 32);
  writer.u8(formatVersion);
  writer.varint(authors.length);
  for (const author of authors) writer.bytes(fromHex(author) ?? new Uint8Array(authorBytes));
  writer.varint(keys.length);
  writer.sized(utf8(keys.join("")));
  for (const key of keys) writer.u16(key.length);
  for (const offset of offsets) writer.u32(offset);
  writeExpiries(writer, lists);
  writer.bytes(body.finish());
  return writer.finish();
}

function writeVersion(writer: ByteWriter, version: HeldVersion, authorNumber: number): void {
  const { id, stamp, value, expiresAt, added } = version;
  writer.bytes(id);
  writer.u64(stamp);
  writer.varint(authorNumber);
  writer.u8(
    (expiresAt === undefined ? 0 : marks.expires) + (added === undefined ? 0 : marks.added),
  );
  if (expiresAt !== undefined) writer.u64(expiresAt);
  if (added !== undefined) {
    const bytes = new Uint8Array(addedBytes);
    new DataView(bytes.buffer).setBigInt64(0, added);
    writer.bytes(bytes);
  }
  writer.sized(value === undefined ? new Uint8Array(0) : encodeCbor(value));
}

/** When winners expire, so that nothing has to be read to know what is next. */
function writeExpiries(writer: ByteWriter, lists: readonly (readonly HeldVersion[])[]): void {
  const expiries = lists.flatMap(([winner], index) =>
    winner?.expiresAt === undefined ? [] : [{ index, expiresAt: winner.expiresAt }],
  );
  writer.varint(expiries.length);
  for (const { index, expiresAt } of expiries) {
    writer.varint(index);
    writer.u64(expiresAt);
  }
}

/** `expiryKey` of each, or `undefined` when they are not of ascending keys. */
function readExpiries(reader: ByteReader, keys: readonly string[]): readonly string[] | undefined {
  const all: string[] = [];
  let before = -1;
  for (let count = reader.varint(); count > 0 && !reader.failed; count--) {
    const index = reader.varint();
    const key = keys[index];
    if (index <= before || key === undefined) return undefined;
    before = index;
    all.push(expiryKey(reader.u64(), key));
  }
  return reader.failed ? undefined : all;
}

/** The state in such bytes, or `undefined`. Versions are looked at when they are asked for. */
export function decodeState(input: Uint8Array): KvState | undefined {
  const reader = createByteReader(input);
  if (reader.u8() !== formatVersion) return undefined;
  const authors: AuthorId[] = [];
  for (let count = reader.varint(); count > 0 && !reader.failed; count--) {
    authors.push(toHex(reader.bytes(authorBytes)) as AuthorId); // Safe: 32 bytes in hex.
  }
  const keyCount = reader.varint();
  const text = fromUtf8(reader.sized(input.length));
  const table = reader.bytes(keyCount * 6);
  if (reader.failed || text === undefined) return undefined;
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const keys = keysIn(text, keyCount, view);
  if (keys === undefined) return undefined;
  const offsets = Uint32Array.from({ length: keyCount }, (_, index) =>
    view.getUint32(keyCount * 2 + index * 4),
  );
  const expiries = readExpiries(reader, keys);
  if (expiries === undefined) return undefined;
  const body = reader.bytes(reader.remaining);
  const get = (key: string): readonly HeldVersion[] | undefined => {
    const index = indexOf(keys, key);
    const offset = offsets[index];
    return offset === undefined ? undefined : readVersions(body, offset % absentBit, authors);
  };
  const present = keys.filter((_, index) => (offsets[index] ?? 0) < absentBit);
  const versions = createVersionTable({ keys, get });
  const expiring = createSortedKeys([...expiries].sort());
  return { versions, present: createSortedKeys(present), expiring };
}

/** Keys by their lengths in UTF-16 units; `undefined` unless they ascend and fill the text. */
function keysIn(text: string, count: number, lengths: DataView): readonly string[] | undefined {
  const keys: string[] = [];
  let at = 0;
  let before = "";
  for (let index = 0; index < count; index++) {
    const size = lengths.getUint16(index * 2);
    const key = text.slice(at, at + size);
    if (key <= before) return undefined;
    keys.push(key);
    before = key;
    at += size;
  }
  return at === text.length ? keys : undefined;
}

/** The index of a key, or -1. */
function indexOf(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return keys[low] === key ? low : -1;
}

function readAdded(reader: ByteReader): bigint {
  const bytes = reader.bytes(addedBytes);
  if (reader.failed) return 0n;
  return new DataView(bytes.buffer, bytes.byteOffset, addedBytes).getBigInt64(0);
}

/** What is there, winner first; empty for bytes that `encodeState` cannot have made. */
function readVersions(
  body: Uint8Array,
  offset: number,
  authors: readonly AuthorId[],
): readonly HeldVersion[] {
  const reader = createByteReader(body, offset);
  const held: HeldVersion[] = [];
  for (let count = reader.varint(); count > 0 && !reader.failed; count--) {
    const id = reader.bytes(versionBytes);
    const stamp = reader.u64();
    const author = authors[reader.varint()];
    const marked = reader.u8();
    const expiresAt = (marked & marks.expires) === 0 ? undefined : reader.u64();
    const added = (marked & marks.added) === 0 ? undefined : readAdded(reader);
    const encoded = reader.sized(body.length);
    const value = encoded.length === 0 ? undefined : decodeCbor(encoded);
    if (author === undefined || reader.failed) return [];
    held.push({ id, stamp, author, value, expiresAt, added });
  }
  return held.sort((a, b) => b.stamp - a.stamp || compareBytes(b.id, a.id));
}
