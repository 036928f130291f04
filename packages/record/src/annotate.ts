/**
 * Verdicts beside requests (docs/spec/record.md §9.3): a verifier writes what it found into its own
 * document under another key; readers who trust it may see requests replaced by verdicts.
 */
import { identityOf } from "./node-bytes.ts";
import type { DictNode, Pair, PredicateNode, RecordNode } from "./types.ts";

/** Verdicts by the identity of the request. */
export type Verdicts = ReadonlyMap<string, PredicateNode>;

/** Before the key that verdicts are about. */
const verdictPrefix = "verdicts:";

/** The key under which verifiers write about `key`. */
export function verdictKey(key: string): string {
  return verdictPrefix + key;
}

/** What a verifier's document says: requests are its keys, verdicts its values. */
export function verdictsOf(document: DictNode): Verdicts {
  const verdicts = new Map<string, PredicateNode>();
  for (const [request, verdict] of document.pairs) {
    if (verdict.kind === "predicate") verdicts.set(identityOf(request), verdict);
  }
  return verdicts;
}

/** A value with requests replaced, wherever they stand but in keys. */
export function annotated(node: RecordNode, verdicts: Verdicts): RecordNode {
  const pairsOf = (pairs: readonly Pair[]): readonly Pair[] =>
    pairs.map(([key, value]): Pair => [key, annotated(value, verdicts)]);
  switch (node.kind) {
    case "dict":
      return { kind: "dict", pairs: pairsOf(node.pairs) };
    case "list":
      return { kind: "list", items: node.items.map((item) => annotated(item, verdicts)) };
    case "predicate": {
      const verdict = verdicts.get(identityOf(node));
      if (verdict !== undefined) return verdict;
      const args = node.args.map((arg) => annotated(arg, verdicts));
      return { kind: "predicate", tag: node.tag, args, named: pairsOf(node.named) };
    }
    default:
      return node;
  }
}
