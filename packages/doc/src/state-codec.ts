/**
 * The state of the document view in bytes (docs/spec/doc.md §4). Made to be read fast: a device opens
 * its documents from it. Layer 7.
 */
import {
  createByteReader,
  createByteWriter,
  decodeCbor,
  encodeCbor,
  fromUtf8,
  utf8,
  type ByteReader,
  type ByteWriter,
} from "@hawser/codec";
import {
  createStoredDoc,
  fieldMapOf,
  type Life,
  type SetElement,
  type StoredDoc,
} from "./document.ts";
import { depthMax, isKey, jsonFromCbor, jsonToCbor, latinToBytes, type Json } from "./json.ts";
import { markAfter, markHeadLength as headBytes, markIndex, type Mark } from "./marks.ts";
import { isCollectionName, isId } from "./ops.ts";
import { createSequence, insertItem, type Sequence, type SequenceItem } from "./sequence.ts";
import type { DocState } from "./state.ts";
import { characterOf, createText, eraseText, typeText, type TextField } from "./text.ts";
import { createNode, flatten, type RegisterValue, type TreeNode } from "./tree.ts";

const formatVersion = 3;
/** Characters of a sum: more than any count of safe integers adds up to. */
const sumTextMax = 64;
const kinds = { cbor: 0, object: 1, absent: 2, text: 3, false: 4, true: 5 } as const;
const flags = { isBegun: 1, isSaid: 2, exists: 4 } as const;

/** What is written once and named by its number: heads of marks, and names of fields. */
interface Tables {
  readonly heads: readonly string[];
  readonly names: readonly string[];
}

/** Says what marks and names there are, or writes them. */
interface Sink {
  mark(mark: Mark | "" | undefined): void;
  name(name: string): void;
  readonly out: ByteWriter;
}

/** The one encoding of a state. */
export function encodeState(state: DocState): Uint8Array {
  const ready = sortedEntries(state).map(([name, docs]) => [name, sortedEntries(docs)] as const);
  const heads = new Set<string>();
  const names = new Set<string>();
  const collect: Sink = {
    mark: (mark) => void (mark && heads.add(mark.slice(0, headBytes))),
    name: (name) => void names.add(name),
    out: createByteWriter(),
  };
  for (const [, docs] of ready) for (const [, doc] of docs) writeDoc(collect, doc);
  const tables = { heads: [...heads].sort(), names: [...names].sort() };
  const out = createByteWriter(1_024 + collect.out.size * 2 + tables.heads.length * headBytes);
  out.u8(formatVersion);
  out.varint(tables.names.length);
  for (const name of tables.names) out.sized(utf8(name));
  out.varint(tables.heads.length);
  for (const head of tables.heads) out.bytes(latinToBytes(head));
  const sink = createSink(out, tables);
  out.varint(ready.length);
  for (const [name, docs] of ready) {
    out.sized(utf8(name));
    out.varint(docs.length);
    for (const [id, doc] of docs) {
      out.sized(utf8(id));
      writeDoc(sink, doc);
    }
  }
  return out.finish();
}

function createSink(out: ByteWriter, { heads, names }: Tables): Sink {
  const headNumbers = new Map(heads.map((head, index) => [head, index]));
  const nameNumbers = new Map(names.map((name, index) => [name, index]));
  return {
    out,
    name: (name) => out.varint(nameNumbers.get(name) ?? 0),
    mark: (mark) => {
      if (mark === undefined || mark === "") return out.varint(0);
      out.varint(1 + (headNumbers.get(mark.slice(0, headBytes)) ?? 0));
      out.varint(markIndex(mark));
    },
  };
}

function sortedEntries<Value>(
  map: ReadonlyMap<string, Value>,
): readonly (readonly [string, Value])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function writeDoc(sink: Sink, doc: StoredDoc): void {
  sink.out.varint(doc.lives.size);
  for (const [mark, life] of sortedEntries(doc.lives)) writeLife(sink, mark as Mark | "", life);
}

