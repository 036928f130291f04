/**
 * Where forked control logs and their branches are cut (docs/spec/6-space.md §7 *forks*): what
 * others have built on stands, the rest of a branch has no effect. Layer 5, pure.
 */
import { parseOp, type AuthOp, type OpId } from "@hawser/auth";
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { Entry, LogId, Topic } from "@hawser/log";
import {
  createPartJoiner,
  openControl,
  type ControlContent,
  type Evidence,
  type SignedOp,
} from "./control.ts";
import { rootOf, type ControlRange } from "./fold.ts";
import { grantsOf } from "./grants.ts";
import type { Place } from "./place.ts";

/** What reading control entries takes. */
export interface ForkRules {
  readonly crypto: Crypto;
  readonly topic: Topic;
  readonly metadataKey: Uint8Array;
  readonly createOp: OpId;
}

/** One entry of a range; `root` is the log it stands in. */
interface PlacedEntry {
  readonly logId: LogId;
  readonly root: LogId;
  readonly seq: number;
}

interface PlacedAuthOp extends PlacedEntry {
  readonly op: AuthOp;
}

/** What was read of control logs: operations, and evidence of branches. */
export interface ControlReading {
  readonly ops: readonly PlacedAuthOp[];
  readonly evidence: readonly Evidence[];
}

/** Reads whole logs, or branches with what comes before them. */
export function readContents(rules: ForkRules, ranges: readonly ControlRange[]): ControlReading {
  const ops: PlacedAuthOp[] = [];
  const evidence: Evidence[] = [];
  for (const range of ranges) {
    const { logId } = range;
    const root = rootOf(range);
    for (const { seq, content } of contentsOf(rules, range)) {
      if (content.kind === "evidence") evidence.push(content.evidence);
      for (const { op } of signedOpsIn(content)) {
        const parsed = parseOp(rules.crypto, op);
        if (parsed.ok) ops.push({ logId, root, seq, op: parsed.op });
      }
    }
  }
  return { ops, evidence };
}

/** Own operations, and carried ones: what builds on these keeps an entry that carries them. */
function signedOpsIn(content: ControlContent): readonly SignedOp[] {
  if (content.kind === "auth") return [content];
  return content.kind === "carry" ? content.ops : [];
}

/** Contents with the seq at which they end. */
function* contentsOf(
  rules: ForkRules,
  range: ControlRange,
): Iterable<{ readonly seq: number; readonly content: ControlContent }> {
  const { crypto, topic, metadataKey } = rules;
  const { author } = range.context;
  const before = range.branch?.before ?? [];
  const parts = createPartJoiner();
  for (const { seq, data } of [...before, ...range.entries]) {
    if (data.length === 0) continue;
    const place: Place = { topic, logId: rootOf(range), author, seq };
    const content = parts.next(openControl(crypto, metadataKey, place, data));
    if (seq < before.length || content === undefined || content === "unreadable") continue;
    yield { seq, content };
  }
}

/** Where every forked log and every branch ends, and on whose account. */
export interface Cuts {
  /** Seqs from which forked control logs and their branches have no effect. */
  readonly ends: ReadonlyMap<LogId, number>;
  /** Forked logs and branches that entries of each log point at. */
  readonly builtOn: ReadonlyMap<LogId, ReadonlySet<LogId>>;
}

/**
 * A log is cut at the fork, a branch at its first entry, or behind the last entry that an effective
 * entry of another log points at or whose operation one of another log has seen. The batch that
 * founds the space is pinned by its operation's id, so it is never cut.
 */
export function cutsOf(
  rules: Pick<ForkRules, "createOp">,
  ranges: readonly ControlRange[],
  known: {
    readonly ops: readonly PlacedAuthOp[];
    readonly forkedAt: ReadonlyMap<LogId, number>;
  },
): Cuts {
  const ends = new Map<LogId, number>();
  const builtOn = new Map<LogId, Set<LogId>>();
  for (const { logId, branch } of ranges) {
    const seq = branch?.before.length ?? known.forkedAt.get(logId);
    if (seq !== undefined) ends.set(logId, seq);
  }
  if (ends.size === 0) return { ends, builtOn };
  const ops = new Map<OpId, PlacedAuthOp[]>();
  for (const placed of known.ops) ops.set(placed.op.id, [...(ops.get(placed.op.id) ?? []), placed]);
  for (const founding of ops.get(rules.createOp) ?? []) raise(ends, foundingEnd(ranges, founding));
  const places = signedPlaces(ranges, ends);
  // What one log's kept part acknowledges may keep more of another: until nothing moves.
  for (let moved = true; moved;) {
    moved = false;
    builtOn.clear();
    for (const { by, place } of acknowledged(ranges, ends, { ops, places })) {
      const start = startOf(ranges, place.logId, known.forkedAt);
      if (place.seq >= start) builtOn.set(by, (builtOn.get(by) ?? new Set()).add(place.logId));
      moved = raise(ends, place) || moved;
      // A branch stands on all that comes before it, also where the log alone would be cut there.
      const before = commonPart(ranges, place);
      if (before !== undefined) moved = raise(ends, before) || moved;
    }
  }
  return { ends, builtOn };
}

