import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { collectResults, idsOfTitle, plainTitle, type TestOutcome } from "../src/collect.ts";
import { checkDocument, findRegressions, parseDocument, renderDocument } from "../src/document.ts";
import { report } from "../src/reporter.ts";
import { parseRows, readRows } from "../src/rows.ts";

// Row ids are put together here, so that this file's own titles and sources carry none by accident.
const sections = parseRows("# First\nAA-1 One thing\nAA-2 Another\n\n# Second\nBB-x_y-z A third\n");
const tag = (id: string): string => `[${id}]`;
const folders: string[] = [];

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "conformance-"));
  folders.push(folder);
  return folder;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function outcome(title: string, state: TestOutcome["state"] = "passed", file = "a.test.ts") {
  return { file, title, state };
}

test("ids are found at the start, in describes and several in a row; other brackets are not ids", () => {
  const title = `${tag("AA-1")} ${tag("BB-x_y-z")} a [list] of [1, 2] > ${tag("AA-1")} inner`;
  expect(idsOfTitle(title)).toEqual(["AA-1", "BB-x_y-z"]);
  expect(plainTitle(title)).toBe("a [list] of [1, 2] > inner");
});

test.each([
  ["one passed", "passing", ["passed"]],
  ["one of two failed", "failing", ["passed", "failed"]],
  ["one of two was skipped", "not run", ["passed", "skipped"]],
  ["one was skipped, one failed", "failing", ["skipped", "failed"]],
  ["no test carries it", "missing", []],
] as const)("a row of which %s is %s", (_what, state, states) => {
  const tests = states.map((one) => outcome(tag("AA-1"), one));
  const results = collectResults(sections, [outcome(tag("AA-2")), ...tests]).sections;
  expect(results[0]?.rows[0]?.state).toBe(state);
});

test("an id that no row has is reported with the nearest one", () => {
  const { unknown } = collectResults(sections, [outcome(`${tag("BB-x_y")} typo`)]);
  expect(unknown).toEqual([
    { id: "BB-x_y", test: outcome(`${tag("BB-x_y")} typo`), nearest: "BB-x_y-z" },
  ]);
});

test("the document counts, lists and does not depend on the order of tests", () => {
  const tests = [
    outcome(`${tag("AA-1")} b`, "passed", "z.test.ts"),
    outcome(`${tag("AA-1")} a | with *marks* \`and\` <tags>`),
    outcome(`${tag("AA-2")} c`, "failed"),
    ...["1", "2", "3", "4", "5"].map((name) => outcome(`${tag("BB-x_y-z")} vector ${name}`)),
  ];
  const text = renderDocument(collectResults(sections, tests).sections);
  expect(renderDocument(collectResults(sections, tests.toReversed()).sections)).toBe(text);
  expect(text).toContain("| First | 2 | 1 | 1 | 0 | 0 |\n| Second | 1 | 1 | 0 | 0 | 0 |\n");
  expect(text).toContain("| **all** | 3 | 2 | 1 | 0 | 0 |");
  expect(text).toContain(
    "`a.test.ts`: a \\| with \\*marks\\* \\`and\\` \\<tags\\><br>`z.test.ts`: b |",
  );
  expect(text).toContain("vector 1; vector 2; vector 3; and 2 more |");
});

test("what was written is read back, whatever the titles are", () => {
  const ids = fc.constantFrom("AA-1", "AA-2", "BB-x_y-z");
  const state = fc.constantFrom("passed", "failed", "skipped");
  const tests = fc.array(
    fc.record({ file: fc.constant("a.test.ts"), title: fc.string(), state, id: ids }),
  );
  fc.assert(
    fc.property(tests, (list) => {
      const outcomes = list
        .filter((item) => idsOfTitle(item.title).length === 0)
        .map((item) => ({ ...item, title: `${tag(item.id)} ${item.title}` }));
      const results = collectResults(sections, outcomes).sections;
      const text = renderDocument(results);
      const expected = results.flatMap((section) => section.rows.map((row) => [row.id, row.state]));
      expect([...parseDocument(text)]).toEqual(expected);
      expect(checkDocument(text, sections)).toEqual([]);
    }),
  );
});

test("a row that passed and does not pass any more is a regression; a new failure is not", () => {
  const before = renderDocument(collectResults(sections, [outcome(tag("AA-1"))]).sections);
  const now = collectResults(sections, [outcome(tag("AA-2"), "failed")]).sections;
  expect(findRegressions(before, now).map((row) => [row.id, row.state])).toEqual([
    ["AA-1", "missing"],
  ]);
  const skipped = collectResults(sections, [outcome(tag("AA-1"), "skipped")]).sections;
  expect(findRegressions(before, skipped)).toHaveLength(1);
});

