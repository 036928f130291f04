/**
 * Skip links: which older entry each entry points at, and which hashes must be kept so that later
 * entries can (docs/spec/2-log.md §6). Layer 3; pure.
 *
 * The lipmaa numbers lay a log out in nested blocks of (3^k − 1) / 2 entries: three blocks of the
 * level below and one closing entry. The closing entry points at the entry before its block; in the
 * leftmost block, which has none before it, at the end of its first child. The blocks complete at a
 * height are that height's digits in a base with weights (3^k − 1) / 2, and adding an entry is adding
 * one: either a new block of level 1, or the three equal last blocks merge. So an append is O(1).
 */
import type { ChainState } from "./types.ts";
import { LogError } from "./errors.ts";

/** A complete block: its level k ≥ 1 and the seq of the entry that closes it. */
interface Block {
  readonly level: number;
  readonly seq: number;
}

/** An entry that a later skip link may point at. */
export type Skip = ChainState["skips"][number];

/** The complete blocks of a log of this height, first to last; at most two a level, three once. */
function completeBlocks(height: number): Block[] {
  let level = 1;
  let size = 1;
  while (3 * size + 1 <= height) {
    size = 3 * size + 1;
    level++;
  }
  const blocks: Block[] = [];
  let end = 0;
  while (end < height) {
    while (end + size > height) {
      size = (size - 1) / 3;
      level--;
    }
    end += size;
    blocks.push({ level, seq: end - 1 });
  }
  return blocks;
}

/** Index of the first of three equal last blocks, or −1. If it is not −1, the next entry closes. */
function closingIndex(blocks: readonly Block[]): number {
  const last = blocks.length - 1;
  const level = blocks[last]?.level;
  const first = last - 2;
  if (first < 0 || blocks[first]?.level !== level || blocks[last - 1]?.level !== level) return -1;
  return first;
}

/** What a closing entry points at: the end of the block before its own, or of its first child. */
function closingTarget<B extends Block>(blocks: readonly B[]): B | undefined {
  const first = closingIndex(blocks);
  return first < 0 ? undefined : blocks[Math.max(0, first - 1)];
}

/** Whether block `index` ends where a later skip link can point. */
function isSkipped(blocks: readonly Block[], index: number): boolean {
  // The end of the first child of the leftmost block.
  if (index === 0) return true;
  const level = blocks[index]?.level ?? 0;
  const next = blocks[index + 1]?.level;
  // A smaller block follows: the block around it is open, and its closing entry points here.
  if (next !== undefined) return next < level;
  // Last: the next entry opens a block of level 2 or more here, unless it closes one.
  return level >= 2 && closingIndex(blocks) < 0;
}

/**
 * seq of the entry that entry `seq` skips to, or `undefined` when its lipmaa target is the entry
 * just before it, or it is the first.
 */
export function skipTarget(seq: number): number | undefined {
  return closingTarget(completeBlocks(seq))?.seq;
}

/** seqs that skip links of entries from `height` on can point at, ascending. */
export function skipSeqs(height: number): readonly number[] {
  const blocks = completeBlocks(height);
  return blocks.filter((_, index) => isSkipped(blocks, index)).map((block) => block.seq);
}

interface HashedBlock extends Block {
  /** `undefined` where no later entry can point. */
  readonly hash: Uint8Array | undefined;
}

/** The blocks of one log with their hashes; grows by one entry at a time. */
export interface SkipTracker {
  /** Target of the next entry's skip link, or `undefined` when it has none. */
  next(): Skip | undefined;
  /** Appends entry `seq`, which must be the next one. */
  add(seq: number, hash: Uint8Array): void;
  /** The skips of a ChainState at this place. */
  skips(): readonly Skip[];
}

/**
 * A tracker that goes on from a state. Throws LOG_STATE_INVALID when `skips` are not the entries
 * that belong to `height`.
 */
export function createSkipTracker(height: number, skips: readonly Skip[]): SkipTracker {
  const blocks = withHashes(completeBlocks(height), skips);
  return {
    next: () => {
      const target = closingTarget(blocks);
      return target === undefined ? undefined : toSkip(target);
    },
    add: (seq, hash) => {
      const first = closingIndex(blocks);
      const level = first < 0 ? 1 : (blocks[first]?.level ?? 0) + 1;
      if (first >= 0) blocks.length = first;
      blocks.push({ level, seq, hash });
    },
    skips: () => blocks.filter((_, index) => isSkipped(blocks, index)).map(toSkip),
  };
}

function withHashes(blocks: readonly Block[], skips: readonly Skip[]): HashedBlock[] {
  let used = 0;
  const hashed = blocks.map((block, index) => {
    if (!isSkipped(blocks, index)) return { level: block.level, seq: block.seq, hash: undefined };
    const skip = skips[used++];
    if (skip?.seq !== block.seq) {
      throw new LogError("LOG_STATE_INVALID", `the state lacks the hash of entry ${block.seq}`);
    }
    return { level: block.level, seq: block.seq, hash: skip.hash };
  });
  if (used !== skips.length) {
    throw new LogError("LOG_STATE_INVALID", "the state has skips that no later entry can use");
  }
  return hashed;
}

function toSkip(block: HashedBlock): Skip {
  if (block.hash === undefined) {
    throw new LogError("LOG_STATE_INVALID", `the hash of entry ${block.seq} was dropped too early`);
  }
  return { seq: block.seq, hash: block.hash };
}
