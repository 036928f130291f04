/**
 * Making values: one function a kind, and `toNode` for plain JavaScript (docs/spec/record.md §1).
 * Each checks what it is given, so a value that exists can be encoded.
 */
import { toHex, utf8 } from "@hawser/codec";
import { identityOf } from "./node-bytes.ts";
import { RecordError } from "./errors.ts";
import { depthMax, tagBytesMax } from "./limits.ts";
import type {
  DictNode,
  ListNode,
  NodeInput,
  Pair,
  Path,
  PredicateNode,
  RecordNode,
  ScalarNode,
} from "./types.ts";

/** A boolean. */
export function bool(value: boolean): ScalarNode {
  return { kind: "bool", value };
}

/** Text. Throws RECORD_BAD_NODE for lone surrogates. */
export function text(value: string): ScalarNode {
  if (!value.isWellFormed()) throw new RecordError("RECORD_BAD_NODE", "text has lone surrogates");
  return { kind: "string", value };
}

/** An integer of any size. Throws RECORD_BAD_NODE for a number that is no safe integer. */
export function int(value: bigint | number): ScalarNode {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new RecordError("RECORD_BAD_NODE", `${value} is no safe integer; give a bigint`);
  }
  return { kind: "int", value: BigInt(value) };
}

/** A 64-bit float. Throws RECORD_BAD_NODE for NaN; minus zero becomes zero. */
export function float(value: number): ScalarNode {
  if (Number.isNaN(value)) throw new RecordError("RECORD_BAD_NODE", "a float is never NaN");
  return { kind: "float", value: value === 0 ? 0 : value };
}

/** A byte string; the bytes are not copied. */
export function bytes(value: Uint8Array): ScalarNode {
  return { kind: "bytes", value };
}

/** A dictionary. Throws RECORD_DUPLICATE_KEY. */
export function dict(pairs: readonly (readonly [NodeInput, NodeInput])[]): DictNode {
  return { kind: "dict", pairs: pairsOf(pairs, 1) };
}

/** A list of distinct elements. Throws RECORD_BAD_NODE for an element given twice. */
export function list(items: readonly NodeInput[]): ListNode {
  return listOf(items, 1);
}

/** A predicate. Throws RECORD_BAD_NODE for its tag, RECORD_DUPLICATE_KEY for its named arguments. */
export function predicate(
  tag: string,
  args: readonly NodeInput[] = [],
  named: { readonly [name: string]: NodeInput } | readonly (readonly [NodeInput, NodeInput])[] = [],
): PredicateNode {
  if (!tag.isWellFormed() || utf8(tag).length > tagBytesMax) {
    throw new RecordError("RECORD_BAD_NODE", `a tag has at most ${tagBytesMax} bytes of text`);
  }
  const entries = Array.isArray(named) ? named : Object.entries(named);
  const children = args.map((arg) => nodeOf(arg, 2));
  return { kind: "predicate", tag, args: children, named: pairsOf(entries, 1) };
}

/**
 * The value that a plain JavaScript value means: numbers without fraction are ints, others floats,
 * arrays lists, maps and objects dictionaries. Objects that have a `kind` are taken as nodes and
 * checked. Throws RECORD_BAD_NODE, RECORD_DUPLICATE_KEY, RECORD_TOO_DEEP.
 */
export function toNode(input: NodeInput): RecordNode {
  return nodeOf(input, 1);
}

/** The steps of a path as values. Throws RECORD_BAD_NODE. */
export function pathNodes(path: Path): readonly RecordNode[] {
  return path.map(toNode);
}

function nodeOf(input: NodeInput, depth: number): RecordNode {
  if (depth > depthMax) {
    throw new RecordError("RECORD_TOO_DEEP", `values nest at most ${depthMax} deep`);
  }
  if (typeof input === "boolean") return bool(input);
  if (typeof input === "string") return text(input);
  if (typeof input === "bigint") return int(input);
  if (typeof input === "number") return Number.isInteger(input) ? int(input) : float(input);
  if (input instanceof Uint8Array) return bytes(input);
  if (Array.isArray(input)) return listOf(input, depth);
  if (input instanceof Map) return { kind: "dict", pairs: pairsOf([...input], depth) };
  if (typeof input !== "object" || input === null) {
    throw new RecordError("RECORD_BAD_NODE", `${String(input)} is no value`);
  }
  // Safe: what is left of the union are nodes and plain objects.
  const object = input as RecordNode | { readonly [key: string]: NodeInput };
  if (isNode(object)) return checkedNode(object, depth);
  return { kind: "dict", pairs: pairsOf(Object.entries(object), depth) };
}

