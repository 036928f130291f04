/**
 * Appends that come together go together (docs/spec/6-space.md §4): one batch, one signature. Layer 5,
 * internal.
 */
import type { Entry } from "@hawser/log";
import { appendBytesMax, appendDraftsMax, bodyBytes, checkDrafts } from "./actions.ts";
import type { EntryRef, SpaceDraft } from "./types.ts";

interface WaitingAppend {
  readonly drafts: readonly SpaceDraft[];
  readonly resolve: (refs: readonly EntryRef[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What appending takes. */
export interface AppenderDeps {
  readonly inQueue: <Result>(job: () => Promise<Result>) => Promise<Result>;
  /** Throws for drafts that cannot be sealed. */
  readonly check: (drafts: readonly SpaceDraft[]) => void;
  /** Appends as one batch; runs inside the queue. */
  readonly write: (drafts: readonly SpaceDraft[]) => Promise<readonly Entry[]>;
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
    checkDrafts(drafts);
    deps.check(drafts);
    if (drafts.length === 0) return [];
    return new Promise((resolve, reject) => {
      waiting.push({ drafts, resolve, reject });
      if (!running) start();
    });
  };
}

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
