/**
 * What people do: write, invite, join, add, remove, change roles, leave, revoke links, and make one
 * space a member of another. Each step is one thing one device is asked for.
 */
import type { Level } from "@hawser/auth";
import type { Topic } from "@hawser/log";
import type { Space } from "@hawser/space";
import type { Draws } from "./draws.ts";
import type { Host } from "./host.ts";
import { valueOf, type Invite } from "./ledger.ts";
import { activeSpace, type World } from "./world.ts";

/** A host that is in a space and may be asked for something. */
interface Actor {
  readonly host: Host;
  readonly space: Space;
  readonly topic: Topic;
}

type Step = (world: World, draws: Draws, actor: Actor) => void;

const keyCount = 8;
const levels: readonly Level[] = ["read", "write", "write", "write", "manage"];

/** Steps with how often they are taken. */
const steps: readonly { readonly weight: number; readonly step: Step }[] = [
  { weight: 46, step: put },
  { weight: 6, step: del },
  { weight: 6, step: batch },
  { weight: 8, step: invite },
  { weight: 10, step: join },
  { weight: 5, step: addKnown },
  { weight: 7, step: remove },
  { weight: 6, step: setLevel },
  { weight: 2, step: leave },
  { weight: 3, step: revoke },
  { weight: 2, step: announce },
  { weight: 3, step: addGroup },
  { weight: 1, step: removeGroup },
];
const weightSum = steps.reduce((sum, { weight }) => sum + weight, 0);

/** Takes one step, if somebody is there to take it. */
export function takeStep(world: World, draws: Draws): void {
  const topic = draws.pick(world.topics);
  let left = draws.below(weightSum);
  const chosen = steps.find(({ weight }) => (left -= weight) < 0);
  const actors = world.devices.flatMap((host): readonly Actor[] => {
    const space = topic === undefined ? undefined : activeSpace(host, topic);
    return space === undefined || topic === undefined ? [] : [{ host, space, topic }];
  });
  const actor = draws.pick(actors);
  if (actor !== undefined) chosen?.step(world, draws, actor);
}

function put(world: World, draws: Draws, { host, topic }: Actor): void {
  write(world, host, topic, [{ key: `k${draws.below(keyCount)}`, isDelete: false }]);
}

function del(world: World, draws: Draws, { host, topic }: Actor): void {
  write(world, host, topic, [{ key: `k${draws.below(keyCount)}`, isDelete: true }]);
}

function batch(world: World, draws: Draws, { host, topic }: Actor): void {
  const first = draws.below(keyCount);
  const count = draws.between(2, 4);
  const puts = Array.from({ length: count }, (_, n) => ({
    key: `k${(first + n) % keyCount}`,
    isDelete: draws.chance(0.2),
  }));
  write(world, host, topic, puts);
}

function write(
  world: World,
  host: Host,
  topic: Topic,
  puts: readonly { readonly key: string; readonly isDelete: boolean }[],
): void {
  const view = host.life?.views.get(topic);
  if (view === undefined) return;
  const { writes } = world.ledger;
  const own = puts.map(({ key, isDelete }) => {
    const made = { number: writes.length, host, topic, key, isDelete, isAcknowledged: false };
    writes.push(made);
    return made;
  });
  world.ask(host, `put ${own.map(({ number }) => number).join()}`, async () => {
    await view.batch(
      own.map(({ number, key, isDelete }) => ({
        key,
        value: isDelete ? undefined : valueOf(number),
      })),
    );
    for (const made of own) made.isAcknowledged = true;
  });
}

function invite(world: World, draws: Draws, { host, space, topic }: Actor): void {
  const level = draws.pick(levels) ?? "write";
  const uses = draws.between(1, 2);
  world.ask(host, `invite ${level} ${uses}`, async () => {
    const expires = draws.chance(0.1) ? { notAfterSeconds: 30 } : {};
    const link = await space.invite({ level, uses, ...expires });
    const isRevoked = "notAfterSeconds" in expires;
    world.ledger.invites.push({ link, topic, inviter: host, uses, isRevoked, joiners: [] });
  });
}

