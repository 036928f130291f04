/**
 * Taking an event back (docs/spec/doc.md §3.8): what it changed and nobody changed since reads again
 * as before. Layer 7.
 */
import type { ViewEvent } from "@hawser/view";
import { changeValue, marksPerOp } from "./change.ts";
import type { Life } from "./document.ts";
import { equalJson, jsonKey, type Json } from "./json.ts";
import { markAfter, markHeadLength, marksOf, type Mark } from "./marks.ts";
import { decodeItems, marksOfOp, type DocItem, type DocOp } from "./ops.ts";
import type { DocState } from "./state.ts";
import { characterOf, charactersOf, erasedIn, type MarkRun, type TextField } from "./text.ts";
import { lastMarkAt, nodeAt, valueAt, type TreeNode } from "./tree.ts";

/** What takes an event back, given the state before it and the state now. */
export function inverseItems(
  event: ViewEvent,
  before: DocState,
  now: DocState,
): readonly DocItem[] {
  const markAt = marksOf(event);
  const items: DocItem[] = [];
  let index = 0;
  for (const item of decodeItems(event.body)) {
    const first = index;
    index += 1;
    for (const op of item.ops) index += marksOfOp(op);
    const own = markAt(first);
    const mark = item.life === "first" ? "" : item.life === "new" ? own : item.life;
    const there = now.get(item.collection)?.get(item.id);
    const life = there?.lives.get(mark);
    // Of a life that is over nothing can be seen.
    if (life === undefined || there?.current !== mark) continue;
    const earlier = before.get(item.collection)?.get(item.id);
    const past = earlier?.current === mark ? earlier.lives.get(mark) : undefined;
    const inverse = inverseItem(item, { own, first, markAt, past, life });
    if (inverse === undefined) continue;
    const { collection, id } = item;
    items.push({ collection, id, life: mark === "" ? "first" : mark, ...inverse });
  }
  return items;
}

/** Where an item stands, and the life it speaks of. */
interface Place {
  readonly own: Mark;
  readonly first: number;
  readonly markAt: (index: number) => Mark;
  /** The life before the event, if it counted then. */
  readonly past: Life | undefined;
  readonly life: Life;
}

function inverseItem(
  item: DocItem,
  { own, first, markAt, past, life }: Place,
): Pick<DocItem, "existence" | "ops"> | undefined {
  const isLast = life.existence?.mark === own;
  const wasThere = past?.existence?.exists === true;
  if (item.existence === "deleted") {
    return isLast && wasThere ? { existence: "put", ops: [] } : undefined;
  }
  if (past === undefined || !wasThere) {
    return isLast ? { existence: "deleted", ops: [] } : undefined;
  }
  if (life.existence?.exists !== true) return undefined;
  const ops: DocOp[] = [];
  const restored = new Set<string>();
  let index = first + 1;
  for (const op of item.ops) {
    const mark = markAt(index);
    index += marksOfOp(op);
    if ("path" in op) restorePlace(ops, restored, op.path, { mark, past, life });
    else ops.push(...inverseOp(op, { mark, past, life }));
  }
  return ops.length === 0 ? undefined : { existence: "unsaid", ops };
}

/** An op's first mark, and the life it changed, then and now. */
interface Changed {
  readonly mark: Mark;
  readonly past: Life;
  readonly life: Life;
}

/** Everything at and below a place, if the event was the last to change any of it. */
function restorePlace(
  ops: DocOp[],
  restored: Set<string>,
  path: readonly string[],
  { mark, past, life }: Changed,
): void {
  for (let length = 1; length < path.length; length++) {
    if (restored.has(JSON.stringify(path.slice(0, length)))) return;
  }
  const last = lastMarkAt(life.root, path);
  if (last?.slice(0, markHeadLength) !== mark.slice(0, markHeadLength)) return;
  restored.add(JSON.stringify(path));
  changeValue(ops, path, readAt(life.root, path), readAt(past.root, path));
}

/** A value that was within the limits when it was written. */
function readAt(root: TreeNode, path: readonly string[]): Json | undefined {
  const node = nodeAt(root, path);
  return node === undefined ? undefined : valueAt(node, { take: () => true, isOver: false });
}

