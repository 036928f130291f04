/**
 * Operations of this device, on their way into the graph and a control entry. Layer 5, internal.
 */
import {
  createOp,
  depsMax,
  signOp,
  type AuthAction,
  type AuthOp,
  type OpId,
  type RejectReason,
} from "@hawser/auth";
import type { ControlContent } from "./control.ts";
import type { Core } from "./core.ts";
import { SpaceError, type SpaceErrorCode } from "./errors.ts";

/**
 * Hands an operation to the graph. `beside`: what its author has seen of groups that are not in the
 * space yet. Throws what its refusal means for people.
 */
export function issue(
  core: Core,
  action: AuthAction,
  beside: readonly OpId[] = [],
): { readonly op: AuthOp; readonly content: ControlContent } {
  const { graph, group } = core.fold();
  const { author, secret } = core.device;
  const deps = newestFirst(core, graph.antichain([...graph.heads(group), ...beside]));
  const { op, bytes } = createOp(core.deps.crypto, { author, group, deps, action });
  const verdict = graph.add(op);
  if (verdict.status === "rejected") throw refusalOf(action, verdict.reason);
  if (verdict.status === "pending") {
    throw new SpaceError("SPACE_NOT_WELCOMED", "the space's membership is not here yet");
  }
  if (action.type === "raise") core.fold().learnRaise(op.id, action.suite);
  const signature = signOp(core.deps.crypto, op.id, secret);
  return { op, content: { kind: "auth", op: bytes, signature } };
}

/**
 * As many heads as an operation may name: those of the space's own group, then those of nested ones.
 * Whoever leaves some out counts as not having seen them.
 */
function newestFirst(core: Core, heads: readonly OpId[]): readonly OpId[] {
  if (heads.length <= depsMax) return heads;
  const { graph, group } = core.fold();
  const isOwn = (op: OpId): boolean => graph.get(op)?.group === group;
  const ordered = [...heads.filter(isOwn), ...heads.filter((op) => !isOwn(op))];
  return ordered.slice(0, depsMax);
}

function refusalOf(action: AuthAction, reason: RejectReason): SpaceError {
  const code = refusalCodes[reason] ?? "SPACE_MEMBERSHIP";
  return new SpaceError(code, `${action.type} is refused: ${reason}`);
}

const refusalCodes: { readonly [reason in RejectReason]?: SpaceErrorCode } = {
  NOT_MEMBER: "SPACE_NO_ACCESS",
  NO_LONGER_MEMBER: "SPACE_NO_ACCESS",
  NOT_MANAGER: "SPACE_NO_ACCESS",
  NOT_GROUP_MANAGER: "SPACE_NO_ACCESS",
  UNKNOWN_INVITE: "SPACE_INVITE_INVALID",
  INVITER_GONE: "SPACE_INVITE_INVALID",
  INVITE_OLDER_THAN_EXIT: "SPACE_INVITE_INVALID",
  INVITE_REVOKED: "SPACE_INVITE_REVOKED",
  INVITE_EXPIRED: "SPACE_INVITE_EXPIRED",
  INVITE_EXHAUSTED: "SPACE_INVITE_USED",
};

/** As `issue`, but `undefined` where the graph refuses: somebody else was first. */
export function tryIssue(core: Core, action: AuthAction): ReturnType<typeof issue> | undefined {
  try {
    return issue(core, action);
  } catch (error) {
    if (error instanceof SpaceError) return undefined;
    throw error;
  }
}
