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
  type Suite,
  type VerifiedBundle,
} from "@hawser/keys";
import type { ControlContent } from "./control.ts";
import { authHeads, type Core, type Publication } from "./core.ts";
import { bring, carryDebt, losers, type CarryDebt } from "./group-carry.ts";
import { offerDebt, offersOf } from "./group-offers.ts";
import { tryIssue } from "./issue.ts";
import { hexBytes } from "./place.ts";
import { bundlesForRekey, canRekey, leastSuite, payable, sendable } from "./suites.ts";

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
  const replaced = new Set<Suite>();
  const ownBundles = async (): Promise<readonly VerifiedBundle[]> => {
    const bundles: VerifiedBundle[] = [];
    for (const { suite, why } of await bundlesDue(core)) {
      if (why === "newer") bundles.push(await core.device.bundle(suite));
      if (why === "newer" || replaced.has(suite)) continue;
      replaced.add(suite);
      bundles.push(await core.device.renewBundle(suite));
    }
    return bundles;
  };

  const pay = async (): Promise<void> => {
    if (core.isClosed() || !mayPay(core)) return;
    const bundles = await ownBundles();
    let isAhead = false;
    try {
      const carried = carryGroups(core);
      isAhead = carried.contents.length > 0;
      const ended = endInvites(core, refused);
      isAhead ||= ended.contents.length > 0;
      const publication = payments(core, bundles, { carried, ended });
      if (publication !== undefined) await core.publish(publication);
      // Sealed in the epoch that was made just now, if one was due.
      const offers = offersOf(core, offerDebt(core, core.outer()));
      if (offers.length > 0) await core.publish({ contents: offers });
    } catch (error) {
      // The graph may hold operations that no log does.
      if (isAhead) await core.refold();
      throw error;
    }
  };
  const schedule = async (): Promise<void> => {
    const due = core.isClosed() || !mayPay(core) ? [] : await bundlesDue(core);
    // A timer for a debt stands: under a stream of changes it would otherwise never fire.
    if (timer?.forDebt === true || core.isClosed() || !mayPay(core)) return;
    timer?.cancel();
    timer = undefined;
    const isDue = due.some(({ suite, why }) => why === "newer" || !replaced.has(suite));
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
  bundles: readonly VerifiedBundle[],
  { carried, ended }: { readonly carried: Carried; readonly ended: EndedInvites },
): Publication | undefined {
  const debts = debtsOf(core);
  const { acknowledge } = carried;
  // The bundle first: answers to requests are sealed to the newest one that is known.
  const contents: ControlContent[] = bundles.map(bundleContent);
  contents.push(...carried.contents);
  contents.push(...core.unshown().map((evidence) => ({ kind: "evidence", evidence }) as const));
  contents.push(...ended.contents);
  contents.push(...givesFor(core, debts.gives), ...requestsFor(core, debts));
  if (debts.rekey || (ended.rotate && canRekey(core))) {
    const { content, keyState } = rekeyFor(core, debts.rekey ? "membership" : "rotation");
    return { contents: [...contents, content], keyState, acknowledge };
  }
  return contents.length === 0 ? undefined : { contents, acknowledge };
}

/** Operations of groups inside the space that it lacked, and whose content they cut off. */
interface Carried {
  readonly contents: readonly ControlContent[];
  readonly acknowledge: readonly AuthorId[];
}

/** Takes in what the space lacks of its groups; it has to be published next. */
function carryGroups(core: Core): Carried {
  const debt = carryDebt(core);
  if (debt === undefined) return { contents: [], acknowledge: [] };
  const { graph, group } = core.fold();
  const before = graph.members(group);
  const { contents } = bring(core, debt);
  return { contents, acknowledge: losers(before, graph.members(group)) };
}

/** Publishes what the space lacks of its groups, with the keys that makes due. */
export async function payCarries(core: Core): Promise<void> {
  if (!mayPay(core) || carryDebt(core) === undefined) return;
  const ended = { contents: [], rotate: false };
  try {
    const publication = payments(core, [], { carried: carryGroups(core), ended });
    if (publication !== undefined) await core.publish(publication);
  } catch (error) {
    await core.refold();
    throw error;
  }
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
  return payable(core, owedOf(core));
}

