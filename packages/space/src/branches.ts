/**
 * The branches of forked control logs that the store does not hold: it keeps the one it had first
 * (docs/spec/6-space.md §7 *forks*). Others come from peers and are kept beside it, or stand as
 * evidence in the control logs of members who built on them. Layer 5, internal.
 */
import { decodeCbor, equalBytes, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  joinRanges,
  logIdOf,
  verifyRange,
  type ChainState,
  type EncodedRange,
  type Entry,
  type LogId,
  type LogStore,
  type Topic,
  type VerifiedRange,
} from "@hawser/log";
import { decodeEvidence, encodeEvidence, evidenceBytesMax, type Evidence } from "./control.ts";
import type { ControlRange } from "./fold.ts";
import type { BranchSpan } from "./forks.ts";
import { controlDomain } from "./words.ts";

/** Ranges of one log's other branches that are kept, and their bytes together. */
const rangesMax = 64;
const rangeBytesMax: number = 512 * 1024;
/** Ranges remembered as verified. */
const verifiedMax = 256;

/** Keeps and finds branches of one space. */
export interface BranchBook {
  /** Keeps a range that contradicts what the store holds, if there is room. */
  keep(range: EncodedRange): Promise<void>;
  /** Keeps a range if it continues one that is kept. True when it does. */
  extend(range: EncodedRange): Promise<boolean>;
  /**
   * Branches of the logs in `held` among what was kept and what members show. Each starts where it
   * leaves the branch in the store. Sorted by id.
   */
  find(
    held: readonly ControlRange[],
    evidence: readonly Evidence[],
  ): Promise<readonly ControlRange[]>;
}

export function createBranchBook(deps: {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly topic: Topic;
}): BranchBook {
  const { store, crypto, topic } = deps;
  const prefix = `space/${topic}/branches/`;
  // What verified once does so again from the same state.
  const verified = new Map<string, VerifiedRange>();

  const verify = (range: EncodedRange, before: ChainState): VerifiedRange | undefined => {
    const name = nameOf(crypto, range);
    const known = verified.get(name);
    if (known !== undefined && isSameState(known.before, before)) return known;
    const verdict = verifyRange({ crypto }, before, range);
    const good = verdict.ok ? verdict.range : verdict.accepted;
    if (verified.size >= verifiedMax) verified.clear();
    if (good !== undefined) verified.set(name, good);
    return good;
  };

  const continued = (range: EncodedRange, chains: readonly Chain[]): Chain | undefined => {
    for (const { entries, after } of chains) {
      if (after.height !== range.from) continue;
      const next = verify(range, after);
      if (next !== undefined) return { entries: [...entries, ...next.entries], after: next.after };
    }
    return undefined;
  };

  /** Ranges that continue what the store holds somewhere, or each other. */
  const chainsOf = async (
    logId: LogId,
    ranges: readonly EncodedRange[],
  ): Promise<readonly Chain[]> => {
    const chains: Chain[] = [];
    for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
      const before = await store.stateAt(logId, range.from);
      const direct = before === undefined ? undefined : verify(range, before);
      const chain = direct ?? continued(range, chains);
      if (chain !== undefined) chains.push(chain);
    }
    return chains;
  };

  const kept = async (logId: LogId): Promise<readonly EncodedRange[]> => {
    const pairs = await store.list(`${prefix}${logId}/`);
    return pairs.flatMap(({ value }) => decodeKept(topic, value) ?? []);
  };

  const keep = async (range: EncodedRange): Promise<void> => {
    const logId = logIdOf(crypto, range.context);
    const known = await kept(logId);
    const used = known.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (known.length >= rangesMax || used + range.bytes.length > rangeBytesMax) return;
    const key = `${prefix}${logId}/${nameOf(crypto, range)}`;
    await store.commit({ writes: [{ key, value: encodeKept(range) }] });
  };

  return {
    keep,
    extend: async (range) => {
      const logId = logIdOf(crypto, range.context);
      const chains = await chainsOf(logId, await kept(logId));
      const isNext = continued(range, chains) !== undefined;
      if (isNext) await keep(range);
      return isNext;
    },
    find: async (held, evidence) => {
      const found = new Map<LogId, ControlRange>();
      for (const main of held) {
        const shown = evidence.filter(({ author }) => author === main.context.author);
        const ranges = [...(await kept(main.logId)), ...shown.map((item) => rangeOf(topic, item))];
        for (const { entries } of await chainsOf(main.logId, ranges)) {
          const branch = toBranch(main, entries);
          if (branch !== undefined) found.set(branch.logId, branch);
        }
      }
      return withoutPrefixes([...found.values()]).sort((a, b) => (a.logId < b.logId ? -1 : 1));
    },
  };
}

