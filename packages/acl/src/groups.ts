/** Groups that never change, for tests and for applications whose groups stand in their code. */
import { isKey } from "./keys.ts";
import { AclError } from "./errors.ts";
import type { GroupSource } from "./types.ts";

/** Groups of one author that count. */
export const groupsOfMax = 256;

/**
 * Group id → ids of its members, authors or groups. Cycles do no harm: whoever is in a group is in
 * every group that has it as a member. Throws AclError ACL_KEY_INVALID.
 */
export function createStaticGroups(
  membersByGroup: ReadonlyMap<string, readonly string[]>,
): GroupSource {
  const groupsByMember = new Map<string, string[]>();
  for (const [group, members] of membersByGroup) {
    for (const member of members) {
      if (!isKey(group) || !isKey(member)) {
        throw new AclError("ACL_KEY_INVALID", "an id of a group or member is none");
      }
      const known = groupsByMember.get(member) ?? [];
      groupsByMember.set(member, known);
      known.push(group);
    }
  }
  return {
    groupsOf: (author) => {
      // Widens ring by ring: each group is looked at once, so cycles end by themselves.
      const found = new Set<string>();
      let ring: readonly string[] = [author];
      while (ring.length > 0 && found.size < groupsOfMax) {
        const wider = ring.flatMap((member) => groupsByMember.get(member) ?? []);
        ring = [...new Set(wider)].filter((group) => !found.has(group));
        for (const group of ring) found.add(group);
      }
      return [...found].slice(0, groupsOfMax);
    },
  };
}
