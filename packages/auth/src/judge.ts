/**
 * How content stands (docs/spec/4-auth.md §6.3). Entitled at its own position, and since then not
 * ended by anybody who had not seen it: accepted. Layer 4.
 */
import { allows, meetAccess } from "./access.ts";
import { intGet } from "./int-map.ts";
import {
  accessThrough,
  countedStanding,
  type Edge,
  isByOutcast,
  plainEdge,
  type Reach,
  reachOf,
  type Reader,
} from "./membership.ts";
import { hasSeen, opCount, type Past } from "./node.ts";
import { isActive } from "./state.ts";
import type { Access, GroupId, Judgement, Need, OpId } from "./types.ts";

/** Had the author of this removal seen the content when issuing it? */
export type SeenBy = (removal: OpId) => boolean;

/** A piece of content and the question about it. */
export interface Content {
  readonly group: GroupId;
  /** The author's member number. */
  readonly actor: number;
  readonly need: Need;
  /** What the author had acknowledged. */
  readonly at: Past;
  readonly seenBy: SeenBy;
}

/** Judges content; `reached` is the reach of its group at its own position. */
export function judgeContent(
  reader: Reader,
  content: Content,
  reached: ReadonlyMap<GroupId, Reach>,
): Judgement {
  const own = accessThrough(reached, content.actor, plainEdge);
  if (!allows(own?.access, content.need)) return "reject";
  if (isUpToDate(reached, content.at)) return "accept";
  const edge = createHindsight(content);
  const reading = { at: content.at, edge, outcastsAt: "now" } as const;
  const left = reachOf(reader, content.group, reading);
  return allows(accessThrough(left, content.actor, edge)?.access, content.need)
    ? "accept"
    : "quarantine";
}

/** Has the author seen every op of every group that matters? */
function isUpToDate(reached: ReadonlyMap<GroupId, Reach>, at: Past): boolean {
  for (const { history } of reached.values()) {
    if (opCount(intGet(at, history.number)) !== history.size()) return false;
  }
  return true;
}

/** What is left of a standing when void grants and unseen strikes are taken off. */
function createHindsight(content: Content): Edge {
  return ({ history, outcasts }, member, standing) => {
    const counted = countedStanding(
      member,
      standing,
      (node) => history.voidCause(node) !== undefined || isByOutcast(outcasts, node),
    );
    if (!isActive(counted)) return undefined;
    let access: Access = counted.access;
    for (const strike of history.strikesAt(member)) {
      if (hasSeen(content.at, strike) || history.voidCause(strike) !== undefined) continue;
      if (content.seenBy(strike.op.id)) continue;
      const { action } = strike.op;
      if (action.type !== "set") return undefined;
      access = meetAccess(access, action.grant.access);
    }
    return access;
  };
}
