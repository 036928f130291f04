/** The documentation tools that other tools of the workspace use. */
export type { Example, ExampleResult } from "./examples.ts";
export { extractExamples, findExamples, runExample } from "./examples.ts";
export { checkLinks } from "./links.ts";
