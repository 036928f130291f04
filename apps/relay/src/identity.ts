/** The relay's own key, made at its first start and kept in its store. Layer 9. */
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import type { DeviceIdentity } from "@hawser/space";
import { RelayError } from "./errors.ts";

const secretKey = "relay/secret";
const secretBytes = 32;

/** Loads the identity, or makes it. Throws `RELAY_SECRET_CORRUPT`. */
export async function openIdentity(deps: {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly random: Random;
}): Promise<DeviceIdentity> {
  const { store, crypto, random } = deps;
  const stored = await store.get(secretKey);
  const secret = stored ?? random(secretBytes);
  const author = authorOf(crypto, secret);
  if (stored === undefined) await store.commit({ writes: [{ key: secretKey, value: secret }] });
  return { author, secret };
}

function authorOf(crypto: Crypto, secret: Uint8Array): AuthorId {
  if (secret.length !== secretBytes) throw corrupt();
  try {
    // Safe: a public key in hex is what the brand stands for.
    return toHex(crypto.publicKey(secret)) as AuthorId;
  } catch (cause) {
    throw corrupt(cause);
  }
}

function corrupt(cause?: unknown): RelayError {
  return new RelayError("RELAY_SECRET_CORRUPT", "the stored relay secret is no key", { cause });
}
