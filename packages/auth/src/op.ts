/**
 * Ops as bytes (docs/spec/4-auth.md §2, §3): one canonical CBOR array each, an id that is its hash,
 * a group id that is the hash of its create. Layer 4.
 */
import { type CborValue, decodeCbor, encodeCbor, fromHex, toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { levels, rankOf } from "./access.ts";
import { AuthError } from "./errors.ts";
import type { JoinAction } from "./join.ts";
import {
  bindingBytes,
  depsMax,
  entryHashBytes,
  grantsMax,
  nonceBytes,
  opBytesMax,
  proofBytes,
  suiteMax,
  usesMax,
} from "./limits.ts";
import type {
  Access,
  AuthAction,
  AuthOp,
  Grant,
  GroupId,
  Member,
  MemberId,
  MutualRemovalPolicy,
  OpId,
  RuleAction,
} from "./types.ts";

/** What an author decides; the codec adds the ids. */
export interface OpDraft {
  readonly author: AuthorId;
  /** The group it concerns; ignored for `create`, whose group is derived from the op. */
  readonly group?: GroupId | undefined;
  /** Heads the author has seen, in any order, at most `depsMax`. */
  readonly deps: readonly OpId[];
  readonly action: AuthAction;
}

/** Why bytes are no op. */
export type OpParseReason =
  | "TOO_LARGE"
  | "NOT_CANONICAL"
  | "BAD_VERSION"
  | "BAD_SHAPE"
  | "BAD_DEPS"
  | "OUT_OF_RANGE"
  | "DUPLICATE_MEMBER";

/** The verdict on untrusted op bytes. */
export type OpParseResult =
  | { readonly ok: true; readonly op: AuthOp }
  | { readonly ok: false; readonly reason: OpParseReason };

const version = 1;
const actionTypes = [
  "create",
  "add",
  "remove",
  "set",
  "leave",
  "invite",
  "revoke",
  "join",
  "rule",
  "raise",
] as const satisfies readonly AuthAction["type"][];
const policies: readonly MutualRemovalPolicy[] = ["remove-all", "senior-wins"];
const verdicts: readonly RuleAction["verdict"][] = ["reject", "accept"];
const memberKinds: readonly Member["kind"][] = ["individual", "group"];

/** The id of the group that the create op `create` makes. */
export function groupIdOf(crypto: Crypto, create: OpId): GroupId {
  // Safe: a 32-byte digest in lower-case hex is what a GroupId is.
  return toHex(crypto.deriveKey("hawser group v1", bytesOf(create))) as GroupId;
}

/**
 * The op and its canonical bytes. Deps are sorted and made unique. Throws `AUTH_BAD_OP` when the
 * draft breaks a limit of docs/spec/4-auth.md §7.
 */
export function createOp(
  crypto: Crypto,
  draft: OpDraft,
): { readonly op: AuthOp; readonly bytes: Uint8Array } {
  const bytes = encodeDraft(draft);
  const parsed = parseOp(crypto, bytes);
  if (!parsed.ok) throw new AuthError("AUTH_BAD_OP", `no such op is allowed: ${parsed.reason}`);
  return { op: parsed.op, bytes };
}

/** The canonical bytes of an op that `createOp` or `parseOp` returned. */
export function encodeOp(op: AuthOp): Uint8Array {
  return encodeDraft(op);
}

/** The op in untrusted bytes. Only the canonical encoding of an op within the limits is one. */
export function parseOp(crypto: Crypto, bytes: Uint8Array): OpParseResult {
  if (bytes.length > opBytesMax) return { ok: false, reason: "TOO_LARGE" };
  const value = decodeCbor(bytes);
  if (value === undefined) return { ok: false, reason: "NOT_CANONICAL" };
  if (!isArray(value)) return { ok: false, reason: "BAD_SHAPE" };
  if (value[0] !== version) return { ok: false, reason: "BAD_VERSION" };
  const [, type, authorBytes, groupBytes, depList, payload] = value;
  const author = idOf(authorBytes);
  if (value.length !== 6 || author === undefined || !isArray(payload)) {
    return { ok: false, reason: "BAD_SHAPE" };
  }
  const deps = depsOf(depList);
  if (deps === undefined) return { ok: false, reason: "BAD_DEPS" };
  const action = typeof type === "number" ? actionOf(type, payload) : "BAD_SHAPE";
  if (typeof action === "string") return { ok: false, reason: action };
  // Safe: a 32-byte digest in lower-case hex is what an OpId is.
  const id = toHex(crypto.deriveKey("hawser auth op v1", bytes)) as OpId;
  const isCreate = action.type === "create";
  const named = isCreate ? undefined : idOf(groupBytes);
  if (isCreate ? groupBytes !== null : named === undefined) {
    return { ok: false, reason: "BAD_SHAPE" };
  }
  // Safe: both come from exactly 32 bytes.
  const group = named === undefined ? groupIdOf(crypto, id) : (named as GroupId);
  return { ok: true, op: { id, author: author as AuthorId, group, deps, action } };
}

function encodeDraft(draft: OpDraft): Uint8Array {
  const { action } = draft;
  const deps = [...new Set(draft.deps)].sort().map(bytesOf);
  const isCreate = action.type === "create";
  if (!isCreate && draft.group === undefined) {
    throw new AuthError("AUTH_BAD_OP", `an op of type ${action.type} names its group`);
  }
  const group = isCreate || draft.group === undefined ? null : bytesOf(draft.group);
  const type = actionTypes.indexOf(action.type);
  try {
    return encodeCbor([version, type, bytesOf(draft.author), group, deps, payloadOf(action)]);
  } catch (cause) {
    throw new AuthError("AUTH_BAD_OP", "a number of the op is not a safe integer", { cause });
  }
}

function payloadOf(action: AuthAction): CborValue {
  switch (action.type) {
    case "create": {
      const policy = policies.indexOf(action.policy);
      return [action.nonce, policy, action.grants.map(encodeGrant)];
    }
    case "add":
    case "set":
      return encodeGrant(action.grant);
    case "remove":
      return encodeMember(action.member);
    case "leave":
      return action.successor === undefined ? [] : encodeMember(action.successor);
    case "invite": {
      const { level, mayDelete } = action.access;
      const key = bytesOf(action.invite);
      return [key, rankOf(level), mayDelete, action.uses, action.notAfter ?? null];
    }
    case "revoke":
      return [bytesOf(action.invite)];
    case "join":
      return encodeJoin(action);
    case "rule": {
      const { log, from, to, hash, verdict } = action;
      return [bytesOf(log), from, to, hash, verdicts.indexOf(verdict)];
    }
    case "raise":
      return [action.suite];
  }
}

function encodeJoin({ invite, binding, time, proof, as }: JoinAction): readonly CborValue[] {
  const fields = [bytesOf(invite), binding, time, proof];
  return as === undefined ? fields : [...fields, bytesOf(as)];
}

function encodeMember(member: Member): readonly CborValue[] {
  return [memberKinds.indexOf(member.kind), bytesOf(member.id)];
}

function encodeGrant(grant: Grant): readonly CborValue[] {
  const { level, mayDelete } = grant.access;
  return [...encodeMember(grant.member), rankOf(level), mayDelete];
}

function actionOf(number: number, payload: readonly CborValue[]): AuthAction | OpParseReason {
  const type = actionTypes[number];
  switch (type) {
    case "create":
      return createOf(payload);
    case "add":
    case "set": {
      const grant = grantOf(payload);
      if (grant === undefined) return "BAD_SHAPE";
      return { type, grant };
    }
    case "remove": {
      const member = memberOf(payload);
      return member === undefined ? "BAD_SHAPE" : { type: "remove", member };
    }
    case "leave": {
      if (payload.length === 0) return { type: "leave", successor: undefined };
      const successor = memberOf(payload);
      return successor === undefined ? "BAD_SHAPE" : { type: "leave", successor };
    }
    case "invite":
      return inviteOf(payload);
    case "revoke": {
      const invite = idOf(payload[0]);
      if (invite === undefined || payload.length !== 1) return "BAD_SHAPE";
      // Safe: 32 bytes in hex.
      return { type: "revoke", invite: invite as AuthorId };
    }
    case "join":
      return joinOf(payload);
    case "rule":
      return ruleOf(payload);
    case "raise":
      return raiseOf(payload);
    default:
      return "BAD_SHAPE";
  }
}

function createOf(payload: readonly CborValue[]): AuthAction | OpParseReason {
  const [nonce, policyIndex, list] = payload;
  const policy = typeof policyIndex === "number" ? policies[policyIndex] : undefined;
  if (payload.length !== 3 || !isBytes(nonce, nonceBytes) || policy === undefined) {
    return "BAD_SHAPE";
  }
  if (!isArray(list)) return "BAD_SHAPE";
  if (list.length === 0 || list.length > grantsMax) return "OUT_OF_RANGE";
  const grants: Grant[] = [];
  const seen = new Set<string>();
  for (const item of list) {
    const grant = isArray(item) ? grantOf(item) : undefined;
    if (grant === undefined) return "BAD_SHAPE";
    seen.add(grant.member.id);
    grants.push(grant);
  }
  if (seen.size !== grants.length) return "DUPLICATE_MEMBER";
  return { type: "create", nonce, policy, grants };
}

function inviteOf(payload: readonly CborValue[]): AuthAction | OpParseReason {
  const [key, rank, mayDelete, uses, notAfter] = payload;
  const invite = idOf(key);
  const access = accessOf(rank, mayDelete);
  if (payload.length !== 5 || invite === undefined || access === undefined) return "BAD_SHAPE";
  if (typeof uses !== "number") return "BAD_SHAPE";
  if (notAfter !== null && typeof notAfter !== "number") return "BAD_SHAPE";
  if (uses < 1 || uses > usesMax || (notAfter ?? 0) < 0) return "OUT_OF_RANGE";
  // Safe: 32 bytes in hex.
  const id = invite as AuthorId;
  return { type: "invite", invite: id, access, uses, notAfter: notAfter ?? undefined };
}

function joinOf(payload: readonly CborValue[]): AuthAction | OpParseReason {
  const [key, binding, time, proof, groupBytes] = payload;
  const invite = idOf(key);
  const as = payload.length === 5 ? idOf(groupBytes) : undefined;
  if (
    payload.length !== (as === undefined ? 4 : 5) ||
    invite === undefined ||
    typeof time !== "number"
  )
    return "BAD_SHAPE";
  if (!isBytes(binding, bindingBytes) || !isBytes(proof, proofBytes)) return "BAD_SHAPE";
  if (time < 0) return "OUT_OF_RANGE";
  // Safe: 32 bytes in hex.
  const join: JoinAction = { type: "join", invite: invite as AuthorId, binding, time, proof };
  // Safe: 32 bytes in hex.
  return as === undefined ? join : { ...join, as: as as GroupId };
}

function ruleOf(payload: readonly CborValue[]): AuthAction | OpParseReason {
  const [logBytes, from, to, hash, verdictIndex] = payload;
  const log = idOf(logBytes);
  const verdict = typeof verdictIndex === "number" ? verdicts[verdictIndex] : undefined;
  if (payload.length !== 5 || log === undefined || verdict === undefined) return "BAD_SHAPE";
  if (typeof from !== "number" || typeof to !== "number") return "BAD_SHAPE";
  if (!isBytes(hash, entryHashBytes)) return "BAD_SHAPE";
  if (from < 0 || to <= from) return "OUT_OF_RANGE";
  return { type: "rule", log, from, to, hash, verdict };
}

function raiseOf(payload: readonly CborValue[]): AuthAction | OpParseReason {
  const [suite] = payload;
  if (payload.length !== 1 || typeof suite !== "number") return "BAD_SHAPE";
  return suite < 1 || suite > suiteMax ? "OUT_OF_RANGE" : { type: "raise", suite };
}

function grantOf(item: readonly CborValue[]): Grant | undefined {
  const access = accessOf(item[2], item[3]);
  const member = memberOf(item.slice(0, 2));
  if (item.length !== 4 || access === undefined || member === undefined) return undefined;
  return { member, access };
}

function memberOf(item: readonly CborValue[]): Member | undefined {
  const [kindIndex, idBytes] = item;
  const kind = typeof kindIndex === "number" ? memberKinds[kindIndex] : undefined;
  const id = idOf(idBytes);
  if (item.length !== 2 || kind === undefined || id === undefined) return undefined;
  // Safe: 32 bytes in hex.
  return { kind, id: id as MemberId };
}

function accessOf(rank: CborValue | undefined, mayDelete: CborValue | undefined) {
  const level = typeof rank === "number" ? levels[rank] : undefined;
  if (level === undefined || typeof mayDelete !== "boolean") return undefined;
  return { level, mayDelete } satisfies Access;
}

function depsOf(list: CborValue | undefined): readonly OpId[] | undefined {
  if (!isArray(list) || list.length > depsMax) return undefined;
  const deps: OpId[] = [];
  for (const item of list) {
    const id = idOf(item);
    const last = deps.at(-1);
    if (id === undefined || (last !== undefined && last >= id)) return undefined;
    // Safe: 32 bytes in hex.
    deps.push(id as OpId);
  }
  return deps;
}

function isArray(value: CborValue | undefined): value is readonly CborValue[] {
  return Array.isArray(value);
}

function isBytes(value: CborValue | undefined, byteCount: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === byteCount;
}

function idOf(value: CborValue | undefined): string | undefined {
  return isBytes(value, 32) ? toHex(value) : undefined;
}

function bytesOf(id: string): Uint8Array {
  const bytes = fromHex(id);
  if (bytes === undefined) throw new AuthError("AUTH_BAD_OP", "an id is 64 hex characters");
  return bytes;
}
