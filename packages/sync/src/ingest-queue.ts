/**
 * Hands ranges to ingest one after another (docs/spec/3-sync.md §7). Layer 4.
 */
import type { EncodedRange } from "@hawser/log";
import type { Ingest, IngestOutcome } from "./types.ts";

export interface IngestQueue {
  push(id: number, range: EncodedRange): void;
  /** Drops what waits; nothing more is handed on. */
  end(): void;
}

export interface IngestListener {
  onOutcome(id: number, outcome: IngestOutcome): void;
  onFailure(cause: unknown): void;
}

/** What waits is bounded by the credit the peer was granted. */
export function createIngestQueue(ingest: Ingest, listener: IngestListener): IngestQueue {
  const jobs: { readonly id: number; readonly range: EncodedRange }[] = [];
  let isRunning = false;
  let isEnded = false;

  const run = async (): Promise<void> => {
    try {
      for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
        const outcome = await ingest(job.range);
        if (!isEnded) listener.onOutcome(job.id, outcome);
      }
    } catch (cause) {
      jobs.length = 0;
      if (!isEnded) listener.onFailure(cause);
    }
    isRunning = false;
  };
  return {
    push: (id, range) => {
      if (isEnded) return;
      jobs.push({ id, range });
      if (isRunning) return;
      isRunning = true;
      void run();
    },
    end: () => {
      isEnded = true;
      jobs.length = 0;
    },
  };
}
