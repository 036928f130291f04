/**
 * One watch: a pass over the store, then everything new (docs/spec/query.md §7.6). Layer 3; pure.
 *
 *   pass over the store ──► reads on by receive stamp ◄──► member of the feed ──► ended
 *
 * The boundary is a receive stamp, read before the pass: the pass gives what is not after it, the
 * rest begins right after it. So no packet is lost or given twice, whatever is written meanwhile.
 */
import type { Matcher } from "../matcher.ts";
import type { CompiledQuery } from "../types.ts";
import type { Feed, FeedMember } from "./feed.ts";
import { linkedPackets } from "./links.ts";
import { createCounter, storePass } from "./read.ts";
import type { PacketStore, StoredPacket } from "./types.ts";

/**
 * Why a watch ended. `break`: its callback said so. `finished`: its limits are used up. `replaced`:
 * another watch took its qid. `closed`: stopped by its owner. `expired`: the upper bound of its
 * receive stamps passed. `failed`: the store or the callback threw.
 */
export type WatchStopReason = "break" | "finished" | "replaced" | "closed" | "expired" | "failed";

export interface WatchEnd {
  readonly reason: WatchStopReason;
  /** What was thrown; set for `failed` alone. */
  readonly error: unknown;
  /** Packets that satisfied every rule, given or not. */
  readonly matchCount: number;
  /** Those of them that arrived after the pass over the store. */
  readonly freshCount: number;
}

/**
 * Takes one packet. The next one waits for its promise. `"break"` ends the watch; anything else
 * goes on.
 */
export type PacketHandler = (stored: StoredPacket) => unknown;

export interface WatchRunDeps {
  readonly store: PacketStore;
  readonly feed: Feed;
}

/** A running watch, as the watcher sees it. */
export interface WatchRun {
  readonly ended: Promise<WatchEnd>;
  /** Ends it: nothing more is given once a running callback is done. The first reason counts. */
  cut(reason: WatchStopReason, error?: unknown): void;
  /** No packet will come any more within the bounds: give what is stored, then end as `expired`. */
  expire(): void;
  counts(): { readonly matchCount: number; readonly freshCount: number };
}

/** Matches held for a callback that is busy. One that stays busy reads on from the store instead. */
const queuedMax = 64;
/** Packets read at once while reading on. */
const packetsMax = 64;

type Ending = Pick<WatchEnd, "reason" | "error">;

/** What the parts of a run share. */
interface RunState {
  readonly query: CompiledQuery;
  readonly counter: Matcher;
  readonly queue: StoredPacket[];
  readonly bell: Bell;
  /** Receive stamp from which on nothing was judged yet. */
  cursor: number;
  isMember: boolean;
  /** Whether the bounds of receive stamps have passed by the clock. */
  isExpired: boolean;
  ending: Ending | undefined;
  /** Whether queued matches are dropped: somebody ended the watch, not its own rules. */
  isCut: boolean;
}

/** Begins at once. `onPacket` is called one at a time. */
export function runWatch(
  deps: WatchRunDeps,
  query: CompiledQuery,
  onPacket: PacketHandler,
): WatchRun {
  const state = createState(query);
  const leave = (): void => {
    state.isMember = false;
    deps.feed.leave(member);
    state.bell.ring();
  };
  const cut = (reason: WatchStopReason, error?: unknown): void => {
    if (state.isCut) return;
    state.ending = { reason, error };
    state.isCut = true;
    leave();
  };
  const member = createMember(state, (error) => cut("failed", error));
  const deliver = async (stored: StoredPacket): Promise<void> => {
    if (state.isCut) return;
    if ((await onPacket(stored)) === "break") return cut("break");
    if (!query.follow) return;
    for await (const linked of linkedPackets(deps.store, stored.packet)) {
      if (state.isCut) return;
      if ((await onPacket(linked)) === "break") return cut("break");
    }
  };
  const counts = (): Pick<WatchEnd, "matchCount" | "freshCount"> => {
    const { all, fresh } = state.counter.counts();
    return { matchCount: all, freshCount: fresh };
  };
  const end = (ending: Ending): WatchEnd => {
    leave();
    return { ...ending, ...counts() };
  };
  return {
    ended: runToEnd(deps, state, { member, deliver }).then(end, (error: unknown) =>
      end(
        isStoreClosed(error) ? { reason: "closed", error: undefined } : { reason: "failed", error },
      ),
    ),
    cut,
    expire() {
      state.isExpired = true;
      leave();
    },
    counts,
  };
}

