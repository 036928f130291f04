/**
 * Who could know what: a crypto that records every derivation it makes, and the closure of a set
 * of secrets under them. The recorded party sees everything on the wire. Nothing is tried by
 * decrypting: a text is known exactly when the recorded steps lead to it.
 */
import { toHex } from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";

interface Rule {
  readonly needs: readonly string[];
  readonly gives: readonly string[];
}

export interface KnowledgeRecorder {
  readonly crypto: Crypto;
  /** Draws whose 32-byte results are secrets. */
  readonly random: Random;
  /** The secrets inside some bytes, such as an encoded state. */
  secretsIn(bytes: Uint8Array): readonly string[];
  /** Everything that follows from some secrets and all boxes ever made; texts too, in hex. */
  closureOf(secrets: readonly string[]): ReadonlySet<string>;
  /** The name of a text in a closure. */
  textOf(plaintext: Uint8Array): string;
}

export function recordKnowledge(crypto: Crypto, random: Random): KnowledgeRecorder {
  const atoms = new Set<string>();
  const secretsByKey = new Map<string, string>();
  const rules: Rule[] = [];
  const secretsIn = (bytes: Uint8Array): readonly string[] => {
    const found = new Set<string>();
    for (let at = 0; at + 32 <= bytes.length; at++) {
      const window = toHex(bytes.subarray(at, at + 32));
      if (atoms.has(window)) found.add(window);
    }
    return [...found];
  };
  const textOf = (plaintext: Uint8Array): string => `text ${toHex(plaintext)}`;
  return {
    secretsIn,
    textOf,
    random: (byteCount) => {
      const bytes = random(byteCount);
      if (byteCount === 32) atoms.add(toHex(bytes));
      return bytes;
    },
    closureOf: (secrets) => closure(rules, secrets),
    crypto: {
      ...crypto,
      deriveKey: (context, material, byteCount) => {
        const derived = crypto.deriveKey(context, material, byteCount);
        const needs = secretsIn(material);
        if (needs.length === 0) return derived;
        const gives: string[] = [];
        for (let at = 0; at < derived.length; at += 32) {
          gives.push(toHex(derived.subarray(at, at + 32)));
        }
        for (const atom of gives) atoms.add(atom);
        rules.push({ needs, gives });
        return derived;
      },
      agreementKey: (secret) => {
        const key = crypto.agreementKey(secret);
        secretsByKey.set(toHex(key), toHex(secret));
        return key;
      },
      hpkeSeal: (key, plaintext, message, draw) => {
        const secret = secretsByKey.get(toHex(key)) ?? "nobody's";
        rules.push({ needs: [secret], gives: secretsIn(plaintext) });
        return crypto.hpkeSeal(key, plaintext, message, draw);
      },
      seal: (key, nonce, plaintext, associatedData) => {
        rules.push({ needs: [toHex(key)], gives: [textOf(plaintext)] });
        return crypto.seal(key, nonce, plaintext, associatedData);
      },
    },
  };
}

/** The least set that holds `secrets` and is closed under the rules. */
function closure(rules: readonly Rule[], secrets: readonly string[]): ReadonlySet<string> {
  const known = new Set(secrets);
  for (let before = -1; before !== known.size;) {
    before = known.size;
    for (const { needs, gives } of rules) {
      if (needs.every((need) => known.has(need))) for (const gift of gives) known.add(gift);
    }
  }
  return known;
}
