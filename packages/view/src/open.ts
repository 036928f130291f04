/**
 * openView: reads a source, folds it, tells subscribers. Owns one background loop, which yields to
 * the host between slices so that no task runs long.
 */
import { asViewError, ViewError } from "./errors.ts";
import { createGatedFold, createOpenFold } from "./gated.ts";
import { createKeeper, type Begin, type SnapshotOptions } from "./keeper.ts";
import { verifySnapshot } from "./shared.ts";
import { encodeSnapshot } from "./snapshot.ts";
import { sliceEnd, sliceEventsMax } from "./stored.ts";
import type {
  EventBatch,
  EventDraft,
  EventRef,
  EventSource,
  Gate,
  OpenView,
  View,
  ViewEvent,
  ViewOrigin,
} from "./types.ts";

export interface ViewDeps {
  readonly source: EventSource;
  /**
   * Called between slices of work; resolve it in a later task so that a browser can paint. The
   * default resolves at once.
   */
  readonly yieldToHost?: () => Promise<void>;
}

export interface ViewOptions {
  /** Most events folded between two yields, fewer where bodies are large; 1–100,000, default 256. */
  readonly sliceEvents?: number;
  /** Decides which events count; without one all accepted events do. */
  readonly gate?: Gate;
  /**
   * Keeps snapshots of this view on this device, so that opening it again folds later events only.
   * Default: none are kept. A view behind a gate neither keeps nor takes any: what a gate lets in is
   * a matter of all events.
   */
  readonly snapshots?: SnapshotOptions;
}

interface Waiter {
  readonly ref: EventRef;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Opens a view on a source and keeps it up to date until it is disposed. */
export function openView<State>(
  deps: ViewDeps,
  given: View<State>,
  options: ViewOptions = {},
): OpenView<State> {
  const sliceEvents = options.sliceEvents ?? sliceEventsMax;
  const { gate } = options;
  let view = given;
  const begin = (at?: Begin<State>) =>
    gate === undefined ? createOpenFold(view, at) : createGatedFold(view, gate);
  let fold = begin();
  let origin: ViewOrigin = { kind: "events" };
  const snapshots = gate === undefined ? options.snapshots : undefined;
  const keeper = createKeeper(deps.source, () => view, snapshots);
  const controller = new AbortController();
  const listeners = new Set<(events: readonly ViewEvent[]) => void>();
  // logId → height folded in; events of one log arrive in seq order.
  const heights = new Map<string, number>();
  let waiters: Waiter[] = [];
  let revision = 0;
  let failure: ViewError | undefined;
  let ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);

  const isApplied = (ref: EventRef): boolean => (heights.get(ref.logId) ?? 0) > ref.seq;

  const settleWaiters = (): void => {
    waiters = waiters.filter((waiter) => {
      if (!isApplied(waiter.ref)) return true;
      waiter.resolve();
      return false;
    });
  };

  const stop = (error: ViewError): void => {
    failure ??= error;
    ready.reject(error);
    for (const waiter of waiters) waiter.reject(error);
    waiters = [];
    // Nothing moved; whoever shows the view reads its failure.
    for (const listener of listeners) listener([]);
  };

  // What changed and cannot be read yet, because the fold is stale.
  let unseen: ViewEvent[] = [];

  const takeSlice = (events: readonly ViewEvent[]): void => {
    const moved = fold.add(events.filter((event) => event.judgement === "accept"));
    if (fold.isLate) return;
    for (const event of events) {
      heights.set(event.logId, Math.max(heights.get(event.logId) ?? 0, event.seq + 1));
    }
    for (const event of moved) unseen.push(event);
    if (!fold.isStale) show();
  };

  /** Tells that the state has changed. */
  const show = (): void => {
    const moved = unseen;
    unseen = [];
    if (moved.length > 0) {
      revision += 1;
      for (const listener of listeners) listener(moved);
    }
    settleWaiters();
  };

