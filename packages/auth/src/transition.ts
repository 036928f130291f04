/**
 * One op applied to one state (docs/spec/4-auth.md §4.2): the checks, the actor's first, and the
 * change. Layer 4.
 */
import { allows, meetAccess, rankOf } from "./access.ts";
import { intGet, intSize } from "./int-map.ts";
import type { OpEffect, OpNames, OpNode, Strike } from "./node.ts";
import {
  activeOf,
  admitted,
  changed,
  emptyState,
  ended,
  type GroupState,
  isActive,
  isManager,
  managerCount,
  type MemberSide,
  type Offer,
  type Standing,
  withJoin,
  withOffer,
  withStanding,
} from "./state.ts";
import type { Access, AuthAction, AuthOp, Grant, Member, RejectReason } from "./types.ts";

/** The state after an op, or why it does nothing. */
export type Outcome =
  | { readonly ok: true; readonly state: GroupState }
  | { readonly ok: false; readonly reason: RejectReason };

/**
 * `acceptance`: may its author issue it here? `evaluation`: does it still do something among
 * concurrent ops? The second leaves out what only the author's own view can decide: whether he is
 * the last manager, whether uses are left, whether the invite is newer than an exit.
 */
export type Asked = "acceptance" | "evaluation";

/** What a transition needs to know of an op; every `OpNode` is one. */
export interface Step {
  readonly op: AuthOp;
  readonly names: OpNames;
}

/** Interns the members of a create, which are too many to keep as names. */
export type MemberNumber = (member: Member) => number;

/** Applies `node` to `state`. `node` is kept in the state as the op that did it. */
export function transition(
  state: GroupState,
  node: OpNode,
  asked: Asked,
  numberOf: MemberNumber,
): Outcome {
  const { action } = node.op;
  if (action.type === "create") return create(node, action.grants, numberOf);
  if (action.type === "join") return join(state, node, action, asked);
  const actor = intGet(state.individuals, node.names.author);
  if (actor === undefined) return refused("NOT_MEMBER");
  if (!isActive(actor)) return refused("NO_LONGER_MEMBER");
  if (action.type === "leave") return leave(state, node, actor, action.successor, asked);
  if (!isManager(actor) && !mayEndSpentInvite(state, node, actor, asked)) {
    return refused("NOT_MANAGER");
  }
  switch (action.type) {
    case "add":
      return add(state, node, action.grant);
    case "remove":
      return remove(state, node, action.member);
    case "set":
      return set(state, node, action.grant, asked);
    case "invite":
      return invite(state, node, actor);
    case "revoke":
      return revoke(state, node, asked);
    case "rule":
    case "raise":
      // They say something about content and keys; who is a member stays as it is.
      return done(state);
  }
}

/** What a void op still does: a void leave lets its author go, and grants nothing. */
export function voidTransition(state: GroupState, node: OpNode): GroupState {
  if (node.op.action.type !== "leave") return state;
  const actor = intGet(state.individuals, node.names.author);
  if (!isActive(actor)) return state;
  return withStanding(state, "individuals", node.names.author, ended(actor, node));
}

/**
 * A strike of a mutual ring under `remove-all`: it happens whatever its author's standing is by
 * then. A demotion only lowers.
 */
export function forcedTransition(state: GroupState, node: OpNode): GroupState {
  const { action } = node.op;
  if (action.type === "revoke") {
    const offer = offerOf(state, node);
    return offer === undefined ? state : withOffer(state, inviteOf(node), endOffer(offer, node));
  }
  if (action.type !== "remove" && action.type !== "set") return state;
  const member = action.type === "set" ? action.grant.member : action.member;
  const side = sideOf(member);
  const known = intGet(state[side], memberOf(node));
  if (!isActive(known)) return state;
  const next =
    action.type === "remove"
      ? ended(known, node)
      : changed(known, meetAccess(known.access, action.grant.access), node);
  return next === known ? state : withStanding(state, side, memberOf(node), next);
}

/** What `step` strikes, raises and delegates, judged at the state just before it (§5.2). */
export function effectOf(step: Step, before: GroupState): OpEffect {
  const { action } = step.op;
  const { member, author } = step.names;
  const delegates = delegateOf(action, author, member);
  const raises = raisedMember(step, before);
  const strike = strikeOf(step, before);
  const inviter = inviterOf(step, before);
  return { strike, raises, delegates, inviter, settles: settledBy(step, before) };
}

/** Which map of a state a member is in. */
export function sideOf(member: Member): MemberSide {
  return member.kind === "group" ? "groups" : "individuals";
}

function refused(reason: RejectReason): Outcome {
  return { ok: false, reason };
}

function done(state: GroupState): Outcome {
  return { ok: true, state };
}

function memberOf(node: OpNode): number {
  return node.names.member ?? -1;
}

function inviteOf(node: OpNode): number {
  return node.names.invite ?? -1;
}

function offerOf(state: GroupState, node: OpNode): Offer | undefined {
  return intGet(state.offers, inviteOf(node));
}

