/**
 * One document as all events together make it (docs/spec/doc.md §3). Layer 7.
 */
import { jsonFromKey, jsonKey, valueCountMax, type Json, type JsonObject } from "./json.ts";
import { compareValues } from "./order.ts";
import type { Mark } from "./marks.ts";
import type { DocItem, DocOp } from "./ops.ts";
import { cloneSequence, createSequence, insertItem, itemsOf, type Sequence } from "./sequence.ts";
import { cloneText, createText, eraseText, readText, typeText, type TextField } from "./text.ts";
import {
  cloneNode,
  createNode,
  lastMarkAt,
  setAt,
  valueAt,
  type TreeNode,
  type ValueBudget,
} from "./tree.ts";

/** An element of a set: whether the latest word on it put it in. */
export interface SetElement {
  readonly mark: Mark;
  readonly isIn: boolean;
}

/** What was said of one life of a document. */
export interface Life {
  /** Did an event begin it? The first life needs none; others may be named before they come in. */
  isBegun: boolean;
  existence: { readonly mark: Mark; readonly exists: boolean } | undefined;
  readonly root: TreeNode;
  counters: FieldMap<bigint>;
  sets: FieldMap<Map<string, SetElement>>;
  sequences: FieldMap<Sequence>;
  texts: FieldMap<TextField>;
}

/** What was said of fields with a policy. Most lives have none, and share one empty map. */
export type FieldMap<Value> = ReadonlyMap<string, Value>;

const noFields: FieldMap<never> = new Map<string, never>();

/** The entries as a map, or the empty one. */
export function fieldMapOf<Value>(entries: readonly (readonly [string, Value])[]): FieldMap<Value> {
  return entries.length === 0 ? noFields : new Map(entries);
}

/** The map with one field more, or another value of it: changed in place, unless it is the empty one. */
function withField<Value>(map: FieldMap<Value>, field: string, value: Value): FieldMap<Value> {
  // Safe: every other map was made here, for one life.
  const own = map === noFields ? new Map<string, Value>() : (map as Map<string, Value>);
  return own.set(field, value);
}

/** A document: its lives by the marks that began them, "" for the first. */
export interface StoredDoc {
  readonly lives: Map<Mark | "", Life>;
  /** The life that counts: the latest that was begun. Earlier ones are forgotten. */
  current: Mark | "";
}

/** A document of which nothing has been said. */
export function createStoredDoc(): StoredDoc {
  return { lives: new Map(), current: "" };
}

/** A copy that can be changed by itself; of nothing, a document of which nothing was said. */
export function cloneStoredDoc(doc: StoredDoc | undefined): StoredDoc {
  if (doc === undefined) return createStoredDoc();
  const lives = [...doc.lives].map(([mark, life]) => [mark, cloneLife(life)] as const);
  return { lives: new Map(lives), current: doc.current };
}

function cloneLife(life: Life): Life {
  const { isBegun, existence, root, counters, sets, sequences, texts } = life;
  return {
    isBegun,
    existence,
    root: cloneNode(root),
    counters: fieldMapOf([...counters]),
    sets: fieldMapOf([...sets].map(([field, elements]) => [field, new Map(elements)])),
    sequences: fieldMapOf([...sequences].map(([field, one]) => [field, cloneSequence(one)])),
    texts: fieldMapOf([...texts].map(([field, one]) => [field, cloneText(one)])),
  };
}

function createLife(isBegun: boolean): Life {
  return {
    isBegun,
    existence: undefined,
    root: createNode(),
    counters: noFields,
    sets: noFields,
    sequences: noFields,
    texts: noFields,
  };
}

/**
 * Takes in what an event says of the document. Each op, and each item of an insert, has its own mark,
 * counted through the event from `firstIndex`; gives the next index.
 */
export function applyItem(
  doc: StoredDoc,
  item: DocItem,
  markAt: (index: number) => Mark,
  firstIndex: number,
): number {
  let index = firstIndex;
  const own = markAt(index++);
  const lifeMark = item.life === "first" ? "" : item.life === "new" ? own : item.life;
  const life = lifeFor(doc, lifeMark, own);
  // A life may be spoken of before the event that begins it has come in.
  if (item.life === "first" || item.life === "new") life.isBegun = true;
  if (item.existence !== "unsaid" && (life.existence?.mark ?? "") < own) {
    life.existence = { mark: own, exists: item.existence === "put" };
  }
  for (const op of item.ops) {
    applyOp(life, op, () => markAt(index++));
  }
  if (life.isBegun && lifeMark > doc.current) {
    doc.current = lifeMark;
    for (const mark of doc.lives.keys()) if (mark < lifeMark) doc.lives.delete(mark);
  }
  return index;
}

/** A life that is over, or that its writer cannot have seen, takes things in that nobody reads. */
function lifeFor(doc: StoredDoc, mark: Mark | "", own: Mark): Life {
  const life = doc.lives.get(mark) ?? createLife(false);
  if (mark >= doc.current && mark <= own) doc.lives.set(mark, life);
  return life;
}

