/**
 * Looking at all points of a blob: `verifyBlob` judges them, `missingPoints` lists what is not
 * there. Layer 3; pure. Both need no key, so a follower that cannot read can do both.
 */
import { fetchPoint, findPoint } from "./fetch.ts";
import { BlobError, isFaultCode, type BlobFaultCode } from "./errors.ts";
import { chunkContent, openPoints, type ReadDeps } from "./read.ts";
import type { BlobRef, OpenOptions, PointSource, Progress } from "./types.ts";

export interface VerifyOptions extends OpenOptions {
  /** Called after each chunk. */
  readonly onProgress?: (progress: Progress) => void;
}

/** What `verifyBlob` found. */
export type BlobVerdict =
  | {
      readonly ok: true;
      /** Points looked at; equal ones in a row count once in plain blobs. */
      readonly pointCount: number;
      /** Whether the chunks were opened too; false when the blob is sealed and no key was given. */
      readonly isOpened: boolean;
    }
  | {
      readonly ok: false;
      readonly reason: BlobFaultCode;
      /** Hash of the point, in hex. */
      readonly point: string | undefined;
    };

/**
 * Fetches and checks every point of a blob: hashes, form, sizes; with the key also every seal.
 * Stops at the first fault. Rejects with BLOB_ARGUMENT, BLOB_TOO_LARGE, with what the source
 * throws, and with the reason of the signal. Cost grows with `ref.byteCount`: judge that first.
 */
export async function verifyBlob(
  deps: ReadDeps,
  ref: BlobRef,
  source: PointSource,
  options: VerifyOptions = {},
): Promise<BlobVerdict> {
  try {
    return await verifyPoints(deps, ref, source, options);
  } catch (error) {
    if (error instanceof BlobError && isFaultCode(error.code)) {
      return { ok: false, reason: error.code, point: error.point };
    }
    throw error;
  }
}

async function verifyPoints(
  deps: ReadDeps,
  ref: BlobRef,
  source: PointSource,
  { onProgress, ...options }: VerifyOptions,
): Promise<BlobVerdict> {
  const points = await openPoints(deps, ref, source, options);
  const { form, context, opener } = points;
  const { signal } = options;
  // Sealed chunks are checked at their place, so equal ones must be looked at twice.
  const walk = points.walk({ fromChunk: 0, skipsRepeats: opener === undefined, signal });
  const { chunkCount } = form.root;
  let pointCount = 0;
  let visitedChunks = 0;
  for await (const { hash, span, node } of walk) {
    pointCount += 1;
    if (node !== undefined) continue;
    const packet = await fetchPoint(context, hash, signal);
    chunkContent(points, span, packet, hash);
    visitedChunks += 1;
    // A walk forwards may pass over repeats, so its place tells more than its count.
    const done = points.walksBackwards ? visitedChunks : span.firstChunk + 1;
    const doneBytes = Math.floor((done / chunkCount) * ref.byteCount);
    onProgress?.({ doneBytes, totalBytes: ref.byteCount });
  }
  return { ok: true, pointCount, isOpened: !form.isSealed || opener !== undefined };
}

/** A point that a source lacks. */
export interface MissingPoint {
  readonly hash: Uint8Array;
  readonly kind: "root" | "node" | "chunk";
  /** The first chunk under it: where to go on with `fromChunk`. */
  readonly firstChunk: number;
}

export interface MissingOptions extends OpenOptions {
  /** Passes over everything that ends before this chunk; default 0. */
  readonly fromChunk?: number;
}

/**
 * The points under `ref` that the source lacks, as far as the nodes that are there tell: what lies
 * under a missing node shows when it has come. Lazy, so taking some and stopping costs only those;
 * the nodes on the way are checked. A hash that the content has at several places may come more
 * than once. For chains the last linkpoint comes first. Throws as `openBlob`, but needs no key.
 */
export async function* missingPoints(
  deps: ReadDeps,
  ref: BlobRef,
  source: PointSource,
  options: MissingOptions = {},
): AsyncGenerator<MissingPoint, void, undefined> {
  const { fromChunk = 0, signal } = options;
  const context = { crypto: deps.crypto, source };
  const lacks = async (hash: Uint8Array): Promise<boolean> =>
    source.has === undefined
      ? (await findPoint(context, hash, signal)) === undefined
      : !(await source.has(hash, signal));
  if (await lacks(ref.hash)) {
    yield { hash: ref.hash, kind: "root", firstChunk: 0 };
    return;
  }
  const points = await openPoints(deps, ref, source, options);
  for await (const { hash, span, node } of points.walk({ fromChunk, skipsRepeats: true, signal })) {
    if (node !== undefined) continue;
    if (span.level === 0 && !(await lacks(hash))) continue;
    yield { hash, kind: span.level === 0 ? "chunk" : "node", firstChunk: span.firstChunk };
  }
}
