/**
 * Concurrent ops of one group, resolved (docs/spec/4-auth.md §5): a *bubble* is a run of ops between
 * two cuts; inside it strikes are decided in strata, so that a strike whose author was struck first
 * voids nothing. Layer 4.
 */
import { assertNever } from "./assert.ts";
import { intSize, intGet } from "./int-map.ts";
import { compareIds, compareNodes, isConcurrent, type OpNode } from "./node.ts";
import { type GroupState, mergeStates } from "./state.ts";
import { groupBy } from "./resolve-index.ts";
import { strataOf, type Stratum } from "./strata.ts";
import { forcedTransition, type MemberNumber, transition, voidTransition } from "./transition.ts";
import type { MutualRemovalPolicy, VoidReason } from "./types.ts";

/** Why an op of a bubble has no effect. */
export interface VoidCause {
  readonly reason: VoidReason;
  /** The op that voided it; `undefined` when it only builds on something void. */
  readonly by: OpNode | undefined;
}

/** A bubble after resolution. */
export interface Resolution {
  readonly state: GroupState;
  readonly dead: ReadonlyMap<OpNode, VoidCause>;
}

/** A bubble and what its resolution depends on. */
export interface Bubble {
  /** In canonical order. */
  readonly nodes: readonly OpNode[];
  /** The state at the cut before it. */
  readonly before: GroupState;
  readonly policy: MutualRemovalPolicy;
  /** Orders two members by seniority; negative = `a` is more senior. */
  readonly compareSeniority: (a: number, b: number) => number;
  readonly numberOf: MemberNumber;
}

/** Resolves a bubble of any size. The result depends on its ops alone. */
export function resolveBubble(bubble: Bubble): Resolution {
  const voided = new Map<OpNode, VoidCause>();
  const forced = new Set<OpNode>();
  const open = new Set(bubble.nodes.filter((node) => node.effect.strike !== undefined));
  const index = indexBubble(bubble.nodes);
  let current: Resolution | undefined;
  while (open.size > 0) {
    current ??= evaluate(bubble, voided, forced);
    const before = voided.size + forced.size;
    const effective: OpNode[] = [];
    for (const stratum of strataOf(bubble.nodes, open, voided)) {
      effective.push(...decide(bubble, stratum, current, { open, voided, forced }));
    }
    for (const strike of effective) strikeDown(strike, index, { open, voided, forced });
    for (const node of voided.keys()) open.delete(node);
    if (voided.size + forced.size !== before) current = undefined;
  }
  return current ?? evaluate(bubble, voided, forced);
}

interface Decisions {
  /** Strikes that are neither decided nor void. */
  readonly open: Set<OpNode>;
  readonly voided: Map<OpNode, VoidCause>;
  readonly forced: Set<OpNode>;
}

/** Decides the strikes of one stratum; returns those that take effect. */
function decide(
  bubble: Bubble,
  stratum: Stratum,
  current: Resolution,
  decisions: Decisions,
): readonly OpNode[] {
  const [first] = stratum.strikes;
  if (!stratum.isRing && first !== undefined) {
    decisions.open.delete(first);
    const cause = current.dead.get(first);
    if (cause === undefined) return [first];
    decisions.voided.set(first, cause);
    return [];
  }
  switch (bubble.policy) {
    case "remove-all":
      for (const strike of stratum.strikes) {
        decisions.open.delete(strike);
        decisions.forced.add(strike);
      }
      return stratum.strikes;
    case "senior-wins":
      protectSenior(bubble, stratum, decisions);
      return [];
    default:
      return assertNever(bubble.policy);
  }
}