function writeLife(sink: Sink, mark: Mark | "", life: Life): void {
  const { out } = sink;
  const { existence } = life;
  sink.mark(mark);
  out.u8(
    (life.isBegun ? flags.isBegun : 0) +
      (existence === undefined ? 0 : flags.isSaid + (existence.exists ? flags.exists : 0)),
  );
  if (existence !== undefined) sink.mark(existence.mark);
  const places = flatten(life.root);
  out.varint(places.length);
  for (const { path, node } of places) writePlace(sink, path, node);
  out.varint(life.counters.size);
  for (const [field, sum] of sortedEntries(life.counters)) {
    sink.name(field);
    out.sized(utf8(String(sum)));
  }
  out.varint(life.sets.size);
  for (const [field, elements] of sortedEntries(life.sets)) {
    sink.name(field);
    out.varint(elements.size);
    for (const [key, { mark: at, isIn }] of sortedEntries(elements)) {
      out.sized(utf8(key));
      sink.mark(at);
      out.u8(isIn ? 1 : 0);
    }
  }
  out.varint(life.sequences.size);
  for (const [field, sequence] of sortedEntries(life.sequences)) {
    sink.name(field);
    writeSequence(sink, sequence);
  }
  out.varint(life.texts.size);
  for (const [field, text] of sortedEntries(life.texts)) {
    sink.name(field);
    writeText(sink, text);
  }
}

function writePlace(sink: Sink, path: readonly string[], { mark, cleared, register }: TreeNode) {
  sink.out.varint(path.length);
  for (const key of path) sink.name(key);
  sink.mark(mark);
  sink.mark(cleared);
  if (register.kind !== "leaf") return sink.out.u8(kinds[register.kind]);
  writeValue(sink.out, register.value);
}

function writeValue(out: ByteWriter, value: Json): void {
  if (typeof value === "boolean") return out.u8(value ? kinds.true : kinds.false);
  out.u8(typeof value === "string" ? kinds.text : kinds.cbor);
  out.sized(typeof value === "string" ? utf8(value) : encodeCbor(jsonToCbor(value)));
}

function writeSequence(sink: Sink, sequence: Sequence): void {
  sink.out.varint(sequence.items.size);
  for (const [, item] of sortedEntries(sequence.items)) {
    sink.mark(item.mark);
    sink.mark(item.after);
    writeValue(sink.out, item.value);
  }
  sink.out.varint(sequence.removed.size);
  for (const mark of [...sequence.removed].sort()) sink.mark(mark);
}

/** Characters in runs, as long as each comes behind the one that has the mark before its own. */
function writeText(sink: Sink, { characters, erased }: TextField): void {
  const runs: { readonly first: SequenceItem; last: Mark; text: string }[] = [];
  for (const [, item] of sortedEntries(characters.items)) {
    const run = runs.at(-1);
    if (run !== undefined && item.after === run.last && item.mark === markAfter(run.last, 1)) {
      run.last = item.mark;
      run.text += characterOf(item);
    } else runs.push({ first: item, last: item.mark, text: characterOf(item) });
  }
  sink.out.varint(runs.length);
  for (const { first, text } of runs) {
    sink.mark(first.mark);
    sink.mark(first.after);
    sink.out.sized(utf8(text));
  }
  sink.out.varint(erased.size);
  for (const [mark, count] of sortedEntries(erased)) {
    sink.mark(mark as Mark);
    sink.out.varint(count);
  }
}

/** Thrown inside `decodeState` alone. */
class NoState extends Error {}

/** The state in such bytes, or `undefined`. */
export function decodeState(bytes: Uint8Array): DocState | undefined {
  try {
    return readState(createByteReader(bytes));
  } catch (error) {
    if (error instanceof NoState) return undefined;
    throw error;
  }
}

function need<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new NoState();
  return value;
}

/** What a reader of documents needs. */
interface Source extends Tables {
  readonly reader: ByteReader;
}

function readState(reader: ByteReader): DocState | undefined {
  if (reader.u8() !== formatVersion) return undefined;
  const names = readList(reader, () => {
    const name = readText(reader);
    return isKey(name) ? name : need<string>(undefined);
  });
  const heads = readList(reader, () => String.fromCharCode(...reader.bytes(headBytes)));
  const source = { reader, heads, names };
  const state: DocState = new Map();
  readList(reader, () => {
    const name = readText(reader);
    if (!isCollectionName(name)) throw new NoState();
    const docs = new Map<string, StoredDoc>();
    state.set(name, docs);
    readList(reader, () => {
      const id = readText(reader);
      if (!isId(id)) throw new NoState();
      docs.set(id, readDocFrom(source));
    });
  });
  return reader.finished ? state : undefined;
}

/** As many as the bytes say, and no more than there are bytes: each takes one at least. */
function readList<Item>(reader: ByteReader, read: () => Item): Item[] {
  const items: Item[] = [];
  for (let count = reader.varint(); count > 0; count--) {
    if (reader.failed || count > reader.remaining) throw new NoState();
    items.push(read());
  }
  return items;
}

function readText(reader: ByteReader): string {
  return need(fromUtf8(reader.sized(reader.remaining)));
}

