/**
 * Documents as they are kept: values with lifetimes at the leaves (docs/spec/record.md §3). Held
 * trees are never changed, only replaced, so an op that is refused half-way leaves no trace. Each
 * node knows how much it holds and when, so nothing is walked without need.
 */
import { utf8 } from "@hawser/codec";
import { encodeNode, identityOf } from "./node-bytes.ts";
import type { DictNode, ListNode, Pair, PredicateNode, RecordNode, ScalarNode } from "./types.ts";

/** How long something lives, in µs by its author's clock. */
export interface Life {
  /** From then on it is absent. */
  readonly expiresAt: number;
  /** Of the last entry that gave it a lifetime. */
  readonly stamp: number;
}

/** What every held node knows of itself, and containers of all below them. */
interface Measures {
  /** When the last part expires: until then the node is there. */
  readonly latest: number;
  /** When the first part expires: until then nothing is to be taken out. */
  readonly soonest: number;
  /** Size in a snapshot. */
  readonly byteCount: number;
  readonly nodeCount: number;
  /** How deep it nests; a scalar is 1 deep. */
  readonly depth: number;
}

/** A value with lifetimes. */
export type Held = HeldLeaf | HeldDict | HeldList | HeldPredicate;

export interface HeldLeaf extends Measures {
  readonly kind: "leaf";
  readonly node: ScalarNode;
  readonly life: Life;
}

export interface HeldDict extends Measures {
  readonly kind: "dict";
  /** By the identity of the key. */
  readonly pairs: HeldPairs;
  /** The life that was given to it when it was written as empty, if ever. */
  readonly empty: Life | undefined;
}

export interface HeldList extends Measures {
  readonly kind: "list";
  /** By identity, in order of first appearance. */
  readonly items: ReadonlyMap<string, HeldItem>;
  readonly empty: Life | undefined;
}

export interface HeldPredicate extends Measures {
  readonly kind: "predicate";
  readonly tag: string;
  readonly args: readonly HeldItem[];
  readonly named: HeldPairs;
  readonly empty: Life | undefined;
}

export interface HeldPair {
  readonly key: RecordNode;
  readonly value: Held;
  /** Bytes, nodes and depth of the key. */
  readonly keySize: NodeSize;
}

export type HeldPairs = ReadonlyMap<string, HeldPair>;

/** An element or positional argument: it lives and dies as a whole. */
export interface HeldItem {
  readonly node: RecordNode;
  readonly life: Life;
  readonly size: NodeSize;
}

interface NodeSize {
  readonly byteCount: number;
  readonly nodeCount: number;
  readonly depth: number;
}

/** Bytes of a life in a snapshot: two u64. */
const lifeBytes = 16;

/** Bytes of a count or length as varint. */
function varintBytes(count: number): number {
  let byteCount = 1;
  for (let rest = count; rest >= 0x80; rest = Math.floor(rest / 0x80)) byteCount += 1;
  return byteCount;
}

/** The later end of two, and the newer stamp. */
export function laterLife(a: Life, b: Life): Life {
  return {
    expiresAt: Math.max(a.expiresAt, b.expiresAt),
    stamp: Math.max(a.stamp, b.stamp),
  };
}

/** How much a value takes. */
export function sizeOf(node: RecordNode): NodeSize {
  return { byteCount: encodeNode(node).length, ...countOf(node) };
}

function countOf(node: RecordNode): { readonly nodeCount: number; readonly depth: number } {
  let nodeCount = 1;
  let depth = 0;
  for (const child of childrenOf(node)) {
    const counted = countOf(child);
    nodeCount += counted.nodeCount;
    depth = Math.max(depth, counted.depth);
  }
  return { nodeCount, depth: depth + 1 };
}

function childrenOf(node: RecordNode): readonly RecordNode[] {
  if (node.kind === "dict") return node.pairs.flat();
  if (node.kind === "list") return node.items;
  if (node.kind === "predicate") return [...node.args, ...node.named.flat()];
  return [];
}

