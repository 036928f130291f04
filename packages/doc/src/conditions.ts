/**
 * Conditions as data (docs/spec/doc.md §5.2), and the functions that make them. Nothing in a condition
 * is ever run: values are compared, and no pattern is more than a beginning. Layer 7.
 */
import { DocError } from "./errors.ts";
import { equalJson, type Json, type JsonObject } from "./json.ts";
import { compareValues, kindOf, valueAtPath } from "./order.ts";

/** A field: keys joined by dots, or a list of keys when one has a dot in it. `_id` is the id. */
export type FieldPath = string | readonly string[];

/** What compares a field with one value. */
export type Comparison = "eq" | "ne" | "lt" | "le" | "gt" | "ge";

/** What a document must be like. */
export type Condition =
  | {
      [Op in Comparison]: { readonly op: Op; readonly field: FieldPath; readonly value: Json };
    }[Comparison]
  | { readonly op: "in"; readonly field: FieldPath; readonly values: readonly Json[] }
  | { readonly op: "exists"; readonly field: FieldPath }
  | { readonly op: "prefix"; readonly field: FieldPath; readonly value: string }
  | { readonly op: "contains"; readonly field: FieldPath; readonly value: Json }
  | { readonly op: "and"; readonly conditions: readonly Condition[] }
  | { readonly op: "or"; readonly conditions: readonly Condition[] }
  | { readonly op: "not"; readonly condition: Condition };

/** The field is there, of the value's kind, and equal. */
export const eq = (field: FieldPath, value: Json): Condition => ({ op: "eq", field, value });
/** The field is there, of the value's kind, and another. */
export const ne = (field: FieldPath, value: Json): Condition => ({ op: "ne", field, value });
/** Of the value's kind and less. */
export const lt = (field: FieldPath, value: Json): Condition => ({ op: "lt", field, value });
/** Of the value's kind and less or equal. */
export const le = (field: FieldPath, value: Json): Condition => ({ op: "le", field, value });
/** Of the value's kind and greater. */
export const gt = (field: FieldPath, value: Json): Condition => ({ op: "gt", field, value });
/** Of the value's kind and greater or equal. */
export const ge = (field: FieldPath, value: Json): Condition => ({ op: "ge", field, value });
/** Equal to one of the values. */
export const isIn = (field: FieldPath, values: readonly Json[]): Condition => ({
  op: "in",
  field,
  values,
});
/** The field is there, if only with null. */
export const exists = (field: FieldPath): Condition => ({ op: "exists", field });
/** Text that begins so. */
export const prefix = (field: FieldPath, value: string): Condition => ({
  op: "prefix",
  field,
  value,
});
/** A list one of whose items is equal. */
export const contains = (field: FieldPath, value: Json): Condition => ({
  op: "contains",
  field,
  value,
});
/** All of them; true for none. */
export const and = (...conditions: readonly Condition[]): Condition => ({ op: "and", conditions });
/** At least one of them; false for none. */
export const or = (...conditions: readonly Condition[]): Condition => ({ op: "or", conditions });
/** Whatever the condition does not match, documents without the field too. */
export const not = (condition: Condition): Condition => ({ op: "not", condition });

/** Conditions inside each other. */
const conditionDepthMax = 64;

/** A document as queries see it. */
export interface Candidate {
  readonly id: string;
  readonly doc: JsonObject;
}

/** Says whether a document matches. */
export type Matcher = (candidate: Candidate) => boolean;

/** The keys of a path. Throws DOC_QUERY_INVALID for an empty one. */
export function pathOf(field: FieldPath): readonly string[] {
  const path = typeof field === "string" ? field.split(".") : field;
  if (path.length > 0 && path.every((key) => key !== "")) return path;
  throw new DocError("DOC_QUERY_INVALID", "a field is one or more keys, none of them empty");
}

/** Reads the value at a path. */
export function readerOf(field: FieldPath): (candidate: Candidate) => Json | undefined {
  const path = pathOf(field);
  if (path.length === 1 && path[0] === "_id") return ({ id }) => id;
  return ({ doc }) => valueAtPath(doc, path);
}

/** Makes a function of a condition. Throws DOC_QUERY_INVALID. */
export function matcherOf(condition: Condition, depth = 0): Matcher {
  if (depth > conditionDepthMax) {
    throw new DocError("DOC_QUERY_INVALID", `conditions nest deeper than ${conditionDepthMax}`);
  }
  switch (condition.op) {
    case "and": {
      const all = condition.conditions.map((inner) => matcherOf(inner, depth + 1));
      return (candidate) => all.every((matches) => matches(candidate));
    }
    case "or": {
      const any = condition.conditions.map((inner) => matcherOf(inner, depth + 1));
      return (candidate) => any.some((matches) => matches(candidate));
    }
    case "not": {
      const matches = matcherOf(condition.condition, depth + 1);
      return (candidate) => !matches(candidate);
    }
    default:
      return fieldMatcher(condition);
  }
}

type FieldCondition = Exclude<Condition, { readonly op: "and" | "or" | "not" }>;

function fieldMatcher(condition: FieldCondition): Matcher {
  const read = readerOf(condition.field);
  const test = valueTest(condition);
  return (candidate) => {
    const value = read(candidate);
    return value !== undefined && test(value);
  };
}

function valueTest(condition: FieldCondition): (value: Json) => boolean {
  switch (condition.op) {
    case "exists":
      return () => true;
    case "in": {
      const { values } = condition;
      if (!Array.isArray(values)) throw notOf("in", "a list");
      return (value) => values.some((wanted) => equalJson(value, wanted));
    }
    case "prefix": {
      const { value: beginning } = condition;
      if (typeof beginning !== "string") throw notOf("prefix", "text");
      return (value) => typeof value === "string" && value.startsWith(beginning);
    }
    case "contains": {
      const { value: wanted } = condition;
      return (value) => Array.isArray(value) && value.some((item) => equalJson(item, wanted));
    }
    default:
      return comparisonTest(condition.op, condition.value);
  }
}

/** Types say so already; conditions that came as JSON have none. */
function notOf(op: string, kind: string): DocError {
  return new DocError("DOC_QUERY_INVALID", `${op} compares with ${kind}`);
}

function comparisonTest(op: Comparison, wanted: Json): (value: Json) => boolean {
  const kind = kindOf(wanted);
  const isOrdered = kind === "boolean" || kind === "number" || kind === "text" || kind === "null";
  const ofKind = (test: (value: Json) => boolean) => (value: Json) =>
    kindOf(value) === kind && test(value);
  switch (op) {
    case "eq":
      return (value) => equalJson(value, wanted);
    case "ne":
      return ofKind((value) => !equalJson(value, wanted));
    case "lt":
      return ofKind((value) => isOrdered && compareValues(value, wanted) < 0);
    case "le":
      return ofKind((value) => isOrdered && compareValues(value, wanted) <= 0);
    case "gt":
      return ofKind((value) => isOrdered && compareValues(value, wanted) > 0);
    case "ge":
      return ofKind((value) => isOrdered && compareValues(value, wanted) >= 0);
    default:
      throw new DocError("DOC_QUERY_INVALID", "a condition has an operator that is none");
  }
}
