/**
 * `node tooling/check-layers/src/main.ts [--write]`: prints every finding and exits 1 when there is
 * one, or when the graph in ARCHITECTURE.md is stale; `--write` draws the graph anew.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkWorkspace } from "./check.ts";
import { renderGraph, replaceSection } from "./graph.ts";
import { findWorkspace } from "./workspace.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const documentPath = join(root, "ARCHITECTURE.md");

function checkGraph(section: string, isWriting: boolean): readonly string[] {
  const document = readFileSync(documentPath, "utf8");
  const fresh = replaceSection(document, section);
  if (fresh === undefined) return ["ARCHITECTURE.md: the two graph markers are not there"];
  if (fresh === document) return [];
  if (!isWriting) return ["ARCHITECTURE.md: the package graph is stale: run `pnpm fix`"];
  writeFileSync(documentPath, fresh);
  return [];
}

const workspace = findWorkspace(root);
const findings = checkWorkspace(workspace).map(
  (finding) => `${finding.place}: [${finding.rule}] ${finding.message}`,
);
const problems = [
  ...findings,
  ...checkGraph(renderGraph(workspace), process.argv[2] === "--write"),
];
for (const problem of problems) console.error(problem);
// A check that looked at nothing must not be green.
const files = workspace.projects.reduce((sum, project) => sum + project.files.length, 0);
if (files === 0) console.error("no source file was found");
else
  console.log(`${workspace.projects.length} projects, ${files} files, ${problems.length} findings`);
process.exitCode = problems.length === 0 && files > 0 ? 0 : 1;
