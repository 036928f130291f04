/**
 * Rules of this layer about membership operations, before the graph sees them: every newcomer can
 * be reached, and a log that nobody announced begins with a join (docs/spec/6-space.md §3). Layer 5,
 * pure.
 */
import {
  parseOp,
  verifyJoinProof,
  verifyOpSignature,
  type AuthGraph,
  type AuthOp,
  type GroupId,
  type OpId,
} from "@hawser/auth";
import { equalBytes } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  encodeBundle,
  isValidAt,
  parseBundle,
  verifyBundle,
  type KeyBundle,
  type VerifiedBundle,
} from "@hawser/keys";
import {
  emptyChain,
  isLogContext,
  verifyRange,
  type EncodedRange,
  type Entry,
  type LogContext,
  type LogId,
} from "@hawser/log";
import {
  createPartJoiner,
  openControl,
  type ControlContent,
  type ControlPart,
  type SignedOp,
} from "./control.ts";
import { proveJoining, reachableIn } from "./group-card.ts";
import { newcomersOf } from "./grants.ts";
import { controlDomain } from "./words.ts";

/** What an operation is checked against. */
export interface OpRules {
  readonly crypto: Crypto;
  readonly group: GroupId;
  readonly createOp: OpId;
}

/** Where an operation stands, and which bundles stand before it in the same log. */
export interface OpSurroundings {
  readonly author: AuthorId;
  /** µs, of the entry. */
  readonly stamp: number;
  readonly bundlesOf: (author: AuthorId) => readonly VerifiedBundle[];
}

/** The 32 bytes by which a join binds its author's bundle. */
export function joinBinding(crypto: Crypto, bundle: KeyBundle): Uint8Array {
  return crypto.deriveKey("hawser join binding v1", encodeBundle(bundle));
}

/** Why an operation is not handed to the graph, or `undefined`. */
export function flawOfOp(
  rules: OpRules,
  op: AuthOp,
  surroundings: OpSurroundings,
): string | undefined {
  const { action } = op;
  if (op.author !== surroundings.author) return "OTHER_AUTHOR";
  if (op.group !== rules.group) return "OTHER_GROUP";
  if (action.type === "create" && op.id !== rules.createOp) return "OTHER_GROUP";
  // A founding operation stands before everything, so no group can be known there.
  if (action.type === "create" && action.grants.some(({ member }) => member.kind === "group")) {
    return "GROUP_MEMBER";
  }
  const time = Math.floor(surroundings.stamp / 1e6);
  for (const author of letInBy(op)) {
    const bundles = surroundings.bundlesOf(author).filter((bundle) => isValidAt(bundle, time));
    if (bundles.length === 0) return "BUNDLE_MISSING";
    if (action.type !== "join") continue;
    const isBound = bundles.some((bundle) =>
      equalBytes(joinBinding(rules.crypto, bundle), action.binding),
    );
    if (!isBound) return "BUNDLE_MISSING";
  }
  return undefined;
}

/** A successor is a member as a rule, whose bundle stands elsewhere. */
function letInBy(op: AuthOp): readonly AuthorId[] {
  return op.action.type === "leave" ? [] : newcomersOf(op);
}

/** Whether the start of an unknown author's control log lets its author in. */
export type JoiningVerdict =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly reason: string;
      /** Its join, or operations of its group, may be in the graph, where no log carries them now. */
      readonly hasLearned?: boolean;
      /** Operations that it builds on and that are not here. */
      readonly missing?: readonly OpId[];
    };

/** What a joining log is judged by. */
export interface JoiningRules extends OpRules {
  readonly metadataKey: Uint8Array;
  readonly graph: AuthGraph;
  /** Does the invite, as far as is known here, admit nobody more? */
  readonly isClosed: (invite: AuthorId) => boolean;
  /** Does the space hold a bundle of this author that everybody can use? */
  readonly isReachable: (author: AuthorId) => boolean;
  /** May the invite still admit somebody, as far as is known here? */
  readonly isInvite: (invite: AuthorId) => boolean;
  /** Puts operations of a group into the graph. */
  readonly learnCarried: (ops: readonly AuthOp[]) => boolean;
  /** Does an operation that is here build on this one? */
  readonly isAwaited: (op: OpId) => boolean;
}

/**
 * Judges the first entries of a log: own bundle, then a join that the graph accepts, or the
 * operation that founds the space. It is in the graph afterwards, so the caller stores the range
 * next.
 */
export function admitJoiningLog(
  rules: JoiningRules,
  log: { readonly context: LogContext; readonly logId: LogId },
  entries: readonly Entry[],
): JoiningVerdict {
  const { topic, author } = log.context;
  const contentOf = (entry: Entry | undefined) => {
    if (entry === undefined) return undefined;
    const place = { topic, logId: log.logId, author, seq: entry.seq };
    return openControl(rules.crypto, rules.metadataKey, place, entry.data);
  };
  const [first, ...others] = entries;
  const bundleContent = contentOf(first);
  const carried = readCarried(others, contentOf);
  const { joinContent, second } = carried;
  if (bundleContent?.kind !== "bundle" || joinContent === undefined || second === undefined) {
    return refused("UNKNOWN_AUTHOR");
  }
  const bundle = bundleOf(rules.crypto, bundleContent.bundle, author);
  const parsed = parseOp(rules.crypto, joinContent.op);
  if (bundle === undefined || !parsed.ok) return refused("UNKNOWN_AUTHOR");
  const { type } = parsed.op.action;
  if (type !== "join" && type !== "create") return refused("UNKNOWN_AUTHOR");
  const surroundings = { author, stamp: second.stamp, bundlesOf: () => [bundle] };
  const flaw = flawOfOp(rules, parsed.op, surroundings);
  if (flaw !== undefined) return refused(flaw);
  if (!verifyOpSignature(rules.crypto, parsed.op, joinContent.signature)) {
    return refused("BAD_OP_SIGNATURE");
  }
  const flawed = bringGroup(rules, parsed.op, carried);
  const verdict = flawed === undefined ? admitOp(rules, parsed.op) : refused(flawed);
  return verdict.ok || carried.ops.length === 0 ? verdict : { ...verdict, hasLearned: true };
}

