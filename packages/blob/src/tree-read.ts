/**
 * Reading trees (docs/spec/blob.md §2.4): the way down to a chunk, and the walk over a whole tree.
 * Layer 3; pure. Every node is compared with the one form its place allows, so that nothing a
 * hostile tree claims is believed; depth is bounded by `levelMax` and nothing recurses.
 */
import { equalBytes, toHex } from "@hawser/codec";
import { publicGroup, type Packet } from "@hawser/packet";
import { BlobError } from "./errors.ts";
import { assertShape, fetchPoint, findPoint, type ReadContext } from "./fetch.ts";
import {
  childCount,
  childSpan,
  fanOut,
  spanBytes,
  spanTag,
  treeDomain,
  treeForm,
  type Span,
  type TreeForm,
} from "./layout.ts";
import { isSealHeader, sealHeaderBytes } from "./seal.ts";
import type { BlobRef } from "./types.ts";

/** A tree whose root is there and has the right form. */
export interface OpenTree {
  readonly form: TreeForm;
  readonly root: Packet;
  /** Empty unless sealed. */
  readonly header: Uint8Array;
}

/** Checks a root that was fetched for `ref`. Throws BLOB_SHAPE. */
export function openTree(ref: BlobRef, root: Packet): OpenTree {
  if (root.kind === "datapoint") {
    const form = treeForm(ref.byteCount, false);
    checkChunk(form, form.root, root, ref.hash);
    return { form, root, header: none };
  }
  assertShape(root.kind === "linkpoint", "a root is a datapoint or a linkpoint", ref.hash);
  // The data of a root is the header of a seal, or nothing.
  const isSealed = root.data.length > 0;
  const form = treeForm(ref.byteCount, isSealed);
  assertShape(form.root.level > 0, "content of this size is one datapoint", ref.hash);
  checkNode(form, form.root, root, ref.hash);
  return { form, root, header: root.data };
}

/** Gives the hash of any chunk, keeping the nodes of the last way down. */
export interface ChunkFinder {
  hashOf(index: number, signal: AbortSignal | undefined): Promise<Uint8Array>;
}

export function createTreeFinder(context: ReadContext, ref: BlobRef, tree: OpenTree): ChunkFinder {
  const { form } = tree;
  // At most `levelMax` nodes of 49 kB: the ones under which the last chunk was found, by level.
  const kept: ({ readonly firstChunk: number; readonly node: Packet } | undefined)[] = [];
  return {
    hashOf: async (index, signal) => {
      let span = form.root;
      let node = tree.root;
      let pointer = ref.hash;
      while (span.level > 0) {
        const child = Math.floor((index - span.firstChunk) / fanOut ** (span.level - 1));
        pointer = node.link(child)?.pointer ?? none;
        span = childSpan(span, child);
        if (span.level === 0) break;
        const known = kept[span.level];
        if (known?.firstChunk === span.firstChunk) {
          node = known.node;
        } else {
          node = await fetchPoint(context, pointer, signal);
          checkNode(form, span, node, pointer);
          kept[span.level] = { firstChunk: span.firstChunk, node };
        }
      }
      return pointer;
    },
  };
}

/** A subtree on a walk. */
export interface TreeVisit {
  readonly hash: Uint8Array;
  readonly span: Span;
  /**
   * A node that was checked; `undefined` for chunks, which the visitor fetches, and missing nodes.
   */
  readonly node: Packet | undefined;
}

/**
 * All subtrees from `fromChunk` on, parents before children, in the order of the content; below a
 * missing node there is nothing. A subtree equal to the one before it on its level is passed over
 * when `skipsRepeats`: content of a thousand equal chunks costs one visit. Throws BLOB_SHAPE,
 * BLOB_HASH.
 */
export async function* walkTree(
  context: ReadContext,
  ref: BlobRef,
  tree: OpenTree,
  options: {
    readonly fromChunk: number;
    readonly skipsRepeats: boolean;
    readonly signal: AbortSignal | undefined;
  },
): AsyncGenerator<TreeVisit, void, undefined> {
  const { form } = tree;
  const stack: { readonly node: Packet; readonly span: Span; next: number }[] = [];
  const before: (Uint8Array | undefined)[] = [];
  yield { hash: ref.hash, span: form.root, node: form.root.level === 0 ? undefined : tree.root };
  if (form.root.level > 0) stack.push({ node: tree.root, span: form.root, next: 0 });
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    if (frame.next === childCount(frame.span)) {
      stack.pop();
      continue;
    }
    const span = childSpan(frame.span, frame.next);
    const hash = frame.node.link(frame.next)?.pointer ?? none;
    frame.next += 1;
    if (span.firstChunk + span.chunkCount <= options.fromChunk) continue;
    // Equal hashes mean equal points, and equal tags then mean equal spans.
    const isRepeat =
      before[span.level] !== undefined && equalBytes(before[span.level] ?? none, hash);
    before[span.level] = hash;
    if (isRepeat && options.skipsRepeats && spanIsFull(form, span)) continue;
    const node = span.level === 0 ? undefined : await findPoint(context, hash, options.signal);
    if (node !== undefined) {
      checkNode(form, span, node, hash);
      stack.push({ node, span, next: 0 });
    }
    yield { hash, span, node };
  }
}

/**
 * Full subtrees on one level have one form; the last one may be smaller and is always looked at.
 */
function spanIsFull(form: TreeForm, span: Span): boolean {
  return span.firstChunk + span.chunkCount < form.root.chunkCount;
}

/** BLOB_SHAPE unless `node` is the node over `span`, but for its pointers. */
function checkNode(form: TreeForm, span: Span, node: Packet, hash: Uint8Array): void {
  assertShape(node.kind === "linkpoint", "a node is no linkpoint", hash);
  const isRoot = span.level === form.root.level;
  assertShape(
    isRoot && form.isSealed
      ? node.data.length === sealHeaderBytes && isSealHeader(node.data)
      : node.data.length === 0,
    "the data of a node is not what belongs there",
    hash,
  );
  assertShape(
    node.stampNumber === 0 &&
      node.rootedPath.length === 0 &&
      equalBytes(node.domain, treeDomain) &&
      equalBytes(node.group, publicGroup()),
    "a node lies at another place",
    hash,
  );
  const count = childCount(span);
  assertShape(node.linkCount === count, `a node has not ${count} children`, hash);
  const fullTag = spanTag(form, childSpan(span, 0));
  const lastTag = spanTag(form, childSpan(span, count - 1));
  for (let index = 0; index < count; index++) {
    const tag = node.link(index)?.tag ?? none;
    const expected = index === count - 1 ? lastTag : fullTag;
    assertShape(equalBytes(tag, expected), `child ${index} has another size`, hash);
  }
}

/** BLOB_SHAPE unless `chunk` is a datapoint of the size that belongs there. */
export function checkChunk(form: TreeForm, span: Span, chunk: Packet, hash: Uint8Array): void {
  if (chunk.kind === "datapoint" && chunk.data.length === spanBytes(form, span)) return;
  throw new BlobError("BLOB_SHAPE", "a chunk is not a datapoint of its size", toHex(hash));
}

const none = new Uint8Array(0);
