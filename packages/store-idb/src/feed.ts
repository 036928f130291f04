/**
 * Telling listeners of every range once, in order of cursor, whichever tab committed it
 * (docs/spec/store-idb.md §7). Layer 4.
 */
import type { StoredRange } from "@hawser/log";

export interface FeedDeps {
  /** The highest cursor given. */
  lastCursor(): Promise<number>;
  /** Ranges of any topic after one cursor up to another, as many as make a page. */
  page(after: number, last: number): Promise<readonly StoredRange[]>;
  hasListeners(): boolean;
  tell(ranges: readonly StoredRange[]): void;
  report(error: unknown): void;
}

export interface Feed {
  /** A commit of our own took the cursor from `before` to `after`. */
  committed(stored: readonly StoredRange[], before: number, after: number): void;
  /** Another tab may have committed. */
  wake(): void;
  /** Resolves when no look is under way any more. */
  stop(): Promise<void>;
}

/** `start`: the cursor up to which nothing is told. */
export function createFeed(deps: FeedDeps, start: number): Feed {
  let told = start;
  let isStopped = false;
  let isWoken = false;
  let look: Promise<void> | undefined;

  const catchUp = async (): Promise<void> => {
    const last = await deps.lastCursor();
    while (told < last && !isStopped) {
      const page = deps.hasListeners() ? await deps.page(told, last) : [];
      // A commit of our own may have moved the cursor meanwhile.
      const ranges = page.filter((range) => range.cursor > told);
      told = Math.max(told, page.at(-1)?.cursor ?? last);
      if (ranges.length > 0 && !isStopped) deps.tell(ranges);
    }
  };

  const run = async (): Promise<void> => {
    while (isWoken && !isStopped) {
      isWoken = false;
      try {
        await catchUp();
      } catch (error) {
        if (!isStopped) deps.report(error);
      }
    }
    look = undefined;
  };

  const wake = (): void => {
    isWoken = true;
    if (!isStopped) look ??= run();
  };

  return {
    committed: (stored, before, after) => {
      if (after === before) return;
      if (told === before) {
        told = after;
        deps.tell(stored);
      } else {
        // Ranges of others come first.
        wake();
      }
    },
    wake,
    stop: async () => {
      isStopped = true;
      await look;
    },
  };
}