function endOffer(offer: Offer, node: OpNode): Offer {
  return { ...offer, revokedBy: offer.revokedBy ?? node };
}

function grantsManageToGroup({ member, access }: Grant): boolean {
  return member.kind === "group" && access.level === "manage";
}

function create(node: OpNode, grants: readonly Grant[], numberOf: MemberNumber): Outcome {
  if (grants.some(grantsManageToGroup)) return refused("GROUP_MANAGER");
  let state = emptyState;
  for (const { member, access } of grants) {
    const standing = admitted(undefined, access, node);
    state = withStanding(state, sideOf(member), numberOf(member), standing);
  }
  const creator = intGet(state.individuals, node.names.author);
  return isManager(creator) ? done(state) : refused("CREATOR_NOT_MANAGER");
}

function add(state: GroupState, node: OpNode, grant: Grant): Outcome {
  if (grantsManageToGroup(grant)) return refused("GROUP_MANAGER");
  const side = sideOf(grant.member);
  const known = intGet(state[side], memberOf(node));
  if (isActive(known)) return refused("ALREADY_MEMBER");
  const standing = admitted(known, grant.access, node);
  return done(withStanding(state, side, memberOf(node), standing));
}

function remove(state: GroupState, node: OpNode, member: Member): Outcome {
  if (memberOf(node) === node.names.author) return refused("USE_LEAVE");
  const side = sideOf(member);
  const known = intGet(state[side], memberOf(node));
  if (known === undefined) return refused("UNKNOWN_MEMBER");
  if (!isActive(known)) return refused("MEMBER_GONE");
  return done(withStanding(state, side, memberOf(node), ended(known, node)));
}

function set(state: GroupState, node: OpNode, grant: Grant, asked: Asked): Outcome {
  if (grantsManageToGroup(grant)) return refused("GROUP_MANAGER");
  const side = sideOf(grant.member);
  const known = intGet(state[side], memberOf(node));
  if (known === undefined) return refused("UNKNOWN_MEMBER");
  if (!isActive(known)) return refused("MEMBER_GONE");
  const stepsDown = memberOf(node) === node.names.author && grant.access.level !== "manage";
  if (asked === "acceptance" && stepsDown && managerCount(state) === 1) {
    return refused("LAST_MANAGER");
  }
  const next = changed(known, grant.access, node);
  return done(next === known ? state : withStanding(state, side, memberOf(node), next));
}

function leave(
  state: GroupState,
  node: OpNode,
  actor: Standing,
  successor: Member | undefined,
  asked: Asked,
): Outcome {
  const { author } = node.names;
  const gone = withStanding(state, "individuals", author, ended(actor, node));
  if (successor === undefined) {
    const isLast = isManager(actor) && managerCount(state) === 1;
    return asked === "acceptance" && isLast ? refused("LAST_MANAGER") : done(gone);
  }
  if (!isManager(actor)) return refused("NOT_MANAGER");
  if (successor.kind === "group") return refused("GROUP_MANAGER");
  if (memberOf(node) === author) return refused("LAST_MANAGER");
  const known = intGet(gone.individuals, memberOf(node));
  const mayDelete = isActive(known) && known.access.mayDelete;
  const access: Access = { level: "manage", mayDelete };
  const next = isActive(known) ? changed(known, access, node) : admitted(known, access, node);
  return done(withStanding(gone, "individuals", memberOf(node), next));
}

function invite(state: GroupState, node: OpNode, actor: Standing): Outcome {
  if (offerOf(state, node) !== undefined) return refused("INVITE_EXISTS");
  const offer: Offer = {
    by: node,
    revokedBy: undefined,
    joins: undefined,
    inviterCounter: actor.counter,
    inviterTerm: actor.term,
  };
  return done(withOffer(state, inviteOf(node), offer));
}

/**
 * Any reader may end an invite whose uses are spent, unless he came by it himself: op ids can be
 * chosen by trying, so a concurrent join with a smaller one must not displace a member for ever.
 */
function mayEndSpentInvite(
  state: GroupState,
  node: OpNode,
  actor: Standing,
  asked: Asked,
): boolean {
  if (node.op.action.type !== "revoke" || !allows(actor.access, "read")) return false;
  const offer = offerOf(state, node);
  if (offer === undefined || intGet(offer.joins, actor.by.index) !== undefined) return false;
  return asked === "evaluation" || isSpent(offer);
}

function isSpent(offer: Offer): boolean {
  const terms = offer.by.op.action;
  return terms.type === "invite" && intSize(offer.joins) >= terms.uses;
}

/** The invite of a revoke whose uses were spent at its position. */
function settledBy(step: Step, before: GroupState): number | undefined {
  const { invite } = step.names;
  if (step.op.action.type !== "revoke" || invite === undefined) return undefined;
  const offer = intGet(before.offers, invite);
  return offer !== undefined && isSpent(offer) ? invite : undefined;
}

