/**
 * Random membership histories for property tests: several authors and groups, back-dated deps,
 * invites, joins, nested groups, and ops that must be refused. A history is a list of small numbers;
 * `playHistory` turns it into real ops. Shrinks to short histories.
 */
import { toHex, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import fc from "fast-check";
import {
  type Access,
  type AuthAction,
  type AuthGraph,
  type AuthOp,
  createAuthGraph,
  createOp,
  type GroupId,
  levels,
  type Member,
  type MutualRemovalPolicy,
  type OpId,
  proveJoin,
} from "@hawser/auth";

/** One step of a history; every number is taken modulo what there is to choose from. */
export interface HistoryStep {
  readonly author: number;
  readonly group: number;
  readonly verb: number;
  readonly target: number;
  readonly level: number;
  /** 0–2: the current heads; 9: random ops of any group; else random ops of the group. */
  readonly view: number;
  /** 0: whatever the numbers say, allowed or not; else a sensible choice where there is one. */
  readonly sense: number;
  readonly seen: readonly number[];
}

/** A history and how many groups it starts with. */
export interface History {
  readonly authors: number;
  readonly groups: number;
  readonly policy: MutualRemovalPolicy;
  /** Mostly invites, joins and revokes. */
  readonly inviting: boolean;
  /** Every author's ops contain his earlier ones. */
  readonly monotonic: boolean;
  readonly steps: readonly HistoryStep[];
}

/** Arbitrary histories of at most `stepsMax` ops. */
export function arbitraryHistory(stepsMax = 24): fc.Arbitrary<History> {
  const small = fc.nat({ max: 63 });
  const step = fc.record({
    author: small,
    group: small,
    verb: small,
    target: small,
    level: small,
    view: fc.nat({ max: 9 }),
    sense: fc.nat({ max: 5 }),
    seen: fc.array(fc.nat({ max: 1023 }), { minLength: 1, maxLength: 3 }),
  });
  return fc.record({
    authors: fc.integer({ min: 3, max: 7 }),
    groups: fc.constantFrom(1, 1, 1, 2, 3),
    policy: fc.constantFrom<MutualRemovalPolicy>("remove-all", "senior-wins"),
    inviting: fc.constantFrom(false, false, true),
    monotonic: fc.boolean(),
    steps: fc.array(step, { maxLength: stepsMax, size: "max" }),
  });
}

/** A played history: every op made, accepted or not, in one causal order. */
export interface PlayedHistory {
  readonly ops: readonly AuthOp[];
  readonly groups: readonly GroupId[];
  readonly graph: AuthGraph;
}

/** Turns a history into ops, with the graph that took them in as they were made. */
export function playHistory(crypto: Crypto, history: History): PlayedHistory {
  const graph = createAuthGraph({ crypto });
  const ops: AuthOp[] = [];
  const groups: GroupId[] = [];
  const lastOf = new Map<AuthorId, OpId>();
  const made = new Map<number, AuthOp>();
  const authors = Array.from(
    { length: history.authors },
    (_, index) =>
      // Safe: 32 bytes in hex.
      toHex(crypto.deriveKey("hawser test author v1", utf8(`author ${index}`))) as AuthorId,
  );
  const emit = (author: AuthorId, group: GroupId | undefined, deps: Deps, action: AuthAction) => {
    const { op } = createOp(crypto, { author, group, deps, action });
    const isNew = !ops.some((other) => other.id === op.id);
    if (isNew) ops.push(op);
    if (graph.add(op).status === "accepted") lastOf.set(author, op.id);
    return op;
  };
  for (let index = 0; index < history.groups; index++) {
    const creator = authors[index % authors.length];
    if (creator === undefined) continue;
    groups.push(emit(creator, undefined, [], firstAction(crypto, history, authors, index)).group);
  }
  for (const [index, numbers] of history.steps.entries()) {
    const step: NamedStep = { ...numbers, name: verbOf(history, numbers) };
    const group = pick(groups, step.group);
    if (group === undefined) continue;
    const invite = inviteOf(step, group, made);
    const view = viewOf(graph, ops, group, step);
    const seen = invite === undefined ? view : graph.antichain([...view, invite.id]);
    const here = membersAt(graph, group, seen);
    const author = pick(authorsFor(step, authors, here), step.author);
    if (author === undefined) continue;
    const last = history.monotonic ? lastOf.get(author) : undefined;
    const deps = graph.antichain(last === undefined ? seen : [...seen, last]);
    const context = { crypto, authors, groups, group, author, index, here, made };
    const op = emit(author, group, deps, actionOf(context, step));
    if (op.action.type === "invite" && graph.has(op.id)) made.set(index, op);
  }
  return { ops, groups, graph };
}

type Deps = readonly OpId[];

function pick<T>(from: readonly T[], number: number): T | undefined {
  return from[number % Math.max(1, from.length)];
}

/** Individuals of a group at a view, with their access. */
type Here = ReadonlyMap<AuthorId, Access>;

function membersAt(graph: AuthGraph, group: GroupId, seen: readonly OpId[]): Here {
  const direct = graph.directMembers(group, seen) ?? [];
  const individuals = direct.filter(({ member }) => member.kind === "individual");
  // Safe: individuals only.
  return new Map(individuals.map(({ member, access }) => [member.id as AuthorId, access]));
}

function authorsFor(
  step: NamedStep,
  authors: readonly AuthorId[],
  here: Here,
): readonly AuthorId[] {
  const wanted = authors.filter((id) => {
    const level = here.get(id)?.level;
    if (step.name === "join") return level === undefined;
    // Readers may end spent invites.
    return level === "manage" || (step.name === "revoke" && step.sense > 2 && level !== "pull");
  });
  return step.sense === 0 || wanted.length === 0 ? authors : wanted;
}

function targetsFor(step: NamedStep, context: ActionContext): readonly AuthorId[] {
  const { authors, author, here } = context;
  const isNewcomer = step.name === "add";
  const wanted = authors.filter((id) => id !== author && here.has(id) !== isNewcomer);
  return step.sense === 0 || wanted.length === 0 ? authors : wanted;
}

interface NamedStep extends HistoryStep {
  /** What the step's verb number stands for in its history. */
  readonly name: string;
}

/** Verbs as often as they are to occur. */
const shares: Readonly<Record<string, number>> = {
  add: 3,
  remove: 3,
  set: 4,
  leave: 1,
  "add-group": 1,
  "remove-group": 1,
  invite: 2,
  revoke: 1,
  join: 3,
  rule: 1,
};
const invitingShares: typeof shares = {
  invite: 3,
  join: 9,
  remove: 2,
  set: 1,
  revoke: 1,
  leave: 1,
};

function verbsBy(table: typeof shares): readonly string[] {
  return Object.entries(table).flatMap(([verb, share]) =>
    Array.from({ length: share }, () => verb),
  );
}

const verbs = verbsBy(shares);
const invitingVerbs = verbsBy(invitingShares);

function verbOf(history: History, step: HistoryStep): string {
  const table = history.inviting ? invitingVerbs : verbs;
  return table[step.verb % table.length] ?? "add";
}

/** The invite that a sensible join spends: its author has seen it. */
function inviteOf(
  step: NamedStep,
  group: GroupId,
  made: ReadonlyMap<number, AuthOp>,
): AuthOp | undefined {
  const known = [...made.values()].filter((op) => op.group === group);
  return step.sense === 0 || step.name !== "join" ? undefined : pick(known, step.target);
}

/** A fresh secret for an invite; one of the group's own for a join or revoke where there is one. */
function inviteSecret(step: NamedStep, { crypto, group, index, made }: ActionContext): Uint8Array {
  const secretOf = (number: number): Uint8Array =>
    crypto.deriveKey("hawser test invite v1", new Uint8Array([number]));
  if (step.name === "invite") return secretOf(step.sense === 0 ? step.level % 3 : index);
  const known = [...made].filter(([, op]) => op.group === group).map(([number]) => number);
  const number = step.sense === 0 ? step.level % 3 : pick(known, step.target);
  return secretOf(number ?? step.level % 3);
}

function firstAction(
  crypto: Crypto,
  history: History,
  authors: readonly AuthorId[],
  index: number,
): AuthAction {
  const grants = authors
    .filter((_, position) => {
      if (position === index) return true;
      return history.inviting ? position < 2 : (position + index) % 3 !== 2;
    })
    .map((id, position) => ({
      member: { kind: "individual", id } as const,
      access: { level: position < 3 ? "manage" : "write", mayDelete: position === 1 } as const,
    }));
  const nonce = crypto.deriveKey("hawser test nonce v1", new Uint8Array([index]), 16);
  return { type: "create", nonce, policy: history.policy, grants };
}

function viewOf(
  graph: AuthGraph,
  ops: readonly AuthOp[],
  group: GroupId,
  step: HistoryStep,
): readonly OpId[] {
  if (step.view < 3) return graph.heads(group);
  const own = ops.filter((op) => op.group === group);
  const pool = step.view === 9 ? ops : own;
  const seen = step.seen.map((number) => pick(pool, number)?.id).filter((id) => id !== undefined);
  const root = ops.find((op) => op.group === group && op.action.type === "create");
  return graph.antichain(root === undefined ? seen : [...seen, root.id]);
}

interface ActionContext {
  readonly crypto: Crypto;
  readonly authors: readonly AuthorId[];
  readonly groups: readonly GroupId[];
  readonly group: GroupId;
  readonly author: AuthorId;
  readonly index: number;
  readonly here: Here;
  /** Step number of each invite that was made. */
  readonly made: ReadonlyMap<number, AuthOp>;
}

function actionOf(context: ActionContext, step: NamedStep): AuthAction {
  const { crypto, groups } = context;
  const author = pick(targetsFor(step, context), step.target) ?? context.author;
  const subgroup = pick(groups, step.target) ?? context.group;
  const individual: Member = { kind: "individual", id: author };
  const group: Member = { kind: "group", id: subgroup };
  const level = levels[step.level % 4] ?? "pull";
  const access: Access = { level, mayDelete: (step.level & 4) === 4 };
  const secret = inviteSecret(step, context);
  // Safe: a public key in hex.
  const invite = toHex(crypto.publicKey(secret)) as AuthorId;
  switch (step.name) {
    case "add":
      return { type: "add", grant: { member: individual, access } };
    case "remove":
      return { type: "remove", member: individual };
    case "set":
      return { type: "set", grant: { member: individual, access } };
    case "leave":
      return { type: "leave", successor: (step.level & 8) === 8 ? individual : undefined };
    case "add-group":
      return { type: "add", grant: { member: group, access } };
    case "remove-group":
      return { type: "remove", member: group };
    case "invite":
      return { type: "invite", invite, access, uses: 1 + (step.level % 3), notAfter: undefined };
    case "revoke":
      return { type: "revoke", invite };
    case "rule":
      return {
        type: "rule",
        log: "ab".repeat(32),
        from: 0,
        to: step.level + 1,
        hash: new Uint8Array(32),
        verdict: step.target % 2 === 0 ? "accept" : "reject",
      };
    default: {
      const binding = new Uint8Array(32);
      const claim = { group: context.group, author: context.author, binding, time: context.index };
      return proveJoin(crypto, claim, secret);
    }
  }
}
