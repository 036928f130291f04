/**
 * The sequencer (docs/spec/6-space.md §7 *order*): releases the data entries of a space so that none
 * comes before an entry it points at, and knows the position each was written at. It reads the
 * store and never holds more than a small window of each log. Layer 5.
 */
import type { AuthGraph, OpId } from "@hawser/auth";
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { Clock, Dep, Entry, LogId, LogStore, StoredRange, Topic } from "@hawser/log";
import type { ControlFold, ControlRange } from "./fold.ts";
import type { OrderImage } from "./order-image.ts";
import { mergePlaces, type PlaceIndex } from "./place-index.ts";
import { createQueue, type Signal } from "./queue.ts";
import type { RecentEntries } from "./recent.ts";
import { createSeenHeights } from "./seen.ts";
import type { SeenFrontier } from "./types.ts";
import { controlDomain, dataDomain } from "./words.ts";

/** Consecutive entries of one data log, in release order. */
export interface Span {
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly from: number;
  /** One past the last. */
  to: number;
}

/** Why an entry is not released. */
export type HeldReason = "MISSING_DEP" | "HELD_FOR_CLOCK";

/** How an entry of a data log stands with the sequencer. */
export type Standing =
  | { readonly state: "released" }
  /** Released so that the log goes on, and never handed out. */
  | { readonly state: "rejected"; readonly reason: "BAD_DEP" | "BAD_STAMP" }
  | { readonly state: "held"; readonly reason: HeldReason }
  | { readonly state: "absent" };

/** A signed entry by which deps are found. */
export interface SignedPlace {
  readonly logId: LogId;
  readonly seq: number;
  /** µs. */
  readonly stamp: number;
}

/** The newest signed entry of a log that own entries may point at. */
export interface SignedHead extends SignedPlace {
  readonly hash: Uint8Array;
}

/** Auth heads that hold from `seq` on. */
export interface Position {
  readonly seq: number;
  readonly heads: readonly OpId[];
}

/** Release order of one space's data. */
export interface Sequencer {
  /** Grows at its end only. */
  readonly spans: readonly Span[];
  /** Takes in what the store received since, and releases what can be. */
  advance(): Promise<void>;
  /** Last released signed entry of a data log. */
  releasedHead(logId: LogId): SignedHead | undefined;
  /** Last signed entries of every log that own entries may point at, control logs first. */
  heads(): readonly SignedHead[];
  /** The newest entries of control logs that `heads` passes over, as they are ahead of the clock. */
  headsAhead(): readonly SignedHead[];
  standingOf(logId: LogId, seq: number): Standing;
  /** Auth heads at which a released entry was written. */
  positionOf(logId: LogId, seq: number): readonly OpId[];
  positionsOf(logId: LogId): readonly Position[];
  /** What the author of a released entry says to have seen of other logs. */
  frontierOf(logId: LogId, seq: number): SeenFrontier;
  /** A signed entry of this space by its hash in hex. */
  findSigned(hash: string): SignedPlace | undefined;
  authorOf(logId: LogId): AuthorId | undefined;
  /** Count of entries released of a log. */
  releasedOf(logId: LogId): number;
  /** Count of entries below `height` that were released and are never handed out. */
  rejectedBelow(logId: LogId, height: number): number;
  /** Entries released over all logs. */
  readonly releasedCount: number;
  /** What it knows, to go on from; `undefined` while that rests on what may still change. */
  image(): OrderImage | undefined;
  /** A dep came that was not waited for: positions have to be found again from the start. */
  readonly isStale: boolean;
  /** µs at which the next held entry is due, or `undefined`. */
  nextDue(): number | undefined;
}

/** What an order of entries asks of the control logs beside them. */
export interface Positions extends Pick<ControlFold, "decidedHeight" | "opsAt"> {
  readonly graph: Pick<AuthGraph, "antichain">;
}

