/**
 * Bytes as expressions, for callers of this package (docs/spec/query.md §3.1). Layer 3; pure.
 */
import { utf8 } from "@hawser/codec";
import { encodeWithText } from "./encoders.ts";
import { checkContext, createRun } from "./evaluate.ts";
import { toFailure } from "./fault.ts";
import type { Encodings } from "./scope.ts";
import { toAbeText } from "./text.ts";
import type { AbeContext, AbeVerdict } from "./types.ts";

export interface EncodeAbeOptions {
  /**
   * `exact` (default) gives only text that evaluates to the bytes again; `reference` answers as
   * Linkspace 0.5.1 does, whose `b2`, `b16` and `s` lose leading zeros or empty paths.
   */
  readonly encodings?: Encodings;
}

/**
 * The first of `options` that fits `bytes`: names of functions between `/`, such as `#/@/b:32/`, where
 * an empty one is the plain text. Falls back on the plain text, whatever is wrong with the options.
 */
export function encodeAbe(
  bytes: Uint8Array,
  options: string,
  context: AbeContext,
  how: EncodeAbeOptions = {},
): string {
  if (checkContext(context) !== undefined) return toAbeText(bytes);
  const run = createRun(context, how.encodings);
  const text = encodeWithText(bytes, utf8(options), "pass over", run, 0);
  return text.ok ? text.value : toAbeText(bytes);
}

/** As `encodeAbe`, but malformed options, a failing encoder and no fitting option are failures. */
export function tryEncodeAbe(
  bytes: Uint8Array,
  options: string,
  context: AbeContext,
  how: EncodeAbeOptions = {},
): AbeVerdict<string> {
  const refused = checkContext(context);
  if (refused !== undefined) return toFailure(refused);
  const run = createRun(context, how.encodings);
  const text = encodeWithText(bytes, utf8(options), "stop", run, 0);
  return text.ok ? text : toFailure(text);
}
