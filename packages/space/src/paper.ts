/**
 * A key that is kept on paper (docs/spec/account.md §3.1) has no store: what it made it must be able
 * to open again from its prekey alone. Layer 5, internal.
 */
import type { AuthOp } from "@hawser/auth";
import { equalBytes } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { KeyState } from "@hawser/keys";
import type { ControlContent } from "./control.ts";
import type { Device } from "./device.ts";
import type { ControlFold } from "./fold.ts";
import { hexBytes } from "./place.ts";
import type { SpacesDeps } from "./types.ts";

/** Nonce of the operation by which a key on paper founds a space: everybody sees that it is one. */
export function paperNonce(crypto: Crypto, author: AuthorId): Uint8Array {
  return crypto.deriveKey("hawser paper founder v1", hexBytes(author), 16);
}

/**
 * Did this key, kept on paper, found the space? It is told of the control logs though it was removed:
 * it outranks whoever did it, and could not say so otherwise (docs/spec/account.md §3.2).
 */
export function isPaper(crypto: Crypto, founding: AuthOp | undefined, author: AuthorId): boolean {
  if (founding?.action.type !== "create" || founding.author !== author) return false;
  return equalBytes(founding.action.nonce, paperNonce(crypto, author));
}

/** Gives the epochs that `keyState` adds to the paper key's own prekey; nothing on other devices. */
export async function givesToPaper(
  deps: SpacesDeps,
  parts: { readonly device: Device; readonly fold: ControlFold },
  keyState: KeyState,
): Promise<readonly ControlContent[]> {
  if (deps.prekeySecret === undefined) return [];
  const { device, fold } = parts;
  const epochIds = [...keyState.secrets.keys()].filter((id) => !fold.keyState.secrets.has(id));
  const recipient = await device.bundle();
  const authHeads = fold.graph.heads(fold.group);
  const input = { recipient, level: "read", epochIds, authHeads } as const;
  const ops = fold.ring.forward(keyState, input, deps.random);
  return ops.map((op): ControlContent => ({ kind: "keys", op }));
}
