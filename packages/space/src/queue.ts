/**
 * Two small tools for asynchronous state: a queue that runs one job at a time, and a signal that
 * wakes whoever waits for the next change. Layer 5, internal.
 */

/** Runs jobs one after another, in the order they were handed in. */
export interface Queue {
  run<Result>(job: () => Promise<Result>): Promise<Result>;
  /** Resolves when every job handed in so far is done. */
  idle(): Promise<void>;
}

/** An empty queue. A job that fails does not stop the next. */
export function createQueue(): Queue {
  let tail: Promise<unknown> = Promise.resolve();
  return {
    run: (job) => {
      const result = tail.then(job);
      tail = result.catch(() => undefined);
      return result;
    },
    idle: async () => {
      await tail;
    },
  };
}

/** Counts changes; waiting for one never misses any. */
export interface Signal {
  readonly revision: number;
  notify(): void;
  /** Resolves once `revision` differs from `seen`, or the abort signal fires. */
  changed(seen: number, abort?: AbortSignal): Promise<void>;
}

/** A signal at revision 0. */
export function createSignal(): Signal {
  let revision = 0;
  const waiters = new Set<() => void>();
  return {
    get revision() {
      return revision;
    },
    notify: () => {
      revision += 1;
      const woken = [...waiters];
      waiters.clear();
      for (const wake of woken) wake();
    },
    changed: (seen, abort) => {
      if (revision !== seen || abort?.aborted === true) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = (): void => {
          waiters.delete(wake);
          abort?.removeEventListener("abort", wake);
          resolve();
        };
        waiters.add(wake);
        abort?.addEventListener("abort", wake, { once: true });
      });
    },
  };
}
