/**
 * Digests by which go-threads peers compared what they hold (docs/spec/textile.md §6): 64-bit
 * FNV-1a over a sorted list. Not collision resistant: a hint, never a proof. Layer 7, pure.
 */
import { compareBytes, concatBytes } from "@hawser/codec";
import { CID } from "multiformats/cid";

/** One pair of a digest: a log or peer id, and the bytes of its head or address. */
export interface EdgePart {
  readonly id: Uint8Array;
  readonly value: Uint8Array;
}

/** The digest of nothing. */
export const emptyEdge = 14_695_981_039_346_656_037n;

const prime = 1_099_511_628_211n;

/** The digest of pairs, in any order: by id, then by value. */
export function edgeOf(parts: readonly EdgePart[]): bigint {
  const ordered = [...parts].sort(
    (a, b) => compareBytes(a.id, b.id) || compareBytes(a.value, b.value),
  );
  let hash = emptyEdge;
  for (const byte of concatBytes(...ordered.flatMap(({ id, value }) => [id, value]))) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * prime);
  }
  return hash;
}

/** The digest of the heads of a thread's logs. */
export function headsEdge(
  heads: readonly { readonly logId: Uint8Array; readonly head: string }[],
): bigint {
  return edgeOf(heads.map(({ logId, head }) => ({ id: logId, value: CID.parse(head).bytes })));
}
