/**
 * What was offered and turned away, so that it can be explained (docs/spec/6-space.md §7 *admission*).
 * In memory, bounded, and of no effect: nothing of what was refused is kept. Layer 5, internal.
 */
import type { LogId } from "@hawser/log";
import type { EntryRef } from "./types.ts";

/** Why a range was not stored. */
export interface Refusal {
  readonly from: number;
  readonly reason: string;
}

/** The last refusal of each log. */
export interface Refusals {
  note(logId: LogId, refusal: Refusal): void;
  /** Something of the log was stored. */
  forget(logId: LogId): void;
  /** The refusal that an entry is missing for. */
  find(ref: EntryRef): Refusal | undefined;
}

/** Logs remembered; the one that was refused longest ago goes first. */
const refusedLogsMax = 256;

/** Nothing was refused yet. */
export function createRefusals(): Refusals {
  const known = new Map<LogId, Refusal>();
  return {
    note: (logId, refusal) => {
      known.delete(logId);
      known.set(logId, refusal);
      const [oldest] = known.keys();
      if (known.size > refusedLogsMax && oldest !== undefined) known.delete(oldest);
    },
    forget: (logId) => {
      known.delete(logId);
    },
    find: ({ logId, seq }) => {
      const refusal = known.get(logId);
      return refusal !== undefined && seq >= refusal.from ? refusal : undefined;
    },
  };
}
