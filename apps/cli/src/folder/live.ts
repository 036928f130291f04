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
  /** Ends the loop. */
  readonly signal: AbortSignal;
  /** Subscribes to changes of the space; returns the unsubscribe function. */
  readonly onSpaceChange: (listener: () => void) => () => void;
  /** Called after each pass, also one that changed nothing. Awaited before the next. */
  readonly onPass: (result: PassResult) => Promise<void> | void;
}

/** While something waits, the next look comes soon even if nothing is heard. */
const waitingMs = 1_000;
/** A pass over a huge folder takes long: passes never take more than a tenth of the time. */
const restFactor = 9;

/**
 * Resolves when the signal aborts. Rejects when a pass fails as a whole (folder gone, over limit).
 */
export async function keepInStep(deps: MirrorDeps, options: LiveOptions): Promise<void> {
  const { settleMs = 120, heartbeatMs = 5_000, signal } = options;
  const alarm = createAlarm();
  const stopSpace = options.onSpaceChange(alarm.ring);
  const watcher = watchFolder(options.root, alarm.ring);
  signal.addEventListener("abort", alarm.ring, { once: true });
  try {
    while (!signal.aborted) {
      alarm.reset();
      const startMs = performance.now();
      const result = await runMirrorPass(deps, options);
      await options.onPass(result);
      const restMs = (performance.now() - startMs) * restFactor;
      const quietMs = result.waiting.length > 0 ? waitingMs : heartbeatMs;
      await alarm.wait(Math.max(quietMs, restMs));
      await pause(settleMs, undefined, { signal }).catch(() => undefined);
    }
  } catch (error) {
    // A pass that was told to end early is no failure.
    if (!signal.aborted) throw error;
  } finally {
    stopSpace();
    watcher?.close();
    signal.removeEventListener("abort", alarm.ring);
  }
}

interface Alarm {
  readonly ring: () => void;
  reset(): void;
  /** Resolves when it rings, has rung since `reset`, or the time is over. */
  wait(timeoutMs: number): Promise<void>;
}

function createAlarm(): Alarm {
  let hasRung = false;
  let wake: () => void = () => undefined;
  return {
    ring: () => {
      hasRung = true;
      wake();
    },
    reset: () => {
      hasRung = false;
    },
    wait: (timeoutMs) =>
      new Promise((resolve) => {
        if (hasRung) return resolve();
        const timer = setTimeout(resolve, timeoutMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
  };
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
