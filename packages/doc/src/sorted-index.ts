/**
 * Ids sorted by key, in chunks: a seek looks at O(log n) chunks, an insertion moves one chunk. Layer 7.
 */
interface Place {
  readonly key: string;
  readonly id: string;
}

/** Keys from the first on, up to and without the second. */
export interface KeyRange {
  readonly from: string;
  readonly to: string | undefined;
}

/** Ids by key. One id may stand under several keys, and one key may have several ids. */
export interface SortedIndex {
  readonly size: number;
  add(key: string, id: string): void;
  delete(key: string, id: string): void;
  /** Ids by key, those of one key by id. The index must not change meanwhile. */
  scan(range: KeyRange, direction?: "ascending" | "descending"): Generator<string, void, undefined>;
}

const chunkPlacesMax = 512;

function isBefore(a: Place, b: Place): boolean {
  return a.key < b.key || (a.key === b.key && a.id < b.id);
}

/** An empty one. */
export function createSortedIndex(): SortedIndex {
  const chunks: Place[][] = [];
  let size = 0;

  /** The last chunk that begins at or before the place. */
  const chunkOf = (place: Place): number => {
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const first = chunks[middle]?.[0];
      if (first !== undefined && !isBefore(place, first)) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  };

  return {
    get size() {
      return size;
    },
    add: (key, id) => {
      const place = { key, id };
      const at = chunkOf(place);
      const chunk = chunks[at];
      size += 1;
      if (chunk === undefined) {
        chunks.push([place]);
        return;
      }
      chunk.splice(positionIn(chunk, place), 0, place);
      if (chunk.length > chunkPlacesMax) chunks.splice(at + 1, 0, chunk.splice(chunkPlacesMax / 2));
    },
    delete: (key, id) => {
      const place = { key, id };
      const at = chunkOf(place);
      const chunk = chunks[at];
      const position = chunk === undefined ? 0 : positionIn(chunk, place);
      const found = chunk?.[position];
      if (found?.key !== key || found.id !== id) return;
      chunk?.splice(position, 1);
      size -= 1;
      if (chunk?.length === 0) chunks.splice(at, 1);
    },
    *scan(range, direction = "ascending") {
      if (direction === "ascending") yield* ascend(chunks, range, chunkOf);
      else yield* descend(chunks, range, chunkOf);
    },
  };
}

/** How many places of a chunk come before one. */
function positionIn(chunk: readonly Place[], place: Place): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = chunk[middle];
    if (other !== undefined && isBefore(other, place)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function* ascend(
  chunks: readonly (readonly Place[])[],
  { from, to }: KeyRange,
  chunkOf: (place: Place) => number,
): Generator<string, void, undefined> {
  const start = { key: from, id: "" };
  for (let at = chunkOf(start); at < chunks.length; at++) {
    const chunk = chunks[at] ?? [];
    for (let index = positionIn(chunk, start); index < chunk.length; index++) {
      const place = chunk[index];
      if (place === undefined || (to !== undefined && place.key >= to)) return;
      yield place.id;
    }
  }
}

function* descend(
  chunks: readonly (readonly Place[])[],
  { from, to }: KeyRange,
  chunkOf: (place: Place) => number,
): Generator<string, void, undefined> {
  const end = to === undefined ? undefined : { key: to, id: "" };
  for (let at = end === undefined ? chunks.length - 1 : chunkOf(end); at >= 0; at--) {
    const chunk = chunks[at] ?? [];
    let index = (end === undefined ? chunk.length : positionIn(chunk, end)) - 1;
    for (; index >= 0; index--) {
      const place = chunk[index];
      if (place === undefined || place.key < from) return;
      yield place.id;
    }
  }
}
