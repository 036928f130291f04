/**
 * The strong-remove resolver of p2panda-auth 0.7, for its own recorded histories. A model to compare
 * with, never a policy of a Hawser group: an ex-manager can take others down with it, strangers get
 * ops in, and void removals still void others. One group; ids and members are plain labels.
 */
import { levels } from "@hawser/auth";
import type { Level } from "@hawser/auth";

/** An op in p2panda's terms. */
export interface P2pandaOp {
  readonly id: string;
  readonly author: string;
  readonly deps: readonly string[];
  readonly action:
    | { readonly type: "create"; readonly members: readonly (readonly [string, Level])[] }
    | {
        readonly type: "add" | "promote" | "demote";
        readonly member: string;
        readonly level: Level;
      }
    | { readonly type: "remove"; readonly member: string };
}

interface Standing {
  readonly counter: number;
  readonly level: Level;
  readonly accessCounter: number;
}

type State = ReadonlyMap<string, Standing>;

/** Members after all ops, given causes first. An op that p2panda refuses is left out. */
export function resolveByP2panda(ops: readonly P2pandaOp[]): ReadonlyMap<string, Level> {
  const accepted: P2pandaOp[] = [];
  for (const op of ops) {
    const known = createModel(accepted);
    if (!op.deps.every((dep) => known.has(dep))) continue;
    const past = accepted.filter((other) => known.isSeenBy(other.id, op.deps));
    if (applyAction(createModel(past).resolve(), op) !== undefined) accepted.push(op);
  }
  const members = [...createModel(accepted).resolve()].filter(([, m]) => isMember(m));
  return new Map(members.map(([label, { level }]) => [label, level]));
}

interface Model {
  has(id: string): boolean;
  /** Is the op one of `heads` or an ancestor of one? */
  isSeenBy(id: string, heads: readonly string[]): boolean;
  resolve(): State;
}

function createModel(ops: readonly P2pandaOp[]): Model {
  const pasts = new Map<string, ReadonlySet<string>>();
  for (const op of ops) {
    const past = new Set(op.deps);
    for (const dep of op.deps) for (const id of pasts.get(dep) ?? []) past.add(id);
    pasts.set(op.id, past);
  }
  const isBefore = (a: P2pandaOp, b: P2pandaOp): boolean => pasts.get(b.id)?.has(a.id) ?? false;
  const areConcurrent = (a: P2pandaOp, b: P2pandaOp): boolean =>
    a !== b && !isBefore(a, b) && !isBefore(b, a);
  const ancestorCount = (op: P2pandaOp): number => pasts.get(op.id)?.size ?? 0;

  const resolve = (): State => {
    const order = [...ops].sort((a, b) => ancestorCount(a) - ancestorCount(b));
    const states = new Map<string, State>();
    for (const bubble of bubblesOf(order, ancestorCount)) {
      const filter = filterOf(bubble, isBefore, areConcurrent);
      for (const op of bubble) {
        const before = mergeAll(op.deps.map((dep) => states.get(dep) ?? new Map()));
        states.set(op.id, applyFiltered(before, op, filter));
      }
    }
    const heads = ops.filter((op) => !ops.some((other) => isBefore(op, other)));
    return mergeAll(heads.map((op) => states.get(op.id) ?? new Map()));
  };

  return {
    has: (id) => pasts.has(id),
    isSeenBy: (id, heads) => heads.some((head) => head === id || pasts.get(head)?.has(id)),
    resolve,
  };
}

function bubblesOf(
  order: readonly P2pandaOp[],
  ancestorCount: (op: P2pandaOp) => number,
): readonly (readonly P2pandaOp[])[] {
  const bubbles: P2pandaOp[][] = [];
  for (const [index, op] of order.entries()) {
    const last = bubbles.at(-1);
    if (last === undefined || ancestorCount(op) === index) bubbles.push([op]);
    else last.push(op);
  }
  return bubbles;
}

interface Filter {
  readonly ignored: ReadonlySet<P2pandaOp>;
  readonly mutual: ReadonlySet<P2pandaOp>;
}

type Relation = (a: P2pandaOp, b: P2pandaOp) => boolean;

function filterOf(
  bubble: readonly P2pandaOp[],
  isBefore: Relation,
  areConcurrent: Relation,
): Filter {
  const cyclic = cyclicOps(bubble, isBefore, areConcurrent);
  const ignored = new Set<P2pandaOp>();
  const mutual = new Set<P2pandaOp>();
  for (const op of bubble) {
    const target = targetOf(op);
    if (target === undefined) continue;
    if (cyclic.has(op)) mutual.add(op);
    for (const other of bubble) {
      if (!areConcurrent(op, other)) continue;
      const readds = other.action.type === "add" && other.action.member === target;
      if (other.author === target || readds) ignored.add(other);
    }
  }
  return { ignored, mutual };
}