test("a stale document is found: rows, summaries, counts and hand edits", () => {
  const text = renderDocument(collectResults(sections, [outcome(`${tag("AA-1")} t`)]).sections);
  const more = parseRows("# First\nAA-1 One thing\nAA-2 Another\nAA-3 New\n");
  expect(checkDocument(text, more)).toEqual([
    "AA-3 is not in the document",
    "BB-x_y-z is not in rows.txt",
  ]);
  const renamed = parseRows("# First\nAA-1 One\nAA-2 Another\n# Second\nBB-x_y-z A third\n");
  expect(checkDocument(text, renamed)).toHaveLength(1);
  expect(checkDocument(text.replace("| *missing* |", "| passing |"), sections)).toHaveLength(1);
  expect(checkDocument(`${text}\nmore\n`, sections)).toHaveLength(1);
  expect(checkDocument(text, sections)).toEqual([]);
});

test.each([
  ["AA-1 before any section", "rows.txt:1"],
  ["# S\nAA-1 one\nAA-1 again", "AA-1 is there twice"],
  ["# S\nAA-1", "rows.txt:2: not a row"],
  ["# S\nAA-1 a | b", "rows.txt:2: not a row"],
  ["# S\nlower-1 x", "rows.txt:2: not a row"],
])("rows %j are refused", (text, message) => {
  expect(() => parseRows(text)).toThrow(message);
});

test("the committed rows parse, and hold the paper's 131", () => {
  const ids = readRows().flatMap((section) => section.rows.map((row) => row.id));
  expect(ids.filter((id) => id.startsWith("TH-"))).toHaveLength(131);
});

test("only a full run writes; check mode compares and writes nothing", () => {
  const documentPath = join(temporaryFolder(), "conformance.md");
  const passing = [outcome(`${tag("AA-1")} t`)];
  const fine = { complaints: [], notices: [] };
  expect(report(passing, false, { documentPath, sections, mode: "write" })).toEqual(fine);
  expect(existsSync(documentPath)).toBe(false);
  const absent = report(passing, true, { documentPath, sections, mode: "check" });
  expect(absent.complaints[0]).toContain("is missing");
  expect(report(passing, true, { documentPath, sections, mode: "update" })).toEqual(fine);
  const written = readFileSync(documentPath, "utf8");
  expect(report([], true, { documentPath, sections, mode: "check" }).complaints).toEqual([
    "AA-1 (One thing) was passing in the committed document and is missing now",
  ]);
  expect(report([], false, { documentPath, sections, mode: "check" })).toEqual(fine);
  expect(readFileSync(documentPath, "utf8")).toBe(written);
});

test("a row skipped here keeps its committed result, is told, and does not fail CI", () => {
  const documentPath = join(temporaryFolder(), "conformance.md");
  report([outcome(tag("AA-1"))], true, { documentPath, sections, mode: "write" });
  const written = readFileSync(documentPath, "utf8");
  const skipped = [outcome(tag("AA-1"), "skipped"), outcome(tag("AA-2"))];
  const update = report(skipped, true, { documentPath, sections, mode: "update" });
  expect(update.notices[0]).toMatch(/not written.*AA-1$/);
  const check = report(skipped, true, { documentPath, sections, mode: "check" });
  expect(check).toEqual({ complaints: [], notices: ["not run here: AA-1"] });
  expect(readFileSync(documentPath, "utf8")).toBe(written);
  report(skipped, true, { documentPath, sections, mode: "write" });
  expect(parseDocument(readFileSync(documentPath, "utf8")).get("AA-1")).toBe("not run");
});

test("in a real run: ids are collected, an unknown id fails it, a filter writes nothing", () => {
  const folder = temporaryFolder();
  const reporter = fileURLToPath(new URL("../src/reporter.ts", import.meta.url));
  const vitest = fileURLToPath(new URL("../../../node_modules/vitest/vitest.mjs", import.meta.url));
  const rows = JSON.stringify(sections);
  mkdirSync(join(folder, "node_modules"));
  writeFileSync(
    join(folder, "vitest.config.mjs"),
    `import { createConformanceReporter } from ${JSON.stringify(reporter)};
export default { test: { globals: true, reporters: [createConformanceReporter({
  documentPath: ${JSON.stringify(join(folder, "out.md"))}, sections: ${rows}, mode: "write" })] } };`,
  );
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, [vitest, "run", "--root", folder, ...args], {
      cwd: folder,
      encoding: "utf8",
    });
  const good = `describe("${tag("AA-1")} outer", () => { test("${tag("AA-2")} inner", () => {}); });`;
  writeFileSync(join(folder, "good.test.mjs"), good);
  writeFileSync(join(folder, "other.test.mjs"), `test("${tag("AA-1")} other", () => {});`);
  expect(run("good").status).toBe(0);
  expect(run("-t", "inner").status).toBe(0);
  expect(existsSync(join(folder, "out.md"))).toBe(false);
  expect(run().status).toBe(0);
  const text = readFileSync(join(folder, "out.md"), "utf8");
  expect(text).toContain(
    "| passing | `good.test.mjs`: outer \\> inner<br>`other.test.mjs`: other |",
  );
  writeFileSync(join(folder, "bad.test.mjs"), `test("${tag("AA-9")} typo", () => {});`);
  const bad = run();
  expect(bad.status).toBe(1);
  expect(bad.stderr).toContain("no row is called AA-9 (bad.test.mjs");
  expect(readFileSync(join(folder, "out.md"), "utf8")).toBe(text);
});
