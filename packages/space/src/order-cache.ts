/**
 * Keeps what a space's sequencer knows between two openings, and what compaction leaves of pruned
 * logs (docs/spec/view.md §6, §7). Layer 5, internal.
 *
 *   cache/<topic>/order      image of the sequencer; may be missing, old or bad
 *   cache/<topic>/compacted  image, frontier and kept events; what was pruned is in no other place
 */
import {
  createByteReader,
  createByteWriter,
  fromHex,
  fromUtf8,
  toHex,
  utf8,
  type ByteReader,
} from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { KvWrite, LogId, LogStore, Topic } from "@hawser/log";
import { decodeImage, encodeImage, type OrderImage } from "./order-image.ts";
import type { Vault } from "./vault.ts";

/** An event that stays when its entry goes. */
export interface KeptEvent {
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly seq: number;
  readonly stamp: number;
  readonly hash: Uint8Array;
  readonly type: string;
  readonly sequence: string | undefined;
  readonly body: Uint8Array;
  /** To whom the body was sealed; `undefined`: to all readers. */
  readonly recipients: readonly AuthorId[] | undefined;
  /** Set when the body stands beside the entry, which is kept then. */
  readonly detachedBytes: number | undefined;
}

/** What stands in for pruned entries on this device. */
export interface Compacted {
  /** Entries before these heights are gone, or will be. */
  readonly frontier: ReadonlyMap<LogId, number>;
  /** In release order. */
  readonly events: readonly KeptEvent[];
  /** How those were judged who are gone, and what of them did not open (marks.ts). */
  readonly judged: Uint8Array;
  readonly local: Uint8Array;
  readonly image: OrderImage;
}

/** Entries released since the last image that make another one worth its while. */
const releasedMin = 1_024;
const releasedMinAtClose = 256;

const compactedVersion = 2;

/** Where the pieces are kept. */
export const cachePrefix = (topic: Topic): string => `cache/${topic}/`;

/** The cache of one space. */
export interface OrderCache {
  readonly compacted: Compacted | undefined;
  /** The newest image to go on from. */
  image(): OrderImage | undefined;
  /** Was enough released since the last image for another one? Less will do before closing. */
  isDue(released: number, isClosing: boolean): boolean;
  /** Remembers an image of so many released entries. */
  save(released: number, image: OrderImage | undefined): Promise<void>;
  /** Makes the compaction last; the caller prunes afterwards. */
  compact(compacted: Compacted): Promise<void>;
}

/** Opens the cache. What does not read is taken for missing. */
export async function openOrderCache(
  parts: { readonly store: LogStore; readonly vault: Vault },
  topic: Topic,
): Promise<OrderCache> {
  const { store, vault } = parts;
  const orderKey = `${cachePrefix(topic)}order`;
  const compactedKey = `${cachePrefix(topic)}compacted`;
  const read = async (key: string): Promise<Uint8Array | undefined> => {
    const value = await store.get(key);
    return value === undefined ? undefined : vault.open(key, value);
  };
  const stored = await read(orderKey);
  const kept = await read(compactedKey);
  let latest = stored === undefined ? undefined : decodeImage(stored);
  let compacted = kept === undefined ? undefined : decodeCompacted(kept);
  let saved = countOf(latest ?? compacted?.image);
  return {
    get compacted() {
      return compacted;
    },
    image: () => latest ?? compacted?.image,
    isDue: (released, isClosing) =>
      released - saved >= (isClosing ? releasedMinAtClose : Math.max(releasedMin, saved >> 3)),
    save: async (released, image) => {
      saved = released;
      if (image === undefined) return;
      await store.commit({ writes: [vault.write(orderKey, encodeImage(image))] });
    },
    compact: async (next) => {
      compacted = next;
      latest = undefined;
      const image: KvWrite = { key: orderKey, value: undefined };
      const write = vault.write(compactedKey, encodeCompacted(next));
      await store.commit({ writes: [image, write] });
    },
  };
}

function countOf(image: OrderImage | undefined): number {
  return image?.logs.reduce((sum, log) => sum + log.released, 0) ?? 0;
}

function encodeCompacted({ frontier, events, judged, local, image }: Compacted): Uint8Array {
  const writer = createByteWriter(4_096);
  const id = (hex: string): void => writer.bytes(fromHex(hex) ?? new Uint8Array(32));
  writer.u8(compactedVersion);
  writer.varint(frontier.size);
  for (const [logId, height] of frontier) {
    id(logId);
    writer.varint(height);
  }
  writer.varint(events.length);
  for (const event of events) {
    id(event.logId);
    id(event.author);
    writer.varint(event.seq);
    writer.varint(event.stamp);
    writer.bytes(event.hash);
    writer.sized(utf8(event.type));
    writer.sized(utf8(event.sequence ?? ""));
    writer.sized(event.body);
    writer.varint(event.recipients === undefined ? 0 : event.recipients.length + 1);
    for (const recipient of event.recipients ?? []) id(recipient);
    writer.varint(event.detachedBytes === undefined ? 0 : event.detachedBytes + 1);
  }
  writer.sized(judged);
  writer.sized(local);
  writer.sized(encodeImage(image));
  return writer.finish();
}

function decodeCompacted(bytes: Uint8Array): Compacted | undefined {
  const reader = createByteReader(bytes);
  if (reader.u8() !== compactedVersion) return undefined;
  const frontier = new Map<LogId, number>();
  // Safe: only `encodeCompacted` makes these bytes, from ids.
  for (let count = reader.varint(); count > 0 && !reader.failed; count--) {
    const logId = toHex(reader.bytes(32)) as LogId;
    frontier.set(logId, reader.varint());
  }
  const events: KeptEvent[] = [];
  for (let count = reader.varint(); count > 0 && !reader.failed; count--) {
    events.push(readKept(reader, bytes.length));
  }
  const judged = reader.sized(bytes.length).slice();
  const local = reader.sized(bytes.length).slice();
  const image = decodeImage(reader.sized(bytes.length));
  if (!reader.finished || image === undefined) return undefined;
  return { frontier, events, judged, local, image };
}

function readKept(reader: ByteReader, bytesMax: number): KeptEvent {
  const logId = toHex(reader.bytes(32)) as LogId;
  const author = toHex(reader.bytes(32)) as AuthorId;
  const seq = reader.varint();
  const stamp = reader.varint();
  const hash = reader.bytes(32).slice();
  const type = fromUtf8(reader.sized(bytesMax)) ?? "";
  const sequence = fromUtf8(reader.sized(bytesMax)) ?? "";
  const body = reader.sized(bytesMax).slice();
  const recipients = readRecipients(reader);
  const detached = reader.varint();
  return {
    logId,
    author,
    seq,
    stamp,
    hash,
    type,
    sequence: sequence === "" ? undefined : sequence,
    body,
    recipients,
    detachedBytes: detached === 0 ? undefined : detached - 1,
  };
}

function readRecipients(reader: ByteReader): readonly AuthorId[] | undefined {
  const count = reader.varint();
  if (count === 0) return undefined;
  const recipients: AuthorId[] = [];
  // Safe: as above.
  while (recipients.length < count - 1 && !reader.failed) {
    recipients.push(toHex(reader.bytes(32)) as AuthorId);
  }
  return recipients;
}
