/**
 * Splitting expressions at their top level without evaluating them (docs/spec/query.md §2.6).
 * Layer 3; pure.
 */
import { utf8 } from "@hawser/codec";
import { fault, toFailure } from "./fault.ts";
import { abeDepthMax, abeInputBytesMax } from "./limits.ts";
import { readGlyph, type Mark } from "./text.ts";
import type { AbeVerdict } from "./types.ts";

/** What may stand between tokens. */
export type AbeDelimiter = ":" | "/" | "\n" | "\t";

/** One token: the text between delimiters, as it was written. */
export interface AbeToken {
  /** The delimiter before it; `undefined` for the first. */
  readonly delimiter: AbeDelimiter | undefined;
  /** True when there is a bracket in it, so that it must be evaluated. */
  readonly hasBrackets: boolean;
  readonly text: string;
  /** Byte offset in the input. */
  readonly index: number;
}

/**
 * The tokens of `text`. Delimiters in brackets, behind a backslash or in `keep` do not split. No
 * token for no text.
 */
export function tokenizeAbe(
  text: string,
  keep: readonly AbeDelimiter[] = [],
): AbeVerdict<readonly AbeToken[]> {
  const input = utf8(text);
  if (input.length > abeInputBytesMax) {
    return toFailure(fault("ABE_TOO_LARGE", 0, `at most ${abeInputBytesMax} bytes`));
  }
  const tokens: AbeToken[] = [];
  const brackets: number[] = [];
  let token = { delimiter: undefined as AbeDelimiter | undefined, hasBrackets: false, index: 0 };
  const finish = (end: number): void => {
    tokens.push({ ...token, text: asciiText(input.subarray(token.index, end)) });
  };
  for (let index = 0; index < input.length;) {
    const glyph = readGlyph(input, index, "lines");
    if ("ok" in glyph) return toFailure(glyph);
    if (glyph.kind === "mark" && !isKept(glyph.mark, keep)) {
      if (isDelimiter(glyph.mark) && brackets.length === 0) {
        finish(index);
        token = { delimiter: glyph.mark, hasBrackets: false, index: glyph.next };
      } else {
        token.hasBrackets = true;
        const refused = countBracket(glyph.mark, index, brackets);
        if (refused !== undefined) return toFailure(refused);
      }
    }
    index = glyph.next;
  }
  const open = brackets.at(-1);
  if (open !== undefined) {
    return toFailure(fault("ABE_UNMATCHED_OPEN", open, "a ] for this [", "Unmatched '['"));
  }
  if (input.length > 0) finish(input.length);
  return { ok: true, value: tokens };
}

function isDelimiter(mark: Mark): mark is AbeDelimiter {
  return mark !== "[" && mark !== "]";
}

function isKept(mark: Mark, keep: readonly AbeDelimiter[]): boolean {
  return isDelimiter(mark) && keep.includes(mark);
}

function countBracket(
  mark: Mark,
  index: number,
  brackets: number[],
): ReturnType<typeof fault> | undefined {
  if (mark === "[") brackets.push(index);
  if (brackets.length > abeDepthMax) {
    return fault("ABE_TOO_LARGE", index, `at most ${abeDepthMax} brackets inside each other`);
  }
  if (mark !== "]" || brackets.pop() !== undefined) return undefined;
  return fault("ABE_UNMATCHED_CLOSE", index, "a [ before this ]", "Unmatched ']'");
}

/** Text of bytes that are printable ASCII, newline or tab. */
function asciiText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
