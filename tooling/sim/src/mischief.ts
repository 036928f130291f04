/**
 * Attackers at work in a run, with what each of them really has: strangers with a pipe, relays that
 * replay, tamper and withhold, members who write what they may not, removed members with old keys,
 * and members who fork their logs.
 */
import { encodeCbor } from "@hawser/codec";
import type { EncodedRange, Topic } from "@hawser/log";
import { controlDomain, dataDomain, metadataKeyOf } from "@hawser/space";
import {
  authContent,
  bundleContent,
  bundleOf,
  forge,
  forgeControl,
  opBytes,
  readOps,
  villain,
  type Villain,
} from "@hawser/space/testing";
import { encodeMessage } from "@hawser/sync";
import type { Draws } from "./draws.ts";
import type { Host, Life } from "./host.ts";
import { evilMark } from "./ledger.ts";
import type { Trouble } from "./options.ts";
import { activeSpace, codeOf, type World } from "./world.ts";

/** One strike of each kind of attacker. */
export const mischiefs: Partial<Record<Trouble, (world: World, draws: Draws) => void>> = {
  garbage,
  replay,
  withhold,
  forge: forgeSomething,
  fork: forkLog,
};

/** A stranger dials somebody and talks nonsense, or floods with announcements. */
function garbage(world: World, draws: Draws): void {
  const host = draws.pick(world.hosts);
  if (host?.life === undefined) return;
  const stranger = { host: "stranger", owner: world.owner };
  const pipe = world.network.connect(stranger, { host: host.name, owner: host.life.owner }, false);
  if (pipe === undefined) return;
  const session = host.life.peer.attach(pipe.b);
  void session.closed.then(({ code }) => world.note("stranger", host.name, code));
  void talkNonsense(pipe.a, draws);
  void swallow(pipe.a.frames);
}

async function talkNonsense(
  connection: { send(frame: Uint8Array): Promise<void>; close(): void },
  draws: Draws,
): Promise<void> {
  try {
    if (draws.chance(0.5)) await connection.send(strangerHello(draws));
    for (let count = draws.below(30); count > 0; count--) await connection.send(nonsense(draws));
    if (draws.chance(0.5)) connection.close();
  } catch {
    // The other side has had enough, as it should.
  }
}

function strangerHello(draws: Draws): Uint8Array {
  return encodeMessage({
    type: "hello",
    versionMin: 1,
    versionMax: 1,
    features: 0,
    nonce: draws.bytes(32),
    windowBytes: 4 * 1024 * 1024,
    rangeBytes: 16 * 1024 * 1024,
  });
}

function nonsense(draws: Draws): Uint8Array {
  if (draws.chance(0.5)) return draws.bytes(draws.between(1, 400));
  const added = Array.from({ length: 512 }, () => draws.bytes(16));
  return encodeMessage({ type: "topics", removed: [], added, last: draws.chance(0.5) });
}

async function swallow(frames: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of frames);
}

/** A relay hands on what it has seen: again, backwards, in parts, and changed. */
function replay(world: World, draws: Draws): void {
  const [from, to] = [draws.pick(world.hosts), draws.pick(world.hosts)];
  const [source, target] = [from?.life, to?.life];
  if (from === undefined || to === undefined || from === to) return;
  if (source === undefined || target === undefined) return;
  world.note("replay", from.name, to.name);
  void survive(world, [from, to], replayAll(world, draws, source, target));
}

/** Whatever strangers bring, taking it in never throws, but for a broken disk. */
async function survive(world: World, hosts: readonly Host[], work: Promise<void>): Promise<void> {
  const before = hosts.map(({ disk }) => disk.errorCount());
  try {
    await work;
  } catch (error) {
    if (hosts.some(({ disk }, index) => disk.errorCount() > (before[index] ?? 0))) return;
    world.fail("SIM_ERROR", `taking in what a stranger brings: ${codeOf(error)}`);
  }
}

async function replayAll(world: World, draws: Draws, from: Life, to: Life): Promise<void> {
  const ranges: EncodedRange[] = [];
  for (const topic of world.topics) {
    for (const { logId, signedHeight } of await from.store.heads(topic)) {
      for await (const range of from.store.ranges(logId, { to: signedHeight })) ranges.push(range);
    }
  }
  if (draws.chance(0.5)) ranges.reverse();
  for (const range of ranges.slice(0, 40)) {
    if (!to.owner.isAlive) return;
    const isTampered = draws.chance(0.3);
    const { status } = await to.spaces.ingest(isTampered ? tamper(range, draws) : range);
    if (isTampered && status === "stored") {
      world.fail("SIM_UNAUTHORISED", "a range that was changed on its way was stored");
    }
  }
}

function tamper(range: EncodedRange, draws: Draws): EncodedRange {
  const bytes = range.bytes.slice();
  const index = draws.below(bytes.length);
  bytes[index] = (bytes[index] ?? 0) ^ (1 << draws.below(8));
  return { ...range, bytes };
}

