/**
 * What feeds and counters are opened with besides. Layer 7.
 */
import type { Gate, SnapshotOptions, ViewOptions } from "@hawser/view";

/** How a view of this package is kept. */
export interface SnapshotChoice {
  /** Decides which events count, an access control document for instance (`@hawser/acl`). */
  readonly gate?: Gate;
  /**
   * Snapshots on this device, so that opening again is quick; default on where the source has a shelf
   * and no gate decides. All feeds of a source share theirs, and so do all counters. `false`: none.
   */
  readonly snapshots?: SnapshotOptions | false;
}

/** The options of the view. */
export function keepingSnapshots({ gate, snapshots = {} }: SnapshotChoice): ViewOptions {
  return { ...(gate && { gate }), ...(snapshots !== false && { snapshots }) };
}
