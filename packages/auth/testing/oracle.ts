/**
 * The slow, obvious resolver: recomputes everything from a plain list of ops on every call. It shares
 * no code with the graph, follows docs/spec/4-auth.md §5 line by line, and exists to disagree with
 * the incremental resolver when that one is wrong. One group at a time, in polynomials one would not ship.
 */
import type {
  Access,
  AuthOp,
  Grant,
  GroupId,
  Level,
  MutualRemovalPolicy,
  OpId,
} from "../src/types.ts";

/** One member's counters: odd `counter` = member. */
interface Standing {
  readonly counter: number;
  readonly accessCounter: number;
  readonly term: number;
  readonly access: Access;
  /** The op that admitted the member: count of its ancestors, and its id. */
  readonly by: readonly [number, OpId];
}

interface Offer {
  readonly op: OpId;
  readonly revoked: boolean;
  readonly joins: ReadonlySet<OpId>;
  readonly inviterCounter: number;
  readonly inviterTerm: number;
}

interface State {
  readonly members: ReadonlyMap<string, Standing>;
  readonly offers: ReadonlyMap<string, Offer>;
}

/** What the oracle computes for one group. */
export interface OracleResult {
  /** Active members, `i:` or `g:` and the id, with their access. */
  readonly members: ReadonlyMap<string, Access>;
  /** Ops that have no effect. */
  readonly void: ReadonlySet<OpId>;
}

const levels: readonly Level[] = ["pull", "read", "write", "manage"];
const rank = (level: Level): number => levels.indexOf(level);
const emptyState: State = { members: new Map(), offers: new Map() };

/** How an oracle differs from the rules: for planting a bug that a check must find. */
export interface OracleFlaw {
  /** A strike that is void undoes what is concurrent with it all the same. */
  readonly voidStrikesCount: boolean;
}

/**
 * Resolves one group of a causally closed list of accepted ops and reads its direct members. With a
 * `flaw` the answer is a wrong one, on purpose.
 */
export function resolveByOracle(
  ops: readonly AuthOp[],
  group: GroupId,
  flaw?: OracleFlaw,
): OracleResult {
  const { state, dead } = createOracle(ops, group, flaw).resolve(ops);
  const members = new Map<string, Access>();
  for (const [key, standing] of state.members) {
    if (standing.counter % 2 === 1) members.set(key, standing.access);
  }
  return { members, void: dead };
}

/** Would `op` be accepted after exactly the ops of `ops` that are in its causal past? */
export function acceptedByOracle(ops: readonly AuthOp[], op: AuthOp): boolean {
  const oracle = createOracle([...ops, op], op.group);
  const past = ops.filter((other) => oracle.isBefore(other, op));
  return oracle.transition(oracle.resolve(past).state, op, past) !== undefined;
}

interface Oracle {
  isBefore(a: AuthOp, b: AuthOp): boolean;
  transition(state: State, op: AuthOp, past: readonly AuthOp[]): State | undefined;
  resolve(ops: readonly AuthOp[]): { readonly state: State; readonly dead: Set<OpId> };
}

interface Removal {
  readonly op: AuthOp;
  readonly target: string;
  readonly kind: "exit" | "narrow" | "revoke";
}

