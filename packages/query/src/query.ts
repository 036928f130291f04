/**
 * Query: rules and options as one immutable value (docs/spec/query.md §5). Layer 3; pure.
 */
import { utf8 } from "@hawser/codec";
import { hashBytes } from "@hawser/packet";
import type { AbeContext } from "./abe/types.ts";
import { QueryError } from "./errors.ts";
import { createOption } from "./options.ts";
import { printRule, type PrintForm } from "./rule.ts";
import { addRule, addRules, listRules, noRules, type RuleFailure } from "./rules.ts";
import {
  placeFailure,
  readStatement,
  ruleStatement,
  type Statement,
  type StatementFailure,
} from "./statement.ts";
import type { Query, QueryFailure, QueryOption, QueryRules, QueryVerdict } from "./types.ts";

/** Bytes of a query's text. Queries come from peers, in pull requests. */
export const queryTextBytesMax = 65_536;
/** Lines of a query's text, and options a query may have. */
export const queryStatementsMax = 1_000;

/** What a query consists of. */
interface Parts {
  readonly rules: QueryRules;
  readonly options: readonly QueryOption[];
}

const noParts: Parts = { rules: noRules, options: [] };

/** The query without rules and options: every packet. */
export function createQuery(): Query {
  return queryOf(noParts);
}

/**
 * A query of a text, one statement a line, or of a list of texts added one after another. Lines may
 * be indented; empty ones are skipped. Of the options of one text the first is the newest, as in
 * printed queries; those of later texts in a list are newer.
 */
export function parseQuery(
  text: string | Uint8Array | readonly string[],
  context: AbeContext,
): QueryVerdict {
  return verdictOf(addText(noParts, text, context));
}

/** The intersection of all; options of later queries are newer. */
export function concatQueries(queries: readonly Query[]): QueryVerdict {
  return verdictOf(addQueries(noParts, queries));
}

/**
 * One packet by its hash: `hash:=:…`, `i:=:0`, `:mode:hash-asc`. Throws QueryError
 * QUERY_HASH_BYTES unless `hash` has 32 bytes.
 */
export function hashQuery(hash: Uint8Array): Query {
  if (hash.length !== hashBytes) {
    throw new QueryError("QUERY_HASH_BYTES", `hash has ${hash.length} bytes, not ${hashBytes}`);
  }
  const ruled = verdictOf(addNamedRule(noParts, "hash", "=", hash));
  const moded = ruled.ok ? ruled.query.withOption("mode", utf8("hash-asc")) : ruled;
  if (!moded.ok) throw new QueryError("QUERY_HASH_BYTES", moded.message);
  return moded.query;
}

/**
 * The canonical text: options (newest first), an empty line, rules in a fixed order; each line ends
 * in a newline. Queries of the same rules and options have the same text, and it parses to them.
 * `expressions: false` writes values as escaped bytes; default true.
 */
