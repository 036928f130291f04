/**
 * Which of a set of edits count when their authors did not know of each other
 * (docs/spec/7-views.md §9.6). A function of the set. Costs a step for each edit, and one
 * for each pair of which one takes something from a key that names the other's author.
 */
import { compareEvents } from "@hawser/view";
import { createDocuments, type Documents } from "./documents.ts";
import { compareRanks, knows, type Edit } from "./edit.ts";
import { rulesId } from "./keys.ts";
import type { AclRules, EditStatus } from "./types.ts";
import { takes } from "./ways.ts";

/** What a set of edits comes to. */
export interface Outcome {
  readonly documents: Documents;
  readonly statuses: Map<Edit, EditStatus>;
}

/** Nothing was edited. */
export function emptyOutcome(): Outcome {
  return { documents: createDocuments(), statuses: new Map() };
}

/** Resolves edits given in total order. */
export function resolve(rules: AclRules, edits: readonly Edit[]): Outcome {
  const strikers = strikersIn(rules, edits);
  const overruled = overruledIn(edits, strikers);
  const outcome = emptyOutcome();
  for (const edit of edits) {
    const status = overruled.has(edit)
      ? "overruled"
      : statusOf(edit, strikers, overruled, outcome.statuses);
    outcome.statuses.set(edit, status);
    if (status === "effective") outcome.documents.apply(edit);
  }
  return outcome;
}

/** Adds an edit whose author had seen all the others. */
export function extend(outcome: Outcome, edit: Edit): void {
  outcome.statuses.set(edit, "effective");
  outcome.documents.apply(edit);
}

/** For each edit those made concurrently that might take its author's right. */
type Strikers = ReadonlyMap<Edit, readonly Edit[]>;

function strikersIn(rules: AclRules, edits: readonly Edit[]): Strikers {
  const about = edits.filter((edit) => edit.documentId === rulesId(rules.id));
  const takingByKey = new Map<string, Edit[]>();
  for (const edit of about) {
    for (const key of keysTaken(edit)) {
      const known = takingByKey.get(key) ?? [];
      takingByKey.set(key, known);
      known.push(edit);
    }
  }
  const lowering = about.filter((edit) => edit.default !== undefined);
  const strikers = new Map<Edit, readonly Edit[]>();
  for (const edit of edits) {
    const byDefault = edit.ways.some((way) => way.kind === "default") ? lowering : [];
    const taking = [...byDefault, ...edit.keys.flatMap((key) => takingByKey.get(key) ?? [])];
    const concurrent = taking.filter((other) => areConcurrent(other, edit));
    if (concurrent.length > 0) strikers.set(edit, concurrent);
  }
  return strikers;
}

/** Keys from which an edit takes something. */
function keysTaken(edit: Edit): ReadonlySet<string> {
  const keys = new Set(edit.revokes.keys());
  for (const [key, given] of edit.grants) if (given.has("no-access")) keys.add(key);
  return keys;
}

function areConcurrent(a: Edit, b: Edit): boolean {
  return a !== b && !knows(a, b) && !knows(b, a);
}

/** Goes from the most senior to the most junior: nobody is overruled by whom a senior overrules. */
function overruledIn(edits: readonly Edit[], strikers: Strikers): ReadonlySet<Edit> {
  const overruled = new Set<Edit>();
  const byRank = [...edits].sort((a, b) => compareRanks(a, b) || compareEvents(a.event, b.event));
  for (const edit of byRank) {
    const seniors = (strikers.get(edit) ?? []).filter(
      (other) => compareRanks(other, edit) < 0 && !overruled.has(other),
    );
    const isOverruled = edit.ways.every((way) => {
      // Of grants by juniors nothing is decided yet: they count as standing here.
      const isHollow = way.grants.length > 0 && way.grants.every((grant) => overruled.has(grant));
      return isHollow || seniors.some((senior) => takes(senior, way, edit, "write"));
    });
    if (isOverruled) overruled.add(edit);
  }
  return overruled;
}

function statusOf(
  edit: Edit,
  strikers: Strikers,
  overruled: ReadonlySet<Edit>,
  statuses: ReadonlyMap<Edit, EditStatus>,
): EditStatus {
  const counting = (strikers.get(edit) ?? []).filter((other) => !overruled.has(other));
  const isStruck = edit.ways.every((way) => {
    const isHollow =
      way.grants.length > 0 && way.grants.every((grant) => statuses.get(grant) !== "effective");
    return isHollow || counting.some((other) => takes(other, way, edit, "write"));
  });
  return isStruck ? "struck" : "effective";
}
