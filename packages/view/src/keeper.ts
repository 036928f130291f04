/**
 * Keeps snapshots of one open view on the shelf of its source, and finds the one to begin with
 * (docs/spec/view.md §3, §4).
 */
import type { AuthorId } from "@hawser/crypto";
import { ViewError } from "./errors.ts";
import { decodeSnapshot, encodeSnapshot, stateOf, type OrderPlace } from "./snapshot.ts";
import type { ViewSnapshot } from "./snapshot.ts";
import { compareEvents } from "./order.ts";
import type { EventBatch, EventSource, SharedSnapshot, View, ViewOrigin } from "./types.ts";

export interface SnapshotOptions {
  /**
   * Name on the shelf, 1–100 printable ASCII characters; default the view's name. Views of one name
   * that differ in their settings need names of their own.
   */
  readonly name?: string;
  /** Events between two snapshots, ≥ 1; default 1,000, and more for large states. */
  readonly everyEvents?: number;
  /**
   * Whose snapshots a device begins with that has none of its own: managers', everybody's who may
   * write now, or those of certain authors. Default: nobody's. Whatever is taken is checked against
   * the events afterwards.
   */
  readonly trust?: "managers" | "writers" | readonly AuthorId[];
  /** Told when a trusted snapshot turns out to be false; the view then folds the events. */
  readonly onMismatch?: (error: ViewError) => void;
}

/** A snapshot to begin with. */
export interface Begin<State> {
  readonly snapshot: ViewSnapshot;
  /** What it decodes to, for one fold. */
  readonly state: State;
  readonly origin: Exclude<ViewOrigin, { readonly kind: "events" }>;
}

export interface Keeper<State> {
  /** What to begin with, if anything. */
  begin(): Promise<Begin<State> | undefined>;
  /** The fold began anew there. */
  began(at: Begin<State> | undefined): void;
  /** A batch is folded. */
  folded(batch: EventBatch): void;
  keepIfDue(state: () => State): Promise<void>;
  /** Throws ViewError VIEW_SNAPSHOT_UNAVAILABLE. */
  keep(state: State): Promise<void>;
  close(state: State): Promise<void>;
}

const everyEventsDefault = 1_000;
/** Encoding a state of this many bytes costs about as much as folding one event. */
const stateBytesPerEvent = 64;
/** Fewest new events that are worth a snapshot when a view is closed. */
const closingEventsMin = 100;

/** A keeper for a view; without options it does nothing. */
export function createKeeper<State>(
  source: EventSource,
  view: () => View<State>,
  options: SnapshotOptions | undefined,
): Keeper<State> {
  const { shelf } = source;
  const isOn = options !== undefined && shelf !== undefined;
  const everyEvents = Math.max(1, options?.everyEvents ?? everyEventsDefault);
  const shelfName = (): string => options?.name ?? view().name;
  let count = 0;
  let fresh = 0;
  let last: OrderPlace | undefined;
  let stateBytes = 0;
  let markOf: EventBatch["mark"];

  /** True when there is a snapshot of the state now. */
  const write = async (state: State): Promise<boolean> => {
    const mark = markOf?.();
    if (mark === undefined || shelf === undefined) return false;
    const { name, version } = view();
    const bytes = view().encode(state);
    stateBytes = bytes.length;
    fresh = 0;
    const snapshot = { view: name, version, count, mark, last, state: bytes };
    await shelf.write(shelfName(), encodeSnapshot(snapshot, true));
    return true;
  };

  return {
    begin: async () => {
      if (!isOn) return undefined;
      const stored = await shelf.read(shelfName());
      const snapshot = stored === undefined ? undefined : decodeSnapshot(stored);
      const state = snapshot && stateOf(view(), snapshot, true);
      if (snapshot !== undefined && state !== undefined) {
        return { snapshot, state, origin: { kind: "snapshot" } };
      }
      return await sharedBegin(source, view(), options);
    },
    began: (at) => {
      count = at?.snapshot.count ?? 0;
      last = at?.snapshot.last;
      stateBytes = at?.snapshot.state.length ?? 0;
      fresh = 0;
      markOf = undefined;
    },
    folded: (batch) => {
      if (!isOn) return;
      const { types } = view();
      for (const event of batch.events) {
        if (event.judgement !== "accept" || !types.includes(event.type)) continue;
        count += 1;
        fresh += 1;
        if (last === undefined || compareEvents(last, event) < 0) last = event;
      }
      last = last && { stamp: last.stamp, hash: last.hash };
      markOf = batch.mark;
    },
    keepIfDue: async (state) => {
      if (!isOn || fresh < Math.max(everyEvents, stateBytes / stateBytesPerEvent)) return;
      await write(state());
    },
    keep: async (state) => {
      if (isOn && (await write(state))) return;
      const message = "the view has a gate, no `snapshots` option, or a source without a shelf";
      throw new ViewError("VIEW_SNAPSHOT_UNAVAILABLE", message);
    },
    close: async (state) => {
      if (isOn && fresh >= Math.min(everyEvents, closingEventsMin)) await write(state);
    },
  };
}

function isTrusted(found: SharedSnapshot, trust: SnapshotOptions["trust"]): boolean {
  if (trust === undefined) return false;
  if (trust === "writers") return true;
  return trust === "managers" ? found.level === "manage" : trust.includes(found.author);
}

/** Of the newest trusted snapshots of this view, one by each author, that with the most events. */
async function sharedBegin<State>(
  source: EventSource,
  view: View<State>,
  options: SnapshotOptions,
): Promise<Begin<State> | undefined> {
  if (options.trust === undefined || source.snapshots === undefined) return undefined;
  let best: Begin<State> | undefined;
  const known = new Set<AuthorId>();
  for (const found of await source.snapshots.list()) {
    if (!isTrusted(found, options.trust) || known.has(found.author)) continue;
    const bytes = await found.read();
    const snapshot = bytes && decodeSnapshot(bytes);
    const state = snapshot && stateOf(view, snapshot, false);
    if (snapshot === undefined || state === undefined) continue;
    known.add(found.author);
    if (snapshot.count <= (best?.snapshot.count ?? 0)) continue;
    best = { snapshot, state, origin: { kind: "shared", author: found.author, isVerified: false } };
  }
  return best;
}
