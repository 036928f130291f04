/** Queries over many documents (docs/spec/record.md §7.4). */
import type { AuthorId } from "@hawser/crypto";
import { expand, matchAll, tagged, type Found, type Pattern, type WildPath } from "./select.ts";
import type { RecordDocument } from "./show.ts";
import type { RecordNode } from "./types.ts";

/** Which parts of which documents. */
export interface RecordQuery<T = RecordNode> {
  /** One key; else all with `prefix`, default all. */
  readonly key?: string;
  readonly prefix?: string;
  /** Whose documents; default everybody's. */
  readonly authors?: readonly AuthorId[];
  /** As of when, in µs; default now. */
  readonly nowMicros?: number;
  /** Where in the document; `anything` stands for any step. Default the document itself. */
  readonly path?: WildPath;
  /** Then everything below that the pattern accepts (`matchAll`). */
  readonly match?: Pattern<T>;
  /** Or every predicate of this tag. */
  readonly tag?: string;
  /** At most so many; default 1,000. */
  readonly limit?: number;
}

/** One part of one document. */
export interface RecordMatch<T = RecordNode> extends Found<T> {
  readonly key: string;
  readonly author: AuthorId;
}

/** Goes through documents by key, then by author. */
export function findIn<T>(
  keys: readonly string[],
  get: (key: string) => ReadonlyMap<AuthorId, RecordDocument>,
  query: RecordQuery<T>,
): readonly RecordMatch<T>[] {
  const limit = query.limit ?? 1_000;
  const matches: RecordMatch<T>[] = [];
  for (const key of keys) {
    for (const [author, document] of get(key)) {
      for (const found of findInside(document, query)) {
        if (matches.length >= limit) return matches;
        matches.push({ key, author, ...found });
      }
    }
  }
  return matches;
}

function findInside<T>(document: RecordDocument, query: RecordQuery<T>): readonly Found<T>[] {
  const parts = expand(document.node, query.path ?? []);
  // Safe: without `match`, T is RecordNode, which is what `tagged` and `expand` give.
  const pattern = query.match ?? (query.tag === undefined ? undefined : tagged(query.tag));
  if (pattern === undefined) return parts as readonly Found<T>[];
  return parts.flatMap((part) =>
    matchAll(pattern as Pattern<T>, part.node).map((found) => {
      return { ...found, path: [...part.path, ...found.path] };
    }),
  );
}