/** What it works on. `fold` is asked afresh each time, since it may be rebuilt. */
export interface SequencerDeps {
  readonly store: LogStore;
  readonly recent: RecentEntries;
  readonly clock: Clock;
  readonly topic: Topic;
  readonly fold: () => Positions;
  readonly changed: Signal;
  /** Stamps further ahead than this are held; µs. */
  readonly driftMicros: number;
  /** This device's author: nobody waits for a clock to see what it wrote itself. */
  readonly self: AuthorId;
  /** What counts of branches of control logs that are not in the store. */
  readonly branches: readonly ControlRange[];
  /** First quarantined entry of a forked log. */
  readonly forkedAt: (logId: LogId) => number | undefined;
  /**
   * May a dep lie where it never comes from: on the other branch of a forked log, or in a log that
   * is not stored because its author's rights turned out void?
   */
  readonly mayStayAway: () => boolean;
  /** What an earlier one knew: only what came after is looked at. */
  readonly image?: OrderImage | undefined;
}

/** How long a dep is waited for that may stay away for good; µs. */
const graceMicros = 30e6;
/** Signed heads remembered of one control log: clocks are set back, and operations undecided. */
const controlHeadsMax = 64;

/** Logs an image has numbers for. */
const imageLogsMax = 65_535;
/** Entries of one log looked at ahead of their release. */
const windowEntries = 256;
const nowhere: readonly OpId[] = [];

interface Waiting {
  readonly seq: number;
  readonly stamp: number;
  readonly hash: Uint8Array;
  readonly signed: boolean;
  readonly deps: readonly Dep[];
}

interface DataLog {
  readonly logId: LogId;
  readonly author: AuthorId;
  /** Entries in the store. */
  received: number;
  /** Entries released. */
  released: number;
  window: Waiting[];
  held:
    | {
        readonly reason: HeldReason;
        readonly seq: number;
        /** µs: worth another try from then on. */
        readonly until: number | undefined;
      }
    | undefined;
  signedHead: SignedHead | undefined;
  readonly positions: Position[];
  readonly rejected: Map<number, "BAD_DEP" | "BAD_STAMP">;
}

