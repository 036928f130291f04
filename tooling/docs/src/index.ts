/** The documentation tools that other tools of the workspace use. */
export type { Example, ExampleResult } from "./examples.ts";
export { extractExamples, findExamples, runExample } from "./examples.ts";
export { checkLinks } from "./links.ts";
export type { FencedBlock, Heading, Link, Markdown } from "./markdown.ts";
export { readMarkdown } from "./markdown.ts";
