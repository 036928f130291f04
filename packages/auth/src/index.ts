export type {
  Access,
  AuthAction,
  AuthOp,
  Grant,
  GroupId,
  Judgement,
  Level,
  Member,
  MemberId,
  MutualRemovalPolicy,
  Need,
  OpId,
} from "./types.ts";
