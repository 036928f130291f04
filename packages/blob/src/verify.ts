/**
 * Looking at all points of a blob: `verifyBlob` judges them, `missingPoints` lists what is not
 * there. Layer 3; pure. Both need no key, so a follower that cannot read can do both.
 */
import type { Packet } from "@hawser/packet";
import { fetchPoint, findPoint } from "./fetch.ts";
import { fanOut, levelMax } from "./layout.ts";
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
  /** In trees: links between the root and it (docs/spec/blob.md §2.5). */
  readonly depth: number;
  /** In trees: its index among the points at that depth, in the order of the content. */
  readonly index: number;
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
    yield { hash: ref.hash, kind: "root", firstChunk: 0, depth: 0, index: 0 };
    return;
  }
  const points = await openPoints(deps, ref, source, options);
  for await (const { hash, span, node } of points.walk({ fromChunk, skipsRepeats: true, signal })) {
    if (node !== undefined) continue;
    if (span.level === 0 && !(await lacks(hash))) continue;
    const { level, firstChunk } = span;
    const depth = points.form.root.level - level;
    const index = firstChunk / fanOut ** level;
    yield { hash, kind: level === 0 ? "chunk" : "node", firstChunk, depth, index };
  }
}

/** Where a point stands under another one (docs/spec/blob.md §2.5). */
export interface PointPlace {
  /** Links between the two: 0 is the upper one itself; at most 4. */
  readonly depth: number;
  readonly index: number;
}

/**
 * The point at a place under the point `top`, found by going down its links; `undefined` where a point
 * on the way is not there, or has no such link. Reads `depth + 1` points, and looks at nothing else of
 * them: whoever wants to know whether they are a blob's compares them with its form. Throws BLOB_HASH.
 */
export async function pointAt(
  deps: ReadDeps,
  top: Uint8Array,
  { depth, index }: PointPlace,
  source: PointSource,
): Promise<Packet | undefined> {
  if (depth > levelMax || index >= fanOut ** depth) return undefined;
  const context = { crypto: deps.crypto, source };
  let point = await findPoint(context, top, undefined);
  for (let left = depth - 1; left >= 0 && point !== undefined; left--) {
    if (point.kind !== "linkpoint") return undefined;
    const link = point.link(Math.floor(index / fanOut ** left) % fanOut);
    point = link && (await findPoint(context, link.pointer, undefined));
  }
  return point;
}
