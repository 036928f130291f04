/**
 * What must hold in the end, when nothing has gone wrong for a while: everybody who is in has the
 * same, and what honest people were told is kept shows.
 */
import { equalBytes } from "@hawser/codec";
import type { Kv } from "@hawser/kv";
import {
  controlDomain,
  dataDomain,
  type Space,
  type SpaceEvent,
  type TimelineItem,
} from "@hawser/space";
import { eventsOf } from "@hawser/space/testing";
import type { Frontier, LogId, Topic } from "@hawser/log";
import type { Host, Life } from "./host.ts";
import { checkSafety, difference, dumpView } from "./checks.ts";
import { evilMark, numbersIn } from "./ledger.ts";
import { holdingsOf, type Holding, type World } from "./world.ts";

/** Virtual time within which everybody must agree. */
const convergeMsMax = 450_000;

/** A host that is a member in the end, with what it makes of the space. */
interface Member {
  readonly host: Host;
  readonly life: Life;
  readonly space: Space;
  readonly view: Kv | undefined;
}

/** Runs on until everybody agrees, and notes who never does; then looks at what they agree on. */
export async function checkOutcome(world: World): Promise<void> {
  // Entries that were stamped ahead are held until the clocks get there.
  const restMs = world.swarm.has.has("clock") ? 140_000 : 5_000;
  const isOver = (): boolean => world.ledger.flaw !== undefined;
  await world.schedule.runUntil(world.schedule.nowMs() + restMs, isOver);
  const untilMs = world.schedule.nowMs() + convergeMsMax;
  let quarrel: string | undefined = "nobody was asked";
  while (quarrel !== undefined && world.schedule.nowMs() < untilMs) {
    const next = world.schedule.nowMs() + 1_000;
    await world.schedule.runUntil(next, () => world.ledger.flaw !== undefined);
    if (world.ledger.flaw !== undefined) return;
    quarrel = undefined;
    for (const topic of world.topics) quarrel ??= await quarrelAbout(world, topic);
  }
  if (quarrel !== undefined) {
    const isStuck = / waits| used a sound link/.test(quarrel);
    return world.fail(isStuck ? "SIM_STUCK" : "SIM_DIVERGED", quarrel);
  }
  world.note("everybody agrees");
  await checkSafety(world);
  for (const topic of world.topics) await checkAgreement(world, topic);
}

/** Who is in, as the first relay has it: relays are never removed. */
function membersOf(world: World, topic: Topic): readonly Member[] {
  const told = world.relays[0]?.life?.spaces.openTopic(topic).members() ?? [];
  return world.hosts.flatMap((host): readonly Member[] => {
    const { life } = host;
    const space = life?.spaces.list().find((one) => one.topic === topic);
    const isIn = host.isHonest && told.some(({ author }) => author === host.author);
    if (life === undefined || space === undefined || !isIn) return [];
    return [{ host, life, space, view: life.views.get(topic) }];
  });
}

/** What is not settled yet, or `undefined`. */
async function quarrelAbout(world: World, topic: Topic): Promise<string | undefined> {
  const members = membersOf(world, topic);
  for (const { what, host, sinceMs } of world.ledger.pending.values()) {
    // Whoever is out may wait for ever for a view that is served nothing any more.
    if (!members.some((member) => member.host === host)) continue;
    if (world.schedule.nowMs() - sinceMs > 1_000) return `${host.name} still waits: ${what}`;
  }
  // Relays do not talk to each other: without an honest device, cheats alone bring things about.
  if (!members.some(({ host }) => host.role === "device")) return undefined;
  let first: { readonly name: string; readonly logs: Logs; readonly says: string } | undefined;
  let readers: { readonly name: string; readonly shown: string } | undefined;
  for (const { host, life, space, view } of members) {
    const status = space.status();
    const wanted = host.role === "relay" ? ["following"] : ["active", "following"];
    if (!wanted.includes(status.state)) return `${host.name} is ${status.state} ${status.problem}`;
    if (status.missingEpochs > 0 || status.rotationOwed) {
      const { missingEpochs, rotationOwed } = status;
      return `${host.name} lacks ${missingEpochs} epochs, rotation owed: ${rotationOwed}`;
    }
    const logs = logsOf({ host, space }, await holdingsOf(world, life, topic), members);
    // An epoch of a cheat's branch is kept by whoever had it before the fork was known.
    const epochs = world.hosts.some(({ isHonest }) => !isHonest) ? "" : status.epochs;
    const says = `${JSON.stringify(space.members())} ${epochs}`;
    first ??= { name: host.name, logs, says };
    const differing = differingLog(first.logs, logs);
    if (differing !== undefined) return `logs of ${first.name} and ${host.name}: ${differing}`;
    if (first.says !== says) {
      return `members of ${first.name} and ${host.name}: ${difference(first.says, says)}`;
    }
    if (view === undefined || status.state !== "active") continue;
    const shown = dumpView(view);
    readers ??= { name: host.name, shown };
    if (readers.shown !== shown) {
      return `views of ${readers.name} and ${host.name}: ${difference(readers.shown, shown)}`;
    }
  }
  const [some] = members;
  return some && lateJoiner(world, topic, some, members);
}