  const mend = async (): Promise<void> => {
    if (!fold.isStale) return;
    while (fold.isStale) {
      fold.rebuild(sliceEvents);
      await deps.yieldToHost?.();
    }
    show();
  };

  let isLoading = true;
  // The batch that is folded in right now: until its end the state belongs to no mark of the source.
  let taking: Promise<void> | undefined;
  const takeBatch = async (batch: EventBatch): Promise<void> => {
    taking = foldBatch(batch);
    await taking;
    taking = undefined;
  };
  const foldBatch = async (batch: EventBatch): Promise<void> => {
    if (batch.reset === true) beginAt(undefined);
    for (let from = 0; from < batch.events.length;) {
      const end = sliceEnd(batch.events, from, sliceEvents);
      takeSlice(batch.events.slice(from, end));
      from = end;
      await deps.yieldToHost?.();
    }
    if (fold.isLate) return;
    keeper.folded(batch);
    // While loading, verdicts may change many times: fold anew once, at the end.
    isLoading &&= !batch.caughtUp;
    if (!isLoading) await mend();
    if (batch.caughtUp) ready.resolve();
    if (!isLoading && isOwn()) await keeper.keepIfDue(() => fold.state);
  };

  /** Does the state rest on what was checked here? Nothing else is kept: it would count as own. */
  const isOwn = (): boolean => origin.kind !== "shared" || origin.isVerified;

  /** Drops what was folded and begins at a snapshot, or at the first event. */
  const beginAt = (at: Begin<State> | undefined): void => {
    fold = begin(at);
    origin = at?.origin ?? { kind: "events" };
    heights.clear();
    for (const [logId, height] of at?.snapshot.mark.frontier ?? []) heights.set(logId, height);
    unseen = [];
    keeper.began(at);
    if (at === undefined) return;
    revision += 1;
    // There may be no event behind the snapshot that would tell of it.
    for (const listener of listeners) listener([]);
    settleWaiters();
  };

  /** Reads the source to its end. False when it has to be read again from its first event. */
  const follow = async (at: Begin<State> | undefined): Promise<boolean> => {
    const again = new AbortController();
    const signal = AbortSignal.any([controller.signal, again.signal]);
    restart = () => {
      mustRebuild = true;
      again.abort();
    };
    const reading = at === undefined ? { signal } : { signal, resume: at.snapshot.mark };
    // Somebody else's state is shown when the source has said that its events are here.
    let unshown = at?.origin.kind === "shared" ? at : undefined;
    for await (const batch of deps.source.batches(reading)) {
      if (unshown !== undefined && batch.reset !== true) beginAt(unshown);
      unshown = undefined;
      await takeBatch(batch);
      if (fold.isLate || mustRebuild) return false;
      if (signal.aborted) break;
      if (batch.caughtUp && !isOwn()) checking ??= check(at);
    }
    return !mustRebuild;
  };

  let mustRebuild = false;
  let restart: (() => void) | undefined;
  let checking: Promise<void> | undefined;
  /** Is somebody else's state what the events give? Whatever cannot be told is taken for no. */
  const check = async (at: Begin<State> | undefined): Promise<void> => {
    if (at === undefined) return;
    const { signal } = controller;
    const bytes = encodeSnapshot(at.snapshot, false);
    // Where the source failed, or a reducer: the view itself will meet that, and tells of it.
    const verdict = await verifySnapshot(deps, view, bytes, { signal }).catch(() => undefined);
    if (origin.kind !== "shared" || signal.aborted) return;
    if (verdict?.ok === true) {
      origin = { ...origin, isVerified: true };
      return;
    }
    restart?.();
    // Whoever cannot read all events cannot say that somebody else is wrong.
    if (verdict?.reason !== "SNAPSHOT_STATE_DIFFERS") return;
    const message = `the snapshot of view ${view.name} by ${origin.author} is false`;
    snapshots?.onMismatch?.(new ViewError("VIEW_SNAPSHOT_MISMATCH", message));
  };