function revoke(state: GroupState, node: OpNode, asked: Asked): Outcome {
  const offer = offerOf(state, node);
  if (offer === undefined) return refused("UNKNOWN_INVITE");
  // Among concurrent revokes each counts: voiding joins is not the first one's privilege.
  if (offer.revokedBy !== undefined && asked === "acceptance") return refused("INVITE_REVOKED");
  return done(withOffer(state, inviteOf(node), endOffer(offer, node)));
}

/** Is the inviter still in the term of management in which the invite was made? */
export function isOfferAlive(state: GroupState, offer: Offer): boolean {
  const inviter = intGet(state.individuals, offer.by.names.author);
  return (
    isManager(inviter) &&
    inviter.counter === offer.inviterCounter &&
    inviter.term === offer.inviterTerm
  );
}

function join(
  state: GroupState,
  node: OpNode,
  action: Extract<AuthAction, { readonly type: "join" }>,
  asked: Asked,
): Outcome {
  const side: MemberSide = action.as === undefined ? "individuals" : "groups";
  const joiner = node.names.member ?? node.names.author;
  const known = intGet(state[side], joiner);
  if (activeOf(known) !== undefined) return refused("ALREADY_MEMBER");
  const offer = offerOf(state, node);
  const terms = offer?.by.op.action;
  if (offer === undefined || terms?.type !== "invite") return refused("UNKNOWN_INVITE");
  if (offer.revokedBy !== undefined) return refused("INVITE_REVOKED");
  if (!isOfferAlive(state, offer)) return refused("INVITER_GONE");
  if (terms.notAfter !== undefined && action.time > terms.notAfter) {
    return refused("INVITE_EXPIRED");
  }
  if (asked === "acceptance") {
    if (intSize(offer.joins) >= terms.uses) return refused("INVITE_EXHAUSTED");
    // Whoever left or was removed comes back only by an invite that was made after that.
    const seen = intGet(offer.by.stateBefore[side], joiner);
    if ((seen?.counter ?? 0) < (known?.counter ?? 0)) return refused("INVITE_OLDER_THAN_EXIT");
  }
  const spent = withOffer(state, inviteOf(node), { ...offer, joins: withJoin(offer.joins, node) });
  const standing = admitted(known, joinAccessOf(terms.access, side), node);
  return done(withStanding(spent, side, joiner, standing));
}

/** Groups never manage: for one an invite to manage is an invite to write. */
function joinAccessOf(access: Access, side: MemberSide): Access {
  return side === "groups" && access.level === "manage" ? { ...access, level: "write" } : access;
}

function delegateOf(
  action: AuthAction,
  author: number,
  member: number | undefined,
): number | undefined {
  switch (action.type) {
    case "add":
    case "set":
      return action.grant.access.level === "manage" ? member : undefined;
    case "leave":
      return member;
    case "join":
      // A group acts for nobody.
      return member === undefined ? author : undefined;
    case "create":
    case "remove":
    case "invite":
    case "revoke":
    case "rule":
    case "raise":
      return undefined;
  }
}

/**
 * Does a set lower (negative), raise (positive) or keep the access? The level decides; where it
 * stays, the delete right does. So no set is both a strike and a raise.
 */
function directionOf(before: Access, after: Access): number {
  const rise = rankOf(after.level) - rankOf(before.level);
  return rise === 0 ? Number(after.mayDelete) - Number(before.mayDelete) : rise;
}

function raisedMember(step: Step, before: GroupState): number | undefined {
  const { action } = step.op;
  if (action.type === "add") return step.names.member;
  if (action.type !== "set") return undefined;
  const { member, access } = action.grant;
  const known = intGet(before[sideOf(member)], step.names.member ?? -1);
  const isRaise = known === undefined || directionOf(known.access, access) > 0;
  return isRaise ? step.names.member : undefined;
}

function strikeOf(step: Step, before: GroupState): Strike | undefined {
  const { action } = step.op;
  const { member, author, invite: inviteNumber } = step.names;
  if (action.type === "revoke" && inviteNumber !== undefined) {
    // An end of what was spent takes nothing away: it says which joins spent it (§5.4).
    const isStrike = settledBy(step, before) === undefined;
    return isStrike ? { kind: "revoke", target: inviteNumber } : undefined;
  }
  if (member === undefined) return undefined;
  if (action.type === "remove") return { kind: "remove", target: member };
  // Stepping down, like leaving, strikes nothing: nobody undoes his own past with it.
  if (action.type !== "set" || member === author) return undefined;
  const { grant } = action;
  const known = intGet(before[sideOf(grant.member)], member);
  if (known === undefined || directionOf(known.access, grant.access) >= 0) return undefined;
  const isLower = known.access.level !== grant.access.level;
  return { kind: isLower ? "lower" : "narrow", target: member };
}

function inviterOf(step: Step, before: GroupState): number | undefined {
  if (step.op.action.type !== "join" || step.names.invite === undefined) return undefined;
  return intGet(before.offers, step.names.invite)?.by.names.author;
}
