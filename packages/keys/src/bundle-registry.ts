/**
 * What we know of others' prekeys (docs/spec/5-keys.md §2.3): a pure state, the same whatever order
 * bundles came in. Layer 4.
 */
import { compareBytes, equalBytes } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { isValidAt, type VerifiedBundle } from "./bundle.ts";
import { bundlesPerAuthorMax } from "./limits.ts";

/** Verified bundles of each author, the one that expires last first. */
export type BundleRegistry = ReadonlyMap<AuthorId, readonly VerifiedBundle[]>;

/** No bundles at all. */
export const emptyRegistry: BundleRegistry = new Map();

/**
 * The registry with `bundles` in it. Of one author the eight that expire last are kept, which
 * depends on the set of bundles alone, never on the order they came in.
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
    next.set(bundle.author, ordered.slice(0, bundlesPerAuthorMax));
  }
  return next;
}

/** The author's bundle for `time` (Unix seconds): of the valid ones, that which expires last. */
export function validBundle(
  registry: BundleRegistry,
  author: AuthorId,
  time: number,
): VerifiedBundle | undefined {
  return registry.get(author)?.find((bundle) => isValidAt(bundle, time));
}

/**
 * The author's bundle that expires last, even when it has expired: a member who was off for long
 * keeps its newest secret, and leaving it out would make every new epoch partial.
 */
export function latestBundle(
  registry: BundleRegistry,
  author: AuthorId,
): VerifiedBundle | undefined {
  return registry.get(author)?.[0];
}

function byExpiry(a: VerifiedBundle, b: VerifiedBundle): number {
  return (
    b.notAfter - a.notAfter ||
    compareBytes(a.prekey, b.prekey) ||
    compareBytes(a.signature, b.signature)
  );
}
