/**
 * Whom an operation lets in, whether it counts or not. Layer 5, pure.
 */
import type { AuthOp, Level } from "@hawser/auth";
import type { AuthorId } from "@hawser/crypto";

/** An author, and the level an operation gives it. */
export interface GrantedLevel {
  readonly author: AuthorId;
  readonly level: Level;
}

/** Levels that an operation gives; of a join, whose level its invite says, the lowest. */
export function grantsOf({ author, action }: AuthOp): readonly GrantedLevel[] {
  switch (action.type) {
    case "create":
      // Safe, here and below: spaces refuse groups as members, so the id is an author.
      return action.grants.map(({ member, access }) => granted(member.id, access.level));
    case "add":
    case "set":
      return [granted(action.grant.member.id, action.grant.access.level)];
    case "leave":
      return action.successor === undefined ? [] : [granted(action.successor.id, "manage")];
    case "join":
      return [{ author, level: "pull" }];
    default:
      return [];
  }
}

function granted(id: string, level: Level): GrantedLevel {
  return { author: id as AuthorId, level };
}
