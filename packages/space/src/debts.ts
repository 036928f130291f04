/**
 * Paying what is owed (docs/spec/6-space.md §6.2, chapter 5 §7): welcomes for newcomers, keys for
 * those who lack some, rotations after somebody left. Debts follow from state, so any reader may
 * pay; a delay by rank keeps it to one as a rule, and a debt paid twice does no harm. Layer 5,
 * internal.
 */
import { concatBytes, toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import {
  encodeBundle,
  holdsPrekeyOf,
  latestBundle,
  type Debts,
  type KeyState,
  type OwedKeys,
  type RekeyReason,
  type VerifiedBundle,
} from "@hawser/keys";
import type { ControlContent } from "./control.ts";
import { authHeads, type Core, type Publication } from "./core.ts";
import { SpaceError } from "./errors.ts";
import { tryIssue } from "./issue.ts";
import { hexBytes } from "./place.ts";

const defaultAnswerDelayMs = 400;

/** Pays debts of one space in the background. */
export interface DebtPayer {
  /** Looks at the debts and starts a timer when there are any. */
  schedule(): Promise<void>;
  stop(): void;
}

/** A payer for `core`; every member's device runs one. */
export function createDebtPayer(core: Core): DebtPayer {
  let timer: { readonly cancel: () => void; readonly forDebt: boolean } | undefined;
  /** Invites whose end the graph refused, until more is known: trying again would not help. */
  const refused = new Set<AuthorId>();
  /** A lost prekey is replaced once: a clock that went back must not make one after another. */
  let replaced = false;
  const ownBundle = async (): Promise<VerifiedBundle | undefined> => {
    const due = await bundleDue(core);
    if (due !== "lost") return due && core.device.bundle();
    if (replaced) return undefined;
    replaced = true;
    return core.device.renewBundle();
  };

  const pay = async (): Promise<void> => {
    if (core.isClosed() || !mayPay(core)) return;
    const bundle = await ownBundle();
    const ended = endInvites(core, refused);
    try {
      const publication = payments(core, bundle, ended);
      if (publication !== undefined) await core.publish(publication);
    } catch (error) {
      // The graph may hold operations that no log does.
      if (ended.contents.length > 0) await core.refold();
      throw error;
    }
  };
  const schedule = async (): Promise<void> => {
    const due = core.isClosed() || !mayPay(core) ? undefined : await bundleDue(core);
    // A timer for a debt stands: under a stream of changes it would otherwise never fire.
    if (timer?.forDebt === true || core.isClosed() || !mayPay(core)) return;
    timer?.cancel();
    timer = undefined;
    const isDue = due === "newer" || (due === "lost" && !replaced);
    const debtMs = isDue ? 0 : delayMs(core, debtsOf(core), refused);
    const waitMs = debtMs ?? expiryMs(core);
    if (waitMs === undefined) return;
    const cancel = core.deps.timers.after(waitMs, () => {
      timer = undefined;
      const paid = core.queue.run(pay).then(schedule);
      paid.catch((cause: unknown) => core.fail(cause));
    });
    timer = { cancel, forDebt: debtMs !== undefined };
  };
  return {
    schedule: () => {
      refused.clear();
      return schedule();
    },
    stop: () => {
      timer?.cancel();
      timer = undefined;
    },
  };
}

/** Operations that end invites, and whether keys that their links carry are still in use. */
interface EndedInvites {
  readonly contents: readonly ControlContent[];
  readonly rotate: boolean;
}

/** What has to be published now so that nothing is owed any more, or `undefined`. */
function payments(
  core: Core,
  bundle: VerifiedBundle | undefined,
  ended: EndedInvites,
): Publication | undefined {
  const debts = debtsOf(core);
  // The bundle first: answers to requests are sealed to the newest one that is known.
  const contents: ControlContent[] = bundle === undefined ? [] : [bundleContent(bundle)];
  contents.push(...core.unshown().map((evidence) => ({ kind: "evidence", evidence }) as const));
  contents.push(...ended.contents);
  contents.push(...givesFor(core, debts.gives), ...requestsFor(core, debts));
  if (debts.rekey || ended.rotate) {
    const { content, keyState } = rekeyFor(core, debts.rekey ? "membership" : "rotation");
    return { contents: [...contents, content], keyState };
  }
  return contents.length === 0 ? undefined : { contents };
}

/**
 * Ends invites that are used up or over. The end of one that is used up puts the joins it has seen
 * before those that claim not to have seen them, any other voids these; and the follow key in the
 * link must not prove anything for ever.
 */
function endInvites(core: Core, refused: Set<AuthorId>): EndedInvites {
  const fold = core.fold();
  const contents: ControlContent[] = [];
  let rotate = false;
  for (const invite of endableInvites(core, refused)) {
    const isCurrent = fold.isLinkKeyCurrent(invite);
    const issued = tryIssue(core, { type: "revoke", invite });
    if (issued === undefined) {
      refused.add(invite);
      continue;
    }
    contents.push(issued.content);
    rotate ||= isCurrent;
  }
  return { contents, rotate };
}

/** Debts under this device's history policy. Followers owe nobody, but may lack keys themselves. */
export function debtsOf(core: Core): Debts {
  const { ring, keyState } = core.fold();
  const members = core.fold().members();
  const debts = ring.whatIsOwed(keyState, members, core.options.history ?? "all");
  return core.state() === "active" ? debts : { ...debts, rekey: false, gives: [] };
}

/**
 * A rekey for exactly the members now, and the key state that goes with it. It carries the genesis
 * nonce: for a newcomer under a limited history it is the first thing that opens.
 */
export function rekeyFor(
  core: Core,
  reason: RekeyReason,
): { readonly content: ControlContent; readonly keyState: KeyState } {
  const fold = core.fold();
  const members = fold.members();
  const { nonce: attachment } = core.about();
  const input = {
    readers: members.readers.map((author) => requireBundle(core, author)),
    followers: members.followers.map((author) => requireBundle(core, author)),
    authHeads: authHeads(core),
    reason,
    ...(attachment === undefined ? {} : { attachment }),
  };
  const rekeyed = fold.ring.rekey(fold.keyState, input, core.deps.random);
  return { content: { kind: "keys", op: rekeyed.opBytes }, keyState: rekeyed.state };
}

/** Welcomes and forwards. Read keys come with the genesis nonce, by which a newcomer checks us. */
export function givesFor(core: Core, owed: readonly OwedKeys[]): readonly ControlContent[] {
  const fold = core.fold();
  const { nonce } = core.about();
  return owed.flatMap((debt) => {
    const recipient = latestBundle(fold.bundles, debt.recipient);
    if (recipient === undefined) return [];
    const { level, epochIds, answers } = debt;
    const attachment = level === "read" ? nonce : undefined;
    const input = { recipient, level, epochIds, answers, attachment, authHeads: authHeads(core) };
    const ops = fold.ring[debt.kind](fold.keyState, input, core.deps.random);
    return ops.map((op): ControlContent => ({ kind: "keys", op }));
  });
}

/** A bundle as control content. */
export function bundleContent(bundle: VerifiedBundle): ControlContent {
  return { kind: "bundle", bundle: encodeBundle(bundle) };
}

/** A member; one that was not let in yet, or follows, asks for keys only. */
function mayPay(core: Core): boolean {
  const { graph, group } = core.fold();
  return graph.accessOf(group, core.device.author) !== undefined;
}

/** Invites this device may end: spent ones as a reader, expired ones as a manager. */
function endableInvites(core: Core, refused: ReadonlySet<AuthorId>): readonly AuthorId[] {
  if (core.state() !== "active") return [];
  const { graph, group } = core.fold();
  const spent = core.fold().spentInvites();
  const isManager = graph.can(group, core.device.author, "manage");
  const time = core.time();
  const isOver = (notAfter: number | undefined): boolean =>
    notAfter !== undefined && time >= notAfter;
  const expired = graph
    .invites(group)
    .filter((offer) => isManager && isOver(offer.notAfter))
    .map((offer) => offer.invite);
  // Whoever came by an invite cannot end it: an older reader does.
  return [...spent, ...expired].filter(
    (invite) => !refused.has(invite) && !core.fold().cameBy(core.device.author, invite),
  );
}

function requestsFor(core: Core, debts: Debts): readonly ControlContent[] {
  if (debts.requests.length === 0) return [];
  const { ring } = core.fold();
  const { graph, group } = core.fold();
  const access = graph.accessOf(group, core.device.author);
  const level = access?.level === "pull" ? "follow" : "read";
  const input = { epochIds: debts.requests, level, authHeads: authHeads(core) } as const;
  return ring.requestKeys(input).map((op): ControlContent => ({ kind: "keys", op }));
}

/** Why a bundle of this device is to be published here, or `undefined`. */
async function bundleDue(core: Core): Promise<"newer" | "lost" | undefined> {
  const current = await core.device.bundle();
  const published = latestBundle(core.fold().bundles, core.device.author);
  if (published === undefined || published.notAfter < current.notAfter) return "newer";
  // After a restored backup the newest published bundle may be one whose secret is gone.
  return holdsPrekeyOf(core.device.prekeys(), published) ? undefined : "lost";
}

/**
 * When to pay, or `undefined` when nothing is owed that can be paid: rank among the readers who
 * might, times the step. Rotations wait for writers to pay first.
 */
function delayMs(core: Core, debts: Debts, refused: ReadonlySet<AuthorId>): number | undefined {
  const { bundles } = core.fold();
  const step = core.options.answerDelayMs ?? defaultAnswerDelayMs;
  if (debts.requests.length > 0 || core.unshown().length > 0) return 0;
  const gift = debts.gives.find((owed) => latestBundle(bundles, owed.recipient) !== undefined);
  if (gift !== undefined) return step * rankOf(core, hexBytes(gift.recipient));
  const [ended] = endableInvites(core, refused);
  if (ended !== undefined) return step * (1 + rankOf(core, hexBytes(ended)));
  if (debts.rekey) return step * (1 + rankOf(core, hexBytes(core.syncTopic.topic)));
  return undefined;
}

/** Time until the next invite is over that this device would end, in ms; a day at most. */
function expiryMs(core: Core): number | undefined {
  const { graph, group } = core.fold();
  if (core.state() !== "active" || !graph.can(group, core.device.author, "manage"))
    return undefined;
  const ends = graph.invites(group).flatMap((offer) => offer.notAfter ?? []);
  if (ends.length === 0) return undefined;
  const daySeconds = 24 * 3_600;
  return 1_000 * Math.min(daySeconds, Math.max(1, Math.min(...ends) - core.time()));
}

/** This device's place among the readers, in an order that differs from subject to subject. */
function rankOf(core: Core, subject: Uint8Array): number {
  const { crypto } = core.deps;
  const orderOf = (reader: AuthorId): string =>
    toHex(crypto.deriveKey("hawser answer order v1", concatBytes(subject, hexBytes(reader))));
  const own = orderOf(core.device.author);
  return core
    .fold()
    .members()
    .readers.filter((reader) => orderOf(reader) < own).length;
}

function requireBundle(core: Core, author: AuthorId): VerifiedBundle {
  const bundle = latestBundle(core.fold().bundles, author);
  if (bundle !== undefined) return bundle;
  // Membership rules let nobody in without a bundle (docs/spec/6-space.md §3).
  throw new SpaceError("SPACE_BUNDLE_INVALID", `no key bundle of member ${author.slice(0, 8)}…`);
}
