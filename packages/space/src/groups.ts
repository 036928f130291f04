/**
 * Groups as members of spaces (docs/spec/6-space.md §16): adding one by its card, and bringing the
 * operations of groups inside a space into its control logs. Layer 5, internal.
 */
import type { Access, AuthAction, GroupId } from "@hawser/auth";
import { changeMembership } from "./actions.ts";
import type { Core } from "./core.ts";
import { SpaceError } from "./errors.ts";
import { cardOf, encodeCard, parseCard } from "./group-card.ts";
import { bring } from "./group-carry.ts";
import { checkReachableIn } from "./suites.ts";
import type { SpaceGroup } from "./types.ts";

/** This space's group as a card. Throws `SPACE_NOT_WELCOMED` before its operations are here. */
export function groupCard(core: Core): Uint8Array {
  const { createOp } = core.about();
  const fold = core.fold();
  if (!fold.graph.has(createOp)) {
    throw new SpaceError("SPACE_NOT_WELCOMED", "the group's membership is not here yet");
  }
  return encodeCard(cardOf(fold), createOp);
}

/** Adds a group, with the keys its members lack, in one batch. Throws `SPACE_CARD_INVALID`. */
export async function addGroup(core: Core, bytes: Uint8Array, access: Access): Promise<GroupId> {
  const card = parseCard(core.deps.crypto, bytes);
  if (card === undefined) {
    throw new SpaceError("SPACE_CARD_INVALID", "not a group card, or it does not prove itself");
  }
  const { group } = card;
  if (group === core.fold().group) {
    throw new SpaceError("SPACE_MEMBERSHIP", "a space cannot be its own member");
  }
  const ready = bring(core, card);
  checkReachableIn(core, card.bundles, ready.newcomers);
  const action: AuthAction = {
    type: "add",
    grant: { member: { kind: "group", id: group }, access },
  };
  const { graph } = core.fold();
  await changeMembership(core, { action, before: ready.contents, beside: graph.heads(group) });
  return group;
}

/** Groups listed in the space itself, sorted by id. */
export function groupsOf(core: Core): readonly SpaceGroup[] {
  const { graph, group } = core.fold();
  return graph.directMembers(group).flatMap(({ member, access }) => {
    if (member.kind !== "group") return [];
    // Safe: a member of kind "group" carries a group id.
    const id = member.id as GroupId;
    const topic = core.coreOf(id)?.about().topic;
    return [{ group: id, level: access.level, mayDelete: access.mayDelete, topic }];
  });
}
