/**
 * Ranges that overtook the ones they follow (docs/spec/transport-libp2p.md §5): kept for a moment,
 * tried again when their log grows. Layer 5.
 */
import type { EncodedRange, LogId } from "@hawser/log";
import type { Timers } from "@hawser/sync";
import type { PeerId } from "@libp2p/interface";
import type { GossipVerdict } from "./gossip-types.ts";
import { heldMs, heldRangesMax } from "./limits.ts";

export interface HeldRange {
  readonly logId: LogId;
  readonly range: EncodedRange;
  /** Who passed it on. */
  readonly peer: PeerId;
}

export interface HeldRanges {
  /** Resolves when the range could be judged, or was given up. */
  add(range: HeldRange): Promise<GossipVerdict>;
  /** The log grew. */
  committed(logId: LogId): void;
  /** Gives all of them up without a word. */
  stop(): void;
}

interface HeldRangesParts {
  readonly timers: Timers;
  /** The verdict on a range that is still too early. */
  giveUp(range: HeldRange): GossipVerdict;
  /** `undefined` when it is still too early. */
  tryAgain(range: HeldRange): Promise<GossipVerdict | undefined>;
  inTurn(job: () => Promise<void>): Promise<void>;
  /** The verdict when trying failed. */
  failed(cause: unknown): GossipVerdict;
}

interface Waiting {
  readonly range: HeldRange;
  readonly settle: (verdict: GossipVerdict) => void;
  readonly stopTimer: () => void;
}

/** At most 64 of them, and none longer than a second. */
export function createHeldRanges(parts: HeldRangesParts): HeldRanges {
  const waiting = new Set<Waiting>();

  const settle = (item: Waiting, verdict: GossipVerdict): void => {
    waiting.delete(item);
    item.stopTimer();
    item.settle(verdict);
  };
  const tryAgain = (item: Waiting): void => {
    // Whoever waits in line is judged when its turn comes, by the log as it is then.
    const trying = parts.inTurn(async () => {
      if (!waiting.has(item)) return;
      const verdict = await parts.tryAgain(item.range);
      if (verdict !== undefined) settle(item, verdict);
    });
    trying.catch((cause: unknown) => settle(item, parts.failed(cause)));
  };
  return {
    add: (range) => {
      if (waiting.size >= heldRangesMax) return Promise.resolve(parts.giveUp(range));
      const { promise, resolve } = Promise.withResolvers<GossipVerdict>();
      const stopTimer = parts.timers.after(heldMs, () => settle(item, parts.giveUp(range)));
      const item: Waiting = { range, settle: resolve, stopTimer };
      waiting.add(item);
      return promise;
    },
    committed: (logId) => {
      const ready = [...waiting].filter((item) => item.range.logId === logId);
      ready.sort((left, right) => left.range.range.from - right.range.range.from);
      for (const item of ready) tryAgain(item);
    },
    stop: () => {
      for (const item of waiting) settle(item, "ignore");
    },
  };
}