/** Extents of logs by name; `undefined`: nobody else need have what is there. */
type Logs = ReadonlyMap<string, string | undefined>;

/** The logs of a member that others should have as well. */
function logsOf(
  { host, space }: Pick<Member, "host" | "space">,
  holdings: readonly Holding[],
  members: readonly Member[],
): Logs {
  const admitted = admittedOf(space);
  const logs = new Map<string, string | undefined>();
  for (const { logId, author, name, extent } of holdings) {
    // The log of a join that never counted is kept by whoever had it before that was known.
    if (!admitted.has(author)) continue;
    // What a cheat or somebody who is out by now gave to a relay that withholds it comes to nobody
    // else: its author brings it to nobody any more. An honest member brings its log itself.
    const isAlone = host.withheld.has(logId) && !members.some((one) => one.host.author === author);
    logs.set(name, isAlone ? undefined : extent);
  }
  return logs;
}

/** The first log that two members do not have alike, in words. */
function differingLog(one: Logs, other: Logs): string | undefined {
  for (const name of [...new Set([...one.keys(), ...other.keys()])].sort()) {
    const isAlone = [one, other].some((logs) => logs.has(name) && logs.get(name) === undefined);
    const [here, there] = [one.get(name), other.get(name)];
    if (!isAlone && here !== there) return `${name}: ${here ?? "none"} against ${there ?? "none"}`;
  }
  return undefined;
}

/** Everybody whom an operation that counts has ever named. */
function admittedOf(space: Space): ReadonlySet<string> {
  const counted = space.timeline().filter(({ status }) => status.state === "effective");
  return new Set(counted.flatMap(({ members, author }) => [...members, author]));
}

async function checkAgreement(world: World, topic: Topic): Promise<void> {
  const members = membersOf(world, topic);
  const reader = members.find(({ host, view, space }) => {
    return host.role === "device" && view !== undefined && space.status().state === "active";
  });
  if (reader === undefined) return;
  const events = await eventsOf(reader.space);
  await checkAuthorised(world, reader, events);
  checkVisible(world, topic, reader, events);
  checkKept(world, reader, events);
  checkServed(world, topic);
  await checkHolders(world, topic, reader, events);
}

/** The control logs as the author of an event had seen them. */
async function positionOf(reader: Member, topic: Topic, event: SpaceEvent): Promise<Frontier> {
  const heights = new Map<LogId, number>();
  for (const { logId, context } of await reader.life.store.heads(topic)) {
    if (context.domain !== controlDomain) continue;
    const height = event.frontier.get(logId) ?? 0;
    if (height > 0) heights.set(logId, height);
  }
  return heights;
}

/** What counts was written by whoever it names, who might write there; nothing of attackers does. */
async function checkAuthorised(
  world: World,
  reader: Member,
  events: readonly SpaceEvent[],
): Promise<void> {
  const { writes } = world.ledger;
  for (const event of events) {
    if (event.judgement !== "accept") continue;
    if (Buffer.from(event.body).includes(evilMark)) {
      world.fail("SIM_UNAUTHORISED", "what an attacker wrote counts");
    }
    const foreign = numbersIn(event.body).find(
      (number) => writes[number]?.host.author !== event.author,
    );
    if (foreign !== undefined)
      world.fail("SIM_UNAUTHORISED", `write ${foreign} has another author`);
    const at = await positionOf(reader, reader.space.topic, event);
    const why = reader.space.why(event.author, "write", { at });
    if (why?.allowed === false) {
      world.fail("SIM_UNAUTHORISED", `entry ${event.seq} of ${event.author.slice(0, 8)} counts`);
    }
  }
}

