/**
 * ABE text: bytes written as printable ASCII (docs/spec/query.md §2.2). Layer 3; pure.
 *
 * Every byte has one canonical spelling here (`toAbeText`) and may be read in others: `\x41` is `A`.
 */
import { toEscapedText } from "@hawser/packet";
import { fault, toFailure, type Fault } from "./fault.ts";
import { abeShownCharactersMax } from "./limits.ts";
import type { AbeVerdict } from "./types.ts";

/** Characters that structure an expression. */
export type Mark = ":" | "/" | "[" | "]" | "\n" | "\t";

/** What stands at one offset: a byte in some spelling, or a mark; `next` is the offset after it. */
export type Glyph =
  | { readonly kind: "byte"; readonly byte: number; readonly next: number }
  | { readonly kind: "mark"; readonly mark: Mark; readonly next: number };

const marks: ReadonlyMap<number, Mark> = new Map(
  ([":", "/", "[", "]", "\n", "\t"] as const).map((mark) => [mark.charCodeAt(0), mark]),
);

const escapes: ReadonlyMap<number, number> = new Map([
  ...["[", "]", ":", "/", "\\"].map((letter): [number, number] => [
    letter.charCodeAt(0),
    letter.charCodeAt(0),
  ]),
  [0x6e, 0x0a], // n
  [0x72, 0x0d], // r
  [0x74, 0x09], // t
  [0x30, 0x00], // 0
  [0x66, 0xff], // f
]);

const backslash = 0x5c;

/**
 * Reads what stands at `index`, which must lie in `text`. Newline and tab are marks only where
 * `lines` says so, else refused as every byte outside 0x20–0x7E is.
 */
export function readGlyph(
  text: Uint8Array,
  index: number,
  lines: "lines" | "one line",
): Glyph | Fault {
  const byte = text[index] ?? 0;
  if (byte === backslash) return readEscape(text, index);
  const mark = marks.get(byte);
  if (mark !== undefined) {
    if (lines === "lines" || (mark !== "\n" && mark !== "\t")) {
      return { kind: "mark", mark, next: index + 1 };
    }
    return byteFault(byte, index, "a printable ASCII character");
  }
  if (byte >= 0x20 && byte <= 0x7e) return { kind: "byte", byte, next: index + 1 };
  return byteFault(byte, index, "a printable ASCII character");
}

function readEscape(text: Uint8Array, index: number): Glyph | Fault {
  const letter = text[index + 1];
  if (letter === 0x78) {
    const high = hexDigit(text[index + 2]);
    const low = hexDigit(text[index + 3]);
    if (high === undefined || low === undefined) return hexFault(index);
    return { kind: "byte", byte: high * 16 + low, next: index + 4 };
  }
  const byte = letter === undefined ? undefined : escapes.get(letter);
  if (byte !== undefined) return { kind: "byte", byte, next: index + 2 };
  return byteFault(backslash, index, "one of \\n \\r \\t \\0 \\f \\: \\/ \\\\ \\[ \\] \\xHH");
}

function hexDigit(byte: number | undefined): number | undefined {
  if (byte === undefined) return undefined;
  const digit = "0123456789abcdef".indexOf(String.fromCharCode(byte).toLowerCase());
  return digit < 0 ? undefined : digit;
}

function byteFault(byte: number, index: number, expected: string): Fault {
  return {
    ...fault(
      "ABE_SYNTAX",
      index,
      expected,
      () =>
        `ABTxt Error Unable to parse txt as bytes ${byte}('${debugCharacter(byte)}') at ${index}`,
    ),
    saidBare: () =>
      `AB(\n    ParseError {\n        byte: ${byte},\n        idx: ${index},\n    },\n)`,
  };
}

/** A byte as the reference prints a character for debugging. */
function debugCharacter(byte: number): string {
  const character = String.fromCharCode(byte);
  const named = new Map([
    ["\0", "\\0"],
    ["\t", "\\t"],
    ["\r", "\\r"],
    ["\n", "\\n"],
    ["\\", "\\\\"],
  ]).get(character);
  if (named !== undefined) return named;
  const isPrinted = (byte >= 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  return isPrinted ? character : `\\u{${byte.toString(16)}}`;
}

function hexFault(index: number): Fault {
  return {
    ...fault("ABE_SYNTAX", index, "two hex digits after \\x", "ABTxt Error Invalid Hex seq"),
    saidBare: () => "AB(\n    InvalidHex,\n)",
  };
}

/** True for the faults that reading loosely passes over by taking the byte as it is. */
export function isLooseByte(found: Fault, text: Uint8Array): boolean {
  return !(text[found.index] === backslash && text[found.index + 1] === 0x78);
}

/**
 * Bytes in their canonical spelling: NUL as `\0`, 0xFF as `\f`, newline, return and tab as in C,
 * `: / \ [ ]` behind a backslash, other bytes outside 0x20–0x7E as `\xhh`.
 */
export function toAbeText(bytes: Uint8Array): string {
  return toEscapedText(bytes);
}

/** The text of bytes for messages: cut where it gets long, since it may come from a peer. */
export function shownText(bytes: Uint8Array): string {
  const text = toAbeText(bytes.subarray(0, abeShownCharactersMax));
  return cutText(bytes.length > abeShownCharactersMax ? `${text}…` : text);
}

/** The text, cut where it gets long. */
export function cutText(text: string): string {
  return text.length > abeShownCharactersMax ? `${text.slice(0, abeShownCharactersMax)}…` : text;
}

/** The bytes that ABE text spells. Refuses bare `: / [ ]`, which would structure an expression. */
export function fromAbeText(text: string): AbeVerdict<Uint8Array> {
  const input = new TextEncoder().encode(text);
  const bytes = new Uint8Array(input.length);
  let size = 0;
  for (let index = 0; index < input.length;) {
    const glyph = readGlyph(input, index, "one line");
    if ("ok" in glyph) return toFailure(glyph);
    if (glyph.kind === "mark") {
      const byte = input[index] ?? 0;
      return toFailure(byteFault(byte, index, `\\${glyph.mark} for the character itself`));
    }
    bytes[size++] = glyph.byte;
    index = glyph.next;
  }
  return { ok: true, value: bytes.slice(0, size) };
}
