/** The values of smart records (docs/spec/record.md §1). Layer 7. */

/** One value of the eight kinds. Build them with `bool`, `text`, `int`, … or `toNode`. */
export type RecordNode = ScalarNode | DictNode | ListNode | PredicateNode;

export type ScalarNode =
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "string"; readonly value: string }
  /** Of any size; never equal to a float. */
  | { readonly kind: "int"; readonly value: bigint }
  /** Never NaN; minus zero is zero. */
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "bytes"; readonly value: Uint8Array };

/** A key of any kind and its value. */
export type Pair = readonly [key: RecordNode, value: RecordNode];

/** Pairs without order; no two keys are equal. */
export interface DictNode {
  readonly kind: "dict";
  readonly pairs: readonly Pair[];
}

/** Distinct elements. The order is that of first appearance, and no part of equality. */
export interface ListNode {
  readonly kind: "list";
  readonly items: readonly RecordNode[];
}

/** `tag(args; named)`: a call, as data. */
export interface PredicateNode {
  readonly kind: "predicate";
  readonly tag: string;
  /** Positional arguments, in order. */
  readonly args: readonly RecordNode[];
  /** Named arguments, without order. */
  readonly named: readonly Pair[];
}

/** What `toNode` takes: nodes, and the JavaScript values that say plainly which kind is meant. */
export type NodeInput =
  | RecordNode
  | boolean
  | string
  | bigint
  | number
  | Uint8Array
  | readonly NodeInput[]
  | ReadonlyMap<NodeInput, NodeInput>
  | { readonly [key: string]: NodeInput };

/**
 * One step into a value: a key of a dictionary, a place in a list (int, from 0; reading only), an
 * argument of a predicate (int: by place; any other kind: by name).
 */
export type PathStep = RecordNode | string | number | bigint;
/** Steps from a document down; none is the document itself. */
export type Path = readonly PathStep[];
