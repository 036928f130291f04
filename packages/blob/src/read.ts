/**
 * Opening and reading blobs (docs/spec/blob.md §2.4, §3, §4). Layer 3; pure. Memory: the root, one
 * node for each level, and one chunk.
 */
import { toHex } from "@hawser/codec";
import { hashBytes, type Packet } from "@hawser/packet";
import { chainForm, checkPage, createChainFinder, walkChain } from "./chain-read.ts";
import { assertArgument, BlobError } from "./errors.ts";
import { fetchPoint, type ReadContext } from "./fetch.ts";
import { chunkBytes, sealedChunkBytes, type Span, type TreeForm } from "./layout.ts";
import { blobBytesMax } from "./limits.ts";
import { createChunkOpener, type ChunkOpener } from "./seal.ts";
import {
  checkChunk,
  createTreeFinder,
  openTree,
  walkTree,
  type ChunkFinder,
  type TreeVisit,
} from "./tree-read.ts";
import type { Blob, BlobCrypto, BlobRef, OpenOptions, PointSource, ReadOptions } from "./types.ts";

/** What reading needs. */
export interface ReadDeps {
  readonly crypto: BlobCrypto;
}

/** A blob with its root at hand: what reading, verifying and listing share. Internal. */
export interface OpenPoints {
  readonly context: ReadContext;
  readonly ref: BlobRef;
  readonly form: TreeForm;
  readonly finder: ChunkFinder;
  /** `undefined` for plain blobs, and for sealed ones whose key is not at hand. */
  readonly opener: ChunkOpener | undefined;
  /** Whether a walk meets the end of the content first, as chains make it. */
  readonly walksBackwards: boolean;
  walk(options: {
    readonly fromChunk: number;
    readonly skipsRepeats: boolean;
    readonly signal: AbortSignal | undefined;
  }): AsyncGenerator<TreeVisit, void, undefined>;
}

/**
 * Fetches and checks the root of `ref` and gives the blob to read. Rejects with BLOB_ARGUMENT,
 * BLOB_TOO_LARGE, BLOB_MISSING, BLOB_HASH, BLOB_SHAPE, BLOB_SEALED, BLOB_NOT_SEALED or BLOB_KEY,
 * with what the source throws, and with the reason of the signal.
 */
export async function openBlob(
  deps: ReadDeps,
  ref: BlobRef,
  source: PointSource,
  options: OpenOptions = {},
): Promise<Blob> {
  const points = await openPoints(deps, ref, source, options);
  if (points.form.isSealed && points.opener === undefined) {
    throw new BlobError("BLOB_SEALED", "the blob is sealed", toHex(ref.hash));
  }
  const read = (range: ReadOptions = {}): AsyncIterable<Uint8Array> => readRange(points, range);
  return {
    byteCount: ref.byteCount,
    isSealed: points.form.isSealed,
    read,
    bytes: async (maxBytes, signal) => {
      if (ref.byteCount > maxBytes) {
        throw new BlobError("BLOB_TOO_LARGE", `${ref.byteCount} bytes, ${maxBytes} at most`);
      }
      const bytes = new Uint8Array(ref.byteCount);
      let offset = 0;
      for await (const piece of read(signal === undefined ? {} : { signal })) {
        bytes.set(piece, offset);
        offset += piece.length;
      }
      return bytes;
    },
  };
}

