/**
 * All hosts of a run, the network between them and who dials whom; starts, ends and watches programs.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { LogId, Topic } from "@hawser/log";
import { controlDomain, dataDomain, type Space } from "@hawser/space";
import type { SyncClosed, SyncSession } from "@hawser/sync";
import type { Disk, DiskDeps } from "./disk.ts";
import { createMemoryDisk } from "./disk.ts";
import type { Draws } from "./draws.ts";
import { createFileDisk } from "./file-disk.ts";
import {
  boot,
  createHost,
  hadDiskError,
  kill,
  startMicros,
  type Bug,
  type Host,
  type HostDeps,
  type Life,
} from "./host.ts";
import { createLedger, secretMark, type FlawCode, type Ledger } from "./ledger.ts";
import { createNetwork, type Network } from "./network.ts";
import type { RunOptions, Swarm } from "./options.ts";
import { createOwner, createSchedule, type Owner, type Schedule } from "./schedule.ts";
import type { Trace } from "./trace.ts";

/** A run at work. */
export interface World {
  readonly crypto: Crypto;
  readonly draws: Draws;
  readonly swarm: Swarm;
  readonly schedule: Schedule;
  readonly network: Network;
  readonly trace: Trace;
  readonly ledger: Ledger;
  readonly hosts: readonly Host[];
  readonly devices: readonly Host[];
  readonly relays: readonly Host[];
  /** Spaces of the run: the main one first, then that of a group if there is one. */
  readonly topics: Topic[];
  /** The simulator's own events. */
  readonly owner: Owner;
  /** True time, µs. */
  trueMicros(): number;
  /** The host an author is, in a word. */
  nameOf(author: AuthorId): string;
  /** Notes the first flaw; the run ends then. */
  fail(code: FlawCode, detail: string): void;
  note(...parts: readonly (string | number)[]): void;
  start(host: Host): Promise<void>;
  /** The power goes. */
  crash(host: Host): Promise<void>;
  /** Cuts every pipe of a host, or all. */
  cut(host?: Host): void;
  /** Breaks pipes of a pair from now on, or none any more. */
  breakPipes(pair: readonly [Host, Host] | undefined): void;
  /** Runs until the promise has settled, at most 60 s of virtual time. */
  settle<Value>(promise: Promise<Value>): Promise<Value>;
  /** Starts something a user asks for; the ledger keeps what became of it. */
  ask(host: Host, what: string, job: () => Promise<void>): void;
}

/** Redials come after 100 to so many ms. */
const redialMsMax = 3_000;
/** How a session between honest hosts over a sound pipe must never end. */
const protocolCodes: ReadonlySet<string> = new Set([
  "SYNC_BAD_MESSAGE",
  "SYNC_VERSION",
  "SYNC_BAD_IDENTITY",
  "SYNC_SELF",
  "SYNC_CREDIT",
  "SYNC_OVER_LIMIT",
  "SYNC_BAD_RANGE",
]);
/** What a user may be told in the ordinary run of things. */
const usualCodes: ReadonlySet<string> = new Set([
  "SPACE_NO_ACCESS",
  "SPACE_MEMBERSHIP",
  "SPACE_NOT_WELCOMED",
  "SPACE_INVITE_USED",
  "SPACE_INVITE_REVOKED",
  "SPACE_INVITE_EXPIRED",
  "SPACE_INVITE_INVALID",
  "SPACE_BUNDLE_INVALID",
  // Removed or behind a rotation: there is no key to invite with until the new one comes.
  "SPACE_NO_KEY",
]);

/** What a world is made of. */
export interface WorldDeps {
  readonly crypto: Crypto;
  readonly draws: Draws;
  readonly swarm: Swarm;
  readonly trace: Trace;
  readonly bug: Bug;
  readonly options: RunOptions;
}

