/** Ops grouped by one of their numbers, so that no strike is compared with every op. Layer 4. */
import type { OpNode } from "./node.ts";

/** Nodes by a number, in their given order; those without one are left out. */
export function groupBy(
  nodes: readonly OpNode[],
  numberOf: (node: OpNode) => number | undefined,
): ReadonlyMap<number, readonly OpNode[]> {
  const groups = new Map<number, OpNode[]>();
  for (const node of nodes) {
    const number = numberOf(node);
    if (number === undefined) continue;
    const group = groups.get(number);
    if (group === undefined) groups.set(number, [node]);
    else group.push(node);
  }
  return groups;
}
