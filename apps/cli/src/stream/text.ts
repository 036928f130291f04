/** How streams and blocks are shown to a person, and to a program. */
import { toBase64url, toHex } from "@hawser/codec";
import type { BlockInfo, Metadata, MetadataValue, Recovery, Stream } from "@hawser/stream";
import { formatCount, plural } from "../table.ts";

/** Bytes with a unit a person reads. */
export { formatBytes } from "../table.ts";

/** Lines of names and values, the values in one column. */
export function formatFields(fields: readonly (readonly [string, string | undefined])[]): string {
  const shown = fields.filter(
    (field): field is readonly [string, string] => field[1] !== undefined,
  );
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd()).join("\n");
}

/** Rows under a header; columns of numbers are given by index and stand to the right. */
export function formatRows(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  rightColumns: readonly number[],
): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? "").length)),
  );
  const print = (line: readonly string[]): string =>
    line
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return rightColumns.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return lines.map(print).join("\n");
}

/** µs since the epoch as a time; what no calendar holds as the number. */
export function formatTime(stamp: number): string {
  const date = new Date(stamp / 1_000);
  return Number.isNaN(date.getTime()) ? `${stamp} µs` : date.toISOString().replace(/\.\d+Z$/, "Z");
}

/** Longer metadata are cut where a line shows them. */
const lineCharactersMax = 60;

/** A value on one line: an author's line break must not begin a line that looks like ours. */
export function formatValue(value: MetadataValue): string {
  const text = typeof value === "string" ? value : JSON.stringify(toJson(value));
  const line = text.replaceAll(/\s+/g, " ");
  return line.length > lineCharactersMax ? `${line.slice(0, lineCharactersMax - 1)}…` : line;
}

/** Bytes as `{"base64url": "…"}`, as the HTTP handler prints them. */
export function toJson(value: MetadataValue | Metadata): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, inner: unknown) =>
      inner instanceof Uint8Array ? { base64url: toBase64url(inner) } : inner,
    ),
  );
}

/** What is told of a block in one JSON object. */
export function blockFields(info: BlockInfo): Readonly<Record<string, unknown>> {
  const { seq, kind, byteCount, isSigned, isEncrypted, recipientCount, directive, target } = info;
  return {
    seq,
    kind,
    hash: toHex(info.hash),
    time: formatTime(info.stamp),
    byteCount,
    signed: isSigned,
    encrypted: isEncrypted,
    recipients: recipientCount,
    ...(directive === undefined ? {} : { directive }),
    ...(target === undefined ? {} : { target }),
    offset: info.offset,
  };
}

/** What lies behind the verified end, or `undefined` when nothing does. */
export function formatRecovery({ recoveredBytes, damage }: Recovery): string | undefined {
  if (recoveredBytes === 0 && damage === undefined) return undefined;
  const bytes = `${formatCount(recoveredBytes)} ${recoveredBytes === 1 ? "byte" : "bytes"}`;
  if (damage === undefined) return `${bytes} left by an append that was cut off`;
  return `${bytes} that do not verify: ${damage.code}, ${damage.message}`;
}

/** "5 entries: the manifest and 4 blocks". */
export function formatHeight(stream: Pick<Stream, "height">): string {
  const more = stream.height - 1;
  return more === 0 ? "1 entry, the manifest" : `${plural(stream.height, "entry", "entries")}`;
}
