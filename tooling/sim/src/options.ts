/**
 * What a run is made from: a seed, and what is left out of it. `swarm` draws which faults a seed has
 * and how strong they are, so that a thousand seeds are a thousand different storms.
 */
import type { Draws } from "./draws.ts";

/** Kinds of trouble; each can be left out of a run. */
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
] as const;

/** One kind of trouble. */
export type Trouble = (typeof troubles)[number];

/**
 * Trouble that is known not to be weathered yet, and is in a run only when asked for. `hoard`: a relay
 * that withholds goes on doing so after the storm. A log that it announces and never sends is fetched
 * from nobody else while its session lasts. `refork`: one log is forked at several places. Of two fork
 * proofs the one for the earlier place is not taken from peers where the later one is known.
 */
export const openTroubles = ["hoard", "refork"] as const;

/** One kind of open trouble. */
export type OpenTrouble = (typeof openTroubles)[number];

/** One run. */
export interface RunOptions {
  readonly seed: number;
  /** Open trouble to add. */
  readonly with?: ReadonlySet<OpenTrouble>;
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
  readonly hoards: boolean;
  readonly reforks: boolean;
  readonly delayMsMax: number;
  readonly cutChance: number;
  /** Mean time between two crashes, partitions, and so on, ms. */
  readonly troubleMs: number;
}

/** What a seed stands for, less what is left out. */
export function drawSwarm(draws: Draws, options: RunOptions): Swarm {
  const has = new Set<Trouble>();
  for (const trouble of troubles) {
    const chance = trouble === "fork" ? 0.15 : trouble === "broken" ? 0.25 : 0.5;
    const isOn = draws.chance(chance);
    if (isOn && options.without?.has(trouble) !== true) has.add(trouble);
  }
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
    hoards: options.with?.has("hoard") === true,
    reforks: options.with?.has("refork") === true,
    delayMsMax: has.has("delay") ? draws.between(20, 3_000) : 5,
    cutChance: has.has("cut") ? draws.float() * 0.05 : 0,
    troubleMs: draws.between(2_000, 15_000),
  };
}
