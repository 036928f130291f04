/**
 * The highest level anybody was ever given, through groups too (docs/spec/6-space.md §7 *admission*).
 * Grows only, so the order of what it learns does not matter. Layer 5, pure.
 */
import { levels, type GroupId, type Level, type Member } from "@hawser/auth";
import type { AuthorId } from "@hawser/crypto";

/** Levels by author. */
export interface LevelBook {
  /** An op gave a member of `group` this level. */
  grant(group: GroupId, member: Member, level: Level): void;
  /** The highest level in the space's group, by any way; `undefined`: none ever. */
  levelOf(author: AuthorId): Level | undefined;
}

/** An empty book for the space whose group is `root`. */
export function createLevelBook(root: GroupId): LevelBook {
  const members = new Map<GroupId, Map<string, { readonly member: Member; level: Level }>>();
  // What a member of a group can have at most in the space.
  const caps = new Map<GroupId, Level>([[root, "manage"]]);
  const found = new Map<AuthorId, Level>();

  /** Passes a level on to whoever a member stands for. Cycles end: a cap only ever grows. */
  const spread = (first: Member, firstLevel: Level): void => {
    const queue = [{ member: first, level: firstLevel }];
    for (const { member, level } of queue) {
      if (member.kind === "individual") {
        // Safe: an individual's id is an author.
        const author = member.id as AuthorId;
        found.set(author, higher(found.get(author), level));
        continue;
      }
      // Safe: a member of kind "group" carries a group id.
      const group = member.id as GroupId;
      const before = caps.get(group);
      const cap = higher(before, level);
      if (cap === before) continue;
      caps.set(group, cap);
      for (const inner of members.get(group)?.values() ?? []) {
        queue.push({ member: inner.member, level: lower(inner.level, cap) });
      }
    }
  };

  return {
    grant: (group, member, level) => {
      const known = members.get(group) ?? new Map();
      members.set(group, known);
      const highest = higher(known.get(member.id)?.level, level);
      known.set(member.id, { member, level: highest });
      const cap = caps.get(group);
      if (cap !== undefined) spread(member, lower(highest, cap));
    },
    levelOf: (author) => found.get(author),
  };
}

function higher(a: Level | undefined, b: Level): Level {
  return a === undefined || levels.indexOf(b) > levels.indexOf(a) ? b : a;
}

function lower(a: Level, b: Level): Level {
  return levels.indexOf(a) < levels.indexOf(b) ? a : b;
}
