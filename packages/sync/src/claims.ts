/**
 * Which session fetches a log, so that it does not come twice from two peers
 * (docs/spec/3-sync.md §6). Layer 4.
 */
import type { LogId, Topic } from "@hawser/log";

/** Someone who waits for, or holds, the right to fetch a log. */
export interface Claimant {
  granted(topic: Topic, logId: LogId): void;
}

export interface Claims {
  /** Grants at once when nobody holds the log, else when those before are done. */
  claim(claimant: Claimant, topic: Topic, logId: LogId): void;
  release(claimant: Claimant, logId: LogId): void;
  /** Releases everything of a claimant that is gone. */
  releaseAll(claimant: Claimant): void;
}

interface Queue {
  holder: Claimant;
  readonly waiting: Map<Claimant, Topic>;
}

export function createClaims(): Claims {
  const queues = new Map<LogId, Queue>();

  const pass = (logId: LogId, queue: Queue): void => {
    for (const [claimant, topic] of queue.waiting) {
      queue.waiting.delete(claimant);
      queue.holder = claimant;
      claimant.granted(topic, logId);
      return;
    }
    queues.delete(logId);
  };

  return {
    claim: (claimant, topic, logId) => {
      const queue = queues.get(logId);
      if (queue !== undefined && queue.holder !== claimant) {
        queue.waiting.set(claimant, topic);
        return;
      }
      if (queue === undefined) queues.set(logId, { holder: claimant, waiting: new Map() });
      claimant.granted(topic, logId);
    },
    release: (claimant, logId) => {
      const queue = queues.get(logId);
      if (queue === undefined) return;
      if (queue.holder === claimant) pass(logId, queue);
      else queue.waiting.delete(claimant);
    },
    releaseAll: (claimant) => {
      for (const [logId, queue] of queues) {
        queue.waiting.delete(claimant);
        if (queue.holder === claimant) pass(logId, queue);
      }
    },
  };
}
