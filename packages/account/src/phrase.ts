/**
 * Recovery phrases (docs/spec/account.md §3): 24 words of BIP39 that are one key of 256 bits, and
 * everything that follows from it. Layer 6, pure.
 */
import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import { paperNonce } from "@hawser/space";
import { AccountError } from "./errors.ts";

/** Bytes of the secret behind a phrase. */
export const recoverySecretBytes = 32;
const wordCount = 24;

/** A new secret. */
export function createRecoverySecret(random: Random): Uint8Array {
  return random(recoverySecretBytes);
}

/** The 24 words of a secret, in lower case, with single spaces. Throws `ACCOUNT_OUT_OF_RANGE`. */
export function phraseOf(secret: Uint8Array): string {
  if (secret.length !== recoverySecretBytes) {
    throw new AccountError("ACCOUNT_OUT_OF_RANGE", "a recovery secret has 32 bytes");
  }
  return entropyToMnemonic(secret, wordlist);
}

/**
 * The secret of a phrase, however it is spaced, numbered or capitalised. Throws
 * `ACCOUNT_PHRASE_INVALID` and says which word is none, by its place alone.
 */
export function secretOf(phrase: string): Uint8Array {
  const words = phrase
    .normalize("NFKD")
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== "");
  if (words.length !== wordCount) {
    const message = `a phrase has ${wordCount} words, not ${words.length}`;
    throw new AccountError("ACCOUNT_PHRASE_INVALID", message);
  }
  const unknown = words.findIndex((word) => !wordlist.includes(word));
  if (unknown >= 0) {
    const message = `word ${unknown + 1} is not in the list of words`;
    throw new AccountError("ACCOUNT_PHRASE_INVALID", message);
  }
  try {
    return mnemonicToEntropy(words.join(" "), wordlist);
  } catch {
    // The library's own message holds the words.
    const message = "the words do not fit together: one is wrong, or two are swapped";
    throw new AccountError("ACCOUNT_PHRASE_INVALID", message);
  }
}

/** What a recovery secret determines. All of it is secret but `author`. */
export interface RecoveryKeys {
  /** The key that founds the account. */
  readonly author: AuthorId;
  readonly authorSecret: Uint8Array;
  /** X25519 secret of its one prekey. */
  readonly prekeySecret: Uint8Array;
  /** Nonce of the operation that founds the account, 16 bytes; follows from `author`. */
  readonly createNonce: Uint8Array;
  /** Nonce that gives the account's space its id, 32 bytes. */
  readonly genesisNonce: Uint8Array;
}

/** Everything that follows from a recovery secret, on every device alike. */
export function recoveryKeysOf(crypto: Crypto, secret: Uint8Array): RecoveryKeys {
  if (secret.length !== recoverySecretBytes) {
    throw new AccountError("ACCOUNT_OUT_OF_RANGE", "a recovery secret has 32 bytes");
  }
  const derive = (purpose: string): Uint8Array =>
    crypto.deriveKey(`hawser recovery ${purpose} v1`, secret);
  // A derived key is no signing secret once in 2^128 phrases; `publicKey` would throw.
  const authorSecret = derive("author");
  // Safe: 32 bytes in hex name an author.
  const author = toHex(crypto.publicKey(authorSecret)) as AuthorId;
  return {
    author,
    authorSecret,
    prekeySecret: derive("prekey"),
    createNonce: paperNonce(crypto, author),
    genesisNonce: derive("genesis nonce"),
  };
}
