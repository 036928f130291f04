/**
 * Elements of an expression written back as text, for error texts. Layer 3; pure. Nesting is bounded
 * by the parser.
 */
import { abeShownCharactersMax } from "./limits.ts";
import type { Node } from "./parse.ts";
import { cutText, shownText } from "./text.ts";

/** The expression's own text, bytes in their canonical spelling; cut where it gets long. */
export function printNodes(nodes: readonly Node[]): string {
  return joinCut(nodes, "", printNode);
}

function printNode(node: Node): string {
  if (node.kind === "separator") return node.separator;
  if (node.kind === "bytes") return shownText(node.bytes);
  return `[${printNodes(node.items)}]`;
}

/** As the reference prints an element for debugging: the members of a list apart. */
export function debugNode(node: Node): string {
  return node.kind === "list" ? `[${joinCut(node.items, ", ", printNode)}]` : printNode(node);
}

/** As the reference prints several elements for debugging. */
export function debugNodes(nodes: readonly Node[]): string {
  return `[${joinCut(nodes, ", ", debugNode)}]`;
}

/** The items' texts with `between` them, until there is enough to show. */
export function joinCut<Item>(
  items: Iterable<Item>,
  between: string,
  print: (item: Item) => string,
): string {
  let text = "";
  for (const item of items) {
    if (text !== "") text += between;
    text += print(item);
    if (text.length > abeShownCharactersMax) return cutText(text);
  }
  return text;
}

/** Elements between separators: `a:b:` is `[a]`, `[b]`, `[]`; at least one group. */
export function splitNodes(nodes: readonly Node[], separator: ":" | "/"): readonly Node[][] {
  let group: Node[] = [];
  const groups = [group];
  for (const node of nodes) {
    if (node.kind === "separator" && node.separator === separator) {
      group = [];
      groups.push(group);
    } else group.push(node);
  }
  return groups;
}
