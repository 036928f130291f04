/**
 * Bundles that something is sealed to by the wish of the caller (docs/spec/6-space.md §4). Layer 5,
 * internal.
 */
import { suiteX25519, verifyBundle, type KeyBundle, type VerifiedBundle } from "@hawser/keys";
import type { Core } from "./core.ts";
import { SpaceError } from "./errors.ts";
import type { SpaceDraft } from "./types.ts";

/** What sealing to chosen keys asks of a space. */
export type Sealer = Pick<Core, "deps" | "time">;

/** Throws `SPACE_BUNDLE_INVALID` for recipients that nothing can be sealed to. */
export function checkAudiences(core: Sealer, drafts: readonly SpaceDraft[]): void {
  for (const { audience } of drafts) {
    if (typeof audience !== "object") continue;
    for (const bundle of audience.only) checkedBundle(core, bundle);
  }
}

/** A bundle handed in by the caller, checked. Throws `SPACE_BUNDLE_INVALID`. */
export function checkedBundle(core: Sealer, bundle: KeyBundle): VerifiedBundle {
  const verified = verifyBundle(core.deps.crypto, bundle, bundle.author);
  const time = core.time();
  if (verified.ok && bundle.suite !== suiteX25519) {
    throw new SpaceError("SPACE_BUNDLE_INVALID", "a bundle of suite 1 is needed here");
  }
  if (verified.ok && bundle.notBefore <= time && time < bundle.notAfter) return verified.bundle;
  const reason = verified.ok ? "it is not valid now" : verified.reason;
  throw new SpaceError("SPACE_BUNDLE_INVALID", `the key bundle cannot be used: ${reason}`);
}
