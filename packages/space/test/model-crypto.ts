/**
 * Crypto for models: hashes are SHA-256, the fastest at hand; sealed boxes are entries of a table that open for the right
 * secret and the right purpose alone; and everything that would let somebody compute one secret from
 * another is written down. So "what can these people know" is a walk through a graph, not a trial.
 */
import { hash as digest } from "node:crypto";
import { concatBytes, decodeCbor, equalBytes, toHex, utf8, type CborValue } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { withCheapSignatures } from "@hawser/auth/testing";

interface Box {
  readonly prekey: Uint8Array;
  readonly info: Uint8Array;
  readonly plaintext: Uint8Array;
}

/** The crypto, and what went through it. */
export interface TracedCrypto {
  readonly crypto: Crypto;
  /** 32-byte strings in a sealed box, in hex, and the prekey it opens with. */
  contentsOf(
    sealed: Uint8Array,
  ): { readonly prekey: string; readonly terms: readonly string[] } | undefined;
  /** Everything that can be computed from `known` (hex) and all boxes that were ever made. */
  closureOf(known: Iterable<string>): ReadonlySet<string>;
  /** Forgets the trace: between histories. */
  clear(): void;
}

/** Traces `real`. Signatures cost nothing and can be forged by anybody. */
export function createTracedCrypto(real: Crypto): TracedCrypto {
  const cheap = withCheapSignatures(withQuickHashes(real));
  const boxes = new Map<string, Box>();
  const boxesTo = new Map<string, string[]>();
  const derived = new Map<string, Set<string>>();
  const note = (from: string, to: string): void => {
    const known = derived.get(from);
    if (known === undefined) derived.set(from, new Set([to]));
    else known.add(to);
  };
  const agreementKey = (secret: Uint8Array): Uint8Array =>
    crypto.deriveKey("hawser test ideal prekey", secret);
  const crypto: Crypto = {
    ...cheap,
    agreementKey,
    deriveKey: (context, material, byteCount) => {
      const output = cheap.deriveKey(context, material, byteCount);
      if (material.length === 32) note(toHex(material), toHex(output));
      return output;
    },
    hpkeSeal: (prekey, plaintext, { info }, random) => {
      const name = random(32);
      boxes.set(toHex(name), { prekey, info, plaintext: plaintext.slice() });
      const to = toHex(prekey);
      boxesTo.set(to, [...(boxesTo.get(to) ?? []), toHex(name)]);
      return concatBytes(name, new Uint8Array(plaintext.length + 16));
    },
    hpkeOpen: (secret, sealed, { info }) => {
      const box = boxes.get(toHex(sealed.subarray(0, 32)));
      if (box === undefined || !equalBytes(box.prekey, agreementKey(secret))) return undefined;
      return equalBytes(box.info, info) ? box.plaintext.slice() : undefined;
    },
  };
  const closureOf = (known: Iterable<string>): ReadonlySet<string> => {
    const reached = new Set<string>();
    const open = [...known];
    for (let term = open.pop(); term !== undefined; term = open.pop()) {
      if (reached.has(term)) continue;
      reached.add(term);
      open.push(...(derived.get(term) ?? []));
      // A prekey's public half follows from its secret; who has derived it may open its boxes. The
      // half itself is public, so it stands for the secret only where the secret was reached.
      for (const half of derived.get(term) ?? []) {
        for (const name of boxesTo.get(half) ?? []) open.push(...termsIn(boxes.get(name)));
      }
    }
    return reached;
  };
  return {
    crypto,
    contentsOf: (sealed) => {
      const box = boxes.get(toHex(sealed.subarray(0, 32)));
      return box && { prekey: toHex(box.prekey), terms: termsIn(box) };
    },
    closureOf,
    clear: () => {
      boxes.clear();
      boxesTo.clear();
      derived.clear();
    },
  };
}

/** Every id and key of a model is a hash, and nobody attacks its hashes. */
function withQuickHashes(real: Crypto): Crypto {
  const sha256 = (label: string, bytes: Uint8Array): Uint8Array =>
    new Uint8Array(digest("sha256", concatBytes(utf8(label), bytes), "buffer"));
  return {
    ...real,
    hash: (bytes) => sha256("hash:", bytes),
    deriveKey: (context, material, byteCount = 32) => {
      const parts = Array.from({ length: Math.ceil(byteCount / 32) }, (_, index) =>
        sha256(`${index} ${context}:`, material),
      );
      return concatBytes(...parts).slice(0, byteCount);
    },
  };
}

/** A box holds one key as it is, or CBOR with keys in it. */
function termsIn(box: Box | undefined): readonly string[] {
  if (box === undefined) return [];
  if (box.plaintext.length === 32) return [toHex(box.plaintext)];
  const terms: string[] = [];
  const open: CborValue[] = [decodeCbor(box.plaintext) ?? null];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (value instanceof Uint8Array) terms.push(toHex(value));
    else if (Array.isArray(value)) open.push(...value);
  }
  return terms;
}
