/**
 * Fetching what is missing of a detached body (docs/spec/6-space.md §15.6): which points, in which
 * runs, and keeping them. Layer 5, internal.
 */
import { missingPoints, type BlobRef, type MissingPoint } from "@hawser/blob";
import { equalBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import type { Packet } from "@hawser/packet";
import { askCountMax, type PieceOptions, type PieceRequest } from "@hawser/sync";
import { packetOfPoint, type BodyDepot } from "./body-depot.ts";
import { SpaceError } from "./errors.ts";
import type { BodyProgress, BodyStore } from "./types.ts";

/** How a body is fetched. */
export interface FetchOptions extends Omit<PieceOptions, "signal"> {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: BodyProgress) => void) | undefined;
}

/** Fetches parts of one body. */
export interface PartFetcher {
  /** The point that is named itself. Throws `SPACE_BODY_MISSING`, and the signal's reason. */
  named(name: Uint8Array, options: FetchOptions): Promise<Packet<"verified">>;
  /**
   * The root, the chunks [from, to) and the nodes on the way to them, as far as they are missing.
   * Throws as `named`, and the faults of blobs.
   */
  chunks(blob: BlobRef, range: ChunkRange, options: FetchOptions): Promise<void>;
}

/** Chunks of a blob; `to` may be beyond its end. */
export interface ChunkRange {
  readonly from: number;
  readonly to: number;
}

/** Points that are asked for together: four asks of the largest size. */
const batchPoints = 4 * askCountMax;

/** Consecutive points at one depth. */
interface Run {
  readonly depth: number;
  readonly first: number;
  readonly hashes: Uint8Array[];
}

export function createPartFetcher(deps: {
  readonly crypto: Crypto;
  readonly topic: Topic;
  readonly depot: BodyDepot;
  readonly points: BodyStore;
  /** Throws when the body was shredded meanwhile: then nothing of it is kept any more. */
  readonly assertWanted: () => void;
}): PartFetcher {
  const { crypto, topic, depot, points, assertWanted } = deps;

  /** Fetches a run, and hands on each point in order. */
  const fetchRun = async (
    name: Uint8Array,
    { depth, first, hashes }: Run,
    take: (packet: Packet<"verified">) => Promise<void>,
    { signal, onProgress: _, ...rest }: FetchOptions,
  ): Promise<void> => {
    const taking: Promise<void>[] = [];
    const request: PieceRequest = { topic, name, depth, first, hashes };
    const onPiece = (bytes: Uint8Array): void => {
      const hash = hashes[taking.length];
      const packet = hash && packetOfPoint(crypto, hash, bytes);
      taking.push(packet === undefined ? Promise.reject(notAPoint()) : take(packet));
    };
    let failure: Error | undefined;
    try {
      const given = { ...rest, ...(signal && { signal }) };
      const outcome = await depot.fetchPieces(request, onPiece, given);
      if (outcome === "nobody") failure = nobody();
    } catch (cause) {
      failure = syncFailure(cause);
    }
    for (const taken of await Promise.allSettled(taking)) {
      if (taken.status === "rejected") throw taken.reason;
    }
    if (failure === undefined) return;
    signal?.throwIfAborted();
    throw failure;
  };

  /** The first points that are missing, as far as the nodes that are here tell. */
  const missing = async (blob: BlobRef, { from, to }: ChunkRange): Promise<MissingPoint[]> => {
    const found: MissingPoint[] = [];
    for await (const point of missingPoints({ crypto }, blob, points, { fromChunk: from })) {
      if (point.kind !== "root" && point.firstChunk >= to) break;
      found.push(point);
      if (found.length === batchPoints) break;
    }
    return found;
  };

  return {
    named: async (name, options) => {
      let found: Packet<"verified"> | undefined;
      const run = { depth: 0, first: 0, hashes: [name] };
      const take = async (packet: Packet<"verified">): Promise<void> => {
        found = packet;
      };
      await fetchRun(name, run, take, options);
      assertWanted();
      if (found === undefined) throw nobody();
      return found;
    },
    chunks: async (blob, range, options) => {
      let from = range.from;
      let fetchedBytes = 0;
      let before: MissingPoint | undefined;
      const keep = async (packet: Packet<"verified">): Promise<void> => {
        assertWanted();
        await points.put(packet);
        fetchedBytes += packet.point.length;
        options.onProgress?.({ fetchedBytes, totalBytes: blob.byteCount });
      };
      for (;;) {
        options.signal?.throwIfAborted();
        const batch = await missing(blob, { from, to: range.to });
        const [first] = batch;
        if (first === undefined) return;
        // What was put a moment ago is missing again: the store does not keep it.
        if (before !== undefined && equalBytes(before.hash, first.hash)) throw nobody();
        before = first;
        from = Math.max(from, first.firstChunk);
        const work = runsOf(batch).map((run) => fetchRun(blob.hash, run, keep, options));
        for (const done of await Promise.allSettled(work)) {
          if (done.status === "rejected") throw done.reason;
        }
      }
    },
  };
}

function runsOf(batch: readonly MissingPoint[]): readonly Run[] {
  const runs: Run[] = [];
  for (const { hash, depth, index } of batch) {
    const last = runs.at(-1);
    const isNext = last?.depth === depth && last.first + last.hashes.length === index;
    if (last !== undefined && isNext && last.hashes.length < askCountMax) last.hashes.push(hash);
    else runs.push({ depth, first: index, hashes: [hash] });
  }
  return runs;
}

function nobody(): SpaceError {
  const message = "a part of the body is not here, and nobody who is there has it";
  return new SpaceError("SPACE_BODY_MISSING", message);
}

/** Its hash is right, so whoever wrote the body made it so. */
function notAPoint(): SpaceError {
  return new SpaceError("SPACE_BODY_INVALID", "a part of the body is no point");
}

/** Faults of sync in words of this layer; by code, since it may come from another copy. */
function syncFailure(cause: unknown): Error {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const isSyncs = code === "SYNC_CLOSED" || code === "SYNC_TOO_MANY_REQUESTS";
  if (cause instanceof Error && !isSyncs) return cause;
  return new SpaceError("SPACE_BODY_MISSING", "the body cannot be fetched now", { cause });
}
