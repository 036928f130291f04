/**
 * What members do in a space: membership, invites, joining, writing (docs/spec/6-space.md §6, §7).
 * Every function runs inside the core's queue. Layer 5, internal.
 */
import {
  inviteOfSecret,
  levels,
  proveJoin,
  type Access,
  type AuthAction,
  type AuthOp,
  type OpId,
} from "@hawser/auth";
import { utf8 } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import {
  suiteX25519,
  verifyBundle,
  type EpochId,
  type KeyBundle,
  type Suite,
  type VerifiedBundle,
} from "@hawser/keys";
import type { Entry, LogId } from "@hawser/log";
import type { ControlContent } from "./control.ts";
import { authHeads, orCatchUp, type Core, type Publication } from "./core.ts";
import { bundleContent, debtsOf, givesFor, payCarries, rekeyFor } from "./debts.ts";
import { SpaceError, type SpaceErrorCode } from "./errors.ts";
import type { PreparedDraft } from "./bodies.ts";
import { cardOf } from "./group-card.ts";
import { bring, losers } from "./group-carry.ts";
import { issue, tryIssue } from "./issue.ts";
import { joinBinding } from "./join.ts";
import { lastLeave } from "./judge.ts";
import { bodyBytesMax, sequenceBytesMax, typeBytesMax, type ContentEpoch } from "./layers.ts";
import { hexBytes } from "./place.ts";
import { checkedBundle } from "./recipients.ts";
import type { SignedHead } from "./sequencer.ts";
import { canRekey, checkRaise, hasSuite, leastSuite } from "./suites.ts";
import { writeDrafts } from "./write-drafts.ts";

/** A membership change to publish. */
export interface Change {
  readonly action: AuthAction;
  /** Of somebody who comes in; stands before the operation. */
  readonly bundle?: VerifiedBundle;
  /** Further bundles, of other suites; stand behind the operation. */
  readonly moreBundles?: readonly VerifiedBundle[];
  /** Contents that stand before everything else. */
  readonly before?: readonly ControlContent[];
  /** What this device has seen of a group that comes in. */
  readonly beside?: readonly OpId[];
  /** Rotate even if nobody left. */
  readonly rotate?: boolean;
}

/** Publishes one membership operation with the keys that it makes due, as one batch. */
export async function changeMembership(core: Core, change: Change): Promise<void> {
  const { bundle, moreBundles = [] } = change;
  for (const each of moreBundles) core.fold().learnBundle(each);
  if (bundle !== undefined) core.fold().learnBundle(bundle);
  const ways = waysBack(core, change.action);
  const { graph, group } = core.fold();
  const members = graph.members(group);
  // Whoever leaves may be the last who holds keys: newcomers get theirs before that.
  const parting = change.action.type === "leave" ? givesFor(core, debtsOf(core).gives) : [];
  const { op, content } = issue(core, change.action, change.beside);
  try {
    const ends = ways.flatMap(
      (invite) => tryIssue(core, { type: "revoke", invite })?.content ?? [],
    );
    const own = bundle === undefined ? [] : [bundleContent(bundle)];
    const before = [...(change.before ?? []), ...own, ...parting];
    const more = moreBundles.map(bundleContent);
    const keys = core.state() === "active" ? keysDue(core, change.rotate === true) : noKeys;
    const contents = [...before, content, ...more, ...ends, ...keys.contents];
    await core.publish({ ...keys, contents, acknowledge: endedBy(core, op, members) });
  } catch (error) {
    // The graph holds an operation that no log does.
    await core.refold();
    throw error;
  }
}

/**
 * Open invites by which somebody came who is to be removed or lowered: with the same link it would
 * be back under another name (docs/spec/6-space.md §6.1).
 */
function waysBack(core: Core, action: AuthAction): readonly AuthorId[] {
  const fold = core.fold();
  const { graph, group } = fold;
  if (action.type !== "remove" && action.type !== "set") return [];
  const { id } = action.type === "remove" ? action.member : action.grant.member;
  if (action.type === "set") {
    const listed = graph.directMembers(group).find(({ member }) => member.id === id);
    const before = listed?.access;
    const { level } = action.grant.access;
    if (before === undefined || levels.indexOf(level) >= levels.indexOf(before.level)) return [];
  }
  return fold.openInvitesOf(id);
}

const noKeys: Pick<Publication, "contents" | "keyState"> = { contents: [] };

/** Keys for whoever lacks some, and a new epoch if one is owed or wanted. */
function keysDue(core: Core, rotate: boolean): Pick<Publication, "contents" | "keyState"> {
  const debts = debtsOf(core);
  const gives = givesFor(core, debts.gives);
  if (!debts.rekey && !(rotate && canRekey(core))) return { contents: gives };
  const { content, keyState } = rekeyFor(core, debts.rekey ? "membership" : "rotation");
  return { contents: [...gives, content], keyState };
}

