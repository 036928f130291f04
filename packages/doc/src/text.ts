/**
 * Text that several people edit at once: its characters keep their places as items of a list do
 * (docs/spec/doc.md §3.4). Layer 7.
 */
import { jsonKey } from "./json.ts";
import { markAfter, markHeadLength, markIndex, type Mark } from "./marks.ts";
import {
  changeOf,
  cloneSequence,
  createSequence,
  insertItem,
  itemsOf,
  type Sequence,
  type SequenceItem,
} from "./sequence.ts";

/** All that was said of one text. */
export interface TextField {
  /** Its characters, code points of Unicode; nothing is removed from it. */
  readonly characters: Sequence;
  /** Characters that are gone: the first of a run of consecutive marks, and how many. */
  readonly erased: Map<Mark, number>;
}

/** A run of consecutive marks. */
export interface MarkRun {
  readonly from: Mark;
  readonly count: number;
}

/** A text of which nothing has been said. */
export function createText(): TextField {
  return { characters: createSequence(), erased: new Map() };
}

/** A copy that can be changed by itself. */
export function cloneText({ characters, erased }: TextField): TextField {
  return { characters: cloneSequence(characters), erased: new Map(erased) };
}

/** Takes characters in, the first of them behind `after`; each has the next mark. */
export function typeText(
  text: TextField,
  after: Mark | undefined,
  typed: string,
  nextMark: () => Mark,
): void {
  let before = after;
  for (const value of typed) {
    const mark = nextMark();
    insertItem(text.characters, { mark, after: before, value });
    before = mark;
  }
}

/** Takes out characters, also those that have not come in yet. */
export function eraseText({ erased }: TextField, { from, count }: MarkRun): void {
  erased.set(from, Math.max(count, erased.get(from) ?? 0));
}

/** The characters that are there, in order; `undefined` when they are too many, erased ones included. */
export function charactersOf(text: TextField): readonly SequenceItem[] | undefined {
  return itemsOf(text.characters, erasedIn(text));
}

/** What an item of a text holds. */
export function characterOf({ value }: Pick<SequenceItem, "value">): string {
  return typeof value === "string" ? value : "";
}

/** The text, or `undefined` when it is too long to be read. */
export function readText(text: TextField): string | undefined {
  return charactersOf(text)?.map(characterOf).join("");
}

/** Says of a mark whether it is erased: runs of one event are put together and looked up. */
export function erasedIn({ erased }: Pick<TextField, "erased">): (mark: Mark) => boolean {
  const ends = new Map<string, { from: number; to: number }[]>();
  for (const [mark, count] of [...erased].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const head = mark.slice(0, markHeadLength);
    const from = markIndex(mark);
    const runs = ends.get(head) ?? [];
    ends.set(head, runs);
    const last = runs.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, from + count);
    else runs.push({ from, to: from + count });
  }
  return (mark) => {
    const runs = ends.get(mark.slice(0, markHeadLength));
    if (runs === undefined) return false;
    const index = markIndex(mark);
    let low = 0;
    let high = runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((runs[middle]?.to ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return (runs[low]?.from ?? Number.POSITIVE_INFINITY) <= index;
  };
}

/** Marks as runs of consecutive ones, ascending. */
export function runsOf(marks: readonly Mark[]): readonly MarkRun[] {
  const runs: { from: Mark; count: number }[] = [];
  let next: Mark | undefined;
  for (const mark of [...marks].sort()) {
    const last = runs.at(-1);
    if (last !== undefined && mark === next) last.count += 1;
    else runs.push({ from: mark, count: 1 });
    next = markAfter(mark, 1);
  }
  return runs;
}

/** What makes `wanted` of a text. */
export interface TextChange {
  readonly erased: readonly MarkRun[];
  readonly typed: readonly { readonly after: Mark | undefined; readonly text: string }[];
}

/** The difference, character by character. */
export function textChange(items: readonly SequenceItem[], wanted: string): TextChange {
  const { removed, inserted } = changeOf(items, Array.from(wanted), jsonKey);
  return {
    erased: runsOf(removed),
    typed: inserted.map(({ after, values }) => ({
      after,
      text: values.map((value) => characterOf({ value })).join(""),
    })),
  };
}