/** Has anything ever lowered or ended an author's rights, or tried to? */
function wasEverEnded(space: Space, host: Host): boolean {
  return space.timeline().some(({ change, members, author, action }) => {
    const isAbout = members.includes(host.author);
    const isOwnLeave = change === "leave" && author === host.author;
    // Group members come and go with their group: nothing is promised about them here.
    const isGroup = "member" in action && action.member.kind === "group";
    return isOwnLeave || isGroup || (isAbout && (change === "remove" || change === "set"));
  });
}

/** Acknowledged writes of whoever stayed in all the time count, at everybody's. */
function checkVisible(
  world: World,
  topic: Topic,
  reader: Member,
  events: readonly SpaceEvent[],
): void {
  const judgements = new Map<number, SpaceEvent["judgement"]>();
  for (const event of events) {
    for (const number of numbersIn(event.body)) judgements.set(number, event.judgement);
  }
  for (const made of world.ledger.writes) {
    if (made.topic !== topic || made.isDelete || !made.isAcknowledged || !made.host.isHonest)
      continue;
    if (judgements.get(made.number) === "accept" || wasEverEnded(reader.space, made.host)) continue;
    const isIn = reader.space.access(made.host.author) !== undefined;
    if (!isIn) continue;
    const said = judgements.get(made.number) ?? "missing";
    world.fail("SIM_LOST_WRITE", `write ${made.number} of ${made.host.name} is ${said} in the end`);
  }
}

/** A put that nobody had seen when writing the same key is among the versions of the key. */
function checkKept(world: World, reader: Member, events: readonly SpaceEvent[]): void {
  const { writes } = world.ledger;
  const counted = events.filter(({ judgement }) => judgement === "accept");
  const puts = counted.flatMap((event) =>
    numbersIn(event.body).map((number) => ({ event, number, key: writes[number]?.key ?? "" })),
  );
  for (const { event, number, key } of puts) {
    const isReplaced = counted.some((other) => {
      const isLater = other !== event && (other.frontier.get(event.logId) ?? 0) > event.seq;
      return isLater && Buffer.from(other.body).includes(`${key}`);
    });
    // A put that points at a branch of the author's log says nothing of what is before the branch.
    if (isReplaced || writes[number]?.host.isHonest !== true) continue;
    const versions = reader.view?.conflicts(key) ?? [];
    const isThere = versions.some(
      ({ value }) => typeof value === "string" && value.includes(`-${number}-`),
    );
    if (!isThere) world.fail("SIM_LOST_WRITE", `write ${number} of ${key} is in no version of it`);
  }
}

/** Whoever used a sound link of a manager who stayed is in, unless somebody took it out again. */
function lateJoiner(
  world: World,
  topic: Topic,
  { space: told }: Pick<Member, "space">,
  members: readonly Member[],
): string | undefined {
  for (const invite of world.ledger.invites) {
    if (invite.topic !== topic || invite.isRevoked || !invite.inviter.isHonest) continue;
    if (invite.joiners.length > invite.uses || wasEverEnded(told, invite.inviter)) continue;
    // Whoever takes out somebody who came by a link ends the link as well (seed 7100122).
    if (invite.joiners.some((host) => wasEverEnded(told, host))) continue;
    for (const host of invite.joiners) {
      const isIn = members.some((member) => member.host === host);
      if (isIn || !host.isHonest || wasEverEnded(told, host)) continue;
      // Another link takes the place of one that has led to nothing yet.
      if (world.ledger.lastJoins.get(`${host.name} ${topic}`) !== invite) continue;
      // Its program may have died before it knew of the space.
      const space = host.life?.spaces.list().find((one) => one.topic === topic);
      if (space === undefined) continue;
      const { state, problem } = space.status();
      return `${host.name} used a sound link and is ${state} ${problem ?? ""}`;
    }
  }
  return undefined;
}

/** Nobody serves what is not a member any more, once everybody knows and no rotation is owed. */
function checkServed(world: World, topic: Topic): void {
  for (const relay of world.relays) {
    const space = relay.life?.spaces.list().find((one) => one.topic === topic);
    if (relay.life === undefined || space === undefined || !relay.isHonest) continue;
    for (const { id, sessions } of relay.life.peer.peers()) {
      if (space.access(id) !== undefined) continue;
      // A link that nobody revoked holds a follow key: its owner is let in by that.
      const hasLink = world.ledger.invites.some(
        ({ joiners, isRevoked }) => !isRevoked && joiners.some((host) => host.author === id),
      );
      const isServed =
        !hasLink && sessions.some((session) => session.access(topic)?.given === "full");
      const who = world.hosts.find(({ author }) => author === id)?.name ?? id.slice(0, 8);
      if (isServed) world.fail("SIM_SERVED", `${relay.name} serves ${who}, who is no member`);
    }
  }
}

