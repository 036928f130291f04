/**
 * A space's ranges in the order of their receipt, each sealed with the follow key
 * (docs/spec/relay-http.md §3). Layer 9.
 */
import {
  concatBytes,
  createByteReader,
  createByteWriter,
  equalBytes,
  fromBase64url,
  fromHex,
  toBase64url,
  toHex,
  utf8,
} from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { LogStore, StoredRange, Topic } from "@hawser/log";
import { sealOuter } from "@hawser/space";

/** Items of one page, and how many when nothing is said. */
export const pageItemsMax = 200;
export const pageItemsDefault = 50;
/** Compact bytes after which a page ends; its first item may be longer. */
const pageBytesMax = 1024 * 1024;
/** Compact bytes of the longest range that fits into an envelope whatever its padding. */
const envelopeRangeBytesMax = 14 * 1024 * 1024;
/** Items of a feed, which shows the newest only. */
export const feedItemsMax = 50;

/** One stored range, not sealed yet. */
export interface PullItem {
  /** A UUID that stays the same over rotations, restarts and backups. */
  readonly id: string;
  /** Where it stands; a page starts after it. */
  readonly cursor: string;
  readonly entries: number;
  readonly author: AuthorId;
  readonly range: StoredRange;
}

/** Items after a cursor. */
export interface PullPage {
  readonly items: readonly PullItem[];
  /** Where the next page starts; `undefined` when there is none and nothing was here. */
  readonly next: string | undefined;
  /** Whether there is more already. */
  readonly more: boolean;
}

/** Reads spaces for HTTP. */
export interface Puller {
  /** `undefined` for a cursor that is none of this space here. */
  page(
    topic: Topic,
    options: { readonly after: string | undefined; readonly limit: number },
  ): Promise<PullPage | undefined>;
  /** The newest items, newest first. */
  newest(topic: Topic): Promise<readonly PullItem[]>;
  /** The place of the newest item; 0 when there is none. */
  last(topic: Topic): Promise<number>;
  /** The item at a cursor, or `undefined`. */
  item(topic: Topic, cursor: string): Promise<PullItem | undefined>;
  /** The item's outer envelope; `undefined` where it is too long for one, and only sync has it. */
  seal(followKey: Uint8Array, item: PullItem): Uint8Array | undefined;
  /** Unix ms: what the author of its last entry claims. */
  timeOf(item: PullItem): Promise<number>;
  /** The opaque form of a place in the order of receipt. */
  cursorOf(topic: Topic, place: number): string;
  stop(): void;
}

export interface PullDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly random: Random;
  readonly relay: AuthorId;
}

/** Where the key of cursors is kept. A restored relay makes another: its order begins anew. */
export const cursorSecretKey = "relay/cursor-secret";

const nonceBytes = 24;
const cursorBytes = nonceBytes + 8 + 16;

/** Loads the key of cursors, or makes it. */
export async function openPuller(deps: PullDeps): Promise<Puller> {
  const { store, crypto } = deps;
  const secret = await cursorSecret(deps);
  const tails = createTails(store);
  /** Places of the newest item, as far as they are known: whoever has it need not be searched for. */
  const lastByTopic = new Map<Topic, number>();
  const unsubscribe = store.onCommit((ranges) => {
    for (const { context, cursor } of ranges) lastByTopic.set(context.topic, cursor);
  });
  const cursorOf = (topic: Topic, place: number): string =>
    sealCursor(crypto, keyOf(crypto, secret, topic), place);
  const placeOf = (topic: Topic, cursor: string): number | undefined =>
    openCursor(crypto, keyOf(crypto, secret, topic), cursor);
  const itemOf = (range: StoredRange): PullItem => ({
    id: itemId(deps, range),
    cursor: cursorOf(range.context.topic, range.cursor),
    entries: range.count,
    author: range.context.author,
    range,
  });
  const itemAt = async (topic: Topic, place: number): Promise<PullItem | undefined> => {
    for await (const range of store.received(topic, place - 1)) {
      return range.cursor === place ? itemOf(range) : undefined;
    }
    return undefined;
  };

  const page: Puller["page"] = async (topic, { after, limit }) => {
    const from = after === undefined ? 0 : placeOf(topic, after);
    if (from === undefined) return undefined;
    const known = lastByTopic.get(topic);
    if (known !== undefined && from >= known) return { items: [], next: after, more: false };
    const items: PullItem[] = [];
    let byteCount = 0;
    let more = false;
    for await (const range of store.received(topic, from)) {
      // Nobody could verify it alone. All that peers send is signed, and so are our own commits.
      if (!range.signed) break;
      byteCount += range.bytes.length;
      more = items.length >= limit || (items.length > 0 && byteCount > pageBytesMax);
      if (more) break;
      items.push(itemOf(range));
    }
    const last = items.at(-1)?.range.cursor ?? from;
    if (!more) lastByTopic.set(topic, Math.max(last, lastByTopic.get(topic) ?? 0));
    return { items, next: items.at(-1)?.cursor ?? after, more };
  };

  return {
    page,
    cursorOf,
    timeOf: ({ range }) => timeOf(store, range),
    newest: async (topic) => {
      const items: PullItem[] = [];
      let byteCount = 0;
      for (const place of (await tails.of(topic)).toReversed()) {
        const item = await itemAt(topic, place);
        byteCount += item?.range.bytes.length ?? 0;
        if (items.length > 0 && byteCount > pageBytesMax) break;
        if (item !== undefined) items.push(item);
      }
      return items;
    },
    last: async (topic) => lastByTopic.get(topic) ?? (await tails.of(topic)).at(-1) ?? 0,
    item: async (topic, cursor) => {
      const place = placeOf(topic, cursor);
      return place === undefined || place < 1 ? undefined : itemAt(topic, place);
    },
    seal: (followKey, { range: { context, from, count, bytes } }) => {
      if (bytes.length > envelopeRangeBytesMax) return undefined;
      return sealOuter(deps, followKey, { kind: "range", range: { context, from, count, bytes } });
    },
    stop: () => {
      unsubscribe();
      tails.stop();
    },
  };
}

