/**
 * Why somebody may or may not do something, now or in the past, with places and in plain words
 * (docs/spec/6-space.md §7 *history*, docs/spec/4-auth.md §6.5). Layer 5.
 */
import type { GroupId, MemberId, Need, OpId, WhyStep } from "@hawser/auth";
import type { AuthorId } from "@hawser/crypto";
import type { Frontier } from "@hawser/log";
import type { Core } from "./core.ts";
import type { SpaceWhy, SpaceWhyStep } from "./types.ts";

/** `undefined`: the position names control entries that are not here or not decided. */
export function whyIn(
  core: Core,
  author: AuthorId,
  need: Need,
  at: Frontier | undefined,
): SpaceWhy | undefined {
  const fold = core.fold();
  const { graph, group } = fold;
  const heads = at === undefined ? undefined : headsAt(core, at);
  if (at !== undefined && heads === undefined) return undefined;
  const why = graph.why(group, author, need, heads);
  if (why === undefined) return undefined;
  const chain = why.chain.map((step): SpaceWhyStep => ({ ...step, place: fold.placeOf(step.op) }));
  return { ...why, author, need, chain };
}

/** Auth heads of whoever had seen so much of the control logs. Other logs say nothing here. */
function headsAt(core: Core, at: Frontier): readonly OpId[] | undefined {
  const fold = core.fold();
  const heads: OpId[] = [];
  for (const [logId, height] of at) {
    if (height > 0 && fold.height(logId) > 0 && fold.decidedHeight(logId) < height)
      return undefined;
    if (height > 0) heads.push(...fold.opsAt(logId, height - 1));
  }
  return fold.graph.antichain(heads);
}

/** How people are called. */
export type NameOf = (id: MemberId | GroupId) => string;

/** The first eight characters of a key: for lists where no names are known. */
export function shortName(id: MemberId | GroupId): string {
  return id.slice(0, 8);
}

/**
 * An answer as sentences, the conclusion first. Times are what authors claim (ISO 8601, UTC).
 */
export function explainWhy(why: SpaceWhy, nameOf: NameOf = shortName): readonly string[] {
  const what = needWords[why.need];
  const verb = why.allowed ? "may" : "may not";
  const first = `${nameOf(why.author)} ${verb} ${what}.`;
  if (why.chain.length > 0) return [first, ...why.chain.map((step) => sentenceOf(step, nameOf))];
  if (why.raw === true) return [first, "It is a raw space: whoever knows its id reads and writes."];
  return [first, `No operation ever let ${nameOf(why.author)} in.`];
}

const needWords: Readonly<Record<Need, string>> = {
  pull: "follow (verify and store, without reading)",
  read: "read",
  write: "write",
  manage: "change who is a member",
  delete: "mark entries deleted",
};

function sentenceOf(step: SpaceWhyStep, nameOf: NameOf): string {
  const by = nameOf(step.author);
  const who = step.author === step.member ? "itself" : nameOf(step.member);
  const access =
    step.access === undefined
      ? ""
      : ` with ${step.access.level}${step.access.mayDelete ? " and delete" : ""}`;
  const when = step.place === undefined ? "" : ` (${timeOf(step.place.stamp)})`;
  switch (step.effect) {
    case "created":
      return `${by} founded the group and put ${who} in it${access}${when}.`;
    case "admitted":
      return step.author === step.member
        ? `${by} joined by an invite${access}${when}.`
        : `${by} let ${who} in${access}${when}.`;
    case "changed":
      return `${by} set what ${who} may do${access}${when}.`;
    case "ended":
      return step.author === step.member ? `${by} left${when}.` : `${by} removed ${who}${when}.`;
    case "void":
      return `${by} wanted to let ${who} in${when}; that does not count: ${reasonOf(step)}.`;
  }
}

function reasonOf({ reason }: WhyStep): string {
  switch (reason) {
    case "AUTHOR_REMOVED":
      return "whoever did it was removed or lowered at the same time";
    case "TARGET_REMOVED":
      return "somebody else removed or lowered the same member at the same time";
    case "INVITE_REVOKED":
      return "the invite was revoked at the same time";
    case "INVITE_EXHAUSTED":
      return "the invite had no use left";
    case "OUTRANKED":
      return "of managers who removed each other the senior stayed";
    case "DEPENDS_ON_VOID":
    case undefined:
      return "it rests on something that does not count";
  }
}

function timeOf(micros: number): string {
  const time = new Date(Math.floor(micros / 1_000));
  return Number.isNaN(time.getTime()) ? "at no possible time" : time.toISOString();
}
