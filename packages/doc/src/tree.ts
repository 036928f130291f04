/**
 * The fields of a document as registers in a tree (docs/spec/doc.md §3.2). Each change has a mark, and
 * only the greatest of each place counts: the order in which changes come in does not matter. Layer 7.
 */
import type { Json } from "./json.ts";
import type { Mark } from "./marks.ts";

/** What a register says. */
export type RegisterValue =
  | { readonly kind: "leaf"; readonly value: Json }
  | { readonly kind: "object" }
  | { readonly kind: "absent" };

/** One place in a document. */
export interface TreeNode {
  mark: Mark | undefined;
  register: RegisterValue;
  /** The greatest mark that set or unset this place: whatever is below it and not later is gone. */
  cleared: Mark | undefined;
  children: Map<string, TreeNode> | undefined;
}

const absent: RegisterValue = { kind: "absent" };

/** A place of which nothing has been said. */
export function createNode(): TreeNode {
  return { mark: undefined, register: absent, cleared: undefined, children: undefined };
}

/** A copy of a place and all below it. Depth is bounded by that of paths. */
export function cloneNode(node: TreeNode): TreeNode {
  const { mark, register, cleared, children } = node;
  if (children === undefined) return { mark, register, cleared, children };
  const copies = [...children].map(([key, child]) => [key, cloneNode(child)] as const);
  return { mark, register, cleared, children: new Map(copies) };
}

function isLater(mark: Mark, than: Mark | undefined): boolean {
  return than === undefined || mark > than;
}

/** Takes in one change. */
export function setAt(
  root: TreeNode,
  path: readonly string[],
  register: RegisterValue,
  mark: Mark,
): void {
  if (isGone(root, path, mark)) return;
  let node = root;
  for (const key of path) {
    node.children ??= new Map();
    const child: TreeNode = node.children.get(key) ?? createNode();
    node.children.set(key, child);
    node = child;
  }
  if (register.kind !== "object" && isLater(mark, node.cleared)) {
    node.cleared = mark;
    prune(node, mark);
  }
  if (!isLater(mark, node.mark)) return;
  node.mark = mark;
  node.register = register;
}

/** Did something above that place do away with what has this mark? */
function isGone(root: TreeNode, path: readonly string[], mark: Mark): boolean {
  let node: TreeNode | undefined = root;
  for (const key of path) {
    if (node.cleared !== undefined && node.cleared > mark) return true;
    node = node.children?.get(key);
    if (node === undefined) return false;
  }
  return false;
}

/** Forgets what is below a place and earlier than the mark. Depth is bounded by that of paths. */
function prune(node: TreeNode, mark: Mark): void {
  for (const [key, child] of node.children ?? []) {
    prune(child, mark);
    if (child.cleared !== undefined && child.cleared < mark) child.cleared = undefined;
    if (child.mark !== undefined && child.mark < mark) {
      child.mark = undefined;
      child.register = absent;
    }
    if (child.mark === undefined && child.children === undefined) node.children?.delete(key);
  }
  if (node.children?.size === 0) node.children = undefined;
}

/** Counts values while a document is put together; false when there are too many. */
export interface ValueBudget {
  take(value: Json): boolean;
  readonly isOver: boolean;
}

/**
 * The value at a place, `undefined` if there is none or the budget is used up. Fields are sorted, so
 * that every device gives the same text.
 */
export function valueAt(node: TreeNode, budget: ValueBudget): Json | undefined {
  const fields: [string, Json][] = [];
  for (const [key, child] of node.children ?? []) {
    if (budget.isOver) return undefined;
    const value = valueAt(child, budget);
    if (value !== undefined) fields.push([key, value]);
  }
  if (fields.length === 0 && node.register.kind === "leaf") {
    return budget.take(node.register.value) ? node.register.value : undefined;
  }
  if (fields.length === 0 && node.register.kind === "absent") return undefined;
  if (!budget.take(null)) return undefined;
  return Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The place under a path of keys; `undefined` when nothing was said of it. */
export function nodeAt(root: TreeNode, path: readonly string[]): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const key of path) node = node?.children?.get(key);
  return node;
}

/** The greatest mark at or below a place: when it last changed. */
export function lastMarkAt(root: TreeNode, path: readonly string[]): Mark | undefined {
  const node = nodeAt(root, path);
  let last: Mark | undefined;
  const open = node === undefined ? [] : [node];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.mark !== undefined && isLater(next.mark, last)) last = next.mark;
    for (const child of next.children?.values() ?? []) open.push(child);
  }
  return last;
}

/** One place as it is encoded. */
export interface FlatNode {
  readonly path: readonly string[];
  readonly node: TreeNode;
}

/** Every place of which something was said, sorted by path. */
export function flatten(root: TreeNode): readonly FlatNode[] {
  const flat: FlatNode[] = [];
  const open: FlatNode[] = [{ path: [], node: root }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.node.mark !== undefined) flat.push(next);
    const children = [...(next.node.children ?? [])].sort(([a], [b]) => (a < b ? 1 : -1));
    for (const [key, node] of children) open.push({ path: [...next.path, key], node });
  }
  return flat;
}
