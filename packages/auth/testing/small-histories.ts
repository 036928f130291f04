/**
 * Every small history of a group: all graphs of a few ops by three actors, each met once.
 *
 * A history is a set of ops that holds the past of each of them, so two ways to write the same graph
 * down are one history. It grows by one op at a time: any past that is part of it, any actor, any
 * change that is allowed there and changes something. Refused ops are no part of a history, since
 * nothing can follow them; `triedAfter` gives them. Histories that differ by renaming actors who
 * stand alike at the start are one.
 */
import { toHex, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  type AuthAction,
  type AuthGraph,
  type AuthOp,
  createAuthGraph,
  createOp,
  type GroupId,
  type Level,
  type Member,
  type MutualRemovalPolicy,
  proveJoin,
} from "@hawser/auth";

/** What the actors A, B and C are at the start; A creates the group and manages. */
export interface SmallWorld {
  readonly policy: MutualRemovalPolicy;
  /** Levels of A, B, C; `undefined`: no member. */
  readonly levels: readonly (Level | undefined)[];
  /** Which changes there are. `members`: add, remove, set, leave. `invites`: those of invites too. */
  readonly changes: "members" | "invites";
  /** `honest`: all earlier ops of an op's author are in its past. `any`: actors date back too. */
  readonly pasts: "honest" | "any";
}

/** One graph: its ops, causes first, and what they are about. */
export interface SmallHistory {
  readonly ops: readonly AuthOp[];
  readonly group: GroupId;
  /** A, B and C. */
  readonly actors: readonly AuthorId[];
}

/** A change, with actors as numbers. */
interface Change {
  readonly verb: "add" | "remove" | "set" | "leave" | "invite" | "revoke" | "join";
  readonly target: number | undefined;
  readonly level: Level | undefined;
}

interface Interned {
  readonly op: AuthOp;
  readonly actor: number;
  readonly change: Change | undefined;
  /** Numbers of its maximal causes, ascending. */
  readonly deps: readonly number[];
  /** Numbers of all its causes, ascending. */
  readonly past: readonly number[];
}

/** A part of the histories: what grows out of every `of`-th history that is one op shorter. */
export interface HistoryShare {
  readonly of: number;
  /** The first of them, below `of`. */
  readonly from: number;
}

/** Every history of `opCount` ops (the create is one), actors who start alike not told apart. */
export function* smallHistories(
  crypto: Crypto,
  world: SmallWorld,
  opCount: number,
  share: HistoryShare = { of: 1, from: 0 },
): Generator<SmallHistory> {
  const space = createSmallSpace(crypto, world);
  let level: readonly (readonly number[])[] = [[0]];
  for (let size = 1; size < opCount; size++) {
    const next = new Map<string, readonly number[]>();
    const isLast = size === opCount - 1;
    for (const [index, history] of level.entries()) {
      if (isLast && index % share.of !== share.from) continue;
      for (const grown of space.extensions(history)) {
        const [key, first] = space.canonical(grown);
        if (!next.has(key)) next.set(key, first);
      }
    }
    level = [...next.values()];
  }
  for (const history of level) yield space.show(history);
}

/** Every order in which the ops can arrive, causes first. */
export function* allOrders(ops: readonly AuthOp[]): Generator<readonly AuthOp[]> {
  const known = new Set(ops.map((op) => op.id));
  const stack: { readonly done: readonly AuthOp[]; readonly left: readonly AuthOp[] }[] = [
    { done: [], left: ops },
  ];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { done, left } = top;
    if (left.length === 0) yield done;
    const placed = new Set(done.map((op) => op.id));
    for (const op of left) {
      if (!op.deps.every((dep) => placed.has(dep) || !known.has(dep))) continue;
      stack.push({ done: [...done, op], left: left.filter((other) => other !== op) });
    }
  }
}

