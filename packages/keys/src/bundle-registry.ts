/**
 * What we know of others' prekeys (docs/spec/5-keys.md §2.3): a pure state, the same whatever order
 * bundles came in. Layer 4.
 */
import { compareBytes, equalBytes } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { isValidAt, type VerifiedBundle } from "./bundle.ts";
import { bundlesPerAuthorMax, suiteX25519 } from "./limits.ts";
import { type Suite, suites } from "./suite.ts";

/** Verified bundles of each author, the one that expires last first. */
export type BundleRegistry = ReadonlyMap<AuthorId, readonly VerifiedBundle[]>;

/** No bundles at all. */
export const emptyRegistry: BundleRegistry = new Map();

/**
 * The registry with `bundles` in it. Of one author the eight of each suite that expire last are
 * kept, which depends on the set of bundles alone, never on the order they came in. So a bundle of
 * one suite never crowds out one of another.
 */
export function addBundles(
  registry: BundleRegistry,
  bundles: readonly VerifiedBundle[],
): BundleRegistry {
  const next = new Map(registry);
  for (const bundle of bundles) {
    const known = next.get(bundle.author) ?? [];
    if (known.some((other) => equalBytes(other.signature, bundle.signature))) continue;
    const ordered = [...known, bundle].sort(byExpiry);
    const kept = suites.flatMap((suite) =>
      ordered.filter((other) => other.suite === suite).slice(0, bundlesPerAuthorMax),
    );
    next.set(bundle.author, kept.sort(byExpiry));
  }
  return next;
}

/**
 * The author's bundle of a suite (1 unless said) for `time` (Unix seconds): of the valid ones, that
 * which expires last.
 */
export function validBundle(
  registry: BundleRegistry,
  author: AuthorId,
  time: number,
  suite: Suite = suiteX25519,
): VerifiedBundle | undefined {
  const bundles = registry.get(author) ?? [];
  return bundles.find((bundle) => bundle.suite === suite && isValidAt(bundle, time));
}

/**
 * The author's bundle of a suite (1 unless said) that expires last, even when it has expired: a
 * member who was off for long keeps its newest secret, and leaving it out would make every new epoch
 * partial.
 */
export function latestBundle(
  registry: BundleRegistry,
  author: AuthorId,
  suite: Suite = suiteX25519,
): VerifiedBundle | undefined {
  return registry.get(author)?.find((bundle) => bundle.suite === suite);
}

/**
 * The strongest suite of which every one of `authors` has a bundle, or `undefined`. It is what a
 * rekey for them can use, and when it rises a space may raise the least suite it accepts: withholding
 * somebody's bundle lowers this answer, and never that least suite.
 */
export function commonSuite(
  registry: BundleRegistry,
  authors: readonly AuthorId[],
): Suite | undefined {
  const isCommon = (suite: Suite): boolean =>
    authors.every((author) => latestBundle(registry, author, suite) !== undefined);
  return suites.findLast(isCommon);
}

function byExpiry(a: VerifiedBundle, b: VerifiedBundle): number {
  return (
    b.notAfter - a.notAfter ||
    compareBytes(a.prekey, b.prekey) ||
    compareBytes(a.signature, b.signature)
  );
}
