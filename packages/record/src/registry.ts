/**
 * Smart tags (docs/spec/record.md §9): predicates that mean something, in a registry. Predicates of
 * unknown tags are kept as they are.
 */
import type { Crypto } from "@hawser/crypto";
import { RecordError } from "./errors.ts";
import type { Parsed, Pattern } from "./select.ts";
import type { PredicateNode, RecordNode } from "./types.ts";

/** Whether what a predicate claims is so. */
export type TagVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** What checks may use. */
export interface TagDeps {
  readonly crypto: Crypto;
}

/** One meaning of predicates. */
export interface SmartTag<T = unknown> extends Pattern<T> {
  readonly tag: string;
  /** What the predicate means. Never throws. */
  parse(node: RecordNode): Parsed<T>;
  /** The predicate that means it. Throws RECORD_BAD_NODE for what cannot be meant. */
  express(value: T): PredicateNode;
  /** True: positional arguments of this tag unite as elements of a list do. */
  readonly setLike?: boolean;
  /** Checks what the predicate claims, without network. */
  check?(value: T, deps: TagDeps): TagVerdict;
}

/** What a registry makes of one predicate. */
export type TagReading =
  | { readonly state: "unknown" }
  /** The tag is known, and this is not how it is used. */
  | { readonly state: "malformed"; readonly reason: string }
  /** Well-formed; `check` says whether its claim holds, if the tag claims anything. */
  | { readonly state: "known"; readonly value: unknown; readonly check: TagVerdict | undefined };

/** A set of smart tags. */
export interface TagRegistry {
  /** Tags whose positional arguments unite. */
  readonly setLike: ReadonlySet<string>;
  tag(name: string): SmartTag | undefined;
  /** What a predicate means. Claims are checked when `deps` are given. */
  read(node: PredicateNode, deps?: TagDeps): TagReading;
}

/** A registry of these tags. Throws RECORD_TAG_TWICE. */
export function createRegistry(tags: readonly SmartTag[]): TagRegistry {
  const byName = new Map<string, SmartTag>();
  for (const tag of tags) {
    if (byName.has(tag.tag)) throw new RecordError("RECORD_TAG_TWICE", `two tags ${tag.tag}`);
    byName.set(tag.tag, tag);
  }
  return {
    setLike: new Set(tags.filter((tag) => tag.setLike === true).map((tag) => tag.tag)),
    tag: (name) => byName.get(name),
    read: (node, deps) => {
      const tag = byName.get(node.tag);
      if (tag === undefined) return { state: "unknown" };
      const parsed = tag.parse(node);
      if (!parsed.ok) return { state: "malformed", reason: parsed.reason };
      const check = deps === undefined ? undefined : tag.check?.(parsed.value, deps);
      return { state: "known", value: parsed.value, check };
    },
  };
}
