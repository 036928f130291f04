/**
 * The storm: partitions, crashes, full disks, wrong clocks and attackers, each from a stream of its
 * own and at times of its own, until it is over.
 */
import type { Draws } from "./draws.ts";
import type { Host } from "./host.ts";
import { mischiefs } from "./mischief.ts";
import { calmNetwork } from "./network.ts";
import type { Trouble } from "./options.ts";
import type { World } from "./world.ts";

/** A storm at work. */
export interface Storm {
  /** Ends all of it, and mends what it left broken. */
  calm(): Promise<void>;
}

type Strike = (world: World, draws: Draws) => void;

const strikes: Partial<Record<Trouble, Strike>> = {
  partition,
  crash,
  disk: spoilDisk,
  clock: moveClock,
  broken: breakPipe,
  ...mischiefs,
};

/** Begins a storm: what it is made of is what the swarm says. */
export function beginStorm(world: World): Storm {
  const { swarm, schedule, owner, network } = world;
  let isOver = false;
  network.set({ delayMsMax: swarm.delayMsMax, cutChance: swarm.cutChance });
  for (const trouble of [...swarm.has].sort()) {
    const strike = strikes[trouble];
    if (strike === undefined) continue;
    const draws = world.draws.split(`trouble ${trouble}`);
    const again = (): void => {
      schedule.after(owner, draws.between(100, 2 * swarm.troubleMs), () => {
        if (isOver) return;
        strike(world, draws);
        again();
      });
    };
    again();
  }
  return {
    calm: async () => {
      isOver = true;
      await calm(world);
    },
  };
}

async function calm(world: World): Promise<void> {
  world.note("calm");
  world.network.set(calmNetwork);
  world.network.unblock();
  world.breakPipes(undefined);
  for (const host of world.hosts) {
    Object.assign(host.disk.faults, { isFull: false, lostAnswerChance: 0, delayMsMax: 1 });
    // Clocks stay a little off, as they do.
    host.clock.offsetMicros = Math.sign(host.clock.offsetMicros) * 500_000;
    host.clock.rate = 1;
  }
  for (const host of world.hosts) {
    const spaces = host.life?.spaces.list() ?? [];
    const isBroken = spaces.some(({ failure }) => failure !== undefined);
    const mustRestart = isBroken || (host.withheld.size > 0 && !world.swarm.has.has("hoard"));
    if (host.life !== undefined && mustRestart) await world.crash(host);
    if (host.life === undefined) await world.settle(world.start(host));
  }
  world.cut();
}

/** Some hosts and others do not hear each other for a while, or only one way. */
function partition(world: World, draws: Draws): void {
  const { hosts, network, schedule, owner } = world;
  const isOneWay = draws.chance(0.3);
  const isRelayOnly = draws.chance(0.3);
  const side = new Set(
    isRelayOnly ? [draws.pick(world.relays)] : hosts.filter(() => draws.chance(0.4)),
  );
  world.note(
    "partition",
    isOneWay ? "one way" : "whole",
    [...side].map((host) => host?.name).join(),
  );
  for (const a of hosts) {
    for (const b of hosts) {
      if (!side.has(a) || side.has(b)) continue;
      network.block(a.name, b.name);
      if (!isOneWay) network.block(b.name, a.name);
    }
  }
  schedule.after(owner, draws.between(500, 40_000), () => {
    world.note("partition ends");
    network.unblock();
  });
}

function crash(world: World, draws: Draws): void {
  const host = draws.pick(world.hosts);
  if (host?.life === undefined) return;
  const downMs = draws.between(0, 15_000);
  void world.crash(host).then(() => {
    world.schedule.after(world.owner, downMs, () => void world.start(host));
  });
}

function spoilDisk(world: World, draws: Draws): void {
  const host = draws.pick(world.hosts);
  if (host === undefined) return;
  const { faults } = host.disk;
  const kind = draws.below(3);
  world.note(host.name, "disk", ["full", "loses answers", "slow"][kind] ?? "");
  if (kind === 0) faults.isFull = true;
  else if (kind === 1) faults.lostAnswerChance = 0.2;
  else faults.delayMsMax = draws.between(10, 1_500);
  world.schedule.after(world.owner, draws.between(200, 8_000), () => {
    const isBad = faults.isFull || faults.lostAnswerChance > 0;
    Object.assign(faults, { isFull: false, lostAnswerChance: 0, delayMsMax: draws.below(20) });
    // Programs that were told of a broken disk are started anew, as people do.
    if (isBad && draws.chance(0.5)) restart(world, host);
  });
}

function restart(world: World, host: Host): void {
  if (host.life === undefined) return;
  void world.crash(host).then(() => world.start(host));
}

/** Three times the allowed drift, so that what a device did a moment ago lies ahead of its clock. */
const farBackSeconds = -900;

/** A clock jumps, forwards or back, or runs fast or slow; within and beyond the allowed drift. */
function moveClock(world: World, draws: Draws): void {
  const host = draws.pick(world.devices);
  if (host === undefined) return;
  const drawn = draws.pick([-250, -60, -5, 0, 5, 100, 290, 400]) ?? 0;
  const seconds = drawn === -250 && world.swarm.setsFarBack ? farBackSeconds : drawn;
  world.note(host.name, "clock", seconds);
  host.clock.offsetMicros = seconds * 1e6;
  host.clock.rate = draws.chance(0.3) ? 1 + (draws.float() - 0.5) / 50 : 1;
}

function breakPipe(world: World, draws: Draws): void {
  const [a, b] = [draws.pick(world.devices), draws.pick(world.relays)];
  if (a === undefined || b === undefined) return;
  world.note("broken pipe", a.name, b.name);
  world.breakPipes(draws.chance(0.3) ? undefined : [a, b]);
  world.cut(a);
}
