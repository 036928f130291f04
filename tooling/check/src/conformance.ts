/** Fails when docs/conformance.md does not fit the rows; results are compared by the test run. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { checkDocument, readRows } from "@hawser-tooling/conformance";

const path = fileURLToPath(new URL("../../../docs/conformance.md", import.meta.url));
const problems = existsSync(path)
  ? checkDocument(readFileSync(path, "utf8"), readRows())
  : ["the file is missing"];
for (const problem of problems) console.error(`docs/conformance.md: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
