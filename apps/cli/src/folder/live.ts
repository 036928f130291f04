/**
 * Live: runs mirror passes whenever the folder or the space changes, one at a time, and tells what
 * happened. File systems lose notifications, so a slow heartbeat looks as well.
 */
import { watch } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { runMirrorPass, type MirrorDeps, type MirrorOptions, type PassResult } from "./mirror.ts";

export interface LiveOptions extends MirrorOptions {
  /** Quiet time after a change before a pass starts, so that a save in steps is one change. */
  readonly settleMs?: number;
  /** Time after which a pass runs although nothing was heard. */
  readonly heartbeatMs?: number;
  readonly signal: AbortSignal;
  /** Subscribes to changes of the space; returns the unsubscribe function. */
  readonly onSpaceChange: (listener: () => void) => () => void;
  /** Called after each pass, also one that changed nothing. Awaited before the next. */
  readonly onPass: (result: PassResult) => Promise<void>;
}

/** Resolves when the signal aborts. Rejects when a pass fails as a whole (folder gone, over limit). */
export async function keepInStep(deps: MirrorDeps, options: LiveOptions): Promise<void> {
  const { settleMs = 120, heartbeatMs = 5_000, signal } = options;
  let isDue = true;
  let wake: () => void = () => undefined;
  const notice = (): void => {
    isDue = true;
    wake();
  };
  const stopSpace = options.onSpaceChange(notice);
  const watcher = watchFolder(options.root, notice);
  signal.addEventListener("abort", notice, { once: true });
  try {
    while (!signal.aborted) {
      isDue = false;
      const result = await runMirrorPass(deps, options);
      await options.onPass(result);
      if (result.waiting.length > 0) isDue = true;
      if (!isDue && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, heartbeatMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      await pause(settleMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    stopSpace();
    watcher?.close();
    signal.removeEventListener("abort", notice);
  }
}

/** `undefined` where the system cannot watch; the heartbeat then does it alone. */
function watchFolder(root: string, notice: () => void): { close(): void } | undefined {
  try {
    const watcher = watch(root, { recursive: true, persistent: false }, notice);
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}
