/**
 * Lenses: how the documents of this version of an application stand to what is stored, so that older
 * and newer clients edit the same documents side by side (docs/spec/doc.md §6). Data, no code. Layer 7.
 */
import { DocError } from "./errors.ts";
import { equalJson, isObject, type Json, type JsonObject } from "./json.ts";
import { pathOf, type FieldPath } from "./conditions.ts";
import { valueAtPath } from "./order.ts";

/** One step from what is stored towards what the application sees. */
export type LensStep =
  /** The application has another name or place for the field; both may be nested. */
  | { readonly step: "rename"; readonly from: FieldPath; readonly to: FieldPath }
  /** A field that older clients do not write reads as this value. */
  | { readonly step: "default"; readonly field: FieldPath; readonly value: Json }
  /** A field the application does not want to see; it stays stored, and older clients use it. */
  | { readonly step: "hide"; readonly field: FieldPath }
  /**
   * A field with other values in a new place. Both stay stored; the table has pairs of old and new.
   * Where an older client changed the old one, the first pair with it tells the new.
   */
  | {
      readonly step: "convert";
      readonly from: FieldPath;
      readonly to: FieldPath;
      readonly table: readonly (readonly [old: Json, new_: Json])[];
    };

/** A lens made ready. */
export interface Lens {
  /** From stored to seen. */
  see(stored: JsonObject): JsonObject;
  /** From seen to stored. Fields that are hidden are simply not in it. */
  store(seen: JsonObject): JsonObject;
  /** Where a seen field is stored. */
  storedPaths(path: readonly string[]): readonly (readonly string[])[];
}

interface ReadyStep {
  see(doc: JsonObject): JsonObject;
  store(doc: JsonObject): JsonObject;
  storedPaths(path: readonly string[]): readonly (readonly string[])[];
}

const sameFields = { storedPaths: (path: readonly string[]) => [path] };

/** Throws DOC_DEFINITION_INVALID for steps that contradict themselves. */
export function createLens(steps: readonly LensStep[]): Lens {
  const ready = steps.map(readyStep);
  return {
    see: (stored) => ready.reduce((doc, step) => step.see(doc), stored),
    store: (seen) => ready.reduceRight((doc, step) => step.store(doc), seen),
    storedPaths: (path) =>
      ready.reduceRight<readonly (readonly string[])[]>(
        (paths, step) => paths.flatMap((one) => step.storedPaths(one)),
        [path],
      ),
  };
}

function readyStep(step: LensStep): ReadyStep {
  switch (step.step) {
    case "rename":
      return renameStep(pathOf(step.from), pathOf(step.to));
    case "default": {
      const path = pathOf(step.field);
      const { value } = step;
      const see = (doc: JsonObject) =>
        valueAtPath(doc, path) === undefined ? withValue(doc, path, value) : doc;
      return { see, store: (doc) => doc, ...sameFields };
    }
    case "hide": {
      const path = pathOf(step.field);
      const hide = (doc: JsonObject) => withValue(doc, path, undefined);
      return { see: hide, store: hide, ...sameFields };
    }
    case "convert":
      return convertStep(pathOf(step.from), pathOf(step.to), step.table);
  }
}

function isWithin(path: readonly string[], outer: readonly string[]): boolean {
  return outer.every((key, index) => path[index] === key);
}

function renameStep(from: readonly string[], to: readonly string[]): ReadyStep {
  if (isWithin(from, to) || isWithin(to, from)) {
    throw new DocError("DOC_DEFINITION_INVALID", "a field is not renamed into itself");
  }
  const move = (doc: JsonObject, source: readonly string[], target: readonly string[]) => {
    const value = valueAtPath(doc, source);
    return value === undefined ? doc : withValue(withoutValue(doc, source), target, value);
  };
  return {
    see: (doc) => move(doc, from, to),
    store: (doc) => move(doc, to, from),
    storedPaths: (path) => [isWithin(path, to) ? [...from, ...path.slice(to.length)] : path],
  };
}

/** Takes a field out, and the objects around it that hold nothing else. */
function withoutValue(doc: JsonObject, path: readonly string[]): JsonObject {
  for (let length = path.length - 1; length > 0; length--) {
    const outer = valueAtPath(doc, path.slice(0, length));
    const isOnly = isObject(outer) && Object.keys(outer).length === 1;
    if (!isOnly) return withValue(doc, path.slice(0, length + 1), undefined);
  }
  return withValue(doc, path.slice(0, 1), undefined);
}

function convertStep(
  from: readonly string[],
  to: readonly string[],
  table: readonly (readonly [Json, Json])[],
): ReadyStep {
  if (table.length === 0 || isWithin(from, to) || isWithin(to, from)) {
    throw new DocError("DOC_DEFINITION_INVALID", "a conversion has two fields and a table");
  }
  const see = (doc: JsonObject): JsonObject => {
    const old = valueAtPath(doc, from);
    const held = valueAtPath(doc, to);
    const rows = table.filter(([left]) => equalJson(left, old));
    const row = rows.find(([, right]) => equalJson(right, held)) ?? rows[0];
    const without = withValue(doc, from, undefined);
    return row === undefined ? without : withValue(without, to, row[1]);
  };
  const store = (doc: JsonObject): JsonObject => {
    const value = valueAtPath(doc, to);
    const row = table.find(([, right]) => equalJson(right, value));
    return row === undefined ? doc : withValue(doc, from, row[0]);
  };
  return { see, store, storedPaths: (path) => (isWithin(path, to) ? [path, from] : [path]) };
}

/** A copy with another value at a path; `undefined` takes the field out. */
export function withValue(
  doc: JsonObject,
  path: readonly string[],
  value: Json | undefined,
): JsonObject {
  const [key, ...rest] = path;
  if (key === undefined) return doc;
  if (rest.length === 0) {
    if (value !== undefined) return { ...doc, [key]: value };
    if (!Object.hasOwn(doc, key)) return doc;
    return Object.fromEntries(Object.entries(doc).filter(([name]) => name !== key));
  }
  const inner = Object.hasOwn(doc, key) ? doc[key] : undefined;
  if (!isObject(inner) && value === undefined) return doc;
  const nested = withValue(isObject(inner) ? inner : {}, rest, value);
  return { ...doc, [key]: nested };
}
