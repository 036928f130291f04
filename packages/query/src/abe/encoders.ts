/**
 * From bytes to an expression that evaluates to them (docs/spec/query.md §3.1). Layer 3; pure.
 */
import { equalBytes, utf8 } from "@hawser/codec";
import { fault, placeFault, success, type Fault, type Result } from "./fault.ts";
import { joinBytes, nameText } from "./join.ts";
import { parseAbe, type Node } from "./parse.ts";
import { printNodes, splitNodes } from "./print-nodes.ts";
import type { Outcome, Run } from "./scope.ts";
import { toAbeText } from "./text.ts";

export const saysNoEncoding =
  "No suitable encoding found - add a '/:' for fallback to abtxt encoding ";

/** What happens to an encoder that fails: it ends the search, or the next option is tried. */
export type EncoderErrors = "stop" | "pass over";

/**
 * Tries the options in order. An empty option is the plain text of the bytes. A fault when none fits,
 * when an option is malformed, and, with `stop`, when an encoder refuses its own options.
 */
export function encodeWith(
  bytes: Uint8Array,
  options: readonly Node[],
  errors: EncoderErrors,
  run: Run,
  index: number,
): Result<string> {
  const groups = options.length === 0 ? [] : splitNodes(options, "/");
  for (const group of groups) {
    if (group.length === 0) return success(toAbeText(bytes));
    const spent = run.budget.spend(1, bytes.length, index);
    if (spent !== undefined) return spent;
    const option = readOption(group);
    if (!option.ok) return option;
    const text = encodeIn(bytes, option.value.name, option.value.args, run);
    if (text === undefined) continue;
    if (text.ok) {
      if (run.encodings === "reference" || evaluatesTo(text.value, bytes, run)) return text;
      continue;
    }
    if (errors === "pass over") continue;
    return fault(
      "ABE_ENCODING",
      text.index,
      text.expected,
      () =>
        `Encoder '${printNodes(group.slice(0, 1))}' failed` +
        ` - set ignore_err or use /~? to suppress\n${text.said()}`,
    );
  }
  return fault(
    "ABE_ENCODING",
    index,
    "an option that fits the bytes, or / at the end",
    saysNoEncoding,
  );
}

/** Options as text, as functions and callers give them. */
export function encodeWithText(
  bytes: Uint8Array,
  options: Uint8Array,
  errors: EncoderErrors,
  run: Run,
  index: number,
): Result<string> {
  const nodes = parseAbe(options, "strict");
  if (!nodes.ok) return fault("ABE_ENCODING", index, nodes.expected, "option parse error");
  const text = encodeWith(bytes, nodes.value, errors, run, index);
  return text.ok ? text : placeFault(text, index);
}

interface Option {
  readonly name: string;
  readonly args: readonly Node[];
}

function readOption(group: readonly Node[]): Result<Option> {
  const [first, second, ...rest] = group;
  if (first?.kind === "separator" && second === undefined) return success({ name: "", args: [] });
  const isNamed = first?.kind === "bytes";
  if (isNamed && second === undefined) return success({ name: nameText(first.bytes), args: [] });
  if (isNamed && second?.kind === "separator") {
    return success({ name: nameText(first.bytes), args: rest });
  }
  return fault(
    "ABE_ENCODING",
    first?.index ?? 0,
    "the name of an encoder, and its arguments behind :",
    () =>
      "option encoding error expected [ scope [:{opts}]? ]* - " +
      `expected function id + args ( got '${printNodes(group)}')`,
  );
}

function encodeIn(
  bytes: Uint8Array,
  name: string,
  args: readonly Node[],
  run: Run,
): Outcome<string> {
  for (const scope of run.scopes) {
    const text = scope.functions.get(name)?.encode?.(bytes, args, run);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** Whether `text` is an expression for exactly these bytes. */
function evaluatesTo(text: string, bytes: Uint8Array, run: Run): boolean {
  const nodes = parseAbe(utf8(text), "strict");
  if (!nodes.ok) return false;
  const parts = run.evaluate(nodes.value, run);
  if (!parts.ok) return false;
  const [only] = parts.value;
  if (parts.value.length > 1 || only?.separator !== undefined) return false;
  return equalBytes(joinBytes(parts.value.map((part) => part.bytes)), bytes);
}

/** The faults of `[?:…]` and its kin where their options are no UTF-8. */
export function optionsFault(index: number): Fault {
  return fault("ABE_ENCODING", index, "options in UTF-8", "bad encoder");
}
