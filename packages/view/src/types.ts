/**
 * The words of the view layer (docs/spec/7-views.md). Layer 6; no platform globals. A view reads
 * events from an `EventSource`, which a space is, and never sees logs, keys or sockets.
 */
import type { AuthorId } from "@hawser/crypto";
import type { ViewError } from "./errors.ts";

/** A frontier (`logId → height`), whole or worked out when asked. A `ReadonlyMap` is one. */
export interface Seen {
  get(logId: string): number | undefined;
}

/** A decrypted, authorised event: what reducers fold. */
export interface ViewEvent {
  readonly author: AuthorId;
  /** Log and place in it, which name the event. */
  readonly logId: string;
  readonly seq: number;
  /** 32-byte entry hash: the tie-breaker of the total order. */
  readonly hash: Uint8Array;
  /** Hybrid logical clock, µs. `(stamp, hash)` is a total order that extends causality. */
  readonly stamp: number;
  /** Which reducers care, e.g. "kv". */
  readonly type: string;
  /** Which ordered series about one thing the event belongs to (TH-186), if any. */
  readonly sequence?: string | undefined;
  readonly body: Uint8Array;
  /**
   * How many entries of a log the author says to have seen when writing this; `undefined` or 0 for
   * none. Of its own log: `seq`. The same at every reader, and never less further on in a log. A
   * source gives it with every event or with none; gates rest on it (docs/spec/7-views.md §7.2).
   */
  readonly frontier?: Seen | undefined;
  /**
   * `quarantine`: the author was removed or demoted concurrently. Kernel and reducers leave it
   * out; it stays readable at the source.
   */
  readonly judgement: "accept" | "quarantine";
}

/** What a view asks its source to write. */
export interface EventDraft {
  readonly type: string;
  readonly body: Uint8Array;
  readonly sequence?: string;
}

export interface EventRef {
  readonly logId: string;
  readonly seq: number;
}

/** Consecutive events of one log. */
export interface EventRange {
  readonly logId: string;
  readonly from: number;
  /** One past the last. */
  readonly to: number;
}

/** Events that became readable together. */
export interface EventBatch {
  readonly events: readonly ViewEvent[];
  /** True once everything that was in the store when the iteration began has been handed out. */
  readonly caughtUp: boolean;
  /**
   * True when judgements of earlier events changed, because a removal that was concurrent with them
   * arrived: what was folded is dropped, and everything follows again from the first event.
   */
  readonly reset?: boolean;
  /**
   * How everything before a frontier was judged, by default everything handed out up to this batch.
   * Asked at any time, seldom. `undefined`, or not there: the source cannot tell (any more, once a
   * reset has come), and nothing is kept.
   */
  readonly mark?: (at?: ReadonlyMap<string, number>) => SourceMark | undefined;
  /**
   * `logId → height`: of the events before these heights the source handed out only what compaction
   * kept. The past before them cannot be told any more.
   */
  readonly gone?: ReadonlyMap<string, number>;
}

/** A point in the events of a source from which it can go on (docs/spec/view.md §2). */
export interface SourceMark {
  /** `logId → height`: all events before these heights, and no others. */
  readonly frontier: ReadonlyMap<string, number>;
  /** How they were judged: equal bytes wherever they are judged alike. */
  readonly judged: Uint8Array;
  /** What this device alone knows of them: what it could not open. */
  readonly local: Uint8Array;
  /** Do all who may read the source read the same events before the frontier? */
  readonly isShareable: boolean;
}

/** Named bytes that last on this device. */
export interface Shelf {
  read(name: string): Promise<Uint8Array | undefined>;
  write(name: string, value: Uint8Array | undefined): Promise<void>;
}

/** A snapshot that somebody put into the source's snapshot log. */
export interface SharedSnapshot extends EventRef {
  readonly author: AuthorId;
  /** May its author write now? And manage? */
  readonly level: "write" | "manage";
  /** Opens it; `undefined` where this device cannot. */
  read(): Promise<Uint8Array | undefined>;
}

/** Snapshots that peers give each other (docs/spec/view.md §4). */
export interface SnapshotLog {
  /**
   * Appends a snapshot, readable for whoever can read every event before the mark; rejects when that
   * cannot be had. Resolves when durable.
   */
  publish(bytes: Uint8Array, mark: SourceMark): Promise<EventRef>;
  /** The last ones of each author who may write now, an author's newest first. */
  list(): Promise<readonly SharedSnapshot[]>;
}

/** Where events come from. A space is one; tests use `createMemorySource`. */
export interface EventSource {
  /**
   * First what is stored, then what arrives, in causal order: never an event before one that its
   * author had seen. Ends when the signal aborts or the source closes.
   */
  batches(options: {
    readonly signal: AbortSignal;
    /** Only sources with a shelf are asked: nothing before the mark, or a `reset` and everything. */
    readonly resume?: Pick<SourceMark, "frontier" | "judged" | "local">;
  }): AsyncIterable<EventBatch>;
  /** Appends as one signed batch; resolves when durable. */
  append(drafts: readonly EventDraft[]): Promise<readonly EventRef[]>;
  /** Where snapshots are kept on this device; a source that has one can `resume`. */
  readonly shelf?: Shelf;
  readonly snapshots?: SnapshotLog;
  /** Drops what lies before a mark from this device, except `keep`. */
  compact?(
    mark: SourceMark,
    keep: readonly ViewEvent[],
  ): Promise<{ readonly prunedEntries: number; readonly keptEvents: number }>;
}

