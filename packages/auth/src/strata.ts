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

/** The causally earliest strata; never empty while `open` is not. */
export function strataOf(
  bubble: readonly OpNode[],
  open: ReadonlySet<OpNode>,
  voided: ReadonlyMap<OpNode, unknown>,
): readonly Stratum[] {
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
  const all = [...strata].map(([id, stratum]) => ({ id, ...stratum }));
  const later = laterStrata(bubble, all);
  const minimal = all.filter(({ id }) => !later.has(id));
  // Two rings can each hold an op that precedes one of the other; then neither waits.
  const chosen = minimal.length > 0 ? minimal : all;
  return chosen.map((stratum) => ({
    nodes: stratum.nodes,
    strikes: stratum.strikes,
    isRing: stratum.nodes.length > 1,
  }));
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

/** Strata one of whose strikes comes causally after a strike of another stratum. */
function laterStrata(
  bubble: readonly OpNode[],
  strata: readonly { readonly id: number; readonly strikes: readonly OpNode[] }[],
): ReadonlySet<number> {
  const idOf = new Map<OpNode, number>();
  for (const { id, strikes } of strata) for (const strike of strikes) idOf.set(strike, id);
  // For each op: the strata with a strike before it, as none, one (its id), or several.
  const earlier = new Map<OpNode, number | "several">();
  const later = new Set<number>();
  for (const node of bubble) {
    let seen: number | "several" | undefined;
    const note = (mark: number | "several" | undefined): void => {
      if (mark === undefined) return;
      seen = seen === undefined || seen === mark ? mark : "several";
    };
    for (const parent of node.parents) {
      note(earlier.get(parent));
      note(idOf.get(parent));
    }
    if (seen === undefined) continue;
    earlier.set(node, seen);
    const own = idOf.get(node);
    if (own !== undefined && seen !== own) later.add(own);
  }
  return later;
}
