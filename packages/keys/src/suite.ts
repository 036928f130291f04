/**
 * Cipher suites: how a prekey seals (docs/spec/5-keys.md §4.1). Layer 4; pure. Which suites there
 * are is a fact of the format and the same for everybody; which of them this device can use depends
 * on the `Crypto` it was given.
 */
import type { Crypto, HpkeMessage, Random } from "@hawser/crypto";
import { suiteHybrid, suiteX25519 } from "./limits.ts";

/** 1 = X25519 HPKE, 2 = X-Wing HPKE. A larger number is the stronger suite. */
export type Suite = typeof suiteX25519 | typeof suiteHybrid;

/** Sizes and operations of one suite. */
export interface SealingSuite {
  readonly id: Suite;
  publicKey(secret: Uint8Array): Uint8Array;
  /** Whether sealing to the prekey is possible. Costs a key agreement. */
  isPrekey(prekey: Uint8Array): boolean;
  seal(prekey: Uint8Array, plaintext: Uint8Array, message: HpkeMessage, random: Random): Uint8Array;
  open(secret: Uint8Array, sealed: Uint8Array, message: HpkeMessage): Uint8Array | undefined;
}

/** Every suite, the weakest first. */
export const suites: readonly Suite[] = [suiteX25519, suiteHybrid];

const tagBytes = 16;

/** The suite of a number from a peer, or `undefined` for one we have not heard of. */
export function asSuite(value: unknown): Suite | undefined {
  return value === suiteX25519 || value === suiteHybrid ? value : undefined;
}

/** Bytes of a prekey: 32 or 1,216. */
export function prekeyBytesOf(suite: Suite): number {
  return suite === suiteX25519 ? 32 : 1216;
}

/** What sealing adds: the encapsulated key (32 or 1,120) and the tag. */
export function sealedOverheadOf(suite: Suite): number {
  return (suite === suiteX25519 ? 32 : 1120) + tagBytes;
}

/** The suite as this device can use it, or `undefined` when its `Crypto` lacks it. */
export function sealingSuite(crypto: Crypto, suite: Suite): SealingSuite | undefined {
  if (suite === suiteX25519) return x25519Suite(crypto);
  const { hybrid } = crypto;
  if (hybrid === undefined) return undefined;
  return {
    id: suiteHybrid,
    publicKey: hybrid.publicKey,
    isPrekey: hybrid.isPublicKey,
    seal: hybrid.seal,
    open: hybrid.open,
  };
}

function x25519Suite(crypto: Crypto): SealingSuite {
  return {
    id: suiteX25519,
    publicKey: crypto.agreementKey,
    // A point of small order gives the zero secret with every scalar, so any one will do. Such a
    // prekey would make everybody else's rekey fail.
    isPrekey: (prekey) => {
      const probe = crypto.deriveKey("hawser prekey probe v1", prekey);
      return crypto.agree(probe, prekey) !== undefined;
    },
    seal: crypto.hpkeSeal,
    open: crypto.hpkeOpen,
  };
}
