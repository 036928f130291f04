/**
 * Snapshots in bytes (docs/spec/view.md §1, §3): the state of a view behind a frontier, and what it
 * takes to go on from there. Pure.
 */
import {
  compareBytes,
  createByteReader,
  createByteWriter,
  decodeCbor,
  encodeCbor,
  equalBytes,
  fromHex,
  toHex,
  type CborValue,
} from "@hawser/codec";
import type { SourceMark, View, ViewEvent } from "./types.ts";

/** Where an event stands in the total order. */
export type OrderPlace = Pick<ViewEvent, "stamp" | "hash">;

/** A state to fold on from. */
export interface FoldStart {
  /** The encoded state. */
  readonly state: Uint8Array;
  /** The last event in it, in total order; `undefined` when it has none. */
  readonly last: OrderPlace | undefined;
  /** Events in it. */
  readonly count: number;
}

/** The state of a view as of a mark of its source. */
export interface ViewSnapshot extends FoldStart {
  readonly view: string;
  readonly version: number;
  readonly mark: Omit<SourceMark, "isShareable">;
}

const formatVersion = 1;

/**
 * The bytes of a snapshot. Without `withLocal` they are the same on every peer that folded the same
 * events; with it they hold what this device alone knows.
 */
export function encodeSnapshot(snapshot: ViewSnapshot, withLocal: boolean): Uint8Array {
  const { mark, last } = snapshot;
  const heights = [...mark.frontier]
    .filter(([, height]) => height > 0)
    .map(([logId, height]) => ({ id: fromHex(logId) ?? new Uint8Array(0), height }))
    .sort((a, b) => compareBytes(a.id, b.id));
  const header: CborValue = [
    snapshot.view,
    snapshot.version,
    snapshot.count,
    heights.map(({ id, height }) => [id, height]),
    mark.judged,
    last === undefined ? null : [last.stamp, last.hash],
    withLocal ? mark.local : null,
  ];
  const writer = createByteWriter(snapshot.state.length + 256);
  writer.u8(formatVersion);
  writer.sized(encodeCbor(header));
  writer.bytes(snapshot.state);
  return writer.finish();
}

/** The snapshot in such bytes, or `undefined`. Its state is not looked at. */
export function decodeSnapshot(bytes: Uint8Array): ViewSnapshot | undefined {
  const reader = createByteReader(bytes);
  if (reader.u8() !== formatVersion) return undefined;
  const header = decodeCbor(reader.sized(bytes.length));
  if (reader.failed || !Array.isArray(header) || header.length !== 7) return undefined;
  const [view, version, count, heights, judged, place, local] = header as readonly CborValue[];
  if (typeof view !== "string" || typeof version !== "number" || typeof count !== "number") {
    return undefined;
  }
  const frontier = frontierOf(heights);
  const last = placeOf(place);
  if (frontier === undefined || last === "bad" || !(judged instanceof Uint8Array)) return undefined;
  if (!(local instanceof Uint8Array) && local !== null) return undefined;
  const mark = { frontier, judged, local: local ?? nothingLocal };
  return { view, version, count, mark, last, state: reader.bytes(reader.remaining) };
}

/** What a device says that opened everything: `CBOR [1, [], false]` (docs/spec/view.md §2). */
const nothingLocal: Uint8Array = encodeCbor([1, [], false]);

function frontierOf(value: CborValue | undefined): ReadonlyMap<string, number> | undefined {
  if (!Array.isArray(value)) return undefined;
  const frontier = new Map<string, number>();
  let before = new Uint8Array(0);
  for (const item of value as readonly CborValue[]) {
    if (!Array.isArray(item)) return undefined;
    const [id, height] = item as readonly CborValue[];
    if (!(id instanceof Uint8Array) || typeof height !== "number" || height < 1) return undefined;
    if (id.length !== 32 || compareBytes(before, id) >= 0) return undefined;
    before = new Uint8Array(id);
    frontier.set(toHex(id), height);
  }
  return frontier;
}

function placeOf(value: CborValue | undefined): OrderPlace | "bad" | undefined {
  if (value === null) return undefined;
  if (!Array.isArray(value)) return "bad";
  const [stamp, hash] = value as readonly CborValue[];
  const isPlace = typeof stamp === "number" && hash instanceof Uint8Array && hash.length === 32;
  return isPlace ? { stamp, hash } : "bad";
}

/**
 * The state in a snapshot, if it is of this view and version and encodes to the very same bytes; else
 * `undefined`, and the view is folded from its events.
 */
export function stateOf<State>(
  view: View<State>,
  snapshot: ViewSnapshot,
  isOwn: boolean,
): State | undefined {
  if (snapshot.view !== view.name || snapshot.version !== view.version) return undefined;
  const state = view.decode(snapshot.state);
  if (state === undefined || isOwn) return state;
  // Other people's bytes: a second spelling of a state would have a hash of its own.
  return equalBytes(view.encode(state), snapshot.state) ? view.decode(snapshot.state) : undefined;
}