/** As `openBlob`, but a sealed blob without its key is fine. */
export async function openPoints(
  { crypto }: ReadDeps,
  ref: BlobRef,
  source: PointSource,
  options: OpenOptions,
): Promise<OpenPoints> {
  assertRef(ref);
  const context: ReadContext = { crypto, source };
  if (options.shape === "chain") {
    assertArgument(options.seal === undefined, "a chain is never sealed");
    const form = chainForm(ref, options);
    const root = await fetchPoint(context, ref.hash, options.signal);
    checkPage(form, form.pageCount - 1, root, root, ref.hash);
    return chainPoints(context, ref, root, options);
  }
  const root = await fetchPoint(context, ref.hash, options.signal);
  const tree = openTree(ref, root);
  if (options.seal !== undefined && !tree.form.isSealed) {
    throw new BlobError("BLOB_NOT_SEALED", "the blob is not sealed", toHex(ref.hash));
  }
  let opener: ChunkOpener | undefined;
  if (options.seal !== undefined) {
    const verdict = createChunkOpener({ crypto }, options.seal, tree.header);
    if (!verdict.ok) {
      throw new BlobError(verdict.reason, "the key does not open this blob", toHex(ref.hash));
    }
    ({ opener } = verdict);
  }
  return {
    context,
    ref,
    form: tree.form,
    finder: createTreeFinder(context, ref, tree),
    opener,
    walksBackwards: false,
    walk: (walkOptions) => walkTree(context, ref, tree, walkOptions),
  };
}

function chainPoints(
  context: ReadContext,
  ref: BlobRef,
  root: Packet,
  options: OpenOptions,
): OpenPoints {
  const form = chainForm(ref, options);
  const { chunkCount } = form;
  return {
    context,
    ref,
    form: {
      isSealed: false,
      storedBytes: ref.byteCount,
      root: { level: 1, firstChunk: 0, chunkCount },
    },
    finder: createChainFinder(context, ref, form, root),
    opener: undefined,
    walksBackwards: true,
    walk: (walkOptions) => walkChain(context, ref, form, root, walkOptions),
  };
}

/**
 * Content of the chunk `span` of a point that was fetched and hashed right: its datapoint's data,
 * or what that opens to. Throws BLOB_SHAPE, BLOB_CIPHERTEXT.
 */
export function chunkContent(
  points: OpenPoints,
  span: Span,
  packet: Packet,
  hash: Uint8Array,
): Uint8Array {
  const { form, opener } = points;
  checkChunk(form, span, packet, hash);
  if (opener === undefined) return packet.data;
  const isLast = span.firstChunk === form.root.chunkCount - 1;
  const content = opener.open(packet.data, span.firstChunk, isLast);
  if (content === undefined) {
    throw new BlobError("BLOB_CIPHERTEXT", "a chunk does not open", toHex(hash));
  }
  return content;
}

async function* readRange(
  points: OpenPoints,
  { from = 0, to = points.ref.byteCount, signal }: ReadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  assertRange(from, to, points.ref.byteCount);
  if (from === to) return;
  const contentBytes = points.form.isSealed ? sealedChunkBytes : chunkBytes;
  const end = Math.ceil(to / contentBytes);
  for (let index = Math.floor(from / contentBytes); index < end; index++) {
    const hash = await points.finder.hashOf(index, signal);
    const packet = await fetchPoint(points.context, hash, signal);
    const span: Span = { level: 0, firstChunk: index, chunkCount: 1 };
    const content = chunkContent(points, span, packet, hash);
    const start = index * contentBytes;
    yield content.subarray(Math.max(0, from - start), Math.min(content.length, to - start));
  }
}

function assertRange(from: number, to: number, byteCount: number): void {
  if (Number.isSafeInteger(from) && Number.isSafeInteger(to)) {
    if (from >= 0 && from <= to && to <= byteCount) return;
  }
  throw new BlobError("BLOB_RANGE", `[${from}, ${to}) is not within ${byteCount} bytes`);
}

function assertRef({ hash, byteCount }: BlobRef): void {
  assertArgument(hash.length === hashBytes, "the hash of a root has 32 bytes");
  assertArgument(Number.isSafeInteger(byteCount) && byteCount >= 0, "byteCount is no size");
  if (byteCount > blobBytesMax) {
    throw new BlobError("BLOB_TOO_LARGE", `a blob has at most ${blobBytesMax} bytes`);
  }
}