/** Hosts that are switched off, and nothing else. */
export function createWorld(deps: WorldDeps): World {
  const { crypto, draws, swarm, trace, bug, options } = deps;
  const schedule = createSchedule();
  const owner = createOwner("world");
  const ledger = createLedger();
  const note = (...parts: readonly (string | number)[]): void =>
    trace.note(schedule.nowMs(), ...parts);
  const fail: World["fail"] = (code, detail) => {
    if (ledger.flaw !== undefined) return;
    ledger.flaw = { code, detail, atMs: schedule.nowMs() };
    note("FLAW", code, detail);
  };
  const network = createNetwork({
    schedule,
    draws: draws.split("network"),
    owner,
    onFrame: (from, to, frame) => {
      note(from, ">", to, frame.length, checksum(frame));
      if (hasSecret(frame)) fail("SIM_PLAINTEXT", `content in clear from ${from} to ${to}`);
    },
  });
  const trueMicros = (): number => startMicros + schedule.nowMs() * 1_000;
  const onTopics = (host: Host, life: Life): void => {
    if (life.owner.isAlive) note(host.name, "topics");
  };
  const nameOf = (author: AuthorId): string =>
    hosts.find((host) => host.author === author)?.name ?? `stranger ${author.slice(0, 8)}`;
  const onIngest: HostDeps["onIngest"] = (host, { context, from, count }, outcome) => {
    const { author, domain } = context;
    const reason = "reason" in outcome ? outcome.reason : "";
    note(host.name, "takes", nameOf(author), domain, from, count, outcome.status, reason);
  };
  const { seed } = options;
  const hostDeps = { crypto, schedule, seed, trueMicros, bug, onTopics, onIngest };
  const hosts = makeHosts(deps, hostDeps);
  const dialer = createDialer({ schedule, network, owner, draws: draws.split("dial"), swarm });

  const start = async (host: Host): Promise<void> => {
    if (host.life !== undefined) return;
    try {
      const life = await boot(hostDeps, host);
      if (!life.owner.isAlive) return;
      host.life = life;
    } catch (error) {
      note(host.name, "does not start", codeOf(error));
      if (host.disk.errorCount() === 0)
        fail("SIM_ERROR", `${host.name} does not start: ${String(error)}`);
      schedule.after(owner, 2_000, () => void start(host));
      return;
    }
    note(host.name, "starts");
    dialer.dialAll(host);
  };
  const world: World = {
    crypto,
    draws,
    swarm,
    schedule,
    network,
    trace,
    ledger,
    hosts,
    devices: hosts.filter(({ role }) => role === "device"),
    relays: hosts.filter(({ role }) => role === "relay"),
    topics: [],
    owner,
    trueMicros,
    nameOf,
    fail,
    note,
    start,
    crash: async (host) => {
      note(host.name, "crashes");
      kill(host);
      for (const [number, { host: asker }] of ledger.pending) {
        if (asker === host) ledger.pending.delete(number);
      }
      dialer.cut(host);
      await host.disk.crash();
    },
    cut: (host) => dialer.cut(host),
    breakPipes: (pair) => dialer.breakPipes(pair),
    settle: (promise) => settle(schedule, promise),
    ask: (host, what, job) => ask(world, host, what, job),
  };
  dialer.watch(world);
  return world;
}

function makeHosts({ draws, swarm, crypto, bug }: WorldDeps, hostDeps: HostDeps): readonly Host[] {
  const { schedule } = hostDeps;
  const make = (name: string, role: Host["role"]): Host => {
    const own = draws.split(`disk ${name}`);
    const diskDeps: DiskDeps = { crypto, schedule, draws: own };
    const isFile = own.chance(swarm.fileStoreChance) && bug.disk === undefined;
    const disk: Disk = isFile ? createFileDisk(diskDeps) : createMemoryDisk(diskDeps, bug.disk);
    return createHost(hostDeps, { name, role, disk });
  };
  const devices = Array.from({ length: swarm.deviceCount }, (_, n) => make(`device${n}`, "device"));
  const relays = Array.from({ length: swarm.relayCount }, (_, n) => make(`relay${n}`, "relay"));
  return [...devices, ...relays];
}