/** Hashes in hex of the signed entries that have no effect. */
export function hashesBeyond(
  ranges: readonly ControlRange[],
  ends: ReadonlyMap<LogId, number>,
): ReadonlySet<string> {
  const hashes = new Set<string>();
  for (const { logId, entries } of ranges) {
    const end = ends.get(logId) ?? Infinity;
    for (const { seq, hash, signature } of entries) {
      if (seq >= end && signature !== undefined) hashes.add(toHex(hash));
    }
  }
  return hashes;
}

/** Entries of a log in the store from where it is forked. */
export interface BranchSpan {
  readonly range: ControlRange;
  readonly from: number;
  /** Behind a signed entry. */
  readonly to: number;
}

/** What stands of forked logs in the store because, among others, `by` built on it. */
export function spansBuiltOn(
  forked: readonly ControlRange[],
  by: LogId,
  cuts: Cuts,
  forkedAt: ReadonlyMap<LogId, number>,
): readonly BranchSpan[] {
  const builtOn = cuts.builtOn.get(by);
  return forked.flatMap((range) => {
    const from = forkedAt.get(range.logId) ?? Infinity;
    const end = cuts.ends.get(range.logId) ?? 0;
    if (builtOn?.has(range.logId) !== true || end <= from) return [];
    const isLast = ({ seq, signature }: Entry): boolean =>
      seq >= end - 1 && signature !== undefined;
    const last = range.entries.find(isLast);
    return last === undefined ? [] : [{ range, from, to: last.seq + 1 }];
  });
}

/** Authors whom operations let in, whether they count or not: what they wrote may be built on. */
export function authorsLetIn(ops: readonly PlacedAuthOp[]): ReadonlySet<AuthorId> {
  const authors = new Set<AuthorId>();
  for (const { op } of ops) {
    for (const { member } of grantsOf(op)) {
      // Safe: an individual's id is an author.
      if (member.kind === "individual") authors.add(member.id as AuthorId);
    }
  }
  return authors;
}

/** Keeps a range up to and with an entry. True when that keeps more than before. */
function raise(ends: Map<LogId, number>, { logId, seq }: PlacedEntry): boolean {
  const end = ends.get(logId);
  if (end === undefined || end > seq) return false;
  ends.set(logId, seq + 1);
  return true;
}

/** The last entry of the log that a branch has in common with it. */
function commonPart(
  ranges: readonly ControlRange[],
  { logId }: PlacedEntry,
): PlacedEntry | undefined {
  const branch = ranges.find((item) => item.logId === logId)?.branch;
  return branch && { logId: branch.of, root: branch.of, seq: branch.before.length - 1 };
}

function startOf(
  ranges: readonly ControlRange[],
  logId: LogId,
  forkedAt: ReadonlyMap<LogId, number>,
): number {
  const range = ranges.find((item) => item.logId === logId);
  return range?.branch?.before.length ?? forkedAt.get(logId) ?? Infinity;
}

/** The signature that covers the founding operation and the first keys. */
function foundingEnd(ranges: readonly ControlRange[], founding: PlacedEntry): PlacedEntry {
  const entries = ranges.find(({ logId }) => logId === founding.logId)?.entries ?? [];
  const isEnd = (entry: Entry): boolean =>
    entry.seq > founding.seq && entry.signature !== undefined;
  return { ...founding, seq: entries.find(isEnd)?.seq ?? founding.seq };
}

function signedPlaces(
  ranges: readonly ControlRange[],
  ends: ReadonlyMap<LogId, number>,
): ReadonlyMap<string, PlacedEntry> {
  const places = new Map<string, PlacedEntry>();
  for (const range of ranges) {
    if (!ends.has(range.logId)) continue;
    const root = rootOf(range);
    for (const { seq, hash, signature } of range.entries) {
      if (signature !== undefined) places.set(toHex(hash), { logId: range.logId, root, seq });
    }
  }
  return places;
}

/** Entries of forked logs that kept entries of other logs have seen. */
function* acknowledged(
  ranges: readonly ControlRange[],
  ends: ReadonlyMap<LogId, number>,
  known: {
    readonly ops: ReadonlyMap<OpId, readonly PlacedAuthOp[]>;
    readonly places: ReadonlyMap<string, PlacedEntry>;
  },
): Iterable<{ readonly by: LogId; readonly place: PlacedEntry }> {
  for (const range of ranges) {
    const by = rootOf(range);
    const end = ends.get(range.logId) ?? Infinity;
    for (const { seq, deps } of range.entries) {
      if (seq >= end) break;
      for (const dep of deps) {
        const place = known.places.get(toHex(dep.hash));
        if (place !== undefined && place.root !== by) yield { by, place };
      }
    }
  }
  for (const placed of known.ops.values()) {
    for (const { logId, root, seq, op } of placed) {
      if (seq >= (ends.get(logId) ?? Infinity)) continue;
      // Deps of deps are taken in the next round, when what they stand in is kept.
      for (const dep of op.deps) {
        for (const place of known.ops.get(dep) ?? []) {
          if (place.root !== root && ends.has(place.logId)) yield { by: root, place };
        }
      }
    }
  }
}
