/**
 * Shares of a recovery secret (docs/spec/account.md §4): any k of n give it back, fewer tell
 * nothing. Shamir's scheme over GF(256); a share is a text that people can hand over or print.
 * Layer 6.
 *
 *   share = bech32m("hawsershare", [1, k, set id (4), share (33)])
 */
import { bech32m } from "@scure/base";
import { combine, split } from "shamir-secret-sharing";
import { concatBytes, equalBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { AccountError } from "./errors.ts";
import { recoverySecretBytes } from "./phrase.ts";

const prefix = "hawsershare";
const version = 1;
const setIdBytes = 4;
const pieceBytes: number = recoverySecretBytes + 1;
const shareBytes: number = 2 + setIdBytes + pieceBytes;
/** Characters of a share: prefix, "1", 5-bit groups, checksum. */
const shareTextMax: number = prefix.length + 1 + Math.ceil((shareBytes * 8) / 5) + 6;

/** How a secret is shared: `needed` of `count` shares give it back; 2 ≤ needed ≤ count ≤ 32. */
export interface ShareOptions {
  readonly count: number;
  readonly needed: number;
}

/** Most shares of one secret. */
export const sharesMax = 32;

/**
 * Splits a recovery secret. Every call makes a new set: shares of two sets do not mix. Throws
 * `ACCOUNT_OUT_OF_RANGE`. The library draws from the platform's `crypto.getRandomValues`.
 */
export async function splitSecret(
  crypto: Crypto,
  secret: Uint8Array,
  { count, needed }: ShareOptions,
): Promise<readonly string[]> {
  const fits = Number.isInteger(count) && Number.isInteger(needed);
  if (!fits || needed < 2 || count < needed || count > sharesMax) {
    const message = `2 to ${sharesMax} shares, of which at least 2 are needed`;
    throw new AccountError("ACCOUNT_OUT_OF_RANGE", message);
  }
  if (secret.length !== recoverySecretBytes) {
    throw new AccountError("ACCOUNT_OUT_OF_RANGE", "a recovery secret has 32 bytes");
  }
  const pieces = await split(secret, count, needed);
  // Of the pieces, not of the secret: fewer shares than needed must not tell it apart from others.
  const setId = crypto.deriveKey("hawser share set v1", concatBytes(...pieces));
  const head = concatBytes(new Uint8Array([version, needed]), setId.slice(0, setIdBytes));
  return pieces.map((piece) => {
    const words = bech32m.toWords(concatBytes(head, piece));
    return bech32m.encode(prefix, words, shareTextMax);
  });
}

/** What a share says without the others. */
export interface ShareFacts {
  /** How many of its set are needed. */
  readonly needed: number;
  /** 4 bytes that all shares of one set have in common. */
  readonly setId: Uint8Array;
}

/** Reads one share, so that a typing error is found at once. Throws `ACCOUNT_SHARE_INVALID`. */
export function readShare(text: string): ShareFacts {
  const { needed, setId } = parseShare(text);
  return { needed, setId };
}

/**
 * The secret of enough shares of one set, in any order. Throws `ACCOUNT_SHARE_INVALID` for a text
 * that is no share, `ACCOUNT_SHARES_UNFIT` for shares of several sets, repeated ones or too few.
 */
export async function combineShares(texts: readonly string[]): Promise<Uint8Array> {
  const shares = texts.map(parseShare);
  const [first] = shares;
  if (first === undefined || shares.length < first.needed) {
    const message = `${shares.length} of ${first?.needed ?? "the"} shares needed`;
    throw new AccountError("ACCOUNT_SHARES_UNFIT", message);
  }
  const sameSet = shares.every(
    (share) => equalBytes(share.setId, first.setId) && share.needed === first.needed,
  );
  const places = new Set(shares.map(({ piece }) => piece[pieceBytes - 1]));
  if (!sameSet || places.size !== shares.length) {
    const message = sameSet ? "one share was given twice" : "shares of several secrets";
    throw new AccountError("ACCOUNT_SHARES_UNFIT", message);
  }
  return await combine(shares.map(({ piece }) => piece));
}

function parseShare(text: string): ShareFacts & { readonly piece: Uint8Array } {
  const bytes = decodeShare(text.replaceAll(/\s+/g, "").toLowerCase());
  const needed = bytes?.[1] ?? 0;
  const isShare = bytes?.length === shareBytes && bytes[0] === version;
  if (bytes === undefined || !isShare || needed < 2 || needed > sharesMax) {
    throw new AccountError("ACCOUNT_SHARE_INVALID", "not a share, or one with a typing error");
  }
  const piece = bytes.slice(2 + setIdBytes);
  return { needed, setId: bytes.slice(2, 2 + setIdBytes), piece };
}

function decodeShare(text: string): Uint8Array | undefined {
  if (text.length > shareTextMax) return undefined;
  const decoded = bech32m.decodeUnsafe(text, shareTextMax);
  if (decoded?.prefix !== prefix) return undefined;
  return bech32m.fromWordsUnsafe(decoded.words) ?? undefined;
}
