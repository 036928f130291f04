/**
 * Queries over the documents of a collection (docs/spec/doc.md §5): matching, order, pages, and which
 * index helps. Layer 7.
 */
import { fromBase64url, fromUtf8, toBase64url, utf8 } from "@hawser/codec";
import {
  and,
  matcherOf,
  pathOf,
  readerOf,
  type Candidate,
  type Condition,
  type FieldPath,
  type Matcher,
} from "./conditions.ts";
import { DocError } from "./errors.ts";
import type { Json } from "./json.ts";
import { compareValues, kindOf, kindRange, orderKey, prefixKey } from "./order.ts";
import type { LiveIndex, Records, Row } from "./records.ts";
import type { KeyRange } from "./sorted-index.ts";

/** A field to sort by; ascending unless it says otherwise. */
export type SortKey = FieldPath | { readonly field: FieldPath; readonly descending?: boolean };

/** Which documents, in which order, and how many of them. */
export interface Query {
  readonly where?: Condition;
  /** Default: by id. Ties are broken by id, in the direction of the last key. */
  readonly sort?: readonly SortKey[];
  /** So many are left out first; default 0. */
  readonly skip?: number;
  /** At most so many; default all. */
  readonly limit?: number;
  /** The cursor of the page before; the query must be the same. */
  readonly after?: string;
  /** Use this index and no other. Throws DOC_INDEX_UNKNOWN if there is none of that name. */
  readonly index?: string;
}

/** How a query was or would be answered. */
export interface QueryPlan {
  /** The index that was used, or none: every document was looked at. */
  readonly index: string | undefined;
  /** Does the index have the order that is wanted? */
  readonly isSorted: boolean;
  /** Documents looked at. */
  readonly looked: number;
}

/** A query made ready. */
export interface ReadyQuery {
  readonly matches: Matcher;
  compare(a: Candidate, b: Candidate): number;
  readonly skip: number;
  readonly limit: number;
  cursorOf(row: Candidate): string;
  readonly sort: readonly ReadySortKey[];
  readonly conjuncts: readonly Condition[];
  readonly index: string | undefined;
}

interface ReadySortKey {
  readonly path: readonly string[];
  readonly isDescending: boolean;
  read(candidate: Candidate): Json | undefined;
}

/** Makes a query ready. Throws DOC_QUERY_INVALID, DOC_CURSOR_INVALID. */
export function readyQuery(query: Query): ReadyQuery {
  const condition = query.where ?? and();
  const sort = (query.sort ?? []).map(readySortKey);
  const isMatch = matcherOf(condition);
  const compare = comparerOf(sort);
  const start = query.after === undefined ? undefined : readCursor(query.after, sort);
  const matches: Matcher =
    start === undefined ? isMatch : (candidate) => start.isBefore(candidate) && isMatch(candidate);
  return {
    matches,
    compare,
    skip: checkCount(query.skip ?? 0),
    limit: query.limit === undefined ? Number.POSITIVE_INFINITY : checkCount(query.limit),
    cursorOf: (row) => writeCursor(row, sort),
    sort,
    conjuncts: conjunctsOf(condition),
    index: query.index,
  };
}

function readySortKey(key: SortKey): ReadySortKey {
  const isPath = typeof key === "string" || Array.isArray(key);
  const { field, descending = false } = isPath
    ? { field: key as FieldPath }
    : (key as { readonly field: FieldPath; readonly descending?: boolean });
  return { path: pathOf(field), isDescending: descending, read: readerOf(field) };
}

function checkCount(count: number): number {
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new DocError("DOC_QUERY_INVALID", "skip and limit are whole numbers from 0");
}

function comparerOf(sort: readonly ReadySortKey[]): (a: Candidate, b: Candidate) => number {
  const isDescending = sort.at(-1)?.isDescending === true;
  return (a, b) => {
    for (const key of sort) {
      const order = compareValues(key.read(a), key.read(b));
      if (order !== 0) return key.isDescending ? -order : order;
    }
    const order = a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
    return isDescending ? -order : order;
  };
}

