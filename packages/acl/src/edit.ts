/**
 * An edit in its place: who made it, by what right, and what its author had seen
 * (docs/spec/7-views.md §9.4).
 */
import { compareEvents, type ViewEvent } from "@hawser/view";
import type { DecodedEdit } from "./ops.ts";
import type { Role } from "./types.ts";

/** One reason why somebody may do something. */
export type Way =
  /** A key that names the author holds a role. */
  | {
      readonly kind: "peer";
      readonly documentId: string;
      readonly key: string;
      readonly role: Role;
      /** The edits that gave it and hold. */
      readonly grants: readonly Edit[];
    }
  /** The default of a document. */
  | { readonly kind: "default"; readonly documentId: string; readonly grants: readonly Edit[] }
  /** There is no document about the sequence. */
  | { readonly kind: "open"; readonly documentId: string; readonly grants: readonly Edit[] }
  /** The author founded the space, and nobody holds the right to edit. */
  | { readonly kind: "founder"; readonly documentId: string; readonly grants: readonly Edit[] };

/** An edit whose author had the right to make it, by everything its author had seen. */
export interface Edit extends DecodedEdit {
  readonly event: ViewEvent;
  /** Ids by which documents may name the author at the edit. */
  readonly keys: readonly string[];
  /** At least one. */
  readonly ways: readonly Way[];
  /** Of each log of edits, how far the author knew it: one more than the seq of an edit. */
  readonly known: ReadonlyMap<string, number>;
  /** The oldest edit on which the right rests; `undefined` for a founder. */
  readonly grant: ViewEvent | undefined;
}

/**
 * Seniors first: founders, then whoever has the right by the older grant; of those who have it by
 * the same one its author, then by author id.
 */
export function compareRanks(a: Edit, b: Edit): number {
  if (a.grant === undefined || b.grant === undefined) {
    const isOfFounder = (edit: Edit): number => (edit.grant === undefined ? 0 : 1);
    return isOfFounder(a) - isOfFounder(b) || compareAuthors(a, b);
  }
  return compareEvents(a.grant, b.grant) || isOfOther(a) - isOfOther(b) || compareAuthors(a, b);
}

function isOfOther(edit: Edit): number {
  return edit.grant?.author === edit.event.author ? 0 : 1;
}

function compareAuthors(a: Edit, b: Edit): number {
  if (a.event.author === b.event.author) return 0;
  return a.event.author < b.event.author ? -1 : 1;
}

/**
 * Had the author of `later` seen `earlier` when writing? An event that does not tell counts as
 * having seen everything before it in total order.
 */
export function sees(later: ViewEvent, earlier: ViewEvent): boolean {
  if (later.logId === earlier.logId) return later.seq > earlier.seq;
  if (later.frontier === undefined) return compareEvents(earlier, later) < 0;
  return (later.frontier.get(earlier.logId) ?? 0) > earlier.seq;
}

/** Had the author of `later` seen `earlier`, or an edit whose author knew it? */
export function knows(later: Edit, earlier: Edit): boolean {
  const { logId, seq } = earlier.event;
  if (later.event.logId === logId) return later.event.seq > seq;
  return (later.known.get(logId) ?? 0) > seq;
}

/** The first index from which on `isPast` holds, where it never fails again. */
export function firstIndex(length: number, isPast: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isPast(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** False for an edit that only accepts events. */
export function isAboutPeers(edit: DecodedEdit): boolean {
  return edit.default !== undefined || edit.grants.size > 0 || edit.revokes.size > 0;
}
