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
export function itemsOf(
  sequence: Sequence,
  isRemoved: (mark: Mark) => boolean = (mark) => sequence.removed.has(mark),
): readonly SequenceItem[] | undefined {
  if (sequence.items.size > itemsMax) return undefined;
  const items: SequenceItem[] = [];
  const open: Mark[] = [...(sequence.behind.get("") ?? [])];
  for (let mark = open.pop(); mark !== undefined; mark = open.pop()) {
    const item = sequence.items.get(mark);
    if (item !== undefined && !isRemoved(mark)) items.push(item);
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

/** Insertions and removals looked for at most; beyond, the middle is replaced as a whole. */
const differencesMax = 512;

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

/**
 * A longest common subsequence by the greedy search of E. W. Myers, "An O(ND) Difference Algorithm"
 * (1986): how far in `left` each diagonal gets with 0, 1, 2, … differences, until one is at the end.
 */
function commonPairs(left: readonly string[], right: readonly string[]): readonly Pair[] {
  if (left.length === 0 || right.length === 0) return [];
  const most = Math.min(differencesMax, left.length + right.length);
  const reach = new Int32Array(2 * most + 3);
  const rounds: Int32Array[] = [];
  for (let count = 0; count <= most; count++) {
    rounds.push(reach.slice());
    for (let diagonal = -count; diagonal <= count; diagonal += 2) {
      const at = diagonal + most + 1;
      let row = stepOf(reach, at, diagonal, count).row;
      while (row < left.length && left[row] === right[row - diagonal]) row += 1;
      reach[at] = row;
      const isDone = row >= left.length && row - diagonal >= right.length;
      if (isDone) return wayBack(rounds, left.length, right.length);
    }
  }
  return [];
}

/** The better way to a diagonal: past an item of `right`, or past one of `left`; and where it leads. */
function stepOf(reach: Int32Array, at: number, diagonal: number, count: number) {
  const past = reach[at - 1] ?? 0;
  const beside = reach[at + 1] ?? 0;
  const isRight = diagonal === -count || (diagonal !== count && past < beside);
  return { isRight, row: isRight ? beside : past + 1 };
}

/** The pairs on the way that the rounds found, from its end. */
function wayBack(rounds: readonly Int32Array[], rows: number, columns: number): readonly Pair[] {
  const pairs: Pair[] = [];
  let row = rows;
  let column = columns;
  for (let count = rounds.length - 1; count > 0; count--) {
    const reach = rounds[count] ?? new Int32Array(0);
    const diagonal = row - column;
    const at = diagonal + (reach.length - 1) / 2;
    const step = stepOf(reach, at, diagonal, count);
    while (row > step.row) pairs.push([--row, --column]);
    if (step.isRight) column -= 1;
    else row -= 1;
  }
  while (row > 0) pairs.push([--row, --column]);
  return pairs.reverse();
}
