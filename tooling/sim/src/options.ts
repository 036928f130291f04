/**
 * What a run is made from: a seed, and what is left out of it. `swarm` draws which faults a seed has
 * and how strong they are, so that a thousand seeds are a thousand different storms.
 */
import type { Draws } from "./draws.ts";

/** Kinds of trouble; a seed draws which it has, and each can be added to a run or left out. */
export const troubles = [
  "delay",
  "cut",
  "partition",
  "crash",
  "disk",
  "clock",
  "broken",
  "garbage",
  "replay",
  "withhold",
  "forge",
  "fork",
  "hoard",
  "refork",
] as const;

/** One kind of trouble. */
export type Trouble = (typeof troubles)[number];

/** Trouble that others grow worse by: `withhold` and `fork`. */
const laterTroubles: ReadonlySet<Trouble> = new Set(["hoard", "refork"]);

/** One run. */
export interface RunOptions {
  readonly seed: number;
  /** Trouble that is there, whatever the seed says. */
  readonly with?: ReadonlySet<Trouble>;
  /** Trouble that is left out, whatever the seed says. */
  readonly without?: ReadonlySet<Trouble>;
  /** At most so many steps of the workload; default: as the seed says. */
  readonly stepsMax?: number;
  /** The name of a planted bug. */
  readonly bug?: string;
  readonly onLine?: (line: string) => void;
}

/** What a seed stands for. */
export interface Swarm {
  readonly deviceCount: number;
  readonly relayCount: number;
  /** Devices that are members before the storm. */
  readonly earlyMembers: number;
  readonly stepCount: number;
  /** Mean time between two steps, ms. */
  readonly stepMs: number;
  /** Devices talk to each other as well, not only to relays. */
  readonly isMeshed: boolean;
  readonly hasGroup: boolean;
  /** Share of devices on the file store. */
  readonly fileStoreChance: number;
  readonly has: ReadonlySet<Trouble>;
  /** Clocks are set back further than the allowed drift. */
  readonly setsFarBack: boolean;
  readonly delayMsMax: number;
  readonly cutChance: number;
  /** Mean time between two crashes, partitions, and so on, ms. */
  readonly troubleMs: number;
}

/** What a seed stands for, with what is added and without what is left out. */
export function drawSwarm(draws: Draws, options: RunOptions): Swarm {
  const isOn = (trouble: Trouble): boolean => {
    const chance = trouble === "fork" ? 0.15 : trouble === "broken" ? 0.25 : 0.5;
    // Those of a stream of their own came later: older seeds stay what they were.
    const isDrawn = laterTroubles.has(trouble)
      ? draws.split(trouble).chance(chance)
      : draws.chance(chance);
    const isAdded = options.with?.has(trouble) === true;
    return (isDrawn || isAdded) && options.without?.has(trouble) !== true;
  };
  const has = new Set(troubles.filter(isOn));
  const stepCount = draws.between(15, 45);
  const isFast = draws.chance(0.5);
  return {
    deviceCount: draws.between(3, 5),
    relayCount: draws.between(1, 2),
    earlyMembers: draws.between(1, 4),
    stepCount: Math.min(stepCount, options.stepsMax ?? stepCount),
    stepMs: isFast ? draws.between(50, 500) : draws.between(1_000, 4_000),
    isMeshed: draws.chance(0.4),
    hasGroup: draws.chance(0.2),
    fileStoreChance: draws.chance(0.3) ? 0.6 : 0,
    has,
    setsFarBack: has.has("clock") && draws.split("far back").chance(0.5),
    delayMsMax: has.has("delay") ? draws.between(20, 3_000) : 5,
    cutChance: has.has("cut") ? draws.float() * 0.05 : 0,
    troubleMs: draws.between(2_000, 15_000),
  };
}
