/**
 * Evaluation of expressions (docs/spec/query.md §2.4). Layer 3; pure.
 */
import { utf8 } from "@hawser/codec";
import { fault, success, toFailure, wrapFault, type Fault, type Result } from "./fault.ts";
import { abeArgvMax, abeBytesMax, abeDepthMax, abePartsMax } from "./limits.ts";
import { parseAbe, type Node } from "./parse.ts";
import { applyIn } from "./call.ts";
import { joinBytes, nameText } from "./join.ts";
import { createBudget, type Call, type Encodings, type Part, type Run } from "./scope.ts";
import { scopesFor } from "./scopes.ts";
import { shownText } from "./text.ts";
import type { AbeContext, AbeList, AbeVerdict } from "./types.ts";

export interface AbeOptions {
  /** Take bytes that are no ABE text as they are. Default false. */
  readonly loose?: boolean;
  /** What `[?:…]` and its kin may answer. Default `exact`. */
  readonly encodings?: Encodings;
  /** Bytes that the evaluation may produce. Default, and at most, `abeBytesMax`. */
  readonly bytesMax?: number;
}

/** Evaluates an expression to its list of separated byte strings. Never throws for bad input. */
export function evaluateAbe(
  text: string | Uint8Array,
  context: AbeContext,
  options: AbeOptions = {},
): AbeVerdict<AbeList> {
  const refused = checkContext(context);
  if (refused !== undefined) return toFailure(refused);
  const bytes = typeof text === "string" ? utf8(text) : text;
  const nodes = parseAbe(bytes, options.loose === true ? "loose" : "strict");
  if (!nodes.ok) return toFailure(nodes);
  const run = createRun(context, options.encodings, options.bytesMax);
  const parts = evaluateNodes(nodes.value, run);
  if (!parts.ok) return toFailure(parts);
  return {
    ok: true,
    value: parts.value.map(({ separator, bytes: value }) => ({ separator, bytes: value })),
  };
}

/** A fault when the context itself cannot be used. */
export function checkContext(context: AbeContext): Fault | undefined {
  if ((context.argv?.length ?? 0) <= abeArgvMax) return undefined;
  return fault("ABE_ARGUMENTS", 0, `at most ${abeArgvMax} values in argv`, "Too many inp values");
}

/** A fresh evaluation under `context`: all its scopes and a full budget. */
export function createRun(
  context: AbeContext,
  encodings: Encodings = "exact",
  bytesMax: number = abeBytesMax,
): Run {
  return {
    scopes: scopesFor(context),
    context,
    budget: createBudget(Math.min(bytesMax, abeBytesMax)),
    depth: 0,
    encodings,
    evaluate: evaluateNodes,
  };
}

/** Evaluates the elements of one level. */
export function evaluateNodes(nodes: readonly Node[], run: Run): Result<readonly Part[]> {
  if (run.depth > abeDepthMax) {
    return fault("ABE_TOO_LARGE", nodes[0]?.index ?? 0, `at most ${abeDepthMax} levels`);
  }
  const inner: Run = { ...run, depth: run.depth + 1 };
  const parts: { separator: Part["separator"]; chunks: Uint8Array[]; index: number }[] = [];
  for (const node of nodes) {
    if (node.kind === "separator") {
      const spent = run.budget.spend(1, 0, node.index);
      if (spent !== undefined) return spent;
      parts.push({ separator: node.separator, chunks: [], index: node.index });
      continue;
    }
    const value = node.kind === "bytes" ? success(node.bytes) : evaluateList(node, inner);
    if (!value.ok) return value;
    const spent = run.budget.spend(1, value.value.length, node.index);
    if (spent !== undefined) return spent;
    const last = parts.at(-1);
    if (last === undefined) {
      parts.push({ separator: undefined, chunks: [value.value], index: node.index });
    } else last.chunks.push(value.value);
  }
  return success(
    parts.map(({ separator, chunks, index }) => ({ separator, bytes: joinBytes(chunks), index })),
  );
}

type List = Extract<Node, { kind: "list" }>;

/** Evaluates one bracket to bytes. */
function evaluateList(list: List, run: Run): Result<Uint8Array> {
  const [first, second] = list.items;
  if (first?.kind === "separator" && first.separator === "/") return evaluateMacro(list, run);
  const isPair = list.items.length === 2 && first?.kind === "bytes" && second?.kind === "list";
  if (first?.kind === "list" || isPair) {
    return fault(
      "ABE_SYNTAX",
      list.index,
      "a function's name in plain text after [",
      "function names can not be expressions",
    );
  }
  const parts = evaluateNodes(list.items, run);
  return parts.ok ? evaluatePipeline(parts.value, run) : parts;
}