/** Everything else that somebody could try who has seen the whole history: allowed or not. */
export function triedAfter(
  crypto: Crypto,
  world: SmallWorld,
  history: SmallHistory,
): readonly AuthOp[] {
  const { group } = history;
  const deps = graphOf(crypto, history.ops).heads(group);
  return everyChange(world).map((made) => opOf(contextOf(crypto), { ...made, group, deps }));
}

interface SmallSpace {
  extensions(history: readonly number[]): Iterable<readonly number[]>;
  canonical(history: readonly number[]): readonly [string, readonly number[]];
  show(history: readonly number[]): SmallHistory;
}

function createSmallSpace(crypto: Crypto, world: SmallWorld): SmallSpace {
  const context = contextOf(crypto);
  const create = createOp(crypto, {
    author: at(context.actors, 0),
    group: undefined,
    deps: [],
    action: firstAction(crypto, world, context.actors),
  }).op;
  const { group } = create;
  const table: Interned[] = [{ op: create, actor: 0, change: undefined, deps: [], past: [] }];
  const numbers = new Map<string, number>();
  const children = new Map<string, readonly number[]>();
  const show = (history: readonly number[]): SmallHistory => ({
    ops: history.map((number) => at(table, number).op),
    group,
    actors: context.actors,
  });
  const intern = (actor: number, change: Change, past: readonly number[]): number => {
    const key = `${actor} ${change.verb} ${change.target} ${change.level} ${past.join()}`;
    const known = numbers.get(key);
    if (known !== undefined) return known;
    const covered = new Set(past.flatMap((number) => at(table, number).deps));
    const deps = past.filter((number) => !covered.has(number));
    const ids = deps.map((number) => at(table, number).op.id);
    const op = opOf(context, { actor, change, group, deps: ids });
    numbers.set(key, table.length);
    table.push({ op, actor, change, deps, past });
    return table.length - 1;
  };
  const isSure = (number: number): boolean => {
    const verb = at(table, number).change?.verb;
    return verb !== "join" && verb !== "revoke";
  };
  /** All ops that can be made by somebody who has seen exactly `past`. */
  const madeAt = (past: readonly number[]): readonly number[] => {
    const key = past.join();
    const known = children.get(key);
    if (known !== undefined) return known;
    const seen = show(past);
    const standing = standingOf(graphOf(crypto, seen.ops), seen);
    const made = everyChange(world)
      .filter(({ actor, change }) => isAllowed(standing, actor, change))
      .map(({ actor, change }) => intern(actor, change, past))
      .filter((number) => isSure(number) || isAccepted(crypto, seen, at(table, number).op));
    children.set(key, made);
    return made;
  };
  const isHonest = (number: number, history: readonly number[]): boolean => {
    const { actor, past } = at(table, number);
    return history.every((other) => at(table, other).actor !== actor || past.includes(other));
  };
  function* extensions(history: readonly number[]): Generator<readonly number[]> {
    for (const past of pastsIn(history, (number) => at(table, number).past)) {
      for (const number of madeAt(past)) {
        if (history.includes(number)) continue;
        if (world.pasts === "honest" && !isHonest(number, history)) continue;
        yield [...history, number].sort((a, b) => a - b);
      }
    }
  }
  const renamings = renamingsOf(world);
  const renamed = renamings.map(() => new Map<number, number>([[0, 0]]));
  const rename = (number: number, way: number): number => {
    const cache = at(renamed, way);
    const known = cache.get(number);
    if (known !== undefined) return known;
    const names = at(renamings, way);
    const { actor, change, past } = at(table, number);
    if (change === undefined) return 0;
    const target = change.target === undefined ? undefined : at(names, change.target);
    // As deep as a history is long: five.
    const moved = past.map((other) => rename(other, way)).sort((a, b) => a - b);
    const other = intern(at(names, actor), { ...change, target }, moved);
    cache.set(number, other);
    return other;
  };
  return {
    extensions,
    canonical: (history) => {
      let first = history;
      let key = history.join();
      for (const way of renamings.keys()) {
        const other = history.map((number) => rename(number, way)).sort((a, b) => a - b);
        const otherKey = other.join();
        if (otherKey < key) [first, key] = [other, otherKey];
      }
      return [key, first];
    },
    show,
  };
}

