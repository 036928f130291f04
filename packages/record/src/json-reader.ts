/**
 * JSON as it is written: numbers keep their digits, objects the order of their keys and keys that
 * are there twice. `JSON.parse` loses all three. Depth and size are bounded before anything is built.
 */
import { jsonTextMax } from "./limits.ts";

/** A JSON value. */
export type Json =
  | { readonly type: "null" }
  | { readonly type: "bool"; readonly value: boolean }
  /** The digits as written. */
  | { readonly type: "number"; readonly text: string }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "array"; readonly items: readonly Json[] }
  | { readonly type: "object"; readonly fields: readonly (readonly [string, Json])[] };

/** Nesting of JSON; four levels a level of values, and some. */
const jsonDepthMax = 160;

const spaces = /[ \t\n\r]*/y;
const numberForm = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// Control characters end a JSON text, as unescaped quotes do.
// eslint-disable-next-line no-control-regex
const stringForm = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;

/** The value of a whole text, or `undefined` when it is no JSON within the limits. */
export function readJson(text: string): Json | undefined {
  if (text.length > jsonTextMax) return undefined;
  const cursor: Cursor = { text, offset: 0 };
  const value = readValue(cursor, 0);
  skipSpaces(cursor);
  return cursor.offset === text.length ? value : undefined;
}

interface Cursor {
  readonly text: string;
  offset: number;
}

/** What a form matches at the cursor, which moves behind it. */
function take(cursor: Cursor, form: RegExp): string | undefined {
  form.lastIndex = cursor.offset;
  const match = form.exec(cursor.text)?.[0];
  cursor.offset += match?.length ?? 0;
  return match;
}

function skipSpaces(cursor: Cursor): void {
  take(cursor, spaces);
}

function takeWord(cursor: Cursor, word: string): boolean {
  if (!cursor.text.startsWith(word, cursor.offset)) return false;
  cursor.offset += word.length;
  return true;
}

function readValue(cursor: Cursor, depth: number): Json | undefined {
  if (depth > jsonDepthMax) return undefined;
  skipSpaces(cursor);
  switch (cursor.text[cursor.offset]) {
    case "{":
      return readObject(cursor, depth);
    case "[":
      return readArray(cursor, depth);
    case '"': {
      const value = readString(cursor);
      return value === undefined ? undefined : { type: "string", value };
    }
    case "t":
      return takeWord(cursor, "true") ? { type: "bool", value: true } : undefined;
    case "f":
      return takeWord(cursor, "false") ? { type: "bool", value: false } : undefined;
    case "n":
      return takeWord(cursor, "null") ? { type: "null" } : undefined;
    default: {
      const digits = take(cursor, numberForm);
      return digits === undefined ? undefined : { type: "number", text: digits };
    }
  }
}

function readString(cursor: Cursor): string | undefined {
  const quoted = take(cursor, stringForm);
  if (quoted === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(quoted);
    return typeof value === "string" && value.isWellFormed() ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the list ends here; `undefined` when neither a comma nor the end comes. */
function takeSeparator(cursor: Cursor, end: string): "more" | "end" | undefined {
  skipSpaces(cursor);
  if (takeWord(cursor, ",")) return "more";
  return takeWord(cursor, end) ? "end" : undefined;
}

function readArray(cursor: Cursor, depth: number): Json | undefined {
  cursor.offset += 1;
  const items: Json[] = [];
  skipSpaces(cursor);
  if (takeWord(cursor, "]")) return { type: "array", items };
  for (;;) {
    const item = readValue(cursor, depth + 1);
    if (item === undefined) return undefined;
    items.push(item);
    const separator = takeSeparator(cursor, "]");
    if (separator === "end") return { type: "array", items };
    if (separator === undefined) return undefined;
  }
}

function readObject(cursor: Cursor, depth: number): Json | undefined {
  cursor.offset += 1;
  const fields: (readonly [string, Json])[] = [];
  skipSpaces(cursor);
  if (takeWord(cursor, "}")) return { type: "object", fields };
  for (;;) {
    skipSpaces(cursor);
    const name = readString(cursor);
    skipSpaces(cursor);
    if (name === undefined || !takeWord(cursor, ":")) return undefined;
    const value = readValue(cursor, depth + 1);
    if (value === undefined) return undefined;
    fields.push([name, value]);
    const separator = takeSeparator(cursor, "}");
    if (separator === "end") return { type: "object", fields };
    if (separator === undefined) return undefined;
  }
}
