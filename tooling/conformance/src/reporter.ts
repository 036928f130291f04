/**
 * The vitest reporter behind docs/conformance.md.
 *
 * Every run: a title with an id that no row has fails the run. A full run (every test file, no name
 * filter) then, by HAWSER_CONFORMANCE:
 *   update  (the default outside CI) writes the document, unless a row it calls passing was skipped
 *           here: a machine that cannot run a test must not take its result away;
 *   write   writes it in any case;
 *   check   (the default when CI is set) fails if a row the document calls passing fails or has lost
 *           its tests, tells of rows that were skipped here, and writes nothing.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { relative, sep } from "node:path";
import type { Reporter, TestModule, TestRunEndReason, Vitest } from "vitest/node";
import {
  collectResults,
  type RowResult,
  type TestOutcome,
  type TestState,
  type UnknownId,
} from "./collect.ts";
import { findRegressions, renderDocument } from "./document.ts";
import { readRows, type Section } from "./rows.ts";

export type ConformanceMode = "update" | "write" | "check";

export interface ConformanceOptions {
  /** Path of the document; default `docs/conformance.md` under the root. */
  readonly documentPath: string;
  /** Default: what the environment says. */
  readonly mode?: ConformanceMode;
  /** Default: `rows.txt`. */
  readonly sections?: readonly Section[];
}

function modeOfEnvironment(): ConformanceMode {
  const asked = process.env["HAWSER_CONFORMANCE"];
  if (asked === "update" || asked === "write" || asked === "check") return asked;
  return process.env["CI"] ? "check" : "update";
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
      const { complaints, notices } = report(tests, isFull, options);
      for (const line of notices) vitest.logger.log(`conformance: ${line}`);
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
    // `test.fails` passes as long as its claim does not hold: to the row it is a failure, told as one.
    const isGap = test.options.fails === true && settled === "passed";
    const title = isGap ? `${test.fullName} (known gap)` : test.fullName;
    return { file, title, state: isGap ? "failed" : settled };
  });
}

function describeUnknown({ id, test, nearest }: UnknownId): string {
  return `no row is called ${id} (${test.file}: ${test.title}); nearest is ${nearest}. Correct the title, or add the row to tooling/conformance/rows.txt`;
}

export interface Report {
  /** What fails the run, one line each. */
  readonly complaints: readonly string[];
  /** What is worth saying. */
  readonly notices: readonly string[];
}

/** Writes or compares the document. */
export function report(
  tests: readonly TestOutcome[],
  isFull: boolean,
  options: ConformanceOptions,
): Report {
  const { sections, unknown } = collectResults(options.sections ?? readRows(), tests);
  const complaints = [...new Set(unknown.map(describeUnknown))];
  if (!isFull || complaints.length > 0) return { complaints, notices: [] };
  const { documentPath } = options;
  const mode = options.mode ?? modeOfEnvironment();
  const earlier = existsSync(documentPath) ? readFileSync(documentPath, "utf8") : undefined;
  const lost = earlier === undefined ? [] : findRegressions(earlier, sections);
  const skipped = lost.filter((row) => row.state === "not run").map((row) => row.id);
  if (mode === "check") return compare(earlier, lost, skipped, documentPath);
  if (mode === "update" && skipped.length > 0) {
    const notice = `not written, since tests of rows that passed were skipped here: ${skipped.join(", ")}`;
    return { complaints: [], notices: [notice] };
  }
  writeFileSync(documentPath, renderDocument(sections));
  return { complaints: [], notices: [] };
}

function compare(
  earlier: string | undefined,
  lost: readonly RowResult[],
  skipped: readonly string[],
  documentPath: string,
): Report {
  if (earlier === undefined) {
    const complaint = `${documentPath} is missing: run npm test once outside CI and commit it`;
    return { complaints: [complaint], notices: [] };
  }
  return {
    complaints: lost
      .filter((row) => row.state !== "not run")
      .map(
        (row) =>
          `${row.id} (${row.summary}) was passing in the committed document and is ${row.state} now`,
      ),
    notices: skipped.length === 0 ? [] : [`not run here: ${skipped.join(", ")}`],
  };
}
