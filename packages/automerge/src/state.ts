/**
 * What members have put under keys (docs/spec/automerge.md §3). Everybody's values stand side by side:
 * nobody overwrites or removes those of others, so any causal order gives the same. Layer 7, pure.
 */
import { concatBytes, decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { View, ViewEvent } from "@hawser/view";
import { eventType, isKey, parseBody, type Body, type Key } from "./body.ts";

/** One value of one author. */
export interface Chunk {
  readonly key: Key;
  readonly author: AuthorId;
  readonly logId: string;
  /** Where its first and its last piece stand in the log. */
  readonly from: number;
  readonly seq: number;
  readonly data: Uint8Array;
}

interface Pieces {
  readonly key: Key;
  readonly from: number;
  readonly bytes: readonly Uint8Array[];
}

/** Values by first part of their key, then by key and author. */
export interface AutomergeState {
  readonly chunks: Map<string, Map<string, Chunk>>;
  /** Log id → what is not whole yet. */
  readonly pieces: Map<string, Pieces>;
}

const version = 2;

/** The name of a value among those of its first part. */
export function nameOf(key: Key, author: string): string {
  return JSON.stringify([...key, author]);
}

/** The reducer. */
export const automergeView: View<AutomergeState> = {
  name: "automerge",
  version,
  types: [eventType],
  commutative: true,
  init: () => ({ chunks: new Map(), pieces: new Map() }),
  apply: (state, event) => {
    const body = parseBody(event.body);
    if (body?.kind === "remove") {
      for (const key of body.keys) remove(state, key, event.author);
    }
    if (body?.kind === "put") put(state, event, body);
    return state;
  },
  encode: (state) => {
    const chunks = [...state.chunks.values()].flatMap((group) => [...group]);
    chunks.sort(([a], [b]) => (a < b ? -1 : 1));
    const pieces = [...state.pieces].sort(([a], [b]) => (a < b ? -1 : 1));
    return encodeCbor([
      version,
      chunks.map(([, { key, author, logId, from, seq, data }]): CborValue => {
        return [[...key], author, logId, from, seq, data];
      }),
      pieces.map(([logId, { key, from, bytes }]): CborValue => {
        return [logId, [...key], from, [...bytes]];
      }),
    ]);
  },
  decode: (bytes) => decodeState(decodeCbor(bytes)),
  superseded: (state, event) => !isHeld(state, event),
};

/** Whether an event is in what is there: removals leave nothing, nor do values that were replaced. */
function isHeld(state: AutomergeState, { body, author, logId, seq }: ViewEvent): boolean {
  const parsed = parseBody(body);
  if (parsed?.kind !== "put") return false;
  const open = state.pieces.get(logId);
  if (open !== undefined && seq >= open.from) return true;
  const chunk = state.chunks.get(parsed.key[0] ?? "")?.get(nameOf(parsed.key, author));
  return chunk?.logId === logId && seq >= chunk.from && seq <= chunk.seq;
}

function put(
  state: AutomergeState,
  { author, logId, seq }: ViewEvent,
  body: Extract<Body, { readonly kind: "put" }>,
): void {
  const whole = joinPieces(state, { logId, seq }, body);
  if (whole !== undefined) addChunk(state, { key: body.key, author, logId, seq, ...whole });
}

function addChunk(state: AutomergeState, chunk: Chunk): void {
  const [first = ""] = chunk.key;
  const group = state.chunks.get(first) ?? new Map<string, Chunk>();
  state.chunks.set(first, group);
  group.set(nameOf(chunk.key, chunk.author), chunk);
}

function remove(state: AutomergeState, key: Key, author: AuthorId): void {
  const [first = ""] = key;
  const group = state.chunks.get(first);
  group?.delete(nameOf(key, author));
  if (group?.size === 0) state.chunks.delete(first);
}

/** The value, once it is whole. Pieces come one after another; others are dropped. */
function joinPieces(
  state: AutomergeState,
  { logId, seq }: Pick<ViewEvent, "logId" | "seq">,
  { key, bytes, index, count }: Extract<Body, { readonly kind: "put" }>,
): Pick<Chunk, "from" | "data"> | undefined {
  const known = state.pieces.get(logId);
  state.pieces.delete(logId);
  if (count === 1) return { from: seq, data: bytes };
  const isNext = known?.bytes.length === index && nameOf(known.key, "") === nameOf(key, "");
  if (index > 0 && !isNext) return undefined;
  const pieces = [...(index > 0 && known !== undefined ? known.bytes : []), bytes];
  const from = index > 0 && known !== undefined ? known.from : seq;
  if (pieces.length === count) return { from, data: concatBytes(...pieces) };
  state.pieces.set(logId, { key, from, bytes: pieces });
  return undefined;
}

/** Only `encode` makes these bytes, so they are trusted as far as their form goes. */
function decodeState(fields: CborValue | undefined): AutomergeState | undefined {
  if (!Array.isArray(fields) || fields.length !== 3 || fields[0] !== version) return undefined;
  const [, chunks, pieces]: readonly CborValue[] = fields;
  if (!Array.isArray(chunks) || !Array.isArray(pieces)) return undefined;
  const state = automergeView.init();
  for (const item of chunks as readonly CborValue[]) {
    if (!Array.isArray(item)) return undefined;
    const [key, author, logId, from, seq, data]: readonly CborValue[] = item;
    if (!isKey(key) || typeof author !== "string" || typeof logId !== "string") return undefined;
    if (typeof from !== "number" || typeof seq !== "number") return undefined;
    if (!(data instanceof Uint8Array)) return undefined;
    // Safe: `encode` wrote an author id.
    addChunk(state, { key, author: author as AuthorId, logId, from, seq, data });
  }
  for (const item of pieces as readonly CborValue[]) {
    if (!Array.isArray(item)) return undefined;
    const [logId, key, from, bytes]: readonly CborValue[] = item;
    if (typeof logId !== "string" || !isKey(key) || !Array.isArray(bytes)) return undefined;
    if (typeof from !== "number") return undefined;
    // Safe: `encode` wrote pieces.
    state.pieces.set(logId, { key, from, bytes: bytes as Uint8Array[] });
  }
  return state;
}
