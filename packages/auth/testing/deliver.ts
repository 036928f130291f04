/**
 * What replaying histories needs: random causal orders, and signatures that cost nothing.
 */
import { concatBytes, equalBytes, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { AuthOp, OpId } from "@hawser/auth";

/** A random causal order of `ops`, chosen by `seed`. */
export function causalOrder(ops: readonly AuthOp[], seed: number): readonly AuthOp[] {
  let state = seed >>> 0;
  const next = (bound: number): number => {
    // A linear congruential generator is enough to shuffle a test.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
  const known = new Set(ops.map((op) => op.id));
  const rest = [...ops];
  const placed = new Set<OpId>();
  const order: AuthOp[] = [];
  while (rest.length > 0) {
    const ready = rest.filter((op) => op.deps.every((dep) => placed.has(dep) || !known.has(dep)));
    const op = ready[next(ready.length)];
    if (op === undefined) return order;
    rest.splice(rest.indexOf(op), 1);
    placed.add(op.id);
    order.push(op);
  }
  return order;
}

/**
 * A crypto whose one-time signatures are hashes: anybody can forge them, and they cost nothing. For
 * histories with many joins; proofs have tests of their own.
 */
export function withCheapSignatures(crypto: Crypto): Crypto {
  const publicKey = (secret: Uint8Array): Uint8Array =>
    crypto.deriveKey("hawser test public key v1", secret);
  const sign = (label: string, bytes: Uint8Array, key: Uint8Array): Uint8Array =>
    crypto.deriveKey("hawser test sign v1", concatBytes(utf8(label), key, bytes), 64);
  return {
    ...crypto,
    publicKey,
    signTagged: (label, bytes, secret) => sign(label, bytes, publicKey(secret)),
    verifyTagged: (label, bytes, signature, key) => equalBytes(sign(label, bytes, key), signature),
  };
}
