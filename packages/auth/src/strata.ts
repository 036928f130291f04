/**
 * Which strikes of a bubble can be decided next (docs/spec/4-auth.md §5.3). Strikes and delegations
 * form a graph "could undo or enable"; its strongly connected components are single strikes and
 * mutual rings, and those that no other undecided strike can reach come first. Layer 4.
 */
import { isBefore, isConcurrent, type OpNode } from "./node.ts";
import { groupBy } from "./resolve-index.ts";

/** A strike nobody undecided can undo, or a ring of strikes that undo each other. */
export interface Stratum {
  readonly nodes: readonly OpNode[];
  readonly strikes: readonly OpNode[];
  readonly isRing: boolean;
}

/**
 * The strata that can be decided, in layers: what is in a later layer comes causally after something
 * in an earlier one. Never empty while `open` is not. A later layer holds only if deciding the
 * earlier ones voids nothing; the caller asks again when it did.
 */
export function strataOf(
  bubble: readonly OpNode[],
  open: ReadonlySet<OpNode>,
  voided: ReadonlyMap<OpNode, unknown>,
): readonly (readonly Stratum[])[] {
  const nodes = bubble.filter(
    (node) => open.has(node) || (node.effect.delegates !== undefined && !voided.has(node)),
  );
  const edges = edgesOf(nodes, open);
  const component = componentsOf(edges);
  const sources = sourcesOf(nodes, edges, component, open);
  const strata = new Map<number, { nodes: OpNode[]; strikes: OpNode[] }>();
  for (const [index, node] of nodes.entries()) {
    const id = component[index] ?? 0;
    if (!sources.has(id)) continue;
    const stratum = strata.get(id) ?? { nodes: [], strikes: [] };
    stratum.nodes.push(node);
    if (open.has(node)) stratum.strikes.push(node);
    strata.set(id, stratum);
  }
  const all = [...strata.values()].map((stratum) => ({
    ...stratum,
    isRing: stratum.nodes.length > 1,
  }));
  return all.some(({ isRing }) => isRing) ? [earliestOf(bubble, all)] : layersOf(bubble, all);
}

type Edges = readonly (readonly number[])[];

/** a → b: the strike `a` could undo the concurrent `b`, or `a` gave `b`'s author his power. */
function edgesOf(nodes: readonly OpNode[], open: ReadonlySet<OpNode>): Edges {
  const indexOf = new Map(nodes.map((node, index) => [node, index]));
  const byAuthor = groupBy(nodes, (node) => node.names.author);
  const byInviter = groupBy(nodes, (node) => node.effect.inviter);
  const joinsByInvite = groupBy(nodes, (node) =>
    node.op.action.type === "join" ? node.names.invite : undefined,
  );
  return nodes.map((node) => {
    const targets = new Set<number>();
    const link = (others: readonly OpNode[] | undefined, holds: typeof isBefore): void => {
      for (const other of others ?? []) {
        if (holds(node, other)) targets.add(indexOf.get(other) ?? 0);
      }
    };
    const strike = open.has(node) ? node.effect.strike : undefined;
    if (strike?.kind === "revoke") link(joinsByInvite.get(strike.target), isConcurrent);
    if (strike?.kind === "remove" || strike?.kind === "lower") {
      link(byAuthor.get(strike.target), isConcurrent);
      link(byInviter.get(strike.target), isConcurrent);
    }
    if (node.effect.delegates !== undefined) link(byAuthor.get(node.effect.delegates), isBefore);
    return [...targets];
  });
}

/**
 * Tarjan's strongly connected components, iterative because a peer decides how deep it goes.
 * Component numbers are in reverse topological order: an edge never goes to a larger number.
 */
