/**
 * The keys of the key-value space in order: arrays of some hundred keys, one after another, so that
 * a new key moves few others. Layer 4; no I/O.
 */

const chunkKeysMax = 512;

export class SortedKeys {
  /** Ascending; no chunk is empty. */
  readonly #chunks: string[][] = [];

  add(key: string): void {
    const at = Math.max(0, this.#chunkAt(key));
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([key]);
      return;
    }
    const index = lowerBound(chunk, key);
    if (chunk[index] === key) return;
    chunk.splice(index, 0, key);
    if (chunk.length > chunkKeysMax) this.#chunks.splice(at + 1, 0, chunk.splice(chunkKeysMax / 2));
  }

  remove(key: string): void {
    const at = this.#chunkAt(key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return;
    const index = lowerBound(chunk, key);
    if (chunk[index] !== key) return;
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** Keys that start with `prefix`, ascending. */
  withPrefix(prefix: string): readonly string[] {
    const found: string[] = [];
    for (let at = Math.max(0, this.#chunkAt(prefix)); at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at] ?? [];
      for (let index = lowerBound(chunk, prefix); index < chunk.length; index++) {
        const key = chunk[index] ?? "";
        if (!key.startsWith(prefix)) return found;
        found.push(key);
      }
    }
    return found;
  }

  /** The last chunk that starts at or before `key`, or −1. */
  #chunkAt(key: string): number {
    let low = -1;
    let high = this.#chunks.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle]?.[0] ?? "") <= key) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** Index of the first key at or after `key`. */
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
