/**
 * The rows: every feature and every attack the project answers for, from `rows.txt`. A line is
 * `<id> <one-line summary>`, a line `# <title>` starts a section, in the order of the document.
 */
import { readFileSync } from "node:fs";

export interface Row {
  readonly id: string;
  readonly summary: string;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

const rowPattern = /^([A-Z][A-Z0-9]*-[A-Za-z0-9_.-]+) (\S.*)$/;

/** Parses the text of `rows.txt`; throws an Error that names the line that is wrong. */
export function parseRows(text: string): readonly Section[] {
  const sections: { readonly title: string; readonly rows: Row[] }[] = [];
  const seen = new Set<string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    if (line.startsWith("# ")) {
      sections.push({ title: line.slice(2).trim(), rows: [] });
      continue;
    }
    const [, id, summary] = rowPattern.exec(line.trimEnd()) ?? [];
    const section = sections.at(-1);
    const isWhole = id !== undefined && summary !== undefined && section !== undefined;
    // The document is a Markdown table: a bar in a summary would break its row.
    if (!isWhole || summary.includes("|"))
      throw new Error(`rows.txt:${index + 1}: not a row: ${line}`);
    if (seen.has(id)) throw new Error(`rows.txt:${index + 1}: ${id} is there twice`);
    seen.add(id);
    section.rows.push({ id, summary });
  }
  return sections;
}

/** The committed rows. */
export function readRows(): readonly Section[] {
  return parseRows(readFileSync(new URL("../rows.txt", import.meta.url), "utf8"));
}
