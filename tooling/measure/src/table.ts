/** Plain text tables: the first column left-aligned, the others right-aligned. */

/** Lays out a header and rows as lines of equal columns; ends without a newline. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? "";
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  return [
    line(header),
    widths.map((width) => "─".repeat(width)).join("  "),
    ...rows.map(line),
  ].join("\n");
}

/** A rate in three significant digits: 0.25/s, 950/s, 12.3k/s, 1.40M/s. */
export function formatRate(opsPerSecond: number): string {
  if (!Number.isFinite(opsPerSecond)) return "–";
  if (opsPerSecond >= 999_500) return `${(opsPerSecond / 1e6).toPrecision(3)}M/s`;
  if (opsPerSecond >= 999.5) return `${(opsPerSecond / 1e3).toPrecision(3)}k/s`;
  return `${opsPerSecond.toPrecision(3)}/s`;
}
