/**
 * One op on one document (docs/spec/record.md §4 and §5): the document after it, or why nothing
 * changes. Writers ask this before they append, readers when they fold; so both agree.
 */
import {
  aliveAt,
  heldDict,
  heldList,
  heldPair,
  heldPredicate,
  hold,
  laterLife,
  mapLives,
  type Held,
  type HeldDict,
  type HeldPair,
  type HeldPairs,
  type Life,
} from "./held.ts";
import { depthMax, documentBytesMax, documentNodesMax } from "./limits.ts";
import { isRefusal, mergeDicts, type Refusal } from "./merge.ts";
import { identityOf } from "./node-bytes.ts";
import type { RecordOp } from "./ops.ts";
import type { RecordNode } from "./types.ts";

const emptyDocument = heldDict(new Map(), undefined);

/**
 * What becomes of a document (`undefined`: there is none) by an op of an entry with this stamp. The
 * result is `undefined` when nothing is left.
 */
export function applyOp(
  document: HeldDict | undefined,
  op: RecordOp,
  stamp: number,
): HeldDict | Refusal | undefined {
  const alive = document === undefined ? undefined : aliveAt(document, stamp);
  const result = changed(alive, op, stamp);
  if (result === undefined || isRefusal(result)) return result;
  // What a snapshot brings may have expired meanwhile.
  const left = aliveAt(result, stamp);
  return left === undefined ? undefined : withinLimits(left);
}

function changed(
  alive: HeldDict | undefined,
  op: RecordOp,
  stamp: number,
): HeldDict | Refusal | undefined {
  switch (op.op) {
    case "update": {
      const context = { life: lifeOf(stamp, op.ttlMs), setLike: new Set(op.setLike) };
      return mergeDicts(alive ?? emptyDocument, op.node, context);
    }
    case "set": {
      const value = hold(op.node, lifeOf(stamp, op.ttlMs));
      if (op.path.length === 0) {
        return value.kind === "dict" ? value : { refused: "RECORD_KIND_MISMATCH", path: [] };
      }
      return changedAt(alive ?? emptyDocument, op.path, () => value);
    }
    case "remove":
      if (alive === undefined) return { refused: "RECORD_NOT_FOUND", path: op.path };
      return changedAt(alive, op.path, (there) => removed(there, op));
    case "touch": {
      if (alive === undefined) return { refused: "RECORD_NOT_FOUND", path: op.path };
      const life = lifeOf(stamp, op.ttlMs);
      return changedAt(alive, op.path, (there) =>
        there === undefined
          ? { refused: "RECORD_NOT_FOUND", path: op.path }
          : mapLives(there, (old) => laterLife(old, life)),
      );
    }
    case "snapshot":
      return op.held;
  }
}

/** `expiresAt = stamp + ttl`, by the author's clock. */
export function lifeOf(stamp: number, ttlMs: number): Life {
  return { expiresAt: Math.min(stamp + ttlMs * 1_000, Number.MAX_SAFE_INTEGER), stamp };
}

function removed(
  there: Held | undefined,
  { path, item }: Extract<RecordOp, { readonly op: "remove" }>,
): Held | Refusal | undefined {
  if (there === undefined) return { refused: "RECORD_NOT_FOUND", path };
  if (item === undefined) return undefined;
  if (there.kind !== "list") return { refused: "RECORD_KIND_MISMATCH", path };
  const items = new Map(there.items);
  if (!items.delete(identityOf(item))) return { refused: "RECORD_NOT_FOUND", path };
  return heldList(items, there.empty);
}

/** What stands at the end of a path becomes what `change` makes of it; `undefined` takes it out. */
type Change = (there: Held | undefined) => Held | Refusal | undefined;

function changedAt(
  document: HeldDict,
  path: readonly RecordNode[],
  change: Change,
): HeldDict | Refusal | undefined {
  const result = descend(document, path, 0, change);
  if (result === undefined || isRefusal(result)) return result;
  // The document itself is only ever changed into a dictionary: `set` sees to it.
  return result.kind === "dict" ? result : { refused: "RECORD_KIND_MISMATCH", path: [] };
}

/** Bounded by the length of a path, which is at most the depth limit. */
function descend(
  there: Held | undefined,
  path: readonly RecordNode[],
  index: number,
  change: Change,
): Held | Refusal | undefined {
  const step = path[index];
  if (step === undefined) return change(there);
  const at = path.slice(0, index);
  if (there === undefined) return { refused: "RECORD_NOT_FOUND", path: at };
  if (there.kind === "leaf" || there.kind === "list") {
    return { refused: "RECORD_KIND_MISMATCH", path: at };
  }
  const pairs = there.kind === "dict" ? there.pairs : there.named;
  const identity = identityOf(step);
  const result = descend(pairs.get(identity)?.value, path, index + 1, change);
  if (result !== undefined && isRefusal(result)) return result;
  const after = replaced(pairs, identity, step, result);
  if (there.kind === "dict") return heldDict(after, there.empty);
  return heldPredicate({ tag: there.tag, args: there.args, named: after }, there.empty);
}

function replaced(
  pairs: HeldPairs,
  identity: string,
  key: RecordNode,
  value: Held | undefined,
): HeldPairs {
  const after = new Map<string, HeldPair>(pairs);
  if (value === undefined) after.delete(identity);
  else after.set(identity, heldPair(pairs.get(identity)?.key ?? key, value));
  return after;
}

function withinLimits(document: HeldDict): HeldDict | Refusal {
  if (document.depth > depthMax) return { refused: "RECORD_TOO_DEEP", path: [] };
  const { byteCount, nodeCount } = document;
  if (byteCount > documentBytesMax || nodeCount > documentNodesMax) {
    return { refused: "RECORD_TOO_LARGE", path: [] };
  }
  return document;
}
