/**
 * How much of each peer is looked at (docs/spec/transport-libp2p.md §5). Layer 5, pure but for the
 * injected clock.
 */
import type { Clock } from "@hawser/log";
import { ratedPeersMax } from "./limits.ts";

/** Rates, each a second; twice that may come at once. */
export interface Rates {
  readonly messages: number;
  readonly bytes: number;
}

export interface Budgets {
  /** Whether a message of that size is within what its sender may have looked at now. */
  take(peer: string, byteCount: number): boolean;
}

interface Budget {
  messages: number;
  bytes: number;
  atMicros: number;
}

/** A token bucket for each peer; those heard least recently are forgotten first. */
export function createBudgets(clock: Clock, rates: Rates): Budgets {
  const budgets = new Map<string, Budget>();
  const messagesMax = rates.messages * 2;
  const bytesMax = rates.bytes * 2;

  const budgetOf = (peer: string): Budget => {
    const now = clock.nowMicros();
    const budget = budgets.get(peer) ?? { messages: messagesMax, bytes: bytesMax, atMicros: now };
    const seconds = Math.max(0, now - budget.atMicros) / 1_000_000;
    budget.messages = Math.min(messagesMax, budget.messages + seconds * rates.messages);
    budget.bytes = Math.min(bytesMax, budget.bytes + seconds * rates.bytes);
    budget.atMicros = now;
    // The order of the map is that of last use.
    budgets.delete(peer);
    budgets.set(peer, budget);
    const [oldest] = budgets.keys();
    if (budgets.size > ratedPeersMax && oldest !== undefined) budgets.delete(oldest);
    return budget;
  };
  return {
    take: (peer, byteCount) => {
      const budget = budgetOf(peer);
      if (budget.messages < 1 || budget.bytes < byteCount) return false;
      budget.messages -= 1;
      budget.bytes -= byteCount;
      return true;
    },
  };
}