function createOracle(
  everything: readonly AuthOp[],
  group: GroupId,
  flaw: OracleFlaw = { voidStrikesCount: false },
): Oracle {
  const byId = new Map(everything.map((op) => [op.id, op]));
  const all = everything.filter((op) => op.group === group);
  const pasts = new Map<OpId, ReadonlySet<OpId>>();
  const pastOf = (op: AuthOp): ReadonlySet<OpId> => {
    const known = pasts.get(op.id);
    if (known !== undefined) return known;
    const past = new Set<OpId>();
    for (const dep of op.deps) {
      const parent = byId.get(dep);
      if (parent === undefined) continue;
      past.add(dep);
      for (const id of pastOf(parent)) past.add(id);
    }
    pasts.set(op.id, past);
    return past;
  };
  const isBefore = (a: AuthOp, b: AuthOp): boolean => pastOf(b).has(a.id);
  const concurrent = (a: AuthOp, b: AuthOp): boolean =>
    a.id !== b.id && !isBefore(a, b) && !isBefore(b, a);
  const ancestorCount = (op: AuthOp): number =>
    [...pastOf(op)].filter((id) => byId.get(id)?.group === group).length;
  const inOrder = (ops: readonly AuthOp[]): readonly AuthOp[] =>
    [...ops].sort((a, b) => ancestorCount(a) - ancestorCount(b) || (a.id < b.id ? -1 : 1));

  const policyOf = (ops: readonly AuthOp[]): MutualRemovalPolicy => {
    for (const { action } of ops) if (action.type === "create") return action.policy;
    return "remove-all";
  };

  /** The state at an op's own position, by resolving nothing but its past. */
  const statesBefore = new Map<OpId, State>();
  const stateBefore = (op: AuthOp): State => {
    const known = statesBefore.get(op.id);
    if (known !== undefined) return known;
    const { state } = resolve(all.filter((other) => isBefore(other, op)));
    statesBefore.set(op.id, state);
    return state;
  };
  const membersBefore = (op: AuthOp): State["members"] => stateBefore(op).members;

  /** Does this revoke end an invite whose uses its author had seen spent? */
  const settles = (op: AuthOp): boolean => {
    if (op.action.type !== "revoke") return false;
    const offer = stateBefore(op).offers.get(op.action.invite);
    const source = offer === undefined ? undefined : byId.get(offer.op)?.action;
    return source?.type === "invite" && (offer?.joins.size ?? 0) >= source.uses;
  };

  const inviterOf = (op: AuthOp): string | undefined => {
    const { action } = op;
    if (action.type !== "join") return undefined;
    for (const other of all) {
      if (other.action.type !== "invite" || other.action.invite !== action.invite) continue;
      if (isBefore(other, op)) return `i:${other.author}`;
    }
    return undefined;
  };

  const removalOf = (op: AuthOp): Removal | undefined => {
    const { action } = op;
    if (action.type === "revoke") {
      return settles(op) ? undefined : { op, target: action.invite, kind: "revoke" };
    }
    if (action.type === "remove") return { op, target: keyOf(action.member), kind: "exit" };
    if (action.type !== "set") return undefined;
    const target = keyOf(action.grant.member);
    const before = membersBefore(op).get(target);
    if (before === undefined || target === `i:${op.author}`) return undefined;
    const after = action.grant.access;
    if (rank(after.level) < rank(before.access.level)) return { op, target, kind: "exit" };
    const isLevel = after.level === before.access.level;
    const narrows = isLevel && before.access.mayDelete && !after.mayDelete;
    return narrows ? { op, target, kind: "narrow" } : undefined;
  };

  const delegateOf = (op: AuthOp): string | undefined => {
    const { action } = op;
    if (action.type === "add" || action.type === "set") {
      return action.grant.access.level === "manage" ? keyOf(action.grant.member) : undefined;
    }
    if (action.type === "leave" && action.successor !== undefined) return keyOf(action.successor);
    if (action.type === "join") return `i:${op.author}`;
    return undefined;
  };

  /** Does the effective removal `r` undo the authority of the concurrent op `x`? */
  const undoesAuthor = (r: Removal, x: AuthOp): boolean => {
    if (!concurrent(r.op, x)) return false;
    if (r.kind === "revoke") return x.action.type === "join" && x.action.invite === r.target;
    if (r.kind === "narrow") return false;
    return r.target === `i:${x.author}` || r.target === inviterOf(x);
  };

  const raisesTarget = (r: Removal, x: AuthOp): boolean => {
    if (r.kind === "revoke" || !concurrent(r.op, x)) return false;
    if (x.action.type === "add") return keyOf(x.action.grant.member) === r.target;
    if (x.action.type !== "set" || keyOf(x.action.grant.member) !== r.target) return false;
    const before = membersBefore(x).get(r.target)?.access;
    const after = x.action.grant.access;
    if (before === undefined) return true;
    if (after.level !== before.level) return rank(after.level) > rank(before.level);
    return after.mayDelete && !before.mayDelete;
  };

  const seniority = (ops: readonly AuthOp[], member: string): readonly [number, number, string] => {
    let best: readonly [number, number, string] = [Number.MAX_SAFE_INTEGER, 0, ""];
    for (const op of ops) {
      const position = admissionPosition(op, member);
      if (position === undefined) continue;
      const candidate = [ancestorCount(op), position, op.id] as const;
      if (compareSeniority(candidate, best) < 0) best = candidate;
    }
    return best;
  };

  const resolve = (ops: readonly AuthOp[]): { state: State; dead: Set<OpId> } => {
    const order = inOrder(ops.filter((op) => op.group === group));
    let state = emptyState;
    const dead = new Set<OpId>();
    let start = 0;
    for (let end = 1; end <= order.length; end++) {
      const next = order[end];
      if (next !== undefined && ancestorCount(next) !== end) continue;
      const segment = order.slice(start, end);
      const outcome = resolveSegment(segment, state, order);
      state = outcome.state;
      for (const id of outcome.dead) dead.add(id);
      start = end;
    }
    return { state, dead };
  };

  const evaluate = (
    segment: readonly AuthOp[],
    before: State,
    voided: ReadonlySet<OpId>,
    forced: ReadonlySet<OpId>,
    group: readonly AuthOp[],
  ): { state: State; dead: Set<OpId> } => {
    const exhausted = new Set<OpId>();
    for (;;) {
      const pass = applyAll(segment, before, new Set([...voided, ...exhausted]), forced);
      const losers = firstLosers(segment, pass.dead, before, group);
      if (losers.length === 0) return pass;
      for (const id of losers) exhausted.add(id);
    }
  };

  const applyAll = (
    segment: readonly AuthOp[],
    before: State,
    voided: ReadonlySet<OpId>,
    forced: ReadonlySet<OpId>,
  ): { state: State; dead: Set<OpId> } => {
    const states = new Map<OpId, State>();
    const dead = new Set<OpId>();
    for (const op of segment) {
      let state = before;
      for (const other of segment) {
        if (isBefore(other, op)) state = mergeStates(state, states.get(other.id) ?? before);
      }
      const next = applyOne(state, op, voided.has(op.id), forced.has(op.id));
      if (next === undefined) dead.add(op.id);
      states.set(op.id, next ?? exitOnly(state, op));
    }
    let state = before;
    for (const op of segment) state = mergeStates(state, states.get(op.id) ?? before);
    return { state, dead };
  };

  const applyOne = (state: State, op: AuthOp, isVoid: boolean, force: boolean) => {
    if (force) return forceRemoval(state, op);
    return isVoid ? undefined : transition(state, op, undefined);
  };

  /** The joins over `uses` of the first invite (in canonical order) that has too many. */
  const firstLosers = (
    segment: readonly AuthOp[],
    dead: ReadonlySet<OpId>,
    before: State,
    group: readonly AuthOp[],
  ): readonly OpId[] => {
    const offers = inOrder(all).filter((op) => op.action.type === "invite");
    for (const offer of offers) {
      if (offer.action.type !== "invite") continue;
      const { invite, uses } = offer.action;
      const joins = segment.filter(
        (op) => op.action.type === "join" && op.action.invite === invite && !dead.has(op.id),
      );
      const free = uses - (before.offers.get(invite)?.joins.size ?? 0);
      if (joins.length <= free) continue;
      const ends = segment.filter(
        (op) => op.action.type === "revoke" && op.action.invite === invite && settles(op),
      );
      const alive = ends.filter((op) => !dead.has(op.id));
      return bestFirst(joins, alive, group).slice(Math.max(0, free));
    }
    return [];
  };

  /**
   * Repeatedly the best among the joins whose predecessors were taken: seen by the more senior author
   * of an end, then the smaller id.
   */
  const bestFirst = (
    joins: readonly AuthOp[],
    ends: readonly AuthOp[],
    group: readonly AuthOp[],
  ): readonly OpId[] => {
    const nobody: Seniority = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, ""];
    const seenBy = (join: AuthOp): Seniority => {
      const witnesses = ends.filter((end) => isBefore(join, end));
      const all = witnesses.map((end) => seniority(group, `i:${end.author}`));
      return all.sort(compareSeniority)[0] ?? nobody;
    };
    const rest = new Set(joins);
    const taken: OpId[] = [];
    while (rest.size > 0) {
      const free = [...rest].filter((op) => ![...rest].some((other) => isBefore(other, op)));
      free.sort((a, b) => compareSeniority(seenBy(a), seenBy(b)) || (a.id < b.id ? -1 : 1));
      const first = free[0];
      if (first === undefined) break;
      rest.delete(first);
      taken.push(first.id);
    }
    return taken;
  };

  const resolveSegment = (segment: readonly AuthOp[], before: State, group: readonly AuthOp[]) => {
    if (segment.length === 1) return evaluate(segment, before, new Set(), new Set(), group);
    const voided = new Set<OpId>();
    const forced = new Set<OpId>();
    const decided = new Set<OpId>();
    for (;;) {
      const removals = segment
        .map(removalOf)
        .filter((r) => r !== undefined)
        .filter((r) => !voided.has(r.op.id) && !decided.has(r.op.id));
      if (removals.length === 0) break;
      const grants = segment.filter((op) => delegateOf(op) !== undefined && !voided.has(op.id));
      const sources = sourceComponents(removals, grants);
      const { dead } = evaluate(segment, before, voided, forced, group);
      const effective: Removal[] = [];
      for (const component of sources) {
        const first = component.removals[0];
        if (component.ops.length === 1 && first !== undefined) {
          decided.add(first.op.id);
          if (dead.has(first.op.id)) voided.add(first.op.id);
          else effective.push(first);
        } else if (policyOf(group) === "remove-all") {
          for (const r of component.removals) {
            decided.add(r.op.id);
            forced.add(r.op.id);
            effective.push(r);
          }
        } else {
          const senior = mostSenior(component, group);
          for (const r of component.removals) {
            if (senior === undefined || r.target === senior) voided.add(r.op.id);
          }
        }
      }
      for (const r of effective) {
        for (const x of segment) {
          if (decided.has(x.id)) continue;
          if (undoesAuthor(r, x) || raisesTarget(r, x)) voided.add(x.id);
        }
      }
    }
    if (flaw.voidStrikesCount) {
      for (const r of segment.map(removalOf)) {
        if (r === undefined || !voided.has(r.op.id)) continue;
        for (const x of segment) if (undoesAuthor(r, x) && !decided.has(x.id)) voided.add(x.id);
      }
    }
    return evaluate(segment, before, voided, forced, group);
  };

  const mostSenior = (component: Component, group: readonly AuthOp[]): string | undefined => {
    const struck = component.removals.filter((r) => r.kind !== "revoke");
    const targets = new Set(struck.map((r) => r.target));
    const authors = component.ops.map((op) => `i:${op.author}`).filter((key) => targets.has(key));
    authors.sort((a, b) => compareSeniority(seniority(group, a), seniority(group, b)));
    return authors[0];
  };

  interface Component {
    readonly ops: readonly AuthOp[];
    readonly removals: readonly Removal[];
  }

  const sourceComponents = (
    removals: readonly Removal[],
    grants: readonly AuthOp[],
  ): readonly Component[] => {
    const nodes = [...new Set([...removals.map((r) => r.op), ...grants])];
    const removalById = new Map(removals.map((r) => [r.op.id, r]));
    const hasEdge = (a: AuthOp, b: AuthOp): boolean => {
      const r = removalById.get(a.id);
      if (r !== undefined && undoesAuthor(r, b)) return true;
      const delegate = delegateOf(a);
      return delegate !== undefined && isBefore(a, b) && delegate === `i:${b.author}`;
    };
    const reach = new Map(nodes.map((node) => [node, reachable(node, nodes, hasEdge)]));
    const components: Component[] = [];
    const seen = new Set<AuthOp>();
    for (const node of nodes) {
      if (seen.has(node)) continue;
      const ops = nodes.filter(
        (other) => other === node || (reach.get(node)?.has(other) && reach.get(other)?.has(node)),
      );
      for (const op of ops) seen.add(op);
      const own = ops.map((op) => removalById.get(op.id)).filter((r) => r !== undefined);
      components.push({ ops, removals: own });
    }
    const withRemovals = components.filter((component) => component.removals.length > 0);
    const isSource = (component: Component): boolean =>
      !withRemovals.some(
        (other) =>
          other !== component && component.ops.some((op) => reach.get(other.ops[0] ?? op)?.has(op)),
      );
    const sources = withRemovals.filter(isSource);
    const precedes = (a: Component, b: Component): boolean =>
      a.removals.some((x) => b.removals.some((y) => isBefore(x.op, y.op)));
    const minimal = sources.filter(
      (component) => !sources.some((other) => other !== component && precedes(other, component)),
    );
    return minimal.length > 0 ? minimal : sources;
  };

  const transition = (
    state: State,
    op: AuthOp,
    past: readonly AuthOp[] | undefined,
  ): State | undefined => {
    const { action } = op;
    const actor = `i:${op.author}`;
    const by = [ancestorCount(op), op.id] as const;
    if (action.type === "create") {
      const members = new Map<string, Standing>();
      for (const grant of action.grants) {
        const { member, access } = grant;
        if (givesManageToGroup(grant)) return undefined;
        members.set(keyOf(member), { counter: 1, accessCounter: 0, term: 0, access, by });
      }
      return members.get(actor)?.access.level === "manage"
        ? { members, offers: new Map() }
        : undefined;
    }
    const standing = state.members.get(actor);
    const isActor = standing !== undefined && standing.counter % 2 === 1;
    if (action.type === "join") return joinState(state, op, past);
    if (!isActor) return undefined;
    const isManager = standing.access.level === "manage";
    if (action.type === "leave") {
      const isLast = isManager && otherManagers(state, actor) === 0;
      if (isLast && action.successor === undefined && past !== undefined) return undefined;
      if (action.successor !== undefined) {
        if (!isManager || action.successor.kind === "group") return undefined;
        if (keyOf(action.successor) === actor) return undefined;
        const access: Access = { level: "manage", mayDelete: false };
        const promoted = grantManage(state, keyOf(action.successor), access, by);
        return exitState(promoted, actor);
      }
      return exitState(state, actor);
    }
    if (!isManager && !mayEndSpent(state, op, standing, past)) return undefined;
    if (action.type === "invite") {
      if (state.offers.has(action.invite)) return undefined;
      const offer: Offer = {
        op: op.id,
        revoked: false,
        joins: new Set(),
        inviterCounter: standing.counter,
        inviterTerm: standing.term,
      };
      return { ...state, offers: new Map(state.offers).set(action.invite, offer) };
    }
    if (action.type === "revoke") {
      const offer = state.offers.get(action.invite);
      if (offer === undefined || (offer.revoked && past !== undefined)) return undefined;
      const revoked = { ...offer, revoked: true };
      return { ...state, offers: new Map(state.offers).set(action.invite, revoked) };
    }
    if (action.type === "add") {
      const { member, access } = action.grant;
      if (givesManageToGroup(action.grant)) return undefined;
      const known = state.members.get(keyOf(member));
      if (known !== undefined && known.counter % 2 === 1) return undefined;
      return admitState(state, keyOf(member), access, by);
    }
    if (action.type === "remove") {
      const known = state.members.get(keyOf(action.member));
      if (known === undefined || known.counter % 2 === 0) return undefined;
      if (keyOf(action.member) === actor) return undefined;
      return exitState(state, keyOf(action.member));
    }
    if (action.type === "rule" || action.type === "raise") return state;
    const key = keyOf(action.grant.member);
    const known = state.members.get(key);
    if (known === undefined || known.counter % 2 === 0) return undefined;
    const stepsDown = key === actor && action.grant.access.level !== "manage";
    if (stepsDown && past !== undefined && otherManagers(state, actor) === 0) return undefined;
    if (givesManageToGroup(action.grant)) return undefined;
    return setState(state, key, action.grant.access);
  };

  const mayEndSpent = (
    state: State,
    op: AuthOp,
    standing: Standing,
    past: readonly AuthOp[] | undefined,
  ): boolean => {
    if (op.action.type !== "revoke" || rank(standing.access.level) < rank("read")) return false;
    const offer = state.offers.get(op.action.invite);
    const source = offer === undefined ? undefined : byId.get(offer.op)?.action;
    if (offer === undefined || source?.type !== "invite") return false;
    if (offer.joins.has(standing.by[1])) return false;
    return past === undefined || offer.joins.size >= source.uses;
  };

  const joinState = (state: State, op: AuthOp, past: readonly AuthOp[] | undefined) => {
    const { action } = op;
    if (action.type !== "join") return undefined;
    const offer = state.offers.get(action.invite);
    const source = offer === undefined ? undefined : byId.get(offer.op);
    if (offer === undefined || source?.action.type !== "invite" || offer.revoked) return undefined;
    const inviter = state.members.get(`i:${source.author}`);
    if (inviter?.access.level !== "manage" || inviter.counter !== offer.inviterCounter) {
      return undefined;
    }
    if (inviter.term !== offer.inviterTerm) return undefined;
    const { notAfter, uses, access } = source.action;
    if (notAfter !== undefined && action.time > notAfter) return undefined;
    if (past !== undefined && offer.joins.size >= uses) return undefined;
    const key = `i:${op.author}`;
    const known = state.members.get(key);
    if (known !== undefined && known.counter % 2 === 1) return undefined;
    if (past !== undefined && known !== undefined) {
      // Who has left or was removed needs an invite that was made after that.
      if ((membersBefore(source).get(key)?.counter ?? 0) < known.counter) return undefined;
    }
    const joined = { ...offer, joins: new Set(offer.joins).add(op.id) };
    const next = admitState(state, key, access, [ancestorCount(op), op.id]);
    return { ...next, offers: new Map(next.offers).set(action.invite, joined) };
  };

  return { isBefore, transition, resolve };
}

