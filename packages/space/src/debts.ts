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
import { hexBytes } from "./place.ts";

const defaultAnswerDelayMs = 400;

/** Pays debts of one space in the background. */
export interface DebtPayer {
  /** Looks at the debts and starts a timer when there are any. */
  schedule(): Promise<void>;
  stop(): void;
}

/** A payer for `core`; every reader's device runs one. `revoke` ends an invite that is used up. */
export function createDebtPayer(
  core: Core,
  revoke: (invite: AuthorId) => Promise<void>,
): DebtPayer {
  let cancel: (() => void) | undefined;

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
    if (core.isClosed()) return;
    const publication = await payments(core, ownBundle);
    if (publication !== undefined) await core.publish(publication);
    const spent = core.state() === "active" ? spentInvites(core)[0] : undefined;
    // One at a time: after each the debts are looked at again.
    if (spent !== undefined) await revoke(spent);
  };
  const schedule = async (): Promise<void> => {
    if (cancel !== undefined || core.isClosed() || !mayPay(core)) return;
    const debts = debtsOf(core);
    const due = await bundleDue(core);
    const isDue = due === "newer" || (due === "lost" && !replaced);
    if (!isDue && isPaid(core, debts) && spentInvites(core).length === 0) return;
    cancel = core.deps.timers.after(isDue ? 0 : delayMs(core, debts), () => {
      cancel = undefined;
      core.queue.run(pay).catch((cause: unknown) => core.fail(cause));
    });
  };
  return {
    schedule,
    stop: () => {
      cancel?.();
      cancel = undefined;
    },
  };
}

/** What has to be published now so that no keys are owed any more, or `undefined`. */
async function payments(
  core: Core,
  ownBundle: () => Promise<VerifiedBundle | undefined>,
): Promise<Publication | undefined> {
  if (!mayPay(core)) return undefined;
  const debts = debtsOf(core);
  // The bundle first: answers to requests are sealed to the newest one that is known.
  const contents: ControlContent[] = [];
  const bundle = await ownBundle();
  if (bundle !== undefined) contents.push(bundleContent(bundle));
  contents.push(...givesFor(core, debts.gives), ...requestsFor(core, debts));
  const rotation = debts.rekey ? rekeyFor(core, "membership") : undefined;
  if (rotation !== undefined) contents.push(rotation.content);
  if (contents.length === 0) return undefined;
  return rotation === undefined ? { contents } : { contents, keyState: rotation.keyState };
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

/** A member that was let in. */
function mayPay(core: Core): boolean {
  const { graph, group } = core.fold();
  const state = core.state();
  if (state === "active") return true;
  return state === "following" && graph.accessOf(group, core.device.author) !== undefined;
}

/**
 * Invites that have admitted as many as they may and are not revoked yet, while this device manages.
 * Revoking them draws a line: a join that claims not to have seen the others comes too late then.
 */
function spentInvites(core: Core): readonly AuthorId[] {
  const { graph, group } = core.fold();
  return graph.can(group, core.device.author, "manage") ? core.fold().spentInvites() : [];
}

function requestsFor(core: Core, debts: Debts): readonly ControlContent[] {
  if (debts.requests.length === 0) return [];
  const { ring } = core.fold();
  const level = core.state() === "active" ? "read" : "follow";
  const input = { epochIds: debts.requests, level, authHeads: authHeads(core) } as const;
  return ring.requestKeys(input).map((op): ControlContent => ({ kind: "keys", op }));
}

function isPaid(core: Core, debts: Debts): boolean {
  const { bundles } = core.fold();
  const isPayable = (owed: OwedKeys): boolean =>
    latestBundle(bundles, owed.recipient) !== undefined;
  return !debts.rekey && debts.requests.length === 0 && !debts.gives.some(isPayable);
}

/** Why a bundle of this device is to be published here, or `undefined`. */
async function bundleDue(core: Core): Promise<"newer" | "lost" | undefined> {
  const current = await core.device.bundle();
  const published = latestBundle(core.fold().bundles, core.device.author);
  if (published === undefined || published.notAfter < current.notAfter) return "newer";
  // After a restored backup the newest published bundle may be one whose secret is gone.
  return holdsPrekeyOf(core.device.prekeys(), published) ? undefined : "lost";
}

/** Rank among the readers who might pay, times the step; rotations wait for writers to pay first. */
function delayMs(core: Core, debts: Debts): number {
  const step = core.options.answerDelayMs ?? defaultAnswerDelayMs;
  if (debts.requests.length > 0) return 0;
  const [gift] = debts.gives;
  if (gift !== undefined) return step * rankOf(core, hexBytes(gift.recipient));
  const [spent] = spentInvites(core);
  if (!debts.rekey && spent !== undefined) return step * (1 + rankOf(core, hexBytes(spent)));
  return step * (1 + rankOf(core, hexBytes(core.syncTopic.topic)));
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
