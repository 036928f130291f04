/**
 * A persistent map from small integers to values: a 16-way trie over the key's nibbles, lowest
 * first. `intSet` copies one path, `intMerge` skips whatever two maps share, and every node carries
 * two sums over its values, so "how many managers" and "how many ops" cost nothing. Layer 4.
 *
 * Why not a `Map`: each op keeps the state at its own position, and copying a map of a thousand
 * members for each of ten thousand ops would be the whole budget a hundred times over.
 */

/** How the values of one sort of map are combined and counted. */
export interface IntMapSort<V> {
  /** Commutative, associative, idempotent; returns one of its arguments when nothing changes. */
  merge(a: V, b: V): V;
  /** What `intFirst` sums. */
  first(value: V): number;
  /** What `intSecond` sums. */
  second(value: V): number;
}

interface Leaf<V> {
  readonly slots: undefined;
  readonly key: number;
  readonly value: V;
  readonly size: 1;
  readonly first: number;
  readonly second: number;
}

interface Branch<V> {
  readonly slots: readonly (Tree<V> | undefined)[];
  readonly size: number;
  readonly first: number;
  readonly second: number;
}

type Tree<V> = Leaf<V> | Branch<V>;

/** Keys are integers 0 … 2^32 − 1; `undefined` is the empty map. */
export type IntMap<V> = Tree<V> | undefined;

/** Count of keys. */
export function intSize<V>(map: IntMap<V>): number {
  return map === undefined ? 0 : map.size;
}

/** Sum of `sort.first` over all values. */
export function intFirst<V>(map: IntMap<V>): number {
  return map === undefined ? 0 : map.first;
}

/** Sum of `sort.second` over all values. */
export function intSecond<V>(map: IntMap<V>): number {
  return map === undefined ? 0 : map.second;
}

/** The value of `key`, or `undefined`. */
export function intGet<V>(map: IntMap<V>, key: number): V | undefined {
  let tree = map;
  for (let rest = key; tree !== undefined; rest >>>= 4) {
    if (tree.slots === undefined) return tree.key === key ? tree.value : undefined;
    tree = tree.slots[rest & 15];
  }
  return undefined;
}

/** A map in which `key` has `value`; the old one stays as it was. */
export function intSet<V>(sort: IntMapSort<V>, map: IntMap<V>, key: number, value: V): Tree<V> {
  return put(map, leafOf(sort, key, value), 0);
}

/** All keys of both maps; values of shared keys are merged. Shared subtrees are not visited. */
export function intMerge<V>(sort: IntMapSort<V>, a: IntMap<V>, b: IntMap<V>): IntMap<V> {
  if (a === undefined) return b;
  if (b === undefined || a === b) return a;
  return mergeTrees(sort, a, b, 0);
}

/** Every key with its value, in an order that depends on the keys alone. */
export function intEntries<V>(map: IntMap<V>): readonly (readonly [number, V])[] {
  const entries: (readonly [number, V])[] = [];
  const open: (Tree<V> | undefined)[] = [map];
  while (open.length > 0) {
    const tree = open.pop();
    if (tree === undefined) continue;
    if (tree.slots === undefined) entries.push([tree.key, tree.value]);
    else for (let index = 15; index >= 0; index--) open.push(tree.slots[index]);
  }
  return entries;
}

function leafOf<V>(sort: IntMapSort<V>, key: number, value: V): Leaf<V> {
  const first = sort.first(value);
  const second = sort.second(value);
  return { slots: undefined, key, value, size: 1, first, second };
}

function branchOf<V>(slots: readonly (Tree<V> | undefined)[]): Branch<V> {
  let size = 0;
  let first = 0;
  let second = 0;
  for (const tree of slots) {
    if (tree === undefined) continue;
    size += tree.size;
    first += tree.first;
    second += tree.second;
  }
  return { slots, size, first, second };
}

function slotOf(key: number, depth: number): number {
  return (key >>> (4 * depth)) & 15;
}

// Recursion in `put` and `mergeTrees` is at most eight deep: a key has eight nibbles.
function put<V>(tree: IntMap<V>, leaf: Leaf<V>, depth: number): Tree<V> {
  if (tree === undefined) return leaf;
  if (tree.slots === undefined) {
    return tree.key === leaf.key ? leaf : fork(tree, leaf, depth);
  }
  const slots = tree.slots.slice();
  const slot = slotOf(leaf.key, depth);
  slots[slot] = put(slots[slot], leaf, depth + 1);
  return branchOf(slots);
}

function fork<V>(a: Leaf<V>, b: Leaf<V>, depth: number): Branch<V> {
  const slots = emptySlots<V>();
  const slotA = slotOf(a.key, depth);
  const slotB = slotOf(b.key, depth);
  if (slotA === slotB) {
    slots[slotA] = fork(a, b, depth + 1);
  } else {
    slots[slotA] = a;
    slots[slotB] = b;
  }
  return branchOf(slots);
}

function emptySlots<V>(): (Tree<V> | undefined)[] {
  return Array.from({ length: 16 }, () => undefined);
}

function mergeTrees<V>(sort: IntMapSort<V>, a: Tree<V>, b: Tree<V>, depth: number): Tree<V> {
  if (a === b) return a;
  if (a.slots === undefined) return mergeLeaf(sort, b, a, depth);
  if (b.slots === undefined) return mergeLeaf(sort, a, b, depth);
  const slots = emptySlots<V>();
  let sameA = true;
  let sameB = true;
  for (let slot = 0; slot < 16; slot++) {
    const left = a.slots[slot];
    const right = b.slots[slot];
    let merged = left ?? right;
    if (left !== undefined && right !== undefined) {
      merged = mergeTrees(sort, left, right, depth + 1);
    }
    slots[slot] = merged;
    sameA &&= merged === left;
    sameB &&= merged === right;
  }
  // Returning the argument keeps later merges able to skip it.
  if (sameA) return a;
  return sameB ? b : branchOf(slots);
}

function mergeLeaf<V>(sort: IntMapSort<V>, tree: Tree<V>, leaf: Leaf<V>, depth: number): Tree<V> {
  if (tree.slots === undefined) {
    if (tree.key !== leaf.key) return fork(tree, leaf, depth);
    const value = sort.merge(tree.value, leaf.value);
    if (value === tree.value) return tree;
    return value === leaf.value ? leaf : leafOf(sort, leaf.key, value);
  }
  const slot = slotOf(leaf.key, depth);
  const child = tree.slots[slot];
  const merged = child === undefined ? leaf : mergeLeaf(sort, child, leaf, depth + 1);
  if (merged === child) return tree;
  const slots = tree.slots.slice();
  slots[slot] = merged;
  return branchOf(slots);
}
