/** .ci/run with a fake npm: the counts, and the exit code, in every way a run can end. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface FakeRun {
  readonly checkStatus?: number;
  readonly testStatus?: number;
  /** What the test run leaves behind; undefined: nothing. */
  readonly result?: string | undefined;
}

function ciRun({ checkStatus = 0, testStatus = 0, result }: FakeRun) {
  const root = mkdtempSync(join(tmpdir(), "ci run "));
  folders.push(root);
  mkdirSync(join(root, ".ci"));
  mkdirSync(join(root, "bin"));
  copyFileSync(new URL("../../../.ci/run", import.meta.url), join(root, ".ci", "run"));
  const fake = `#!${process.execPath}
const isCheck = process.argv[2] === "run";
console.log("npm", process.argv.slice(2).join(" "), process.env.CI);
const result = ${JSON.stringify(result)};
if (!isCheck && result !== undefined) require("node:fs").writeFileSync(process.env.HAWSER_TEST_JSON, result);
process.exit(isCheck ? ${checkStatus} : ${testStatus});`;
  writeFileSync(join(root, "bin", "npm"), fake);
  chmodSync(join(root, "bin", "npm"), 0o755);
  const path = [join(root, "bin"), dirname(process.execPath), process.env["PATH"]].join(delimiter);
  const run = spawnSync("bash", [join(root, ".ci", "run")], {
    cwd: tmpdir(),
    encoding: "utf8",
    env: { ...process.env, PATH: path },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines = run.stdout.trimEnd().split("\n");
  return { lines, last: lines.at(-1), status: run.status };
}

const result = (passed: number, failed: number): string =>
  JSON.stringify({ numPassedTests: passed, numFailedTests: failed, testResults: [] });

test("runs the checks and the tests of the README, as CI", () => {
  const { lines, status } = ciRun({ result: result(12, 0) });
  expect(lines).toEqual([
    "== check",
    "npm run check true",
    "== test",
    "npm test true",
    "12 passed, 0 failed",
  ]);
  expect(status).toBe(0);
});

test.each<[string, FakeRun, string]>([
  ["a failed test", { testStatus: 1, result: result(11, 1) }, "11 passed, 1 failed"],
  ["a failed test that the exit code hides", { result: result(11, 1) }, "11 passed, 1 failed"],
  [
    "failed checks, and the tests run",
    { checkStatus: 1, result: result(12, 0) },
    "12 passed, 1 failed",
  ],
  ["both", { checkStatus: 1, testStatus: 1, result: result(9, 3) }, "9 passed, 4 failed"],
  [
    "a run that fails without a failed test",
    { testStatus: 1, result: result(12, 0) },
    "12 passed, 1 failed",
  ],
  ["no result at all", { testStatus: 1, result: undefined }, "0 passed, 1 failed"],
  ["a result that is cut off", { testStatus: 0, result: '{ "numPassed' }, "0 passed, 1 failed"],
  ["no test", { result: result(0, 0) }, "0 passed, 1 failed"],
])("%s ends with its counts and a failure", (_what, run, last) => {
  expect(ciRun(run)).toMatchObject({ last, status: 1 });
});
