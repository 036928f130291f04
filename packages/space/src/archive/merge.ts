/**
 * Secrets of an archive joined with those of a store (docs/spec/archive.md §7): nothing that either
 * opens is lost. Layer 5, internal.
 */
import type { AuthorId, Crypto } from "@hawser/crypto";
import { createKeyRing, type KeyState } from "@hawser/keys";
import type { Topic } from "@hawser/log";

/** Whose key states are joined. */
export interface KeyOwners {
  readonly topic: Topic;
  /** Of the archive. */
  readonly from: AuthorId;
  /** Of the store. */
  readonly to: AuthorId;
}

/**
 * The key state of the store with what the archive has more; `undefined` when either does not parse.
 * What both know of an epoch is as the store has it: the rest comes again from the control logs.
 */
export function mergeKeyStates(
  crypto: Crypto,
  { topic, from, to }: KeyOwners,
  states: { readonly archived: Uint8Array; readonly stored: Uint8Array | undefined },
): Uint8Array | undefined {
  const archived = createKeyRing({ crypto }, { topic, self: from }).decode(states.archived);
  const ring = createKeyRing({ crypto }, { topic, self: to });
  const stored = states.stored === undefined ? ring.empty : ring.decode(states.stored);
  if (archived === undefined || stored === undefined) return undefined;
  return ring.encode(union(stored, archived));
}

function union(stored: KeyState, archived: KeyState): KeyState {
  return {
    epochs: new Map([...archived.epochs, ...stored.epochs]),
    requests: new Map([...archived.requests, ...stored.requests]),
    secrets: new Map([...archived.secrets, ...stored.secrets]),
    followKeys: new Map([...archived.followKeys, ...stored.followKeys]),
    aside: new Map([...archived.aside, ...stored.aside]),
    broken: new Set([...archived.broken, ...stored.broken]),
  };
}
