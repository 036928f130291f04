/**
 * Detached bodies as people use them (docs/spec/6-space.md §15), in spaces with and without members.
 * Layer 5, internal.
 */
import type { OpId } from "@hawser/auth";
import type { AuthorId } from "@hawser/crypto";
import { SpaceError } from "./errors.ts";
import { findEntry } from "./explain.ts";
import type { Reading } from "./reading.ts";
import type { KeepOptions } from "./bodies.ts";
import type { Shred } from "./control.ts";
import type { BodyState, EntryRef, OpenBodyOptions, SpaceBody } from "./types.ts";
import { dataDomain } from "./words.ts";

/** What a space does with bodies. */
export interface BodyCalls {
  /**
   * The body of an entry, to be read in parts; one that stands in its entry as well. Throws
   * `SPACE_ENTRY_UNKNOWN`, `SPACE_NO_KEY`, `SPACE_BODY_MISSING`, `_SHREDDED`, `_INVALID`.
   */
  openBody(ref: EntryRef, options?: OpenBodyOptions): Promise<SpaceBody>;
  /**
   * How it stands on this device. Throws `SPACE_ENTRY_UNKNOWN`, `SPACE_BODY_INVALID`, and
   * `SPACE_BODY_TOO_LARGE` for one of more than a million parts.
   */
  bodyState(ref: EntryRef): Promise<BodyState>;
  /**
   * Fetches what is missing of it, key packet included, as followers do to serve it. Throws as
   * `openBody`, `SPACE_NO_BODY_STORE`, and `SPACE_BODY_TOO_LARGE` over `maxBytes` (1 GiB).
   */
  keepBody(ref: EntryRef, options?: KeepOptions): Promise<void>;
}

/** The calls that need no right. */
export function bodyCalls({ bodies }: Reading): BodyCalls {
  return {
    openBody: (ref, options) => bodies.open(ref, options),
    bodyState: (ref) => bodies.state(ref),
    keepBody: (ref, options) => bodies.keep(ref, options),
  };
}

/** The wish to be published. Throws `SPACE_ENTRY_UNKNOWN`, `SPACE_BODY_INLINE`. */
export async function shredOf(
  core: Reading,
  ref: EntryRef,
  by: { readonly self: AuthorId; readonly authHeads: readonly OpId[] },
): Promise<{ readonly kind: "shred"; readonly shred: Shred }> {
  const { author, domain, entry } = await findEntry(core, ref);
  if (domain !== dataDomain || entry.body === undefined) {
    throw new SpaceError(
      "SPACE_BODY_INLINE",
      "the body stands in its entry: it cannot be shredded",
    );
  }
  const { seq, hash } = entry;
  return { kind: "shred", shred: { author, seq, hash, authHeads: by.authHeads } };
}