interface RunParts {
  readonly member: FeedMember;
  deliver(stored: StoredPacket): Promise<void>;
}

/** The pass, then queued matches, reading on, or waiting, whichever there is cause for. */
async function runToEnd(deps: WatchRunDeps, state: RunState, parts: RunParts): Promise<Ending> {
  const { store, feed } = deps;
  const { member, deliver } = parts;
  await passOverStore(store, state, deliver);
  for (;;) {
    const queued = state.isCut ? undefined : state.queue.shift();
    if (queued !== undefined) {
      await deliver(queued);
    } else if (state.ending !== undefined) {
      return state.ending;
    } else if (state.isMember) {
      await state.bell.heard();
    } else {
      const isAll = await readOn(store, state, deliver);
      // Nothing may come between this look and joining: whoever ends a run makes its member leave.
      const mayWait = isAll && !state.isExpired && state.ending === undefined;
      state.isMember = mayWait && feed.join(member);
    }
  }
}

function createState(query: CompiledQuery): RunState {
  return {
    query,
    counter: createCounter(query),
    queue: [],
    bell: createBell(),
    cursor: 0,
    isMember: false,
    isExpired: false,
    ending: undefined,
    isCut: false,
  };
}

function createMember(state: RunState, fail: (error: unknown) => void): FeedMember {
  return {
    cursor: () => state.cursor,
    offer(stored) {
      const hasRoom = state.queue.length < queuedMax && state.ending === undefined;
      if (!hasRoom) state.isMember = false;
      else if (judge(state, stored)) state.queue.push(stored);
      state.bell.ring();
      return hasRoom;
    },
    fail,
  };
}

function isStoreClosed(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "STORE_CLOSED";
}

/** The first part. Afterwards the cursor is right behind what the pass could see. */
async function passOverStore(
  store: PacketStore,
  state: RunState,
  deliver: (stored: StoredPacket) => Promise<void>,
): Promise<void> {
  const { query, counter } = state;
  const last = await store.lastRecv();
  state.cursor = last + 1;
  const check = (): void => {
    if (state.isCut) throw stopPass;
  };
  try {
    for await (const stored of storePass(store, query, counter, last, check)) await deliver(stored);
  } catch (error) {
    if (error !== stopPass) throw error;
  }
  if (counter.isFinished("fresh")) state.ending ??= { reason: "finished", error: undefined };
}

/** Thrown by a check to leave the pass; never leaves this file. */
const stopPass: Error = new Error("the watch was stopped");

/**
 * Reads one page of what came after the cursor. True when that was all there is: then the watch may
 * wait for more.
 */
async function readOn(
  store: PacketStore,
  state: RunState,
  deliver: (stored: StoredPacket) => Promise<void>,
): Promise<boolean> {
  const wasExpired = state.isExpired;
  const bounds = { low: state.cursor, high: Number.MAX_SAFE_INTEGER };
  const page = await store.byRecv(bounds, { max: packetsMax });
  for (const stored of page) {
    if (judge(state, stored)) await deliver(stored);
    if (state.ending !== undefined) return false;
  }
  if (page.length === packetsMax) return false;
  if (wasExpired) state.ending = { reason: "expired", error: undefined };
  return !state.isExpired;
}

/** Counts a packet. True when it is to be given; sets `ending` when nothing after it will be. */
function judge(state: RunState, stored: StoredPacket): boolean {
  const { query, counter } = state;
  const { packet, recv } = stored;
  state.cursor = recv + 1;
  if (recv > Number(query.recv.high)) {
    state.ending ??= { reason: "expired", error: undefined };
    return false;
  }
  if (recv < Number(query.recv.low) || !query.test(packet)) return false;
  const isGiven = counter.test(packet, recv, "fresh") === "match";
  if (counter.isFinished("fresh")) state.ending ??= { reason: "finished", error: undefined };
  return isGiven;
}

/** Wakes one sleeper. Rings that nobody waits for are kept, as one. */
interface Bell {
  ring(): void;
  heard(): Promise<void>;
}

function createBell(): Bell {
  let wake: (() => void) | undefined;
  let hasRung = false;
  return {
    ring() {
      hasRung = true;
      wake?.();
    },
    async heard() {
      if (!hasRung) await new Promise<void>((resolve) => (wake = resolve));
      wake = undefined;
      hasRung = false;
    },
  };
}
