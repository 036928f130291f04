/**
 * One statement: from text, or from its parts in bytes, to a rule or an option
 * (docs/spec/query.md §5.2–5.3). Layer 3; pure.
 */
import { concatBytes, fromBase64url, utf8 } from "@hawser/codec";
import { pathComponentBytesMax } from "@hawser/packet";
import { evaluateAbe } from "./abe/evaluate.ts";
import { shownText } from "./abe/text.ts";
import type { AbeContext, AbeList } from "./abe/types.ts";
import { fields, findField, type FieldInfo, type QueryOperator } from "./fields.ts";
import { latin1, optionOfParts } from "./options.ts";
import { findOperator, type Rule } from "./rule.ts";
import { refuse, type RuleFailure } from "./rules.ts";
import type { QueryFailure, QueryOption } from "./types.ts";

export type Statement =
  | { readonly ok: true; readonly kind: "rule"; readonly rule: Rule }
  | { readonly ok: true; readonly kind: "option"; readonly option: QueryOption };

/** The longest value of a field of variable length; what is longer is better named by its hash. */
const valueBytesMax = 4_096;

/**
 * Bytes that the expressions of one statement may produce. Far below what an expression alone may:
 * a text holds a thousand statements, and a peer pays only for writing them.
 */
const statementBytesMax = 65_536;

/** A failure with its place in the statement. */
export type StatementFailure = Omit<QueryFailure, "statement">;

/** Evaluates one statement; its text must not be empty. */
export function readStatement(text: Uint8Array, context: AbeContext): Statement | StatementFailure {
  const evaluated = evaluateAbe(text, context, { bytesMax: statementBytesMax });
  if (!evaluated.ok) {
    const { code, index, expected, message } = evaluated;
    return {
      ok: false,
      code: "QUERY_EXPRESSION",
      index,
      expected,
      message: `${code}: ${message}`,
      conflict: undefined,
    };
  }
  const statement = statementOfList(evaluated.value);
  return statement.ok ? statement : placeFailure(statement, text);
}

/** Gives a failure the offset of the part it is about; of a missing part, the end. */
export function placeFailure(failure: RuleFailure, text: Uint8Array): StatementFailure {
  const starts = partStarts(text);
  const name = failure.code === "QUERY_OPTION" ? 1 : 0;
  const place = { field: name, operator: 1, value: 2 }[failure.part];
  const { part: _, ...rest } = failure;
  return { ...rest, index: starts[place] ?? text.length };
}

/** Offsets of the first three parts of a statement, without evaluating it. */
function partStarts(text: Uint8Array): readonly number[] {
  const starts = [0];
  let depth = 0;
  for (let index = 0; index < text.length && starts.length < 3; index++) {
    const character = String.fromCharCode(text[index] ?? 0);
    if (character === "\\") index++;
    else if (character === "[") depth++;
    else if (character === "]") depth--;
    else if (character === ":" && depth === 0) starts.push(index + 1);
  }
  return starts;
}

function statementOfList(list: AbeList): Statement | RuleFailure {
  const [first, ...rest] = list;
  if (first === undefined) return refuseSyntax("field", "the statement says nothing");
  if (first.separator === ":") return optionStatement(list);
  if (first.separator === undefined && first.bytes.length === 0 && rest[0]?.separator === ":") {
    return optionStatement(rest);
  }
  const [operator, ...value] = rest;
  if (operator?.separator !== ":") return refuseSyntax("operator", "an operator is missing");
  if (value[0]?.separator !== ":") return refuseSyntax("value", "a value is missing");
  return ruleStatement(first.bytes, operator.bytes, value);
}

function refuseSyntax(part: RuleFailure["part"], message: string): RuleFailure {
  return refuse("QUERY_SYNTAX", part, "field:operator:value or :option", message);
}

function optionStatement(list: AbeList): Statement | RuleFailure {
  const [name, ...value] = list;
  const verdict = optionOfParts(name?.bytes ?? new Uint8Array(0), value);
  return verdict.ok ? { ok: true, kind: "option", option: verdict.option } : verdict;
}

/**
 * A rule of the names and the value's parts, the first of which follows the operator. Names that are
 * none are quoted escaped: a peer wrote them, and a terminal may show them.
 */
export function ruleStatement(
  fieldName: Uint8Array,
  operatorText: Uint8Array,
  value: AbeList,
): Statement | RuleFailure {
  const field = findField(latin1(fieldName));
  if (field === undefined) {
    const known = fields.map(({ name }) => name).join(", ");
    return refuse("QUERY_FIELD", "field", known, `no field is called '${shownText(fieldName)}'`);
  }
  const operator = findOperator(latin1(operatorText));
  if (operator === undefined) {
    const known = "= < > <= >= 0 1 ? =* *=";
    const got = `no operator is written '${shownText(operatorText)}'`;
    return refuse("QUERY_OPERATOR", "operator", known, got);
  }
  const bytes =
    field.kind === "path" ? pathValue(field, value) : plainValue(field, operator, value);
  if (!(bytes instanceof Uint8Array)) return bytes;
  return { ok: true, kind: "rule", rule: { field, operator, value: bytes } };
}

function plainValue(
  field: FieldInfo,
  operator: QueryOperator,
  parts: AbeList,
): Uint8Array | RuleFailure {
  const [first, ...rest] = parts;
  const bytes = first?.bytes ?? new Uint8Array(0);
  if (field.kind === "number") {
    if (rest.length === 0) return fittedValue(field, operator, bytes);
    return refuse(
      "QUERY_VALUE",
      "value",
      `one value, such as ${field.example}`,
      "a list of values",
    );
  }
  const chunks = rest.flatMap((part) => [utf8(part.separator ?? ""), part.bytes]);
  const joined = concatBytes(bytes, ...chunks);
  if (joined.length <= valueBytesMax) return joined;
  const got = `value of ${field.name} has ${joined.length} bytes`;
  return refuse("QUERY_VALUE", "value", `at most ${valueBytesMax} bytes`, got);
}

/** Short domains are padded, hashes may be text; the size of what remains is the rule's business. */
function fittedValue(
  field: FieldInfo & { readonly kind: "number" },
  operator: QueryOperator,
  bytes: Uint8Array,
): Uint8Array {
  if (operator === "=*" || operator === "*=") return bytes;
  if (field.format === "padded" && bytes.length < field.byteCount) {
    return concatBytes(new Uint8Array(field.byteCount - bytes.length), bytes);
  }
  if (field.format === "base64" && field.byteCount === 32 && bytes.length === 43) {
    return fromBase64url(latin1(bytes)) ?? bytes;
  }
  return bytes;
}

/** `/a/b` as a list, or one value that is an unrooted path already. */
function pathValue(field: FieldInfo, parts: AbeList): Uint8Array | RuleFailure {
  const [first, ...components] = parts;
  const bytes = first?.bytes ?? new Uint8Array(0);
  if (components.length === 0) return bytes;
  const expected = `a path, such as ${field.example}`;
  if (bytes.length > 0 || components.some(({ separator }) => separator !== "/")) {
    return refuse("QUERY_VALUE", "value", expected, "path does not start with '/'");
  }
  if (components.some((component) => component.bytes.length > pathComponentBytesMax)) {
    const got = `path component has more than ${pathComponentBytesMax} bytes`;
    return refuse("QUERY_VALUE", "value", expected, got);
  }
  // Empty components are left out, as the reference does since 0.5.
  const present = components.filter((component) => component.bytes.length > 0);
  return concatBytes(
    ...present.flatMap((component) => [Uint8Array.of(component.bytes.length), component.bytes]),
  );
}
