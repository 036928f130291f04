/**
 * Snapshots that all peers make alike (docs/spec/view.md §1, §4): the state after the first 1,000,
 * 2,000, … events in total order. Making them, publishing them, and checking somebody else's.
 */
import { equalBytes } from "@hawser/codec";
import { ViewError } from "./errors.ts";
import type { ViewDeps } from "./open.ts";
import { compareEvents } from "./order.ts";
import { decodeSnapshot, encodeSnapshot, stateOf, type ViewSnapshot } from "./snapshot.ts";
import { foldAll, isFolded, readStored, type StoredEvents } from "./stored.ts";
import type { EventRef, SourceMark, View, ViewEvent } from "./types.ts";

export interface MakeSnapshotOptions {
  /** Events between two snapshots, ≥ 1; default 1,000. All peers have to say the same. */
  readonly everyEvents?: number;
  /** Only the first so many events; default as many as there are. */
  readonly countMax?: number;
  readonly signal?: AbortSignal;
}

/** A snapshot that every peer with the same events makes with the same bytes. */
export interface CommonSnapshot {
  readonly bytes: Uint8Array;
  /** Events in it: a multiple of `everyEvents`. */
  readonly count: number;
  /** `logId → height` of these events. */
  readonly frontier: ReadonlyMap<string, number>;
  readonly mark: SourceMark;
}

export const commonEveryEvents = 1_000;

function readView<State>(
  deps: ViewDeps,
  view: View<State>,
  signal: AbortSignal | undefined,
): Promise<StoredEvents> {
  return readStored(deps, view.name, (event) => isFolded(view, event), signal);
}

function frontierOf(events: readonly ViewEvent[]): ReadonlyMap<string, number> {
  const frontier = new Map<string, number>();
  for (const { logId, seq } of events) {
    frontier.set(logId, Math.max(frontier.get(logId) ?? 0, seq + 1));
  }
  return frontier;
}

/**
 * The newest common snapshot of a view, or `undefined` while there are fewer events than one takes.
 * Reads the source once. Throws ViewError VIEW_SOURCE_FAILED, VIEW_CLOSED.
 */
export async function makeSnapshot<State>(
  deps: ViewDeps,
  view: View<State>,
  options: MakeSnapshotOptions = {},
): Promise<CommonSnapshot | undefined> {
  const every = Math.max(1, options.everyEvents ?? commonEveryEvents);
  const { events, mark } = await readView(deps, view, options.signal);
  const available = Math.min(events.length, options.countMax ?? Infinity);
  const count = Math.floor(available / every) * every;
  if (count === 0) return undefined;
  const first = [...events].sort(compareEvents).slice(0, count);
  const frontier = frontierOf(first);
  const found = mark(frontier);
  if (found === undefined) return undefined;
  const snapshot = await snapshotOf(deps, view, first, found);
  return { bytes: encodeSnapshot(snapshot, false), count, frontier, mark: found };
}

/**
 * Makes the newest common snapshot and puts it into the source's snapshot log, unless it is there
 * already by this very bytes. Resolves to its place; `undefined` where there is nothing to publish.
 * Throws ViewError VIEW_SNAPSHOT_UNAVAILABLE, and what the source throws.
 */
export async function publishSnapshot<State>(
  deps: ViewDeps,
  view: View<State>,
  options: MakeSnapshotOptions = {},
): Promise<EventRef | undefined> {
  const { snapshots } = deps.source;
  if (snapshots === undefined) {
    throw new ViewError("VIEW_SNAPSHOT_UNAVAILABLE", "the source has no snapshot log");
  }
  const made = await makeSnapshot(deps, view, options);
  if (made === undefined) return undefined;
  for (const there of await snapshots.list()) {
    const bytes = await there.read();
    if (bytes === undefined || !equalBytes(bytes, made.bytes)) continue;
    return { logId: there.logId, seq: there.seq };
  }
  return await snapshots.publish(made.bytes, made.mark);
}

/** What checking a snapshot against the events says. */
export type SnapshotVerdict =
  | { readonly ok: true; readonly count: number }
  | {
      readonly ok: false;
      /**
       * `SNAPSHOT_UNREADABLE`: no snapshot of this view and version. `SNAPSHOT_JUDGED_OTHERWISE`: rights
       * make other events count here. `SNAPSHOT_EVENTS_MISSING`: not all events are here, open to every
       * reader. `SNAPSHOT_STATE_DIFFERS`: the events give another state, count or last event.
       */
      readonly reason:
        | "SNAPSHOT_UNREADABLE"
        | "SNAPSHOT_JUDGED_OTHERWISE"
        | "SNAPSHOT_EVENTS_MISSING"
        | "SNAPSHOT_STATE_DIFFERS";
    };

/** Folds the events of a snapshot's frontier and compares. Reads the source once. */
export async function verifySnapshot<State>(
  deps: ViewDeps,
  view: View<State>,
  bytes: Uint8Array,
  options: { readonly signal?: AbortSignal } = {},
): Promise<SnapshotVerdict> {
  const snapshot = decodeSnapshot(bytes);
  if (snapshot === undefined || stateOf(view, snapshot, false) === undefined) {
    return { ok: false, reason: "SNAPSHOT_UNREADABLE" };
  }
  const { frontier, judged } = snapshot.mark;
  const { events, mark } = await readView(deps, view, options.signal);
  const found = mark(frontier);
  if (found?.isShareable !== true) return { ok: false, reason: "SNAPSHOT_EVENTS_MISSING" };
  if (!equalBytes(found.judged, judged)) return { ok: false, reason: "SNAPSHOT_JUDGED_OTHERWISE" };
  const inside = events.filter((event) => event.seq < (frontier.get(event.logId) ?? 0));
  const made = await snapshotOf(deps, view, inside.sort(compareEvents), found);
  // Nothing but the whole will do: where a liar's last event stands decides what comes late.
  return equalBytes(encodeSnapshot(made, false), bytes)
    ? { ok: true, count: made.count }
    : { ok: false, reason: "SNAPSHOT_STATE_DIFFERS" };
}

/** Folds events, which are in total order, into a snapshot. */
async function snapshotOf<State>(
  deps: ViewDeps,
  view: View<State>,
  events: readonly ViewEvent[],
  mark: SourceMark,
): Promise<ViewSnapshot> {
  const state = view.encode(await foldAll(deps, view, events));
  const end = events.at(-1);
  const last = end && { stamp: end.stamp, hash: end.hash };
  return { view: view.name, version: view.version, count: events.length, mark, last, state };
}
