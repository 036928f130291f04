/**
 * What has expired by now, for one reader: the state says when, this clock says whether. A timer tells
 * of the next one, so that watchers need not ask. Layer 7, internal.
 */
import { expiryKey, fromExpiryKey, type HeldVersion, type KvState } from "./held.ts";

/** µs since the epoch; a clock of the application. */
export interface KvClock {
  nowMicros(): number;
}

/** Timers of the application. */
export interface KvTimers {
  /** Calls back once after `delayMs`; returns the cancel function. */
  after(delayMs: number, callback: () => void): () => void;
}

export interface Expiry {
  /** Without a clock nothing ever does. */
  isExpired(version: HeldVersion | undefined): boolean;
  /** Keys whose winner has expired: as many steps as there are such keys. */
  expiredCount(): number;
  /** The state has changed: the next expiry may be another one. */
  moved(): void;
  stop(): void;
}

/** Timers are set anew after so long: none counts weeks. */
const delayMsMax = 3_600_000;

/** Calls `onExpired` with the keys that have come to read as absent. */
export function createExpiry(
  deps: { readonly clock?: KvClock; readonly timers?: KvTimers },
  state: () => KvState,
  onExpired: (keys: readonly string[]) => void,
): Expiry {
  const { clock, timers } = deps;
  const now = (): number => clock?.nowMicros() ?? 0;
  let toldUpTo = now();
  let due: number | undefined;
  let cancel: (() => void) | undefined;
  let isStopped = false;

  /** Keys that expire after `from` and not after `to`. */
  function* between(from: number, to: number): Generator<string> {
    for (const text of state().expiring.ascend(expiryKey(from + 1, ""))) {
      const { expiresAt, key } = fromExpiryKey(text);
      if (expiresAt > to) return;
      yield key;
    }
  }

  const tick = (): void => {
    cancel = undefined;
    due = undefined;
    const to = Math.max(toldUpTo, now());
    const keys = [...between(toldUpTo, to)];
    toldUpTo = to;
    moved();
    if (keys.length > 0) onExpired(keys);
  };

  const moved = (): void => {
    if (clock === undefined || timers === undefined || isStopped) return;
    const [next] = state().expiring.ascend(expiryKey(toldUpTo + 1, ""));
    const at = next === undefined ? undefined : fromExpiryKey(next).expiresAt;
    if (at === due) return;
    cancel?.();
    cancel = undefined;
    due = at;
    if (at === undefined) return;
    // At least 1 ms: a clock that stands still keeps nobody busy.
    const delayMs = Math.max(1, Math.ceil((at - now()) / 1_000));
    cancel = timers.after(Math.min(delayMs, delayMsMax), tick);
  };

  return {
    isExpired: (version) =>
      clock !== undefined && version?.expiresAt !== undefined && version.expiresAt <= now(),
    expiredCount: () => {
      if (clock === undefined) return 0;
      let count = 0;
      for (const _ of between(-1, now())) count += 1;
      return count;
    },
    moved,
    stop: () => {
      isStopped = true;
      cancel?.();
    },
  };
}
