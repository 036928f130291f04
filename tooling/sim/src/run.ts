/**
 * One run: from a seed to a verdict.
 */
import { createCrypto, type Crypto } from "@hawser/crypto";
import { plantedBugs } from "./bugs.ts";
import { checkSafety } from "./checks.ts";
import { createDraws } from "./draws.ts";
import { beginStorm } from "./faults.ts";
import type { Host } from "./host.ts";
import type { Flaw } from "./ledger.ts";
import { drawSwarm, troubles, type RunOptions, type Swarm } from "./options.ts";
import { checkOutcome } from "./outcome.ts";
import { createTrace } from "./trace.ts";
import { rememberVerdicts } from "./verdicts.ts";
import { joinBy, takeStep } from "./workload.ts";
import { createWorld, describe, type World } from "./world.ts";

/** What came of a run. */
export interface RunResult {
  readonly seed: number;
  /** `undefined`: everything held. */
  readonly flaw: Flaw | undefined;
  /** Equal for equal runs. */
  readonly traceHash: string;
  readonly counts: RunCounts;
}

/** How much happened, so that an empty run is noticed. */
export interface RunCounts {
  readonly writes: number;
  readonly acknowledged: number;
  readonly entries: number;
  readonly virtualMs: number;
}

let loaded: Promise<Crypto> | undefined;

/** Runs a seed. Never rejects for what the run finds. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  loaded ??= createCrypto();
  const crypto = rememberVerdicts(await loaded);
  const draws = createDraws(options.seed);
  const swarm = drawSwarm(draws.split("swarm"), options);
  const trace = createTrace(options.onLine);
  const bug = options.bug === undefined ? {} : plantedBugs[options.bug]?.make();
  if (bug === undefined) throw new Error(`no planted bug is called ${options.bug}`);
  const world = createWorld({ crypto, draws, swarm, trace, bug, options });
  const onRejection = (reason: unknown): void =>
    world.fail("SIM_ERROR", `nobody handles ${describe(reason)}`);
  process.on("unhandledRejection", onRejection);
  try {
    await playRun(world);
  } catch (error) {
    world.fail("SIM_ERROR", `the run stops: ${describe(error)}`);
  } finally {
    process.off("unhandledRejection", onRejection);
    for (const { life } of world.hosts) if (life !== undefined) life.owner.isAlive = false;
  }
  const { ledger, schedule } = world;
  const counts = {
    writes: ledger.writes.length,
    acknowledged: ledger.writes.filter(({ isAcknowledged }) => isAcknowledged).length,
    entries: await entryCount(world),
    virtualMs: schedule.nowMs(),
  };
  return { seed: options.seed, flaw: ledger.flaw, traceHash: trace.hash(), counts };
}

export async function playRun(world: World): Promise<void> {
  world.note(describeSwarm(world.swarm));
  await setUp(world);
  const storm = beginStorm(world);
  const draws = world.draws.split("steps");
  const isOver = (): boolean => world.ledger.flaw !== undefined;
  for (let step = 0; step < world.swarm.stepCount && !isOver(); step++) {
    const gapMs = draws.below(2 * world.swarm.stepMs);
    await world.schedule.runUntil(world.schedule.nowMs() + gapMs, isOver);
    takeStep(world, draws.split(`step ${step}`));
    if (step % 4 === 3) await checkSafety(world);
  }
  await world.schedule.runUntil(world.schedule.nowMs() + 2_000, isOver);
  if (isOver()) return;
  await storm.calm();
  await checkOutcome(world);
}

/** Before the storm: the founder's space, its relays, its first members, and a group if there is one. */
async function setUp(world: World): Promise<void> {
  for (const host of world.hosts) await world.settle(world.start(host));
  const [founder, second] = world.devices;
  if (founder === undefined) return;
  await found(world, founder);
  const early = world.devices.slice(1, 1 + world.swarm.earlyMembers);
  for (const host of early) await letIn(world, founder, host);
  if (world.swarm.hasGroup && second !== undefined) {
    await found(world, second);
    const third = world.devices[2];
    if (third !== undefined) await letIn(world, second, third);
  }
  await world.schedule.runUntil(world.schedule.nowMs() + 8_000, () => false);
}

async function found(world: World, founder: Host): Promise<void> {
  const space = await world.settle(
    founder.life?.spaces.create() ?? Promise.reject(new Error("off")),
  );
  world.topics.push(space.topic);
  for (const relay of world.relays) {
    const host = async (): Promise<void> => {
      const bundle = await relay.life?.spaces.bundle();
      if (bundle === undefined) return;
      await space.add(bundle, "pull");
      await relay.life?.spaces.follow(space.hosting(bundle));
    };
    await world.settle(host());
  }
}

async function letIn(world: World, inviter: Host, host: Host): Promise<void> {
  const topic = world.topics.at(-1);
  const space = inviter.life?.spaces.list().find((one) => one.topic === topic);
  if (space === undefined || topic === undefined) return;
  const isManager = world.draws.split(`early ${host.name}`).chance(0.5);
  const link = await world.settle(space.invite({ level: isManager ? "manage" : "write" }));
  const invite = { link, topic, inviter, uses: 1, isRevoked: false, joiners: [] };
  world.ledger.invites.push(invite);
  joinBy(world, host, invite);
  await world.schedule.runUntil(world.schedule.nowMs() + 2_500, () => false);
}

async function entryCount(world: World): Promise<number> {
  let entries = 0;
  for (const { logs } of [{ logs: world.ledger.acked }]) {
    for (const heads of logs.values()) for (const { height } of heads.values()) entries += height;
  }
  return entries;
}

function describeSwarm(swarm: Swarm): string {
  const { has, ...rest } = swarm;
  return JSON.stringify({ ...rest, has: troubles.filter((trouble) => has.has(trouble)) });
}