/** Calls the segments between `/` from left to right, each with the value of the one before. */
function evaluatePipeline(parts: readonly Part[], run: Run): Result<Uint8Array> {
  let value: Uint8Array = new Uint8Array(0);
  for (let start = 0; start < parts.length;) {
    let end = start + 1;
    while (end < parts.length && parts[end]?.separator !== "/") end++;
    const result = evaluateSegment(parts.slice(start, end), value, run);
    if (!result.ok) return result;
    value = result.value;
    start = end;
  }
  return success(value);
}

function evaluateSegment(segment: readonly Part[], left: Uint8Array, run: Run): Result<Uint8Array> {
  const [head, ...tail] = segment;
  if (head === undefined) return success(left);
  if (segment.length > abePartsMax) {
    return fault(
      "ABE_ARGUMENTS",
      segment[abePartsMax]?.index ?? head.index,
      `at most ${abePartsMax - 1} arguments`,
      "more than 16 args not supported",
    );
  }
  const args = tail.map((part) => part.bytes);
  if (head.separator === ":") return success(joinBytes([head.bytes, ...args]));
  const opens = head.separator === undefined;
  return callFunction(head.bytes, {
    args: opens ? args : [left, ...args],
    opens,
    index: head.index,
    run,
  });
}

function callFunction(id: Uint8Array, call: Call): Result<Uint8Array> {
  const name = nameText(id);
  for (const scope of call.run.scopes) {
    const found = applyIn(scope, name, call);
    if (found === undefined) continue;
    if (found.ok) return chargeValue(found.value, call);
    return wrapFault(found, shownText(id), (said) => `func error : '${shownText(id)}' : ${said}`);
  }
  return fault(
    "ABE_NO_SUCH_FUNCTION",
    call.index,
    `a function that exists, not ${shownText(id)}`,
    () => `no such func : ${shownText(id)}`,
  );
}

function chargeValue(value: Uint8Array, call: Call): Result<Uint8Array> {
  return call.run.budget.spend(1, value.length, call.index) ?? success(value);
}

function evaluateMacro(list: List, run: Run): Result<Uint8Array> {
  const [, second, ...rest] = list.items;
  if (second === undefined) {
    return fault("ABE_SYNTAX", list.index, "a macro's name after [/", "missing eval name");
  }
  if (second.kind === "list") {
    return fault(
      "ABE_SYNTAX",
      second.index,
      "a macro's name in plain text after [/",
      "var eval name resolution disabled",
    );
  }
  if (second.kind === "bytes") return callMacro(second.bytes, rest, second.index, run);
  if (second.separator === ":") return success(dumpNodes(rest));
  // [//…]: the macro without a name gets everything from the second slash on.
  return callMacro(new Uint8Array(0), list.items.slice(1), second.index, run);
}

function callMacro(
  id: Uint8Array,
  nodes: readonly Node[],
  index: number,
  run: Run,
): Result<Uint8Array> {
  const name = nameText(id);
  for (const scope of run.scopes) {
    const found = scope.macros.get(name)?.apply(nodes, index, run);
    if (found === undefined) continue;
    if (found.ok) return run.budget.spend(1, found.value.length, index) ?? found;
    return wrapFault(
      found,
      `/${shownText(id)}`,
      (said) => `evaluator err :  '${shownText(id)}' ${said}`,
    );
  }
  return fault(
    "ABE_NO_SUCH_FUNCTION",
    index,
    `a macro that exists, not /${shownText(id)}`,
    () => `no such e-func : '/${shownText(id)}'`,
  );
}

/** Elements as the bytes they stand for, brackets and separators as characters. Bounded depth. */
function dumpNodes(nodes: readonly Node[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  const dump = (items: readonly Node[]): void => {
    for (const item of items) {
      if (item.kind === "separator") chunks.push(utf8(item.separator));
      else if (item.kind === "bytes") chunks.push(item.bytes);
      else {
        chunks.push(utf8("["));
        dump(item.items);
        chunks.push(utf8("]"));
      }
    }
  };
  dump(nodes);
  return joinBytes(chunks);
}
