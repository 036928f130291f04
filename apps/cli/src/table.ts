/** A plain table for terminals: left-aligned names, right-aligned numbers, no colours. */
export function formatTable(title: string, rows: readonly (readonly [string, string])[]): string {
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const valueWidth = Math.max(...rows.map(([, value]) => value.length));
  const rule = "─".repeat(nameWidth + valueWidth + 4);
  const body = rows.map(
    ([name, value]) => `  ${name.padEnd(nameWidth)}  ${value.padStart(valueWidth)}`,
  );
  return [title, rule, ...body, rule].join("\n");
}

const groups = new Intl.NumberFormat("en-US");

/** 1234567 → "1,234,567". */
export function formatCount(value: number): string {
  return groups.format(value);
}

/** Bytes with a unit a person reads, and the exact count where the unit hides it. */
export function formatBytes(value: number): string {
  if (value < 10_000) return `${formatCount(value)} B`;
  if (value < 10_000_000) return `${formatCount(Math.round(value / 1_000))} kB`;
  return `${formatCount(Math.round(value / 1_000_000))} MB`;
}

export function formatDuration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** "1 file", "2 files"; the plural is given where an s does not make it. */
export function plural(count: number, word: string, words: string = `${word}s`): string {
  return `${formatCount(count)} ${count === 1 ? word : words}`;
}