/** From now on a relay keeps one log to itself; another one is honest, or devices talk. */
function withhold(world: World, draws: Draws): void {
  const last = world.relays.at(-1);
  if (last === undefined || (world.relays.length < 2 && !world.swarm.isMeshed)) return;
  const topic = draws.pick(world.topics);
  if (topic === undefined || last.life === undefined) return;
  const { name, life, withheld } = last;
  const hide = async (): Promise<void> => {
    const head = draws.pick(await life.store.heads(topic));
    if (head === undefined || !life.owner.isAlive) return;
    withheld.add(head.logId);
    world.note(name, "withholds", world.nameOf(head.context.author), head.context.domain);
  };
  void hide();
}

/** A stranger, a member or a removed member writes what it may not, and hands it to somebody. */
function forgeSomething(world: World, draws: Draws): void {
  const topic = world.topics[0];
  const to = draws.pick(world.hosts);
  const author = draws.chance(0.3) ? undefined : draws.pick(world.devices);
  const source = world.devices.find((host) => topic !== undefined && activeSpace(host, topic));
  if (topic === undefined || to?.life === undefined || source?.life === undefined) return;
  const who: Villain =
    author === undefined
      ? villain(world.crypto, `stranger ${draws.below(3)}`)
      : { author: author.author, secret: author.secret };
  const space = activeSpace(source, topic);
  const access = space?.access(who.author)?.level;
  // Who may write or manage would only fork its own log: that is `fork`.
  if (space?.id === undefined || access === "write" || access === "manage") return;
  if (author?.isHonest === false && !world.swarm.has.has("refork")) return;
  if (author !== undefined) author.isHonest = false;
  world.note("forges", author?.name ?? "stranger", "to", to.name);
  const hosts = [source, to];
  void survive(
    world,
    hosts,
    forgeAt(world, { topic, who, from: source.life, to: to.life, id: space.id }),
  );
}

interface Forgery {
  readonly topic: Topic;
  readonly who: Villain;
  readonly from: Life;
  readonly to: Life;
  readonly id: Parameters<typeof metadataKeyOf>[1];
}

async function forgeAt(world: World, { topic, who, from, to, id }: Forgery): Promise<void> {
  const { crypto } = world;
  const now = world.trueMicros();
  const base = { crypto, topic, who, now, base: from.store };
  const body = encodeCbor([1, ["evil", evilMark, []]]);
  // Format 2, a plain body, type "kv", no sequence: an event in clear, which needs no key.
  const data = Uint8Array.of(2, 0, 2, 0x6b, 0x76, 0, body.length, ...body);
  const metadataKey = metadataKeyOf(crypto, id);
  const { group, heads } = await readOps(crypto, from.store, topic, metadataKey);
  const member = { kind: "individual", id: who.author } as const;
  const grant = { member, access: { level: "manage", mayDelete: true } } as const;
  const op = opBytes(crypto, who, group, heads, { type: "add", grant });
  const contents = [bundleContent(bundleOf(crypto, who, now)), authContent(op)];
  const ranges = [
    await forgeControl({ ...base, metadataKey }, contents),
    await forge({ ...base, domain: dataDomain }, () => [{ data }]),
  ];
  for (const range of ranges) if (to.owner.isAlive) await to.spaces.ingest(range);
}

/** A member writes two continuations of its own log and shows each to somebody else. */
function forkLog(world: World, draws: Draws): void {
  const topic = world.topics[0];
  // One cheat a run is enough, and never the founder: somebody has to be believed.
  const cheats = world.devices.slice(1).filter((host) => !host.isHonest);
  if (cheats.length > 0 && !world.swarm.has.has("refork")) return;
  const author = cheats[0] ?? draws.pick(world.devices.slice(1));
  const [one, other] = [draws.pick(world.hosts), draws.pick(world.hosts)];
  if (topic === undefined || author?.life === undefined) return;
  if (one?.life === undefined || other?.life === undefined) return;
  const space = activeSpace(author, topic);
  if (space?.id === undefined) return;
  author.isHonest = false;
  const domain = draws.chance(0.5) ? dataDomain : controlDomain;
  world.note("forks", author.name, domain);
  const fork = { topic, author, domain, to: [one.life, other.life], id: space.id };
  void survive(world, [author, one, other], forkAt(world, fork));
}

async function forkAt(
  world: World,
  fork: {
    readonly topic: Topic;
    readonly author: Host;
    readonly domain: string;
    readonly to: readonly Life[];
    readonly id: Forgery["id"];
  },
): Promise<void> {
  const { topic, author, domain, to, id } = fork;
  const { crypto } = world;
  const store = author.life?.store;
  if (store === undefined) return;
  const metadataKey = metadataKeyOf(crypto, id);
  for (const [index, life] of to.entries()) {
    const now = world.trueMicros() + index;
    const base = { crypto, topic, who: author, now, base: store };
    const content = bundleContent(bundleOf(crypto, author, now + index * 1e6));
    const range =
      domain === controlDomain
        ? await forgeControl({ ...base, metadataKey }, [content])
        : await forge({ ...base, domain }, () => [{ data: Uint8Array.of(9, index) }]);
    if (life.owner.isAlive) await life.spaces.ingest(range);
  }
}
