/**
 * Whom an operation lets in, whether it counts or not. Layer 5, pure.
 */
import type { AuthOp, GroupId, Level, Member } from "@hawser/auth";
import type { AuthorId } from "@hawser/crypto";

/** A member, and the level an operation gives it. */
export interface GrantedLevel {
  readonly member: Member;
  readonly level: Level;
}

/** Levels that an operation gives; of a join, whose level its invite says, the lowest. */
export function grantsOf({ author, action }: AuthOp): readonly GrantedLevel[] {
  switch (action.type) {
    case "create":
      return action.grants.map(({ member, access }) => ({ member, level: access.level }));
    case "add":
    case "set":
      return [{ member: action.grant.member, level: action.grant.access.level }];
    case "leave":
      return action.successor === undefined ? [] : [{ member: action.successor, level: "manage" }];
    case "join":
      return [{ member: joinerOf(author, action.as), level: "pull" }];
    default:
      return [];
  }
}

/** Whom a join lets in. */
export function joinerOf(author: AuthorId, as: GroupId | undefined): Member {
  return as === undefined ? { kind: "individual", id: author } : { kind: "group", id: as };
}

/** Individuals whom an operation may let in, so that they have to be reachable. */
export function newcomersOf(op: AuthOp): readonly AuthorId[] {
  if (op.action.type === "set") return [];
  // Who lets a group in answers for itself; the group's own ops answer for its other members.
  if (op.action.type === "join") return [op.author];
  // Safe: an individual's id is an author.
  return grantsOf(op).flatMap(({ member }) =>
    member.kind === "individual" ? [member.id as AuthorId] : [],
  );
}