function componentsOf(edges: Edges): readonly number[] {
  const component = edges.map(() => -1);
  const order = edges.map(() => -1);
  const low = edges.map(() => 0);
  const stack: number[] = [];
  let clock = 0;
  let componentCount = 0;
  const enter = (node: number): { node: number; next: number } => {
    order[node] = clock;
    low[node] = clock++;
    stack.push(node);
    return { node, next: 0 };
  };
  const close = (node: number): void => {
    if (low[node] !== order[node]) return;
    for (let member = stack.pop(); member !== undefined; member = stack.pop()) {
      component[member] = componentCount;
      if (member === node) break;
    }
    componentCount++;
  };
  const lower = (node: number, value: number): void => {
    low[node] = Math.min(low[node] ?? value, value);
  };
  for (let root = 0; root < edges.length; root++) {
    if (order[root] !== -1) continue;
    const path = [enter(root)];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const target = edges[top.node]?.[top.next++];
      if (target === undefined) {
        path.pop();
        close(top.node);
        const parent = path.at(-1);
        if (parent !== undefined) lower(parent.node, low[top.node] ?? 0);
      } else if (order[target] === -1) {
        path.push(enter(target));
      } else if (component[target] === -1) {
        lower(top.node, order[target] ?? 0);
      }
    }
  }
  return component;
}

/** Components with a strike that no other component with a strike reaches. */
function sourcesOf(
  nodes: readonly OpNode[],
  edges: Edges,
  component: readonly number[],
  open: ReadonlySet<OpNode>,
): ReadonlySet<number> {
  const withStrike = new Set<number>();
  for (const [index, node] of nodes.entries()) {
    if (open.has(node)) withStrike.add(component[index] ?? 0);
  }
  // Larger component numbers come first in topological order.
  const byComponent = nodes.map((_, index) => index);
  byComponent.sort((a, b) => (component[b] ?? 0) - (component[a] ?? 0));
  const reached = new Set<number>();
  for (const index of byComponent) {
    const from = component[index] ?? 0;
    if (!withStrike.has(from) && !reached.has(from)) continue;
    for (const target of edges[index] ?? []) {
      const to = component[target] ?? 0;
      if (to !== from) reached.add(to);
    }
  }
  return new Set([...withStrike].filter((id) => !reached.has(id)));
}

/** Single strikes by how many of them lie before each on the longest causal chain. */
function layersOf(
  bubble: readonly OpNode[],
  strata: readonly Stratum[],
): readonly (readonly Stratum[])[] {
  const stratumOf = new Map(strata.map((stratum) => [stratum.strikes[0], stratum]));
  const depths = new Map<OpNode, number>();
  const layers: Stratum[][] = [];
  for (const node of bubble) {
    let depth = 0;
    for (const parent of node.parents) {
      const step = stratumOf.has(parent) ? 1 : 0;
      depth = Math.max(depth, (depths.get(parent) ?? 0) + step);
    }
    depths.set(node, depth);
    const stratum = stratumOf.get(node);
    if (stratum === undefined) continue;
    const layer = layers[depth];
    if (layer === undefined) layers[depth] = [stratum];
    else layer.push(stratum);
  }
  return layers;
}

/** Strata none of whose strikes comes causally after a strike of another one. */
function earliestOf(bubble: readonly OpNode[], strata: readonly Stratum[]): readonly Stratum[] {
  const stratumOf = new Map<OpNode, Stratum>();
  for (const stratum of strata) {
    for (const strike of stratum.strikes) stratumOf.set(strike, stratum);
  }
  // For each op: the strata with a strike before it, as none, one, or several.
  const earlier = new Map<OpNode, Stratum | "several">();
  const later = new Set<Stratum>();
  for (const node of bubble) {
    let seen: Stratum | "several" | undefined;
    for (const parent of node.parents) {
      for (const mark of [earlier.get(parent), stratumOf.get(parent)]) {
        if (mark !== undefined) seen = seen === undefined || seen === mark ? mark : "several";
      }
    }
    if (seen === undefined) continue;
    earlier.set(node, seen);
    const own = stratumOf.get(node);
    if (own !== undefined && seen !== own) later.add(own);
  }
  const earliest = strata.filter((stratum) => !later.has(stratum));
  // Two rings can each hold an op that precedes one of the other; then neither waits.
  return earliest.length > 0 ? earliest : strata;
}
