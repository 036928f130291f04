/** The conformance tools: the vitest reporter, and the freshness check of the document. */
export { checkDocument } from "./document.ts";
export { createConformanceReporter } from "./reporter.ts";
export type { Row, Section } from "./rows.ts";
export { parseRows, readRows } from "./rows.ts";
