/**
 * Elements of an expression written back as text, for error texts. Layer 3; pure. Nesting is bounded
 * by the parser.
 */
import type { Node } from "./parse.ts";
import { toAbeText } from "./text.ts";

/** The expression's own text, bytes in their canonical spelling. */
export function printNodes(nodes: readonly Node[]): string {
  return nodes.map(printNode).join("");
}

function printNode(node: Node): string {
  if (node.kind === "separator") return node.separator;
  if (node.kind === "bytes") return toAbeText(node.bytes);
  return `[${printNodes(node.items)}]`;
}

/** As the reference prints an element for debugging: the members of a list apart. */
export function debugNode(node: Node): string {
  return node.kind === "list" ? `[${node.items.map(printNode).join(", ")}]` : printNode(node);
}

/** As the reference prints several elements for debugging. */
export function debugNodes(nodes: readonly Node[]): string {
  return `[${nodes.map(debugNode).join(", ")}]`;
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
