/**
 * Operations of this device, on their way into the graph and a control entry. Layer 5, internal.
 */
import { createOp, type AuthAction, type AuthOp, type RejectReason } from "@hawser/auth";
import type { ControlContent } from "./control.ts";
import type { Core } from "./core.ts";
import { SpaceError, type SpaceErrorCode } from "./errors.ts";

/** Hands an operation to the graph. Throws what its refusal means for people. */
export function issue(
  core: Core,
  action: AuthAction,
): { readonly op: AuthOp; readonly content: ControlContent } {
  const { graph, group } = core.fold();
  const { author } = core.device;
  const deps = graph.heads(group);
  const { op, bytes } = createOp(core.deps.crypto, { author, group, deps, action });
  const verdict = graph.add(op);
  if (verdict.status === "rejected") throw refusalOf(action, verdict.reason);
  if (verdict.status === "pending") {
    throw new SpaceError("SPACE_NOT_WELCOMED", "the space's membership is not here yet");
  }
  if (action.type === "raise") core.fold().learnRaise(op.id, action.suite);
  return { op, content: { kind: "auth", op: bytes } };
}

function refusalOf(action: AuthAction, reason: RejectReason): SpaceError {
  const code = refusalCodes[reason] ?? "SPACE_MEMBERSHIP";
  return new SpaceError(code, `${action.type} is refused: ${reason}`);
}

const refusalCodes: { readonly [reason in RejectReason]?: SpaceErrorCode } = {
  NOT_MEMBER: "SPACE_NO_ACCESS",
  NO_LONGER_MEMBER: "SPACE_NO_ACCESS",
  NOT_MANAGER: "SPACE_NO_ACCESS",
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