/** A plain object that only looks like a node, having a "kind" of its own, is a dictionary. */
function isNode(input: object): input is RecordNode {
  const { kind, value, pairs, items, tag, args, named } = input as {
    readonly [key: string]: unknown;
  };
  switch (kind) {
    case "bool":
      return typeof value === "boolean";
    case "string":
      return typeof value === "string";
    case "int":
      return typeof value === "bigint";
    case "float":
      return typeof value === "number";
    case "bytes":
      return value instanceof Uint8Array;
    case "dict":
      return Array.isArray(pairs);
    case "list":
      return Array.isArray(items);
    case "predicate":
      return typeof tag === "string" && Array.isArray(args) && Array.isArray(named);
    default:
      return false;
  }
}

function checkedNode(node: RecordNode, depth: number): RecordNode {
  switch (node.kind) {
    case "bool":
      return bool(node.value);
    case "string":
      return text(node.value);
    case "int":
      return int(node.value);
    case "float":
      return float(node.value);
    case "bytes":
      return bytes(node.value);
    case "dict":
      return { kind: "dict", pairs: pairsOf(node.pairs, depth) };
    case "list":
      return listOf(node.items, depth);
    case "predicate": {
      const { tag } = predicate(node.tag);
      const args = node.args.map((arg) => nodeOf(arg, depth + 1));
      return { kind: "predicate", tag, args, named: pairsOf(node.named, depth) };
    }
  }
}

function listOf(inputs: readonly NodeInput[], depth: number): ListNode {
  const items = inputs.map((item) => nodeOf(item, depth + 1));
  if (new Set(items.map(identityOf)).size !== items.length) {
    throw new RecordError("RECORD_BAD_NODE", "the elements of a list are distinct");
  }
  return { kind: "list", items };
}

function pairsOf(
  inputs: readonly (readonly [NodeInput, NodeInput])[],
  depth: number,
): readonly Pair[] {
  const byIdentity = new Map<string, Pair>();
  for (const [key, value] of inputs) {
    const pair: Pair = [nodeOf(key, depth + 1), nodeOf(value, depth + 1)];
    byIdentity.set(identityOf(pair[0]), pair);
  }
  if (byIdentity.size !== inputs.length) {
    throw new RecordError("RECORD_DUPLICATE_KEY", "one key is given twice");
  }
  // The identities are distinct, so this is an order of whole pairs.
  return [...byIdentity].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pair]) => pair);
}

/** Whether two values are equal: kinds alike, dictionaries and lists without order. */
export function equalNodes(a: RecordNode, b: RecordNode): boolean {
  return a === b || identityOf(a) === identityOf(b);
}

/** A value on one line, for people: `{"key"=1, tag("arg"; "name"=0x0a)}`. */
export function printNode(node: RecordNode): string {
  switch (node.kind) {
    case "bool":
    case "int":
      return String(node.value);
    case "float":
      return Number.isInteger(node.value) ? `${node.value}.0` : String(node.value);
    case "string":
      return JSON.stringify(node.value);
    case "bytes":
      return `0x${toHex(node.value)}`;
    case "dict":
      return `{${printPairs(node.pairs)}}`;
    case "list":
      return `[${node.items.map(printNode).join(", ")}]`;
    case "predicate": {
      const named = node.named.length > 0 ? `; ${printPairs(node.named)}` : "";
      return `${node.tag}(${node.args.map(printNode).join(", ")}${named})`;
    }
  }
}

function printPairs(pairs: readonly Pair[]): string {
  return pairs.map(([key, value]) => `${printNode(key)}=${printNode(value)}`).join(", ");
}

/** The value under a key that is text, of a dictionary or of a predicate's named arguments. */
export function valueOf(pairs: readonly Pair[], name: string): RecordNode | undefined {
  return pairs.find(([key]) => key.kind === "string" && key.value === name)?.[1];
}
