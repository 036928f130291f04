/**
 * Groups in random trouble: devices of the real package that share two groups, one of which may be
 * inside the other, and two spaces that contain them; that meet now and then, restart, change members
 * and write.
 */
import type { Level } from "@hawser/auth";
import type { Space } from "@hawser/space";
import { at, createWorld, eventsOf, write, type Device, type World } from "@hawser/space/testing";
import { createDraws } from "./model-group.ts";

type Draw = (below: number) => number;

/** Devices and the topics of what they share. */
interface Stage {
  readonly world: World;
  readonly devices: Device[];
  readonly groups: readonly Space[];
  readonly spaces: readonly Space[];
}

const levels = ["read", "write"] as const;
const memberLevels: readonly Level[] = ["pull", "read", "write", "manage"];
const refused = (): undefined => undefined;

/** The space of a topic on a device, where it has it. */
function on(device: Device, { topic }: Pick<Space, "topic">): Space | undefined {
  return device.spaces.list().find((space) => space.topic === topic);
}

async function letIn(space: Space, device: Device, level: Level): Promise<void> {
  const bundle = await device.spaces.bundle();
  await space.add(bundle, level);
  await device.spaces.accept(space.offer(bundle));
}

/** Two groups of three devices each, overlapping, and two spaces by different founders. */
async function stageOf(world: World, draw: Draw): Promise<Stage> {
  const devices: Device[] = [];
  for (const name of ["ada", "ben", "cyd", "dan"]) devices.push(await world.device(name));
  const first = await at(devices, 0).spaces.create();
  const second = await at(devices, 1).spaces.create();
  await letIn(first, at(devices, 2), "write");
  await letIn(second, at(devices, 3), "manage");
  if (draw(2) === 0) await second.addGroup(first, at(levels, draw(2)));
  const one = await at(devices, 0).spaces.create();
  const other = await at(devices, 3).spaces.create();
  for (const space of [one, other]) {
    await space.addGroup(draw(2) === 0 ? first : second.groupCard(), at(levels, draw(2)));
  }
  // Somebody brings each space in where its founder is not in the group.
  for (const [space, guest] of [
    [second, 0],
    [one, 1],
    [other, 1],
    [other, 2],
  ] as const) {
    const device = at(devices, guest);
    if (on(device, space) !== undefined) continue;
    await device.spaces.accept(space.offer(await device.spaces.bundle()));
  }
  await world.settle(...devices);
  return { world, devices, groups: [first, second], spaces: [one, other] };
}

/** One thing that one device does; what the rules refuse is not done. */
async function act({ world, devices, groups, spaces }: Stage, draw: Draw, text: string) {
  const index = draw(devices.length);
  const device = at(devices, index);
  const other = at(devices, draw(devices.length));
  const group = on(device, at(groups, draw(2)));
  const space = on(device, at(spaces, draw(2)));
  const choice = draw(20);
  if (choice < 5) await space?.append([note(text)]).catch(refused);
  else if (choice < 10) await world.carry(device, other);
  else if (choice < 12) await group?.remove(other.author).catch(refused);
  else if (choice < 14)
    await group?.add(await other.spaces.bundle(), at(memberLevels, draw(4))).catch(refused);
  else if (choice === 14) await group?.set(other.author, at(memberLevels, draw(4))).catch(refused);
  else if (choice === 15) await dropGroup(space, draw);
  else if (choice === 16) await addGroup(space, group, draw);
  else if (choice === 17) await space?.add(await other.spaces.bundle(), "read").catch(refused);
  else if (choice === 18) devices[index] = await world.restart(device);
  else await world.pass(1_000);
}

function note(text: string) {
  return { type: "note", body: new TextEncoder().encode(text) };
}

async function dropGroup(space: Space | undefined, draw: Draw): Promise<void> {
  const listed = space?.groups() ?? [];
  const chosen = listed[draw(Math.max(1, listed.length))];
  if (chosen === undefined) return;
  if (draw(2) === 0) await space?.removeGroup(chosen.group).catch(refused);
  else await space?.setGroupAccess(chosen.group, at(levels, draw(2))).catch(refused);
}

async function addGroup(space: Space | undefined, group: Space | undefined, draw: Draw) {
  if (group !== undefined) await space?.addGroup(group, at(levels, draw(2))).catch(refused);
}

/** Everybody in a space names the same members. */
function disagreement({ devices }: Stage, space: Space): string | undefined {
  const seen = new Set<string>();
  for (const device of devices) {
    const own = on(device, space);
    // Whoever is out hears no more.
    if (own === undefined || own.access() === undefined) continue;
    if (own.failure !== undefined) return `${device.name}: ${String(own.failure.cause)}`;
    const members = own.members().map(({ author, level, mayDelete }) => [author, level, mayDelete]);
    seen.add(JSON.stringify(members));
  }
  return seen.size > 1 ? `${space.topic} has several memberships` : undefined;
}

/** What is written when all is at rest is read by every reader, and by nobody else. */
async function leak(stage: Stage, space: Space): Promise<string | undefined> {
  const { world, devices } = stage;
  const writer = devices.find((device) => {
    const level = on(device, space)?.access()?.level;
    const isIn = on(device, space)?.status().state === "active";
    return isIn && (level === "write" || level === "manage");
  });
  const own = writer === undefined ? undefined : on(writer, space);
  if (own === undefined) return undefined;
  const readers = new Map(own.members().map(({ author, level }) => [author, level !== "pull"]));
  const ref = await write(own, "at rest");
  await world.settle(...devices);
  for (const device of devices) {
    const theirs = on(device, space);
    if (theirs === undefined) continue;
    const events = await eventsOf(theirs);
    const hasRead = events.some(({ logId, seq }) => logId === ref.logId && seq === ref.seq);
    if (hasRead !== (readers.get(device.author) ?? false)) {
      return `${device.name} ${hasRead ? "reads" : "cannot read"} what it should ${hasRead ? "not" : ""}`;
    }
  }
  return undefined;
}

/** What is wrong with one history, or `undefined`. */
export async function flawOfGroups(seed: number): Promise<string | undefined> {
  const world = await createWorld();
  const draw = createDraws(seed);
  const stage = await stageOf(world, draw);
  for (let step = 0; step < 16; step++) await act(stage, draw, `${seed} ${step}`);
  await world.settle(...stage.devices);
  for (const space of [...stage.groups, ...stage.spaces]) {
    const flaw = disagreement(stage, space) ?? (await leak(stage, space));
    if (flaw !== undefined) return flaw;
  }
  for (const device of stage.devices) await device.spaces.close();
  return undefined;
}
