/**
 * What compaction may drop (docs/spec/doc.md §4.1): events that leave no trace in the state, and never
 * will again. Every part of a state only grows, so what is outdone stays outdone. Layer 7.
 */
import type { ViewEvent } from "@hawser/view";
import type { Life, StoredDoc } from "./document.ts";
import { jsonKey } from "./json.ts";
import { marksOf, type Mark } from "./marks.ts";
import { decodeItems, marksOfOp, type DocItem, type DocOp } from "./ops.ts";
import type { DocState } from "./state.ts";
import type { TreeNode } from "./tree.ts";

/** Would the state be the same without the event, now and after whatever comes? */
export function isSuperseded(state: DocState, event: ViewEvent): boolean {
  return outdoneItems(state, event).every((isOutdone) => isOutdone);
}

/** Of each item of an event: does it leave no trace? */
export function outdoneItems(state: DocState, event: ViewEvent): readonly boolean[] {
  const markAt = marksOf(event);
  let index = 0;
  return decodeItems(event.body).map((item) => {
    const first = index;
    for (const op of item.ops) index += marksOfOp(op);
    index += 1;
    return isItemOutdone(state.get(item.collection)?.get(item.id), item, markAt, first);
  });
}

function isItemOutdone(
  doc: StoredDoc | undefined,
  item: DocItem,
  markAt: (index: number) => Mark,
  first: number,
): boolean {
  const own = markAt(first);
  const lifeMark = item.life === "first" ? "" : item.life === "new" ? own : item.life;
  if (doc === undefined || lifeMark > own) return false;
  if (lifeMark < doc.current) return true;
  const life = doc.lives.get(lifeMark);
  // What begins a life is its only witness; what says nothing may be the only one too.
  const saysNothing = item.existence === "unsaid" && item.ops.length === 0;
  if (life === undefined || item.life === "new" || saysNothing) return false;
  if (item.existence !== "unsaid" && (life.existence?.mark ?? "") <= own) return false;
  let index = first + 1;
  return item.ops.every((op) => {
    const mark = markAt(index);
    index += marksOfOp(op);
    return isOpOutdone(life, op, mark);
  });
}

function isOpOutdone(life: Life, op: DocOp, mark: Mark): boolean {
  switch (op.op) {
    case "set":
    case "object":
    case "unset":
      return isCleared(life.root, op.path, mark);
    case "include":
    case "exclude":
      return (life.sets.get(op.field)?.get(jsonKey(op.value))?.mark ?? "") > mark;
    // Sums have no parts, and items keep their places also when they are gone.
    case "add":
    case "insert":
    case "remove":
    case "type":
    case "erase":
      return false;
  }
}

/** Was the place, or one above it, set or unset later? */
function isCleared(root: TreeNode, path: readonly string[], mark: Mark): boolean {
  let node: TreeNode | undefined = root;
  for (const key of path) {
    node = node.children?.get(key);
    if (node === undefined) return false;
    if (node.cleared !== undefined && node.cleared > mark) return true;
  }
  return false;
}
