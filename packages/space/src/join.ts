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
export type JoiningVerdict = { readonly ok: true } | Refusal;

interface Refusal {
  readonly ok: false;
  readonly reason: string;
  /** Its joins, or operations of its group, may be in the graph, where no log carries them now. */
  readonly hasLearned?: boolean;
  /** Operations that it builds on and that are not here. */
  readonly missing?: readonly OpId[];
}

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
 * Judges the first entries of a log: own bundle, then a join that the graph accepts and that counts,
 * or the operation that founds the space. Joins by other links may stand before it: whoever was one
 * too many, or came by a link that was revoked, tries again in the same log. All of it is in the graph
 * afterwards, so the caller stores the range next.
 */
export function admitJoiningLog(
  rules: JoiningRules,
  log: { readonly context: LogContext; readonly logId: LogId },
  entries: readonly Entry[],
): JoiningVerdict {
  const { topic, author } = log.context;
  const contentOf = (entry: Entry) => {
    const place = { topic, logId: log.logId, author, seq: entry.seq };
    return openControl(rules.crypto, rules.metadataKey, place, entry.data);
  };
  let verdict = refused("UNKNOWN_AUTHOR");
  const failed: AuthOp[] = [];
  for (const attempt of readAttempts(entries, contentOf)) {
    const op = checkAttempt(rules, author, attempt);
    if (typeof op === "string") {
      // What stands behind a join that failed says nothing about the join.
      return failed.length > 0 ? verdict : refused(op);
    }
    const admitted = admit(rules, attempt, { op, failed });
    if (admitted.ok) return admitted;
    const hasLearned = verdict.hasLearned === true || admitted.hasLearned === true;
    verdict = { ...verdict, ...admitted, hasLearned };
    failed.push(op);
  }
  return verdict;
}

/** A join, or the founding operation, with all that stands before it in its log. */
interface Attempt extends SignedOp {
  /** µs, of its entry. */
  readonly stamp: number;
  /** Whose own is the first. */
  readonly bundles: readonly Uint8Array[];
  /** Operations of groups that join. */
  readonly carried: readonly SignedOp[];
}

/** Entries after the first that are looked at; a group of more has to be added by a manager. */
const joiningEntriesMax = 512;
/** Joins among them that are looked at. */
const attemptsMax = 32;

/** Read one by one: mostly the first counts, and logs are long. */
function* readAttempts(
  entries: readonly Entry[],
  contentOf: (entry: Entry) => ControlContent | ControlPart | undefined,
): Generator<Attempt> {
  const bundles: Uint8Array[] = [];
  const carried: SignedOp[] = [];
  const parts = createPartJoiner();
  let count = 0;
  for (const entry of entries.slice(0, joiningEntriesMax + 1)) {
    const content = parts.next(contentOf(entry));
    if (content === undefined) continue;
    if (content === "unreadable") return;
    if (bundles.length === 0 && content.kind !== "bundle") return;
    if (content.kind === "bundle") bundles.push(content.bundle);
    else if (content.kind === "carry") carried.push(...content.ops);
    else if (content.kind !== "auth" || count++ === attemptsMax) return;
    else yield { ...content, stamp: entry.stamp, bundles, carried };
  }
}

/** The operation of an attempt, or why it is none. */
function checkAttempt(rules: JoiningRules, author: AuthorId, attempt: Attempt): AuthOp | string {
  const { crypto } = rules;
  const [first] = attempt.bundles;
  const newest = attempt.bundles.findLast((bytes) => isBundleOf(bytes, author));
  const own = first && bundleOf(crypto, first, author);
  const renewed = newest && newest !== first ? bundleOf(crypto, newest, author) : undefined;
  const parsed = parseOp(crypto, attempt.op);
  const type = parsed.ok ? parsed.op.action.type : undefined;
  if (!parsed.ok || own === undefined) return "UNKNOWN_AUTHOR";
  if (type !== "join" && type !== "create") return "UNKNOWN_AUTHOR";
  const bundles = renewed === undefined ? [own] : [own, renewed];
  const surroundings = { author, stamp: attempt.stamp, bundlesOf: () => bundles };
  const flaw = flawOfOp(rules, parsed.op, surroundings);
  if (flaw !== undefined) return flaw;
  const isSigned = verifyOpSignature(crypto, parsed.op, attempt.signature);
  return isSigned ? parsed.op : "BAD_OP_SIGNATURE";
}

/**
 * Hands an attempt to the graph, after those in its log that failed: it may build on them. A join by
 * an invite that is closed here is kept only where others have built on it: else one seen link would
 * let anybody store logs without end. If it counted elsewhere first, whoever welcomed it builds on it,
 * and then it is taken.
 */
function admit(
  rules: JoiningRules,
  attempt: Attempt,
  { op, failed }: { readonly op: AuthOp; readonly failed: readonly AuthOp[] },
): JoiningVerdict {
  const { action } = op;
  const isNeeded = rules.isAwaited(op.id);
  if (action.type === "join" && !isNeeded && rules.isClosed(action.invite)) {
    return refused("INVITE_CLOSED");
  }
  const carried = [...failed, op].some(isByGroup) ? proveGroup(rules, attempt, op) : [];
  if (typeof carried === "string") return refused(carried);
  let hasLearned = carried.length > 0;
  if (hasLearned && !rules.learnCarried(carried)) {
    return { ...refused("GROUP_INVALID"), hasLearned };
  }
  for (const before of failed) {
    if (rules.graph.add(before).status !== "rejected") hasLearned = true;
  }
  const verdict = rules.graph.add(op);
  if (verdict.status === "rejected") return { ...refused(verdict.reason), hasLearned };
  if (verdict.status === "pending") {
    return { ...refused("MISSING_OPS"), hasLearned, missing: verdict.missing };
  }
  const isVoid = rules.graph.status(op.id)?.state === "void";
  // What this device publishes next would name the join, and wait at everybody else for ever.
  return isVoid && !isNeeded ? { ...refused("JOIN_VOID"), hasLearned: true } : { ok: true };
}

function isByGroup({ action }: AuthOp): boolean {
  return action.type === "join" && action.as !== undefined;
}

/**
 * Operations of groups that a log carries, if its author owns an open invite: nobody else makes
 * others work. The reason when they do not hold.
 */
function proveGroup(
  rules: JoiningRules,
  { bundles, carried }: Attempt,
  op: AuthOp,
): readonly AuthOp[] | string {
  const { crypto } = rules;
  if (op.action.type !== "join" || !rules.isInvite(op.action.invite)) return "UNKNOWN_INVITE";
  if (!verifyJoinProof(crypto, op)) return "BAD_JOIN_PROOF";
  const reachable = reachableIn(crypto, bundles);
  const isReachable = (author: AuthorId): boolean =>
    author === op.author || reachable.has(author) || rules.isReachable(author);
  return proveJoining(crypto, carried, isReachable) ?? "GROUP_INVALID";
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

function isBundleOf(bytes: Uint8Array, author: AuthorId): boolean {
  const parsed = parseBundle(bytes);
  return parsed.ok && parsed.bundle.author === author;
}

function bundleOf(crypto: Crypto, bytes: Uint8Array, author: AuthorId): VerifiedBundle | undefined {
  const parsed = parseBundle(bytes);
  const verified = parsed.ok ? verifyBundle(crypto, parsed.bundle, author) : parsed;
  return verified.ok ? verified.bundle : undefined;
}

function refused(reason: string): Refusal {
  return { ok: false, reason };
}
