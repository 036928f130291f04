/**
 * JSON as Go's databases wrote it: texts that keep whole numbers of any size, merge patches of
 * RFC 7396. Layer 7, pure.
 */

/** A JSON value; integers outside ±(2^53 − 1) are bigints. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonValue[]
  | JsonFields;

export interface JsonFields {
  readonly [key: string]: JsonValue;
}

/** How deep a JSON text may nest; checked before it is parsed. */
export const jsonDepthMax = 64;

/** The value of a JSON text; `undefined` when it is none or nests too deep. */
export function parseJson(text: string): JsonValue | undefined {
  if (!isShallow(text)) return undefined;
  try {
    // Safe: the reviver adds bigints and nothing else to what JSON holds.
    return JSON.parse(text, exactNumber) as JsonValue;
  } catch {
    return undefined;
  }
}

/** The source text of a number, where the engine tells it, keeps what a double cannot. */
function exactNumber(
  _key: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** The object of a JSON text, or `undefined`. */
export function parseFields(text: string): JsonFields | undefined {
  const value = parseJson(text);
  return isFields(value) ? value : undefined;
}

export function isFields(value: JsonValue | undefined): value is JsonFields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The compact text of a value, fields in the order they have. */
export function formatJson(value: JsonValue): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) {
    return `[${(value as readonly JsonValue[]).map(formatJson).join(",")}]`;
  }
  if (!isFields(value)) return JSON.stringify(value);
  const fields = Object.entries(value).map(
    ([key, field]) => `${JSON.stringify(key)}:${formatJson(field)}`,
  );
  return `{${fields.join(",")}}`;
}

/** Whether two values are the same, whatever the order of their fields. */
export function equalJson(a: JsonValue, b: JsonValue): boolean {
  return formatJson(sorted(a)) === formatJson(sorted(b));
}

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(sorted);
  if (!isFields(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  // `fromEntries` makes own fields even of a key such as __proto__.
  return Object.fromEntries(entries.map(([key, field]) => [key, sorted(field)]));
}

/** `target` changed by an RFC 7396 merge patch: null removes, objects merge, the rest replaces. */
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isFields(patch)) return patch;
  const fields = new Map(isFields(target) ? Object.entries(target) : []);
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) fields.delete(key);
    else fields.set(key, mergePatch(fields.get(key), change));
  }
  return Object.fromEntries(fields);
}

/** The merge patch that leads from one object to the other, fields in text order. */
export function diffPatch(before: JsonFields, after: JsonFields): JsonFields {
  const changes: [string, JsonValue][] = [];
  for (const key of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    const now = Object.hasOwn(after, key) ? after[key] : undefined;
    if (now === undefined) changes.push([key, null]);
    else if (old === undefined) changes.push([key, now]);
    else if (!equalJson(old, now)) {
      changes.push([key, isFields(old) && isFields(now) ? diffPatch(old, now) : now]);
    }
  }
  return Object.fromEntries(changes);
}

function isShallow(text: string): boolean {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (isText && char === "\\") at += 1;
    else if (char === '"') isText = !isText;
    else if (!isText && (char === "[" || char === "{")) {
      depth += 1;
      if (depth > jsonDepthMax) return false;
    } else if (!isText && (char === "]" || char === "}")) depth -= 1;
  }
  return true;
}