/** Sums up what containers hold. */
interface Tally {
  latest: number;
  soonest: number;
  byteCount: number;
  nodeCount: number;
  depth: number;
}

/** A container by itself: kind byte, flag and life of emptiness. */
function startTally(empty: Life | undefined): Tally {
  return {
    latest: empty?.expiresAt ?? 0,
    soonest: empty?.expiresAt ?? Number.POSITIVE_INFINITY,
    byteCount: 2 + (empty === undefined ? 0 : lifeBytes),
    nodeCount: 1,
    depth: 0,
  };
}

function tallyPairs(tally: Tally, pairs: HeldPairs): void {
  tally.byteCount += varintBytes(pairs.size);
  for (const { value, keySize } of pairs.values()) {
    tally.latest = Math.max(tally.latest, value.latest);
    tally.soonest = Math.min(tally.soonest, value.soonest);
    tally.byteCount += value.byteCount + keySize.byteCount;
    tally.nodeCount += value.nodeCount + keySize.nodeCount;
    tally.depth = Math.max(tally.depth, value.depth, keySize.depth);
  }
}

function tallyItems(tally: Tally, items: readonly HeldItem[]): void {
  tally.byteCount += varintBytes(items.length);
  for (const { life, size } of items) {
    tally.latest = Math.max(tally.latest, life.expiresAt);
    tally.soonest = Math.min(tally.soonest, life.expiresAt);
    tally.byteCount += lifeBytes + size.byteCount;
    tally.nodeCount += size.nodeCount;
    tally.depth = Math.max(tally.depth, size.depth);
  }
}

/** Adds the container itself. One that holds nothing, and was not written so, has expired already. */
function measured(tally: Tally): Measures {
  const soonest = tally.latest === 0 ? 0 : tally.soonest;
  return { ...tally, soonest, depth: tally.depth + 1 };
}

export function heldLeaf(node: ScalarNode, life: Life): HeldLeaf {
  return {
    kind: "leaf",
    node,
    life,
    latest: life.expiresAt,
    soonest: life.expiresAt,
    byteCount: 1 + lifeBytes + encodeNode(node).length,
    nodeCount: 1,
    depth: 1,
  };
}

export function heldDict(pairs: HeldPairs, empty: Life | undefined): HeldDict {
  const tally = startTally(empty);
  tallyPairs(tally, pairs);
  return { kind: "dict", pairs, empty, ...measured(tally) };
}

export function heldList(items: ReadonlyMap<string, HeldItem>, empty: Life | undefined): HeldList {
  const tally = startTally(empty);
  tallyItems(tally, [...items.values()]);
  return { kind: "list", items, empty, ...measured(tally) };
}

export function heldPredicate(
  parts: Pick<HeldPredicate, "tag" | "args" | "named">,
  empty: Life | undefined,
): HeldPredicate {
  const tally = startTally(empty);
  const tagBytes = utf8(parts.tag).length;
  tally.byteCount += varintBytes(tagBytes) + tagBytes;
  tallyItems(tally, parts.args);
  tallyPairs(tally, parts.named);
  return { kind: "predicate", ...parts, empty, ...measured(tally) };
}

export function heldItem(node: RecordNode, life: Life): HeldItem {
  return { node, life, size: sizeOf(node) };
}

export function heldPair(key: RecordNode, value: Held): HeldPair {
  return { key, value, keySize: sizeOf(key) };
}

/** A value of which every part has one life. */
export function hold(node: RecordNode, life: Life): Held {
  switch (node.kind) {
    case "dict":
      return heldDict(holdPairs(node, life), node.pairs.length === 0 ? life : undefined);
    case "list":
      return heldList(holdItems(node, life), node.items.length === 0 ? life : undefined);
    case "predicate": {
      const isEmpty = node.args.length === 0 && node.named.length === 0;
      const args = node.args.map((arg) => heldItem(arg, life));
      const named = holdPairs({ pairs: node.named }, life);
      return heldPredicate({ tag: node.tag, args, named }, isEmpty ? life : undefined);
    }
    default:
      return heldLeaf(node, life);
  }
}

