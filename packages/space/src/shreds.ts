/**
 * Who may have a detached body forgotten (docs/spec/6-space.md §15.4): its author, and whoever holds the
 * right to delete. Layer 5, pure.
 */
import type { ControlFold, PlacedShred } from "./fold.ts";
import { createAcks } from "./judge.ts";

/**
 * `undefined`: what its author had acknowledged is not all here. Somebody whose right was taken away
 * meanwhile had it if whoever took it had seen the shred.
 */
export function mayShred(fold: ControlFold, shred: PlacedShred): boolean | undefined {
  if (shred.by === shred.author) return true;
  const { findSigned } = fold;
  const acks = createAcks({ fold, findSigned, forkedAt: () => undefined }, shred.logId);
  const isSeen = (op: Parameters<typeof acks>[0]): boolean => acks(op) > shred.at;
  const judged = fold.graph.judge(fold.group, shred.by, shred.authHeads, "delete", isSeen);
  return judged === undefined ? undefined : judged === "accept";
}
