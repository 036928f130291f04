/**
 * How the reference implementation words what contradicts a query. Layer 3; pure. For tools that
 * must answer as it does.
 */
import type { QueryOperator } from "./fields.ts";
import type { QueryConflict, QueryFailure } from "./types.ts";

/** The reference's error for a contradiction. */
export interface ReferenceQueryError {
  /** Outermost first: what was done, the rule, the reason. */
  readonly chain: readonly string[];
  /** The chain as its command line prints it, over several lines. */
  readonly text: string;
}

const operatorNames: { readonly [operator in QueryOperator]?: string } = {
  "=": "Equal",
  "<": "Less",
  ">": "Greater",
  "0": "Mask0",
  "1": "Mask1",
};

/** The reference's error, or `undefined` where it has none or another on every build. */
export function referenceQueryError(failure: QueryFailure): ReferenceQueryError | undefined {
  const { conflict } = failure;
  const reason = conflict === undefined ? undefined : referenceReason(conflict);
  if (conflict === undefined || reason === undefined) return undefined;
  const top = `Error adding rule '${conflict.field}'`;
  return {
    chain: [top, conflict.rule, reason],
    text: `${top}\n\nCaused by:\n    0: ${conflict.rule}\n    1: ${reason}`,
  };
}

function referenceReason({ cause, field, operator, value }: QueryConflict): string | undefined {
  switch (cause) {
    case "number":
    case "type":
      return `incompatible ${operatorNames[operator] ?? operator} ${value ?? 0n}`;
    case "recv":
      return `incompatible bound ${operatorNames[operator] ?? operator} ${value ?? 0n}`;
    case "prefix":
      return "space prefix conflict";
    case "equality":
      // The reference spells it so.
      return field === "prefix"
        ? "prefix only supports equallity "
        : "space only supports equallity";
    case "results":
      return "maximum number of results is 0";
    case "passes":
      return "both new and log have no accept conditions";
    case "bytes":
      return undefined;
  }
}
