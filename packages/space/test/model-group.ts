/**
 * A group's life in a model: real membership graphs and real key rings of a few actors whose logs
 * reach each other in parts, late and in any order. Nothing is sent: an actor takes in some more of
 * another's logs. Rules that the packages leave to their caller are handed in, so that a test can
 * plant a bug in them.
 */
import {
  createAuthGraph,
  createOp,
  inviteOfSecret,
  levels,
  proveJoin,
  type AddContext,
  type AddVerdict,
  type AuthAction,
  type AuthGraph,
  type AuthOp,
  type GroupId,
  type MutualRemovalPolicy,
  type OpId,
} from "@hawser/auth";
import { toHex, utf8 } from "@hawser/codec";
import type { AuthorId, Random } from "@hawser/crypto";
import {
  createKeyRing,
  latestBundle,
  addBundles,
  emptyRegistry,
  parseKeyOp,
  rotatePrekey,
  type BundleRegistry,
  type EpochId,
  type HistoryPolicy,
  type KeyAgreement,
  type KeyState,
  type Members,
  type Prekeys,
  type VerifiedBundle,
} from "@hawser/keys";
import type { LogId, Topic } from "@hawser/log";
import { contentKeyAt, openEvent, parseEnvelope, type Place } from "@hawser/space";
import { sealEvent } from "../src/layers.ts";
import type { TracedCrypto } from "./model-crypto.ts";

const topicHex = "71".repeat(32);

/** An entry of an actor's log. */
export type ModelEntry =
  | { readonly kind: "auth"; readonly author: number; readonly seq: number; readonly op: AuthOp }
  | {
      readonly kind: "key";
      readonly author: number;
      readonly seq: number;
      readonly opRef: string;
      readonly bytes: Uint8Array;
      readonly heads: readonly OpId[];
      /** Who can open which boxes of it, by the owners of the prekeys: actor and secrets in hex. */
      readonly boxes: readonly { readonly to: number; readonly terms: readonly string[] }[];
    }
  | {
      readonly kind: "data";
      readonly author: number;
      readonly seq: number;
      readonly heads: readonly OpId[];
      readonly epochId: EpochId;
      readonly readers: readonly AuthorId[];
      readonly sealed: Uint8Array;
    };

/** One actor: what it has of everybody's logs, and what it made of it. */
export interface ModelActor {
  readonly index: number;
  readonly id: AuthorId;
  readonly ring: KeyAgreement;
  readonly prekeys: Prekeys;
  readonly random: Random;
  readonly graph: AuthGraph;
  state: KeyState;
  /** By author: entries it has. */
  readonly heights: number[];
  /** Entries that wait for others. */
  waiting: readonly ModelEntry[];
  /** Entries that had their effect. */
  readonly taken: Set<ModelEntry>;
}

/** What a caller of auth and keys decides. Tests put bugs here. */
export interface ModelRules {
  /** Takes an op in. */
  accept(graph: AuthGraph, op: AuthOp, context: AddContext): AddVerdict;
  /** Whom the key layer is told to serve. */
  membersFor(actor: ModelActor, group: GroupId): Members;
  /** The epoch to seal in, or `undefined`: rekey. `stampOf` is the clock of an epoch's author. */
  chooseEpoch(
    actor: ModelActor,
    readers: readonly AuthorId[],
    stampOf: (id: EpochId) => number,
  ): EpochId | undefined;
  /** What a ciphertext is bound to. */
  boundTo(place: Place): Place;
}

/** The rules as the packages mean them. */
export const soundRules: ModelRules = {
  accept: (graph, op, context) => graph.add(op, context),
  membersFor: (actor, group) => membersIn(actor.graph, group),
  chooseEpoch: ({ ring, state }, readers) => ring.eligibleEpoch(state, readers),
  boundTo: (place) => place,
};

/** Readers and followers, now or at a position that the graph knows. */
export function membersIn(graph: AuthGraph, group: GroupId, at?: readonly OpId[]): Members {
  const members = graph.members(group, at) ?? new Map();
  const readers: AuthorId[] = [];
  const followers: AuthorId[] = [];
  for (const [author, { level }] of members) (level === "pull" ? followers : readers).push(author);
  return { readers: readers.sort(), followers: followers.sort() };
}

