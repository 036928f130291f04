/**
 * openView: reads a source, folds it, tells subscribers. Owns one background loop, which yields to
 * the host between slices so that no task runs long.
 */
import { asViewError, ViewError } from "./errors.ts";
import { createGatedFold, createOpenFold } from "./gated.ts";
import type {
  EventBatch,
  EventDraft,
  EventRef,
  EventSource,
  Gate,
  OpenView,
  View,
  ViewEvent,
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
  /** Events folded between two yields, 1–100,000; default 2,000. */
  readonly sliceEvents?: number;
  /** Decides which events count; without one all accepted events do. */
  readonly gate?: Gate;
}

interface Waiter {
  readonly ref: EventRef;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Opens a view on a source and keeps it up to date until it is disposed. */
export function openView<State>(
  deps: ViewDeps,
  view: View<State>,
  options: ViewOptions = {},
): OpenView<State> {
  const sliceEvents = options.sliceEvents ?? 2_000;
  const { gate } = options;
  const begin = () => (gate === undefined ? createOpenFold(view) : createGatedFold(view, gate));
  let fold = begin();
  const controller = new AbortController();
  const listeners = new Set<(events: readonly ViewEvent[]) => void>();
  // logId → height folded in; events of one log arrive in seq order.
  const heights = new Map<string, number>();
  let waiters: Waiter[] = [];
  let revision = 0;
  let failure: Error | undefined;
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);

  const isApplied = (ref: EventRef): boolean => (heights.get(ref.logId) ?? 0) > ref.seq;

  const settleWaiters = (): void => {
    waiters = waiters.filter((waiter) => {
      if (!isApplied(waiter.ref)) return true;
      waiter.resolve();
      return false;
    });
  };

  const stop = (error: Error): void => {
    failure ??= error;
    ready.reject(error);
    for (const waiter of waiters) waiter.reject(error);
    waiters = [];
  };

  // What changed and cannot be read yet, because the fold is stale.
  let unseen: ViewEvent[] = [];

  const takeSlice = (events: readonly ViewEvent[]): void => {
    const moved = fold.add(events.filter((event) => event.judgement === "accept"));
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
  const takeBatch = async (batch: EventBatch): Promise<void> => {
    if (batch.reset === true) {
      fold = begin();
      heights.clear();
      unseen = [];
    }
    for (let start = 0; start < batch.events.length; start += sliceEvents) {
      takeSlice(batch.events.slice(start, start + sliceEvents));
      await deps.yieldToHost?.();
    }
    // While loading, verdicts may change many times: fold anew once, at the end.
    isLoading &&= !batch.caughtUp;
    if (!isLoading) await mend();
    if (batch.caughtUp) ready.resolve();
  };

  const run = async (): Promise<void> => {
    try {
      for await (const batch of deps.source.batches({ signal: controller.signal })) {
        await takeBatch(batch);
        if (controller.signal.aborted) break;
      }
      stop(new ViewError("VIEW_CLOSED", `view ${view.name} is closed`));
    } catch (cause) {
      stop(asViewError(cause, view.name));
    }
  };
  const running = run();

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
    ready: ready.promise,
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