/**
 * Part of a log in the store, as evidence for those who hold another branch. `undefined` when
 * they are too long for a control entry.
 */
export async function showBranch(
  store: LogStore,
  { range, from, to }: BranchSpan,
): Promise<Evidence | undefined> {
  const { logId, context } = range;
  const parts: EncodedRange[] = [];
  let bytes = 0;
  for await (const part of store.ranges(logId, { from, to })) {
    parts.push(part);
    bytes += part.bytes.length;
    if (bytes > evidenceBytesMax) return undefined;
  }
  if (parts.length === 0) return undefined;
  const whole = joinRanges(parts);
  return { author: context.author, from, count: whole.count, bytes: whole.bytes };
}

/** Does `evidence` hold all of `part`, from the same start? */
export function includes(evidence: Evidence, part: Evidence): boolean {
  if (evidence.author !== part.author || evidence.from !== part.from) return false;
  return equalBytes(evidence.bytes.subarray(0, part.bytes.length), part.bytes);
}

function isSameState(a: ChainState, b: ChainState): boolean {
  if (a.height !== b.height || a.hash === undefined || b.hash === undefined) return false;
  return equalBytes(a.hash, b.hash);
}

/** Entries that follow each other, from somewhere on what the store holds. */
interface Chain {
  readonly entries: readonly Entry[];
  readonly after: ChainState;
}

/** What of `entries` is not on the branch that `main` is; `undefined` when all of it is. */
function toBranch(main: ControlRange, entries: readonly Entry[]): ControlRange | undefined {
  const first = entries.findIndex(({ seq, hash }) => {
    const own = main.entries[seq];
    return own !== undefined && !equalBytes(own.hash, hash);
  });
  const start = entries[first];
  const last = entries.at(-1);
  if (start === undefined || last === undefined) return undefined;
  const { logId, context } = main;
  // Safe: a name among control ranges, which no log has.
  const id = `${logId}/${toHex(last.hash)}` as LogId;
  const before = main.entries.slice(0, start.seq);
  return { logId: id, context, entries: entries.slice(first), branch: { of: logId, before } };
}

/** Branches that are no beginning of another one here. */
function withoutPrefixes(branches: readonly ControlRange[]): ControlRange[] {
  const inner = new Set<string>();
  for (const { logId, branch, entries } of branches) {
    for (const { hash } of entries.slice(0, -1)) inner.add(`${branch?.of ?? logId}/${toHex(hash)}`);
  }
  return branches.filter(({ logId }) => !inner.has(logId));
}

function nameOf(crypto: Crypto, range: EncodedRange): string {
  return toHex(crypto.hash(encodeKept(range)));
}

function encodeKept({ context, from, count, bytes }: EncodedRange): Uint8Array {
  return encodeEvidence({ author: context.author, from, count, bytes });
}

function decodeKept(topic: Topic, value: Uint8Array): EncodedRange | undefined {
  const fields = decodeCbor(value);
  const evidence = Array.isArray(fields) ? decodeEvidence(fields) : undefined;
  return evidence === undefined ? undefined : rangeOf(topic, evidence);
}

/** The range that evidence is. */
export function rangeOf(topic: Topic, { author, from, count, bytes }: Evidence): EncodedRange {
  return { context: { topic, author, domain: controlDomain }, from, count, bytes };
}
