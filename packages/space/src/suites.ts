/**
 * Cipher suites of a space (docs/spec/6-space.md §14, chapter 5 §4.1): which keys may be sent in, and
 * who cannot be reached in it. Layer 5, internal.
 */
import type { AuthorId } from "@hawser/crypto";
import {
  latestBundle,
  suiteHybrid,
  suiteX25519,
  type Debts,
  type EpochId,
  type OwedKeys,
  type Suite,
  type VerifiedBundle,
} from "@hawser/keys";
import type { Core } from "./core.ts";
import { SpaceError } from "./errors.ts";
import type { SuiteStanding } from "./types.ts";
import { shortName } from "./why.ts";

/**
 * The least suite in which keys of the space are sent. A number that this version has not heard of
 * is greater than all it has, so nothing here is strong enough for it.
 */
export function leastSuite(core: Core): Suite {
  // Safe: compared and looked up only; what no bundle has is never found.
  return core.fold().leastSuite() as Suite;
}

/** Can this device seal and open in the suite? */
export function hasSuite(core: Pick<Core, "device">, suite: number): boolean {
  return core.device.suites.some((own) => own >= suite);
}

/** What status tells of suites. */
export function suiteStanding(core: Core): SuiteStanding {
  return { least: leastSuite(core), holdingUp: holdingUp(core) };
}

/** Members, followers too, who can be sent nothing in suite 2. Sorted. */
function holdingUp(core: Core): readonly AuthorId[] {
  const { readers, followers } = core.fold().members();
  const self = core.device.author;
  // Without suite 2 nobody's bundles of it can be checked; then it is this device, for certain.
  if (!hasSuite(core, suiteHybrid)) return [self];
  return lacking(core, [...readers, ...followers], suiteHybrid).sort();
}

function lacking(core: Core, authors: readonly AuthorId[], suite: Suite): AuthorId[] {
  const { bundles } = core.fold();
  return authors.filter((author) => latestBundle(bundles, author, suite) === undefined);
}

/** Could this device make an epoch now? */
export function canRekey(core: Core): boolean {
  const least = leastSuite(core);
  const { readers, followers } = core.fold().members();
  const others = [...readers, ...followers].filter((author) => author !== core.device.author);
  return hasSuite(core, least) && lacking(core, others, least).length === 0;
}

/** Throws `SPACE_SUITE_UNAVAILABLE` unless this device can seal in the suite. */
export function requireSuite(core: Pick<Core, "device">, suite: number): void {
  if (hasSuite(core, suite)) return;
  const message = `this device's crypto has no suite ${suite}; see @hawser/crypto/hybrid`;
  throw new SpaceError("SPACE_SUITE_UNAVAILABLE", message);
}

/** Bundles in which a new epoch is sealed. Throws `SPACE_SUITE` and `SPACE_SUITE_UNAVAILABLE`. */
export function bundlesForRekey(
  core: Core,
  authors: readonly AuthorId[],
): readonly VerifiedBundle[] {
  const suite = leastSuite(core);
  requireSuite(core, suite);
  const self = core.device.author;
  // The own one is passed over; whoever makes an epoch has its key.
  const others = authors.filter((author) => author !== self);
  requireReachable(core, others, suite);
  const { bundles } = core.fold();
  return others.flatMap((author) => latestBundle(bundles, author, suite) ?? []);
}

/** Throws `SPACE_SUITE` with the names of those who have no bundle of the suite. */
function requireReachable(core: Core, authors: readonly AuthorId[], suite: Suite): void {
  const names = lacking(core, authors, suite).map(shortName);
  if (names.length === 0) return;
  if (suite === suiteX25519) {
    // Membership rules let nobody in without a bundle (docs/spec/6-space.md §3).
    throw new SpaceError("SPACE_BUNDLE_INVALID", `no key bundle of ${names.join(", ")}`);
  }
  throw new SpaceError("SPACE_SUITE", `no key bundle of suite ${suite} of ${names.join(", ")}`);
}

/** Throws unless the space can go to this suite now. */
export function checkRaise(core: Core, suite: Suite): void {
  requireSuite(core, suite);
  const least = leastSuite(core);
  if (suite < least) {
    throw new SpaceError("SPACE_SUITE", `the space is at suite ${least} and never goes down`);
  }
  const { readers, followers } = core.fold().members();
  requireReachable(core, [...readers, ...followers], suite);
}

/** Throws `SPACE_SUITE` where the space asks for a suite of which an author's bundle is missing. */
export function checkReachableIn(
  core: Core,
  given: readonly VerifiedBundle[],
  authors: readonly AuthorId[],
): void {
  const suite = leastSuite(core);
  const names = lacking(core, authors, suite).filter(
    (author) => !given.some((bundle) => bundle.author === author && bundle.suite === suite),
  );
  if (names.length === 0) return;
  const message = `no key bundle of suite ${suite} of ${names.map(shortName).join(", ")}`;
  throw new SpaceError("SPACE_SUITE", message);
}

/** Epochs of a debt with the bundle in whose suite they may be sent on. */
export interface Sendable {
  readonly recipient: VerifiedBundle;
  readonly epochIds: readonly EpochId[];
}

const knownSuites: readonly Suite[] = [suiteX25519, suiteHybrid];

/** An epoch goes on in its own suite; those whose suite the recipient lacks have to wait. */
export function sendable(core: Core, owed: OwedKeys): readonly Sendable[] {
  const { bundles, ring, keyState } = core.fold();
  const suiteOf = new Map(ring.epochs(keyState).map(({ id, suite }) => [id, suite]));
  return knownSuites.flatMap((suite): readonly Sendable[] => {
    const recipient = latestBundle(bundles, owed.recipient, suite);
    const epochIds = owed.epochIds.filter((id) => (suiteOf.get(id) ?? suite) === suite);
    return recipient === undefined || epochIds.length === 0 ? [] : [{ recipient, epochIds }];
  });
}

/** What of the debts this device could pay now; the rest waits for somebody's bundle. */
export function payable(core: Core, debts: Debts): Debts {
  const gives = debts.gives.filter((owed) => sendable(core, owed).length > 0);
  return { ...debts, gives, rekey: debts.rekey && canRekey(core) };
}
