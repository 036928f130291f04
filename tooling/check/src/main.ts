/** `pnpm check [step…]`: every check that needs no test run, or the named ones. */
import { fileURLToPath } from "node:url";
import { runSteps, type Step } from "./runner.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const node = process.execPath;

const steps: readonly Step[] = [
  {
    name: "format",
    command: ["oxfmt", "--check", "."],
    remedy: "pnpm fix",
  },
  {
    name: "lint",
    command: ["oxlint", "--deny-warnings"],
    remedy: "pnpm fix mends some; each finding says what helps with the others",
  },
  {
    name: "types",
    command: ["tsc", "-p", "."],
    remedy: "mend the types; a cast needs a `// Safe:` line",
  },
  {
    name: "page-types",
    command: ["tsc", "-p", "apps/notes"],
    remedy: "mend the types of the page, which runs in browsers",
  },
  {
    name: "layers",
    command: [node, "tooling/check-layers/src/main.ts"],
    remedy: "import a lower layer, inject what is of the platform; pnpm fix draws the graph anew",
  },
  {
    name: "dead-code",
    command: ["knip", "--no-progress", "--no-config-hints"],
    remedy: "delete what nobody uses, or drop its `export`",
  },
  {
    name: "shape",
    command: [node, "tooling/new-package/src/check-shape.ts"],
    remedy: "make the package look like its siblings: tooling/new-package/template",
  },
  {
    name: "links",
    command: [node, "tooling/docs/src/check-links.ts"],
    remedy: "correct the link or citation, or write what it points to",
  },
  {
    name: "conformance",
    command: [node, "tooling/check/src/conformance.ts"],
    remedy: "npm test writes docs/conformance.md anew; commit it",
  },
  {
    name: "changesets",
    command: [node, "tooling/check/src/changesets.ts"],
    remedy: "pnpm changeset, and say what users notice",
  },
  {
    name: "examples",
    command: [node, "tooling/docs/src/run-examples.ts"],
    remedy: "pnpm docs-run <package> runs the examples of one README",
  },
  {
    name: "packages",
    command: [node, "tooling/pack-check/src/main.ts"],
    remedy: "look at exports, files and dependencies of the package's package.json",
  },
];

// oxlint, tsc and their like print colours only where they see a terminal; here they never do.
process.exitCode = await runSteps(steps, process.argv.slice(2), root, (line) => console.log(line));
