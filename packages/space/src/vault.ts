/**
 * Local secrets in the store's key-value space (docs/spec/6-space.md §9): sealed under a key derived
 * from the identity, so that a stolen database alone opens nothing. Layer 5, internal.
 *
 *   value = nonce (24) ‖ XChaCha20-Poly1305(local key, nonce, plaintext, AAD = key name)
 */
import { concatBytes, utf8 } from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import type { KvWrite, LogStore } from "@hawser/log";
import { SpaceError } from "./errors.ts";

/** Seals and opens values under their own key names. */
export interface Vault {
  /** A write for a commit. */
  write(key: string, plaintext: Uint8Array): KvWrite;
  /** What a value holds, or `undefined` when it was not sealed here under that key. */
  open(key: string, value: Uint8Array): Uint8Array | undefined;
  /** The value, or `undefined` when there is none. Throws `SPACE_STATE_CORRUPT`. */
  read(key: string): Promise<Uint8Array | undefined>;
  /** All values whose key starts with `prefix`, in key order. */
  list(
    prefix: string,
  ): Promise<readonly { readonly key: string; readonly plaintext: Uint8Array }[]>;
}

const nonceBytes = 24;

/** A vault on `store` for the owner of `identitySecret`. */
export function createVault(
  deps: { readonly store: LogStore; readonly crypto: Crypto; readonly random: Random },
  identitySecret: Uint8Array,
): Vault {
  const { store, crypto, random } = deps;
  const localKey = crypto.deriveKey("hawser local v1", identitySecret);
  const tryOpen = (key: string, value: Uint8Array): Uint8Array | undefined => {
    const nonce = value.subarray(0, nonceBytes);
    const sealed = value.subarray(nonceBytes);
    return value.length < nonceBytes + 16
      ? undefined
      : crypto.open(localKey, nonce, sealed, utf8(key));
  };
  const open = (key: string, value: Uint8Array): Uint8Array => {
    const plaintext = tryOpen(key, value);
    if (plaintext !== undefined) return plaintext;
    throw new SpaceError(
      "SPACE_STATE_CORRUPT",
      `${key.split("/").at(-1) ?? key} does not open: damaged, or another identity's store`,
    );
  };
  return {
    write: (key, plaintext) => {
      const nonce = random(nonceBytes);
      const sealed = crypto.seal(localKey, nonce, plaintext, utf8(key));
      return { key, value: concatBytes(nonce, sealed) };
    },
    open: tryOpen,
    read: async (key) => {
      const value = await store.get(key);
      return value === undefined ? undefined : open(key, value);
    },
    list: async (prefix) => {
      const pairs = await store.list(prefix);
      return pairs.map(({ key, value }) => ({ key, plaintext: open(key, value) }));
    },
  };
}