/**
 * Holders are readers: everybody else, given every byte there is, opens no entry that was sealed
 * where it had no right to read. A grant that its author had not seen may have brought the key since,
 * as the space hands older epochs to newcomers.
 */
async function checkHolders(
  world: World,
  topic: Topic,
  reader: Member,
  events: readonly SpaceEvent[],
): Promise<void> {
  const shared = reader.space.timeline();
  const isGrouped = shared.some(
    ({ action }) => "grant" in action && action.grant.member.kind === "group",
  );
  for (const host of world.hosts) {
    const { life } = host;
    const space = life?.spaces.list().find((one) => one.topic === topic);
    if (life === undefined || space === undefined || host === reader.host) continue;
    const isGroupMember = isGrouped && world.topics.length > 1 && host.role === "device";
    // Who reads in the end is handed older epochs as well, those it was out for included.
    const level = reader.space.access(host.author)?.level;
    if (isGroupMember || (level !== undefined && level !== "pull")) continue;
    await giveEverything(world, reader, life, topic);
    const cheats = givers(world, topic, host);
    // Who let it in may not have known of its own removal: all are void then, and nobody else has them.
    const own = space.timeline().filter(({ author, change, status }) => {
      return status.state !== "rejected" && (author !== host.author || change === "join");
    });
    const timeline = [...shared, ...own];
    for (const event of events) {
      // What attackers write is in clear.
      const isClear = Buffer.from(event.body).includes(evilMark);
      if (event.author === host.author || isClear) continue;
      // Of a forked log it may hold the other branch: another entry at that place.
      const isOpen = await space.read(event).then(
        ({ hash }) => equalBytes(hash, event.hash),
        () => false,
      );
      if (!isOpen) continue;
      const at = await positionOf(reader, topic, event);
      const mayHold = (holder: Host): boolean =>
        reader.space.why(holder.author, "read", { at })?.allowed === true ||
        (holder.role === "device" &&
          (cameLater(timeline, holder, at) || wasLetInUnawares(timeline, holder)));
      // What a cheat does on a branch of its log counts for nobody, but keys it gave are given.
      if (mayHold(host) || cheats.some(mayHold)) continue;
      world.fail(
        "SIM_LEAK",
        `${host.name} reads entry ${event.seq} of ${event.author.slice(0, 8)}`,
      );
    }
  }
}

/** Cheats who let a host in. */
function givers(world: World, topic: Topic, host: Host): readonly Host[] {
  const { admissions, invites } = world.ledger;
  const adders = admissions.filter((one) => one.to === host && one.topic === topic);
  const inviters = invites.filter((one) => one.topic === topic && one.joiners.includes(host));
  const all = [...adders.map(({ by }) => by), ...inviters.map(({ inviter }) => inviter)];
  return all.filter(({ isHonest }) => !isHonest);
}

/** Does anything let a host in that was not seen at a position? It is handed older epochs then. */
function cameLater(timeline: readonly TimelineItem[], host: Host, at: Frontier): boolean {
  return timeline.some(
    ({ members, place, change }) =>
      members.includes(host.author) &&
      change !== "remove" &&
      (at.get(place.logId) ?? 0) <= place.seq,
  );
}

/**
 * Did somebody else let a host in who had not heard what makes that void? Until he hears he hands it
 * keys, those of an epoch included in which others seal meanwhile (seed 300066).
 */
function wasLetInUnawares(timeline: readonly TimelineItem[], host: Host): boolean {
  return timeline.some(
    ({ members, author, change, status }) =>
      members.includes(host.author) &&
      author !== host.author &&
      (change === "add" || change === "set") &&
      status.state === "void",
  );
}

/** What a relay that sides with somebody would do: hands over every range. */
async function giveEverything(world: World, from: Member, to: Life, topic: Topic): Promise<void> {
  const given = async (): Promise<void> => {
    for (const domain of [controlDomain, dataDomain]) {
      for (const { logId, context } of await from.life.store.heads(topic)) {
        if (context.domain !== domain) continue;
        for await (const range of from.life.store.ranges(logId)) await to.spaces.ingest(range);
      }
    }
  };
  await world.settle(given());
}