export function printQuery(query: Query, options: { readonly expressions?: boolean } = {}): string {
  const form: PrintForm = options.expressions === false ? "text" : "expressions";
  const lines = [
    ...query.options.map((option) => option.text),
    "",
    ...listRules(query.rules).map((rule) => printRule(rule, form)),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

type PartsVerdict = { readonly ok: true; readonly parts: Parts } | QueryFailure;

function queryOf(parts: Parts): Query {
  return {
    ...parts,
    with: (field, operator, value) => verdictOf(addNamedRule(parts, field, operator, value)),
    withStatement: (statement, context) => verdictOf(addText(parts, [statement], context)),
    withOption: (name, value) => {
      const made = createOption(name, value);
      if (!made.ok) return withoutText(made);
      return verdictOf(addOptions(parts, [made.option]));
    },
    concat: (queries) => verdictOf(addQueries(parts, queries)),
  };
}

function verdictOf(verdict: PartsVerdict): QueryVerdict {
  return verdict.ok ? { ok: true, query: queryOf(verdict.parts) } : verdict;
}

/** One text, or several added one after another. */
function addText(
  parts: Parts,
  text: string | Uint8Array | readonly string[],
  context: AbeContext,
): PartsVerdict {
  const isList = typeof text !== "string" && !(text instanceof Uint8Array);
  const texts = splitTexts(isList ? text : [text]);
  if (texts === undefined) {
    return tooLarge(`at most ${queryStatementsMax} statements in ${queryTextBytesMax} bytes`);
  }
  let { rules } = parts;
  const blocks: (readonly QueryOption[])[] = [];
  for (const [place, lines] of texts.entries()) {
    const added = addLines(rules, lines, context);
    if (!added.ok) return isList ? { ...added, statement: place } : added;
    rules = added.parts.rules;
    blocks.push(added.parts.options);
  }
  return addOptions({ ...parts, rules }, blocks.reverse().flat());
}

/** Merges the lines of one text into `rules`; gives its options in their order. */
function addLines(
  start: QueryRules,
  lines: readonly Uint8Array[],
  context: AbeContext,
): PartsVerdict {
  let rules = start;
  const options: QueryOption[] = [];
  for (const [statement, line] of lines.entries()) {
    const trimmed = withoutIndent(line);
    if (trimmed.length === 0) continue;
    const read = readStatement(trimmed, context);
    const added = read.ok ? addStatement(rules, read, trimmed, options) : read;
    if (!added.ok) {
      const indent = line.length - trimmed.length;
      return { ...added, statement, index: added.index + indent };
    }
    rules = added.rules;
  }
  return { ok: true, parts: { rules, options } };
}

/** Merges a rule into `rules`, or puts an option after the `options` of the same text. */
function addStatement(
  rules: QueryRules,
  statement: Statement,
  text: Uint8Array,
  options: QueryOption[],
): { readonly ok: true; readonly rules: QueryRules } | StatementFailure {
  if (statement.kind === "option") {
    options.push(statement.option);
    return { ok: true, rules };
  }
  const verdict = addRule(rules, statement.rule);
  return verdict.ok ? verdict : placeFailure(verdict, text);
}

/** Lines of each text in bytes, or `undefined` where there is more than a query may have. */
function splitTexts(
  texts: readonly (string | Uint8Array)[],
): readonly (readonly Uint8Array[])[] | undefined {
  const split: (readonly Uint8Array[])[] = [];
  let byteCount = 0;
  let lineCount = 0;
  for (const text of texts) {
    byteCount += text.length;
    // A character is a byte at least, so what is too long shows before it is copied.
    if (byteCount > queryTextBytesMax) return undefined;
    const lines = splitLines(typeof text === "string" ? utf8(text) : text);
    lineCount += lines.length;
    if (lineCount > queryStatementsMax) return undefined;
    split.push(lines);
  }
  return split;
}

function splitLines(text: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let index = 0; index <= text.length; index++) {
    if (index < text.length && text[index] !== 0x0a) continue;
    lines.push(text.subarray(start, index));
    start = index + 1;
  }
  return lines;
}

/** A line without leading spaces and tabs: no field begins with one, while a value may end in one. */
function withoutIndent(line: Uint8Array): Uint8Array {
  const start = line.findIndex((byte) => byte !== 0x20 && byte !== 0x09);
  return start < 0 ? line.subarray(line.length) : line.subarray(start);
}

function addNamedRule(
  parts: Parts,
  field: string,
  operator: string,
  value: Uint8Array,
): PartsVerdict {
  const statement = ruleStatement(utf8(field), utf8(operator), [{ separator: ":", bytes: value }]);
  if (!statement.ok) return withoutText(statement);
  if (statement.kind === "option") return { ok: true, parts };
  const verdict = addRule(parts.rules, statement.rule);
  if (!verdict.ok) return withoutText(verdict);
  return { ok: true, parts: { ...parts, rules: verdict.rules } };
}

function addQueries(parts: Parts, queries: readonly Query[]): PartsVerdict {
  let merged = parts;
  for (const query of queries) {
    const verdict = addRules(merged.rules, query.rules);
    if (!verdict.ok) return withoutText(verdict);
    const added = addOptions({ ...merged, rules: verdict.rules }, query.options);
    if (!added.ok) return added;
    merged = added.parts;
  }
  return { ok: true, parts: merged };
}

function addOptions(parts: Parts, options: readonly QueryOption[]): PartsVerdict {
  if (options.length === 0) return { ok: true, parts };
  const all = [...options, ...parts.options];
  if (all.length > queryStatementsMax) return tooLarge(`at most ${queryStatementsMax} options`);
  return { ok: true, parts: { ...parts, options: all } };
}

function tooLarge(expected: string): QueryFailure {
  return {
    ok: false,
    code: "QUERY_TOO_LARGE",
    statement: 0,
    index: 0,
    expected,
    message: "query is too large",
    conflict: undefined,
  };
}

function withoutText(failure: RuleFailure): QueryFailure {
  const { part: _, ...rest } = failure;
  return { ...rest, statement: 0, index: 0 };
}