  /** As `follow`; a reducer that fails on somebody else's state says nothing of the events. */
  const followSafely = async (at: Begin<State> | undefined): Promise<boolean> => {
    try {
      return await follow(at);
    } catch (cause) {
      if (isOwn()) throw cause;
      taking = undefined;
      return false;
    }
  };

  const run = async (): Promise<void> => {
    try {
      checking = undefined;
      let at = await keeper.begin();
      if (at?.origin.kind === "snapshot") beginAt(at);
      while (!(await followSafely(at))) {
        mustRebuild = false;
        at = undefined;
        isLoading = true;
        beginAt(undefined);
      }
      stop(new ViewError("VIEW_CLOSED", `view ${view.name} is closed`));
    } catch (cause) {
      // What was left half done must not be kept as if all before it were in it.
      if (taking !== undefined) keeper.began(undefined);
      taking = undefined;
      stop(asViewError(cause, view.name));
    }
  };
  let running = run();

  const retry = async (mended?: View<State>): Promise<void> => {
    if (failure === undefined || failure.code === "VIEW_CLOSED") return ready.promise;
    await running;
    view = mended ?? view;
    failure = undefined;
    isLoading = true;
    ready = Promise.withResolvers<void>();
    ready.promise.catch(() => undefined);
    beginAt(undefined);
    running = run();
    await ready.promise;
  };

  const applied = (
    ref: EventRef,
    applyOptions: { readonly signal?: AbortSignal } = {},
  ): Promise<void> => {
    if (isApplied(ref) && !fold.isStale) return Promise.resolve();
    if (failure !== undefined) return Promise.reject(failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { ref, resolve, reject };
    waiters.push(waiter);
    const { signal } = applyOptions;
    const onAbort = (): void => {
      waiters = waiters.filter((other) => other !== waiter);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise.finally(() => signal?.removeEventListener("abort", onAbort));
  };

  const subscribe = (listener: (events: readonly ViewEvent[]) => void): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };

  return {
    get state() {
      return fold.state;
    },
    get revision() {
      return revision;
    },
    get failure() {
      return failure;
    },
    get ready() {
      return ready.promise;
    },
    get origin() {
      return origin;
    },
    retry,
    keep: async () => {
      await checking;
      while (taking !== undefined) await taking.catch(() => undefined);
      if (isOwn()) return await keeper.keep(fold.state);
      const message = "the state began at somebody else's snapshot and could not be checked yet";
      throw new ViewError("VIEW_SNAPSHOT_UNAVAILABLE", message);
    },
    applied,
    withheld: () => fold.withheld(),
    write: async (drafts: readonly EventDraft[]) => {
      if (failure !== undefined) throw failure;
      const refs = await deps.source.append(drafts);
      const last = refs.at(-1);
      if (last !== undefined) await applied(last);
      return refs;
    },
    subscribe,
    changes: (changeOptions = {}) =>
      revisions(subscribe, () => revision, controller.signal, changeOptions.signal),
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      await running;
      await checking;
      if (!fold.isStale && isOwn()) await keeper.close(fold.state);
    },
  };
}

/** Yields the newest revision after each change until either signal aborts. */
async function* revisions(
  subscribe: (listener: () => void) => () => void,
  current: () => number,
  closed: AbortSignal,
  signal: AbortSignal | undefined,
): AsyncGenerator<number, void, undefined> {
  let seen = current();
  let wake: () => void = () => undefined;
  const stopped = (): boolean => closed.aborted || signal?.aborted === true;
  const unsubscribe = subscribe(() => wake());
  const onAbort = (): void => wake();
  closed.addEventListener("abort", onAbort);
  signal?.addEventListener("abort", onAbort);
  try {
    while (!stopped()) {
      if (current() === seen) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      seen = current();
      yield seen;
    }
  } finally {
    unsubscribe();
    closed.removeEventListener("abort", onAbort);
    signal?.removeEventListener("abort", onAbort);
  }
}
