/**
 * What databases of go-threads wrote into their records (docs/spec/textile.md §5): changes of
 * documents as JSON merge patches. Layer 7, pure.
 */
import { fromUtf8, utf8 } from "@hawser/codec";
import { asMap, bytesOf, ownField, type DagMap, type DagValue } from "./dag.ts";
import { TextileError } from "./errors.ts";
import {
  diffPatch,
  formatJson,
  isFields,
  mergePatch,
  parseFields,
  type JsonFields,
} from "./json.ts";

/** What a change does: `save` carries a merge patch, `create` the whole document. */
export type ChangeKind = "create" | "save" | "delete";

/** One change of one document. */
export interface DocumentChange {
  readonly kind: ChangeKind;
  readonly collection: string;
  readonly documentId: string;
  /** Nanoseconds since 1970 by the writer's clock; 0 where an old record has none. */
  readonly timestamp: bigint;
  /** The JSON text of the document or of the merge patch; absent in a deletion. */
  readonly json?: string;
}

/** Changes one record may hold. */
export const changesMax = 65_536;

const kinds: readonly ChangeKind[] = ["create", "save", "delete"];

/** The body of a record with these changes. Throws TEXTILE_CHANGE_INVALID. */
export function encodeChanges(changes: readonly DocumentChange[]): DagValue {
  return {
    patches: changes.map((change) => {
      const isDeletion = change.kind === "delete";
      if (isDeletion !== (change.json === undefined)) {
        throw new TextileError(
          "TEXTILE_CHANGE_INVALID",
          "a creation and a save carry JSON, a deletion carries none",
        );
      }
      if (change.json !== undefined) assertFields(change.json);
      return {
        iD: change.documentId,
        patch: {
          type: kinds.indexOf(change.kind),
          jSONPatch: change.json === undefined ? null : utf8(change.json),
          instanceID: change.documentId,
        },
        timestamp: change.timestamp,
        collectionName: change.collection,
      };
    }),
  };
}

/** The changes in a record's body, or `undefined` when it is nothing that go-threads wrote. */
export function decodeChanges(body: DagValue): readonly DocumentChange[] | undefined {
  const fields = asMap(body);
  const patches = fields && ownField(fields, "patches");
  if (!Array.isArray(patches) || patches.length > changesMax) return undefined;
  const changes: DocumentChange[] = [];
  for (const item of patches as readonly DagValue[]) {
    const change = decodeChange(item);
    if (change === undefined) return undefined;
    changes.push(change);
  }
  return changes;
}

function decodeChange(item: DagValue): DocumentChange | undefined {
  const event = asMap(item);
  const patch = event && asMap(ownField(event, "patch"));
  if (event === undefined || patch === undefined) return undefined;
  const collection = textOf(event, "collectionName");
  const documentId = textOf(patch, "instanceID") ?? textOf(event, "iD");
  const type = ownField(patch, "type");
  const kind = typeof type === "number" ? kinds[type] : undefined;
  if (collection === undefined || documentId === undefined || kind === undefined) return undefined;
  const change = { kind, collection, documentId, timestamp: timestampOf(event) };
  if (kind === "delete") return change;
  const bytes = bytesOf(patch, "jSONPatch");
  const json = bytes && fromUtf8(bytes);
  return json === undefined || parseFields(json) === undefined ? undefined : { ...change, json };
}

function textOf(map: DagMap, key: string): string | undefined {
  const value = ownField(map, key);
  return typeof value === "string" ? value : undefined;
}

/** Records from before timestamps were integers hold an empty map there. */
function timestampOf(event: DagMap): bigint {
  const value = ownField(event, "timestamp");
  if (typeof value === "bigint") return value;
  return Number.isSafeInteger(value) ? BigInt(value as number) : 0n;
}

