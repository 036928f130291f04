/**
 * What is known of the forks of one space: where logs are cut, which branches count, what is to be
 * shown to others (docs/spec/6-space.md §7 *forks*). Layer 5, internal.
 */
import type { OpId } from "@hawser/auth";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { Entry, LogHead, LogId, LogStore, Topic } from "@hawser/log";
import type { About } from "./about.ts";
import { includes, showBranch, type BranchBook } from "./branches.ts";
import type { Evidence } from "./control.ts";
import type { ControlRange } from "./fold.ts";
import {
  authorsLetIn,
  cutsOf,
  hashesBeyond,
  readContents,
  spansBuiltOn,
  type ControlReading,
  type Cuts,
} from "./forks.ts";
import { controlDomain } from "./words.ts";

/** What is known of forks. */
export interface ForkView {
  /** Seqs from which forked logs, and branches of control logs, have no effect. */
  readonly ends: ReadonlyMap<LogId, number>;
  /** What counts of branches that are not in the store. */
  readonly branches: readonly ControlRange[];
  /** Signed entries of control logs and branches that have no effect, hashes in hex. */
  readonly beyond: ReadonlySet<string>;
  /** Operations of branches that do not count. */
  readonly uncounted: ReadonlySet<OpId>;
  /** Authors whom branches let in, whether they count or not. */
  readonly letIn: ReadonlySet<AuthorId>;
  /** What this device built on and nobody has shown to those who may lack it. */
  readonly unshown: readonly Evidence[];
}

/** Nothing is forked. */
export const noForks: ForkView = {
  ends: new Map(),
  branches: [],
  beyond: new Set(),
  uncounted: new Set(),
  letIn: new Set(),
  unshown: [],
};

/** Reads forks from the store. */
export interface ForkReader {
  read(): Promise<ForkView>;
  /** Whole control logs and all their branches, as if nothing were cut. */
  uncut(): Promise<readonly ControlRange[]>;
}

export function createForkReader(deps: {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly topic: Topic;
  readonly book: BranchBook;
  /** This device's control log. */
  readonly own: LogId;
  readonly about: () => About;
}): ForkReader {
  const { store, crypto, topic, book } = deps;

  const readLogs = async (heads: readonly LogHead[]): Promise<readonly ControlRange[]> => {
    const logs: ControlRange[] = [];
    for (const { logId, context } of heads) {
      if (context.domain !== controlDomain) continue;
      const entries: Entry[] = [];
      for await (const entry of store.entries(logId)) entries.push(entry);
      logs.push({ logId, context, entries });
    }
    return logs;
  };

  const rules = () => {
    const { metadataKey, createOp } = deps.about();
    return { crypto, topic, metadataKey, createOp };
  };

  /** Control logs, those that are forked, and their branches. */
  const readAll = async (heads: readonly LogHead[], forkedAt: ReadonlyMap<LogId, number>) => {
    const logs = await readLogs(heads);
    const forked = logs.filter(({ logId }) => forkedAt.has(logId));
    const { ops, evidence } = readContents(rules(), logs);
    const branches = await book.find(forked, evidence);
    return { logs, forked, branches, ops, evidence };
  };

  const unshownOf = async (
    forked: readonly ControlRange[],
    evidence: readonly Evidence[],
    { cuts, forkedAt }: { readonly cuts: Cuts; readonly forkedAt: ReadonlyMap<LogId, number> },
  ): Promise<readonly Evidence[]> => {
    const unshown: Evidence[] = [];
    for (const span of spansBuiltOn(forked, deps.own, cuts, forkedAt)) {
      const shown = await showBranch(store, span);
      const isNew = shown !== undefined && !evidence.some((item) => includes(item, shown));
      if (isNew) unshown.push(shown);
    }
    return unshown;
  };

  return {
    read: async () => {
      const heads = await store.heads(topic);
      const forkedAt = forksIn(heads);
      const isForked = ({ logId, context }: LogHead): boolean =>
        context.domain === controlDomain && forkedAt.has(logId);
      if (!heads.some(isForked)) return { ...noForks, ends: forkedAt };
      const { logs, forked, branches, ops, evidence } = await readAll(heads, forkedAt);
      const ranges = [...logs, ...branches];
      const branchOps = readContents(rules(), branches).ops;
      const cuts = cutsOf(rules(), ranges, { ops: [...ops, ...branchOps], forkedAt });
      const counted = branches.flatMap((branch) => branchUpTo(branch, cuts.ends) ?? []);
      const names = new Set([...logs, ...counted].map(({ logId }) => logId));
      const ends = [...cuts.ends].filter(([logId]) => names.has(logId));
      return {
        ends: new Map([...forkedAt, ...ends]),
        branches: counted,
        beyond: hashesBeyond(ranges, cuts.ends),
        uncounted: uncountedIn(branchOps, cuts.ends),
        letIn: authorsLetIn(branchOps),
        unshown: await unshownOf(forked, evidence, { cuts, forkedAt }),
      };
    },
    uncut: async () => {
      const heads = await store.heads(topic);
      const { logs, branches } = await readAll(heads, forksIn(heads));
      return [...logs, ...branches];
    },
  };
}

function forksIn(heads: readonly LogHead[]): ReadonlyMap<LogId, number> {
  const forkedAt = new Map<LogId, number>();
  for (const { logId, forkedAt: seq } of heads) if (seq !== undefined) forkedAt.set(logId, seq);
  return forkedAt;
}

function uncountedIn(
  ops: ControlReading["ops"],
  ends: ReadonlyMap<LogId, number>,
): ReadonlySet<OpId> {
  const beyond = ops.filter(({ logId, seq }) => seq >= (ends.get(logId) ?? 0));
  return new Set(beyond.map(({ op }) => op.id));
}

/** What counts of a branch, or `undefined`. */
function branchUpTo(
  branch: ControlRange,
  ends: ReadonlyMap<LogId, number>,
): ControlRange | undefined {
  const end = ends.get(branch.logId) ?? 0;
  const entries = branch.entries.filter(({ seq }) => seq < end);
  return entries.length === 0 ? undefined : { ...branch, entries };
}