/** Whose content the change cuts off where we have seen it, through groups too. */
function endedBy(core: Core, op: AuthOp, before: ReadonlyMap<AuthorId, Access>): AuthorId[] {
  const { graph, group } = core.fold();
  const after = graph.members(group);
  const ended = new Set(losers(before, after));
  const { action } = op;
  if (action.type === "leave") ended.add(op.author);
  const target =
    action.type === "remove" ? action.member : action.type === "set" && action.grant.member;
  // Safe: an individual's id is an author.
  if (typeof target === "object" && target.kind === "individual") ended.add(target.id as AuthorId);
  return [...ended];
}

/** A known device becomes a member, with its keys, in one batch. */
export async function addMember(
  core: Core,
  given: KeyBundle | readonly KeyBundle[],
  access: Access,
): Promise<void> {
  const bundles = "author" in given ? [given] : given;
  const first = bundles.find(({ suite }) => suite === suiteX25519) ?? bundles[0];
  if (first === undefined) throw new SpaceError("SPACE_BUNDLE_INVALID", "no key bundle was given");
  const checked = checkedBundle(core, first);
  const moreBundles = strongerBundles(core, checked.author, bundles);
  const member = { kind: "individual", id: checked.author } as const;
  const action: AuthAction = { type: "add", grant: { member, access } };
  await changeMembership(core, { action, bundle: checked, moreBundles });
}

/** Bundles of other suites that this device can check. Throws `SPACE_SUITE`, `_BUNDLE_INVALID`. */
function strongerBundles(
  core: Core,
  author: AuthorId,
  bundles: readonly KeyBundle[],
): readonly VerifiedBundle[] {
  const usable = bundles.filter(({ suite }) => suite !== suiteX25519 && hasSuite(core, suite));
  const more = usable.map((bundle) => {
    const verified = verifyBundle(core.deps.crypto, bundle, author);
    if (verified.ok) return verified.bundle;
    const message = `the key bundle cannot be used: ${verified.reason}`;
    throw new SpaceError("SPACE_BUNDLE_INVALID", message);
  });
  const least = leastSuite(core);
  if (least === suiteX25519 || more.some(({ suite }) => suite === least)) return more;
  throw new SpaceError("SPACE_SUITE", `the space asks for a bundle of suite ${least}`);
}

/** Raises the least suite; the keys of the stronger one go along. Throws `SPACE_SUITE`. */
export async function raiseSuite(core: Core, suite: Suite): Promise<void> {
  checkRaise(core, suite);
  if (suite === leastSuite(core)) return;
  await changeMembership(core, { action: { type: "raise", suite } });
}

/** Publishes the join of a space that waits for it. */
export interface Joiner {
  /** Looks again after a quiet moment: a join should see whoever joined before. */
  schedule(): void;
  stop(): void;
}

const quietMsDefault = 200;

/** A joiner for `core`; does nothing unless an invite's secret is at hand. */
export function createJoiner(core: Core): Joiner {
  let cancel: (() => void) | undefined;
  const stop = (): void => {
    cancel?.();
    cancel = undefined;
  };
  return {
    stop,
    schedule: () => {
      stop();
      if (core.about().inviteSecret === undefined || core.isClosed()) return;
      const delayMs = core.options.answerDelayMs ?? quietMsDefault;
      cancel = core.deps.timers.after(Math.min(delayMs, quietMsDefault), () => {
        cancel = undefined;
        const joining = core.queue.run(() => (core.isClosed() ? nothing : tryJoin(core)));
        joining.catch((cause: unknown) => core.fail(cause));
      });
    },
  };
}

const nothing: Promise<void> = Promise.resolve();

/**
 * Publishes the join once the invite is here. A refusal is kept in the record: nothing was
 * published then.
 */
async function tryJoin(core: Core): Promise<void> {
  const { inviteSecret, refusal, createOp: founding } = core.about();
  if (inviteSecret === undefined || refusal !== undefined) return;
  // An older copy may not know that it has joined since.
  if (!core.device.guard.mayWrite(core.syncTopic.topic)) return;
  const { graph, group } = core.fold();
  const { author } = core.device;
  if (!graph.has(founding) || graph.accessOf(group, author) !== undefined) return;
  const invite = inviteOfSecret(core.deps.crypto, inviteSecret);
  const facts = core.fold().inviteFacts(invite);
  if (facts === undefined || facts.joins.some((join) => join.author === author)) return;
  const failure = failureOf(core, invite);
  if (failure !== undefined) return refuse(core, failure);
  if (!hasSuite(core, leastSuite(core))) return refuse(core, "SPACE_SUITE_UNAVAILABLE");
  const bundle = await core.device.bundle();
  const moreBundles = await ownStronger(core);
  const { joinAs: as } = core.about();
  const { crypto } = core.deps;
  const claim = { group, author, binding: joinBinding(crypto, bundle), time: core.time(), as };
  try {
    const action = proveJoin(crypto, claim, inviteSecret);
    if (as === undefined) return await changeMembership(core, { action, bundle, moreBundles });
    const joining = core.coreOf(as)?.fold();
    if (joining === undefined) return await refuse(core, "SPACE_UNKNOWN");
    // The own bundle stands first: by it a joining log is known.
    const { contents } = bring(core, cardOf(joining));
    core.fold().learnBundle(bundle);
    const before = [bundleContent(bundle), ...contents];
    const beside = core.fold().graph.heads(as);
    await changeMembership(core, { action, before, beside, moreBundles });
  } catch (error) {
    if (!(error instanceof SpaceError)) throw error;
    await refuse(core, error.code);
  }
}

