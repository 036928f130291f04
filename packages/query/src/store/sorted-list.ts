/**
 * A list that stays sorted: what the memory store keeps its orders in. Layer 3; pure.
 *
 * Chunks of bounded size, themselves in order: a search is two binary searches, an insertion moves
 * at most one chunk. One array would move everything behind the place, on every insertion.
 */

/** Items in the order of their places; no two items have the same place. */
export interface SortedList<Item, Place> {
  insert(item: Item): void;
  /** Up to `max` items from `place` on, inclusive; `undefined`: from the first on. */
  from(place: Place | undefined, max: number): readonly Item[];
  /** Up to `max` items before `place`, exclusive, descending; `undefined`: from the last on. */
  before(place: Place | undefined, max: number): readonly Item[];
}

const chunkItemsMax = 256;

/** An empty list ordered by `compare`. */
export function createSortedList<Item extends Place, Place>(
  compare: (a: Place, b: Place) => number,
): SortedList<Item, Place> {
  const chunks: Item[][] = [];

  /** The first chunk whose last item is not before `place`. */
  const chunkOf = (place: Place): number =>
    lowerBound(chunks.length, (index) => {
      const last = chunks[index]?.at(-1);
      return last !== undefined && compare(last, place) < 0;
    });

  const indexIn = (chunk: readonly Item[], place: Place): number =>
    lowerBound(chunk.length, (index) => {
      const item = chunk[index];
      return item !== undefined && compare(item, place) < 0;
    });

  return {
    insert(item) {
      const at = Math.max(0, Math.min(chunkOf(item), chunks.length - 1));
      const chunk = chunks[at];
      if (chunk === undefined) {
        chunks.push([item]);
        return;
      }
      chunk.splice(indexIn(chunk, item), 0, item);
      if (chunk.length > chunkItemsMax) chunks.splice(at + 1, 0, chunk.splice(chunkItemsMax / 2));
    },
    from(place, max) {
      const found: Item[] = [];
      let at = place === undefined ? 0 : chunkOf(place);
      let start = place === undefined ? 0 : indexIn(chunks[at] ?? [], place);
      for (; at < chunks.length && found.length < max; at++) {
        found.push(...(chunks[at] ?? []).slice(start, start + max - found.length));
        start = 0;
      }
      return found;
    },
    before(place, max) {
      const found: Item[] = [];
      let at = place === undefined ? chunks.length - 1 : chunkOf(place);
      let end = place === undefined ? Infinity : indexIn(chunks[at] ?? [], place);
      for (; at >= 0 && found.length < max; at--) {
        const part = (chunks[at] ?? []).slice(0, end);
        found.push(...part.slice(Math.max(0, part.length - (max - found.length))).reverse());
        end = Infinity;
      }
      return found;
    },
  };
}

/** The first index for which `isBefore` is false; it must be true up to there. */
export function lowerBound(count: number, isBefore: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
