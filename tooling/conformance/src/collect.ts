/**
 * From test results to row results: which tests carry which ids, and how they went.
 */
import type { Section } from "./rows.ts";

export type TestState = "passed" | "failed" | "skipped";

/** One test as the runner saw it; `title` includes the titles of the describes around it. */
export interface TestOutcome {
  readonly file: string;
  readonly title: string;
  readonly state: TestState;
}

export type RowState = "passing" | "failing" | "not run" | "missing";

export interface RowResult {
  readonly id: string;
  readonly summary: string;
  readonly state: RowState;
  /** Tests of this row by file, both in order; a title that occurs twice is listed once. */
  readonly titlesByFile: ReadonlyMap<string, readonly string[]>;
}

export interface SectionResult {
  readonly title: string;
  readonly rows: readonly RowResult[];
}

/** An id in a title that no row has. */
export interface UnknownId {
  readonly id: string;
  readonly test: TestOutcome;
  /** The known id that is closest, for the message. */
  readonly nearest: string;
}

const idPattern = /\[([A-Z][A-Z0-9]*-[A-Za-z0-9_.-]+)\]/g;

/** The bracketed row ids in a title, in order of appearance, each once. */
export function idsOfTitle(title: string): readonly string[] {
  return [...new Set([...title.matchAll(idPattern)].map((match) => match[1] ?? ""))];
}

/** The title as people read it: without ids. */
export function plainTitle(title: string): string {
  return title.replaceAll(idPattern, "").replaceAll(/\s+/g, " ").trim();
}

function stateOf(tests: readonly TestOutcome[]): RowState {
  if (tests.length === 0) return "missing";
  if (tests.some((test) => test.state === "failed")) return "failing";
  return tests.some((test) => test.state === "skipped") ? "not run" : "passing";
}

function groupTitles(tests: readonly TestOutcome[]): ReadonlyMap<string, readonly string[]> {
  const titles = new Map<string, Set<string>>();
  for (const test of tests) {
    const ofFile = titles.get(test.file) ?? new Set<string>();
    ofFile.add(plainTitle(test.title));
    titles.set(test.file, ofFile);
  }
  const files = [...titles.keys()].sort();
  return new Map(files.map((file) => [file, [...(titles.get(file) ?? [])].sort()]));
}

/** Joins rows and tests. A row passes only when every test that carries its id passed. */
export function collectResults(
  sections: readonly Section[],
  tests: readonly TestOutcome[],
): { readonly sections: readonly SectionResult[]; readonly unknown: readonly UnknownId[] } {
  const known = sections.flatMap((section) => section.rows.map((row) => row.id));
  const testsById = new Map<string, TestOutcome[]>(known.map((id) => [id, []]));
  const unknown: UnknownId[] = [];
  for (const test of tests) {
    for (const id of idsOfTitle(test.title)) {
      const ofId = testsById.get(id);
      if (ofId === undefined) unknown.push({ id, test, nearest: nearestId(id, known) });
      else ofId.push(test);
    }
  }
  const results = sections.map((section) => ({
    title: section.title,
    rows: section.rows.map((row) => {
      const ofRow = testsById.get(row.id) ?? [];
      return { ...row, state: stateOf(ofRow), titlesByFile: groupTitles(ofRow) };
    }),
  }));
  return { sections: results, unknown };
}

/** The known id with the longest common beginning, or the first one. */
function nearestId(id: string, known: readonly string[]): string {
  const common = (other: string): number => {
    let length = 0;
    while (length < id.length && id[length]?.toLowerCase() === other[length]?.toLowerCase())
      length++;
    return length;
  };
  return known.reduce(
    (best, other) => (common(other) > common(best) ? other : best),
    known[0] ?? "",
  );
}