/** The places of each space's newest ranges, searched for once and then kept up. */
interface Tails {
  /** Ascending, at most `feedItemsMax`. */
  of(topic: Topic): Promise<readonly number[]>;
  stop(): void;
}

function createTails(store: LogStore): Tails {
  const tailByTopic = new Map<Topic, { places: readonly number[]; ready: Promise<void> }>();
  const add = (topic: Topic, places: readonly number[]): void => {
    const tail = tailByTopic.get(topic);
    if (tail === undefined) return;
    const all = new Set([...tail.places, ...places]);
    tail.places = [...all].sort((a, b) => a - b).slice(-feedItemsMax);
  };
  const search = async (topic: Topic): Promise<void> => {
    for (const { logId, height, prunedTo } of await store.heads(topic)) {
      const places: number[] = [];
      // A range holds an entry at least: the newest ranges are among the newest entries.
      const from = Math.max(prunedTo, height - feedItemsMax);
      for await (const { cursor } of store.ranges(logId, { from })) places.push(cursor);
      add(topic, places);
    }
  };
  const unsubscribe = store.onCommit((ranges) => {
    for (const { context, cursor } of ranges) add(context.topic, [cursor]);
  });
  return {
    of: async (topic) => {
      let tail = tailByTopic.get(topic);
      if (tail === undefined) {
        tail = { places: [], ready: Promise.resolve() };
        tailByTopic.set(topic, tail);
        tail.ready = search(topic);
        // A search that failed is made again by whoever comes next.
        tail.ready.catch(() => tailByTopic.delete(topic));
      }
      await tail.ready;
      return tail.places;
    },
    stop: unsubscribe,
  };
}

async function cursorSecret({ store, random }: PullDeps): Promise<Uint8Array> {
  const stored = await store.get(cursorSecretKey);
  if (stored !== undefined) return stored;
  const secret = random(32);
  await store.commit({ writes: [{ key: cursorSecretKey, value: secret }] });
  return secret;
}

function keyOf(crypto: Crypto, secret: Uint8Array, topic: Topic): Uint8Array {
  return crypto.deriveKey("hawser relay cursor v1", concatBytes(secret, hexBytes(topic)));
}

/** Sealed, since receive order counts what all spaces here receive; synthetic, so it is stable. */
function sealCursor(crypto: Crypto, key: Uint8Array, place: number): string {
  const writer = createByteWriter(8);
  writer.u64(place);
  const plaintext = writer.finish();
  const nonce = crypto.keyedHash(key, plaintext).subarray(0, nonceBytes);
  return toBase64url(concatBytes(nonce, crypto.seal(key, nonce, plaintext, utf8("cursor"))));
}

function openCursor(crypto: Crypto, key: Uint8Array, text: string): number | undefined {
  const bytes = text.length > 2 * cursorBytes ? undefined : fromBase64url(text);
  if (bytes?.length !== cursorBytes) return undefined;
  const [nonce, sealed] = [bytes.subarray(0, nonceBytes), bytes.subarray(nonceBytes)];
  const plaintext = crypto.open(key, nonce, sealed, utf8("cursor"));
  if (plaintext === undefined) return undefined;
  if (!equalBytes(nonce, crypto.keyedHash(key, plaintext).subarray(0, nonceBytes)))
    return undefined;
  return createByteReader(plaintext).u64();
}

/** A UUID of version 8 (RFC 9562 §5.8) from what the range is. */
function itemId({ crypto, relay }: PullDeps, { context, logId, from, count }: StoredRange): string {
  const writer = createByteWriter();
  for (const id of [context.topic, relay, logId]) writer.bytes(hexBytes(id));
  writer.u64(from);
  writer.u64(count);
  return toUuid(crypto.deriveKey("hawser relay item v1", writer.finish(), 16));
}

/** 16 bytes as a UUID of version 8. */
export function toUuid(bytes: Uint8Array): string {
  const marked = bytes.slice(0, 16);
  marked[6] = ((marked[6] ?? 0) & 0x0f) | 0x80;
  marked[8] = ((marked[8] ?? 0) & 0x3f) | 0x80;
  return toHex(marked).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

async function timeOf(store: LogStore, { logId, from, count }: StoredRange): Promise<number> {
  const last = from + count - 1;
  for await (const { stamp } of store.entries(logId, { from: last, to: last + 1 })) {
    return Math.floor(stamp / 1_000);
  }
  // Pruned between the two reads.
  return 0;
}

function hexBytes(id: string): Uint8Array {
  const bytes = fromHex(id);
  // Safe by their brands: all ids here are hex.
  if (bytes === undefined) throw new TypeError("an id is not hex");
  return bytes;
}
