/**
 * Signed entries by the first bytes of their hashes: a hash table in flat numbers, about 40 bytes an
 * entry. Layer 4; no I/O. Entries that were pruned stay until the table grows; who looks one up
 * compares the whole hash anyway.
 */
import type { SignedPlace } from "./records.ts";

/** A place of the table. */
export interface SignedEntry {
  readonly log: number;
  readonly seq: number;
}

export class SignedTable {
  /** Prefix + 1; 0 is empty. */
  #keys = new Float64Array(64);
  #logs = new Uint32Array(64);
  #seqs = new Float64Array(64);
  #count = 0;
  readonly #isKept: (entry: SignedEntry) => boolean;

  /** `isKept` says, when the table grows, which entries are worth a place. */
  constructor(isKept: (entry: SignedEntry) => boolean) {
    this.#isKept = isKept;
  }

  add(log: number, place: SignedPlace): void {
    if (this.#count * 3 >= this.#keys.length * 2) this.#grow();
    this.#insert(place.prefix + 1, log, place.seq);
  }

  /** Entries whose hashes begin like this. */
  find(prefix: number): readonly SignedEntry[] {
    const found: SignedEntry[] = [];
    const mask = this.#keys.length - 1;
    for (let slot = slotOf(prefix + 1, mask); this.#keys[slot] !== 0; slot = (slot + 1) & mask) {
      if (this.#keys[slot] !== prefix + 1) continue;
      found.push({ log: this.#logs[slot] ?? 0, seq: this.#seqs[slot] ?? 0 });
    }
    return found;
  }

  #insert(key: number, log: number, seq: number): void {
    const mask = this.#keys.length - 1;
    let slot = slotOf(key, mask);
    while (this.#keys[slot] !== 0) slot = (slot + 1) & mask;
    this.#keys[slot] = key;
    this.#logs[slot] = log;
    this.#seqs[slot] = seq;
    this.#count++;
  }

  #grow(): void {
    const [keys, logs, seqs] = [this.#keys, this.#logs, this.#seqs];
    const isKept = keys.map((key, slot) => {
      const entry = { log: logs[slot] ?? 0, seq: seqs[slot] ?? 0 };
      return key !== 0 && this.#isKept(entry) ? 1 : 0;
    });
    const keptCount = isKept.reduce((sum, kept) => sum + kept, 0);
    const size = keptCount * 3 >= keys.length ? keys.length * 2 : keys.length;
    this.#keys = new Float64Array(size);
    this.#logs = new Uint32Array(size);
    this.#seqs = new Float64Array(size);
    this.#count = 0;
    for (const [slot, key] of keys.entries()) {
      if (isKept[slot] === 1) this.#insert(key, logs[slot] ?? 0, seqs[slot] ?? 0);
    }
  }
}

/** Hashes are random, except that an author may search for ones whose prefixes collide: mixed. */
function slotOf(key: number, mask: number): number {
  const low = key % 2 ** 24;
  const high = Math.floor(key / 2 ** 24);
  return (Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b) ^ (low >>> 7)) & mask;
}
