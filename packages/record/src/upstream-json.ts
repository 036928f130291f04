/**
 * The typed JSON of go-smart-record (docs/spec/record.md §10), read and written. What is written has
 * one form: no spaces, dictionaries in the order of §2, integers with all their digits.
 */
import { fromBase64url, fromUtf8, toBase64url, utf8 } from "@hawser/codec";
import { RecordError, type RefusalCode } from "./errors.ts";
import { readJson, type Json } from "./json-reader.ts";
import { depthMax, documentBytesMax, documentNodesMax } from "./limits.ts";
import { encodeNode, type NodeVerdict } from "./node-bytes.ts";
import { toNode } from "./nodes.ts";
import type { DictNode, NodeInput, Pair, RecordNode } from "./types.ts";

/** The JSON of a value. Throws RECORD_BAD_NODE for infinite floats, which JSON has not. */
export function formatUpstreamJson(input: NodeInput): string {
  return format(toNode(input));
}

function format(node: RecordNode): string {
  switch (node.kind) {
    case "bool":
      return `{"Bool_IPLD":${node.value}}`;
    case "string":
      return `{"String_IPLD":${JSON.stringify(node.value)}}`;
    case "int":
      return `{"Int_IPLD":${node.value}}`;
    case "float":
      if (!Number.isFinite(node.value)) {
        throw new RecordError("RECORD_BAD_NODE", "JSON has no infinite numbers");
      }
      return `{"Float_IPLD":${node.value}}`;
    case "bytes":
      return `{"Bytes_IPLD":{"/":{"bytes":"${toBase64(node.value)}"}}}`;
    case "dict":
      return `{"Dict_IPLD":{"Pairs":${formatPairs(node.pairs)}}}`;
    case "list":
      return `{"List_IPLD":{"Elements":[${node.items.map(format).join(",")}]}}`;
    case "predicate": {
      const args = node.args.map(format).join(",");
      const tag = JSON.stringify(node.tag);
      const named = formatPairs(node.named);
      return `{"Predicate_IPLD":{"Tag":${tag},"Positional":[${args}],"Named":${named}}}`;
    }
  }
}

function formatPairs(pairs: readonly Pair[]): string {
  const items = pairs.map(([key, value]) => `{"Key":${format(key)},"Value":${format(value)}}`);
  return `[${items.join(",")}]`;
}

/** RFC 4648 §4: the standard alphabet, padded. */
function toBase64(bytes: Uint8Array): string {
  const text = toBase64url(bytes).replaceAll("-", "+").replaceAll("_", "/");
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}

function fromBase64(text: string): Uint8Array | undefined {
  const digits = text.replace(/={1,2}$/, "");
  if (/[-_=]/.test(digits) || (digits !== text && text.length % 4 !== 0)) return undefined;
  return fromBase64url(digits.replaceAll("+", "-").replaceAll("/", "_"));
}

/** Reads the JSON of a value: untrusted text in, a value or the reason out. */
export function parseUpstreamJson(text: string): NodeVerdict {
  const json = readJson(text);
  if (json === undefined) return { ok: false, reason: "RECORD_BAD_NODE" };
  const source: JsonSource = { nodesLeft: documentNodesMax, fault: undefined };
  const input = readValue(source, json, 1);
  if (source.fault !== undefined) return { ok: false, reason: source.fault };
  try {
    const node = toNode(input);
    if (encodeNode(node).length > documentBytesMax)
      return { ok: false, reason: "RECORD_TOO_LARGE" };
    return { ok: true, node };
  } catch (error) {
    // Keys or elements that are there twice: the makers of values refuse them.
    if (error instanceof RecordError) return { ok: false, reason: refusalOf(error) };
    throw error;
  }
}

function refusalOf(error: RecordError): RefusalCode {
  return error.code === "RECORD_DUPLICATE_KEY" ? error.code : "RECORD_BAD_NODE";
}

interface JsonSource {
  nodesLeft: number;
  fault: RefusalCode | undefined;
}

/** What stands in for values behind a fault; never seen by anybody. */
const nothing: RecordNode = { kind: "bool", value: false };

function failed(source: JsonSource, reason: RefusalCode = "RECORD_BAD_NODE"): RecordNode {
  source.fault ??= reason;
  return nothing;
}

/** The values of an object that has exactly these fields, in this order or another. */
function fieldsOf(json: Json | undefined, names: readonly string[]): readonly Json[] | undefined {
  if (json?.type !== "object" || json.fields.length !== names.length) return undefined;
  const byName = new Map(json.fields);
  const values = names.flatMap((name) => byName.get(name) ?? []);
  return values.length === names.length ? values : undefined;
}

