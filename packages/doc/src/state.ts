/**
 * The state of the document view (docs/spec/doc.md §4): every document of every collection, also of
 * those that this device knows no schema for. Commutative: each part is a maximum or a sum. Layer 7.
 */
import { decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import type { View } from "@hawser/view";
import { applyItem, createStoredDoc, type Life, type StoredDoc } from "./document.ts";
import { isKey, jsonFromCbor, jsonToCbor, latinToBytes } from "./json.ts";
import { markFromBytes, marksOf, markToBytes, type Mark } from "./marks.ts";
import { decodeItems, isCollectionName, isId } from "./ops.ts";
import { createSequence, insertItem, type Sequence } from "./sequence.ts";
import { createNode, flatten, type RegisterValue, type TreeNode } from "./tree.ts";

/** Documents by collection and id. */
export type DocState = Map<string, Map<string, StoredDoc>>;

const version = 1;

/** The type of the events. */
export const docEventType = "doc";

/** The reducer. */
export const docView: View<DocState> = {
  name: "doc",
  version,
  types: [docEventType],
  commutative: true,
  init: () => new Map(),
  apply: (state, event) => {
    const markAt = marksOf(event);
    let index = 0;
    for (const item of decodeItems(event.body)) {
      const docs = state.get(item.collection) ?? new Map<string, StoredDoc>();
      state.set(item.collection, docs);
      const doc = docs.get(item.id) ?? createStoredDoc();
      docs.set(item.id, doc);
      index = applyItem(doc, item, markAt, index);
    }
    return state;
  },
  encode: (state) =>
    encodeCbor([
      version,
      ...sortedEntries(state).map(([name, docs]): CborValue => [
        name,
        ...sortedEntries(docs).map(([id, doc]): CborValue => [id, ...livesToCbor(doc)]),
      ]),
    ]),
  decode: decodeState,
};

function sortedEntries<Value>(
  map: ReadonlyMap<string, Value>,
): readonly (readonly [string, Value])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function livesToCbor(doc: StoredDoc): readonly CborValue[] {
  return sortedEntries(doc.lives).map(([mark, life]) => lifeToCbor(mark, life));
}

/** Values are bytes of their own: the depth of a state must not grow with that of its documents. */
function lifeToCbor(mark: string, life: Life): CborValue {
  const { existence } = life;
  return [
    latinToBytes(mark),
    life.isBegun,
    existence === undefined ? null : [markToBytes(existence.mark), existence.exists],
    flatten(life.root).map(({ path, node }) => nodeToCbor(path, node)),
    sortedEntries(life.counters).map(([field, sum]) => [field, String(sum)]),
    sortedEntries(life.sets).map(([field, elements]): CborValue => [
      field,
      ...sortedEntries(elements).map(([key, { mark: at, isIn }]): CborValue => [
        textToBytes(key),
        markToBytes(at),
        isIn,
      ]),
    ]),
    sortedEntries(life.sequences).map(([field, sequence]) => [field, ...sequenceToCbor(sequence)]),
  ];
}

/** Keys of elements are text or bytes in characters: UTF-8 of either brings them back. */
function textToBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function nodeToCbor(path: readonly string[], node: TreeNode): CborValue {
  const { register, mark, cleared } = node;
  const head: readonly CborValue[] = [
    [...path],
    mark === undefined ? null : markToBytes(mark),
    cleared === undefined ? null : markToBytes(cleared),
    ["leaf", "object", "absent"].indexOf(register.kind),
  ];
  return register.kind === "leaf" ? [...head, encodeCbor(jsonToCbor(register.value))] : head;
}

function sequenceToCbor(sequence: Sequence): readonly CborValue[] {
  const items = sortedEntries(sequence.items).map(([, item]): CborValue => [
    markToBytes(item.mark),
    item.after === undefined ? null : markToBytes(item.after),
    encodeCbor(jsonToCbor(item.value)),
  ]);
  return [items, [...sequence.removed].sort().map(markToBytes)];
}

/** Thrown inside `decodeState` alone. */
class NoState extends Error {}

function need<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new NoState();
  return value;
}