/** Who loses authority by an op: whoever it removes, or lowers below manage. */
function targetOf({ action }: P2pandaOp): string | undefined {
  if (action.type === "remove") return action.member;
  return action.type === "demote" && action.level !== "manage" ? action.member : undefined;
}

function delegateOf({ action }: P2pandaOp): string | undefined {
  if (action.type !== "add" && action.type !== "promote") return undefined;
  return action.level === "manage" ? action.member : undefined;
}

/** Ops in a ring of removals and delegations. */
function cyclicOps(
  bubble: readonly P2pandaOp[],
  isBefore: Relation,
  areConcurrent: Relation,
): ReadonlySet<P2pandaOp> {
  const isRemoval = (op: P2pandaOp): boolean =>
    targetOf(op) !== undefined && targetOf(op) !== op.author;
  const isDelegation = (op: P2pandaOp): boolean => delegateOf(op) !== undefined;
  const hasEdge = (a: P2pandaOp, b: P2pandaOp): boolean => {
    if (isRemoval(a) && targetOf(a) === b.author) {
      return isRemoval(b) ? areConcurrent(a, b) : isDelegation(b) && !isBefore(b, a);
    }
    return isDelegation(a) && isBefore(a, b) && delegateOf(a) === b.author;
  };
  const nodes = bubble.filter((op) => isRemoval(op) || isDelegation(op));
  const cyclic = new Set<P2pandaOp>();
  for (const node of nodes) {
    const reached = new Set<P2pandaOp>();
    const open = [node];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const other of nodes) {
        if (reached.has(other) || other === next || !hasEdge(next, other)) continue;
        reached.add(other);
        open.push(other);
      }
    }
    if (reached.has(node)) cyclic.add(node);
  }
  return cyclic;
}

function applyFiltered(state: State, op: P2pandaOp, { ignored, mutual }: Filter): State {
  const target = targetOf(op);
  if (mutual.has(op) && target !== undefined) return endedIn(state, target);
  if (ignored.has(op)) return state;
  return applyAction(state, op) ?? state;
}

/** The state after an op, or `undefined` where p2panda reports an error. */
function applyAction(state: State, op: P2pandaOp): State | undefined {
  const { action } = op;
  if (action.type === "create") {
    const first = (level: Level): Standing => ({ counter: 1, level, accessCounter: 0 });
    return new Map(action.members.map(([label, level]) => [label, first(level)]));
  }
  const known = state.get(action.member);
  if (action.type === "promote" || action.type === "demote") {
    if (known === undefined) return undefined;
    // Upstream returns here before it looks at the actor.
    const end: Level = action.type === "promote" ? "manage" : "pull";
    if (known.level === end) return state;
  }
  const actor = state.get(op.author);
  if (actor === undefined || !isMember(actor)) return undefined;
  const isSelfRemoval = action.type === "remove" && action.member === op.author;
  if (actor.level !== "manage" && !isSelfRemoval) return undefined;
  if (action.type === "add") {
    if (known !== undefined && isMember(known)) return undefined;
    const counter = (known?.counter ?? 0) + 1;
    return new Map(state).set(action.member, { counter, level: action.level, accessCounter: 0 });
  }
  if (known === undefined || !isMember(known)) return undefined;
  if (action.type === "remove") return endedIn(state, action.member);
  if (known.level === action.level) return state;
  const accessCounter = known.accessCounter + 1;
  return new Map(state).set(action.member, { ...known, level: action.level, accessCounter });
}

function endedIn(state: State, label: string): State {
  const known = state.get(label);
  if (known === undefined || !isMember(known)) return state;
  return new Map(state).set(label, { ...known, counter: known.counter + 1, accessCounter: 0 });
}

function isMember(standing: Standing): boolean {
  return standing.counter % 2 === 1;
}

function mergeAll(states: readonly State[]): State {
  const merged = new Map<string, Standing>();
  for (const state of states) {
    for (const [label, standing] of state) {
      const other = merged.get(label);
      merged.set(label, other === undefined ? standing : mergeStandings(other, standing));
    }
  }
  return merged;
}

function mergeStandings(a: Standing, b: Standing): Standing {
  if (a.counter !== b.counter) return a.counter > b.counter ? a : b;
  if (a.accessCounter !== b.accessCounter) return a.accessCounter > b.accessCounter ? a : b;
  return levels.indexOf(a.level) <= levels.indexOf(b.level) ? a : b;
}
