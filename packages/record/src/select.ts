/**
 * Reading parts of values (docs/spec/record.md §7): `select` follows a path, `expand` one with
 * wildcards, `matchAll` finds what a pattern accepts.
 */
import { pathNodes } from "./nodes.ts";
import { nodeAt } from "./show.ts";
import type { Path, PathStep, RecordNode } from "./types.ts";

/** What a pattern makes of a value. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

/** A form that values can have, and what they mean then. */
export interface Pattern<T> {
  /** Never throws: any value may be given. */
  parse(node: RecordNode): Parsed<T>;
}

/** Something found in a value. */
export interface Found<T> {
  readonly node: RecordNode;
  readonly value: T;
  /** The steps that lead there. */
  readonly path: readonly RecordNode[];
}

/** Stands for any one step of a path. */
export const anything: unique symbol = Symbol("anything");

/** A path in which `anything` may stand for a step. */
export type WildPath = readonly (PathStep | typeof anything)[];

/** The value at a path, or `undefined`. Throws RECORD_BAD_NODE for steps that are no values. */
export function select(node: RecordNode, path: Path): RecordNode | undefined {
  return nodeAt(node, pathNodes(path));
}

/** Every value at a path with wildcards, in the order of the document. */
export function expand(node: RecordNode, path: WildPath): readonly Found<RecordNode>[] {
  let found: readonly Found<RecordNode>[] = [{ node, value: node, path: [] }];
  for (const step of path) {
    if (step === anything) {
      found = found.flatMap((here) =>
        childrenOf(here.node).map((child) => below(here, child.step, child.node)),
      );
      continue;
    }
    const steps = pathNodes([step]);
    found = found.flatMap((here) => {
      const child = nodeAt(here.node, steps);
      return child === undefined ? [] : steps.map((key) => below(here, key, child));
    });
  }
  return found;
}

function below(here: Found<RecordNode>, step: RecordNode, node: RecordNode): Found<RecordNode> {
  return { node, value: node, path: [...here.path, step] };
}

/**
 * All positions that a pattern accepts: from the top down, and never below one that was accepted.
 * It goes into values of dictionaries and of named arguments, elements, and positional arguments;
 * never into keys.
 */
export function matchAll<T>(pattern: Pattern<T>, node: RecordNode): readonly Found<T>[] {
  const found: Found<T>[] = [];
  // A stack of our own, last first, so that what is found stands in the order of the document.
  const open: { readonly node: RecordNode; readonly path: readonly RecordNode[] }[] = [
    { node, path: [] },
  ];
  for (let here = open.pop(); here !== undefined; here = open.pop()) {
    const parsed = pattern.parse(here.node);
    if (parsed.ok) {
      found.push({ node: here.node, value: parsed.value, path: here.path });
      continue;
    }
    const { path } = here;
    for (const child of childrenOf(here.node).toReversed()) {
      open.push({ node: child.node, path: [...path, child.step] });
    }
  }
  return found;
}

/** A pattern that accepts every predicate of a tag. */
export function tagged(tag: string): Pattern<RecordNode> {
  return {
    parse: (node) =>
      node.kind === "predicate" && node.tag === tag
        ? { ok: true, value: node }
        : { ok: false, reason: `no ${tag}(…)` },
  };
}

interface Child {
  readonly step: RecordNode;
  readonly node: RecordNode;
}

/** What can be stepped into, in order. */
function childrenOf(node: RecordNode): readonly Child[] {
  const places = (items: readonly RecordNode[]): readonly Child[] =>
    items.map((item, index) => ({ step: { kind: "int", value: BigInt(index) }, node: item }));
  switch (node.kind) {
    case "dict":
      return node.pairs.map(([step, value]) => ({ step, node: value }));
    case "list":
      return places(node.items);
    case "predicate":
      return [...places(node.args), ...node.named.map(([step, value]) => ({ step, node: value }))];
    default:
      return [];
  }
}