/** Voids the strikes of a ring that aim at its most senior target; the ring is then open. */
function protectSenior(bubble: Bubble, stratum: Stratum, { voided }: Decisions): void {
  // Every ring has a strike at one of its authors: its other edges all point forward in time.
  const authors = new Set(stratum.nodes.map((node) => node.names.author));
  let senior: number | undefined;
  for (const { effect } of stratum.strikes) {
    const target = effect.strike?.target;
    if (target === undefined || effect.strike?.kind === "revoke" || !authors.has(target)) continue;
    if (senior === undefined || bubble.compareSeniority(target, senior) < 0) senior = target;
  }
  const own = stratum.nodes.filter((node) => node.names.author === senior);
  const shield = [...own].sort(compareNodes)[0];
  for (const strike of stratum.strikes) {
    const aim = strike.effect.strike;
    const isAtSenior = aim !== undefined && aim.kind !== "revoke" && aim.target === senior;
    // A ring held together by revokes alone has no senior target; its revokes go.
    if (isAtSenior || senior === undefined) voided.set(strike, { reason: "OUTRANKED", by: shield });
  }
}

interface BubbleIndex {
  readonly byAuthor: ReadonlyMap<number, readonly OpNode[]>;
  readonly byInviter: ReadonlyMap<number, readonly OpNode[]>;
  readonly byRaised: ReadonlyMap<number, readonly OpNode[]>;
  readonly joinsByInvite: ReadonlyMap<number, readonly OpNode[]>;
}

function indexBubble(nodes: readonly OpNode[]): BubbleIndex {
  return {
    byAuthor: groupBy(nodes, (node) => node.names.author),
    byInviter: groupBy(nodes, (node) => node.effect.inviter),
    byRaised: groupBy(nodes, (node) => node.effect.raises),
    joinsByInvite: groupBy(nodes, (node) =>
      node.op.action.type === "join" ? node.names.invite : undefined,
    ),
  };
}

/** Voids what an effective strike undoes: concurrent ops, unless they are decided themselves. */
function strikeDown(strike: OpNode, index: BubbleIndex, decisions: Decisions): void {
  const aim = strike.effect.strike;
  if (aim === undefined) return;
  const undo = (nodes: readonly OpNode[] | undefined, reason: VoidReason): void => {
    for (const node of nodes ?? []) {
      const isDecided = node.effect.strike !== undefined && !decisions.open.has(node);
      if (isDecided || decisions.voided.has(node) || !isConcurrent(strike, node)) continue;
      decisions.voided.set(node, { reason, by: strike });
    }
  };
  if (aim.kind === "revoke") {
    undo(index.joinsByInvite.get(aim.target), "INVITE_REVOKED");
    return;
  }
  if (aim.kind !== "narrow") {
    undo(index.byAuthor.get(aim.target), "AUTHOR_REMOVED");
    undo(index.byInviter.get(aim.target), "AUTHOR_REMOVED");
  }
  undo(index.byRaised.get(aim.target), "TARGET_REMOVED");
}

/** Applies a bubble with the decisions so far; joins over an invite's uses lose (§5.4). */
function evaluate(
  bubble: Bubble,
  voided: ReadonlyMap<OpNode, VoidCause>,
  forced: ReadonlySet<OpNode>,
): Resolution {
  const causes = new Map(voided);
  for (;;) {
    const resolution = applyAll(bubble, causes, forced);
    const losers = firstLosers(bubble, resolution.dead);
    if (losers === undefined) return resolution;
    for (const loser of losers.nodes) {
      causes.set(loser, { reason: "INVITE_EXHAUSTED", by: losers.winner });
    }
  }
}

function applyAll(
  bubble: Bubble,
  causes: ReadonlyMap<OpNode, VoidCause>,
  forced: ReadonlySet<OpNode>,
): Resolution {
  const states = new Map<OpNode, GroupState>();
  const dead = new Map<OpNode, VoidCause>();
  const childless = new Set<OpNode>();
  for (const node of bubble.nodes) {
    let state = bubble.before;
    for (const parent of node.parents) {
      state = mergeStates(state, states.get(parent) ?? bubble.before);
      childless.delete(parent);
    }
    childless.add(node);
    states.set(node, applyOne(bubble, state, node, { causes, forced, dead }));
  }
  let state = bubble.before;
  for (const node of childless) state = mergeStates(state, states.get(node) ?? bubble.before);
  return { state, dead };
}