function applyOp(life: Life, op: DocOp, nextMark: () => Mark): void {
  switch (op.op) {
    case "set":
      setAt(life.root, op.path, { kind: "leaf", value: op.value }, nextMark());
      return;
    case "object":
      setAt(life.root, op.path, { kind: "object" }, nextMark());
      return;
    case "unset":
      setAt(life.root, op.path, { kind: "absent" }, nextMark());
      return;
    case "add":
      nextMark();
      life.counters = withField(
        life.counters,
        op.field,
        (life.counters.get(op.field) ?? 0n) + BigInt(op.amount),
      );
      return;
    case "include":
    case "exclude": {
      const elements = life.sets.get(op.field) ?? new Map<string, SetElement>();
      const key = jsonKey(op.value);
      const mark = nextMark();
      const known = elements.get(key);
      if (known === undefined || known.mark < mark) {
        elements.set(key, { mark, isIn: op.op === "include" });
      }
      life.sets = withField(life.sets, op.field, elements);
      return;
    }
    case "insert": {
      const sequence = sequenceOf(life, op.field);
      let after = op.after;
      for (const value of op.values) {
        const mark = nextMark();
        insertItem(sequence, { mark, after, value });
        after = mark;
      }
      return;
    }
    case "remove": {
      nextMark();
      const sequence = sequenceOf(life, op.field);
      for (const mark of op.items) sequence.removed.add(mark);
      return;
    }
    case "type":
      typeText(textOf(life, op.field), op.after, op.text, nextMark);
      return;
    case "erase": {
      nextMark();
      const text = textOf(life, op.field);
      for (const run of op.runs) eraseText(text, run);
    }
  }
}

function textOf(life: Life, field: string): TextField {
  const known = life.texts.get(field);
  if (known !== undefined) return known;
  const text = createText();
  life.texts = withField(life.texts, field, text);
  return text;
}

function sequenceOf(life: Life, field: string): Sequence {
  const known = life.sequences.get(field);
  if (known !== undefined) return known;
  const sequence = createSequence();
  life.sequences = withField(life.sequences, field, sequence);
  return sequence;
}

/** A document as it reads, or why it cannot be read. */
export type ReadDoc =
  | { readonly state: "absent" }
  | { readonly state: "present"; readonly value: JsonObject; readonly life: Life }
  | { readonly state: "too large" };

/** Puts the document together. */
export function readDoc(doc: StoredDoc | undefined): ReadDoc {
  const life = doc?.lives.get(doc.current);
  if (life?.existence?.exists !== true) return { state: "absent" };
  const value = readLife(life);
  return value === undefined ? { state: "too large" } : { state: "present", value, life };
}

function readLife(life: Life): JsonObject | undefined {
  const partCount = life.counters.size + life.sets.size + life.sequences.size + life.texts.size;
  if (partCount > valueCountMax) return undefined;
  for (const elements of life.sets.values()) if (elements.size > valueCountMax) return undefined;
  const budget = createBudget();
  const base = valueAt(life.root, budget);
  // As mostly: then it is sorted, and nobody else has it.
  if (partCount === 0) return budget.isOver ? undefined : ((base ?? {}) as JsonObject);
  // Safe: the root has no register of its own, so it is an object or nothing.
  const fields: Record<string, Json> = { ...(base as JsonObject | undefined) };
  for (const [field, sum] of life.counters) {
    const start = fields[field];
    fields[field] = Number(sum) + (typeof start === "number" ? start : 0);
  }
  for (const [field, elements] of life.sets) fields[field] = elementsOf(elements, fields[field]);
  for (const [field, sequence] of life.sequences) {
    const items = itemsOf(sequence);
    if (items === undefined) return undefined;
    fields[field] = items.map((item) => item.value);
  }
  for (const [field, text] of life.texts) {
    const value = readText(text);
    if (value === undefined) return undefined;
    fields[field] = value;
  }
  for (const field of [...life.sets.keys(), ...life.sequences.keys(), ...life.texts.keys()]) {
    budget.take(fields[field] ?? null);
  }
  if (budget.isOver) return undefined;
  return Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Elements in the order of values. A list that was written before the field became a set counts as
 * elements of which nothing was said since.
 */
function elementsOf(
  elements: ReadonlyMap<string, SetElement>,
  base: Json | undefined,
): readonly Json[] {
  const values = new Map<string, Json>();
  for (const value of Array.isArray(base) ? (base as readonly Json[]) : []) {
    const key = jsonKey(value);
    if (!elements.has(key)) values.set(key, value);
  }
  for (const [key, { isIn }] of elements) {
    if (isIn) values.set(key, jsonFromKey(key) ?? null);
  }
  const sorted = [...values].sort(
    ([keyA, a], [keyB, b]) => compareValues(a, b) || (keyA < keyB ? -1 : 1),
  );
  return sorted.map(([, value]) => value);
}

function createBudget(): ValueBudget {
  let count = 0;
  return {
    take: (root: Json): boolean => {
      const open: Json[] = [root];
      for (let value = open.pop(); value !== undefined; value = open.pop()) {
        count += 1;
        if (count > valueCountMax) return false;
        if (typeof value === "object" && value !== null) open.push(...Object.values(value));
      }
      return true;
    },
    get isOver() {
      return count > valueCountMax;
    },
  };
}

/** When a field last changed, in the total order; none for a field that never was. */
export function fieldMark(life: Life, path: readonly string[]): Mark | undefined {
  return lastMarkAt(life.root, path);
}
