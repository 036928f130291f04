/** Ids that stand as keys in documents, and what may (docs/spec/7-views.md §9.2). */
import { utf8 } from "@hawser/codec";

/** Bytes of UTF-8 of a document or peer id. */
export const keyBytesMax = 256;

/** Names that objects of JavaScript have by themselves: a reader of the JSON might trip on them. */
const reserved: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** May the text be the id of a document, a peer or a group? */
export function isKey(text: string): boolean {
  if (text.length === 0 || text.length > keyBytesMax || !text.isWellFormed()) return false;
  return !reserved.has(text) && utf8(text).length <= keyBytesMax;
}

/** The document that says who may edit documents. */
export function rulesId(spaceId: string): string {
  return `${spaceId}-acl`;
}
