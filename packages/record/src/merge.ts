/**
 * The merge table (docs/spec/record.md §5): what an update makes of what is there. What has expired
 * was taken out before.
 */
import type { RefusalCode } from "./errors.ts";
import {
  heldDict,
  heldItem,
  heldLeaf,
  heldList,
  heldPair,
  heldPredicate,
  hold,
  laterLife,
  type Held,
  type HeldDict,
  type HeldItem,
  type HeldList,
  type HeldPair,
  type HeldPairs,
  type HeldPredicate,
  type Life,
} from "./held.ts";
import { identityOf } from "./node-bytes.ts";
import type { DictNode, ListNode, Pair, PredicateNode, RecordNode } from "./types.ts";

/** Why an op changes nothing, and where it was found. */
export interface Refusal {
  readonly refused: RefusalCode;
  readonly path: readonly RecordNode[];
}

/** What an update brings beside its value. */
export interface MergeContext {
  readonly life: Life;
  /** Tags whose positional arguments unite as lists do. */
  readonly setLike: ReadonlySet<string>;
}

export function isRefusal(result: object): result is Refusal {
  return "refused" in result;
}

/** The document after an update; the old one stays as it is. */
export function mergeDicts(
  old: HeldDict,
  patch: DictNode,
  context: MergeContext,
  path: readonly RecordNode[] = [],
): HeldDict | Refusal {
  const pairs = mergePairs(old.pairs, patch.pairs, context, path);
  if (isRefusal(pairs)) return pairs;
  return heldDict(pairs, emptyLife(old, patch.pairs.length === 0, context));
}

function merge(
  old: Held,
  patch: RecordNode,
  context: MergeContext,
  path: readonly RecordNode[],
): Held | Refusal {
  if (old.kind === "dict" && patch.kind === "dict") return mergeDicts(old, patch, context, path);
  if (old.kind === "list" && patch.kind === "list") return mergeLists(old, patch, context);
  if (old.kind === "predicate" && patch.kind === "predicate") {
    return mergePredicates(old, patch, context, path);
  }
  if (old.kind !== "leaf" || old.node.kind !== patch.kind) {
    return { refused: "RECORD_KIND_MISMATCH", path };
  }
  const isEqual = identityOf(old.node) === identityOf(patch);
  return heldLeaf(patch, isEqual ? laterLife(old.life, context.life) : context.life);
}

function mergePairs(
  old: HeldPairs,
  patch: readonly Pair[],
  context: MergeContext,
  path: readonly RecordNode[],
): HeldPairs | Refusal {
  const merged = new Map<string, HeldPair>(old);
  for (const [key, value] of patch) {
    const identity = identityOf(key);
    const there = old.get(identity);
    if (there === undefined) {
      merged.set(identity, heldPair(key, hold(value, context.life)));
      continue;
    }
    const result = merge(there.value, value, context, [...path, key]);
    if (isRefusal(result)) return result;
    merged.set(identity, { ...there, value: result });
  }
  return merged;
}

/** The union; what is there already lives as long as the longer of both says. */
function mergeLists(old: HeldList, patch: ListNode, context: MergeContext): HeldList {
  const items = unite(old.items, patch.items, context.life);
  return heldList(items, emptyLife(old, patch.items.length === 0, context));
}

function unite(
  old: ReadonlyMap<string, HeldItem>,
  added: readonly RecordNode[],
  life: Life,
): ReadonlyMap<string, HeldItem> {
  const items = new Map(old);
  for (const node of added) {
    const identity = identityOf(node);
    const there = items.get(identity);
    const item = there === undefined ? heldItem(node, life) : prolonged(there, life);
    items.set(identity, item);
  }
  return items;
}

function prolonged(item: HeldItem, life: Life): HeldItem {
  return { ...item, life: laterLife(item.life, life) };
}

function mergePredicates(
  old: HeldPredicate,
  patch: PredicateNode,
  context: MergeContext,
  path: readonly RecordNode[],
): HeldPredicate | Refusal {
  if (old.tag !== patch.tag) return { refused: "RECORD_TAG_MISMATCH", path };
  const named = mergePairs(old.named, patch.named, context, path);
  if (isRefusal(named)) return named;
  const args = mergeArgs(old, patch, context);
  const isEmpty = patch.args.length === 0 && patch.named.length === 0;
  return heldPredicate({ tag: old.tag, args, named }, emptyLife(old, isEmpty, context));
}

/** United if the tag is declared set-like; else replaced, as one scalar by another. */
function mergeArgs(
  old: HeldPredicate,
  patch: PredicateNode,
  context: MergeContext,
): readonly HeldItem[] {
  const before = old.args.map((arg) => identityOf(arg.node));
  const given = new Map(patch.args.map((arg) => [identityOf(arg), arg] as const));
  if (context.setLike.has(patch.tag)) {
    const kept = old.args.map((arg, index) =>
      given.has(before[index] ?? "") ? prolonged(arg, context.life) : arg,
    );
    for (const identity of before) given.delete(identity);
    return [...kept, ...[...given.values()].map((arg) => heldItem(arg, context.life))];
  }
  const isEqual =
    before.length === patch.args.length &&
    patch.args.every((arg, index) => identityOf(arg) === before[index]);
  if (isEqual) return old.args.map((arg) => prolonged(arg, context.life));
  return patch.args.map((arg) => heldItem(arg, context.life));
}

/** Until when a container stays although nothing is in it: as long as it was last written empty. */
function emptyLife(
  old: HeldDict | HeldList | HeldPredicate,
  isEmpty: boolean,
  { life }: MergeContext,
): Life | undefined {
  if (!isEmpty) return old.empty;
  return old.empty === undefined ? life : laterLife(old.empty, life);
}