function list(value: CborValue | undefined): readonly CborValue[] {
  if (!Array.isArray(value)) throw new NoState();
  return value as readonly CborValue[];
}

function decodeState(bytes: Uint8Array): DocState | undefined {
  try {
    const [head, ...collections] = list(decodeCbor(bytes));
    if (head !== version) return undefined;
    return new Map(
      collections.map((collection) => {
        const [name, ...docs] = list(collection);
        if (!isCollectionName(name)) throw new NoState();
        return [name, new Map(docs.map(docFromCbor))];
      }),
    );
  } catch (error) {
    if (error instanceof NoState) return undefined;
    throw error;
  }
}

function docFromCbor(value: CborValue): readonly [string, StoredDoc] {
  const [id, ...lives] = list(value);
  if (!isId(id)) throw new NoState();
  const doc = createStoredDoc();
  for (const life of lives.map(lifeFromCbor)) {
    doc.lives.set(...life);
    if (life[1].isBegun && life[0] > doc.current) [doc.current] = life;
  }
  return [id, doc];
}

function lifeFromCbor(value: CborValue): readonly [Mark | "", Life] {
  const [mark, isBegun, existence, nodes, counters, sets, sequences] = list(value);
  const isFirst = mark instanceof Uint8Array && mark.length === 0;
  const root = createNode();
  for (const node of list(nodes)) placeNode(root, node);
  const [existenceMark, exists] = existence === null ? [] : list(existence);
  const life: Life = {
    isBegun: isBegun === true,
    existence:
      existence === null
        ? undefined
        : { mark: need(markFromBytes(existenceMark)), exists: exists === true },
    root,
    counters: new Map(list(counters).map(counterFromCbor)),
    sets: new Map(list(sets).map(setFromCbor)),
    sequences: new Map(list(sequences).map(sequenceFromCbor)),
  };
  return [isFirst ? "" : need(markFromBytes(mark)), life];
}

function field(value: CborValue | undefined): string {
  if (!isKey(value)) throw new NoState();
  return value;
}

function optionalMark(value: CborValue | undefined): Mark | undefined {
  return value === null ? undefined : need(markFromBytes(value));
}

function jsonOf(value: CborValue | undefined) {
  const inner = value instanceof Uint8Array ? decodeCbor(value) : undefined;
  return need(inner === undefined ? undefined : jsonFromCbor(inner));
}

function placeNode(root: TreeNode, value: CborValue): void {
  const [path, mark, cleared, kind, leaf] = list(value);
  let node = root;
  for (const key of list(path)) {
    node.children ??= new Map();
    const child: TreeNode = node.children.get(field(key)) ?? createNode();
    node.children.set(field(key), child);
    node = child;
  }
  const registers: readonly RegisterValue["kind"][] = ["leaf", "object", "absent"];
  const register = need(registers[Number(kind)]);
  node.mark = optionalMark(mark);
  node.cleared = optionalMark(cleared);
  node.register =
    register === "leaf" ? { kind: register, value: jsonOf(leaf) } : { kind: register };
}

function counterFromCbor(value: CborValue): readonly [string, bigint] {
  const [name, sum] = list(value);
  if (typeof sum !== "string" || !/^(0|-?[1-9][0-9]*)$/.test(sum)) throw new NoState();
  return [field(name), BigInt(sum)];
}

function setFromCbor(value: CborValue) {
  const [name, ...elements] = list(value);
  const read = elements.map((element) => {
    const [key, mark, isIn] = list(element);
    if (!(key instanceof Uint8Array)) throw new NoState();
    const held = { mark: need(markFromBytes(mark)), isIn: isIn === true };
    return [new TextDecoder().decode(key), held] as const;
  });
  return [field(name), new Map(read)] as const;
}

function sequenceFromCbor(value: CborValue): readonly [string, Sequence] {
  const [name, items, removed] = list(value);
  const sequence = createSequence();
  for (const item of list(items)) {
    const [mark, after, inner] = list(item);
    const place = { mark: need(markFromBytes(mark)), after: optionalMark(after) };
    insertItem(sequence, { ...place, value: jsonOf(inner) });
  }
  for (const mark of list(removed)) sequence.removed.add(need(markFromBytes(mark)));
  return [field(name), sequence];
}