function applyOne(
  bubble: Bubble,
  state: GroupState,
  node: OpNode,
  decisions: {
    readonly causes: ReadonlyMap<OpNode, VoidCause>;
    readonly forced: ReadonlySet<OpNode>;
    readonly dead: Map<OpNode, VoidCause>;
  },
): GroupState {
  if (decisions.forced.has(node)) return forcedTransition(state, node);
  const cause = decisions.causes.get(node);
  if (cause === undefined) {
    const outcome = transition(state, node, "evaluation", bubble.numberOf);
    if (outcome.ok) return outcome.state;
  }
  decisions.dead.set(node, cause ?? { reason: "DEPENDS_ON_VOID", by: undefined });
  return voidTransition(state, node);
}

/** The losing joins of the first invite, in canonical order, that has too many. */
function firstLosers(
  bubble: Bubble,
  dead: ReadonlyMap<OpNode, VoidCause>,
): { readonly nodes: readonly OpNode[]; readonly winner: OpNode | undefined } | undefined {
  const alive = bubble.nodes.filter((node) => node.op.action.type === "join" && !dead.has(node));
  const crowded: { readonly offer: OpNode; readonly joins: readonly OpNode[]; free: number }[] = [];
  for (const [invite, joins] of groupBy(alive, (node) => node.names.invite)) {
    const [join] = joins;
    const offer = join === undefined ? undefined : intGet(join.stateBefore.offers, invite)?.by;
    const terms = offer?.op.action;
    if (offer === undefined || terms?.type !== "invite") continue;
    const free = terms.uses - intSize(intGet(bubble.before.offers, invite)?.joins);
    if (joins.length > free) crowded.push({ offer, joins, free });
  }
  const [first] = crowded.sort((a, b) => compareNodes(a.offer, b.offer));
  if (first === undefined) return undefined;
  const ordered = smallestFirst(bubble.nodes, new Set(first.joins));
  const free = Math.max(0, first.free);
  return { nodes: ordered.slice(free), winner: ordered[free - 1] };
}

/**
 * Joins of one invite in the order in which they count: an earlier join before a later one, and
 * among concurrent ones the smaller op id. Kahn's algorithm over the bubble; other ops do not wait.
 */
function smallestFirst(bubble: readonly OpNode[], joins: ReadonlySet<OpNode>): readonly OpNode[] {
  const inBubble = new Set(bubble);
  const waitsFor = new Map<OpNode, number>();
  const children = new Map<OpNode, OpNode[]>();
  const ready: OpNode[] = [];
  for (const node of bubble) {
    const parents = node.parents.filter((parent) => inBubble.has(parent));
    waitsFor.set(node, parents.length);
    if (parents.length === 0) ready.push(node);
    for (const parent of parents) {
      const siblings = children.get(parent);
      if (siblings === undefined) children.set(parent, [node]);
      else siblings.push(node);
    }
  }
  const ordered: OpNode[] = [];
  const waitingJoins: OpNode[] = [];
  const release = (node: OpNode): void => {
    for (const child of children.get(node) ?? []) {
      const count = (waitsFor.get(child) ?? 0) - 1;
      waitsFor.set(child, count);
      if (count === 0) ready.push(child);
    }
  };
  for (;;) {
    for (let node = ready.pop(); node !== undefined; node = ready.pop()) {
      if (joins.has(node)) insertById(waitingJoins, node);
      else release(node);
    }
    const next = waitingJoins.pop();
    if (next === undefined) return ordered;
    ordered.push(next);
    release(next);
  }
}

/** Keeps `nodes` sorted by descending op id, so that the smallest is at the end. */
function insertById(nodes: OpNode[], node: OpNode): void {
  let low = 0;
  let high = nodes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = nodes[middle];
    if (other !== undefined && compareIds(other.op.id, node.op.id) > 0) low = middle + 1;
    else high = middle;
  }
  nodes.splice(low, 0, node);
}
