/** `node tooling/docs/src/check-links.ts`: prints what is wrong and exits 1 when there is anything. */
import { fileURLToPath } from "node:url";
import { checkLinks } from "./links.ts";

const problems = checkLinks(fileURLToPath(new URL("../../..", import.meta.url)));
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
