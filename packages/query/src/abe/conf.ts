/**
 * ABConf: settings as lines of plain ABE lists (docs/spec/query.md §4). Layer 3; pure.
 */
import { equalBytes, utf8 } from "@hawser/codec";
import { fault, toFailure, type Result } from "./fault.ts";
import { abeInputBytesMax } from "./limits.ts";
import { parseAbe, type Node } from "./parse.ts";
import { joinBytes } from "./join.ts";
import { toAbeText } from "./text.ts";
import type { AbeList, AbePart, AbeVerdict } from "./types.ts";

/** The optional first line, which says what the text is. */
const headLine = ":%abctxt";

/** Settings in the order of their lines; where several match, the first one counts. */
export interface AbeConf {
  readonly entries: readonly AbeList[];
  /**
   * The first entry that begins with `start`, separated by `:`. `undefined` when there is none.
   */
  find(start: readonly (string | Uint8Array)[]): AbeList | undefined;
  /**
   * What follows `start` in the first entry that begins with it: its one further component, empty
   * bytes when there is none. `undefined` when no entry matches, or the first has more.
   */
  value(start: readonly (string | Uint8Array)[]): Uint8Array | undefined;
}

/** Settings of a text: one list a line, without brackets. Empty lines are skipped. */
export function parseAbeConf(text: string | Uint8Array): AbeVerdict<AbeConf> {
  const input = typeof text === "string" ? utf8(text) : text;
  if (input.length > abeInputBytesMax) {
    return toFailure(fault("ABE_TOO_LARGE", 0, `at most ${abeInputBytesMax} bytes`));
  }
  const entries: AbeList[] = [];
  for (const { line, index } of splitLines(input)) {
    if (line.length === 0 || (index === 0 && equalBytes(line, utf8(headLine)))) continue;
    const entry = parseEntry(line);
    if (!entry.ok) return toFailure({ ...entry, index: entry.index + index });
    entries.push(entry.value);
  }
  return { ok: true, value: createAbeConf(entries) };
}

/** Settings of given entries. */
export function createAbeConf(entries: readonly AbeList[]): AbeConf {
  const find = (start: readonly (string | Uint8Array)[]): AbeList | undefined => {
    const wanted = start.map((item) => (typeof item === "string" ? utf8(item) : item));
    return entries.find((entry) => beginsWith(entry, wanted));
  };
  return {
    entries,
    find,
    value(start) {
      const entry = find(start);
      const rest = entry === undefined ? [] : components(entry).slice(start.length);
      if (entry === undefined || rest.length > 1) return undefined;
      if (rest[0] === undefined) return new Uint8Array(0);
      return rest[0].separator === ":" ? rest[0].bytes : undefined;
    },
  };
}

/** The settings as text that `parseAbeConf` reads, a newline behind every line. */
export function printAbeConf(entries: readonly AbeList[]): string {
  return entries.map((entry) => `${printAbeList(entry)}\n`).join("");
}

/** A list as an expression without brackets that evaluates to it. */
export function printAbeList(list: AbeList): string {
  return list.map(({ separator, bytes }) => `${separator ?? ""}${toAbeText(bytes)}`).join("");
}

/** Parts with an empty one in front of a list that begins with a separator. */
function components(entry: AbeList): readonly AbePart[] {
  if (entry[0]?.separator === undefined) return entry;
  return [{ separator: undefined, bytes: new Uint8Array(0) }, ...entry];
}

function beginsWith(entry: AbeList, wanted: readonly Uint8Array[]): boolean {
  const parts = components(entry);
  return (
    parts.length >= wanted.length &&
    wanted.every((bytes, place) => {
      const part = parts[place];
      return part !== undefined && part.separator !== "/" && equalBytes(part.bytes, bytes);
    })
  );
}

function parseEntry(line: Uint8Array): Result<AbeList> {
  const nodes = parseAbe(line, "strict");
  if (!nodes.ok) return nodes;
  const list = nodes.value.find((node) => node.kind === "list");
  if (list !== undefined) {
    return fault("ABE_SYNTAX", list.index, "a plain list, without brackets", "expr not supported");
  }
  return { ok: true, value: listOf(nodes.value) };
}

function listOf(nodes: readonly Node[]): AbeList {
  const parts: { readonly separator: AbePart["separator"]; readonly chunks: Uint8Array[] }[] = [];
  for (const node of nodes) {
    if (node.kind === "separator") parts.push({ separator: node.separator, chunks: [] });
    else if (node.kind === "bytes") {
      const last = parts.at(-1);
      if (last === undefined) parts.push({ separator: undefined, chunks: [node.bytes] });
      else last.chunks.push(node.bytes);
    }
  }
  return parts.map(({ separator, chunks }) => ({ separator, bytes: joinBytes(chunks) }));
}

function* splitLines(
  input: Uint8Array,
): Generator<{ readonly line: Uint8Array; readonly index: number }> {
  for (let start = 0; start <= input.length;) {
    const found = input.indexOf(0x0a, start);
    const end = found < 0 ? input.length : found;
    yield { line: input.subarray(start, end), index: start };
    start = end + 1;
  }
}