/** What must hold for certain: the parts of an `and`, and of those inside it. */
function conjunctsOf(condition: Condition): readonly Condition[] {
  return condition.op === "and" ? condition.conditions.flatMap(conjunctsOf) : [condition];
}

function sortName(sort: readonly ReadySortKey[]): string {
  return JSON.stringify(sort.map(({ path, isDescending }) => [path, isDescending]));
}

function writeCursor(row: Candidate, sort: readonly ReadySortKey[]): string {
  const keys = sort.map((key) => orderKey(key.read(row)));
  return toBase64url(utf8(JSON.stringify([sortName(sort), keys, row.id])));
}

/** Whether documents come behind the one that a cursor names. */
function readCursor(cursor: string, sort: readonly ReadySortKey[]) {
  const fail = (cause?: unknown): never => {
    throw new DocError("DOC_CURSOR_INVALID", "the cursor is of another query, or none", { cause });
  };
  let parts: unknown;
  try {
    parts = JSON.parse(fromUtf8(fromBase64url(cursor) ?? new Uint8Array(0)) ?? "");
  } catch (cause) {
    fail(cause);
  }
  const [name, keys, id]: readonly unknown[] = Array.isArray(parts) ? parts : [];
  if (name !== sortName(sort) || !Array.isArray(keys) || typeof id !== "string") return fail();
  const isDescending = sort.at(-1)?.isDescending === true;
  const isBefore = (candidate: Candidate): boolean => {
    for (const [index, key] of sort.entries()) {
      const own = orderKey(key.read(candidate));
      if (own !== keys[index]) return own > String(keys[index]) !== key.isDescending;
    }
    return isDescending ? candidate.id < id : candidate.id > id;
  };
  return { isBefore };
}

/** Rows that match, in order; and how they were found. */
export interface Found {
  readonly rows: readonly Row[];
  readonly cursor: string | undefined;
  readonly plan: QueryPlan;
}

/** Answers a query. Throws DOC_INDEX_UNKNOWN. */
export function findRows(records: Records, query: ReadyQuery): Found {
  const source = sourceOf(records, query);
  const wanted = query.skip + query.limit;
  const rows: Row[] = [];
  let looked = 0;
  for (const id of source.ids()) {
    const row = records.rows.get(id);
    looked += 1;
    if (row === undefined || row.isHidden || !query.matches(row)) continue;
    rows.push(row);
    if (source.isSorted && rows.length > wanted) break;
  }
  if (!source.isSorted) rows.sort(query.compare);
  const page = rows.slice(query.skip, wanted);
  const last = page.at(-1);
  const cursor = last !== undefined && rows.length > wanted ? query.cursorOf(last) : undefined;
  return { rows: page, cursor, plan: { index: source.index, isSorted: source.isSorted, looked } };
}

interface Source {
  readonly index: string | undefined;
  readonly isSorted: boolean;
  ids(): Iterable<string>;
}

function sourceOf(records: Records, query: ReadyQuery): Source {
  const { index: name } = query;
  if (name !== undefined && !records.indexes.has(name)) {
    throw new DocError("DOC_INDEX_UNKNOWN", `the collection has no index ${name}`);
  }
  let best: Bounds | undefined;
  for (const index of records.indexes.values()) {
    if (!index.isOpen || (name !== undefined && index.name !== name)) continue;
    const bounds = boundsOf(index, query);
    if (name === undefined && bounds.score === 0 && !bounds.isSorted) continue;
    if (best === undefined || bounds.score > best.score) best = bounds;
  }
  if (best === undefined) return everything(records, query);
  const { index, ranges, isSorted } = best;
  const direction = query.sort.at(-1)?.isDescending === true ? "descending" : "ascending";
  const ids = function* () {
    for (const range of ranges) yield* index.sorted.scan(range, direction);
  };
  return { index: index.name, isSorted, ids };
}

function everything(records: Records, query: ReadyQuery): Source {
  const whole = { from: "", to: undefined };
  const isById = query.sort.every(({ path }) => path.length === 1 && path[0] === "_id");
  if (!isById || query.sort.length > 1) {
    return { index: undefined, isSorted: false, ids: () => records.rows.keys() };
  }
  const direction = query.sort[0]?.isDescending === true ? "descending" : "ascending";
  return { index: undefined, isSorted: true, ids: () => records.byId.scan(whole, direction) };
}