function otherManagers(state: State, actor: string): number {
  return [...state.members].filter(
    ([key, m]) => key !== actor && m.counter % 2 === 1 && m.access.level === "manage",
  ).length;
}

function givesManageToGroup({ member, access }: Grant): boolean {
  return member.kind === "group" && access.level === "manage";
}

function keyOf(member: { readonly kind: string; readonly id: string }): string {
  return `${member.kind === "group" ? "g" : "i"}:${member.id}`;
}

function reachable<T>(from: T, nodes: readonly T[], hasEdge: (a: T, b: T) => boolean): Set<T> {
  const found = new Set<T>();
  const queue = [from];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const node of nodes) {
      if (found.has(node) || !hasEdge(next, node)) continue;
      found.add(node);
      queue.push(node);
    }
  }
  return found;
}

type Seniority = readonly [number, number, string];

function compareSeniority(a: Seniority, b: Seniority): number {
  if (a[0] !== b[0]) return a[0] - b[0];
  if (a[1] !== b[1]) return a[1] - b[1];
  return a[2] < b[2] ? -1 : a[2] > b[2] ? 1 : 0;
}

function admissionPosition(op: AuthOp, member: string): number | undefined {
  const { action } = op;
  if (action.type === "create") {
    const position = action.grants.findIndex((grant) => keyOf(grant.member) === member);
    return position < 0 ? undefined : position;
  }
  if (action.type === "add") return keyOf(action.grant.member) === member ? 0 : undefined;
  if (action.type === "join") return `i:${op.author}` === member ? 0 : undefined;
  if (action.type !== "leave" || action.successor === undefined) return undefined;
  return keyOf(action.successor) === member ? 0 : undefined;
}

