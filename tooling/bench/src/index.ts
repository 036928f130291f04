/** The bench helpers: what a `*.bench.ts` file imports. */
export type { Comparison, Measurement, MeasureOptions } from "./measure.ts";
export { compare, measure } from "./measure.ts";
export { formatTable } from "./table.ts";