/** This device's bundles beside that of suite 1. */
async function ownStronger(core: Core): Promise<readonly VerifiedBundle[]> {
  const suites = core.device.suites.filter((suite) => suite !== suiteX25519);
  return Promise.all(suites.map((suite) => core.device.bundle(suite)));
}

async function refuse(core: Core, refusal: SpaceErrorCode): Promise<void> {
  await core.deps.store.commit({ writes: [core.amend({ refusal })] });
  core.changed.notify();
}

/** Why the invite admits nobody (any more), or `undefined`. */
function failureOf(core: Core, invite: AuthorId): SpaceErrorCode | undefined {
  const { graph, group } = core.fold();
  const facts = core.fold().inviteFacts(invite);
  const open = graph.invites(group).find((offer) => offer.invite === invite);
  if (open !== undefined) {
    const isOver = open.notAfter !== undefined && core.time() >= open.notAfter;
    return isOver ? "SPACE_INVITE_EXPIRED" : undefined;
  }
  // An invite that is used up or over is revoked as well: say what concerns the joiner.
  if ((facts?.joins.length ?? 0) >= (facts?.uses ?? 1)) return "SPACE_INVITE_USED";
  if (core.time() >= (facts?.notAfter ?? Infinity)) return "SPACE_INVITE_EXPIRED";
  return facts?.revoked === true ? "SPACE_INVITE_REVOKED" : "SPACE_INVITE_INVALID";
}

/** What stands in the way of this device, as a code, or `undefined`. */
export function problemOf(core: Core): SpaceErrorCode | undefined {
  const { refusal, inviteSecret } = core.about();
  // Safe: only codes of this layer are written there.
  if (refusal !== undefined) return refusal as SpaceErrorCode;
  if (core.genesisMismatch()) return "SPACE_GENESIS_MISMATCH";
  if (inviteSecret === undefined) return undefined;
  const { graph } = core.fold();
  const { author } = core.device;
  const facts = core.fold().inviteFacts(inviteOfSecret(core.deps.crypto, inviteSecret));
  const own = facts?.joins.find((join) => join.author === author);
  const status = own === undefined ? undefined : graph.status(own.op);
  if (status?.state !== "void") return undefined;
  if (status.reason === "INVITE_EXHAUSTED") return "SPACE_INVITE_USED";
  const others = facts?.joins.filter(({ op }) => graph.status(op)?.state === "effective") ?? [];
  if (others.length >= (facts?.uses ?? 1)) return "SPACE_INVITE_USED";
  return status.reason === "INVITE_REVOKED" ? "SPACE_INVITE_REVOKED" : "SPACE_INVITE_INVALID";
}

/** Appends drafts as one signed batch, sealed in an epoch that exactly the readers hold. */
export async function appendDrafts(
  core: Core,
  drafts: readonly PreparedDraft[],
): Promise<readonly Entry[]> {
  requireWriter(core);
  const needsEpoch = drafts.some((draft) => draft.audience !== "anybody");
  const epoch = needsEpoch ? await sealingEpoch(core) : undefined;
  await core.advance();
  const writing = writeDrafts(core, { drafts, epoch, heads: headsToCount(core) });
  const entries = await orCatchUp(writing, core.advance);
  core.recent.remember(core.own.logId("data"), entries);
  await core.advance();
  return entries;
}

/** Drafts of one append. */
export const appendDraftsMax = 16_384;
/** Body bytes of one append; larger content goes in several. */
export const appendBytesMax: number = 2 * 1024 * 1024;

/** Body bytes with a rough share of everything around them. */
export function bodyBytes(drafts: readonly PreparedDraft[]): number {
  let byteCount = 0;
  for (const { body } of drafts) byteCount += body.length + 64;
  return byteCount;
}

