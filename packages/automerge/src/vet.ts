/**
 * What Automerge takes of what members stored (docs/spec/automerge.md §4): chunks are tried before a
 * document is made of them. Layer 7.
 */
import { next as A } from "@automerge/automerge/slim";
import type { DocumentId, Repo } from "@automerge/automerge-repo";
import { concatBytes } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { framesOf } from "./frames.ts";
import type { Chunk } from "./state.ts";

/** Why a chunk is kept out. `AUTOMERGE_CONFLICT`: it does not load together with the rest. */
export type ChunkFault = "AUTOMERGE_MALFORMED" | "AUTOMERGE_CONFLICT";

/** What was found about the chunks of one document. */
export type Verdicts = Map<Chunk, "good" | ChunkFault>;

/** Whether a chunk may be handed out: one nobody has tried yet may. */
export function isGood(verdicts: Verdicts, chunk: Chunk): boolean {
  return (verdicts.get(chunk) ?? "good") === "good";
}

/**
 * A repo loads all chunks of a document in one go, so one bad chunk would take the document with it.
 * Those of others are tried first: all together, and one by one where that fails.
 */
export function vetTogether(all: readonly Chunk[], self: AuthorId, verdicts: Verdicts): void {
  const fresh = all.filter((chunk) => chunk.author !== self && !verdicts.has(chunk));
  if (fresh.length === 0) return;
  if (loads(inOrder(all.filter((chunk) => isGood(verdicts, chunk))))) {
    for (const chunk of fresh) verdicts.set(chunk, "good");
    return;
  }
  for (const chunk of fresh) {
    verdicts.set(chunk, loads([chunk]) ? "good" : "AUTOMERGE_MALFORMED");
  }
  const left = inOrder(all.filter((chunk) => isGood(verdicts, chunk)));
  if (loads(left)) return;
  const isFresh = new Set(fresh);
  const taken = left.filter((chunk) => !isFresh.has(chunk));
  for (const chunk of left.filter((each) => isFresh.has(each))) {
    if (loads([...taken, chunk])) taken.push(chunk);
    else verdicts.set(chunk, "AUTOMERGE_CONFLICT");
  }
}

/** Brings chunks of others, which came just now, into a document that is open. */
export function bringIn(
  repo: Repo,
  documentId: string,
  fresh: readonly Chunk[],
  verdicts: Verdicts,
): void {
  // Safe: a key that names no document finds no handle.
  const handle = repo.handles[documentId as DocumentId];
  if (handle?.isReady() !== true) return;
  const good = fresh.filter((chunk) => {
    const verdict = verdicts.get(chunk) ?? (loads([chunk]) ? "good" : "AUTOMERGE_MALFORMED");
    verdicts.set(chunk, verdict);
    return verdict === "good";
  });
  if (good.length === 0) return;
  handle.update((doc) => {
    let next = doc;
    for (const chunk of inOrder(good)) {
      try {
        next = A.loadIncremental(next, chunk.data);
      } catch {
        // Automerge leaves the document as it was.
        verdicts.set(chunk, "AUTOMERGE_CONFLICT");
      }
    }
    return next;
  });
}

/** A document of chunks that load, as one; `undefined` where they are not all that they build on. */
export function savedFrom(chunks: readonly Chunk[]): Uint8Array | undefined {
  let doc = A.init<unknown>();
  try {
    doc = A.loadIncremental(doc, concatBytes(...inOrder(chunks).map(({ data }) => data)));
    // Changes whose foundations are elsewhere wait in the document, and would not be saved.
    return A.getMissingDeps(doc, []).length === 0 ? A.save(doc) : undefined;
  } catch {
    // Bytes that Automerge refuses stay as they are.
    return undefined;
  } finally {
    A.free(doc);
  }
}

/** Snapshots first, as a repo loads them. */
function inOrder(chunks: readonly Chunk[]): readonly Chunk[] {
  const isSnapshot = ({ key }: Chunk): boolean => key[1] === "snapshot";
  return [...chunks.filter(isSnapshot), ...chunks.filter((chunk) => !isSnapshot(chunk))];
}

/** A change that nobody makes: where it is not in the document, not all before it was read. */
const sentinel = (() => {
  let made: { readonly bytes: Uint8Array; readonly head: string } | undefined;
  return () => {
    if (made !== undefined) return made;
    const doc = A.emptyChange(A.init<unknown>({ actor: "00" }), { time: 0 });
    made = { bytes: A.save(doc), head: A.getHeads(doc)[0] ?? "" };
    A.free(doc);
    return made;
  };
})();

/** Whether Automerge takes all of the chunks: it stops without a word at what it cannot read. */
function loads(chunks: readonly Chunk[]): boolean {
  if (chunks.some(({ data }) => framesOf(data) === undefined)) return false;
  const { bytes, head } = sentinel();
  let doc = A.init<unknown>();
  try {
    doc = A.loadIncremental(doc, concatBytes(...chunks.map(({ data }) => data), bytes));
    return A.getHeads(doc).includes(head);
  } catch {
    // The verdict on bytes that Automerge refuses.
    return false;
  } finally {
    A.free(doc);
  }
}