type FieldOp = Exclude<DocOp, { readonly path: readonly string[] }>;

function inverseOp(op: FieldOp, changed: Changed): readonly DocOp[] {
  const { past, life, mark } = changed;
  const { field } = op;
  switch (op.op) {
    case "add":
      return op.amount === 0 ? [] : [{ op: "add", field, amount: -op.amount }];
    case "include":
    case "exclude": {
      const key = jsonKey(op.value);
      if (life.sets.get(field)?.get(key)?.mark !== mark) return [];
      const wasIn = past.sets.get(field)?.get(key)?.isIn ?? isListed(past, field, op.value);
      if (wasIn === (op.op === "include")) return [];
      return [{ op: wasIn ? "include" : "exclude", field, value: op.value }];
    }
    case "insert":
      return removal(op.values.length, field, changed);
    case "remove":
      return putBack(op.items, field, changed);
    case "type": {
      const text = life.texts.get(field);
      const runs = [{ from: mark, count: marksOfOp(op) }];
      return text !== undefined && isShown(text, runs) ? [{ op: "erase", field, runs }] : [];
    }
    case "erase":
      return typedAgain(op.runs, field, changed);
  }
}

/** Was it in the list that the set began as? */
function isListed({ root }: Life, field: string, value: Json): boolean {
  const list = readAt(root, [field]);
  return Array.isArray(list) && list.some((item: Json) => equalJson(item, value));
}

function removal(count: number, field: string, { mark, life }: Changed): readonly DocOp[] {
  const sequence = life.sequences.get(field);
  const items = Array.from({ length: count }, (_, place) => markAfter(mark, place)).filter(
    (one) => sequence?.items.has(one) === true && !sequence.removed.has(one),
  );
  const ops: DocOp[] = [];
  for (let start = 0; start < items.length; start += marksPerOp) {
    ops.push({ op: "remove", field, items: items.slice(start, start + marksPerOp) });
  }
  return ops;
}

/** Items come back directly behind their old places, which nobody else's items are. */
function putBack(items: readonly Mark[], field: string, { past, life }: Changed): readonly DocOp[] {
  const old = past.sequences.get(field);
  const now = life.sequences.get(field);
  return items.flatMap((mark): readonly DocOp[] => {
    const item = old?.items.get(mark);
    if (item === undefined || old?.removed.has(mark) === true) return [];
    const isBack = now?.behind
      .get(mark)
      ?.some((one) => old?.items.has(one) === false && !now.removed.has(one));
    return isBack === true ? [] : [{ op: "insert", field, after: mark, values: [item.value] }];
  });
}

/** Is any character of the runs there? */
function isShown(text: TextField, runs: readonly MarkRun[]): boolean {
  const isInRuns = erasedIn({ erased: new Map(runs.map(({ from, count }) => [from, count])) });
  return charactersOf(text)?.some(({ mark }) => isInRuns(mark)) === true;
}

/** Characters that stood together come back together, directly behind the last of their old places. */
function typedAgain(
  runs: readonly MarkRun[],
  field: string,
  { past, life }: Changed,
): readonly DocOp[] {
  const old = past.texts.get(field);
  const now = life.texts.get(field);
  if (old === undefined || now === undefined) return [];
  const isInRuns = erasedIn({ erased: new Map(runs.map(({ from, count }) => [from, count])) });
  const isErased = erasedIn(now);
  const ops: DocOp[] = [];
  let together = "";
  let last: Mark | undefined;
  const finish = (): void => {
    const isBack =
      last !== undefined &&
      now.characters.behind
        .get(last)
        ?.some((one) => !old.characters.items.has(one) && !isErased(one)) === true;
    if (together !== "" && !isBack) ops.push({ op: "type", field, after: last, text: together });
    together = "";
  };
  for (const item of charactersOf(old) ?? []) {
    if (isInRuns(item.mark)) {
      together += characterOf(item);
      last = item.mark;
    } else finish();
  }
  finish();
  return ops;
}