function mergeAccess(a: Access, b: Access): Access {
  return {
    level: rank(a.level) <= rank(b.level) ? a.level : b.level,
    mayDelete: a.mayDelete && b.mayDelete,
  };
}

function mergeStandings(a: Standing, b: Standing): Standing {
  if (a.counter !== b.counter) return a.counter > b.counter ? a : b;
  const term = Math.max(a.term, b.term);
  const isFirst = a.by[0] - b.by[0] || (a.by[1] < b.by[1] ? -1 : 1);
  const by = isFirst <= 0 ? a.by : b.by;
  if (a.accessCounter !== b.accessCounter) {
    return { ...(a.accessCounter > b.accessCounter ? a : b), term, by };
  }
  return { ...a, term, by, access: mergeAccess(a.access, b.access) };
}

function mergeOffers(a: Offer, b: Offer): Offer {
  const first = a.op <= b.op ? a : b;
  return {
    ...first,
    revoked: a.revoked || b.revoked,
    joins: new Set([...a.joins, ...b.joins]),
  };
}

function mergeMaps<V>(
  a: ReadonlyMap<string, V>,
  b: ReadonlyMap<string, V>,
  merge: (x: V, y: V) => V,
) {
  const merged = new Map(a);
  for (const [key, value] of b) {
    const other = merged.get(key);
    merged.set(key, other === undefined ? value : merge(other, value));
  }
  return merged;
}

