/**
 * Which session fetches a log, so that it does not come twice from two peers
 * (docs/spec/3-sync.md §6). Layer 4.
 */
import type { LogId, Topic } from "@hawser/log";

/** Someone who waits for, or holds, the right to fetch logs. */
export interface Claimant {
  granted(topic: Topic, logIds: readonly LogId[]): void;
}

export interface Claims {
  /** Grants each log at once when nobody holds it, else when those before are done. */
  claim(claimant: Claimant, topic: Topic, logIds: readonly LogId[]): void;
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
  let grants: { readonly claimant: Claimant; readonly topic: Topic; readonly logId: LogId }[] = [];

  // Told later and together: the commit that ended a claim must first reach every session, and
  // logs granted one by one would be asked for one by one.
  const tell = (): void => {
    const byClaimant = new Map<Claimant, Map<Topic, LogId[]>>();
    for (const { claimant, topic, logId } of grants) {
      const byTopic = byClaimant.get(claimant) ?? new Map<Topic, LogId[]>();
      const logIds = byTopic.get(topic) ?? [];
      logIds.push(logId);
      byClaimant.set(claimant, byTopic.set(topic, logIds));
    }
    grants = [];
    for (const [claimant, byTopic] of byClaimant) {
      for (const [topic, logIds] of byTopic) claimant.granted(topic, logIds);
    }
  };
  const grant = (claimant: Claimant, topic: Topic, logId: LogId): void => {
    if (grants.length === 0) void Promise.resolve().then(tell);
    grants.push({ claimant, topic, logId });
  };
  const pass = (logId: LogId, queue: Queue): void => {
    for (const [claimant, topic] of queue.waiting) {
      queue.waiting.delete(claimant);
      queue.holder = claimant;
      return grant(claimant, topic, logId);
    }
    queues.delete(logId);
  };

  return {
    claim: (claimant, topic, logIds) => {
      for (const logId of logIds) {
        const queue = queues.get(logId);
        if (queue !== undefined && queue.holder !== claimant) {
          queue.waiting.set(claimant, topic);
          continue;
        }
        if (queue === undefined) queues.set(logId, { holder: claimant, waiting: new Map() });
        grant(claimant, topic, logId);
      }
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