function readValue(source: JsonSource, json: Json, depth: number): RecordNode {
  source.nodesLeft -= 1;
  if (source.nodesLeft < 0) return failed(source, "RECORD_TOO_LARGE");
  if (depth > depthMax) return failed(source, "RECORD_TOO_DEEP");
  const field = json.type === "object" && json.fields.length === 1 ? json.fields[0] : undefined;
  if (field === undefined) return failed(source);
  const [kind, body] = field;
  switch (kind) {
    case "Dict_IPLD": {
      const pairs = fieldsOf(body, ["Pairs"]);
      return { kind: "dict", pairs: readPairs(source, pairs?.[0], depth) };
    }
    case "List_IPLD": {
      const items = fieldsOf(body, ["Elements"]);
      return { kind: "list", items: readMany(source, items?.[0], depth) };
    }
    case "Predicate_IPLD": {
      const [tag, args, named] = fieldsOf(body, ["Tag", "Positional", "Named"]) ?? [];
      if (tag?.type !== "string") return failed(source);
      return {
        kind: "predicate",
        tag: tag.value,
        args: readMany(source, args, depth),
        named: readPairs(source, named, depth),
      };
    }
    default:
      return readScalar(kind, body) ?? failed(source);
  }
}

function readScalar(kind: string, body: Json): RecordNode | undefined {
  switch (kind) {
    case "String_IPLD":
      return body.type === "string" ? { kind: "string", value: body.value } : undefined;
    case "Bool_IPLD":
      return body.type === "bool" ? { kind: "bool", value: body.value } : undefined;
    case "Int_IPLD": {
      const isWhole = body.type === "number" && /^-?[0-9]+$/.test(body.text);
      return isWhole && body.text.length <= digitsMax
        ? { kind: "int", value: BigInt(body.text) }
        : undefined;
    }
    case "Float_IPLD": {
      const value = body.type === "number" ? Number(body.text) : Number.NaN;
      return Number.isFinite(value) ? { kind: "float", value } : undefined;
    }
    case "Bytes_IPLD": {
      const inner = fieldsOf(body, ["/"])?.[0];
      const text = fieldsOf(inner, ["bytes"])?.[0];
      const value = text?.type === "string" ? fromBase64(text.value) : undefined;
      return value === undefined ? undefined : { kind: "bytes", value };
    }
    default:
      return undefined;
  }
}

/** Decimal digits that a document could hold. */
const digitsMax = Math.ceil(documentBytesMax * 2.41);

function readMany(source: JsonSource, json: Json | undefined, depth: number): RecordNode[] {
  const items: RecordNode[] = [];
  if (json?.type !== "array") failed(source);
  for (const item of json?.type === "array" ? json.items : []) {
    if (source.fault !== undefined) break;
    items.push(readValue(source, item, depth + 1));
  }
  return items;
}

function readPairs(source: JsonSource, json: Json | undefined, depth: number): Pair[] {
  const pairs: Pair[] = [];
  if (json?.type !== "array") failed(source);
  for (const item of json?.type === "array" ? json.items : []) {
    const [key, value] = fieldsOf(item, ["Key", "Value"]) ?? [];
    if (key === undefined || value === undefined) failed(source);
    if (key === undefined || value === undefined || source.fault !== undefined) break;
    pairs.push([readValue(source, key, depth + 1), readValue(source, value, depth + 1)]);
  }
  return pairs;
}

/** Documents by peer, or why the text is no such answer. */
export type UpstreamRecordVerdict =
  | { readonly ok: true; readonly documents: ReadonlyMap<string, DictNode> }
  | { readonly ok: false; readonly reason: RefusalCode };

/** Peers of one answer. */
const peersMax = 1_024;

/** The answer of a Get: an object of peer ids and base64 of the JSON above. Sorted by peer. */
export function formatUpstreamRecord(documents: ReadonlyMap<string, DictNode>): string {
  const fields = [...documents.keys()].sort().map((peer) => {
    const document = documents.get(peer) ?? { kind: "dict", pairs: [] };
    const body = toBase64(utf8(formatUpstreamJson(document)));
    return `${JSON.stringify(peer)}:"${body}"`;
  });
  return `{${fields.join(",")}}`;
}

/** Reads the answer of a Get. */
export function parseUpstreamRecord(text: string): UpstreamRecordVerdict {
  const json = readJson(text);
  if (json?.type !== "object") return { ok: false, reason: "RECORD_BAD_NODE" };
  if (json.fields.length > peersMax) return { ok: false, reason: "RECORD_TOO_LARGE" };
  const documents = new Map<string, DictNode>();
  for (const [peer, body] of json.fields) {
    if (documents.has(peer)) return { ok: false, reason: "RECORD_DUPLICATE_KEY" };
    const bytes = body.type === "string" ? fromBase64(body.value) : undefined;
    const inner = bytes === undefined ? undefined : fromUtf8(bytes);
    if (inner === undefined) return { ok: false, reason: "RECORD_BAD_NODE" };
    const verdict = parseUpstreamJson(inner);
    if (!verdict.ok) return verdict;
    if (verdict.node.kind !== "dict") return { ok: false, reason: "RECORD_BAD_NODE" };
    documents.set(peer, verdict.node);
  }
  return { ok: true, documents };
}
