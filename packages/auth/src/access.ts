/**
 * Access as a lattice: `meetAccess` narrows (along a path of groups, between concurrent grants),
 * `joinAccess` widens (over several paths). Both are commutative, associative and idempotent, which
 * is what makes merging order-free (docs/spec/4-auth.md §4). Layer 4.
 */
import type { Access, Level, Need } from "./types.ts";

/** Levels from least to most; the index is the wire number. */
export const levels: readonly Level[] = ["pull", "read", "write", "manage"];

const ranks: Readonly<Record<Level, number>> = { pull: 0, read: 1, write: 2, manage: 3 };

/** 0 (pull) … 3 (manage): the wire number of a level. */
export function rankOf(level: Level): number {
  return ranks[level];
}

/** The greatest access that both `a` and `b` include. */
export function meetAccess(a: Access, b: Access): Access {
  if (includesAccess(b, a)) return a;
  if (includesAccess(a, b)) return b;
  const level = ranks[a.level] <= ranks[b.level] ? a.level : b.level;
  return { level, mayDelete: a.mayDelete && b.mayDelete };
}

/** The least access that includes both `a` and `b`. */
export function joinAccess(a: Access, b: Access): Access {
  if (includesAccess(a, b)) return a;
  if (includesAccess(b, a)) return b;
  const level = ranks[a.level] >= ranks[b.level] ? a.level : b.level;
  return { level, mayDelete: a.mayDelete || b.mayDelete };
}

/** Does `wide` allow everything that `narrow` allows? */
export function includesAccess(wide: Access, narrow: Access): boolean {
  return ranks[wide.level] >= ranks[narrow.level] && (wide.mayDelete || !narrow.mayDelete);
}

/** Equal level and equal delete right. */
export function equalAccess(a: Access, b: Access): boolean {
  return a.level === b.level && a.mayDelete === b.mayDelete;
}

/** Is `need` allowed? No access allows nothing; the delete right is separate from the levels. */
export function allows(access: Access | undefined, need: Need): boolean {
  if (access === undefined) return false;
  return need === "delete" ? access.mayDelete : ranks[access.level] >= ranks[need];
}