/** Throws `SPACE_BODY_TOO_LARGE` or `SPACE_DRAFT_INVALID`. */
export function checkDrafts(drafts: readonly PreparedDraft[]): void {
  if (drafts.length > appendDraftsMax || bodyBytes(drafts) > appendBytesMax) {
    throw new SpaceError("SPACE_BODY_TOO_LARGE", "one append takes 16,384 drafts and 2 MiB");
  }
  for (const { type, body, sequence } of drafts) {
    if (body.length > bodyBytesMax) {
      const size = `${body.length} bytes; at most ${bodyBytesMax} fit into one entry`;
      throw new SpaceError("SPACE_BODY_TOO_LARGE", `a body of ${size}`);
    }
    const typeBytes = utf8(type).length;
    const sequenceBytes = sequence === undefined ? 1 : utf8(sequence).length;
    const fits = typeBytes >= 1 && typeBytes <= typeBytesMax;
    if (!fits || sequenceBytes < 1 || sequenceBytes > sequenceBytesMax) {
      throw new SpaceError("SPACE_DRAFT_INVALID", "type: 1–64 bytes, sequence: 1–128 bytes");
    }
  }
}

function requireWriter(core: Core): void {
  const state = core.state();
  if (state === "waiting") {
    throw new SpaceError("SPACE_NOT_WELCOMED", "this device has not been welcomed yet");
  }
  const { graph, group } = core.fold();
  if (state !== "active" || !graph.can(group, core.device.author, "write")) {
    throw new SpaceError("SPACE_NO_ACCESS", "this device may not write here");
  }
}

/**
 * Heads that a batch points at. Where the clock was set back, what gave this device its rights is
 * ahead of it; the batch would never count unless it points there all the same.
 */
function headsToCount(core: Core): readonly SignedHead[] {
  const heads = core.sequencer().heads();
  const ahead = core.sequencer().headsAhead();
  if (ahead.length === 0 || wouldCount(core, heads)) return firstThingsFirst(core, heads);
  const own = ahead.filter(({ logId }) => logId === core.own.logId("control"));
  for (const more of [own, ahead]) {
    const logIds = new Set(more.map(({ logId }) => logId));
    const all = [...more, ...heads.filter(({ logId }) => !logIds.has(logId))];
    if (wouldCount(core, all)) return firstThingsFirst(core, all);
  }
  // Better nothing written than something that everybody would reject.
  const message = "what gives this device its access is not decided yet";
  throw new SpaceError("SPACE_NO_ACCESS", message);
}

/** Would an own data entry count that points at these? */
function wouldCount(core: Core, heads: readonly SignedHead[]): boolean {
  const fold = core.fold();
  const { author } = core.device;
  const known = core.sequencer().positionOf(core.own.logId("data"), Infinity);
  const ops = [...known, ...heads.flatMap(({ logId, seq }) => fold.opsAt(logId, seq))];
  const at = fold.graph.antichain([...new Set(ops)]);
  if (fold.graph.judge(fold.group, author, at, "write") !== "accept") return false;
  return lastLeave(fold, author, at) === undefined;
}

/** Own control log first, then those that hold the newest operations. */
function firstThingsFirst(core: Core, heads: readonly SignedHead[]): readonly SignedHead[] {
  const fold = core.fold();
  const first = new Set<LogId>([core.own.logId("control")]);
  for (const op of authHeads(core)) {
    const place = fold.placeOf(op);
    if (place !== undefined) first.add(place.logId);
  }
  const isFirst = heads.filter((head) => first.has(head.logId));
  return [...isFirst, ...heads.filter((head) => !first.has(head.logId))];
}

/** The epoch to seal in; pays for one first when the exact-holder rule asks for it. */
async function sealingEpoch(core: Core): Promise<ContentEpoch> {
  // Who left a group inside the space must not read on because the space was not told.
  await payCarries(core);
  const ready = eligible(core);
  if (ready !== undefined) return ready;
  const debts = debtsOf(core);
  const gives = givesFor(
    core,
    debts.gives.filter((give) => give.level === "read"),
  );
  if (!debts.rekey && gives.length > 0) await core.publish({ contents: gives });
  const given = eligible(core);
  if (given !== undefined) return given;
  const { content, keyState } = rekeyFor(core, "membership");
  await core.publish({ contents: [content], keyState });
  const made = eligible(core);
  if (made !== undefined) return made;
  throw new SpaceError("SPACE_NO_KEY", "no epoch is held by exactly the readers");
}

/** The epoch that exactly the readers hold; `undefined` while a rotation is owed. */
export function eligible(core: Core): ContentEpoch | undefined {
  const { ring, keyState } = core.fold();
  const { readers } = core.fold().members();
  const id: EpochId | undefined = ring.eligibleEpoch(keyState, readers, leastSuite(core));
  const readKey = id === undefined ? undefined : core.opener().readKey(id);
  return id === undefined || readKey === undefined ? undefined : { id: hexBytes(id), readKey };
}
