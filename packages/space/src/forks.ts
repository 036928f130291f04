/**
 * Where forked control logs are cut (docs/spec/6-space.md §7 *forks*): what others have built on
 * stands, the rest of a branch has no effect. Layer 5, pure.
 */
import { parseOp, type AuthOp, type OpId } from "@hawser/auth";
import { toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { Entry, LogId, Topic } from "@hawser/log";
import { openControl } from "./control.ts";
import type { ControlRange } from "./fold.ts";
import type { Place } from "./place.ts";

/** What cutting takes. */
export interface ForkRules {
  readonly crypto: Crypto;
  readonly topic: Topic;
  readonly metadataKey: Uint8Array;
  readonly createOp: OpId;
}

interface PlacedEntry {
  readonly logId: LogId;
  readonly seq: number;
}

interface PlacedAuthOp extends PlacedEntry {
  readonly op: AuthOp;
}

/**
 * Seqs from which forked control logs have no effect: the fork, or behind the last entry that an
 * effective entry of another log points at or whose operation one of another log has seen. The
 * batch that founds the space is pinned by its operation's id, so it is never cut.
 */
export function cutsOf(
  rules: ForkRules,
  ranges: readonly ControlRange[],
  forkedAt: ReadonlyMap<LogId, number>,
): ReadonlyMap<LogId, number> {
  const cuts = new Map<LogId, number>();
  for (const { logId } of ranges) {
    const seq = forkedAt.get(logId);
    if (seq !== undefined) cuts.set(logId, seq);
  }
  if (cuts.size === 0) return cuts;
  const ops = opsIn(rules, ranges);
  const founding = ops.get(rules.createOp);
  if (founding !== undefined) raise(cuts, foundingEnd(ranges, founding));
  const places = signedPlaces(ranges, cuts);
  // What one log's kept part acknowledges may keep more of another: until nothing moves.
  for (let moved = true; moved;) {
    moved = false;
    for (const place of acknowledged(ranges, cuts, { ops, places })) {
      moved = raise(cuts, place) || moved;
    }
  }
  return cuts;
}

/** Hashes in hex of the signed entries that have no effect. */
export function hashesBeyond(
  ranges: readonly ControlRange[],
  cuts: ReadonlyMap<LogId, number>,
): ReadonlySet<string> {
  const hashes = new Set<string>();
  for (const { logId, entries } of ranges) {
    const cut = cuts.get(logId) ?? Infinity;
    for (const { seq, hash, signature } of entries) {
      if (seq >= cut && signature !== undefined) hashes.add(toHex(hash));
    }
  }
  return hashes;
}

/** Keeps a forked log up to and with an entry. True when that keeps more than before. */
function raise(cuts: Map<LogId, number>, { logId, seq }: PlacedEntry): boolean {
  const cut = cuts.get(logId);
  if (cut === undefined || cut > seq) return false;
  cuts.set(logId, seq + 1);
  return true;
}

function opsIn(rules: ForkRules, ranges: readonly ControlRange[]): ReadonlyMap<OpId, PlacedAuthOp> {
  const ops = new Map<OpId, PlacedAuthOp>();
  for (const { logId, context, entries } of ranges) {
    for (const entry of entries) {
      const { seq } = entry;
      const place: Place = { topic: rules.topic, logId, author: context.author, seq };
      const content = openControl(rules.crypto, rules.metadataKey, place, entry.data);
      const parsed = content?.kind === "auth" ? parseOp(rules.crypto, content.op) : undefined;
      if (parsed?.ok === true) ops.set(parsed.op.id, { logId, seq, op: parsed.op });
    }
  }
  return ops;
}

/** The signature that covers the founding operation and the first keys. */
function foundingEnd(ranges: readonly ControlRange[], founding: PlacedEntry): PlacedEntry {
  const entries = ranges.find(({ logId }) => logId === founding.logId)?.entries ?? [];
  const isEnd = (entry: Entry): boolean =>
    entry.seq > founding.seq && entry.signature !== undefined;
  return { logId: founding.logId, seq: entries.find(isEnd)?.seq ?? founding.seq };
}

function signedPlaces(
  ranges: readonly ControlRange[],
  cuts: ReadonlyMap<LogId, number>,
): ReadonlyMap<string, PlacedEntry> {
  const places = new Map<string, PlacedEntry>();
  for (const { logId, entries } of ranges) {
    if (!cuts.has(logId)) continue;
    for (const { seq, hash, signature } of entries) {
      if (signature !== undefined) places.set(toHex(hash), { logId, seq });
    }
  }
  return places;
}

/** Entries of forked logs that kept entries of other logs have seen. */
function acknowledged(
  ranges: readonly ControlRange[],
  cuts: ReadonlyMap<LogId, number>,
  known: {
    readonly ops: ReadonlyMap<OpId, PlacedAuthOp>;
    readonly places: ReadonlyMap<string, PlacedEntry>;
  },
): readonly PlacedEntry[] {
  const found: PlacedEntry[] = [];
  for (const { logId, entries } of ranges) {
    const end = cuts.get(logId) ?? Infinity;
    for (const { seq, deps } of entries) {
      if (seq >= end) break;
      for (const dep of deps) {
        const place = known.places.get(toHex(dep.hash));
        if (place !== undefined && place.logId !== logId) found.push(place);
      }
    }
  }
  for (const { logId, seq, op } of known.ops.values()) {
    if (seq >= (cuts.get(logId) ?? Infinity)) continue;
    // Deps of deps are taken in the next round, when what they stand in is kept.
    for (const dep of op.deps) {
      const place = known.ops.get(dep);
      if (place !== undefined && place.logId !== logId) found.push(place);
    }
  }
  return found;
}
