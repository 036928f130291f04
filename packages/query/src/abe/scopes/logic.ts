/**
 * Scope "logic ops": tests and alternatives (docs/spec/query.md §2.5.6). Layer 3; pure.
 */
import { equalBytes } from "@hawser/codec";
import { fault, success, type Fault, type Result } from "../fault.ts";
import { nameText } from "../join.ts";
import { parseUnsigned, sizeMax } from "../numbers.ts";
import type { Node } from "../parse.ts";
import { debugNode, joinCut, splitNodes } from "../print-nodes.ts";
import { cutText } from "../text.ts";
import { abeBytes } from "../parts.ts";
import { createScope, functionFault, type Call, type Run, type Scope } from "../scope.ts";

const none = new Uint8Array(0);

function testSize(call: Call): Result<Uint8Array> {
  const [bytes = none, operator = none, wanted = none] = call.args;
  const size = parseUnsigned(call, wanted, sizeMax);
  if (!size.ok) return size;
  if (nameText(operator) !== "=") return unknownOperator(call);
  if (BigInt(bytes.length) === size.value) return success(bytes);
  return functionFault(
    call,
    `${size.value} bytes, not ${bytes.length}`,
    `expected ${size.value} bytes got ${bytes.length}`,
  );
}

function testValue(call: Call): Result<Uint8Array> {
  const [bytes = none, operator = none, wanted = none] = call.args;
  if (nameText(operator) !== "=") return unknownOperator(call);
  if (equalBytes(bytes, wanted)) return success(bytes);
  return functionFault(call, "equal bytes", "unequal bytes");
}

function unknownOperator(call: Call): Fault {
  return functionFault(call, "the operator =", "unknown op");
}

/** The value of the first alternative that has one. */
function firstValue(nodes: readonly Node[], index: number, run: Run): Result<Uint8Array> {
  const [before = [], ...alternatives] = splitNodes(nodes, ":");
  if (before.length > 0) return fault("ABE_SYNTAX", index, ":EXPR", "expected ':EXPR'");
  const refused: { readonly nodes: readonly Node[]; readonly why: Fault }[] = [];
  for (const alternative of alternatives) {
    const parts = run.evaluate(alternative, run);
    if (parts.ok) return success(abeBytes(parts.value));
    // Running out of budget is no reason to try something else.
    if (parts.code === "ABE_TOO_LARGE") return parts;
    refused.push({ nodes: alternative, why: parts });
  }
  return fault("ABE_FUNCTION", index, "one alternative with a value", () =>
    debugList(refused, ({ nodes: tried, why }) => {
      const expression = debugList(tried, debugNode);
      return `(\n${debugItem(expression)}${debugItem(why.said())})`;
    }),
  );
}

/** The reference's indented print of a list, one item to a line; cut where it gets long. */
function debugList<Item>(items: readonly Item[], print: (item: Item) => string): string {
  if (items.length === 0) return "[]";
  return `[\n${joinCut(items, "", (item) => debugItem(print(item)))}]`;
}

function debugItem(item: string): string {
  return `${cutText(item).replace(/^/gm, "    ")},\n`;
}

export const logicScope: Scope = createScope(
  "logic ops",
  "ops are : < > = 0 1 ",
  [
    {
      id: "size?",
      use: "any",
      counts: [3, 3],
      help: "[in,OP,VAL] error unless size passes the test ( UNIMPLEMENTED )",
      apply: testSize,
    },
    {
      id: "val?",
      use: "any",
      counts: [3, 3],
      help: "[in,OP,VAL] error unless value passes the test ( UNIMPLMENTED)",
      apply: testValue,
    },
  ],
  [
    {
      id: "or",
      help:
        ":{EXPR}[:{EXPR}]* short circuit evaluate until valid return. " +
        "Empty is valid, use {_/minsize?} to error on empty",
      apply: firstValue,
    },
  ],
);
