/**
 * The command line's short forms: the selector `domain:group:path:depth` and flags, as statements
 * (docs/spec/query.md §5.9). Layer 3; pure.
 */
import { utf8 } from "@hawser/codec";
import { decodePath, pathDepthMax, publicGroup, toEscapedText } from "@hawser/packet";
import type { AbeContext } from "./abe/types.ts";
import { numberField } from "./fields.ts";
import { printRule } from "./rule.ts";
import { readStatement } from "./statement.ts";
import type { QueryFailure, QueryFailureCode, QueryMode } from "./types.ts";

/** What a selector leaves out. */
export interface SelectorDefaults {
  /** 32 bytes; default the public group. */
  readonly group?: Uint8Array;
  /** Up to 16 bytes; default the null domain. */
  readonly domain?: Uint8Array;
  /** The depth part: `*`, `**` or a digit; default none, which is the path itself and no more. */
  readonly depth?: string;
}

export type StatementsVerdict =
  | { readonly ok: true; readonly statements: readonly string[] }
  | QueryFailure;

interface SelectorPart {
  readonly text: string;
  /** Byte offset in the selector. */
  readonly start: number;
}

/**
 * The statements of `domain:group:path:depth`, each part of which may be missing or empty. Parts may
 * be expressions. Depth: nothing or 0 for the path itself, a digit for up to so many components
 * more, `*` for 1, `**` for any number.
 */
export function parseSelector(
  selector: string,
  context: AbeContext,
  defaults: SelectorDefaults = {},
): StatementsVerdict {
  const parts = splitSelector(selector);
  const surplus = parts[4];
  if (surplus !== undefined) {
    return refuse("QUERY_SYNTAX", surplus.start, "domain:group:path:depth", "more than four parts");
  }
  const [domain, group, path, depth] = parts;
  const statements = [
    named("domain", domain?.text ?? "", defaults.domain ?? new Uint8Array(0)),
    named("group", group?.text ?? "", defaults.group ?? publicGroup()),
  ];
  let count = 0;
  if (path !== undefined && path.text !== "") {
    const statement = `prefix:=:${path.text}`;
    const read = countComponents(statement, context);
    if (typeof read !== "number") {
      const index = Math.max(0, read.index - (statement.length - path.text.length));
      return { ...read, index: path.start + index };
    }
    count = read;
    statements.push(statement);
  }
  const depthText = depth === undefined || depth.text === "" ? (defaults.depth ?? "0") : depth.text;
  const more = depthLimits.get(depthText);
  if (more === undefined) {
    const said = `'${depthText}' is no depth`;
    return refuse("QUERY_VALUE", depth?.start ?? 0, "0 to 8, * or **", said);
  }
  if (more < pathDepthMax) {
    statements.push(`depth:<:[u8:${Math.min(count + more, pathDepthMax) + 1}]`);
  }
  return { ok: true, statements };
}

const depthLimits: ReadonlyMap<string, number> = new Map([
  ...Array.from({ length: 9 }, (_, count): [string, number] => [String(count), count]),
  ["*", 1],
  ["**", pathDepthMax],
]);

/** A statement of the part's text, or of the default in bytes. */
function named(name: "domain" | "group", text: string, preset: Uint8Array): string {
  if (text !== "") return `${name}:=:${text}`;
  const field = numberField(name);
  const value = new Uint8Array(field.byteCount);
  value.set(preset, field.byteCount - preset.length);
  return printRule({ field, operator: "=", value }, "expressions");
}

/** Components of the path in a statement, or why it has none. */
function countComponents(statement: string, context: AbeContext): number | QueryFailure {
  const read = readStatement(utf8(statement), context);
  if (!read.ok) return { ...read, statement: 0 };
  const decoded = read.kind === "rule" ? decodePath(read.rule.value) : undefined;
  if (decoded?.ok === true) return decoded.path.length;
  return refuse("QUERY_VALUE", 0, "a path, such as /some/path", "the path part is no path");
}

/** Parts between the colons outside brackets. Offsets in bytes, as expressions are ASCII. */
function splitSelector(selector: string): readonly SelectorPart[] {
  const parts: SelectorPart[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < selector.length; index++) {
    const character = selector[index];
    if (character === "\\") index++;
    else if (character === "[") depth++;
    else if (character === "]") depth--;
    else if (character === ":" && depth === 0) {
      parts.push({ text: selector.slice(start, index), start });
      start = index + 1;
      if (parts.length > 4) break;
    }
  }
  parts.push({ text: selector.slice(start), start });
  return parts;
}

function refuse(
  code: QueryFailureCode,
  index: number,
  expected: string,
  message: string,
): QueryFailure {
  return { ok: false, code, statement: 0, index, expected, message, conflict: undefined };
}

/** The flags that every command taking a query has. */
export interface QueryFlags {
  readonly mode?: QueryMode;
  /** Identity of a watch, any bytes. */
  readonly qid?: Uint8Array;
  /** `--watch`: a qid, `default` unless one is given. */
  readonly watch?: boolean;
  /** `--until`: how long from now, in the units of `[now:+…]`: `1m`, `2h30m`. */
  readonly until?: string;
  readonly follow?: boolean;
  /** Keypoints only. */
  readonly signed?: boolean;
  /** No keypoints. */
  readonly unsigned?: boolean;
  /** At most so many results. */
  readonly max?: number;
  /** At most so many that arrive after the store pass. */
  readonly maxNew?: number;
  /** At most so many from the store. */
  readonly maxIndex?: number;
  /** At most so many per group, domain, path and public key. */
  readonly maxBranch?: number;
  /** What the store has, and nothing later. */
  readonly dbOnly?: boolean;
  /** What arrives later, and nothing the store has. */
  readonly newOnly?: boolean;
}

/** The statements that `flags` stand for. Together they may contradict each other, or others. */
export function flagStatements(flags: QueryFlags): readonly string[] {
  const { qid } = flags;
  const option = (name: string, value?: string | false): readonly string[] =>
    value === undefined || value === false ? [] : [`:${name}${value}`];
  const below = (field: string, max: number | undefined): readonly string[] =>
    max === undefined ? [] : [`${field}:<:[u32:${max}]`];
  const watched = qid === undefined ? flags.watch === true && ":default" : `:${toEscapedText(qid)}`;
  return [
    ...option("mode", flags.mode === undefined ? undefined : `:${flags.mode}`),
    ...option("qid", watched),
    ...(flags.until === undefined ? [] : [`recv:<:[now:+${toEscapedText(utf8(flags.until))}]`]),
    ...option("follow", flags.follow === true && ""),
    ...(flags.signed === true ? ["type:1:[b2:00000100]"] : []),
    ...(flags.unsigned === true ? ["type:0:[b2:11111011]"] : []),
    ...below("i", flags.max),
    ...below("i_new", flags.maxNew),
    ...below("i_db", flags.maxIndex),
    ...below("i_branch", flags.maxBranch),
    ...below("i_new", flags.dbOnly === true ? 0 : undefined),
    ...below("i_db", flags.newOnly === true ? 0 : undefined),
  ];
}

/** The statements of a selector (none for `--bare`) and of flags, in the order of the reference. */
export function selectorStatements(
  selector: string | undefined,
  flags: QueryFlags,
  context: AbeContext,
  defaults: SelectorDefaults = {},
): StatementsVerdict {
  const more = flagStatements(flags);
  if (selector === undefined) return { ok: true, statements: more };
  const parsed = parseSelector(selector, context, defaults);
  return parsed.ok ? { ok: true, statements: [...parsed.statements, ...more] } : parsed;
}
