/**
 * docs/conformance.md: written from the results, and read back to compare runs. The same results
 * give the same bytes; nothing in it depends on time, speed or the order tests ran in.
 */
import type { RowResult, RowState, SectionResult } from "./collect.ts";
import type { Section } from "./rows.ts";

const states: readonly RowState[] = ["passing", "failing", "not run", "missing"];
/** Titles listed for one file; vectors can have hundreds. */
const titlesMax = 3;

const introduction = `# Conformance

Every feature and every attack the project answers for has a row; a row passes when all tests whose
title carries its id in brackets pass. A row is *failing* when one of them fails, or is marked as a known
gap: an attack that still succeeds, say. *Not run* means that a test of the row was skipped, *missing* that
no test carries the id yet. This file is written by a full test run (\`npm test\`): do not edit it.
`;

const linePattern =
  /^\| `([^`]+)` \| (.*?) \| (passing|failing|\*not run\*|\*missing\*) \| (.*) \|$/;

/** The whole document. */
export function renderDocument(sections: readonly SectionResult[]): string {
  const count = (rows: readonly RowResult[], state: RowState): number =>
    rows.filter((row) => row.state === state).length;
  const summaryLine = (title: string, rows: readonly RowResult[]): string =>
    `| ${title} | ${rows.length} | ${states.map((state) => count(rows, state)).join(" | ")} |`;
  const summary = [
    "| system | rows | passing | failing | not run | missing |",
    "|---|---:|---:|---:|---:|---:|",
    ...sections.map((section) => summaryLine(section.title, section.rows)),
    summaryLine(
      "**all**",
      sections.flatMap((section) => section.rows),
    ),
  ];
  const tables = sections.map((section) =>
    [
      `## ${section.title}`,
      "",
      "| row | what | result | tests |",
      "|---|---|---|---|",
      ...section.rows.map(renderRow),
    ].join("\n"),
  );
  return `${[introduction.trimEnd(), summary.join("\n"), ...tables].join("\n\n")}\n`;
}

function renderRow(row: RowResult): string {
  const isLoud = row.state === "passing" || row.state === "failing";
  const state = isLoud ? row.state : `*${row.state}*`;
  const tests = [...row.titlesByFile].map(([file, titles]) => {
    const shown = titles.slice(0, titlesMax).map(escapeCell).join("; ");
    const more = titles.length > titlesMax ? `; and ${titles.length - titlesMax} more` : "";
    return `\`${file}\`: ${shown}${more}`;
  });
  return `| \`${row.id}\` | ${row.summary} | ${state} | ${tests.join("<br>")} |`;
}

/** Test titles are free text: nothing in them may end a cell or start markup. */
function escapeCell(text: string): string {
  return text
    .replaceAll("\\", "\\\\")
    .replaceAll(/[|`*_<>[\]]/g, (mark) => `\\${mark}`)
    .replaceAll(/[\p{Cc}\u2028\u2029]/gu, "�");
}

/** The state of each row as a document says it. */
export function parseDocument(text: string): ReadonlyMap<string, RowState> {
  const byId = new Map<string, RowState>();
  for (const line of text.split("\n")) {
    const [, id, , state] = linePattern.exec(line) ?? [];
    if (id === undefined || state === undefined) continue;
    const plain = states.find((name) => name === state.replaceAll("*", ""));
    if (plain !== undefined) byId.set(id, plain);
  }
  return byId;
}

/** Rows that an earlier document calls passing and these results do not. */
export function findRegressions(
  earlier: string,
  sections: readonly SectionResult[],
): readonly RowResult[] {
  const before = parseDocument(earlier);
  return sections
    .flatMap((section) => section.rows)
    .filter((row) => before.get(row.id) === "passing" && row.state !== "passing");
}

/**
 * What is wrong with a committed document, without running a test: sections, rows or summaries that
 * differ from `rows.txt`, or counts on top that its own rows do not give. Empty when it is fresh.
 */
export function checkDocument(text: string, sections: readonly Section[]): readonly string[] {
  const byId = parseDocument(text);
  const known = new Set(sections.flatMap((section) => section.rows.map((row) => row.id)));
  const problems = [
    ...[...known].filter((id) => !byId.has(id)).map((id) => `${id} is not in the document`),
    ...[...byId.keys()].filter((id) => !known.has(id)).map((id) => `${id} is not in rows.txt`),
  ];
  if (problems.length > 0) return problems;
  // Written again from its own rows, all but the last column must come out the same.
  const again = renderDocument(
    sections.map((section) => ({
      title: section.title,
      rows: section.rows.map((row) => ({
        ...row,
        state: byId.get(row.id) ?? "missing",
        titlesByFile: new Map<string, readonly string[]>(),
      })),
    })),
  );
  const withoutTests = (document: string): readonly string[] =>
    document
      .split("\n")
      .map((line) => (linePattern.test(line) ? line.replace(linePattern, "$1|$2|$3") : line));
  const expected = withoutTests(again);
  const actual = withoutTests(text);
  const first = expected.findIndex((line, index) => line !== actual[index]);
  if (first === -1 && expected.length === actual.length) return [];
  return [`line ${first === -1 ? expected.length : first + 1} is not what the rows give`];
}
