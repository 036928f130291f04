/** Fetching one point and checking that it is the one asked for. Layer 3; pure. */
import { equalBytes, toHex } from "@hawser/codec";
import type { Packet } from "@hawser/packet";
import { BlobError } from "./errors.ts";
import type { BlobCrypto, PointSource } from "./types.ts";

/** What reading needs of its surroundings. */
export interface ReadContext {
  readonly crypto: BlobCrypto;
  readonly source: PointSource;
}

/**
 * The point of this hash, or `undefined`. Throws BLOB_HASH; rejects as the source and the signal
 * do.
 */
export async function findPoint(
  { crypto, source }: ReadContext,
  hash: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Packet | undefined> {
  signal?.throwIfAborted();
  const packet = await source.get(hash, signal);
  signal?.throwIfAborted();
  if (packet === undefined) return undefined;
  // What the packet states as its hash is no evidence; what its point hashes to is.
  if (!equalBytes(crypto.hash(packet.point), hash)) {
    throw new BlobError("BLOB_HASH", "the source gave another point", toHex(hash));
  }
  return packet;
}

/** As `findPoint`; BLOB_MISSING when there is none. */
export async function fetchPoint(
  context: ReadContext,
  hash: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Packet> {
  const packet = await findPoint(context, hash, signal);
  if (packet === undefined) {
    throw new BlobError("BLOB_MISSING", "the source has no such point", toHex(hash));
  }
  return packet;
}

/** BLOB_SHAPE at `hash` unless `holds`. */
export function assertShape(holds: boolean, message: string, hash: Uint8Array): asserts holds {
  if (!holds) throw new BlobError("BLOB_SHAPE", message, toHex(hash));
}