/** What stands between the own bundle and the join: the group that joins. */
interface CarriedGroup {
  readonly bundles: readonly Uint8Array[];
  readonly ops: readonly SignedOp[];
  readonly joinContent: ({ readonly kind: "auth" } & SignedOp) | undefined;
  /** The entry with the join. */
  readonly second: Entry | undefined;
}

/** Entries of a joining log before its join; a group of more has to be added by a manager. */
const joiningEntriesMax = 512;

function readCarried(
  entries: readonly Entry[],
  contentOf: (entry: Entry) => ControlContent | ControlPart | undefined,
): CarriedGroup {
  const bundles: Uint8Array[] = [];
  const ops: SignedOp[] = [];
  const parts = createPartJoiner();
  for (const entry of entries.slice(0, joiningEntriesMax)) {
    const content = parts.next(contentOf(entry));
    if (content === undefined) continue;
    if (content === "unreadable") break;
    if (content.kind === "auth") return { bundles, ops, joinContent: content, second: entry };
    if (content.kind === "bundle") bundles.push(content.bundle);
    else if (content.kind === "carry") ops.push(...content.ops);
    else break;
  }
  return { bundles, ops, joinContent: undefined, second: undefined };
}

/**
 * Puts the operations of a group that joins into the graph, for whoever owns the invite: nobody else
 * makes others work. The reason when they do not hold.
 */
function bringGroup(
  rules: JoiningRules,
  op: AuthOp,
  { bundles, ops }: CarriedGroup,
): string | undefined {
  const { action } = op;
  if (action.type !== "join" || action.as === undefined) return undefined;
  const { crypto } = rules;
  const reachable = reachableIn(crypto, bundles);
  const isReachable = (author: AuthorId): boolean =>
    author === op.author || reachable.has(author) || rules.isReachable(author);
  if (!rules.isInvite(action.invite)) return "UNKNOWN_INVITE";
  if (!verifyJoinProof(crypto, op)) return "BAD_JOIN_PROOF";
  const proven = proveJoining(crypto, ops, isReachable);
  return proven !== undefined && rules.learnCarried(proven) ? undefined : "GROUP_INVALID";
}

/**
 * A join by an invite that is closed here is kept only where others have built on it: else one
 * seen link would let anybody store logs without end. If it counted elsewhere first, whoever
 * welcomed it builds on it, and then it is taken.
 */
function admitOp(rules: JoiningRules, op: AuthOp): JoiningVerdict {
  const isNeeded = rules.isAwaited(op.id);
  const { action } = op;
  if (action.type === "join" && !isNeeded && rules.isClosed(action.invite)) {
    return refused("INVITE_CLOSED");
  }
  const verdict = rules.graph.add(op);
  if (verdict.status === "rejected") return refused(verdict.reason);
  if (verdict.status === "pending") {
    return { ok: false, reason: "MISSING_OPS", missing: verdict.missing };
  }
  const isVoid = rules.graph.status(op.id)?.state === "void";
  // What this device publishes next would name the join, and wait at everybody else for ever.
  return isVoid && !isNeeded ? { ...refused("JOIN_VOID"), hasLearned: true } : { ok: true };
}

/** Does this range begin with the operation that founds the space of these parameters? */
export function isFoundingRange(
  crypto: Crypto,
  space: { readonly metadataKey: Uint8Array; readonly createOp: OpId },
  range: EncodedRange,
): boolean {
  const { context } = range;
  if (range.from !== 0 || context.domain !== controlDomain || !isLogContext(context)) return false;
  const start = emptyChain(crypto, context);
  const verdict = verifyRange({ crypto }, start, range);
  const entries = (verdict.ok ? verdict.range : verdict.accepted)?.entries ?? [];
  return entries.some((entry) => {
    const { topic, author } = context;
    const place = { topic, logId: start.logId, author, seq: entry.seq };
    const content = openControl(crypto, space.metadataKey, place, entry.data);
    const parsed = content?.kind === "auth" ? parseOp(crypto, content.op) : undefined;
    return parsed?.ok === true && parsed.op.id === space.createOp;
  });
}

function bundleOf(crypto: Crypto, bytes: Uint8Array, author: AuthorId): VerifiedBundle | undefined {
  const parsed = parseBundle(bytes);
  const verified = parsed.ok ? verifyBundle(crypto, parsed.bundle, author) : parsed;
  return verified.ok ? verified.bundle : undefined;
}

function refused(reason: string): JoiningVerdict & { readonly ok: false } {
  return { ok: false, reason };
}
