/**
 * Turns commits of the store into new heads, several commits of a log at once
 * (docs/spec/3-sync.md §7). Layer 4.
 */
import type { LogHead, LogId, LogStore, Topic } from "@hawser/log";

export interface HeadWatcher {
  /** Resolves once every commit made so far has been told to the listener. */
  settled(): Promise<void>;
  stop(): void;
}

export interface HeadListener {
  onHeads(topic: Topic, heads: readonly LogHead[]): void;
  onFailure(cause: unknown): void;
}

/** Watches until stopped. Heads are told in commit order per log, never older after newer. */
export function watchHeads(store: LogStore, listener: HeadListener): HeadWatcher {
  let dirty = new Map<Topic, Set<LogId>>();
  let running: Promise<void> | undefined;
  let isStopped = false;

  const run = async (): Promise<void> => {
    while (dirty.size > 0 && !isStopped) {
      const batch = dirty;
      dirty = new Map();
      for (const [topic, logIds] of batch) {
        const heads: LogHead[] = [];
        for (const logId of logIds) {
          const head = await store.head(logId);
          if (head !== undefined) heads.push(head);
        }
        if (!isStopped) listener.onHeads(topic, heads);
      }
    }
  };
  const wake = (): void => {
    running ??= run()
      .catch((cause: unknown) => {
        if (!isStopped) listener.onFailure(cause);
      })
      .finally(() => {
        running = undefined;
        if (dirty.size > 0 && !isStopped) wake();
      });
  };
  const unsubscribe = store.onCommit((ranges) => {
    for (const range of ranges) {
      // A tail that waits for its signature never leaves the device.
      if (!range.signed) continue;
      const logIds = dirty.get(range.context.topic) ?? new Set();
      dirty.set(range.context.topic, logIds.add(range.logId));
    }
    if (dirty.size > 0) wake();
  });
  return {
    settled: async () => {
      while (running !== undefined) await running;
    },
    stop: () => {
      isStopped = true;
      unsubscribe();
    },
  };
}