/** Keeps the pipes of a run: every device to every relay, and to each other where meshed. */
interface Dialer {
  dialAll(host: Host): void;
  cut(host: Host | undefined): void;
  breakPipes(pair: readonly [Host, Host] | undefined): void;
  watch(world: World): void;
}

function createDialer(parts: {
  readonly schedule: Schedule;
  readonly network: Network;
  readonly owner: Owner;
  readonly draws: Draws;
  readonly swarm: Swarm;
}): Dialer {
  const { schedule, network, owner, draws, swarm } = parts;
  const open = new Map<
    string,
    { readonly hosts: readonly [Host, Host]; readonly cut: () => void }
  >();
  const planned = new Set<string>();
  let broken: readonly [Host, Host] | undefined;
  let world: World | undefined;

  const redial = (a: Host, b: Host): void => {
    const key = `${a.name} ${b.name}`;
    if (planned.has(key)) return;
    planned.add(key);
    schedule.after(owner, draws.between(100, redialMsMax), () => {
      planned.delete(key);
      dial(a, b);
    });
  };
  const dial = (a: Host, b: Host): void => {
    const key = `${a.name} ${b.name}`;
    const [lifeA, lifeB] = [a.life, b.life];
    // Whoever starts later dials.
    if (open.has(key) || lifeA === undefined || lifeB === undefined || world === undefined) return;
    const isBroken = broken?.includes(a) === true && broken.includes(b);
    const ends = [a, b].map(({ name, life }) => ({ host: name, owner: life?.owner ?? owner }));
    const [endA, endB] = ends;
    if (endA === undefined || endB === undefined) return;
    const pipe = network.connect(endA, endB, isBroken);
    if (pipe === undefined) return redial(a, b);
    const link = { hosts: [a, b] as const, cut: () => pipe.cut() };
    open.set(key, link);
    const over = (): void => {
      if (open.get(key) !== link) return;
      open.delete(key);
      redial(a, b);
    };
    watchSession(world, a, lifeA, lifeA.peer.attach(pipe.a), { peer: b, isBroken, over });
    watchSession(world, b, lifeB, lifeB.peer.attach(pipe.b), { peer: a, isBroken, over });
  };
  const isWanted = (a: Host, b: Host): boolean =>
    a.role !== b.role || (a.role === "device" && swarm.isMeshed);
  return {
    dialAll: (host) => {
      for (const other of world?.hosts ?? []) {
        if (other === host || !isWanted(host, other)) continue;
        const [first, second] = host.name < other.name ? [host, other] : [other, host];
        redial(first, second);
      }
    },
    cut: (host) => {
      // Deleting what is visited is sound; redials open nothing at once.
      for (const [key, link] of open) {
        const [a, b] = link.hosts;
        if (host !== undefined && a !== host && b !== host) continue;
        link.cut();
        open.delete(key);
        redial(a, b);
      }
    },
    breakPipes: (pair) => {
      broken = pair;
    },
    watch: (made) => {
      world = made;
    },
  };
}

function watchSession(
  world: World,
  host: Host,
  life: Life,
  session: SyncSession,
  link: { readonly peer: Host; readonly isBroken: boolean; readonly over: () => void },
): void {
  const { peer, isBroken, over } = link;
  const ended = ({ code, by, cause }: SyncClosed): void => {
    if (!life.owner.isAlive) return;
    world.note(host.name, "session with", peer.name, code, by);
    over();
    if (isBroken || !host.isHonest || !peer.isHonest) return;
    if (protocolCodes.has(code)) {
      world.fail("SIM_PROTOCOL", `${host.name} and ${peer.name}: ${code} by ${by}`);
    }
    if (code === "SYNC_LOCAL_FAILURE" && by === "local" && !hadDiskError(host)) {
      world.fail("SIM_ERROR", `${host.name}: SYNC_LOCAL_FAILURE: ${describe(cause)}`);
    }
  };
  void session.closed.then(ended);
}

