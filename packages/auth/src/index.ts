export type {
  AddContext,
  AuthGraph,
  AuthGraphDeps,
  AuthGraphOptions,
  Heads,
  RestoreReason,
} from "./graph.ts";
export type { AuthErrorCode } from "./errors.ts";
export type { JoinAction, JoinClaim } from "./join.ts";
export type { SeenBy } from "./judge.ts";
export type { OpDraft, OpParseReason, OpParseResult } from "./op.ts";
export type { ManagerSaw } from "./reports.ts";
export type {
  Access,
  AddVerdict,
  AuthAction,
  AuthOp,
  Grant,
  GroupId,
  Judgement,
  Level,
  Member,
  MemberId,
  Membership,
  MutualRemovalPolicy,
  Need,
  OpenInvite,
  OpId,
  OpStatus,
  RejectReason,
  RemovalReport,
  RaiseAction,
  RuleAction,
  VoidReason,
  Why,
  WhyStep,
} from "./types.ts";
export { allows, joinAccess, levels, meetAccess } from "./access.ts";
export { AuthError } from "./errors.ts";
export { createAuthGraph, restoreAuthGraph } from "./graph.ts";
export { inviteOfSecret, proveJoin, verifyJoinProof } from "./join.ts";
export { createOp, encodeOp, groupIdOf, parseOp } from "./op.ts";
export { signOp, verifyOpSignature } from "./signature.ts";
export { depsMax, grantsMax, opBytesMax, proofBytes, usesMax } from "./limits.ts";