function readMark({ reader, heads }: Source): Mark | undefined {
  const number = reader.varint();
  if (number === 0) return undefined;
  const head = need(heads[number - 1]);
  const index = reader.varint();
  if (index >= 2 ** 32) throw new NoState();
  const tail = String.fromCharCode(
    index >>> 24,
    (index >>> 16) & 0xff,
    (index >>> 8) & 0xff,
    index & 0xff,
  );
  // Safe: 39 + 4 characters, one a byte.
  return (head + tail) as Mark;
}

function readName({ reader, names }: Source): string {
  return need(names[reader.varint()]);
}

function readDocFrom(source: Source): StoredDoc {
  const doc = createStoredDoc();
  readList(source.reader, () => {
    const mark = readMark(source) ?? "";
    const life = readLifeFrom(source);
    doc.lives.set(mark, life);
    if (life.isBegun && mark > doc.current) doc.current = mark;
  });
  return doc;
}

function readLifeFrom(source: Source): Life {
  const { reader } = source;
  const flag = reader.u8();
  const isSaid = (flag & flags.isSaid) !== 0;
  const existence = isSaid
    ? { mark: need(readMark(source)), exists: (flag & flags.exists) !== 0 }
    : undefined;
  const root = createNode();
  readList(reader, () => readPlace(source, root));
  const counters = readList(reader, () => [readName(source), readSum(reader)] as const);
  const sets = readList(reader, () => [readName(source), readSet(source)] as const);
  const sequences = readList(reader, () => [readName(source), readSequence(source)] as const);
  return {
    isBegun: (flag & flags.isBegun) !== 0,
    existence,
    root,
    counters: fieldMapOf(counters),
    sets: fieldMapOf(sets),
    sequences: fieldMapOf(sequences),
    texts: fieldMapOf(readList(reader, () => [readName(source), readTextField(source)] as const)),
  };
}

function readPlace(source: Source, root: TreeNode): void {
  const path = readList(source.reader, () => readName(source));
  if (path.length === 0 || path.length > depthMax) throw new NoState();
  let node = root;
  for (const key of path) {
    node.children ??= new Map();
    const child: TreeNode = node.children.get(key) ?? createNode();
    node.children.set(key, child);
    node = child;
  }
  node.mark = need(readMark(source));
  node.cleared = readMark(source);
  node.register = readRegister(source.reader);
}

function readRegister(reader: ByteReader): RegisterValue {
  const kind = reader.u8();
  if (kind === kinds.object) return { kind: "object" };
  if (kind === kinds.absent) return { kind: "absent" };
  return { kind: "leaf", value: readValue(reader, kind) };
}

function readValue(reader: ByteReader, kind: number): Json {
  if (kind === kinds.true || kind === kinds.false) return kind === kinds.true;
  if (kind === kinds.text) return readText(reader);
  if (kind !== kinds.cbor) throw new NoState();
  const value = decodeCbor(reader.sized(reader.remaining));
  return need(value === undefined ? undefined : jsonFromCbor(value));
}

function readSum(reader: ByteReader): bigint {
  const sum = readText(reader);
  if (sum.length > sumTextMax || !/^(0|-?[1-9][0-9]*)$/.test(sum)) throw new NoState();
  return BigInt(sum);
}

function readSet(source: Source): Map<string, SetElement> {
  const { reader } = source;
  const elements = readList(reader, () => {
    const key = readText(reader);
    return [key, { mark: need(readMark(source)), isIn: reader.u8() === 1 }] as const;
  });
  return new Map(elements);
}

function readSequence(source: Source): Sequence {
  const { reader } = source;
  const sequence = createSequence();
  readList(reader, () => {
    const place = { mark: need(readMark(source)), after: readMark(source) };
    insertItem(sequence, { ...place, value: readValue(reader, reader.u8()) });
  });
  for (const mark of readList(reader, () => need(readMark(source)))) sequence.removed.add(mark);
  return sequence;
}

function readTextField(source: Source): TextField {
  const { reader } = source;
  const field = createText();
  readList(reader, () => {
    const first = need(readMark(source));
    const after = readMark(source);
    const text = readText(reader);
    if (text === "" || markIndex(first) + text.length > 2 ** 32) throw new NoState();
    let index = 0;
    typeText(field, after, text, () => markAfter(first, index++));
  });
  readList(reader, () => {
    const from = need(readMark(source));
    const count = reader.varint();
    if (count < 1 || markIndex(from) + count > 2 ** 32) throw new NoState();
    eraseText(field, { from, count });
  });
  return field;
}