/** A seeded stream of small numbers (mulberry32). */
export function createDraws(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

export interface ModelOptions {
  readonly traced: TracedCrypto;
  readonly seed: number;
  readonly rules: ModelRules;
  /** 3 at least. */
  readonly actorsMax: number;
}

/** One history and everything a check wants to know of it. */
export interface GroupModel {
  readonly actors: readonly ModelActor[];
  readonly logs: readonly (readonly ModelEntry[])[];
  readonly group: GroupId;
  readonly history: HistoryPolicy;
  /** Secrets of all epochs that were made, in hex. */
  readonly secrets: ReadonlyMap<EpochId, string>;
  /** What each actor drew at random, in hex: what it knows before any message. */
  readonly drawn: readonly ReadonlySet<string>[];
  step(): void;
  /** Everybody gets everything, and debts are paid until there are none; rounds it took. */
  settle(): number;
  /** Makes an epoch if need be, and seals something in it. `undefined`: the actor may not. */
  write(actor: ModelActor): ModelEntry | undefined;
  /** The epoch an actor would seal in now; `undefined`: it would rekey. */
  next(actor: ModelActor): EpochId | undefined;
  /** Whom the rekey goes to that an actor would make now, itself among them; sorted. */
  nextRecipients(actor: ModelActor): readonly string[];
  /** A replica with nobody's keys that got everything in an order of its own. */
  replay(seed: number): ModelActor;
  /** Does an actor read an entry's bytes as if they stood at `place`? */
  opens(actor: ModelActor, entry: ModelEntry & { kind: "data" }, place: Place): boolean;
  placeOf(author: number, seq: number): Place;
}

const firstLevels = ["manage", "manage", "write", "read", "pull", "none"] as const;

/** Makes the founder's first entries and gives them to everybody. */
export function createGroupModel({ traced, seed, rules, actorsMax }: ModelOptions): GroupModel {
  const { crypto } = traced;
  const draw = createDraws(seed);
  const actorCount = 3 + draw(actorsMax - 2);
  const history = pick<HistoryPolicy>(["all", "all", "fromJoin", { lastEpochs: 2 }], draw);
  const policy = pick<MutualRemovalPolicy>(["remove-all", "senior-wins"], draw);
  const drawn = Array.from({ length: actorCount }, () => new Set<string>());
  let drawCount = 0;
  const randomOf =
    (index: number): Random =>
    (byteCount) => {
      const bytes = crypto.hash(utf8(`${seed} ${index} ${drawCount++}`)).slice(0, byteCount);
      drawn[index]?.add(toHex(bytes));
      return bytes;
    };
  const { actors, registry, ownerOf } = createActors(traced, actorCount, seed, randomOf);
  const logs: ModelEntry[][] = actors.map(() => []);
  const secrets = new Map<EpochId, string>();
  const stamps = new Map<EpochId, number>();
  const skews = actors.map(() => draw(40));
  // Secrets of invites: whoever knows of an invite has its link.
  const links = new Map<AuthorId, Uint8Array>();

  const founder = at(actors, 0);
  const create = createOp(crypto, {
    author: founder.id,
    group: undefined,
    deps: [],
    action: {
      type: "create",
      nonce: randomOf(0)(16),
      policy,
      grants: actors.flatMap(({ id, index }) => {
        const level = index === 0 ? "manage" : pick(firstLevels, draw);
        return level === "none" ? [] : [grantOf(id, level)];
      }),
    },
  }).op;
  const { group } = create;

  /** Puts an entry at the end of its author's own log, which the author has taken in already. */
  const append = (actor: ModelActor, entry: ModelEntry): void => {
    at(logs, actor.index).push(entry);
    actor.heights[actor.index] = entry.seq + 1;
    actor.taken.add(entry);
  };
  const seqOf = (actor: ModelActor): number => at(logs, actor.index).length;
  const previousOf = (entry: ModelEntry): readonly OpId[] => {
    const log = at(logs, entry.author);
    for (let seq = entry.seq - 1; seq >= 0; seq--) {
      const other = at(log, seq);
      if (other.kind === "auth") return [other.op.id];
    }
    return [];
  };
  const headsOf = (actor: ModelActor): readonly OpId[] => actor.graph.heads(group);

  const change = (actor: ModelActor, action: AuthAction): boolean => {
    const draft = { author: actor.id, group, deps: headsOf(actor), action };
    const { op } = createOp(crypto, draft);
    const entry: ModelEntry = { kind: "auth", author: actor.index, seq: seqOf(actor), op };
    if (rules.accept(actor.graph, op, { after: previousOf(entry) }).status !== "accepted") {
      return false;
    }
    append(actor, entry);
    return true;
  };

  const takeKeys = (actor: ModelActor, entry: ModelEntry & { kind: "key" }): boolean => {
    const known = actor.graph.members(group, entry.heads);
    if (known === undefined) return false;
    const { readers, followers } = membersIn(actor.graph, group, entry.heads);
    const carrier = {
      author: at(actors, entry.author).id,
      opRef: entry.opRef,
      readersAt: readers,
      followersAt: followers,
    };
    const op = { bytes: entry.bytes, carrier };
    actor.state = actor.ring.receive(actor.state, [op], actor.prekeys).state;
    return true;
  };

  const publish = (actor: ModelActor, bytes: Uint8Array): void => {
    const parsed = parseKeyOp(bytes);
    if (!parsed.ok) throw new Error(`the model made an op that is ${parsed.reason}`);
    const { op } = parsed;
    const sealed =
      op.kind === "rekey"
        ? [...op.toReaders, ...op.toFollowers].map((message) => message.sealed)
        : op.kind === "keyRequest"
          ? []
          : [op.message.sealed];
    const boxes = sealed.map((box) => {
      const { prekey, terms } = traced.contentsOf(box) ?? { prekey: "", terms: [] };
      return { to: ownerOf.get(prekey) ?? -1, terms };
    });
    const seq = seqOf(actor);
    const opRef = toHex(crypto.hash(utf8(`${seed} entry ${actor.index} ${seq}`)));
    const heads = headsOf(actor);
    const entry = { kind: "key", author: actor.index, seq, opRef, bytes, heads, boxes } as const;
    append(actor, entry);
    takeKeys(actor, entry);
  };

  const bundlesOf = (ids: readonly AuthorId[]): readonly VerifiedBundle[] =>
    ids.flatMap((id) => latestBundle(registry, id) ?? []);
  const rekeyFor = (actor: ModelActor) => {
    const { readers, followers } = rules.membersFor(actor, group);
    const input = {
      readers: bundlesOf(readers),
      followers: bundlesOf(followers),
      authHeads: headsOf(actor),
      reason: "membership",
    } as const;
    return actor.ring.rekey(actor.state, input, actor.random);
  };
  const rekey = (actor: ModelActor): void => {
    const made = rekeyFor(actor);
    actor.state = made.state;
    const secret = made.state.secrets.get(made.epochId);
    if (secret !== undefined) secrets.set(made.epochId, toHex(secret.reveal()));
    stamps.set(made.epochId, stamps.size + at(skews, actor.index));
    publish(actor, made.opBytes);
  };
  const mayPay = (actor: ModelActor): boolean =>
    membersIn(actor.graph, group).readers.includes(actor.id);
  const pay = (actor: ModelActor): boolean => {
    if (!mayPay(actor)) return false;
    const owed = () => actor.ring.whatIsOwed(actor.state, rules.membersFor(actor, group), history);
    const isDue = owed().rekey;
    if (isDue) rekey(actor);
    const { gives } = owed();
    for (const { kind, recipient, ...rest } of gives) {
      const [bundle] = bundlesOf([recipient]);
      if (bundle === undefined) continue;
      const input = { recipient: bundle, authHeads: headsOf(actor), ...rest };
      for (const bytes of actor.ring[kind](actor.state, input, actor.random)) publish(actor, bytes);
    }
    return isDue || gives.length > 0;
  };

  /** Takes waiting entries in, in a random order, until nothing moves. */
  const digest = (actor: ModelActor, order: (below: number) => number): void => {
    for (let moved = true; moved;) {
      moved = false;
      const waiting = shuffled(actor.waiting, order);
      const left: ModelEntry[] = [];
      for (const entry of waiting) {
        const isTaken = take(actor, entry);
        moved ||= isTaken;
        if (isTaken) actor.taken.add(entry);
        else left.push(entry);
      }
      actor.waiting = left;
    }
  };
  const take = (actor: ModelActor, entry: ModelEntry): boolean => {
    if (entry.kind === "data") return true;
    if (entry.kind === "key") return takeKeys(actor, entry);
    const after = previousOf(entry);
    return rules.accept(actor.graph, entry.op, { after }).status !== "pending";
  };
  /** Takes in what another has; `isWhole`: all of it, else some more of some logs. */
  const merge = (actor: ModelActor, heights: readonly number[], isWhole: boolean): void => {
    const news: ModelEntry[] = [];
    for (const [author, height] of heights.entries()) {
      const from = at(actor.heights, author);
      const more = height - from;
      if (more <= 0) continue;
      const to = isWhole ? height : from + draw(more + 1);
      news.push(...at(logs, author).slice(from, to));
      actor.heights[author] = to;
    }
    actor.waiting = [...actor.waiting, ...news];
    // Now and then the device restarts from what it stored.
    if (draw(12) === 0)
      actor.state = actor.ring.decode(actor.ring.encode(actor.state)) ?? actor.state;
    digest(actor, draw);
  };

  const placeOf = (author: number, seq: number): Place => ({
    // Safe: 32 bytes in hex.
    topic: topicHex as Topic,
    logId: toHex(crypto.hash(utf8(`log ${author}`))) as LogId,
    author: at(actors, author).id,
    seq,
  });
  const choose = (actor: ModelActor, readers: readonly AuthorId[]): EpochId | undefined =>
    rules.chooseEpoch(actor, readers, (id) => stamps.get(id) ?? 0);
  const mayWrite = (actor: ModelActor): boolean => actor.graph.can(group, actor.id, "write");
  const write = (actor: ModelActor): ModelEntry | undefined => {
    if (!mayWrite(actor)) return undefined;
    const told = rules.membersFor(actor, group).readers;
    if (choose(actor, told) === undefined) rekey(actor);
    const epochId = choose(actor, told);
    const readKey = epochId && actor.ring.readKey(actor.state, epochId);
    if (epochId === undefined || readKey === undefined) {
      throw new Error("no epoch to seal in right after a rekey");
    }
    const seq = seqOf(actor);
    const epoch = { id: bytesOf(epochId), readKey };
    const content = { type: "note", sequence: undefined, body: utf8(`${actor.index} ${seq}`) };
    const place = rules.boundTo(placeOf(actor.index, seq));
    const sealed = sealEvent({ crypto, random: actor.random }, epoch, place, content);
    const { readers } = membersIn(actor.graph, group);
    const heads = headsOf(actor);
    const entry = {
      kind: "data",
      author: actor.index,
      seq,
      heads,
      epochId,
      readers,
      sealed,
    } as const;
    append(actor, entry);
    return entry;
  };

  const changeSomething = (actor: ModelActor): void => {
    const other = pick(actors, draw);
    const members = actor.graph.members(group);
    const own = members.get(actor.id)?.level;
    const theirs = members.get(other.id)?.level;
    if (own === undefined) return joinSomehow(actor);
    const choice = draw(20);
    if (choice === 0) {
      change(actor, { type: "leave", successor: draw(2) === 0 ? individual(other.id) : undefined });
      return;
    }
    if (own !== "manage") return;
    const level = pick(levels, draw);
    const isPaid = draw(2) === 0;
    if (choice < 3) return invite(actor);
    if (choice === 3) {
      const [open] = actor.graph.invites(group);
      if (open !== undefined) change(actor, { type: "revoke", invite: open.invite });
    } else if (theirs === undefined) {
      const given = draw(3) === 0 ? level : pick(["write", "manage"] as const, draw);
      change(actor, { type: "add", grant: grantOf(other.id, given) });
    } else if (choice < 10 && other !== actor) {
      change(actor, { type: "remove", member: individual(other.id) });
    } else {
      change(actor, { type: "set", grant: grantOf(other.id, level) });
    }
    if (isPaid) pay(actor);
  };
  const invite = (actor: ModelActor): void => {
    const secret = actor.random(32);
    const id = inviteOfSecret(crypto, secret);
    const access = { level: pick(levels, draw), mayDelete: false };
    const uses = 1 + draw(2);
    links.set(id, secret);
    change(actor, { type: "invite", invite: id, access, uses, notAfter: undefined });
  };
  const joinSomehow = (actor: ModelActor): void => {
    const [open] = shuffled(actor.graph.invites(group), draw);
    const secret = open && links.get(open.invite);
    if (secret === undefined) return;
    const claim = { group, author: actor.id, binding: new Uint8Array(32), time: 0 };
    change(actor, proveJoin(crypto, claim, secret));
  };

  rules.accept(founder.graph, create, {});
  append(founder, { kind: "auth", author: 0, seq: 0, op: create });
  rekey(founder);
  for (const actor of actors.slice(1)) merge(actor, founder.heights, true);

  const step = (): void => {
    const actor = pick(actors, draw);
    const choice = draw(100);
    if (choice < 30) return merge(actor, pick(actors, draw).heights, draw(3) > 0);
    if (choice < 70) return changeSomething(actor);
    if (choice < 76) pay(actor);
    else if (choice < 79 && mayPay(actor)) rekey(actor);
    else write(actor);
  };
  const settle = (): number => {
    for (let round = 1; round < 12; round++) {
      const heights = logs.map((log) => log.length);
      for (const actor of actors) merge(actor, heights, true);
      if (!actors.some((actor) => pay(actor))) return round;
    }
    return Number.POSITIVE_INFINITY;
  };
  return {
    actors,
    logs,
    group,
    history,
    secrets,
    drawn,
    step,
    settle,
    write,
    next: (actor) => choose(actor, rules.membersFor(actor, group).readers),
    nextRecipients: (actor) => {
      const parsed = parseKeyOp(rekeyFor(actor).opBytes);
      if (!parsed.ok || parsed.op.kind !== "rekey") throw new Error("not a rekey");
      const to = parsed.op.toReaders.map(({ recipient }) => recipient);
      return [actor.id, ...to].sort();
    },
    replay: (orderSeed) => {
      const random = randomOf(0);
      const replica = createActor(traced, { index: -1, id: at(actors, 0).id, random, actorCount });
      replica.waiting = logs.flat();
      digest(replica, createDraws(orderSeed));
      return replica;
    },
    opens: (actor, entry, place) => {
      const readKey = actor.ring.readKey(actor.state, entry.epochId);
      const envelope = parseEnvelope(entry.sealed);
      if (readKey === undefined || envelope?.mode !== "sealed") return false;
      const bound = rules.boundTo(place);
      const key = contentKeyAt(crypto, readKey, bound, envelope.nonce);
      const sealed = { epochId: bytesOf(entry.epochId), envelope };
      return openEvent(crypto, key, bound, sealed) !== undefined;
    },
    placeOf,
  };
}

function createActors(
  traced: TracedCrypto,
  actorCount: number,
  seed: number,
  randomOf: (index: number) => Random,
): {
  readonly actors: readonly ModelActor[];
  readonly registry: BundleRegistry;
  readonly ownerOf: ReadonlyMap<string, number>;
} {
  const { crypto } = traced;
  let registry = emptyRegistry;
  const actors: ModelActor[] = [];
  const ownerOf = new Map<string, number>();
  for (let index = 0; index < actorCount; index++) {
    // Safe: 32 bytes in hex; signatures of authors are not modelled.
    const id = toHex(crypto.hash(utf8(`${seed} actor ${index}`))) as AuthorId;
    const random = randomOf(index);
    const identity = { id, sign: () => new Uint8Array(64).fill(index) };
    const { prekeys, bundle } = rotatePrekey(crypto, [], { identity, time: 0 }, random);
    registry = addBundles(registry, [bundle]);
    ownerOf.set(toHex(bundle.prekey), index);
    actors.push({ ...createActor(traced, { index, id, random, actorCount }), prekeys });
  }
  return { actors, registry, ownerOf };
}

function createActor(
  { crypto }: TracedCrypto,
  parts: Pick<ModelActor, "index" | "id" | "random"> & { readonly actorCount: number },
): ModelActor {
  const { index, id, random, actorCount } = parts;
  const ring = createKeyRing({ crypto }, { topic: topicHex, self: id });
  const graph = createAuthGraph({ crypto });
  const heights = Array.from({ length: actorCount }, () => 0);
  const nothing = { prekeys: [], waiting: [], taken: new Set<ModelEntry>() };
  return { index, id, ring, random, graph, state: ring.empty, heights, ...nothing };
}

function individual(id: AuthorId) {
  return { kind: "individual", id } as const;
}

function grantOf(id: AuthorId, level: (typeof levels)[number]) {
  return { member: individual(id), access: { level, mayDelete: false } } as const;
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function pick<Item>(items: readonly Item[], draw: (below: number) => number): Item {
  return at(items, draw(items.length));
}

function shuffled<Item>(items: readonly Item[], draw: (below: number) => number): Item[] {
  const mixed = [...items];
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = draw(last + 1);
    [mixed[last], mixed[other]] = [at(mixed, other), at(mixed, last)];
  }
  return mixed;
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new RangeError(`no item ${index}`);
  return item;
}
