/**
 * The slow, obvious fold of one author's document: nested arrays, linear scans, a full copy without
 * what has expired before every op. Written from docs/spec/record.md §5 and §6 alone.
 */
import { bool, type RecordNode } from "@hawser/record";

type Entry = { readonly node: RecordNode; readonly end: number };
type Slot = { readonly key: RecordNode; readonly value: Tree };
export type Tree =
  | { readonly t: "scalar"; readonly node: RecordNode; readonly end: number }
  | { readonly t: "dict"; readonly slots: readonly Slot[]; readonly empty: number }
  | { readonly t: "list"; readonly entries: readonly Entry[]; readonly empty: number }
  | {
      readonly t: "predicate";
      readonly tag: string;
      readonly entries: readonly Entry[];
      readonly slots: readonly Slot[];
      readonly empty: number;
    };

/** Something that the table refuses. */
export class Refused extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** Equality by scanning. */
export function same(a: RecordNode, b: RecordNode): boolean {
  const samePairs = (
    x: readonly (readonly [RecordNode, RecordNode])[],
    y: readonly (readonly [RecordNode, RecordNode])[],
  ): boolean =>
    x.length === y.length &&
    x.every(([key, value]) => y.some(([k, v]) => same(key, k) && same(value, v)));
  if (a.kind === "dict" && b.kind === "dict") return samePairs(a.pairs, b.pairs);
  if (a.kind === "list" && b.kind === "list") {
    return (
      a.items.length === b.items.length && a.items.every((x) => b.items.some((y) => same(x, y)))
    );
  }
  if (a.kind === "predicate" && b.kind === "predicate") {
    const sameArgs =
      a.args.length === b.args.length && a.args.every((x, i) => same(x, b.args[i] ?? bool(true)));
    return a.tag === b.tag && sameArgs && samePairs(a.named, b.named);
  }
  if (a.kind === "bytes" && b.kind === "bytes") return a.value.join() === b.value.join();
  return a.kind === b.kind && "value" in a && "value" in b && a.value === b.value;
}

/** The end of a tree: the latest of its parts. */
export function endOf(tree: Tree): number {
  switch (tree.t) {
    case "scalar":
      return tree.end;
    case "dict":
      return Math.max(tree.empty, ...tree.slots.map((slot) => endOf(slot.value)));
    case "list":
      return Math.max(tree.empty, ...tree.entries.map((entry) => entry.end));
    case "predicate":
      return Math.max(
        tree.empty,
        ...tree.entries.map((entry) => entry.end),
        ...tree.slots.map((slot) => endOf(slot.value)),
      );
  }
}

/** A copy without what has expired at `now`. */
export function alive(tree: Tree | undefined, now: number): Tree | undefined {
  if (tree === undefined || endOf(tree) <= now) return undefined;
  const slots = (all: readonly Slot[]): readonly Slot[] =>
    all.flatMap(({ key, value }) => {
      const left = alive(value, now);
      return left === undefined ? [] : [{ key, value: left }];
    });
  const entries = (all: readonly Entry[]): readonly Entry[] => all.filter(({ end }) => end > now);
  if (tree.t === "scalar") return tree;
  const empty = tree.empty > now ? tree.empty : 0;
  if (tree.t === "dict") return { ...tree, slots: slots(tree.slots), empty };
  if (tree.t === "list") return { ...tree, entries: entries(tree.entries), empty };
  return { ...tree, entries: entries(tree.entries), slots: slots(tree.slots), empty };
}

/** A value of which every part ends at `end`. */
export function grown(node: RecordNode, end: number): Tree {
  const slots = (pairs: readonly (readonly [RecordNode, RecordNode])[]): readonly Slot[] =>
    pairs.map(([key, value]) => ({ key, value: grown(value, end) }));
  const entries = (nodes: readonly RecordNode[]): readonly Entry[] =>
    nodes.map((item) => ({ node: item, end }));
  if (node.kind === "dict") {
    return { t: "dict", slots: slots(node.pairs), empty: node.pairs.length === 0 ? end : 0 };
  }
  if (node.kind === "list") {
    return { t: "list", entries: entries(node.items), empty: node.items.length === 0 ? end : 0 };
  }
  if (node.kind === "predicate") {
    const isEmpty = node.args.length + node.named.length === 0;
    const { tag, args, named } = node;
    const empty = isEmpty ? end : 0;
    return { t: "predicate", tag, entries: entries(args), slots: slots(named), empty };
  }
  return { t: "scalar", node, end };
}