/** Somebody who is not in uses a link that somebody was given, as it comes to them out of band. */
function join(world: World, draws: Draws, { topic }: Actor): void {
  const outside = world.devices.filter(
    (host) => host.life !== undefined && activeSpace(host, topic) === undefined,
  );
  const host = draws.pick(outside);
  const found = draws.pick(world.ledger.invites.filter((one) => one.topic === topic));
  if (host === undefined || found === undefined) return;
  joinBy(world, host, found);
  // An app that comes back with a link dials anew, so that its one-time key is proven.
  if (draws.chance(0.7)) world.schedule.after(world.owner, 50, () => world.cut(host));
}

/** Has a host use a link. */
export function joinBy(world: World, host: Host, found: Invite): void {
  found.joiners.push(host);
  world.ledger.lastJoins.set(`${host.name} ${found.topic}`, found);
  world.ask(host, "join", async () => {
    await host.life?.spaces.join(found.link);
  });
}

/** Adds a device by its bundle, and gives it the offer out of band. */
function addKnown(world: World, draws: Draws, { host, space, topic }: Actor): void {
  const outside = world.devices.filter(
    (other) => other.life !== undefined && space.access(other.author) === undefined,
  );
  const other = draws.pick(outside);
  const level = draws.pick(levels) ?? "write";
  if (other === undefined) return;
  world.ask(host, `add ${other.name} ${level}`, async () => {
    const theirs = other.life;
    const bundle = await theirs?.spaces.bundle();
    if (bundle === undefined) return;
    world.ledger.admissions.push({ by: host, to: other, topic });
    await space.add(bundle, level);
    const offer = space.offer(bundle);
    if (theirs?.owner.isAlive !== true || activeSpace(other, topic) !== undefined) return;
    world.ask(other, "accept", async () => void (await theirs.spaces.accept(offer)));
  });
}

/** A member that is a device of the run, other than the one who acts. */
function someMember(world: World, draws: Draws, { host, space }: Actor): Host | undefined {
  const isIn = (other: Host): boolean => other !== host && space.access(other.author) !== undefined;
  return draws.pick(world.devices.filter(isIn));
}

function remove(world: World, draws: Draws, actor: Actor): void {
  const other = someMember(world, draws, actor);
  if (other === undefined) return;
  world.ask(actor.host, `remove ${other.name}`, () => actor.space.remove(other.author));
}

function setLevel(world: World, draws: Draws, actor: Actor): void {
  const other = someMember(world, draws, actor);
  const level = draws.pick(levels) ?? "write";
  if (other === undefined) return;
  world.ask(actor.host, `set ${other.name} ${level}`, () => actor.space.set(other.author, level));
}

function leave(world: World, draws: Draws, actor: Actor): void {
  const other = draws.chance(0.5) ? someMember(world, draws, actor) : undefined;
  const options = other === undefined ? {} : { successor: other.author };
  world.ask(actor.host, "leave", () => actor.space.leave(options));
}

function revoke(world: World, draws: Draws, { host, space, topic }: Actor): void {
  const found = draws.pick(world.ledger.invites.filter((one) => one.topic === topic));
  if (found === undefined) return;
  found.isRevoked = true;
  world.ask(host, "revoke", () => space.revokeInvite(found.link));
}

function announce(world: World, draws: Draws, { host, space }: Actor): void {
  const address = `wss://${host.name}.example/${draws.below(3)}`;
  world.ask(host, "announce", () =>
    space.announceAddress(address, draws.pick([0, 60, 3_600]) ?? 0),
  );
}

/** Makes the group's space a member of the main one: its card comes out of band. */
function addGroup(world: World, draws: Draws, _actor: Actor): void {
  const [main, crew] = world.topics;
  if (main === undefined || crew === undefined) return;
  const host = draws.pick(world.devices.filter((one) => activeSpace(one, main) !== undefined));
  const other = draws.pick(world.devices.filter((one) => activeSpace(one, crew) !== undefined));
  const space = host && activeSpace(host, main);
  const group = other && activeSpace(other, crew);
  if (host === undefined || space === undefined || group === undefined) return;
  const level = draws.pick(["read", "write"] as const) ?? "write";
  world.ask(host, `add group ${level}`, async () => {
    const card = group.groupCard();
    await space.addGroup(card, level);
  });
}

function removeGroup(world: World, draws: Draws, _actor: Actor): void {
  const [main] = world.topics;
  const host = draws.pick(world.devices);
  const space = main === undefined || host === undefined ? undefined : activeSpace(host, main);
  const [group] = space?.groups() ?? [];
  if (host === undefined || space === undefined || group === undefined) return;
  world.ask(host, "remove group", () => space.removeGroup(group.group));
}