interface Bounds {
  readonly index: LiveIndex;
  readonly ranges: readonly KeyRange[];
  /** Two for each field that is fixed, one for one that is bounded. */
  readonly score: number;
  readonly isSorted: boolean;
}

/** Which part of an index can hold what is asked for. */
function boundsOf(index: LiveIndex, query: ReadyQuery): Bounds {
  let begin = "";
  let fixed = 0;
  let ranges: readonly KeyRange[] | undefined;
  for (const path of index.paths) {
    const about = query.conjuncts.filter((one) => isAbout(one, path));
    const equal = about.find((one) => one.op === "eq");
    if (equal === undefined) {
      ranges = rangesOf(begin, about);
      break;
    }
    begin += orderKey(equal.value);
    fixed += 1;
  }
  const bounded = ranges ?? [{ from: begin, to: begin === "" ? undefined : `${begin}8` }];
  return {
    index,
    ranges: bounded,
    score: fixed * 2 + (ranges === undefined ? 0 : 1),
    isSorted: bounded.length === 1 && hasOrder(index.paths.slice(fixed), query.sort),
  };
}

type AboutField = Exclude<Condition, { readonly op: "and" | "or" | "not" }>;

function isAbout(condition: Condition, path: readonly string[]): condition is AboutField {
  if (condition.op === "and" || condition.op === "or" || condition.op === "not") return false;
  const own = pathOf(condition.field);
  return own.length === path.length && own.every((key, index) => key === path[index]);
}

/** Is what is left of the index exactly the order that is wanted, all of it one way? */
function hasOrder(paths: readonly (readonly string[])[], sort: readonly ReadySortKey[]): boolean {
  if (paths.length !== sort.length) return false;
  return sort.every(({ path, isDescending }, place) => {
    const other = paths[place] ?? [];
    if (isDescending !== sort[0]?.isDescending || other.length !== path.length) return false;
    return path.every((key, index) => key === other[index]);
  });
}

/** Ranges behind `begin` that what is said of one field allows; `undefined` if nothing bounds it. */
function rangesOf(begin: string, about: readonly AboutField[]): readonly KeyRange[] | undefined {
  const listed = about.find((one) => one.op === "in");
  if (listed !== undefined) {
    const keys = new Set(listed.values.map(orderKey));
    return [...keys].sort().map((key) => ({ from: begin + key, to: `${begin + key}8` }));
  }
  let from: string | undefined;
  let to: string | undefined;
  for (const one of about) {
    const range = rangeOfCondition(one);
    if (range === undefined) continue;
    if (from === undefined || range.from > from) ({ from } = range);
    if (to === undefined || range.to < to) ({ to } = range);
  }
  return from === undefined ? undefined : [{ from: begin + from, to: begin + (to ?? "8") }];
}

function rangeOfCondition(
  one: AboutField,
): { readonly from: string; readonly to: string } | undefined {
  switch (one.op) {
    case "prefix":
      return { from: prefixKey(one.value), to: textAfter(prefixKey(one.value)) };
    case "exists":
      return { from: "1", to: "8" };
    case "lt":
    case "le":
    case "gt":
    case "ge": {
      const kind = kindOf(one.value);
      if (kind === "list" || kind === "object") return undefined;
      const [from, to] = kindRange(one.value);
      const key = orderKey(one.value);
      if (one.op === "lt") return { from, to: key };
      if (one.op === "le") return { from, to: `${key}8` };
      return { from: one.op === "ge" ? key : `${key}8`, to };
    }
    default:
      return undefined;
  }
}

/** The first text behind all that begin like this one, which begins with a digit. */
function textAfter(text: string): string {
  let end = text.length - 1;
  while (text.charCodeAt(end) === 0xffff) end -= 1;
  return text.slice(0, end) + String.fromCharCode(text.charCodeAt(end) + 1);
}
