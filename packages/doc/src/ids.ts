/**
 * Ids made here: sortable by the time they were made, like ULIDs in lower case. Layer 7.
 */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** What ids are made of. */
export interface IdSources {
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** So many random bytes. */
  readonly random: (byteCount: number) => Uint8Array;
}

/** Gives ids of 26 characters: 48 bits of time, 80 random bits. Each is greater than the last. */
export function createIdMaker({ nowMs, random }: IdSources): () => string {
  let lastMs = -1;
  let digits: number[] = [];
  return () => {
    const ms = Math.max(lastMs, Math.min(Math.floor(nowMs()), 2 ** 48 - 1), 0);
    if (ms > lastMs) digits = Array.from(random(16), (byte) => byte & 31);
    else digits = increment(digits);
    lastMs = ms;
    return timeText(ms) + digits.map((digit) => alphabet[digit] ?? "0").join("");
  };
}

/** The platform's clock and random numbers. */
export const platformIds: IdSources = {
  nowMs: () => Date.now(),
  random: (byteCount) => globalThis.crypto.getRandomValues(new Uint8Array(byteCount)),
};

function increment(digits: readonly number[]): number[] {
  const next = [...digits];
  for (let index = next.length - 1; index >= 0; index--) {
    const digit = next[index] ?? 0;
    next[index] = (digit + 1) & 31;
    if (digit < 31) break;
  }
  return next;
}

function timeText(ms: number): string {
  let text = "";
  for (let rest = ms, index = 0; index < 10; index++) {
    text = (alphabet[rest % 32] ?? "0") + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
