/** What roles allow, and the lesser of two (docs/spec/7-views.md §9.1). */
import type { Need, Role } from "./types.ts";

/** In the order in which lists of roles are written. */
export const roles: readonly Role[] = ["no-access", "follow", "read", "write", "delete"];

const needsByRole: Readonly<Record<Role, readonly Need[]>> = {
  "no-access": [],
  follow: ["follow"],
  read: ["follow", "read"],
  write: ["follow", "read", "write"],
  delete: ["follow", "delete"],
};

/** Roles that allow a need. */
export const rolesFor: Readonly<Record<Need, readonly Role[]>> = {
  follow: ["follow", "read", "write", "delete"],
  read: ["read", "write"],
  write: ["write"],
  delete: ["delete"],
};

export function isRole(text: unknown): text is Role {
  return roles.some((role) => role === text);
}

/** Does holding the role suffice? */
export function allows(role: Role, need: Need): boolean {
  return needsByRole[role].includes(need);
}

/** The role that allows what both allow. */
export function lesserRole(a: Role, b: Role): Role {
  const both = needsByRole[a].filter((need) => allows(b, need));
  // Every intersection of two roles is what some role allows.
  return roles.find((role) => sameNeeds(needsByRole[role], both)) ?? "no-access";
}

function sameNeeds(a: readonly Need[], b: readonly Need[]): boolean {
  return a.length === b.length && a.every((need) => b.includes(need));
}
