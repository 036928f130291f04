/**
 * Scope "encode": evaluating text, and writing bytes as expressions (docs/spec/query.md §2.5.7).
 * Layer 3; pure.
 */
import { fromUtf8, utf8 } from "@hawser/codec";
import { encodeWith, encodeWithText, optionsFault, type EncoderErrors } from "../encoders.ts";
import { fault, placeFault, success, type Fault, type Result } from "../fault.ts";
import { parseAbe, type Node } from "../parse.ts";
import { abeBytes } from "../parts.ts";
import { debugNodes, splitNodes } from "../print-nodes.ts";
import { createScope, functionFault, type Call, type Run, type Scope } from "../scope.ts";

const none = new Uint8Array(0);

/** Evaluates the argument as an expression of its own. */
function evaluateText(call: Call): Result<Uint8Array> {
  const nodes = parseAbe(call.args[0] ?? none, "strict");
  const parts = nodes.ok ? call.run.evaluate(nodes.value, call.run) : nodes;
  // Its offsets count in the argument, which has no place in the expression.
  if (!parts.ok) return placeFault(parts, call.index);
  return success(abeBytes(parts.value));
}

function encodeArgument(call: Call): Result<string> {
  const [bytes = none, options = none] = call.args;
  if (call.args.length > 2) {
    return functionFault(call, "bytes and one argument of options", "Options not yet supported");
  }
  if (fromUtf8(options) === undefined) return optionsFault(call.index);
  return encodeWithText(bytes, options, "stop", call.run, call.index);
}

/** The inside of `[…]`, or `undefined` of text that is none. */
function insideBrackets(text: string): string | undefined {
  return text.startsWith("[") && text.endsWith("]") && text.length > 1
    ? text.slice(1, -1)
    : undefined;
}

function encodeFunction(call: Call, strip: (text: string) => string): Result<Uint8Array> {
  const text = encodeArgument(call);
  return text.ok ? success(utf8(strip(text.value))) : text;
}

/** `[fn:rest]` → `rest`; text without brackets stays. */
function withoutName(text: string): string {
  const inside = insideBrackets(text);
  if (inside === undefined) return text;
  const colon = inside.indexOf(":");
  return colon < 0 ? "" : inside.slice(colon + 1);
}

/** What follows the colon that macros of this scope begin with, or what is there instead. */
function behindColon(nodes: readonly Node[], index: number): readonly Node[] | Fault {
  const [first, ...rest] = nodes;
  if (first === undefined) {
    return fault(
      "ABE_SYNTAX",
      index,
      "a : and an expression",
      "minimum length mismatch expect 1 has 0 << [] >>",
    );
  }
  if (first.kind === "separator" && first.separator === ":") return rest;
  return fault(
    "ABE_SYNTAX",
    first.index,
    "a : before the expression",
    () => `expected ':' << ${debugNodes([first])} >>`,
  );
}

function encodeMacro(
  nodes: readonly Node[],
  index: number,
  run: Run,
  errors: EncoderErrors,
): Result<Uint8Array> {
  const rest = behindColon(nodes, index);
  if ("ok" in rest) return rest;
  const [expression = []] = splitNodes(rest, "/");
  const parts = run.evaluate(expression, run);
  if (!parts.ok) return parts;
  const options = rest.slice(expression.length + 1);
  const text = encodeWith(abeBytes(parts.value), options, errors, run, index);
  return text.ok ? success(utf8(text.value)) : text;
}

export const encodeScope: Scope = createScope(
  "encode",
  "attempt an inverse of a set of functions",
  [
    { id: "eval", use: "any", counts: [1, 1], help: "parse and evaluate", apply: evaluateText },
    {
      id: "?",
      use: "any",
      counts: [2, 8],
      help: "encode",
      apply: (call) => encodeFunction(call, (text) => text),
    },
    {
      id: "??",
      use: "any",
      counts: [2, 8],
      help: "encode - strip out '[' ']'",
      apply: (call) => encodeFunction(call, (text) => insideBrackets(text) ?? text),
    },
    {
      id: "???",
      use: "any",
      counts: [2, 8],
      help: "encode - strip out '[func:' + ']'",
      apply: (call) => encodeFunction(call, withoutName),
    },
  ],
  [
    {
      id: "?",
      help: "find an abe encoding for the value trying multiple reversal functions - [/fn:{opts}]* ",
      apply: (nodes, index, run) => encodeMacro(nodes, index, run, "stop"),
    },
    {
      id: "~?",
      help: "same as '?' but ignores all errors",
      apply: (nodes, index, run) => encodeMacro(nodes, index, run, "pass over"),
    },
    {
      id: "e",
      help:
        "eval inner expression list. Useful to avoid escapes: " +
        "eg file:{/e:/some/dir:thing}:opts does not require escapes the '/' ",
      apply: (nodes, index, run) => {
        const rest = behindColon(nodes, index);
        if ("ok" in rest) return rest;
        const parts = run.evaluate(rest, run);
        return parts.ok ? success(abeBytes(parts.value)) : parts;
      },
    },
  ],
);
