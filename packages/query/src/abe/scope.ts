/**
 * What a scope is: a named set of functions and macros (docs/spec/query.md §2.5). Layer 3; pure.
 */
import { fault, type Fault, type Result } from "./fault.ts";
import { abeStepsMax } from "./limits.ts";
import type { Node } from "./parse.ts";
import type { AbeContext, AbePart } from "./types.ts";

/** One part of an evaluated list and where in the expression it began. */
export interface Part extends AbePart {
  readonly index: number;
}

/** A value, a refusal, or `undefined`: the next scope may know better. */
export type Outcome<Value = Uint8Array> = Result<Value> | undefined;

/**
 * `exact` encoders pass where their text would not evaluate to the bytes again (`[b16:00FF]` is one
 * byte); with `reference` they answer as Linkspace 0.5.1 does.
 */
export type Encodings = "exact" | "reference";

/** What one evaluation has left. Shared by everything inside it. */
export interface Budget {
  /** Takes `count` steps, and `byteCount` bytes of values; a fault when there are no more. */
  spend(count: number, byteCount: number, index: number): Fault | undefined;
}

/** Everything a function may use besides its arguments. */
export interface Run {
  readonly scopes: readonly Scope[];
  readonly context: AbeContext;
  readonly budget: Budget;
  /** How many expressions this one is inside of. */
  readonly depth: number;
  /** Which encodings are given: those that evaluate back, or all that the reference gives. */
  readonly encodings: Encodings;
  evaluate(nodes: readonly Node[], run: Run): Result<readonly Part[]>;
}

/** One call. `args` of a chained call begin with the value from its left. */
export interface Call {
  readonly args: readonly Uint8Array[];
  /** True where the call opens a bracket, false behind a `/`. */
  readonly opens: boolean;
  readonly index: number;
  readonly run: Run;
}

export interface ScopeFunction {
  readonly id: string;
  /** Where it may stand: opening a bracket, behind a `/`, or both. */
  readonly use: "open" | "any";
  /** Allowed argument counts, both included. */
  readonly counts: readonly [number, number];
  /** Its line in `[help]`; `undefined` for a second name of another function, which has none. */
  readonly help: string | undefined;
  readonly apply: (call: Call) => Outcome;
  /** Text that evaluates to the bytes; `undefined` when it has none for them. */
  readonly encode?: (bytes: Uint8Array, options: readonly Node[], run: Run) => Outcome<string>;
}

/** A macro gets its arguments as they were written. */
export interface ScopeMacro {
  readonly id: string;
  readonly help: string;
  readonly apply: (nodes: readonly Node[], index: number, run: Run) => Outcome;
}

export interface Scope {
  readonly name: string;
  readonly about: string;
  readonly functions: ReadonlyMap<string, ScopeFunction>;
  readonly macros: ReadonlyMap<string, ScopeMacro>;
}

export function createScope(
  name: string,
  about: string,
  functions: readonly ScopeFunction[],
  macros: readonly ScopeMacro[] = [],
): Scope {
  return {
    name,
    about,
    functions: new Map(functions.map((entry) => [entry.id, entry])),
    macros: new Map(macros.map((entry) => [entry.id, entry])),
  };
}

/** A fault inside a function or macro; the evaluator adds whose it is. */
export function functionFault(
  call: { readonly index: number },
  expected: string,
  said = "",
): Fault {
  return fault("ABE_FUNCTION", call.index, expected, said);
}

/** What one evaluation may spend: `abeStepsMax` elements, and values of `bytesMax` together. */
export function createBudget(bytesMax: number): Budget {
  let steps = abeStepsMax;
  let bytes = bytesMax;
  return {
    spend(count, byteCount, index) {
      steps -= count;
      bytes -= byteCount;
      if (steps < 0) return fault("ABE_TOO_LARGE", index, `at most ${abeStepsMax} steps`);
      if (bytes < 0) return fault("ABE_TOO_LARGE", index, `at most ${bytesMax} bytes of values`);
      return undefined;
    },
  };
}
