/**
 * Why a part of an expression is refused, on its way out of the evaluator. Layer 3; pure.
 *
 * A fault knows two stories: ours (what was expected, where), and what the reference says. The second
 * is made only when somebody asks, since `[/or:…]` throws most faults away.
 */
import type { AbeFailure, AbeFailureCode } from "./types.ts";

export interface Fault {
  readonly ok: false;
  readonly code: AbeFailureCode;
  /** Byte offset in the expression. */
  readonly index: number;
  /** What would have been right there. */
  readonly expected: string;
  /** The innermost function or macro that refused. */
  readonly within?: string;
  /** The reference's words where the fault is wrapped in another one. */
  readonly said: () => string;
  /** The reference's words where nothing wraps it, if they differ. */
  readonly saidBare?: () => string;
}

export type Result<Value> = { readonly ok: true; readonly value: Value } | Fault;

export function success<Value>(value: Value): Result<Value> {
  return { ok: true, value };
}

/** A fault whose reference text is `said`; empty where the reference has none. */
export function fault(
  code: AbeFailureCode,
  index: number,
  expected: string,
  said: string | (() => string) = "",
): Fault {
  return {
    ok: false,
    code,
    index,
    expected,
    said: typeof said === "string" ? () => said : said,
  };
}

/** The same fault seen from outside `within`; `wrap` is what the reference makes of its words. */
export function wrapFault(inner: Fault, within: string, wrap: (said: string) => string): Fault {
  return {
    ok: false,
    code: inner.code,
    index: inner.index,
    expected: inner.expected,
    within: inner.within ?? within,
    said: () => {
      const said = inner.said();
      return said === "" ? "" : wrap(said);
    },
  };
}

/** A fault found in another text than the expression: it is where that text is used. */
export function placeFault(inner: Fault, index: number): Fault {
  return fault(inner.code, index, inner.expected, inner.said);
}

/** The fault as the caller of this package gets it. */
export function toFailure(found: Fault): AbeFailure {
  const within = found.within === undefined ? "" : `, in ${found.within}`;
  const place = `byte ${found.index} of the expression${within}`;
  return {
    ok: false,
    code: found.code,
    index: found.index,
    expected: found.expected,
    message: `${place}: expected ${found.expected}`,
    reference: (found.saidBare ?? found.said)(),
  };
}
