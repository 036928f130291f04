/**
 * Fork proofs: that an author signed two branches of one log (docs/spec/2-log.md §9). Layer 3; pure.
 */
import { createByteReader, createByteWriter, equalBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { decodeContext, encodeContext } from "./context.ts";
import type { ProofRejectionCode } from "./errors.ts";
import { contextBytes, forkBranchBytesMax } from "./limits.ts";
import { verifyPath } from "./link-path.ts";
import type { ForkProof } from "./types.ts";

export type ForkVerdict =
  | { readonly ok: true; readonly seq: number }
  | { readonly ok: false; readonly reason: ProofRejectionCode };

/**
 * Checks a proof with nothing else at hand: both branches lead from a signature of the author to
 * entry `seq`, the two entries differ, and the entry before them is the same. So `seq` is where the
 * branches part, and no other proof about them can name another place.
 */
export function verifyForkProof(
  deps: { readonly crypto: Pick<Crypto, "hash" | "deriveKey" | "verifyPoint"> },
  proof: ForkProof,
): ForkVerdict {
  const { context, seq } = proof;
  const a = verifyPath(deps.crypto, context, proof.a);
  if (!a.ok) return a;
  const b = verifyPath(deps.crypto, context, proof.b);
  if (!b.ok) return b;
  if (a.last.entry.seq !== seq || b.last.entry.seq !== seq) return refuse("LOG_PROOF_SEQ");
  if (equalBytes(a.last.entry.hash, b.last.entry.hash)) return refuse("LOG_PROOF_SAME");
  const [left, right] = [a.last.backlink, b.last.backlink];
  const sameBefore =
    left === undefined || right === undefined ? left === right : equalBytes(left, right);
  return sameBefore ? { ok: true, seq } : refuse("LOG_PROOF_SEQ");
}

function refuse(reason: ProofRejectionCode): ForkVerdict {
  return { ok: false, reason };
}

/** Context (80 bytes) ‖ seq varint ‖ length varint, branch a ‖ length varint, branch b. */
export function encodeForkProof(proof: ForkProof): Uint8Array<ArrayBuffer> {
  const writer = createByteWriter(contextBytes + 16 + proof.a.length + proof.b.length);
  writer.bytes(encodeContext(proof.context));
  writer.varint(proof.seq);
  writer.sized(proof.a);
  writer.sized(proof.b);
  return writer.finish();
}

/** The proof of these bytes, unverified; `undefined` when they are none. */
export function decodeForkProof(bytes: Uint8Array): ForkProof | undefined {
  const reader = createByteReader(bytes);
  const context = decodeContext(reader.bytes(contextBytes));
  const seq = reader.varint();
  const a = reader.sized(forkBranchBytesMax);
  const b = reader.sized(forkBranchBytesMax);
  return context === undefined || !reader.finished ? undefined : { context, seq, a, b };
}