/**
 * A named, versioned, pure reducer. `apply` owns the state it is given: it may change it in place
 * or return another one, but must not touch anything else, read a clock or throw for bad input
 * (ignore it: the same on every peer).
 */
export interface View<State> {
  readonly name: string;
  /** Raised with every change of meaning: stored state of another version is rebuilt. */
  readonly version: number;
  /** Event types that are handed to `apply`. */
  readonly types: readonly string[];
  init(): State;
  apply(state: State, event: ViewEvent): State;
  /** The one encoding of a state: equal states give equal bytes on every peer. */
  encode(state: State): Uint8Array;
  /** `undefined` for bytes that `encode` cannot have made. */
  decode(bytes: Uint8Array): State | undefined;
  /**
   * True when any causal order of the same events gives the same state. The kernel then never
   * rewinds. `checkViewLaws` tests the claim.
   */
  readonly commutative?: boolean;
  /**
   * Compaction: would folding without this event, in any order, end in the same `state` and in the
   * same states after whatever comes? Without it all events are kept.
   */
  superseded?(state: State, event: ViewEvent): boolean;
  /**
   * Undo: what takes an event back, given the state before it and the state now; none where there is
   * nothing to take back.
   */
  invert?(event: ViewEvent, before: State, now: State): readonly EventDraft[];
}

/** What a gate says of one event. */
export type GateVerdict =
  | { readonly verdict: "admit" }
  | {
      /**
       * `refuse`: was never allowed. `quarantine`: allowed where it was written, ended
       * concurrently; kept as data, and may be accepted. `deleted`: somebody entitled marked it.
       */
      readonly verdict: "refuse" | "quarantine" | "deleted";
      /** A code of the gate, for people and logs. */
      readonly reason: string;
      /** The events that decided it; none for a right that never was. */
      readonly by: readonly EventRef[];
    };

/** Which events that were judged before may be judged otherwise now. */
export type GateChange = "none" | "all" | readonly EventRange[];

/** A gate at work beside one view. */
export interface GateFold {
  /** Takes in accepted events of every type, in causal order. */
  add(events: readonly ViewEvent[]): GateChange;
  /**
   * The verdict on an event that was added. It depends on the set of added events alone, never on
   * the order they came in.
   */
  judge(event: ViewEvent): GateVerdict;
}

/** Decides which events count for a view (docs/spec/7-views.md §7). Every reader runs it. */
export interface Gate {
  /** A fold that has seen nothing yet. */
  start(): GateFold;
}

/** An event that a gate keeps out of a view. */
export interface WithheldEvent {
  readonly event: ViewEvent;
  readonly verdict: Exclude<GateVerdict["verdict"], "admit">;
  readonly reason: string;
  readonly by: readonly EventRef[];
}

/** What a view's state rests on. */
export type ViewOrigin =
  | { readonly kind: "events" }
  | { readonly kind: "snapshot" }
  | {
      readonly kind: "shared";
      readonly author: AuthorId;
      /** Set when the events themselves gave the same state. */
      readonly isVerified: boolean;
    };

/** A running view. */
export interface OpenView<State> extends AsyncDisposable {
  /** The current state; do not change it. The same object until the next change. */
  readonly state: State;
  /** Counts changes; a cheap key for caches and `useSyncExternalStore`. */
  readonly revision: number;
  /** Resolves when everything stored at opening time is folded in. */
  readonly ready: Promise<void>;
  /** Resolves when the event is folded in (read your writes). Rejects if the view stops. */
  applied(ref: EventRef, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Appends events and resolves when this view shows them; a gate may withhold them. */
  write(drafts: readonly EventDraft[]): Promise<readonly EventRef[]>;
  /** What the gate keeps out, in total order; empty without a gate. */
  withheld(): readonly WithheldEvent[];
  /**
   * Calls back after each change with the events that were folded in, or taken out by the gate;
   * returns the unsubscribe function.
   */
  subscribe(listener: (events: readonly ViewEvent[]) => void): () => void;
  /** Yields the revision after each change, newest only: a slow reader skips, never piles up. */
  changes(options?: { readonly signal?: AbortSignal }): AsyncIterable<number>;
  /** Set when a reducer threw or the source failed: the view stands still, the log goes on. */
  readonly failure: ViewError | undefined;
  /**
   * After a failure: folds again from the start, with a mended reducer if one is given; resolves when
   * everything stored is folded in. Does nothing while the view runs.
   */
  retry(mended?: View<State>): Promise<void>;
  /** Where the state began: nowhere, at a snapshot of this device, or at somebody else's. */
  readonly origin: ViewOrigin;
  /** Keeps a snapshot on this device now, if the source has a shelf. */
  keep(): Promise<void>;
}
