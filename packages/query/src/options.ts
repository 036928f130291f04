/**
 * Options: statements that begin with `:` (docs/spec/query.md §5.8). Layer 3; pure.
 *
 * They say how a query is run, not what it matches. Unknown ones are kept for whoever knows them.
 */
import { concatBytes, utf8 } from "@hawser/codec";
import { toEscapedText } from "@hawser/packet";
import type { AbeList } from "./abe/types.ts";
import { refuse, type RuleFailure } from "./rules.ts";
import type { Query, QueryMode, QueryOption } from "./types.ts";

const modes: ReadonlySet<string> = new Set([
  "tree-asc",
  "tree-desc",
  "hash-asc",
  "hash-desc",
  "log-asc",
  "log-desc",
]);

/** What a query without the option is read in. */
const defaultMode: QueryMode = "tree-desc";

/** Names of the option that sets the mode: of Linkspace 0.5, of 0.6. */
const modeNames: readonly string[] = ["mode", "read"];

/** The mode written so, or `undefined`. */
function findMode(text: string): QueryMode | undefined {
  // Safe: the set holds the union's members and nothing else.
  return modes.has(text) ? (text as QueryMode) : undefined;
}

/** Bytes as a string of one character each: names and modes are ASCII, other bytes match nothing. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** An option of name and value, or why the value does not fit the name. */
export function createOption(
  name: string,
  value: Uint8Array | undefined,
): { readonly ok: true; readonly option: QueryOption } | RuleFailure {
  const parts = value === undefined ? [] : [{ separator: ":" as const, bytes: value }];
  return optionOfParts(utf8(name), parts);
}

/** The option an evaluated statement says: separators and parts after the leading one. */
export function optionOfParts(
  nameBytes: Uint8Array,
  parts: AbeList,
): { readonly ok: true; readonly option: QueryOption } | RuleFailure {
  const name = latin1(nameBytes);
  if (name === "") return refuse("QUERY_OPTION", "field", "a name after ':'", "option has no name");
  const texts = parts.map((part) => `${part.separator ?? ":"}${toEscapedText(part.bytes)}`);
  const option: QueryOption = {
    name,
    value: joinParts(parts),
    text: `:${toEscapedText(nameBytes)}${texts.join("")}`,
  };
  return checkOption(option);
}

function joinParts(parts: AbeList): Uint8Array | undefined {
  const [first, ...rest] = parts;
  if (first === undefined) return undefined;
  const chunks = rest.flatMap((part) => [utf8(part.separator ?? ""), part.bytes]);
  return concatBytes(first.bytes, ...chunks);
}

function checkOption(
  option: QueryOption,
): { readonly ok: true; readonly option: QueryOption } | RuleFailure {
  const { name, value } = option;
  if (modeNames.includes(name) && findMode(latin1(value ?? new Uint8Array(0))) === undefined) {
    return refuse(
      "QUERY_OPTION",
      "value",
      [...modes].join(", "),
      `:${name} names no order to read in`,
    );
  }
  if (name === "qid" && (value === undefined || value.length === 0)) {
    return refuse("QUERY_OPTION", "value", "bytes after ':qid:'", ":qid has no value");
  }
  return { ok: true, option };
}

/** The newest option of that name, or `undefined`. */
export function findOption(query: Query, name: string): QueryOption | undefined {
  return query.options.find((option) => option.name === name);
}

/** The order a query is read in: its newest `:mode` or `:read`. */
export function queryMode(query: Query): QueryMode {
  const option = query.options.find(({ name }) => modeNames.includes(name));
  return findMode(latin1(option?.value ?? new Uint8Array(0))) ?? defaultMode;
}

/** Identity of a watch, or `undefined` when the query has none. */
export function queryQid(query: Query): Uint8Array | undefined {
  return findOption(query, "qid")?.value;
}
