/**
 * What reading asks of a space, whether membership decides what counts (core.ts) or nobody does
 * (raw-core.ts). Events, single entries and explanations are made from it. Layer 5, internal.
 */
import type { SyncTopic } from "@hawser/sync";
import type { Bodies } from "./bodies.ts";
import type { ControlVerdict } from "./control-log.ts";
import type { EventSources } from "./events.ts";
import type { ControlFold } from "./fold.ts";
import type { Refusals } from "./refusals.ts";
import { mayShred } from "./shreds.ts";
import type { EntryRef, SpacesDeps } from "./types.ts";

/** A space as readers see it. */
export interface Reading extends EventSources {
  readonly deps: SpacesDeps;
  readonly syncTopic: SyncTopic;
  readonly refusals: Refusals;
  readonly bodies: Bodies;
  /** Why a control entry that is here has no effect, or `undefined`. */
  controlVerdict(ref: EntryRef): ControlOutcome | undefined;
}

/** As `ControlVerdict`; an operation may also have been accepted and not count. */
export interface ControlOutcome {
  readonly state: ControlVerdict["state"] | "void";
  readonly reason: string;
}

/** What membership says of a control entry. */
export function entryVerdict(fold: ControlFold, ref: EntryRef): ControlOutcome | undefined {
  const { logId, seq } = ref;
  const verdict = fold.verdictOf(logId, seq);
  if (verdict !== undefined) return verdict;
  const shred = fold.shreds.find((wish) => wish.logId === logId && wish.at === seq);
  const may = shred && mayShred(fold, shred);
  if (shred !== undefined && may === undefined) return { state: "pending", reason: "MISSING_OPS" };
  if (may === false) return { state: "rejected", reason: "NOT_ENTITLED" };
  const op = fold.opIn(logId, seq);
  if (op === undefined) return undefined;
  const status = fold.graph.status(op);
  return status?.state === "void" ? { state: "void", reason: status.reason } : undefined;
}
