/**
 * Join proofs (docs/spec/4-auth.md §3.2): the owner of an invite's one-time secret signs the group,
 * the invite, the joining author, what the join binds and its time. Whoever copies the proof gains
 * nothing, because it names another author. Layer 4.
 */
import { createByteWriter, fromHex, toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { AuthError } from "./errors.ts";
import { bindingBytes } from "./limits.ts";
import type { AuthAction, AuthOp, GroupId } from "./types.ts";

/** The action of a join. */
export type JoinAction = Extract<AuthAction, { readonly type: "join" }>;

/** What a joiner states; the proof covers all of it. */
export interface JoinClaim {
  readonly group: GroupId;
  readonly author: AuthorId;
  /** 32 bytes that bind the joiner's key bundle. */
  readonly binding: Uint8Array;
  /** Unix seconds. */
  readonly time: number;
  /** The group that joins, if it is not the author. */
  readonly as?: GroupId | undefined;
}

/**
 * The join action that spends an invite. `inviteSecret` is the 32-byte one-time secret from the
 * invite link. Throws `AUTH_BAD_SECRET` when it is no valid secret, `AUTH_BAD_OP` for a bad claim.
 */
export function proveJoin(crypto: Crypto, claim: JoinClaim, inviteSecret: Uint8Array): JoinAction {
  if (claim.binding.length !== bindingBytes || !Number.isSafeInteger(claim.time)) {
    throw new AuthError("AUTH_BAD_OP", "a join binds 32 bytes and a whole second");
  }
  const invite = inviteOfSecret(crypto, inviteSecret);
  const message = joinMessage(claim, invite);
  const proof = crypto.signTagged("join", message, inviteSecret);
  const { binding, time, as } = claim;
  const join: JoinAction = { type: "join", invite, binding, time, proof };
  return as === undefined ? join : { ...join, as };
}

/** The invite id (public half) of a one-time secret. Throws `AUTH_BAD_SECRET`. */
export function inviteOfSecret(crypto: Crypto, inviteSecret: Uint8Array): AuthorId {
  try {
    // Safe: a BIP340 public key in hex.
    return toHex(crypto.publicKey(inviteSecret)) as AuthorId;
  } catch {
    // The cause is dropped on purpose: it could quote the secret.
    throw new AuthError("AUTH_BAD_SECRET", "the invite secret is not a valid 32-byte secret");
  }
}

/** Does the proof inside a join op hold for its own group, author, binding and time? */
export function verifyJoin(crypto: Crypto, op: AuthOp, action: JoinAction): boolean {
  const message = joinMessage({ ...action, group: op.group, author: op.author }, action.invite);
  const publicKey = fromHex(action.invite);
  return publicKey !== undefined && crypto.verifyTagged("join", message, action.proof, publicKey);
}

/** As the graph checks it, for whoever has to decide before the op's past is here. */
export function verifyJoinProof(crypto: Crypto, op: AuthOp): boolean {
  return op.action.type === "join" && verifyJoin(crypto, op, op.action);
}

function joinMessage(claim: JoinClaim, invite: AuthorId): Uint8Array {
  const writer = createByteWriter(168);
  for (const id of [claim.group, invite, claim.author]) writer.bytes(idBytes(id));
  writer.bytes(claim.binding);
  writer.u64(claim.time);
  // No other join has this length, so the two forms cannot be mixed up.
  if (claim.as !== undefined) writer.bytes(idBytes(claim.as));
  return writer.finish();
}

function idBytes(id: string): Uint8Array {
  const bytes = fromHex(id);
  if (bytes?.length !== 32) throw new AuthError("AUTH_BAD_OP", "an id is 64 hex characters");
  return bytes;
}