/** Subsets with the create in them that hold the past of all they hold. */
function* pastsIn(
  history: readonly number[],
  pastOf: (number: number) => readonly number[],
): Generator<readonly number[]> {
  const rest = history.filter((number) => number !== 0);
  for (let bits = 0; bits < 2 ** rest.length; bits++) {
    const chosen = rest.filter((_, index) => (bits >> index) % 2 === 1);
    const whole = new Set([0, ...chosen]);
    if (chosen.every((number) => pastOf(number).every((other) => whole.has(other)))) {
      yield [0, ...chosen];
    }
  }
}

/** Ways to rename actors who start alike. By seniority only those outside start alike. */
function renamingsOf({ levels, policy }: SmallWorld): readonly (readonly number[])[] {
  const ways = [
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  return ways.filter((names) =>
    names.every((name, actor) => {
      const isSame = levels[name] === levels[actor];
      return isSame && (name === actor || policy === "remove-all" || levels[actor] === undefined);
    }),
  );
}

interface Context {
  readonly crypto: Crypto;
  readonly actors: readonly AuthorId[];
}

function contextOf(crypto: Crypto): Context {
  const actors = ["A", "B", "C"].map(
    (name) =>
      // Safe: 32 bytes in hex; the graph checks no signatures of authors.
      toHex(crypto.deriveKey("hawser test author v1", utf8(name))) as AuthorId,
  );
  return { crypto, actors };
}

function firstAction(
  crypto: Crypto,
  { policy, levels }: SmallWorld,
  actors: readonly AuthorId[],
): AuthAction {
  const grants = levels.flatMap((level, index) =>
    level === undefined
      ? []
      : [{ member: individual(actors, index), access: { level, mayDelete: false } }],
  );
  const nonce = crypto.deriveKey("hawser test nonce v1", utf8("small"), 16);
  return { type: "create", nonce, policy, grants };
}

function individual(actors: readonly AuthorId[], index: number): Member {
  return { kind: "individual", id: at(actors, index) };
}

const inviteSeed = utf8("small invite");

interface OpShape {
  readonly actor: number;
  readonly change: Change;
  readonly group: GroupId;
  readonly deps: readonly AuthOp["id"][];
}

function opOf(context: Context, { actor, change, group, deps }: OpShape): AuthOp {
  const { crypto, actors } = context;
  const author = at(actors, actor);
  const sorted = [...deps].sort();
  const action = actionOf(context, { author, change, group });
  return createOp(crypto, { author, group, deps: sorted, action }).op;
}

function actionOf(
  { crypto, actors }: Context,
  made: { readonly author: AuthorId; readonly change: Change; readonly group: GroupId },
): AuthAction {
  const { author, change, group } = made;
  const member = change.target === undefined ? undefined : individual(actors, change.target);
  const access = { level: change.level ?? "read", mayDelete: false } as const;
  const secret = crypto.deriveKey("hawser test invite v1", inviteSeed);
  // Safe: a public key in hex.
  const invite = toHex(crypto.publicKey(secret)) as AuthorId;
  if (change.verb === "invite") {
    return { type: "invite", invite, access, uses: 1, notAfter: undefined };
  }
  if (change.verb === "revoke") return { type: "revoke", invite };
  if (change.verb === "leave") return { type: "leave", successor: member };
  if (change.verb === "join" || member === undefined) {
    const claim = { group, author, binding: new Uint8Array(32), time: 0 };
    return proveJoin(crypto, claim, secret);
  }
  if (change.verb === "remove") return { type: "remove", member };
  return { type: change.verb, grant: { member, access } };
}

const actorNumbers = [0, 1, 2];

/** Everything anybody could try: two levels, one invite that gives `manage`. */
function everyChange(
  world: SmallWorld,
): readonly { readonly actor: number; readonly change: Change }[] {
  const none = { target: undefined, level: undefined };
  const all: { actor: number; change: Change }[] = [];
  for (const actor of actorNumbers) {
    const put = (change: Change): number => all.push({ actor, change });
    put({ verb: "leave", ...none });
    for (const target of actorNumbers) {
      for (const level of ["read", "manage"] as const) {
        put({ verb: "set", target, level });
        if (target !== actor) put({ verb: "add", target, level });
      }
      if (target === actor) continue;
      put({ verb: "remove", target, level: undefined });
      put({ verb: "leave", target, level: undefined });
    }
    if (world.changes === "members") continue;
    put({ verb: "invite", ...none, level: "manage" });
    put({ verb: "revoke", ...none });
    put({ verb: "join", ...none });
  }
  return all;
}

/** Who is what at a position. */
interface Standing {
  readonly levels: readonly (Level | undefined)[];
  /** The invite was made, can be spent, was revoked. */
  readonly invite: "none" | "open" | "spent" | "gone";
  readonly isLastManager: (actor: number) => boolean;
}

function standingOf(graph: AuthGraph, { group, actors, ops }: SmallHistory): Standing {
  const direct = new Map(graph.directMembers(group).map((grant) => [grant.member.id, grant]));
  const levels = actors.map((actor) => direct.get(actor)?.access.level);
  const managers = levels.filter((level) => level === "manage").length;
  const isRevoked = ops.some(({ id, action }) => {
    return action.type === "revoke" && graph.status(id)?.state === "effective";
  });
  const isMade = ops.some(({ action }) => action.type === "invite");
  const isOpen = graph.invites(group).length > 0;
  const isSpent =
    !isRevoked &&
    ops.some(({ id, action }) => {
      return action.type === "join" && graph.status(id)?.state === "effective";
    });
  const invite = !isMade ? "none" : isOpen ? "open" : isSpent ? "spent" : "gone";
  return {
    levels,
    invite,
    isLastManager: (actor) => levels[actor] === "manage" && managers === 1,
  };
}

/**
 * Whether the rules allow a change and it changes something (docs/spec/4-auth.md §4.2). Joins and
 * revokes have more rules than these.
 */
function isAllowed(standing: Standing, actor: number, change: Change): boolean {
  const own = standing.levels[actor];
  const { verb, target, level } = change;
  if (verb === "join") return own === undefined && standing.invite === "open";
  if (own === undefined) return false;
  if (verb === "leave" && target === undefined) return !standing.isLastManager(actor);
  if (own !== "manage") return false;
  const theirs = target === undefined ? undefined : standing.levels[target];
  switch (verb) {
    case "add":
      return theirs === undefined;
    case "remove":
      return theirs !== undefined;
    case "set":
      return (
        theirs !== undefined &&
        theirs !== level &&
        !(target === actor && standing.isLastManager(actor))
      );
    case "leave":
      return theirs !== "manage";
    case "invite":
      return standing.invite === "none";
    case "revoke":
      return standing.invite === "open";
  }
}

function isAccepted(crypto: Crypto, seen: SmallHistory, op: AuthOp): boolean {
  return graphOf(crypto, seen.ops).add(op).status === "accepted";
}

function graphOf(crypto: Crypto, ops: readonly AuthOp[]): AuthGraph {
  const graph = createAuthGraph({ crypto });
  for (const op of ops) {
    const verdict = graph.add(op);
    if (verdict.status !== "accepted") {
      throw new Error(`a small history holds an op that is ${JSON.stringify(verdict)}`);
    }
  }
  return graph;
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new RangeError(`no item ${index}`);
  return item;
}