function holdPairs({ pairs }: Pick<DictNode, "pairs">, life: Life): HeldPairs {
  return new Map(
    pairs.map(([key, value]) => [identityOf(key), heldPair(key, hold(value, life))] as const),
  );
}

function holdItems({ items }: ListNode, life: Life): ReadonlyMap<string, HeldItem> {
  return new Map(items.map((item) => [identityOf(item), heldItem(item, life)] as const));
}

/** What is left of a held value at `now`; `undefined` when nothing is. */
export function aliveAt<H extends Held>(held: H, now: number): H | undefined;
export function aliveAt(held: Held, now: number): Held | undefined {
  if (held.latest <= now) return undefined;
  if (held.soonest > now || held.kind === "leaf") return held;
  const empty = held.empty !== undefined && held.empty.expiresAt > now ? held.empty : undefined;
  switch (held.kind) {
    case "dict":
      return heldDict(alivePairs(held.pairs, now), empty);
    case "list":
      return heldList(
        new Map([...held.items].filter(([, item]) => item.life.expiresAt > now)),
        empty,
      );
    case "predicate": {
      const args = held.args.filter((arg) => arg.life.expiresAt > now);
      return heldPredicate({ tag: held.tag, args, named: alivePairs(held.named, now) }, empty);
    }
  }
}

function alivePairs(pairs: HeldPairs, now: number): HeldPairs {
  const alive = new Map<string, HeldPair>();
  for (const [identity, pair] of pairs) {
    const value = aliveAt(pair.value, now);
    if (value !== undefined) alive.set(identity, value === pair.value ? pair : { ...pair, value });
  }
  return alive;
}

/** The same with every life passed through `change`. */
export function mapLives(held: Held, change: (life: Life) => Life): Held {
  const empty = held.kind === "leaf" || held.empty === undefined ? undefined : change(held.empty);
  const mapPairs = (pairs: HeldPairs): HeldPairs =>
    new Map(
      [...pairs].map(([identity, pair]) => {
        return [identity, { ...pair, value: mapLives(pair.value, change) }] as const;
      }),
    );
  const mapItem = (item: HeldItem): HeldItem => ({ ...item, life: change(item.life) });
  switch (held.kind) {
    case "leaf": {
      const life = change(held.life);
      return { ...held, life, latest: life.expiresAt, soonest: life.expiresAt };
    }
    case "dict":
      return heldDict(mapPairs(held.pairs), empty);
    case "list":
      return heldList(
        new Map([...held.items].map(([identity, item]) => [identity, mapItem(item)] as const)),
        empty,
      );
    case "predicate": {
      const args = held.args.map(mapItem);
      return heldPredicate({ tag: held.tag, args, named: mapPairs(held.named) }, empty);
    }
  }
}

/** The value without its lifetimes. */
export function nodeOf(held: HeldDict): DictNode;
export function nodeOf(held: Held): RecordNode;
export function nodeOf(held: Held): RecordNode {
  switch (held.kind) {
    case "leaf":
      return held.node;
    case "dict":
      return { kind: "dict", pairs: pairsOf(held.pairs) };
    case "list":
      return { kind: "list", items: [...held.items.values()].map((item) => item.node) };
    case "predicate":
      return predicateOf(held);
  }
}

function predicateOf({ tag, args, named }: HeldPredicate): PredicateNode {
  return {
    kind: "predicate",
    tag,
    args: args.map((arg) => arg.node),
    named: pairsOf(named),
  };
}

/** Pairs sorted by the identities of their keys, as values have them. */
function pairsOf(pairs: HeldPairs): readonly Pair[] {
  return sortedPairs(pairs).map(({ key, value }): Pair => [key, nodeOf(value)]);
}

/** Pairs in their one order. */
export function sortedPairs(pairs: HeldPairs): readonly HeldPair[] {
  return [...pairs.keys()].sort().flatMap((identity) => pairs.get(identity) ?? []);
}
