/**
 * Which entries name a packet of a detached body (docs/spec/6-space.md §15.4, §15.6). Kept in the store,
 * so that each entry is read for it once. Layer 5, internal.
 */
import { decodeCbor, encodeCbor, toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { Entry, KvWrite, LogId, LogStore, Topic } from "@hawser/log";
import { bodyPrefix } from "./body-depot.ts";
import { parseEnvelope } from "./layers.ts";
import { createQueue } from "./queue.ts";
import type { EntryRef } from "./types.ts";
import { dataDomain } from "./words.ts";

/** A detached body by the entry that names it: what anybody sees who has the entry. */
export interface NamedBody extends EntryRef {
  readonly author: AuthorId;
  /** Of the entry. */
  readonly hash: Uint8Array;
  /** Hash of the chunks' root. */
  readonly root: Uint8Array;
  /** With padding. */
  readonly byteCount: number;
  /** Hash of the packet with the key. */
  readonly keyPacket: Uint8Array;
}

/** Bodies by the hashes that entries name. */
export interface BodyIndex {
  /** Entries that name this hash, as a root or as a key packet. */
  of(hash: Uint8Array): Promise<readonly NamedBody[]>;
  /** Takes in what came since. */
  catchUp(): Promise<void>;
}

/** What is written by one commit. */
const batchWrites = 512;
/** Ranges that name no body, after which the cursor is written down all the same. */
const idleRangesMax = 1_024;

/**
 * The index of a topic. `alsoWrite` adds to the commit that takes a body in, which happens once for
 * each: what it notes is there whenever the index has the body.
 */
export function createBodyIndex(
  deps: { readonly store: LogStore; readonly topic: Topic },
  alsoWrite: (body: NamedBody) => readonly KvWrite[],
): BodyIndex {
  const { store, topic } = deps;
  const queue = createQueue();
  const cursorKey = `${bodyPrefix(topic)}cursor`;
  const prefixOf = (hash: Uint8Array): string => namedPrefix(topic, hash);
  let cursor: number | undefined;
  // Since the cursor was written down.
  let idleRanges = 0;

  const writesOf = (body: NamedBody): readonly KvWrite[] => {
    const value = encodeNamedBody(body);
    const named = namesWithout(topic, body).map(({ key }) => ({ key, value }));
    return [...named, ...alsoWrite(body)];
  };
  const catchUp = async (): Promise<void> => {
    cursor ??= readCursor(await store.get(cursorKey));
    let writes: KvWrite[] = [];
    const save = async (upTo: number): Promise<void> => {
      await store.commit({ writes: [...writes, { key: cursorKey, value: encodeCbor([upTo]) }] });
      writes = [];
      cursor = upTo;
      idleRanges = 0;
    };
    let seen = cursor;
    for await (const range of store.received(topic, cursor)) {
      const { context, logId, from, count } = range;
      if (context.domain === dataDomain) {
        for await (const entry of store.entries(logId, { from, to: from + count })) {
          const body = namedBodyOf(context.author, logId, entry);
          if (body !== undefined) writes.push(...writesOf(body));
        }
      }
      seen = range.cursor;
      idleRanges += 1;
      if (writes.length >= batchWrites) await save(seen);
    }
    // A little that named no body is cheap to look at again: no commit for that alone.
    if (writes.length > 0 || idleRanges >= idleRangesMax) await save(seen);
    cursor = seen;
  };
  return {
    catchUp: () => queue.run(catchUp),
    of: async (hash) => {
      await queue.run(catchUp);
      const listed = await store.list(prefixOf(hash));
      return listed.flatMap(({ value }) => decodeNamedBody(value) ?? []);
    },
  };
}

function namedPrefix(topic: Topic, hash: Uint8Array): string {
  return `${bodyPrefix(topic)}named/${toHex(hash)}/`;
}

/** What takes a body out of the index. */
export function namesWithout(topic: Topic, body: NamedBody): readonly KvWrite[] {
  return [body.root, body.keyPacket].map((hash) => ({
    key: `${namedPrefix(topic, hash)}${body.logId}/${body.seq}`,
    value: undefined,
  }));
}

/** The detached body of an entry, as anybody sees it; `undefined` for none. */
export function namedBodyOf(author: AuthorId, logId: LogId, entry: Entry): NamedBody | undefined {
  const { seq, hash, body } = entry;
  const keyPacket = body && parseEnvelope(entry.data)?.keyPacket;
  if (body === undefined || keyPacket === undefined) return undefined;
  return { logId, seq, author, hash, root: body.hash, byteCount: body.byteCount, keyPacket };
}

/** As it is kept. */
export function encodeNamedBody(body: NamedBody): Uint8Array {
  const { logId, seq, author, hash, root, byteCount, keyPacket } = body;
  return encodeCbor([logId, seq, author, hash, root, byteCount, keyPacket]);
}

/** `undefined` for a record that is damaged. */
export function decodeNamedBody(value: Uint8Array): NamedBody | undefined {
  const decoded = decodeCbor(value);
  if (!Array.isArray(decoded)) return undefined;
  const [logId, seq, author, hash, root, byteCount, keyPacket] = decoded as readonly unknown[];
  const isNumbers = typeof seq === "number" && typeof byteCount === "number";
  const isIds = typeof logId === "string" && typeof author === "string";
  if (!isNumbers || !isIds || !(hash instanceof Uint8Array)) return undefined;
  if (!(root instanceof Uint8Array) || !(keyPacket instanceof Uint8Array)) return undefined;
  // Safe: written by `encodeNamedBody` alone.
  return {
    logId: logId as LogId,
    seq,
    author: author as AuthorId,
    hash,
    root,
    byteCount,
    keyPacket,
  };
}

function readCursor(value: Uint8Array | undefined): number {
  const decoded = value === undefined ? undefined : decodeCbor(value);
  const [cursor] = Array.isArray(decoded) ? (decoded as readonly unknown[]) : [];
  return typeof cursor === "number" ? cursor : 0;
}