/** Debts, whether this device could pay them or not. */
export function owedOf(core: Core): Debts {
  const { ring, keyState } = core.fold();
  const members = core.fold().members();
  const policy = core.options.history ?? "all";
  const debts = ring.whatIsOwed(keyState, members, policy, leastSuite(core));
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
    readers: bundlesForRekey(core, members.readers),
    followers: bundlesForRekey(core, members.followers),
    suiteMin: leastSuite(core),
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
    const { level, answers } = debt;
    const attachment = level === "read" ? nonce : undefined;
    const common = { level, answers, attachment, authHeads: authHeads(core) };
    return sendable(core, debt).flatMap((part) => {
      const ops = fold.ring[debt.kind](fold.keyState, { ...common, ...part }, core.deps.random);
      return ops.map((op): ControlContent => ({ kind: "keys", op }));
    });
  });
}

/** A bundle as control content. */
export function bundleContent(bundle: VerifiedBundle): ControlContent {
  return { kind: "bundle", bundle: encodeBundle(bundle) };
}

/** A member; one that was not let in yet, or follows, asks for keys only. */
function mayPay(core: Core): boolean {
  const { graph, group } = core.fold();
  if (!core.device.guard.mayWrite(core.syncTopic.topic)) return false;
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

/** Which bundles of this device are to be published here, and why. */
async function bundlesDue(
  core: Core,
): Promise<readonly { readonly suite: Suite; readonly why: "newer" | "lost" }[]> {
  const due: { readonly suite: Suite; readonly why: "newer" | "lost" }[] = [];
  for (const suite of core.device.suites) {
    const current = await core.device.bundle(suite);
    const published = latestBundle(core.fold().bundles, core.device.author, suite);
    if (published === undefined || published.notAfter < current.notAfter) {
      due.push({ suite, why: "newer" });
      // After a restored backup the newest published bundle may be one whose secret is gone.
    } else if (!holdsPrekeyOf(core.device.prekeys(), published)) due.push({ suite, why: "lost" });
  }
  return due;
}

/**
 * When to pay, or `undefined` when nothing is owed that can be paid: rank among the readers who
 * might, times the step. Rotations wait for writers to pay first.
 */
function delayMs(core: Core, debts: Debts, refused: ReadonlySet<AuthorId>): number | undefined {
  const step = core.options.answerDelayMs ?? defaultAnswerDelayMs;
  if (debts.requests.length > 0 || core.unshown().length > 0) return 0;
  const lacking = carryDebt(core);
  if (lacking !== undefined) return step * carrierRank(core, lacking);
  const [untold] = offerDebt(core, core.outer());
  if (untold !== undefined && !debts.rekey && offersOf(core, [untold]).length > 0) {
    return step * rankOf(core, hexBytes(untold.about().topic));
  }
  const [gift] = debts.gives;
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

/** This device's place among those who are in the space and in one of the groups it lacks ops of. */
function carrierRank(core: Core, { groups }: CarryDebt): number {
  const { graph, group } = core.fold();
  const inside = groups.flatMap((id) => [...(core.coreOf(id)?.fold().members().readers ?? [])]);
  const carriers = new Set(inside.filter((author) => graph.accessOf(group, author) !== undefined));
  return rankAmong(core, [...carriers], hexBytes(groups[0] ?? group));
}

/** This device's place among the readers, in an order that differs from subject to subject. */
function rankOf(core: Core, subject: Uint8Array): number {
  return rankAmong(core, core.fold().members().readers, subject);
}

function rankAmong(core: Core, authors: readonly AuthorId[], subject: Uint8Array): number {
  const { crypto } = core.deps;
  const orderOf = (reader: AuthorId): string =>
    toHex(crypto.deriveKey("hawser answer order v1", concatBytes(subject, hexBytes(reader))));
  const own = orderOf(core.device.author);
  return authors.filter((reader) => orderOf(reader) < own).length;
}
