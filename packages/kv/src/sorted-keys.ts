/**
 * A sorted set of strings in chunks: O(√n) inserts in practice, O(log n) seeks, ordered scans.
 */
const chunkKeysMax = 512;

export interface SortedKeys {
  readonly size: number;
  add(key: string): void;
  delete(key: string): void;
  /** Keys ≥ `from` in order, or < `from` in reverse order. */
  ascend(from: string): Generator<string, void, undefined>;
  descend(before: string | undefined): Generator<string, void, undefined>;
}

/** The first index whose item is ≥ `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A set that begins with keys in ascending order, none twice. */
export function createSortedKeys(sorted: readonly string[] = []): SortedKeys {
  const chunks: string[][] = [];
  for (let from = 0; from < sorted.length; from += chunkKeysMax / 2) {
    chunks.push(sorted.slice(from, from + chunkKeysMax / 2));
  }
  let size = sorted.length;

  /** The chunk that holds or would hold `key`: the last one that starts at or before it. */
  const chunkOf = (key: string): number => {
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((chunks[middle]?.[0] ?? "") <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  };

  return {
    get size() {
      return size;
    },
    add: (key) => {
      const index = chunkOf(key);
      const chunk = chunks[index];
      if (chunk === undefined) {
        chunks.push([key]);
        size += 1;
        return;
      }
      const position = lowerBound(chunk, key);
      if (chunk[position] === key) return;
      chunk.splice(position, 0, key);
      size += 1;
      if (chunk.length > chunkKeysMax) chunks.splice(index + 1, 0, chunk.splice(chunkKeysMax / 2));
    },
    delete: (key) => {
      const index = chunkOf(key);
      const chunk = chunks[index];
      const position = chunk === undefined ? 0 : lowerBound(chunk, key);
      if (chunk?.[position] !== key) return;
      chunk.splice(position, 1);
      size -= 1;
      if (chunk.length === 0) chunks.splice(index, 1);
    },
    *ascend(from) {
      for (let index = chunkOf(from); index < chunks.length; index++) {
        const chunk = chunks[index] ?? [];
        for (let position = lowerBound(chunk, from); position < chunk.length; position++) {
          yield chunk[position] ?? "";
        }
      }
    },
    *descend(before) {
      const last = before === undefined ? chunks.length - 1 : chunkOf(before);
      for (let index = last; index >= 0; index--) {
        const chunk = chunks[index] ?? [];
        const end = before === undefined ? chunk.length : lowerBound(chunk, before);
        for (let position = end - 1; position >= 0; position--) yield chunk[position] ?? "";
      }
    },
  };
}