/** A change as go-threads showed it to validators: JSON text, fields in its order. */
export function formatChange(change: DocumentChange): string {
  const patch = [
    `"type":${JSON.stringify(change.kind)}`,
    `"instance_id":${goText(change.documentId)}`,
    ...(change.json === undefined ? [] : [`"json_patch":${escapeHtml(compact(change.json))}`]),
  ];
  const event = [
    `"timestamp":${change.timestamp.toString()}`,
    `"_id":${goText(change.documentId)}`,
    `"collection_name":${goText(change.collection)}`,
    `"patch":{${patch.join(",")}}`,
  ];
  return `{${event.join(",")}}`;
}

function compact(json: string): string {
  return formatJson(parseFields(json) ?? {});
}

function goText(text: string): string {
  return escapeHtml(JSON.stringify(text));
}

/** Go writes these five characters as escapes, so that JSON can stand inside HTML. */
function escapeHtml(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The change that turns one version of a document into the next; `undefined`: not there. */
export function changeBetween(
  place: Pick<DocumentChange, "collection" | "documentId" | "timestamp">,
  before: JsonFields | undefined,
  after: JsonFields | undefined,
): DocumentChange {
  if (after === undefined) return { ...place, kind: "delete" };
  if (before === undefined) return { ...place, kind: "create", json: formatJson(after) };
  return { ...place, kind: "save", json: formatJson(diffPatch(before, after)) };
}

/** A document after a change; `undefined`: it is not there. */
export function applyChange(
  document: JsonFields | undefined,
  change: DocumentChange,
): JsonFields | undefined {
  const fields = change.json === undefined ? undefined : parseFields(change.json);
  if (change.kind === "delete" || fields === undefined) return undefined;
  if (change.kind === "create") return document ?? fields;
  const saved = document === undefined ? undefined : mergePatch(document, fields);
  return isFields(saved) ? saved : undefined;
}

/** Documents by collection, then by id. */
export type Collections = ReadonlyMap<string, ReadonlyMap<string, JsonFields>>;

/**
 * The documents that the changes of any number of logs lead to: the same whatever order they are
 * given in, unlike in go-threads. Changes stand by time, then by collection, id, kind and content.
 * The first creation counts, a save of what is not there and a second deletion do nothing, so half
 * documents never come back.
 */
export function foldChanges(changes: Iterable<DocumentChange>): Collections {
  const collections = new Map<string, Map<string, JsonFields>>();
  for (const change of [...changes].sort(compareChanges)) {
    let documents = collections.get(change.collection);
    if (documents === undefined) {
      documents = new Map();
      collections.set(change.collection, documents);
    }
    const after = applyChange(documents.get(change.documentId), change);
    if (after === undefined) documents.delete(change.documentId);
    else documents.set(change.documentId, after);
  }
  return collections;
}

function compareChanges(a: DocumentChange, b: DocumentChange): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1;
  return (
    compareText(a.collection, b.collection) ||
    compareText(a.documentId, b.documentId) ||
    kinds.indexOf(a.kind) - kinds.indexOf(b.kind) ||
    compareText(a.json ?? "", b.json ?? "")
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** The documents of a collection as JSON Lines with their `_id`, ready for an import. */
export function* documentLines(collections: Collections, name: string): Iterable<string> {
  for (const [id, document] of collections.get(name) ?? []) {
    yield formatJson({ ...document, _id: id });
  }
}

/** Changes that create the documents of JSON Lines that have an `_id`. Throws TEXTILE_CHANGE_INVALID. */
export function* changesOfLines(
  lines: Iterable<string>,
  place: Pick<DocumentChange, "collection" | "timestamp">,
): Iterable<DocumentChange> {
  for (const line of lines) {
    if (line.trim() === "") continue;
    const document = assertFields(line);
    const id = document["_id"];
    if (typeof id !== "string" || id === "") {
      throw new TextileError("TEXTILE_CHANGE_INVALID", "a document has a text `_id`");
    }
    yield { ...place, kind: "create", documentId: id, json: formatJson(document) };
  }
}

function assertFields(json: string): JsonFields {
  const fields = parseFields(json);
  if (fields === undefined) {
    throw new TextileError("TEXTILE_CHANGE_INVALID", "the text is no JSON object");
  }
  return fields;
}
