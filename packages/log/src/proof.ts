/**
 * Entry proofs: that an author wrote one entry, shown to somebody who has no other
 * (docs/spec/2-log.md §8). Layer 3.
 */
import { concatBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { decodeContext, encodeContext } from "./context.ts";
import { LogError, type ProofRejectionCode } from "./errors.ts";
import { contextBytes } from "./limits.ts";
import { buildPath, storeSource, verifyPath } from "./link-path.ts";
import type { LogStore } from "./store.ts";
import type { Entry, LogContext, LogId } from "./types.ts";

/** A link path and the log it belongs to. */
export interface EntryProof {
  readonly context: LogContext;
  /** Packets back to back: a signed one first, the proven one last. */
  readonly path: Uint8Array;
}

export type EntryProofVerdict =
  | { readonly ok: true; readonly entry: Entry; readonly points: number }
  | { readonly ok: false; readonly reason: ProofRejectionCode };

/**
 * The proof of an entry, from the nearest signed entry at or after it; O(log n) packets for n
 * entries between the two. Throws LOG_NOT_FOUND when the entry is absent, pruned or not yet signed.
 */
export async function proveEntry(
  deps: {
    readonly store: Pick<LogStore, "head" | "stateAt" | "entries">;
    readonly crypto: Pick<Crypto, "hash" | "deriveKey" | "verifyPoint">;
  },
  logId: LogId,
  seq: number,
): Promise<EntryProof> {
  const { store, crypto } = deps;
  const head = await store.head(logId);
  if (head === undefined || seq < 0 || seq >= head.signedHeight) {
    throw new LogError("LOG_NOT_FOUND", `the log has no signed entry ${seq}`);
  }
  const { context } = head;
  const source = storeSource(store, logId);
  const path = await buildPath(context, source, await signedAtOrAfter(store, logId, seq), seq);
  // A keypoint within a range was vouched for by a later one; its own signature may be bad.
  if (verifyPath(crypto, context, path).ok) return { context, path };
  return { context, path: await buildPath(context, source, head.signedHeight - 1, seq) };
}

/** seq of the first signed entry that is not before `seq`. Throws LOG_NOT_FOUND. */
export async function signedAtOrAfter(
  store: Pick<LogStore, "entries">,
  logId: LogId,
  seq: number,
): Promise<number> {
  for await (const entry of store.entries(logId, { from: seq })) {
    if (entry.signature !== undefined) return entry.seq;
  }
  throw new LogError("LOG_NOT_FOUND", `no signed entry at or after ${seq} is there`);
}

/** Checks a proof with nothing else at hand. `entry` is what it proves. */
export function verifyProof(
  deps: { readonly crypto: Pick<Crypto, "hash" | "deriveKey" | "verifyPoint"> },
  proof: EntryProof,
): EntryProofVerdict {
  const verdict = verifyPath(deps.crypto, proof.context, proof.path);
  if (!verdict.ok) return verdict;
  return { ok: true, entry: verdict.last.entry, points: verdict.points };
}

/** Context (80 bytes) ‖ path. */
export function encodeEntryProof(proof: EntryProof): Uint8Array<ArrayBuffer> {
  return concatBytes(encodeContext(proof.context), proof.path);
}

/** The proof of these bytes, unverified; `undefined` when they are none. */
export function decodeEntryProof(bytes: Uint8Array): EntryProof | undefined {
  const context = decodeContext(bytes.subarray(0, contextBytes));
  return context === undefined ? undefined : { context, path: bytes.subarray(contextBytes) };
}
