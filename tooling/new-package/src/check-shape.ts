/** `node tooling/new-package/src/check-shape.ts`: fails when a package looks unlike the others. */
import { fileURLToPath } from "node:url";
import { checkShape } from "./shape.ts";

const problems = checkShape(fileURLToPath(new URL("../../..", import.meta.url)));
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