/** The merge table, row by row. */
export function merged(
  old: Tree,
  patch: RecordNode,
  end: number,
  setLike: readonly string[],
): Tree {
  const mergeSlots = (
    slots: readonly Slot[],
    pairs: readonly (readonly [RecordNode, RecordNode])[],
  ): readonly Slot[] => {
    const result = [...slots];
    for (const [key, value] of pairs) {
      const index = result.findIndex((slot) => same(slot.key, key));
      const there = result[index];
      if (there === undefined) result.push({ key, value: grown(value, end) });
      else result[index] = { key, value: merged(there.value, value, end, setLike) };
    }
    return result;
  };
  const unite = (entries: readonly Entry[], nodes: readonly RecordNode[]): readonly Entry[] => {
    const result = [...entries];
    for (const node of nodes) {
      const index = result.findIndex((entry) => same(entry.node, node));
      const there = result[index];
      if (there === undefined) result.push({ node, end });
      else result[index] = { node: there.node, end: Math.max(there.end, end) };
    }
    return result;
  };
  if (old.t === "dict" && patch.kind === "dict") {
    const empty = patch.pairs.length === 0 ? Math.max(old.empty, end) : old.empty;
    return { t: "dict", slots: mergeSlots(old.slots, patch.pairs), empty };
  }
  if (old.t === "list" && patch.kind === "list") {
    const empty = patch.items.length === 0 ? Math.max(old.empty, end) : old.empty;
    return { t: "list", entries: unite(old.entries, patch.items), empty };
  }
  if (old.t === "predicate" && patch.kind === "predicate") {
    if (old.tag !== patch.tag) throw new Refused("RECORD_TAG_MISMATCH");
    const isEqual =
      old.entries.length === patch.args.length &&
      old.entries.every((entry, i) => same(entry.node, patch.args[i] ?? bool(true)));
    const isUnited = isEqual || setLike.includes(patch.tag);
    const entries = isUnited
      ? unite(old.entries, patch.args)
      : patch.args.map((node) => ({ node, end }));
    const isEmpty = patch.args.length + patch.named.length === 0;
    const empty = isEmpty ? Math.max(old.empty, end) : old.empty;
    return {
      t: "predicate",
      tag: old.tag,
      entries,
      slots: mergeSlots(old.slots, patch.named),
      empty,
    };
  }
  if (old.t !== "scalar" || old.node.kind !== patch.kind) throw new Refused("RECORD_KIND_MISMATCH");
  return { t: "scalar", node: patch, end: same(old.node, patch) ? Math.max(old.end, end) : end };
}

/** What `change` makes of the tree at a path. */
export function changed(
  tree: Tree | undefined,
  path: readonly RecordNode[],
  change: (there: Tree | undefined) => Tree | undefined,
): Tree | undefined {
  const [step, ...rest] = path;
  if (step === undefined) return change(tree);
  if (tree === undefined) throw new Refused("RECORD_NOT_FOUND");
  if (tree.t === "scalar" || tree.t === "list") throw new Refused("RECORD_KIND_MISMATCH");
  const there = tree.slots.find((slot) => same(slot.key, step))?.value;
  const after = changed(there, rest, change);
  const others = tree.slots.filter((slot) => !same(slot.key, step));
  return {
    ...tree,
    slots: after === undefined ? others : [...others, { key: step, value: after }],
  };
}

/** Every end at least `end`. */
export function touched(tree: Tree, end: number): Tree {
  const slots = (all: readonly Slot[]): readonly Slot[] =>
    all.map(({ key, value }) => ({ key, value: touched(value, end) }));
  const entries = (all: readonly Entry[]): readonly Entry[] =>
    all.map((entry) => ({ node: entry.node, end: Math.max(entry.end, end) }));
  if (tree.t === "scalar") return { ...tree, end: Math.max(tree.end, end) };
  const empty = tree.empty === 0 ? 0 : Math.max(tree.empty, end);
  if (tree.t === "dict") return { ...tree, slots: slots(tree.slots), empty };
  if (tree.t === "list") return { ...tree, entries: entries(tree.entries), empty };
  return { ...tree, entries: entries(tree.entries), slots: slots(tree.slots), empty };
}

/** The value of a tree. */
export function valueOf(tree: Tree): RecordNode {
  const pairs = (slots: readonly Slot[]): [RecordNode, RecordNode][] =>
    slots.map(({ key, value }) => [key, valueOf(value)]);
  if (tree.t === "scalar") return tree.node;
  if (tree.t === "dict") return { kind: "dict", pairs: pairs(tree.slots) };
  const items = tree.entries.map(({ node }) => node);
  if (tree.t === "list") return { kind: "list", items };
  return { kind: "predicate", tag: tree.tag, args: items, named: pairs(tree.slots) };
}
