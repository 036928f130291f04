/**
 * JSON Lines: a document a line, its id under `_id`. Layer 7.
 */
import { DocError } from "./errors.ts";
import { isObject, type JsonObject } from "./json.ts";

/** UTF-16 code units of one line. */
export const lineLengthMax = 1_000_000;

/** A document as a line, without a line break. */
export function toLine(id: string, doc: JsonObject): string {
  return JSON.stringify({ _id: id, ...doc });
}

/** A line's id, if it has one, and its document. Throws DOC_LINE_INVALID. */
export function fromLine(
  line: string,
  number: number,
): { readonly id: string | undefined; readonly doc: object } {
  const fail = (message: string, cause?: unknown): never => {
    throw new DocError("DOC_LINE_INVALID", `line ${number} ${message}`, { cause });
  };
  if (line.length > lineLengthMax) fail(`is longer than ${lineLengthMax}`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    fail("is no JSON", cause);
  }
  if (!isObject(value)) return fail("is no document");
  const { _id: id, ...doc } = value;
  if (id !== undefined && typeof id !== "string") return fail("has an _id that is no text");
  return { id, doc };
}
