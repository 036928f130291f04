/**
 * Lists whose items keep their places when several people insert at once: a tree of "comes behind"
 * (docs/spec/doc.md §3.4). Layer 7.
 */
import type { Json } from "./json.ts";
import type { Mark } from "./marks.ts";

/** An item that is or was in a list. */
export interface SequenceItem {
  readonly mark: Mark;
  readonly after: Mark | undefined;
  readonly value: Json;
}

/** All that was said of one list. */
export interface Sequence {
  readonly items: Map<Mark, SequenceItem>;
  /** What comes directly behind an item; key "" for the beginning. */
  readonly behind: Map<Mark | "", Mark[]>;
  /** Also of items that have not come in yet. */
  readonly removed: Set<Mark>;
}

/** A list of which nothing has been said. */
export function createSequence(): Sequence {
  return { items: new Map(), behind: new Map(), removed: new Set() };
}

/** A copy that can be changed by itself. */
export function cloneSequence({ items, behind, removed }: Sequence): Sequence {
  const copies = [...behind].map(([key, marks]): [Mark | "", Mark[]] => [key, [...marks]]);
  return { items: new Map(items), behind: new Map(copies), removed: new Set(removed) };
}

/** Items of a list, removed ones included, beyond which its document is too large. */
export const itemsMax = 20_000;

/** Takes in one item. */
export function insertItem(sequence: Sequence, item: SequenceItem): void {
  sequence.items.set(item.mark, item);
  const key = item.after ?? "";
  const siblings = sequence.behind.get(key) ?? [];
  // Ascending; a walk takes them from the end, so that the latest comes first.
  siblings.splice(countBefore(siblings, item.mark), 0, item.mark);
  sequence.behind.set(key, siblings);
}

/** Mostly all of them: what comes in is mostly the latest. */
function countBefore(marks: readonly Mark[], mark: Mark): number {
  let low = 0;
  let high = marks.length;
  const last = marks.at(-1);
  if (last === undefined || last < mark) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((marks[middle] ?? mark) < mark) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The items in order, or `undefined` when they are more than `itemsMax`. */
export function itemsOf(sequence: Sequence): readonly SequenceItem[] | undefined {
  if (sequence.items.size > itemsMax) return undefined;
  const items: SequenceItem[] = [];
  const open: Mark[] = [...(sequence.behind.get("") ?? [])];
  for (let mark = open.pop(); mark !== undefined; mark = open.pop()) {
    const item = sequence.items.get(mark);
    if (item !== undefined && !sequence.removed.has(mark)) items.push(item);
    for (const next of sequence.behind.get(mark) ?? []) open.push(next);
  }
  return items;
}

/** A run of new items behind one that stays. */
export interface InsertedRun {
  readonly after: Mark | undefined;
  readonly values: readonly Json[];
}

/** What makes `wanted` of the list that is there. */
export interface SequenceChange {
  readonly removed: readonly Mark[];
  readonly inserted: readonly InsertedRun[];
}

/** Pairs of items compared at most; beyond, the middle is replaced as a whole. */
const comparisonsMax = 1_000_000;

/** The difference, as small as comparing item by item makes it. `keyOf` tells values apart. */
export function changeOf(
  items: readonly SequenceItem[],
  wanted: readonly Json[],
  keyOf: (value: Json) => string,
): SequenceChange {
  const oldKeys = items.map((item) => keyOf(item.value));
  const newKeys = wanted.map(keyOf);
  const kept = keptPairs(oldKeys, newKeys);
  const removed: Mark[] = [];
  const inserted: InsertedRun[] = [];
  const keptOld = new Set(kept.map(([old]) => old));
  items.forEach((item, index) => {
    if (!keptOld.has(index)) removed.push(item.mark);
  });
  let from = 0;
  let after: Mark | undefined;
  for (const [old, place] of [...kept, [items.length, wanted.length] as const]) {
    if (place > from) inserted.push({ after, values: wanted.slice(from, place) });
    from = place + 1;
    after = items[old]?.mark;
  }
  return { removed, inserted };
}

type Pair = readonly [old: number, place: number];

/** A longest common run of items, once equal ends are set aside. */
function keptPairs(oldKeys: readonly string[], newKeys: readonly string[]): readonly Pair[] {
  const shorter = Math.min(oldKeys.length, newKeys.length);
  let start = 0;
  while (start < shorter && oldKeys[start] === newKeys[start]) start += 1;
  let end = 0;
  while (
    end < shorter - start &&
    oldKeys[oldKeys.length - 1 - end] === newKeys[newKeys.length - 1 - end]
  ) {
    end += 1;
  }
  const head = Array.from({ length: start }, (_, index): Pair => [index, index]);
  const middle = commonPairs(
    oldKeys.slice(start, oldKeys.length - end),
    newKeys.slice(start, newKeys.length - end),
  ).map(([old, place]): Pair => [old + start, place + start]);
  const tail = Array.from({ length: end }, (_, index): Pair => [
    oldKeys.length - end + index,
    newKeys.length - end + index,
  ]);
  return [...head, ...middle, ...tail];
}

/** The textbook table of longest common subsequences. */
function commonPairs(left: readonly string[], right: readonly string[]): readonly Pair[] {
  if (left.length * right.length > comparisonsMax) return [];
  const width = right.length + 1;
  const lengths = new Uint32Array((left.length + 1) * width);
  const lengthAt = (row: number, column: number): number => lengths[row * width + column] ?? 0;
  for (let row = left.length - 1; row >= 0; row--) {
    for (let column = right.length - 1; column >= 0; column--) {
      lengths[row * width + column] =
        left[row] === right[column]
          ? lengthAt(row + 1, column + 1) + 1
          : Math.max(lengthAt(row + 1, column), lengthAt(row, column + 1));
    }
  }
  const pairs: Pair[] = [];
  for (let row = 0, column = 0; row < left.length && column < right.length;) {
    if (left[row] === right[column]) pairs.push([row++, column++]);
    else if (lengthAt(row + 1, column) >= lengthAt(row, column + 1)) row += 1;
    else column += 1;
  }
  return pairs;
}
