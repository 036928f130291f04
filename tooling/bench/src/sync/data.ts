/** The entries that all systems sync: the same bytes for each of them. */

export const entryBytes = 200;

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** 200 ASCII characters, another text for each number; JSON keeps them as they are. */
export function entryText(number: number): string {
  let state = (number * 2_654_435_761 + 1) >>> 0;
  let text = "";
  for (let index = 0; index < entryBytes; index++) {
    // xorshift32
    state = (state ^ (state << 13)) >>> 0;
    state = (state ^ (state >>> 17)) >>> 0;
    state = (state ^ (state << 5)) >>> 0;
    text += letters[state & 63] ?? "";
  }
  return text;
}

const encoder = new TextEncoder();

/** The same entry as bytes. */
export function entryData(number: number): Uint8Array {
  return encoder.encode(entryText(number));
}

/** Entries [from, from + count) as bytes. */
export function entriesData(from: number, count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, index) => entryData(from + index));
}
