/**
 * How many bytes of detached bodies a relay keeps, for each space and in all. Layer 9.
 */
import type { Topic } from "@hawser/log";
import type { BodyQuota } from "@hawser/space";
import type { RelayLimits } from "./limits.ts";
import { overBudget } from "./usage.ts";

/** What is kept now. */
export interface BodyBook extends BodyQuota {
  of(topic: Topic): number;
  total(): number;
}

/** Counts by topic. Nodes that share a database count each for itself what it took and found. */
export function createBodyBook(
  limits: Pick<RelayLimits, "topicBodyBytesMax" | "storeBodyBytesMax">,
): BodyBook {
  const bytesByTopic = new Map<Topic, number>();
  let total = 0;
  const add = (topic: Topic, byteCount: number): void => {
    const bytes = (bytesByTopic.get(topic) ?? 0) + byteCount;
    total += byteCount;
    if (bytes > 0) bytesByTopic.set(topic, bytes);
    else bytesByTopic.delete(topic);
  };
  return {
    of: (topic) => bytesByTopic.get(topic) ?? 0,
    total: () => total,
    admit: ({ topic, byteCount }) => {
      const bytes = (bytesByTopic.get(topic) ?? 0) + byteCount;
      if (bytes > limits.topicBodyBytesMax) return overBudget;
      if (total + byteCount > limits.storeBodyBytesMax) return overBudget;
      add(topic, byteCount);
      return undefined;
    },
    restore: add,
    release: (topic, byteCount) => add(topic, -byteCount),
  };
}
