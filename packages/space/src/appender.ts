/**
 * Appends that come together go together (docs/spec/6-space.md §4): one batch, one signature. Layer 5,
 * internal.
 */
import type { Entry } from "@hawser/log";
import { appendBytesMax, appendDraftsMax, bodyBytes, checkDrafts } from "./actions.ts";
import type { Bodies, PreparedDraft } from "./bodies.ts";
import type { EntryRef, SpaceDraft } from "./types.ts";

interface WaitingAppend {
  readonly drafts: readonly PreparedDraft[];
  readonly resolve: (refs: readonly EntryRef[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What appending takes. */
export interface AppenderDeps {
  readonly inQueue: <Result>(job: () => Promise<Result>) => Promise<Result>;
  /** Throws for drafts that cannot be sealed. */
  readonly check: (drafts: readonly SpaceDraft[]) => void;
  /** Appends as one batch; runs inside the queue. */
  readonly write: (drafts: readonly PreparedDraft[]) => Promise<readonly Entry[]>;
  readonly bodies: Bodies;
}

/** Calls that come while an append is under way are appended together, under one signature. */
export function createAppender(
  deps: AppenderDeps,
): (drafts: readonly SpaceDraft[]) => Promise<readonly EntryRef[]> {
  const waiting: WaitingAppend[] = [];
  let running = false;
  const start = (): void => {
    running = true;
    deps.inQueue(drain).catch((error: unknown) => {
      running = false;
      for (const { reject } of waiting.splice(0)) reject(error);
    });
  };
  const drain = async (): Promise<void> => {
    const taken = takeGroup(waiting);
    try {
      const entries = await deps.write(taken.flatMap(({ drafts }) => drafts));
      settle(taken, entries);
    } catch (error) {
      for (const { reject } of taken) reject(error);
    }
    // Other work of the space gets its turn between two groups.
    if (waiting.length > 0) start();
    else running = false;
  };
  return async (drafts) => {
    const apart = drafts.map((draft) => deps.bodies.isDetached(draft));
    // What stands beside the entry is not in the way of its limits.
    const inEntry = drafts.map((draft, index) => inlinePart(draft, apart[index] === true));
    checkDrafts(inEntry);
    deps.check(drafts);
    if (drafts.length === 0) return [];
    // One after another: a body may be long, and its source is not to be read by two.
    const prepared: PreparedDraft[] = [...inEntry];
    for (const [index, draft] of drafts.entries()) {
      if (apart[index] === true) prepared[index] = await deps.bodies.prepare(draft);
    }
    return new Promise((resolve, reject) => {
      waiting.push({ drafts: prepared, resolve, reject });
      if (!running) start();
    });
  };
}

function inlinePart({ body, ...draft }: SpaceDraft, isApart: boolean): PreparedDraft {
  // Safe: whatever is no array of bytes is detached, as `isDetached` has made sure.
  return { ...draft, body: isApart ? empty : (body as Uint8Array) };
}

const empty = new Uint8Array(0);

/** As many waiting appends as one batch holds, one at least. */
function takeGroup(waiting: WaitingAppend[]): readonly WaitingAppend[] {
  const taken: WaitingAppend[] = [];
  let draftCount = 0;
  let byteCount = 0;
  for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
    draftCount += next.drafts.length;
    byteCount += bodyBytes(next.drafts);
    const fits = draftCount <= appendDraftsMax && byteCount <= appendBytesMax;
    if (!fits && taken.length > 0) break;
    taken.push(next);
    waiting.shift();
  }
  return taken;
}

function settle(taken: readonly WaitingAppend[], entries: readonly Entry[]): void {
  let from = 0;
  for (const { drafts, resolve } of taken) {
    const to = from + drafts.length;
    resolve(entries.slice(from, to).map(({ logId, seq }) => ({ logId, seq })));
    from = to;
  }
}
