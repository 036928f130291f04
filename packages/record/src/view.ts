/**
 * The view of smart records (docs/spec/record.md §6): one document for each key and author. An
 * author's entries come in the order of its log and touch nobody else's documents, so the order
 * between authors does not matter and the kernel never rewinds.
 */
import { decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { EventRef, View, ViewEvent } from "@hawser/view";
import { applyOp } from "./apply.ts";
import type { RefusalCode } from "./errors.ts";
import { decodeHeld, encodeHeld } from "./held-bytes.ts";
import { aliveAt, type HeldDict } from "./held.ts";
import { refusalsMax } from "./limits.ts";
import { isRefusal } from "./merge.ts";
import { decodeOp, eventType, isKey } from "./ops.ts";
import type { RecordNode } from "./types.ts";

/** An entry that changed nothing, and why. */
export interface RefusedEntry extends EventRef {
  readonly author: AuthorId;
  /** "" when the bytes are no op at all. */
  readonly key: string;
  readonly code: RefusalCode;
  /** Where in the document it was found. */
  readonly path: readonly RecordNode[];
}

/** What is known of one author. */
interface AuthorState {
  /** Stamp of its newest entry: what expired before can never count again. */
  stamp: number;
  /** Keys under which it has documents, expired ones included until they are collected. */
  readonly keys: Set<string>;
  /** The newest refusals; for people, and no part of the encoding. */
  refusals: readonly RefusedEntry[];
}

/** Documents by key and author. */
export interface RecordState {
  readonly documents: Map<string, Map<AuthorId, HeldDict>>;
  readonly authors: Map<AuthorId, AuthorState>;
}

const version = 1;

/** The reducer. */
export const recordView: View<RecordState> = {
  name: "record",
  version,
  types: [eventType],
  commutative: true,
  init: () => ({ documents: new Map(), authors: new Map() }),
  apply: applyEvent,
  encode: encodeState,
  decode: decodeState,
};

function applyEvent(state: RecordState, event: ViewEvent): RecordState {
  const author = authorOf(state, event.author);
  author.stamp = Math.max(author.stamp, event.stamp);
  const verdict = decodeOp(event.body, event.stamp);
  if (!verdict.ok) {
    refuse(author, event, { key: verdict.key, code: verdict.reason, path: [] });
    return state;
  }
  const { op } = verdict;
  const result = applyOp(state.documents.get(op.key)?.get(event.author), op, event.stamp);
  if (result !== undefined && isRefusal(result)) {
    refuse(author, event, { key: op.key, code: result.refused, path: result.path });
  } else {
    setDocument(state, op.key, event.author, result);
  }
  return state;
}

function authorOf(state: RecordState, name: AuthorId): AuthorState {
  const known = state.authors.get(name);
  if (known !== undefined) return known;
  const author: AuthorState = { stamp: 0, keys: new Set(), refusals: [] };
  state.authors.set(name, author);
  return author;
}

function refuse(
  author: AuthorState,
  event: ViewEvent,
  why: Pick<RefusedEntry, "key" | "code" | "path">,
): void {
  const entry = { author: event.author, logId: event.logId, seq: event.seq, ...why };
  author.refusals = [...author.refusals.slice(1 - refusalsMax), entry];
}

function setDocument(
  state: RecordState,
  key: string,
  author: AuthorId,
  document: HeldDict | undefined,
): void {
  const byAuthor = state.documents.get(key) ?? new Map<AuthorId, HeldDict>();
  const { keys } = authorOf(state, author);
  if (document === undefined) {
    byAuthor.delete(author);
    keys.delete(key);
  } else {
    byAuthor.set(author, document);
    keys.add(key);
  }
  if (byAuthor.size === 0) state.documents.delete(key);
  else state.documents.set(key, byAuthor);
}

/**
 * Takes out what had expired by its own author's newest stamp. No later entry can be older, so this
 * changes nothing that anybody will ever see. Returns how many documents went.
 */
export function collect(state: RecordState): number {
  let goneCount = 0;
  for (const author of state.authors.keys()) goneCount += collectFrom(state, author);
  return goneCount;
}

/** The same for one author. */
export function collectFrom(state: RecordState, name: AuthorId): number {
  const { keys, stamp } = authorOf(state, name);
  let goneCount = 0;
  for (const key of keys) {
    const document = state.documents.get(key)?.get(name);
    const alive = document === undefined ? undefined : aliveAt(document, stamp);
    if (alive === document) continue;
    if (alive === undefined) goneCount += 1;
    setDocument(state, key, name, alive);
  }
  return goneCount;
}

/** Sorted, and without what `collect` takes out: the same bytes on every peer. */
function encodeState(state: RecordState): Uint8Array {
  const items = [...state.authors.keys()].sort().map((author): CborValue => {
    const { stamp, keys } = authorOf(state, author);
    const documents = [...keys].sort().flatMap((key): readonly CborValue[] => {
      const document = state.documents.get(key)?.get(author);
      const alive = document === undefined ? undefined : aliveAt(document, stamp);
      return alive === undefined ? [] : [[key, encodeHeld(alive)]];
    });
    return [author, stamp, documents];
  });
  return encodeCbor([version, items]);
}

function decodeState(bytes: Uint8Array): RecordState | undefined {
  const fields = decodeCbor(bytes);
  if (!Array.isArray(fields) || fields.length !== 2 || fields[0] !== version) return undefined;
  const [, authors]: readonly CborValue[] = fields;
  if (!Array.isArray(authors)) return undefined;
  const state = recordView.init();
  for (const item of authors as readonly CborValue[]) {
    if (!readAuthor(state, item)) return undefined;
  }
  return state;
}

function readAuthor(state: RecordState, item: CborValue): boolean {
  if (!Array.isArray(item) || item.length !== 3) return false;
  const [name, stamp, documents]: readonly CborValue[] = item;
  if (typeof name !== "string" || typeof stamp !== "number" || !Array.isArray(documents)) {
    return false;
  }
  // Safe: only `encode` makes these bytes, from an AuthorId.
  const author = name as AuthorId;
  authorOf(state, author).stamp = stamp;
  for (const fields of documents as readonly CborValue[]) {
    if (!Array.isArray(fields) || fields.length !== 2) return false;
    const [key, body]: readonly CborValue[] = fields;
    if (!isKey(key) || !(body instanceof Uint8Array)) return false;
    const verdict = decodeHeld(body, stamp);
    if (!verdict.ok) return false;
    setDocument(state, key, author, verdict.held);
  }
  return true;
}
