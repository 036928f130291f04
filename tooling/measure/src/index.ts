/**
 * What a bench file imports. A package of its own, below every bench: packages may depend on it
 * without a cycle.
 */
export type { Comparison, Measurement, MeasureOptions } from "./measure.ts";
export { compare, measure } from "./measure.ts";
export { formatTable } from "./table.ts";
