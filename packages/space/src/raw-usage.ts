/**
 * What each author takes up in a raw space (docs/spec/6-space.md §13 *quotas*): there nobody is let
 * in, so how much of strangers is kept is the affair of each store. Layer 5, internal but for the
 * quota.
 */
import type { AuthorId } from "@hawser/crypto";
import type { LogStore, Topic } from "@hawser/log";
import type { AdmissionRequest, RawUsage } from "./types.ts";

/** Bounds on what strangers may leave in each raw space of a store. */
export interface RawQuotaOptions {
  /** Compact bytes of one author's logs; default 64 MiB. */
  readonly authorBytesMax?: number;
  /** Authors; default 1,024. Further ones are refused whole. */
  readonly authorsMax?: number;
}

const authorBytesMaxDefault: number = 64 * 1024 * 1024;
const authorsMaxDefault = 1_024;

/**
 * For the option `admit`: refuses, with `OVER_BUDGET`, what an author of a raw space sends over its
 * quota, and says nothing about other spaces. Raw spaces have it by default; an `admit` of your own
 * takes its place.
 */
export function rawQuota(
  options: RawQuotaOptions = {},
): (request: AdmissionRequest) => string | undefined {
  const { authorBytesMax = authorBytesMaxDefault, authorsMax = authorsMaxDefault } = options;
  return ({ raw, byteCount }) => {
    if (raw === undefined) return undefined;
    const isNew = raw.authorBytes === 0;
    const isOver = raw.authorBytes + byteCount > authorBytesMax;
    return isOver || (isNew && raw.authorCount >= authorsMax) ? "OVER_BUDGET" : undefined;
  };
}

/** Bytes by author, counted once from the store and kept up after that. */
export interface RawBook {
  usageOf(author: AuthorId): Promise<RawUsage>;
  add(author: AuthorId, byteCount: number): void;
}

/** The book of one topic, about everybody but `self`. */
export async function openRawBook(store: LogStore, topic: Topic, self: AuthorId): Promise<RawBook> {
  const authors = new Set((await store.heads(topic)).map(({ context }) => context.author));
  authors.delete(self);
  const bytesByAuthor = new Map<AuthorId, number>();

  const count = async (author: AuthorId): Promise<number> => {
    let byteCount = 0;
    for (const { logId, context } of await store.heads(topic)) {
      if (context.author !== author) continue;
      for await (const range of store.ranges(logId)) byteCount += range.bytes.length;
    }
    return byteCount;
  };

  return {
    usageOf: async (author) => {
      const known = bytesByAuthor.get(author);
      const authorBytes = known ?? (authors.has(author) ? await count(author) : 0);
      if (authors.has(author)) bytesByAuthor.set(author, authorBytes);
      return { authorBytes, authorCount: authors.size };
    },
    add: (author, byteCount) => {
      if (author === self) return;
      bytesByAuthor.set(author, (bytesByAuthor.get(author) ?? 0) + byteCount);
      authors.add(author);
    },
  };
}
