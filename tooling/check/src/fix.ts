/** `pnpm fix`: mends what can be mended without thinking, and writes what is generated. */
import { fileURLToPath } from "node:url";
import { runSteps, type Step } from "./runner.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

const steps: readonly Step[] = [
  {
    name: "lint",
    command: ["oxlint", "--fix"],
    remedy: "mend what is left by hand",
  },
  {
    name: "format",
    command: ["oxfmt", "."],
    remedy: "a file that does not parse cannot be formatted",
  },
  {
    name: "graph",
    command: [process.execPath, "tooling/check-layers/src/main.ts", "--write"],
    remedy: "the graph is drawn; what is listed above is for you",
  },
];

process.exitCode = await runSteps(steps, process.argv.slice(2), root, (line) => console.log(line));
