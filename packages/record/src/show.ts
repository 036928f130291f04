/**
 * What of a document can be seen at a moment (docs/spec/record.md §6.2 and §6.3): nothing expired,
 * and nothing longer than a reader believes.
 */
import type { AuthorId } from "@hawser/crypto";
import {
  aliveAt,
  mapLives,
  nodeOf,
  type Held,
  type HeldDict,
  type HeldItem,
  type HeldPairs,
  type Life,
} from "./held.ts";
import { ttlMsMax } from "./limits.ts";
import { identityOf } from "./node-bytes.ts";
import { pathNodes } from "./nodes.ts";
import type { DictNode, Path, RecordNode } from "./types.ts";

/** A value that can be seen, and until when if nothing is written. */
export interface Shown<N extends RecordNode = RecordNode> {
  readonly node: N;
  /** µs. */
  readonly expiresAt: number;
}

/** One author's document under a key, as of the moment it was read. */
export interface RecordDocument extends Shown<DictNode> {
  readonly author: AuthorId;
  /** The value at a path, with its own end; `undefined` when none is there. */
  at(path: Path): Shown | undefined;
}

/**
 * When a reader first saw the entry with a stamp that was in the future then; `undefined` for
 * entries that were not.
 */
export type FirstSeen = (stamp: number) => number | undefined;

/** The document as seen at `now` µs, or `undefined`. */
export function showDocument(
  author: AuthorId,
  document: HeldDict,
  now: number,
  firstSeen: FirstSeen,
): RecordDocument | undefined {
  const believed = believable(document, firstSeen);
  const alive = aliveAt(believed, now);
  if (alive === undefined) return undefined;
  return {
    author,
    node: nodeOf(alive),
    expiresAt: alive.latest,
    at: (path) => showAt(alive, pathNodes(path)),
  };
}

/**
 * When a document next looks different by itself: the first moment after `now` at which a part of it
 * expires.
 */
export function nextExpiry(document: HeldDict, now: number, firstSeen: FirstSeen): number {
  const alive = aliveAt(believable(document, firstSeen), now);
  return alive === undefined ? Number.POSITIVE_INFINITY : alive.soonest;
}

/** Lifetimes cut to 30 days from the stamp, or from the first sight of a stamp in the future. */
function believable(document: HeldDict, firstSeen: FirstSeen): HeldDict {
  const longest = ttlMsMax * 1_000;
  const cut = (life: Life): Life => {
    const since = Math.min(life.stamp, firstSeen(life.stamp) ?? life.stamp);
    return { stamp: life.stamp, expiresAt: Math.min(life.expiresAt, since + longest) };
  };
  const shown = mapLives(document, cut);
  // A dictionary stays one.
  return shown.kind === "dict" ? shown : document;
}

function showAt(document: Held, path: readonly RecordNode[]): Shown | undefined {
  let held = document;
  for (const [index, step] of path.entries()) {
    const item = itemAt(held, step);
    if (item !== undefined) {
      // Elements and positional arguments live and die as a whole.
      const node = nodeAt(item.node, path.slice(index + 1));
      return node === undefined ? undefined : { node, expiresAt: item.life.expiresAt };
    }
    const value = pairsOf(held)?.get(identityOf(step))?.value;
    if (value === undefined) return undefined;
    held = value;
  }
  return { node: nodeOf(held), expiresAt: held.latest };
}

function itemAt(held: Held, step: RecordNode): HeldItem | undefined {
  if (step.kind !== "int") return undefined;
  if (held.kind === "list") return [...held.items.values()][Number(step.value)];
  return held.kind === "predicate" ? held.args[Number(step.value)] : undefined;
}

function pairsOf(held: Held): HeldPairs | undefined {
  if (held.kind === "dict") return held.pairs;
  return held.kind === "predicate" ? held.named : undefined;
}

/** The value at steps below a value: `select` of the routing language (§7.2). */
export function nodeAt(node: RecordNode, path: readonly RecordNode[]): RecordNode | undefined {
  let there: RecordNode | undefined = node;
  for (const step of path) {
    if (there === undefined) return undefined;
    there = child(there, step);
  }
  return there;
}

function child(node: RecordNode, step: RecordNode): RecordNode | undefined {
  switch (node.kind) {
    case "dict":
      return under(node.pairs, step);
    case "list":
      return step.kind === "int" ? node.items[Number(step.value)] : undefined;
    case "predicate":
      return step.kind === "int" ? node.args[Number(step.value)] : under(node.named, step);
    default:
      return undefined;
  }
}

function under(pairs: DictNode["pairs"], step: RecordNode): RecordNode | undefined {
  const identity = identityOf(step);
  return pairs.find(([key]) => identityOf(key) === identity)?.[1];
}
