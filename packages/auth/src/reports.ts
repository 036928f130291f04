/**
 * What people are shown about a group besides its members: open invites, and removals with their
 * finality (docs/spec/4-auth.md §6.4). Layer 4.
 */
import type { AuthorId } from "@hawser/crypto";
import type { GroupHistory } from "./history.ts";
import { intEntries, intSize } from "./int-map.ts";
import type { Reader } from "./membership.ts";
import { compareIds, hasSeen, type OpNode } from "./node.ts";
import { isManager } from "./state.ts";
import { isOfferAlive } from "./transition.ts";
import type { OpenInvite, OpId, OpStatus, RemovalReport } from "./types.ts";

/** Does something else than an op show that this manager has acknowledged `op`? */
export type ManagerSaw = (manager: AuthorId, op: OpId) => boolean;

/** Invites of a group that can still admit somebody, sorted by op id. */
export function openInvites(history: GroupHistory): readonly OpenInvite[] {
  const state = history.stateNow();
  const open: OpenInvite[] = [];
  for (const [, offer] of intEntries(state.offers)) {
    const { op } = offer.by;
    if (op.action.type !== "invite" || offer.revokedBy !== undefined) continue;
    const { invite, access, uses, notAfter } = op.action;
    const usesLeft = uses - intSize(offer.joins);
    if (usesLeft <= 0 || !isOfferAlive(state, offer)) continue;
    open.push({ op: op.id, invite, author: op.author, access, usesLeft, notAfter });
  }
  return open.sort((a, b) => compareIds(a.op, b.op));
}

/** Removals and demotions of a group, in causal order. */
export function removalReports(
  history: GroupHistory,
  reader: Reader,
  managerSaw: ManagerSaw = () => false,
): readonly RemovalReport[] {
  const managers = managersOf(history);
  const lastOps = lastOpsOf(history, new Set(managers));
  return [...history.strikes()]
    .sort((a, b) => a.ancestors - b.ancestors || compareIds(a.op.id, b.op.id))
    .map((strike) => {
      const { action, id, author } = strike.op;
      const hasAcknowledged = (manager: number): boolean =>
        (lastOps.get(manager) ?? []).some((node) => hasSeen(node.past, strike)) ||
        // Safe: managers are individuals.
        managerSaw(reader.memberOf(manager).id as AuthorId, id);
      return {
        op: id,
        author,
        member: reader.memberOf(strike.effect.strike?.target ?? -1),
        access: action.type === "set" ? action.grant.access : undefined,
        finality: managers.every(hasAcknowledged) ? "stable" : "pending",
        status: statusOf(history, strike),
      };
    });
}

/** Whether an op counts among everything known. */
export function statusOf(history: GroupHistory, node: OpNode): OpStatus {
  const cause = history.voidCause(node);
  if (cause === undefined) return { state: "effective" };
  return { state: "void", reason: cause.reason, by: cause.by?.op.id };
}

function managersOf(history: GroupHistory): readonly number[] {
  return intEntries(history.stateNow().individuals)
    .filter(([, standing]) => isManager(standing))
    .map(([number]) => number);
}

/** Each author's latest ops; more than one only where an author is concurrent with himself. */
function lastOpsOf(
  history: GroupHistory,
  authors: ReadonlySet<number>,
): ReadonlyMap<number, readonly OpNode[]> {
  const last = new Map<number, readonly OpNode[]>();
  for (const node of history.nodes()) {
    const { author } = node.names;
    if (!authors.has(author)) continue;
    const earlier = (last.get(author) ?? []).filter((other) => !hasSeen(node.past, other));
    last.set(author, [...earlier, node]);
  }
  return last;
}
