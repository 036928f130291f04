/**
 * Signed ops (docs/spec/4-auth.md §2.5): proof of who made an op that holds outside the log it stands
 * in, and names no log. Layer 4.
 */
import { fromHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { AuthError } from "./errors.ts";
import type { AuthOp, OpId } from "./types.ts";

/** The author's signature over an op's id, 64 bytes. Throws `AUTH_BAD_SECRET`, `AUTH_BAD_OP`. */
export function signOp(crypto: Crypto, op: OpId, secret: Uint8Array): Uint8Array {
  const bytes = fromHex(op);
  if (bytes?.length !== 32) throw new AuthError("AUTH_BAD_OP", "an id is 64 hex characters");
  try {
    return crypto.signTagged("auth op", bytes, secret);
  } catch {
    // The cause is dropped on purpose: it could quote the secret.
    throw new AuthError("AUTH_BAD_SECRET", "the secret is not a valid 32-byte secret");
  }
}

/** Did the op's author sign it? */
export function verifyOpSignature(crypto: Crypto, op: AuthOp, signature: Uint8Array): boolean {
  const id = fromHex(op.id);
  const author = fromHex(op.author);
  if (id === undefined || author === undefined) return false;
  return crypto.verifyTagged("auth op", id, signature, author);
}
