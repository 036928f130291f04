/** A `Random` whose bytes follow from a seed. For tests and simulations only. */
import { blake3 } from "@noble/hashes/blake3.js";
import { utf8 } from "@hawser/codec";
import type { Random } from "../src/types.ts";

/**
 * The bytes of BLAKE3's extendable output over `seed`, one after another: the same seed and the same
 * requests give the same bytes on every machine. Never for real keys.
 */
export function seededRandom(seed: string | number): Random {
  const stream = blake3.create({ context: utf8("hawser testing random v1") });
  stream.update(utf8(String(seed)));
  return (byteCount) => (byteCount === 0 ? new Uint8Array(0) : stream.xof(byteCount));
}
