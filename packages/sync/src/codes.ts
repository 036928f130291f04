/**
 * Numbers on the wire (docs/spec/3-sync.md §3). Layer 4.
 */
import type { Mark, Message, PieceState, ReconcileMessage, WantMode } from "./message.ts";
import type { TopicAccess } from "./types.ts";

/** "hwsy": the first bytes after the type of a hello. */
export const magic: readonly number[] = [0x68, 0x77, 0x73, 0x79];
/** The protocol version this code speaks. */
export const version = 1;

/** First byte of each message. */
export const messageTypes: { readonly [Type in Message["type"]]: number } = {
  hello: 1,
  identities: 2,
  topics: 3,
  proof: 4,
  frontier: 5,
  wants: 6,
  acks: 7,
  range: 8,
  more: 9,
  credit: 10,
  fork: 11,
  forkMore: 12,
  heartbeat: 13,
  bye: 14,
  summary: 16,
  reconcile: 17,
  broadcast: 20,
  ask: 21,
  piece: 22,
  have: 23,
};

/** Access levels by their number. */
export const accessLevels: readonly TopicAccess[] = ["none", "control", "full"];

/** Modes of a want by their number. */
export const wantModes: readonly WantMode[] = ["stop", "same", "after", "again", "branch"];

/** Marks of a split's children by their number. */
export const marks: readonly Mark[] = ["equal", "listed", "split"];

/** States of a turn by their number. */
export const turnStates: readonly ReconcileMessage["state"][] = ["on", "end", "off"];

/** States of a piece by their number. */
export const pieceStates: readonly PieceState[] = ["point", "none", "later"];

/** Bits of a hello's features. */
export const featureBits = { reconcile: 1, broadcast: 2, bodies: 4 } as const;

/** Every feature this code has. */
export const featuresKnown: number =
  featureBits.reconcile | featureBits.broadcast | featureBits.bodies;

/** Bits of a frontier's flags. */
export const frontierFlags = { first: 1, last: 2, eager: 4 } as const;
