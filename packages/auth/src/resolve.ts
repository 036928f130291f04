/**
 * Concurrent ops of one group, resolved (docs/spec/4-auth.md §5): a *bubble* is a run of ops between
 * two cuts; inside it strikes are decided in strata, so that a strike whose author was struck first
 * voids nothing. Layer 4.
 */
import { assertNever } from "./assert.ts";
import { intSize, intGet } from "./int-map.ts";
import { compareIds, compareNodes, isBefore, isConcurrent, type OpNode } from "./node.ts";
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
  const index = indexBubble(bubble.nodes);
  const strikes = bubble.nodes.filter((node) => node.effect.strike !== undefined);
  const live = new Set(strikes.filter((node) => isLive(node, index)));
  // The common case: whoever was removed or lowered had done nothing meanwhile.
  if (live.size === 0 && index.joinsByInvite.size === 0) {
    return { state: mergeHeads(bubble.nodes, bubble.before), dead: new Map() };
  }
  const decisions: Decisions = {
    open: new Set(strikes),
    decided: new Set(),
    voided: new Map(),
    forced: new Set(),
  };
  let current = evaluate(bubble, decisions);
  while (decisions.open.size > 0) {
    const before = changeCount(decisions);
    for (const layer of strataOf(bubble.nodes, decisions.open, decisions.voided)) {
      const effective: OpNode[] = [];
      for (const stratum of layer) effective.push(...decide(bubble, stratum, current, decisions));
      for (const strike of effective) strikeDown(strike, index, decisions);
      for (const node of decisions.voided.keys()) decisions.open.delete(node);
      // A strike that touches nothing leaves the graph of the others as it was.
      if (layer.some(({ isRing, strikes: own }) => isRing || own.some((s) => live.has(s)))) break;
    }
    if (changeCount(decisions) !== before) current = evaluate(bubble, decisions);
  }
  return current;
}

interface Decisions {
  /** Strikes that are neither decided nor void. */
  readonly open: Set<OpNode>;
  /** Strikes whose fate is settled. */
  readonly decided: Set<OpNode>;
  readonly voided: Map<OpNode, VoidCause>;
  readonly forced: Set<OpNode>;
}

