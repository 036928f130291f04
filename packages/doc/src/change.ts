/**
 * The ops that make one document of another (docs/spec/doc.md §3.5): what stays is not spoken of, so
 * that edits of different fields never undo each other. Layer 7.
 */
import type { FieldPolicy } from "./definition.ts";
import type { Life } from "./document.ts";
import { DocError } from "./errors.ts";
import { equalJson, isObject, jsonKey, type Json, type JsonObject } from "./json.ts";
import { codePointCount, type DocOp } from "./ops.ts";
import { changeOf, createSequence, itemsMax, itemsOf, type Sequence } from "./sequence.ts";
import { charactersOf, createText, textChange } from "./text.ts";

/** Marks in one op, so that no op outgrows an entry. */
export const marksPerOp = 500;

/** What is known when a change is worked out. */
export interface ChangeBase {
  /** The document as its writer saw it, as it is stored. */
  readonly seen: JsonObject;
  readonly life: Life | undefined;
  readonly policies: Readonly<Record<string, FieldPolicy>>;
}

/** The ops from what was seen to what is wanted. Throws DOC_FIELD_POLICY. */
export function opsBetween(base: ChangeBase, wanted: JsonObject): readonly DocOp[] {
  const ops: DocOp[] = [];
  const policyOf = (field: string): FieldPolicy =>
    Object.hasOwn(base.policies, field) ? (base.policies[field] ?? "last") : "last";
  for (const field of fieldsOf(base.seen, wanted)) {
    const policy = policyOf(field);
    const before = ownValue(base.seen, field);
    const after = ownValue(wanted, field);
    if (policy === "last") changeValue(ops, [field], before, after);
    // A document that does not mention such a field leaves it as it is.
    else if (after !== undefined && !equalJson(before, after)) {
      ops.push(...policyOps(base, policy, field, after));
    }
  }
  return ops;
}

function fieldsOf(before: JsonObject, after: JsonObject): readonly string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
}

function ownValue(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** The ops from one value of a place to another. Depth is bounded: both were checked. */
export function changeValue(
  ops: DocOp[],
  path: readonly string[],
  before: Json | undefined,
  after: Json | undefined,
): void {
  if (equalJson(before, after)) return;
  if (after === undefined) {
    ops.push({ op: "unset", path });
    return;
  }
  if (!isObject(after)) {
    ops.push({ op: "set", path, value: after });
    return;
  }
  const inner = isObject(before) ? before : {};
  if (!isObject(before)) ops.push({ op: "object", path });
  for (const key of fieldsOf(inner, after)) {
    changeValue(ops, [...path, key], ownValue(inner, key), ownValue(after, key));
  }
}

function policyOps(
  base: ChangeBase,
  policy: Exclude<FieldPolicy, "last">,
  field: string,
  after: Json,
): readonly DocOp[] {
  const before = ownValue(base.seen, field);
  // Nothing is in it that an op could speak of, and yet it is there.
  const isBlank = policy === "text" ? after === "" : Array.isArray(after) && after.length === 0;
  if (before === undefined && isBlank) return [{ op: "set", path: [field], value: after }];
  if (policy === "counter") return [addition(field, before, after)];
  if (policy === "text") {
    if (typeof after === "string") return textOps(base.life, field, after);
    throw new DocError("DOC_FIELD_POLICY", `${field} is a text`);
  }
  if (!Array.isArray(after)) {
    throw new DocError("DOC_FIELD_POLICY", `${field} is a ${policy}, so its value is a list`);
  }
  const items = after as readonly Json[];
  return policy === "set" ? setOps(field, before, items) : listOps(base.life, field, items);
}

function addition(field: string, before: Json | undefined, after: Json): DocOp {
  const start = typeof before === "number" ? before : 0;
  const amount = typeof after === "number" ? after - start : Number.NaN;
  if (!Number.isSafeInteger(amount)) {
    throw new DocError("DOC_FIELD_POLICY", `${field} is a counter and changes by whole numbers`);
  }
  return { op: "add", field, amount };
}

function setOps(field: string, before: Json | undefined, after: readonly Json[]): readonly DocOp[] {
  const held = new Map<string, Json>();
  for (const value of Array.isArray(before) ? (before as readonly Json[]) : []) {
    held.set(jsonKey(value), value);
  }
  const wanted = new Map(after.map((value) => [jsonKey(value), value]));
  const excluded = [...held].filter(([key]) => !wanted.has(key));
  const included = [...wanted].filter(([key]) => !held.has(key));
  return [
    ...excluded.map(([, value]): DocOp => ({ op: "exclude", field, value })),
    ...included.map(([, value]): DocOp => ({ op: "include", field, value })),
  ];
}

function listOps(life: Life | undefined, field: string, after: readonly Json[]): readonly DocOp[] {
  const items = itemsOf(life?.sequences.get(field) ?? createSequence());
  if (items === undefined) throw new DocError("DOC_TOO_LARGE", `${field} has too many items`);
  const { removed, inserted } = changeOf(items, after, jsonKey);
  checkRoom(
    field,
    life?.sequences.get(field),
    inserted.reduce((sum, run) => sum + run.values.length, 0),
  );
  const ops: DocOp[] = [];
  for (let start = 0; start < removed.length; start += marksPerOp) {
    ops.push({ op: "remove", field, items: removed.slice(start, start + marksPerOp) });
  }
  for (const run of inserted) ops.push({ op: "insert", field, ...run });
  return ops;
}

function textOps(life: Life | undefined, field: string, after: string): readonly DocOp[] {
  const text = life?.texts.get(field) ?? createText();
  const items = charactersOf(text);
  if (items === undefined) throw new DocError("DOC_TOO_LARGE", `${field} has too many characters`);
  const { erased, typed } = textChange(items, after);
  checkRoom(
    field,
    text.characters,
    typed.reduce((sum, run) => sum + codePointCount(run.text), 0),
  );
  const ops: DocOp[] = [];
  for (let start = 0; start < erased.length; start += marksPerOp) {
    ops.push({ op: "erase", field, runs: erased.slice(start, start + marksPerOp) });
  }
  for (const run of typed) ops.push({ op: "type", field, ...run });
  return ops;
}

/** What is removed keeps its place, so a field fills up: it is refused before nobody can read it. */
function checkRoom(field: string, sequence: Sequence | undefined, addedCount: number): void {
  if ((sequence?.items.size ?? 0) + addedCount <= itemsMax) return;
  const message =
    addedCount > itemsMax
      ? `${field} would have more than ${itemsMax} items`
      : `${field} has had ${itemsMax} items: delete the document and put it anew`;
  throw new DocError("DOC_TOO_LARGE", message);
}