async function settle<Value>(schedule: Schedule, promise: Promise<Value>): Promise<Value> {
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  promise.then(over, over);
  await schedule.runUntil(schedule.nowMs() + 60_000, () => isOver);
  if (!isOver) throw new Error("what should settle does not");
  return promise;
}

function ask(world: World, host: Host, what: string, job: () => Promise<void>): void {
  const { life } = host;
  if (life === undefined) return;
  const { pending } = world.ledger;
  const number = world.ledger.askedCount++;
  world.note(host.name, "asks", what);
  pending.set(number, { what, host, sinceMs: world.schedule.nowMs() });
  const done = async (): Promise<void> => {
    await job();
    if (!life.owner.isAlive) return;
    world.note(host.name, "has", what);
    await rememberHeads(world, host, life);
  };
  const failed = (error: unknown): void => {
    if (!life.owner.isAlive) return;
    const code = codeOf(error);
    world.note(host.name, "fails", what, code);
    // Somebody else's disk may have been asked, for a bundle for instance.
    const isDisk = ["ENOSPC", "EIO", "LOG_STORE_FAILED", "STORE_WRITE_FAILED"].includes(code);
    const isExcused = isDisk ? world.hosts.some(hadDiskError) : hadDiskError(host);
    if (usualCodes.has(code) || isExcused || !host.isHonest) return;
    world.fail("SIM_ERROR", `${host.name}: ${what}: ${describe(error)}`);
  };
  void done()
    .catch(failed)
    .finally(() => pending.delete(number));
}

/** Notes how far the host's own logs are: what was acknowledged must never be gone again. */
async function rememberHeads(world: World, host: Host, life: Life): Promise<void> {
  const acked = world.ledger.acked.get(host.name) ?? new Map<LogId, never>();
  const heads = new Map(acked);
  for (const topic of world.topics) {
    for (const { logId, height, hash, context } of await life.store.heads(topic)) {
      const isOwn = context.author === host.author;
      const isKept = context.domain === dataDomain || context.domain === controlDomain;
      if (!isOwn || !isKept || hash === undefined) continue;
      if ((heads.get(logId)?.height ?? 0) < height) heads.set(logId, { height, hash });
    }
  }
  if (life.owner.isAlive) world.ledger.acked.set(host.name, heads);
}

/** The code of an error, or its text. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** An error with its causes, in one line. */
export function describe(error: unknown): string {
  const parts: string[] = [];
  for (let at = error; at !== undefined && parts.length < 5;) {
    parts.push(at instanceof Error ? `${codeOf(at)} ${at.message}` : `a ${typeof at}`);
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join(" <- ").slice(0, 400);
}

/** The space of a topic that a host reads and writes in. */
export function activeSpace(host: Host, topic: Topic): Space | undefined {
  const space = host.life?.spaces.list().find((one) => one.topic === topic);
  return space?.id === undefined || space.status().state !== "active" ? undefined : space;
}

/** Does a piece of bytes hold content in clear? */
export function hasSecret(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(secretMark);
}

function checksum(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16);
}

/** A log as somebody has it. */
export interface Holding {
  readonly logId: LogId;
  readonly author: AuthorId;
  /** Whose log it is, and which: equal for equal logs, in any store. */
  readonly name: string;
  /** How far it goes: equal texts, equal entries. */
  readonly extent: string;
}

/**
 * The logs of a topic that a program has. Of a forked log each device keeps the branch it saw first,
 * and all agree on where the branches part.
 */
export async function holdingsOf(
  world: World,
  life: Life,
  topic: Topic,
): Promise<readonly Holding[]> {
  const heads = await life.store.heads(topic);
  return heads.map(({ logId, height, hash, forkedAt, context: { author, domain } }) => {
    const head = `${height} ${hash === undefined ? "" : toHex(hash).slice(0, 16)}`;
    const extent = forkedAt === undefined ? head : `forked at ${forkedAt}`;
    return { logId, author, name: `${world.nameOf(author)} ${domain}`, extent };
  });
}
