/** What one run of the bench found, as it travels from the process that ran it. */
import type { Spent, Waits } from "./typing.ts";

/** A run. What does not apply to it is absent. */
export interface CrdtRun extends Spent {
  readonly waits?: Waits;
  /** How often something was stored. */
  readonly stores?: number;
  /** Until another device, or another process, had the text. */
  readonly loadSeconds?: number;
  /** Stored before compaction. */
  readonly bytes?: number;
  /** The document alone, as its engine saves it. */
  readonly rawBytes?: number;
  /** Logs and what stands for them, after compaction. */
  readonly compactedBytes?: number;
  readonly compactSeconds?: number;
  /** Until the document was open again from what was kept on the device. */
  readonly reopenSeconds?: number;
}

/** Seconds that some work takes. */
export async function timed<Result>(
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly seconds: number }> {
  const start = performance.now();
  const result = await work();
  return { result, seconds: (performance.now() - start) / 1_000 };
}
