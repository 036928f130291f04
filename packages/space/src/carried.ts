/**
 * Operations of nested groups that a space's control logs carry (docs/spec/6-space.md §16): they
 * prove themselves by their signature, and wait here until the graph wants them. Which of them it
 * takes is a function of what was carried, in whatever order it came. Layer 5, pure; used by fold.ts
 * alone.
 */
import {
  parseOp,
  verifyOpSignature,
  type AuthGraph,
  type AuthOp,
  type GroupId,
  type OpId,
} from "@hawser/auth";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { SignedOp } from "./control.ts";
import type { ControlLog, PlacedOp } from "./control-log.ts";
import { newcomersOf } from "./grants.ts";

/** Operations that one control log may carry; entries beyond have no effect. */
export const carriedPerLogMax = 65_536;

/** What the pool works on. */
export interface CarriedDeps {
  readonly crypto: Crypto;
  readonly graph: AuthGraph;
  /** The space's own group, whose ops stand in their authors' logs and are never carried. */
  readonly root: GroupId;
  /** Does a bundle that everybody can read stand in some control log of the space? */
  readonly hasBundle: (author: AuthorId) => boolean;
  /** Does what stands in an entry hold, by `check` where that is not known? */
  readonly holds: (log: ControlLog, seq: number, check: () => boolean) => boolean;
  /** An op that was carried there has got in. */
  readonly onAccepted: (log: ControlLog, placed: PlacedOp) => void;
}

/** Carried ops on their way into the graph. */
export interface CarriedPool {
  /** Takes what one entry carries. The reason when all of it has no effect. */
  take(log: ControlLog, at: { seq: number; stamp: number }, ops: readonly SignedOp[]): Reason;
  /** The space's own membership builds on these. */
  want(ops: readonly OpId[]): void;
  /** Something changed that ops may have waited for. */
  poke(): void;
  /** Hands ops to the graph as far as they go. True when one was decided. */
  settle(): boolean;
  /** Puts ops, causes first, into the graph before an entry carries them. False if one is refused. */
  learn(ops: readonly AuthOp[]): boolean;
  /** Why an op that was carried is not in the graph. */
  reasonOf(op: OpId): string | undefined;
}

type Reason = string | undefined;

interface Item {
  readonly op: AuthOp;
  readonly places: { readonly log: ControlLog; readonly placed: PlacedOp }[];
}

/** An empty pool. */
export function createCarriedPool(deps: CarriedDeps): CarriedPool {
  const { crypto, graph, root } = deps;
  // What is not decided yet, by id and by group.
  const pool = new Map<OpId, Item>();
  const byGroup = new Map<GroupId, Set<OpId>>();
  const groups = new Set<GroupId>();
  const wanted = new Set<OpId>();
  const reasons = new Map<OpId, string>();
  let isPoked = false;

  const put = (log: ControlLog, placed: PlacedOp): void => {
    const { op } = placed;
    const item = pool.get(op.id) ?? { op, places: [] };
    item.places.push({ log, placed });
    pool.set(op.id, item);
    const ofGroup = byGroup.get(op.group) ?? new Set();
    byGroup.set(op.group, ofGroup.add(op.id));
  };

  const drop = (item: Item): void => {
    pool.delete(item.op.id);
    byGroup.get(item.op.group)?.delete(item.op.id);
    wanted.delete(item.op.id);
  };

  /** All ops of an entry, or why none of them counts. */
  const read = (
    log: ControlLog,
    seq: number,
    ops: readonly SignedOp[],
  ): readonly AuthOp[] | string => {
    if (log.forgedAt !== undefined) return "CARRIER_FORGED";
    if (log.carried.length + ops.length > carriedPerLogMax) return "CARRY_LIMIT";
    const parsed: AuthOp[] = [];
    for (const { op: bytes } of ops) {
      const result = parseOp(crypto, bytes);
      if (!result.ok) return result.reason;
      if (result.op.group === root) return "OWN_GROUP";
      parsed.push(result.op);
    }
    const isSigned = (op: AuthOp, index: number): boolean => {
      const signature = ops[index]?.signature;
      return signature !== undefined && verifyOpSignature(crypto, op, signature);
    };
    const areSigned = deps.holds(log, seq, () => parsed.every(isSigned));
    return areSigned ? parsed : "BAD_OP_SIGNATURE";
  };

  const take: CarriedPool["take"] = (log, { seq, stamp }, ops) => {
    const parsed = read(log, seq, ops);
    if (typeof parsed === "string") {
      // Whoever forges once is not worth the work of checking more.
      if (parsed === "BAD_OP_SIGNATURE") log.forgedAt = seq;
      return parsed;
    }
    for (const op of parsed) {
      const placed: PlacedOp = { seq, stamp, op, standing: "pending" };
      log.carried.push(placed);
      put(log, placed);
    }
    isPoked = true;
    return undefined;
  };

  /** Ops of groups that are in the graph, ops that are wanted, and what those build on. */
  const inScope = (): ReadonlyMap<OpId, Item> => {
    const scope = new Map<OpId, Item>();
    const queue = [...wanted];
    for (const group of groups) queue.push(...(byGroup.get(group) ?? []));
    for (const id of queue) {
      const item = pool.get(id);
      if (item === undefined || scope.has(id)) continue;
      scope.set(id, item);
      queue.push(...item.op.deps);
    }
    return scope;
  };

  /** What became of one op whose deps in the pool are decided; `undefined`: it still waits. */
  const decide = ({ op, places }: Item): PlacedOp["standing"] => {
    const isReachable = newcomersOf(op).every(deps.hasBundle);
    reasons.set(op.id, isReachable ? "MISSING_OPS" : "BUNDLE_MISSING");
    if (!isReachable) return "pending";
    const verdict = graph.add(op);
    if (verdict.status === "pending") return "pending";
    if (verdict.status === "rejected") reasons.set(op.id, verdict.reason);
    else reasons.delete(op.id);
    for (const { log, placed } of places) {
      placed.standing = verdict.status;
      if (verdict.status === "accepted") deps.onAccepted(log, placed);
    }
    return verdict.status;
  };

  const settle = (): boolean => {
    if (!isPoked) return false;
    isPoked = false;
    const scope = inScope();
    const waitingFor = new Map<OpId, number>();
    const followers = new Map<OpId, Item[]>();
    const ready: Item[] = [];
    for (const item of scope.values()) {
      const inner = item.op.deps.filter((dep) => scope.has(dep));
      waitingFor.set(item.op.id, inner.length);
      if (inner.length === 0) ready.push(item);
      for (const dep of inner) followers.set(dep, [...(followers.get(dep) ?? []), item]);
    }
    let moved = false;
    for (const item of ready) {
      const { id, group } = item.op;
      const standing = decide(item);
      if (standing === "pending") continue;
      moved = true;
      if (standing === "accepted") groups.add(group);
      drop(item);
      for (const follower of followers.get(id) ?? []) {
        const left = (waitingFor.get(follower.op.id) ?? 1) - 1;
        waitingFor.set(follower.op.id, left);
        if (left === 0) ready.push(follower);
      }
    }
    // A group that came in makes all its ops of interest.
    isPoked ||= moved && pool.size > 0;
    return moved;
  };

  return {
    take,
    want: (ops) => {
      for (const op of ops) {
        if (wanted.has(op)) continue;
        wanted.add(op);
        isPoked = true;
      }
    },
    poke: () => {
      isPoked = true;
    },
    settle,
    learn: (ops) =>
      ops.every((op) => {
        groups.add(op.group);
        return graph.add(op).status === "accepted";
      }),
    reasonOf: (op) => reasons.get(op),
  };
}
