/**
 * Reading chains (docs/spec/blob.md §3): from the last linkpoint back. Layer 3; pure. How many
 * linkpoints there are and how many links each has follows from the size of the content, so a chain
 * that claims anything else is refused at the first linkpoint that differs.
 */
import { equalBytes } from "@hawser/codec";
import type { Packet } from "@hawser/packet";
import { assertArgument } from "./errors.ts";
import { assertShape, fetchPoint, findPoint, type ReadContext } from "./fetch.ts";
import { chunkBytes } from "./layout.ts";
import { chainLinkCountMax } from "./limits.ts";
import type { ChunkFinder, TreeVisit } from "./tree-read.ts";
import type { BlobRef, OpenOptions } from "./types.ts";
import { isLinkCount, paddedTag } from "./write.ts";

/** What a reader knows of a chain before it reads. */
export interface ChainForm {
  readonly chunkCount: number;
  readonly pageCount: number;
  readonly linkCountMax: number;
  readonly dataTag: Uint8Array;
  readonly chainTag: Uint8Array;
}

export function chainForm(ref: BlobRef, options: OpenOptions): ChainForm {
  const linkCountMax = options.linkCountMax ?? chainLinkCountMax;
  assertArgument(isLinkCount(linkCountMax), "linkCountMax is within 1 … 1,333");
  const chunkCount = Math.max(1, Math.ceil(ref.byteCount / chunkBytes));
  return {
    chunkCount,
    pageCount: Math.ceil(chunkCount / linkCountMax),
    linkCountMax,
    dataTag: paddedTag(options.dataTag ?? "data"),
    chainTag: paddedTag(options.chainTag ?? "continue"),
  };
}

/** BLOB_SHAPE unless `page` is linkpoint `index` of a chain that ends with `root`. */
export function checkPage(
  form: ChainForm,
  index: number,
  page: Packet,
  root: Packet,
  hash: Uint8Array,
): void {
  assertShape(page.kind === "linkpoint", "a link of the chain is no linkpoint", hash);
  assertShape(page.data.length === 0, "a linkpoint of the chain has data", hash);
  assertShape(
    equalBytes(page.group, root.group) &&
      equalBytes(page.domain, root.domain) &&
      equalBytes(page.rootedPath, root.rootedPath),
    "a linkpoint of the chain lies at another place",
    hash,
  );
  const chainLinks = index === 0 ? 0 : 1;
  const count = chainLinks + chunksOf(form, index);
  assertShape(page.linkCount === count, `a linkpoint of the chain has not ${count} links`, hash);
  for (let link = 0; link < count; link++) {
    const tag = link < chainLinks ? form.chainTag : form.dataTag;
    assertShape(equalBytes(page.link(link)?.tag ?? none, tag), "a link has another tag", hash);
  }
}

/** Chunks that linkpoint `index` links. */
function chunksOf(form: ChainForm, index: number): number {
  return Math.min(form.linkCountMax, form.chunkCount - index * form.linkCountMax);
}

/**
 * Finds chunks by way of the linkpoints, whose hashes it keeps once it has walked past them: 32
 * bytes for each 86 MB.
 */
export function createChainFinder(
  context: ReadContext,
  ref: BlobRef,
  form: ChainForm,
  root: Packet,
): ChunkFinder {
  const hashes = new Map<number, Uint8Array>([[form.pageCount - 1, ref.hash]]);
  let kept = { index: form.pageCount - 1, page: root };
  /** The lowest linkpoint whose hash is known. */
  let lowest = form.pageCount - 1;
  const load = async (index: number, signal: AbortSignal | undefined): Promise<Packet> => {
    if (kept.index === index) return kept.page;
    const hash = hashes.get(index) ?? none;
    const page = await fetchPoint(context, hash, signal);
    checkPage(form, index, page, root, hash);
    kept = { index, page };
    return page;
  };
  return {
    hashOf: async (index, signal) => {
      const wanted = Math.floor(index / form.linkCountMax);
      while (lowest > wanted) {
        const above = lowest;
        const page = await load(above, signal);
        hashes.set(above - 1, (page.link(0)?.pointer ?? none).slice());
        // Another read may have walked further meanwhile.
        lowest = Math.min(lowest, above - 1);
      }
      const page = await load(wanted, signal);
      const chainLinks = wanted === 0 ? 0 : 1;
      return page.link(chainLinks + (index % form.linkCountMax))?.pointer ?? none;
    },
  };
}

/** All points of a chain, the last linkpoint first; before a missing one there is nothing. */
export async function* walkChain(
  context: ReadContext,
  ref: BlobRef,
  form: ChainForm,
  root: Packet,
  options: { readonly fromChunk: number; readonly signal: AbortSignal | undefined },
): AsyncGenerator<TreeVisit, void, undefined> {
  let hash = ref.hash;
  for (let index = form.pageCount - 1; index >= 0; index--) {
    const firstChunk = index * form.linkCountMax;
    const span = { level: 1, firstChunk, chunkCount: chunksOf(form, index) };
    if (firstChunk + span.chunkCount <= options.fromChunk) return;
    const page =
      index === form.pageCount - 1 ? root : await findPoint(context, hash, options.signal);
    if (page !== undefined) checkPage(form, index, page, root, hash);
    yield { hash, span, node: page };
    if (page === undefined) return;
    const chainLinks = index === 0 ? 0 : 1;
    for (let offset = 0; offset < span.chunkCount; offset++) {
      if (firstChunk + offset < options.fromChunk) continue;
      const pointer = page.link(chainLinks + offset)?.pointer ?? none;
      const chunkSpan = { level: 0, firstChunk: firstChunk + offset, chunkCount: 1 };
      yield { hash: pointer, span: chunkSpan, node: undefined };
    }
    hash = page.link(0)?.pointer ?? none;
  }
}

const none = new Uint8Array(0);
