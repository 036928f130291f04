/**
 * The order of values (docs/spec/doc.md §5.1): missing < null < false < true < numbers < text < lists
 * < objects. Lists are equal to each other here, and objects too. Layer 7.
 */
import type { Json, JsonObject } from "./json.ts";

/** The kinds of values that are told apart; comparisons never cross them. */
export type ValueKind = "missing" | "null" | "boolean" | "number" | "text" | "list" | "object";

const ranks: Readonly<Record<ValueKind, number>> = {
  missing: 0,
  null: 1,
  boolean: 2,
  number: 4,
  text: 5,
  list: 6,
  object: 7,
};

/** Which kind a value is of. */
export function kindOf(value: Json | undefined): ValueKind {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (typeof value === "boolean" || typeof value === "number") return typeof value as ValueKind;
  if (typeof value === "string") return "text";
  return Array.isArray(value) ? "list" : "object";
}

/** Negative, zero or positive. Text is compared by UTF-16 code units. */
export function compareValues(a: Json | undefined, b: Json | undefined): number {
  const kind = kindOf(a);
  const other = kindOf(b);
  if (kind !== other) return ranks[kind] - ranks[other];
  if (kind === "list" || kind === "object" || a === b) return 0;
  // Safe: both are booleans, numbers or text of one kind.
  return (a as number) < (b as number) ? -1 : 1;
}

/** A key whose order as text is that of values, and of which none is the beginning of another. */
export function orderKey(value: Json | undefined): string {
  const kind = kindOf(value);
  const rank = ranks[kind];
  if (kind === "boolean") return String(value === true ? rank + 1 : rank);
  if (kind === "number") return `${rank}${numberKey(value as number)}`;
  if (kind === "text") return `${rank}${textKey(value as string)}\u0000\u0000`;
  return String(rank);
}

/** The beginning that the keys of all texts with this prefix share. */
export function prefixKey(prefix: string): string {
  return `${ranks.text}${textKey(prefix)}`;
}

/** The beginning that all keys of that kind share, and the first text behind them all. */
export function kindRange(value: Json): readonly [from: string, to: string] {
  const rank = ranks[kindOf(value)];
  return [String(rank), String(rank + (typeof value === "boolean" ? 2 : 1))];
}

function textKey(text: string): string {
  return text.includes("\u0000") ? text.replaceAll("\u0000", "\u0000\u0001") : text;
}

const scratch = new DataView(new ArrayBuffer(8));

/** IEEE 754 with the sign turned, so that it sorts as numbers do; four characters. */
function numberKey(value: number): string {
  scratch.setFloat64(0, value === 0 ? 0 : value);
  const isNegative = scratch.getUint8(0) >= 128;
  let key = "";
  for (let offset = 0; offset < 8; offset += 2) {
    const unit = scratch.getUint16(offset);
    const turned = isNegative ? 0xffff - unit : offset === 0 ? unit + 0x8000 : unit;
    key += String.fromCharCode(turned);
  }
  return key;
}

/** The value at a path of keys, own fields only; `undefined` when something on the way is missing. */
export function valueAtPath(doc: JsonObject, path: readonly string[]): Json | undefined {
  let value: Json | undefined = doc;
  for (const key of path) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    if (!Object.hasOwn(value, key)) return undefined;
    value = (value as JsonObject)[key];
  }
  return value;
}
