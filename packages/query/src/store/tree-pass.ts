/**
 * The pass of a query over the tree order (docs/spec/query.md §7.4). Layer 3; pure.
 *
 * Keys always ascend; `tree-desc` turns round the order of stamps within a key, as the reference
 * does. Keys are skipped by seeking, so what is read grows with the matches and the skips.
 */
import { equalBytes, compareBytes } from "@hawser/codec";
import type { CompiledQuery } from "../types.ts";
import { createKeySeeker } from "./key-seek.ts";
import { compareTreePlaces, placeAfter, placeAt, placePast } from "./place.ts";
import type { PacketStore, StoredPacket, TreePlace, TreeRow } from "./types.ts";

/** What a pass over the store may see, and where it may be stopped. */
export interface PassScope {
  /** Receive stamps, both included. */
  readonly low: number;
  readonly high: number;
  /** Called between reads; throws to stop the pass. */
  check(): void;
}

/** Rows asked for after a seek. */
const rowsMin = 4;
/** Rows asked for at most: pages double while they are read to their end. */
const rowsMax = 256;

/** Reads rows upwards, in pages. */
interface RowReader {
  /** The first row not before `place`, which must not be before the current row. */
  seek(place: TreePlace): Promise<TreeRow | undefined>;
  /** The row after the current one. */
  next(): Promise<TreeRow | undefined>;
  /** The rows of the current row's key from the current one on, when all are at hand. */
  rowsOfKey(): readonly TreeRow[] | undefined;
}

function createRowReader(store: PacketStore): RowReader {
  let page: readonly TreeRow[] = [];
  let at = 0;
  let isLast = false;
  let max = rowsMin;

  const load = async (from: TreePlace, size: number): Promise<TreeRow | undefined> => {
    max = size;
    page = await store.treeRows(from, { max });
    isLast = page.length < max;
    at = 0;
    return page[0];
  };

  return {
    async seek(place) {
      for (; at < page.length; at++) {
        const row = page[at];
        if (row !== undefined && compareTreePlaces(row, place) >= 0) return row;
      }
      return isLast ? undefined : load(place, rowsMin);
    },
    async next() {
      const current = page[at];
      at++;
      if (at < page.length || isLast || current === undefined) return page[at];
      return load(placeAfter(current), Math.min(2 * max, rowsMax));
    },
    rowsOfKey() {
      const current = page[at];
      if (current === undefined) return undefined;
      let end = at + 1;
      while (end < page.length && equalBytes(page[end]?.key ?? current.key, current.key)) end++;
      return end < page.length || isLast ? page.slice(at, end) : undefined;
    },
  };
}

/** The rows of one key with stamps from low to high, upwards. */
async function* ascendingRows(
  reader: RowReader,
  key: Uint8Array,
  stamp: { readonly low: bigint; readonly high: bigint },
): AsyncGenerator<TreeRow> {
  let row = await reader.seek(placeAt(key, stamp.low));
  while (row !== undefined && equalBytes(row.key, key) && row.stamp <= stamp.high) {
    yield row;
    row = await reader.next();
  }
}

/** The same rows downwards: out of the page where the key ends in it, in pages of their own else. */
async function* descendingRows(
  store: PacketStore,
  reader: RowReader,
  key: Uint8Array,
  stamp: { readonly low: bigint; readonly high: bigint },
): AsyncGenerator<TreeRow> {
  const isWanted = (row: TreeRow): boolean =>
    row.stamp >= stamp.low && row.stamp <= stamp.high && equalBytes(row.key, key);
  const whole = reader.rowsOfKey();
  if (whole !== undefined) {
    yield* whole.filter(isWanted).reverse();
    return;
  }
  let from = placePast(key, stamp.high);
  for (let max = rowsMin; ; max = Math.min(2 * max, rowsMax)) {
    const page = await store.treeRows(from, { max, descending: true });
    for (const row of page) {
      if (!isWanted(row)) return;
      yield row;
    }
    const last = page.at(-1);
    if (last === undefined || page.length < max) return;
    from = last;
  }
}

/**
 * Every match with a place, in tree order; those that the limit a branch refuses are left out and
 * count for nothing else.
 */
export async function* treePass(
  store: PacketStore,
  query: CompiledQuery,
  scope: PassScope,
): AsyncGenerator<StoredPacket> {
  const { stamp } = query.bounds;
  const isDescending = query.mode === "tree-desc";
  const seeker = createKeySeeker(query);
  const reader = createRowReader(store);
  for (let next = seeker.first(); next !== undefined;) {
    scope.check();
    const row = await reader.seek(placeAt(next));
    if (row === undefined) return;
    const { key } = row;
    const verdict = seeker.judge(key);
    if (!verdict.matches) {
      next = verdict.next;
      continue;
    }
    const rows = isDescending
      ? descendingRows(store, reader, key, stamp)
      : ascendingRows(reader, key, stamp);
    yield* branchMatches(store, query, scope, rows);
    next = seeker.after(key);
  }
}

/** The matches of one branch, counted. */
async function* branchMatches(
  store: PacketStore,
  query: CompiledQuery,
  scope: PassScope,
  rows: AsyncIterable<TreeRow>,
): AsyncGenerator<StoredPacket> {
  const { branch } = query.limits;
  const { hash } = query.bounds;
  let count = 0;
  for await (const row of rows) {
    scope.check();
    if (row.recv < scope.low || row.recv > scope.high) continue;
    if (compareBytes(row.hash, hash.low) < 0 || compareBytes(row.hash, hash.high) > 0) continue;
    const stored = await store.get(row.hash);
    if (stored === undefined || !query.test(stored.packet)) continue;
    if (branch.accepts(count)) yield stored;
    count++;
    if (branch.isPast(count)) return;
  }
}
