/**
 * Edits and tombstones in bytes (docs/spec/7-views.md §9.3). An edit is the canonical CBOR array
 * `[1, document id, op, …]`; a tombstone `[1, [log id, seq, hash], …]`.
 */
import { decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import { AclError } from "./errors.ts";
import { isKey } from "./keys.ts";
import { isRole, roles } from "./roles.ts";
import type { AclOp, EventName, Role } from "./types.ts";

/** Event type of edits. */
export const aclType = "acl";
/** Event type of tombstones. */
export const tombstoneType = "tombstone";
/** Ops of one edit, and events named by one tombstone. */
export const opsMax = 400;
/** Bytes of ops of one edit. */
export const opBytesMax = 48_000;
/** Bytes of any log id. */
const logIdLengthMax = 128;

/** One edit as it was written. */
export interface DecodedEdit {
  readonly documentId: string;
  readonly default: Role | undefined;
  readonly grants: ReadonlyMap<string, ReadonlySet<Role>>;
  readonly revokes: ReadonlyMap<string, ReadonlySet<Role>>;
  readonly accepts: readonly EventName[];
}

/** Event bodies that hold the ops in order. Throws AclError ACL_KEY_INVALID, ACL_EDIT_INVALID. */
export function encodeEdits(documentId: string, ops: readonly AclOp[]): readonly Uint8Array[] {
  const bodies: Uint8Array[] = [];
  let items: CborValue[] = [];
  let byteCount = 0;
  const flush = (): void => {
    if (items.length > 0) bodies.push(encodeCbor([1, documentId, ...items]));
    items = [];
    byteCount = 0;
  };
  if (!isKey(documentId)) throw new AclError("ACL_KEY_INVALID", "no document has such an id");
  for (const op of ops) {
    const item = opToCbor(op);
    const itemBytes = encodeCbor(item).length;
    if (items.length >= opsMax || byteCount + itemBytes > opBytesMax) flush();
    items.push(item);
    byteCount += itemBytes;
  }
  flush();
  if (!bodies.every((body) => decodeEdit(body) !== undefined)) {
    throw new AclError("ACL_EDIT_INVALID", "an edit says each thing once, of peers with valid ids");
  }
  return bodies;
}

function opToCbor(op: AclOp): CborValue {
  switch (op.type) {
    case "default":
      return [0, roles.indexOf(op.role)];
    case "grant":
      return [1, op.peer, roles.indexOf(op.role)];
    case "revoke":
      return [2, op.peer, roles.indexOf(op.role)];
    case "accept":
      return [3, op.target.logId, op.target.seq, op.target.hash];
  }
}

/** The edit in an event's body; `undefined` when one op of it is none: then it changes nothing. */
export function decodeEdit(body: Uint8Array): DecodedEdit | undefined {
  const value = decodeCbor(body);
  if (!Array.isArray(value) || value[0] !== 1) return undefined;
  const [, documentId, ...items] = value as readonly CborValue[];
  if (typeof documentId !== "string" || !isKey(documentId)) return undefined;
  if (items.length === 0 || items.length > opsMax) return undefined;
  const edit = {
    documentId,
    default: undefined as Role | undefined,
    grants: new Map<string, Set<Role>>(),
    revokes: new Map<string, Set<Role>>(),
    accepts: [] as EventName[],
  };
  for (const item of items) if (!readOp(edit, item)) return undefined;
  return edit;
}

interface EditDraft {
  default: Role | undefined;
  readonly grants: Map<string, Set<Role>>;
  readonly revokes: Map<string, Set<Role>>;
  readonly accepts: EventName[];
}

/** False for an op that is none, or that says something of what another has said. */
function readOp(edit: EditDraft, item: CborValue): boolean {
  if (!Array.isArray(item)) return false;
  const [kind, second, third, fourth] = item as readonly CborValue[];
  if (kind === 0) {
    const role = roleAt(second);
    if (item.length !== 2 || role === undefined || edit.default !== undefined) return false;
    edit.default = role;
    return true;
  }
  if (kind === 3) {
    const target = nameFromCbor([second ?? null, third ?? null, fourth ?? null]);
    if (item.length !== 4 || target === undefined) return false;
    edit.accepts.push(target);
    return true;
  }
  if (kind !== 1 && kind !== 2) return false;
  const role = roleAt(third);
  if (item.length !== 3 || typeof second !== "string" || !isKey(second) || role === undefined) {
    return false;
  }
  const isSaid = edit.grants.get(second)?.has(role) || edit.revokes.get(second)?.has(role);
  if (isSaid === true) return false;
  const said = kind === 1 ? edit.grants : edit.revokes;
  said.set(second, (said.get(second) ?? new Set()).add(role));
  return true;
}

function roleAt(value: CborValue | undefined): Role | undefined {
  const role = typeof value === "number" ? roles[value] : undefined;
  return isRole(role) ? role : undefined;
}

/** Bodies of tombstones for these events. */
export function encodeTombstones(targets: readonly EventName[]): readonly Uint8Array[] {
  const bodies: Uint8Array[] = [];
  for (let start = 0; start < targets.length; start += opsMax) {
    const names = targets.slice(start, start + opsMax);
    const items = names.map(({ logId, seq, hash }): CborValue => [logId, seq, hash]);
    bodies.push(encodeCbor([1, ...items]));
  }
  return bodies;
}

/** The events a tombstone names; none when the body is no tombstone. */
export function decodeTombstone(body: Uint8Array): readonly EventName[] {
  const value = decodeCbor(body);
  if (!Array.isArray(value) || value[0] !== 1 || value.length > opsMax + 1) return [];
  const names: EventName[] = [];
  for (const item of (value as readonly CborValue[]).slice(1)) {
    const name = nameFromCbor(item);
    if (name === undefined) return [];
    names.push(name);
  }
  return names;
}

function nameFromCbor(item: CborValue): EventName | undefined {
  if (!Array.isArray(item) || item.length !== 3) return undefined;
  const [logId, seq, hash] = item as readonly CborValue[];
  if (typeof logId !== "string" || logId.length === 0 || logId.length > logIdLengthMax) {
    return undefined;
  }
  if (typeof seq !== "number" || seq < 0) return undefined;
  if (!(hash instanceof Uint8Array) || hash.length !== 32) return undefined;
  return { logId, seq, hash };
}
