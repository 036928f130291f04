/**
 * The vitest reporter behind docs/conformance.md.
 *
 * Every run: a title with an id that no row has fails the run. A full run (every test file, no name
 * filter) then, by HAWSER_CONFORMANCE:
 *   write  (the default outside CI) writes the document;
 *   check  (the default when CI is set) fails if a row the committed document calls passing does
 *          not pass now, and writes nothing.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { relative, sep } from "node:path";
import type { Reporter, TestModule, TestRunEndReason, Vitest } from "vitest/node";
import { collectResults, type TestOutcome, type TestState, type UnknownId } from "./collect.ts";
import { findRegressions, renderDocument } from "./document.ts";
import { readRows, type Section } from "./rows.ts";

export interface ConformanceOptions {
  /** Path of the document; default `docs/conformance.md` under the root. */
  readonly documentPath: string;
  /** Default: what the environment says. */
  readonly mode?: "write" | "check";
  /** Default: `rows.txt`. */
  readonly sections?: readonly Section[];
}

function modeOfEnvironment(): "write" | "check" {
  const asked = process.env["HAWSER_CONFORMANCE"];
  if (asked === "write" || asked === "check") return asked;
  return process.env["CI"] ? "check" : "write";
}

/** A reporter for the `reporters` list of a vitest configuration. */
export function createConformanceReporter(options: ConformanceOptions): Reporter {
  let vitest: Vitest | undefined;
  return {
    onInit: (context) => {
      vitest = context;
    },
    onTestRunEnd: async (modules, _errors, reason) => {
      if (vitest === undefined) return;
      const tests = modules.flatMap((module) => outcomesOf(module, vitest?.config.root ?? ""));
      const isFull = await isFullRun(vitest, modules, reason);
      const complaints = report(tests, isFull, options);
      for (const line of complaints) vitest.logger.error(`conformance: ${line}`);
      if (complaints.length > 0) process.exitCode = 1;
    },
  };
}

/** True when every test file ran to its end and no filter on names or files was set. */
async function isFullRun(
  vitest: Vitest,
  modules: readonly TestModule[],
  reason: TestRunEndReason,
): Promise<boolean> {
  if (reason === "interrupted" || vitest.config.testNamePattern !== undefined) return false;
  const ran = new Set(modules.map((module) => module.moduleId));
  const all = await vitest.globTestSpecifications();
  return all.length > 0 && all.every((specification) => ran.has(specification.moduleId));
}

function outcomesOf(module: TestModule, root: string): readonly TestOutcome[] {
  const file = relative(root, module.moduleId).split(sep).join("/");
  return [...module.children.allTests()].map((test) => {
    const { state } = test.result();
    // A test that never finished did not pass.
    const settled: TestState = state === "pending" ? "failed" : state;
    return { file, title: test.fullName, state: settled };
  });
}

function describeUnknown({ id, test, nearest }: UnknownId): string {
  return `no row is called ${id} (${test.file}: ${test.title}); nearest is ${nearest}. Correct the title, or add the row to tooling/conformance/rows.txt`;
}

/** Writes or compares the document; returns what is wrong, one line each. */
export function report(
  tests: readonly TestOutcome[],
  isFull: boolean,
  options: ConformanceOptions,
): readonly string[] {
  const { sections, unknown } = collectResults(options.sections ?? readRows(), tests);
  const complaints = [...new Set(unknown.map(describeUnknown))];
  if (!isFull || complaints.length > 0) return complaints;
  if ((options.mode ?? modeOfEnvironment()) === "write") {
    writeFileSync(options.documentPath, renderDocument(sections));
    return [];
  }
  if (!existsSync(options.documentPath)) {
    return [`${options.documentPath} is missing: run npm test once outside CI and commit it`];
  }
  return findRegressions(readFileSync(options.documentPath, "utf8"), sections).map(
    (row) =>
      `${row.id} (${row.summary}) was passing in the committed document and is ${row.state} now`,
  );
}