/** Grows with every decision that can change what the bubble comes to. */
function changeCount({ voided, forced }: Decisions): number {
  return voided.size + forced.size;
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
    decisions.decided.add(first);
    const cause = current.dead.get(first);
    if (cause === undefined) return [first];
    decisions.voided.set(first, cause);
    return [];
  }
  switch (bubble.policy) {
    case "remove-all":
      for (const strike of stratum.strikes) {
        decisions.open.delete(strike);
        decisions.decided.add(strike);
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

/** The ops of a bubble that a strike undoes if it takes effect, and why they become void. */
function hitsOf(
  strike: OpNode,
  index: BubbleIndex,
): readonly { readonly nodes: readonly OpNode[]; readonly reason: VoidReason }[] {
  const aim = strike.effect.strike;
  if (aim === undefined) return [];
  const hits = (nodes: readonly OpNode[] | undefined, reason: VoidReason) => {
    return { nodes: (nodes ?? []).filter((node) => isConcurrent(strike, node)), reason };
  };
  if (aim.kind === "revoke") {
    return [hits(index.joinsByInvite.get(aim.target), "INVITE_REVOKED")];
  }
  const raised = hits(index.byRaised.get(aim.target), "TARGET_REMOVED");
  if (aim.kind === "narrow") return [raised];
  return [
    hits(index.byAuthor.get(aim.target), "AUTHOR_REMOVED"),
    hits(index.byInviter.get(aim.target), "AUTHOR_REMOVED"),
    raised,
  ];
}

/** Does a strike undo something, or enable somebody? */
function isLive(node: OpNode, index: BubbleIndex): boolean {
  if (node.effect.delegates !== undefined) return true;
  return hitsOf(node, index).some(({ nodes }) => nodes.length > 0);
}

/** Voids what an effective strike undoes: concurrent ops, unless they are decided themselves. */
function strikeDown(strike: OpNode, index: BubbleIndex, decisions: Decisions): void {
  for (const { nodes, reason } of hitsOf(strike, index)) {
    for (const node of nodes) {
      if (decisions.decided.has(node) || decisions.voided.has(node)) continue;
      decisions.voided.set(node, { reason, by: strike });
    }
  }
}

/** The state of whoever has seen all of some ops, when none of them is void. */
export function mergeHeads(nodes: readonly OpNode[], before: GroupState): GroupState {
  const tops = new Set(nodes);
  for (const node of nodes) for (const parent of node.parents) tops.delete(parent);
  let state = before;
  for (const node of tops) state = mergeStates(state, node.stateAfter);
  return state;
}

/** Applies a bubble with the decisions so far; joins over an invite's uses lose (§5.4). */
function evaluate(bubble: Bubble, decisions: Decisions): Resolution {
  const causes = new Map(decisions.voided);
  for (;;) {
    const resolution = applyAll(bubble, causes, decisions.forced);
    const crowds = crowdsToSettle(bubble, resolution.dead);
    if (crowds.length === 0) return resolution;
    for (const { losers, winner } of crowds) {
      for (const loser of losers) causes.set(loser, { reason: "INVITE_EXHAUSTED", by: winner });
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

/** An invite with too many joins: those that lose, and the last one that counts. */
interface Crowd {
  readonly losers: readonly OpNode[];
  readonly winner: OpNode | undefined;
}

/**
 * The first invite in canonical order that has too many joins; and those after it, as long as nothing
 * else in the bubble rests on who lost before: then applying the bubble once for each of them would
 * give the same losers.
 */
function crowdsToSettle(bubble: Bubble, dead: ReadonlyMap<OpNode, VoidCause>): readonly Crowd[] {
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
  const mentions = crowded.length > 1 ? mentionsIn(bubble.nodes) : new Map<number, number>();
  const crowds: Crowd[] = [];
  for (const { joins, free } of crowded.sort((a, b) => compareNodes(a.offer, b.offer))) {
    const ordered = bestFirst(bubble.nodes, ranksOf(bubble, joins, dead));
    const count = Math.max(0, free);
    const losers = ordered.slice(count);
    crowds.push({ losers, winner: ordered[count - 1] });
    // A join mentions whom it lets in once: another mention is an op that may need the membership.
    const isNeeded = ({ names }: OpNode): boolean =>
      mentions.get(names.author) !== 1 || (mentions.get(names.member ?? names.author) ?? 1) !== 1;
    if (losers.some(isNeeded)) break;
  }
  return crowds;
}

/** How often ops name each member: as author, as the member they are about, as inviter. */
function mentionsIn(nodes: readonly OpNode[]): ReadonlyMap<number, number> {
  const mentions = new Map<number, number>();
  for (const { names, effect } of nodes) {
    for (const member of [names.author, names.member, effect.inviter]) {
      if (member !== undefined) mentions.set(member, 1 + (mentions.get(member) ?? 0));
    }
  }
  return mentions;
}

/**
 * Who saw the joins of one invite spend it: 0 for a join in the past of the most senior author of an
 * effective revoke that ended it as spent, and so on; the last rank for joins that nobody saw so. An
 * earlier join never has a higher rank than a later one: who saw the later saw both.
 */
function ranksOf(
  bubble: Bubble,
  joins: readonly OpNode[],
  dead: ReadonlyMap<OpNode, VoidCause>,
): ReadonlyMap<OpNode, number> {
  const invite = joins[0]?.names.invite;
  const ends = bubble.nodes.filter((node) => node.effect.settles === invite && !dead.has(node));
  ends.sort((a, b) => bubble.compareSeniority(a.names.author, b.names.author));
  const ranks = new Map<OpNode, number>();
  for (const join of joins) {
    const rank = ends.findIndex((end) => isBefore(join, end));
    ranks.set(join, rank < 0 ? ends.length : rank);
  }
  return ranks;
}

/**
 * Joins of one invite in the order in which they count: an earlier join before a later one, and
 * among concurrent ones the lower rank, then the smaller op id. Kahn's algorithm over the bubble;
 * other ops do not wait.
 */
function bestFirst(
  bubble: readonly OpNode[],
  joins: ReadonlyMap<OpNode, number>,
): readonly OpNode[] {
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
      if (joins.has(node)) insertJoin(waitingJoins, node, joins);
      else release(node);
    }
    const next = waitingJoins.pop();
    if (next === undefined) return ordered;
    ordered.push(next);
    release(next);
  }
}

/** Keeps `nodes` sorted with the best at the end. */
function insertJoin(nodes: OpNode[], node: OpNode, ranks: ReadonlyMap<OpNode, number>): void {
  const compare = (a: OpNode, b: OpNode): number =>
    (ranks.get(a) ?? 0) - (ranks.get(b) ?? 0) || compareIds(a.op.id, b.op.id);
  let low = 0;
  let high = nodes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = nodes[middle];
    if (other !== undefined && compare(other, node) > 0) low = middle + 1;
    else high = middle;
  }
  nodes.splice(low, 0, node);
}