/** A sequencer that has read nothing yet. */
export function createSequencer(deps: SequencerDeps): Sequencer {
  const { store, clock, topic } = deps;
  const logs = new Map<LogId, DataLog>();
  const signed = new Map<string, SignedPlace>();
  const spans: Span[] = [];
  // Logs worth another try, and who waits for what: a log id, or a hash in hex.
  const ready = new Set<DataLog>();
  const waiters = new Map<string, Set<DataLog>>();
  const decided = new Map<LogId, number>();
  // The first signed entry and the newest ones, by seq.
  const controlHeads = new Map<LogId, SignedHead[]>();
  const seenHeights = createSeenHeights();
  // Deps that are waited for no longer, because they may stay away for good.
  const skipped = new Set<string>();
  let isStale = false;
  let couldStayAway = false;
  const queue = createQueue();
  let cursor = 0;
  let releasedCount = 0;
  let base: PlaceIndex | undefined;
  let isRestored = deps.image === undefined;

  const placeOf = (hash: string): SignedPlace | undefined => signed.get(hash) ?? base?.get(hash);

  const wake = (key: string): void => {
    for (const log of waiters.get(key) ?? []) ready.add(log);
    waiters.delete(key);
  };

  const index = (logId: LogId, entry: Pick<Entry, "seq" | "stamp" | "hash">): void => {
    const hash = toHex(entry.hash);
    signed.set(hash, { logId, seq: entry.seq, stamp: entry.stamp });
    if (skipped.has(hash)) isStale = true;
    wake(hash);
  };

  const hold = (log: DataLog, key: string, seq: number, until?: number): void => {
    const waiting = waiters.get(key) ?? new Set();
    waiters.set(key, waiting.add(log));
    log.held = { reason: "MISSING_DEP", seq, until };
  };

  /** When an unknown dep of an entry is given up: `graceMicros` after it was first missed. */
  const graceEnd = (log: DataLog, seq: number): number | undefined => {
    if (!deps.mayStayAway()) return undefined;
    const known = log.held?.seq === seq ? log.held.until : undefined;
    return known ?? clock.nowMicros() + graceMicros;
  };

  /** Was the entry's missing dep waited for long enough? */
  const isGivenUp = (log: DataLog, seq: number): boolean =>
    log.held?.seq === seq &&
    log.held.reason === "MISSING_DEP" &&
    log.held.until !== undefined &&
    log.held.until <= clock.nowMicros();

  /** True when every dep is here and released; else the log waits for the first that is not. */
  const depsAreHere = (log: DataLog, entry: Waiting): boolean => {
    for (const dep of entry.deps) {
      const hash = toHex(dep.hash);
      const place = placeOf(hash);
      if (place === undefined) {
        if (skipped.has(hash) || isGivenUp(log, entry.seq)) {
          skipped.add(hash);
          continue;
        }
        hold(log, hash, entry.seq, graceEnd(log, entry.seq));
        return false;
      }
      if (place.logId === log.logId) continue;
      // What lies on a branch gives no position, and nobody's content hangs on it.
      if ((deps.forkedAt(place.logId) ?? Infinity) <= place.seq) continue;
      const target = logs.get(place.logId);
      const height = target?.released ?? deps.fold().decidedHeight(place.logId);
      if (height <= place.seq) {
        // No timer: whatever lets that log go on wakes this one.
        hold(log, place.logId, entry.seq);
        return false;
      }
    }
    return true;
  };

  const flawOf = (log: DataLog, entry: Waiting): "BAD_DEP" | "BAD_STAMP" | undefined => {
    for (const dep of entry.deps) {
      const place = placeOf(toHex(dep.hash));
      if (place === undefined) continue;
      if (place.seq !== dep.seq) return "BAD_DEP";
      if (place.logId === log.logId && place.seq >= entry.seq) return "BAD_DEP";
      if (place.stamp >= entry.stamp) return "BAD_STAMP";
    }
    return undefined;
  };

  const movePosition = (log: DataLog, entry: Waiting): void => {
    if (entry.deps.length === 0) return;
    const fold = deps.fold();
    const known = log.positions.at(-1)?.heads ?? [];
    const heads = new Set(known);
    for (const dep of entry.deps) {
      const place = placeOf(toHex(dep.hash));
      if (place === undefined) continue;
      for (const op of fold.opsAt(place.logId, place.seq)) heads.add(op);
    }
    const next = fold.graph.antichain([...heads]);
    if (next.join() !== known.join()) log.positions.push({ seq: entry.seq, heads: next });
  };

  /** Entries on branches of forks are left out: not every device holds the same branch. */
  const noteSeen = (log: DataLog, entry: Waiting): void => {
    for (const dep of entry.deps) {
      const place = placeOf(toHex(dep.hash));
      if (place === undefined || place.logId === log.logId) continue;
      if ((deps.forkedAt(place.logId) ?? Infinity) <= place.seq) continue;
      seenHeights.note(log.logId, entry.seq, place.logId, place.seq + 1);
    }
  };

  const release = (log: DataLog, entry: Waiting): void => {
    const flaw = flawOf(log, entry);
    if (flaw === undefined) {
      movePosition(log, entry);
      noteSeen(log, entry);
    } else log.rejected.set(entry.seq, flaw);
    log.released = entry.seq + 1;
    releasedCount += 1;
    log.held = undefined;
    const isBranch = (deps.forkedAt(log.logId) ?? Infinity) <= entry.seq;
    if (entry.signed && flaw === undefined && !isBranch) {
      const { seq, hash, stamp } = entry;
      log.signedHead = { logId: log.logId, seq, hash, stamp };
    }
    const last = spans.at(-1);
    if (last?.logId === log.logId && last.to === entry.seq) last.to += 1;
    else spans.push({ logId: log.logId, author: log.author, from: entry.seq, to: entry.seq + 1 });
  };

  const fillWindow = async (log: DataLog): Promise<void> => {
    const from = log.released;
    const to = Math.min(log.received, from + windowEntries);
    for await (const entry of deps.recent.read(log.logId, from, to)) {
      const { seq, stamp, hash, deps: pointed } = entry;
      log.window.push({ seq, stamp, hash, signed: entry.signature !== undefined, deps: pointed });
      if (entry.signature !== undefined) index(log.logId, entry);
    }
    // Pruned entries are gone for good: go on behind them.
    const first = log.window[0];
    if (first === undefined) log.released = to;
  };

  const releaseLog = async (log: DataLog): Promise<boolean> => {
    const before = log.released;
    const limit = log.author === deps.self ? Infinity : stampLimit();
    while (log.released < log.received) {
      if (log.window.length === 0) await fillWindow(log);
      const taken = releaseWindow(log, limit);
      if (taken === 0 && log.window.length > 0) break;
    }
    if (log.released > before) wake(log.logId);
    return log.released > before;
  };

  /** Count of entries released from the window. */
  const releaseWindow = (log: DataLog, limit: number): number => {
    let taken = 0;
    for (const entry of log.window) {
      if (entry.stamp > limit) {
        const until = entry.stamp - deps.driftMicros;
        log.held = { reason: "HELD_FOR_CLOCK", seq: entry.seq, until };
        break;
      }
      if (!depsAreHere(log, entry)) break;
      release(log, entry);
      taken += 1;
    }
    log.window = log.window.slice(taken);
    return taken;
  };

  const takeControl = async (logId: LogId, from: number, to: number): Promise<void> => {
    for await (const entry of deps.recent.read(logId, from, to)) {
      if (entry.signature === undefined) continue;
      index(logId, entry);
      const { seq, hash, stamp } = entry;
      const heads = controlHeads.get(logId) ?? [];
      if ((heads.at(-1)?.seq ?? -1) < seq) heads.push({ logId, seq, hash, stamp });
      controlHeads.set(logId, heads.length > controlHeadsMax ? thinned(heads) : heads);
    }
    decided.set(logId, decided.get(logId) ?? 0);
  };

  /** Control logs are short and read whole; of data logs only how far they reach is asked. */
  const restore = async (): Promise<void> => {
    isRestored = true;
    for (const head of await store.heads(topic)) {
      const { logId, context, height } = head;
      if (context.domain === controlDomain) await takeControl(logId, 0, height);
      if (context.domain !== dataDomain) continue;
      const log = logs.get(logId) ?? createDataLog(logId, context.author);
      logs.set(logId, log);
      log.received = height;
      if (log.released < height) ready.add(log);
    }
  };

  const onRange = async (range: StoredRange): Promise<void> => {
    const { context, logId } = range;
    const to = range.from + range.count;
    if (context.domain === controlDomain) await takeControl(logId, range.from, to);
    else if (context.domain === dataDomain) {
      const log = logs.get(logId) ?? createDataLog(logId, context.author);
      logs.set(logId, log);
      log.received = Math.max(log.received, to);
      ready.add(log);
    }
  };

  /** Stamps above it are ahead of the clock. */
  const stampLimit = (): number => clock.nowMicros() + deps.driftMicros;

  /** May a head of a control log be pointed at, whatever its stamp is? */
  const isFirm = (head: SignedHead): boolean => {
    if ((deps.forkedAt(head.logId) ?? Infinity) <= head.seq) return false;
    // What rests on an undecided operation has no position yet, so nobody should build on it.
    return deps.fold().decidedHeight(head.logId) > head.seq;
  };

  /** The newest entries of control logs that may be pointed at, of those before or ahead of the limit. */
  const controlHeadsWhere = (isWanted: (stamp: number) => boolean): SignedHead[] => {
    const found = [...controlHeads.values()].flatMap(
      (heads) => heads.findLast((head) => isWanted(head.stamp) && isFirm(head)) ?? [],
    );
    return found.sort(byLogId);
  };

  /** A stamp from the future would drag the stamps of whoever points at it along. */
  const headsInTime = (): readonly SignedHead[] => {
    const limit = stampLimit();
    const data = [...logs.values()].flatMap(({ author, signedHead }) => {
      if (signedHead === undefined) return [];
      return author === deps.self && signedHead.stamp > limit ? [] : signedHead;
    });
    return [...controlHeadsWhere((stamp) => stamp <= limit), ...data.sort(byLogId)];
  };

  const wakeDecided = (): void => {
    for (const [logId, height] of decided) {
      const now = deps.fold().decidedHeight(logId);
      if (now === height) continue;
      decided.set(logId, now);
      wake(logId);
    }
  };

  const wakeDue = (): void => {
    const now = clock.nowMicros();
    // What waited without end may be given up from now on.
    const isNew = !couldStayAway && deps.mayStayAway();
    couldStayAway ||= isNew;
    for (const log of logs.values()) {
      if (log.held === undefined) continue;
      if (isNew || (log.held.until ?? Infinity) <= now) ready.add(log);
    }
  };

  const takeImage = (image: OrderImage): void => {
    ({ cursor, places: base } = image);
    for (const span of image.spans) spans.push({ ...span });
    for (const { logId, target, seq, height } of image.seen) {
      seenHeights.note(logId, seq, target, height);
    }
    for (const known of image.logs) {
      const log = createDataLog(known.logId, known.author);
      log.released = known.released;
      log.signedHead = known.signedHead;
      for (const position of known.positions) log.positions.push(position);
      for (const [seq, reason] of known.rejected) log.rejected.set(seq, reason);
      logs.set(known.logId, log);
      releasedCount += known.released;
    }
  };

  const image = (): OrderImage | undefined => {
    if (isStale || skipped.size > 0 || !isRestored) return undefined;
    const known = [...logs.values()];
    const targets = seenHeights.steps();
    const mentioned = [...known.map((log) => log.logId), ...targets.map((step) => step.target)];
    const logIds = [...new Set([...(base?.logIds ?? []), ...mentioned])];
    if (logIds.length > imageLogsMax) return undefined;
    const added = [...signed].filter(
      ([, place]) => place.seq < (logs.get(place.logId)?.released ?? 0),
    );
    const bytes = mergePlaces(base, added, logIds);
    const places = { bytes, logIds, get: () => undefined };
    const held = known.map((log) => ({ ...log, rejected: [...log.rejected] }));
    return { cursor, logs: held, spans, seen: targets, places };
  };

  const advance = async (): Promise<void> => {
    if (!isRestored) await restore();
    for await (const range of store.received(topic, cursor)) {
      await onRange(range);
      cursor = range.cursor;
    }
    wakeDecided();
    wakeDue();
    let moved = false;
    for (let log = first(ready); log !== undefined; log = first(ready)) {
      ready.delete(log);
      moved = (await releaseLog(log)) || moved;
    }
    if (moved) deps.changed.notify();
  };

  if (deps.image !== undefined) takeImage(deps.image);
  for (const { logId, entries } of deps.branches) {
    for (const entry of entries) if (entry.signature !== undefined) index(logId, entry);
    decided.set(logId, 0);
  }
  return {
    spans,
    advance: () => queue.run(advance),
    releasedHead: (logId) => logs.get(logId)?.signedHead,
    heads: headsInTime,
    headsAhead: () => {
      const limit = stampLimit();
      return controlHeadsWhere((stamp) => stamp > limit);
    },
    standingOf: (logId, seq) => standingIn(logs.get(logId), seq),
    positionOf: (logId, seq) => {
      const positions = logs.get(logId)?.positions ?? [];
      return positions.findLast((position) => position.seq <= seq)?.heads ?? nowhere;
    },
    positionsOf: (logId) => logs.get(logId)?.positions ?? [],
    frontierOf: seenHeights.frontierOf,
    findSigned: placeOf,
    authorOf: (logId) => logs.get(logId)?.author,
    releasedOf: (logId) => logs.get(logId)?.released ?? 0,
    rejectedBelow: (logId, height) => {
      const rejected = logs.get(logId)?.rejected ?? new Map<number, string>();
      return [...rejected.keys()].filter((seq) => seq < height).length;
    },
    get releasedCount() {
      return releasedCount;
    },
    image,
    get isStale() {
      return isStale;
    },
    nextDue: () => {
      let due: number | undefined;
      for (const { held } of logs.values()) {
        if (held?.until !== undefined) due = Math.min(due ?? held.until, held.until);
      }
      return due;
    },
  };
}

function createDataLog(logId: LogId, author: AuthorId): DataLog {
  return {
    logId,
    author,
    received: 0,
    released: 0,
    window: [],
    held: undefined,
    signedHead: undefined,
    positions: [],
    rejected: new Map(),
  };
}

/** The first, and the newest half of the rest. */
function thinned(heads: readonly SignedHead[]): SignedHead[] {
  const half = heads.length >> 1;
  return heads.filter((_, index) => index === 0 || index > half);
}

function byLogId(a: SignedHead, b: SignedHead): number {
  return a.logId < b.logId ? -1 : 1;
}

function standingIn(log: DataLog | undefined, seq: number): Standing {
  if (log === undefined || seq >= log.received) return { state: "absent" };
  const reason = log.rejected.get(seq);
  if (reason !== undefined) return { state: "rejected", reason };
  if (seq < log.released) return { state: "released" };
  return { state: "held", reason: log.held?.reason ?? "MISSING_DEP" };
}

function first<Item>(items: ReadonlySet<Item>): Item | undefined {
  for (const item of items) return item;
  return undefined;
}