function mergeStates(a: State, b: State): State {
  return {
    members: mergeMaps(a.members, b.members, mergeStandings),
    offers: mergeMaps(a.offers, b.offers, mergeOffers),
  };
}

function admitState(state: State, key: string, access: Access, by: Standing["by"]): State {
  const known = state.members.get(key);
  const standing: Standing = {
    counter: (known?.counter ?? 0) + 1,
    accessCounter: 0,
    term: 0,
    access,
    by,
  };
  return { ...state, members: new Map(state.members).set(key, standing) };
}

function exitState(state: State, key: string): State {
  const known = state.members.get(key);
  if (known === undefined || known.counter % 2 === 0) return state;
  const standing = { ...known, counter: known.counter + 1, accessCounter: 0 };
  return { ...state, members: new Map(state.members).set(key, standing) };
}

function setState(state: State, key: string, access: Access): State {
  const known = state.members.get(key);
  if (known === undefined || known.counter % 2 === 0) return state;
  const same = known.access.level === access.level && known.access.mayDelete === access.mayDelete;
  if (same) return state;
  const ends = known.access.level === "manage" && access.level !== "manage";
  const standing: Standing = {
    counter: known.counter,
    accessCounter: known.accessCounter + 1,
    term: known.term + (ends ? 1 : 0),
    access,
    by: known.by,
  };
  return { ...state, members: new Map(state.members).set(key, standing) };
}

function grantManage(state: State, key: string, access: Access, by: Standing["by"]): State {
  const known = state.members.get(key);
  if (known === undefined || known.counter % 2 === 0) return admitState(state, key, access, by);
  const mayDelete = known.access.mayDelete;
  return setState(state, key, { level: "manage", mayDelete });
}

/** A removal of a mutual ring happens whatever its author's standing; a demotion only lowers. */
function forceRemoval(state: State, op: AuthOp): State {
  const { action } = op;
  if (action.type === "remove") return exitState(state, keyOf(action.member));
  if (action.type === "revoke") {
    const offer = state.offers.get(action.invite);
    if (offer === undefined) return state;
    const revoked = { ...offer, revoked: true };
    return { ...state, offers: new Map(state.offers).set(action.invite, revoked) };
  }
  if (action.type !== "set") return state;
  const key = keyOf(action.grant.member);
  const known = state.members.get(key);
  if (known === undefined) return state;
  return setState(state, key, mergeAccess(known.access, action.grant.access));
}

/** A void leave still lets its author go; only the grant to a successor is lost. */
function exitOnly(state: State, op: AuthOp): State {
  return op.action.type === "leave" ? exitState(state, `i:${op.author}`) : state;
}
