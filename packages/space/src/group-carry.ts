/**
 * Bringing the operations of groups inside a space into its control logs (docs/spec/6-space.md §16).
 * Layer 5, internal.
 */
import { levels, type Access, type GroupId } from "@hawser/auth";
import type { AuthorId } from "@hawser/crypto";
import type { VerifiedBundle } from "@hawser/keys";
import type { ControlContent } from "./control.ts";
import type { Core } from "./core.ts";
import { SpaceError } from "./errors.ts";
import {
  bundlesFor,
  carryContents,
  provenOps,
  type GroupCard,
  type ProvenOp,
} from "./group-card.ts";

/** What has to be published before operations count, and that they are in the graph already. */
export function bring(
  core: Core,
  card: Pick<GroupCard, "ops" | "bundles">,
): { readonly contents: readonly ControlContent[]; readonly newcomers: readonly AuthorId[] } {
  const fold = core.fold();
  const fresh = card.ops.filter(({ op }) => !fold.graph.has(op.id));
  const news = newBundles(core, card.bundles);
  for (const bundle of news) fold.learnBundle(bundle);
  if (!fold.learnCarried(fresh.map(({ op }) => op))) {
    throw new SpaceError("SPACE_CARD_INVALID", "operations of the group are not accepted here");
  }
  const contents = carryContents(
    fresh.filter(({ op }) => !fold.isCarried(op.id)).map(({ signed }) => signed),
    news,
  );
  return { contents, newcomers: [...new Set(card.bundles.map(({ author }) => author))] };
}

/** Bundles of those of whom the space has none in that suite. */
function newBundles(core: Core, bundles: readonly VerifiedBundle[]): readonly VerifiedBundle[] {
  const { bundles: known } = core.fold();
  return bundles.filter(
    ({ author, suite }) => known.get(author)?.some((own) => own.suite === suite) !== true,
  );
}

/** Operations of groups inside this space that this device has and the space lacks. */
export interface CarryDebt {
  /** The groups they are of, sorted. */
  readonly groups: readonly GroupId[];
  readonly ops: readonly ProvenOp[];
  readonly bundles: readonly VerifiedBundle[];
}

/** Looks at every group inside the space that is a space of this device. */
export function carryDebt(core: Core): CarryDebt | undefined {
  const fold = core.fold();
  const ops: ProvenOp[] = [];
  const bundles: VerifiedBundle[] = [];
  const groups: GroupId[] = [];
  const seen = new Set<string>();
  for (const group of nestedGroups(core)) {
    const inner = core.coreOf(group)?.fold();
    if (inner === undefined) continue;
    if (inner.graph.heads(group).every((op) => fold.graph.has(op))) continue;
    const lacking = provenOps(inner, (op) => !fold.graph.has(op) && !seen.has(op));
    for (const { op } of lacking) seen.add(op.id);
    const news = newBundles(core, bundlesFor(inner, lacking));
    if (news.length === 0 && lacking.every(({ op }) => fold.isCarried(op.id))) continue;
    groups.push(group);
    ops.push(...lacking);
    bundles.push(...news);
  }
  return groups.length === 0 ? undefined : { groups, ops, bundles };
}

/** Who may do less than before. */
export function losers(
  before: ReadonlyMap<AuthorId, Access>,
  after: ReadonlyMap<AuthorId, Access>,
): readonly AuthorId[] {
  return [...before].flatMap(([author, { level }]) => {
    const now = after.get(author);
    const isLess = now === undefined || levels.indexOf(now.level) < levels.indexOf(level);
    return isLess ? [author] : [];
  });
}

/** Groups inside the space, at any depth, sorted by depth and id. A worklist: cycles are harmless. */
export function nestedGroups(core: Core): readonly GroupId[] {
  const { graph, group: root } = core.fold();
  const found = new Set<GroupId>([root]);
  if (!core.fold().hasGroups()) return [];
  for (const group of found) {
    for (const { member } of graph.directMembers(group)) {
      // Safe: a member of kind "group" carries a group id.
      if (member.kind === "group") found.add(member.id as GroupId);
    }
  }
  found.delete(root);
  return [...found];
}
