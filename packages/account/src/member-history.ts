/** Who came into a space and who was taken out of it last, read off its timeline. Layer 6, pure. */
import type { AuthorId } from "@hawser/crypto";
import type { TimelineItem } from "@hawser/space";

/** The last time that somebody came in, or was taken out. */
export interface Admission {
  readonly by: AuthorId;
  /** µs, as `by` claims. */
  readonly stamp: number;
}

/** By author: effective changes alone, of the space itself and not of groups in it. */
export interface MemberHistory {
  readonly admissions: ReadonlyMap<string, Admission>;
  readonly departures: ReadonlyMap<string, Admission>;
}

/** The last admission and the last departure of everybody. */
export function historyOf(timeline: readonly TimelineItem[]): MemberHistory {
  const root = rootOf(timeline);
  const admissions = new Map<string, Admission>();
  const departures = new Map<string, Admission>();
  for (const item of timeline) {
    if (item.group !== root || item.status.state !== "effective") continue;
    const { author, stamp, change, members } = item;
    const place = { by: author, stamp };
    if (change === "remove") for (const id of members) departures.set(id, place);
    if (change === "leave") departures.set(author, place);
    if (change === "create" || change === "add" || change === "join") {
      for (const id of members) admissions.set(id, place);
    }
  }
  return { admissions, departures };
}

/** Who founded the space: of all groups in its timeline the one that is a member of none. */
export function founderOf(timeline: readonly TimelineItem[]): AuthorId | undefined {
  const root = rootOf(timeline);
  return timeline.find(({ change, group }) => change === "create" && group === root)?.author;
}

function rootOf(timeline: readonly TimelineItem[]): TimelineItem["group"] | undefined {
  const inner = new Set<string>();
  for (const { status, change, members } of timeline) {
    if (status.state !== "effective" || change === "remove" || change === "leave") continue;
    for (const id of members) inner.add(id);
  }
  // Groups come in by operations of the others; a group that was taken out again counts as inner too.
  return timeline.find(({ change, group }) => change === "create" && !inner.has(group))?.group;
}
