/**
 * Rules and their merging: a set of rules is at any time its own normal form
 * (docs/spec/query.md §5.3–5.6). Layer 3; pure.
 */
import { decodePath } from "@hawser/packet";
import { anyBytes, listByteRules, maskBytesMax, restrictBytes, startsWith } from "./byte-rules.ts";
import {
  fields,
  isLimitField,
  numberField,
  typeBits,
  type BytesFieldInfo,
  type NumberField,
  type NumberFieldInfo,
  type PathFieldInfo,
} from "./fields.ts";
import { printRule, type Rule } from "./rule.ts";
import {
  fullSet,
  greatest,
  restrict,
  smallest,
  toBytes,
  toNumber,
  type TestOperator,
  type TestSet,
} from "./test-set.ts";
import type { QueryConflict, QueryFailureCode, QueryRules } from "./types.ts";

/** No rule at all: every packet. */
export const noRules: QueryRules = {
  numbers: new Map(),
  bytes: new Map(),
  pathPrefix: new Uint8Array(0),
};

/** Why a rule is refused, before anyone knows where it was written. */
export interface RuleFailure {
  readonly ok: false;
  readonly code: QueryFailureCode;
  /** The part of the statement at fault. */
  readonly part: "field" | "operator" | "value";
  readonly expected: string;
  readonly message: string;
  readonly conflict: QueryConflict | undefined;
}

type RulesVerdict = { readonly ok: true; readonly rules: QueryRules } | RuleFailure;

/** `rules` and one more. */
export function addRule(rules: QueryRules, rule: Rule): RulesVerdict {
  switch (rule.field.kind) {
    case "number":
      return addNumberRule(rules, rule.field, rule);
    case "bytes":
      return addBytesRule(rules, rule.field, rule);
    case "path":
      return addPathRule(rules, rule.field, rule);
  }
}

/** `rules` and all of `more`: the intersection of two sets of packets. */
export function addRules(rules: QueryRules, more: QueryRules): RulesVerdict {
  let merged = rules;
  for (const rule of listRules(more)) {
    const verdict = addRule(merged, rule);
    if (!verdict.ok) return verdict;
    merged = verdict.rules;
  }
  return { ok: true, rules: merged };
}

/** A refusal without contradiction. */
export function refuse(
  code: QueryFailureCode,
  part: RuleFailure["part"],
  expected: string,
  message: string,
): RuleFailure {
  return { ok: false, code, part, expected, message, conflict: undefined };
}

function contradiction(
  rule: Rule,
  cause: QueryConflict["cause"],
  reason: string,
  test?: NumberTest,
): RuleFailure {
  const text = printRule(rule, "expressions");
  return {
    ok: false,
    code: cause === "results" || cause === "passes" ? "QUERY_LIMITS" : "QUERY_CONTRADICTION",
    part: "value",
    expected: "a rule that leaves something to match",
    message: `${text} ${reason}`,
    conflict: {
      field: rule.field.name,
      rule: text,
      cause,
      operator: test?.operator ?? rule.operator,
      value: test?.value,
    },
  };
}

/** A rule about one number, derived operators resolved. */
interface NumberTest {
  readonly operator: TestOperator;
  readonly value: bigint;
}

/** Simple rules that together say what a derived operator says; none where it is always true. */
function expandNumberRule(
  field: NumberFieldInfo,
  { operator, value }: Rule,
): readonly NumberTest[] {
  const size = field.byteCount;
  const number = toNumber(value);
  switch (operator) {
    case ">=":
      return number === 0n ? [] : [{ operator: ">", value: number - 1n }];
    case "<=":
      return number === greatest(size) ? [] : [{ operator: "<", value: number + 1n }];
    case "=*":
    case "*=": {
      const shift = operator === "=*" ? BigInt(8 * (size - value.length)) : 0n;
      const care = value.length === 0 ? 0n : greatest(value.length) << shift;
      const bits = number << shift;
      return [
        { operator: "0", value: (greatest(size) ^ care) | bits },
        { operator: "1", value: bits },
      ];
    }
    default:
      return [{ operator, value: number }];
  }
}

function addNumberRule(rules: QueryRules, field: NumberFieldInfo, rule: Rule): RulesVerdict {
  const size = field.byteCount;
  const partial = rule.operator === "=*" || rule.operator === "*=";
  const wrongSize = partial ? rule.value.length > size : rule.value.length !== size;
  if (wrongSize) {
    const expected = `${partial ? "at most " : ""}${size} bytes, such as ${field.example}`;
    const got = `value of ${field.name} has ${rule.value.length} bytes`;
    return refuse("QUERY_VALUE", "value", expected, got);
  }
  if (field.name === "recv" && (partial || rule.operator === "0" || rule.operator === "1")) {
    return refuse("QUERY_OPERATOR", "operator", "= < > <= >= or ?", "recv has bounds only");
  }
  let merged = rules;
  for (const simple of expandNumberRule(field, rule)) {
    const written: Rule = { field, operator: simple.operator, value: toBytes(simple.value, size) };
    const verdict = addTest(merged, field, written, simple);
    if (!verdict.ok) return verdict;
    merged = verdict.rules;
  }
  if (field.name === "hash" && rule.operator === "=") {
    return addNumberRule(merged, numberField("i"), {
      field: numberField("i"),
      operator: "=",
      value: new Uint8Array(4),
    });
  }
  return { ok: true, rules: merged };
}

function addTest(
  rules: QueryRules,
  field: NumberFieldInfo,
  written: Rule,
  simple: NumberTest,
): RulesVerdict {
  const typed = withTypeBits(rules, impliedBits(field, simple), written);
  if (!typed.ok) return typed;
  const old = typed.rules.numbers.get(field.name) ?? fullSet(field.byteCount);
  const set = restrict(old, simple.operator, simple.value);
  const empty = smallest(set) === undefined;
  if (isLimitField(field.name)) {
    const next = withNumber(typed.rules, field.name, empty ? noCount : set);
    return limitsVerdict(next, written);
  }
  if (empty) {
    const cause = field.name === "recv" ? "recv" : "number";
    return contradiction(written, cause, `leaves no ${field.name} to match`, simple);
  }
  return { ok: true, rules: withNumber(typed.rules, field.name, set) };
}

/**
 * A rule about `type` says by itself that the data bit is there, as every other rule about packets
 * does; except where it asks for the link bit, which no type has without the data bit. So a printed
 * `type:1:…` parses to itself.
 */
function impliedBits(field: NumberFieldInfo, simple: NumberTest): number {
  const asksForLink =
    field.name === "type" &&
    simple.operator === "1" &&
    (Number(simple.value) & typeBits.link) !== 0;
  return asksForLink ? 0 : field.typeBits;
}

/** A limit under which no count is accepted. */
const noCount: TestSet = { low: 0n, high: -1n, ones: 0n, zeros: greatest(4) };

function limitsVerdict(rules: QueryRules, rule: Rule): RulesVerdict {
  const isEmpty = (field: NumberField): boolean => {
    const set = rules.numbers.get(field);
    return set !== undefined && set.high < 0n;
  };
  if (isEmpty("i")) return contradiction(rule, "results", "allows no result");
  if (isEmpty("i_new") && (isEmpty("i_db") || isEmpty("i_branch"))) {
    const reason = "allows neither stored nor new packets";
    return contradiction(rule, "passes", reason);
  }
  return { ok: true, rules };
}

function withNumber(rules: QueryRules, field: NumberField, set: TestSet): QueryRules {
  return { ...rules, numbers: new Map(rules.numbers).set(field, set) };
}

function withTypeBits(rules: QueryRules, bits: number, rule: Rule): RulesVerdict {
  if (bits === 0) return { ok: true, rules };
  const set = restrict(rules.numbers.get("type") ?? fullSet(1), "1", BigInt(bits));
  if (smallest(set) === undefined) {
    const test: NumberTest = { operator: "1", value: BigInt(bits) };
    return contradiction(rule, "type", "is about points of another type", test);
  }
  return { ok: true, rules: withNumber(rules, "type", set) };
}

function addBytesRule(rules: QueryRules, field: BytesFieldInfo, rule: Rule): RulesVerdict {
  const { operator, value } = rule;
  if ((operator === "0" || operator === "1") && value.length > maskBytesMax) {
    const got = `mask of ${field.name} has ${value.length} bytes`;
    return refuse("QUERY_VALUE", "value", `at most ${maskBytesMax} bytes`, got);
  }
  const typed = withTypeBits(rules, field.typeBits, rule);
  if (!typed.ok) return typed;
  const narrowed = restrictBytes(rules.bytes.get(field.name) ?? anyBytes, operator, value);
  if (narrowed === undefined) {
    return contradiction(rule, "bytes", `leaves no ${field.name} to match`);
  }
  if (operator === "?") return typed;
  const bytes = new Map(typed.rules.bytes).set(field.name, narrowed);
  return { ok: true, rules: { ...typed.rules, bytes } };
}

function addPathRule(rules: QueryRules, field: PathFieldInfo, rule: Rule): RulesVerdict {
  if (rule.operator !== "=") {
    const refused = contradiction(rule, "equality", "");
    const message = `${field.name} takes = only`;
    return { ...refused, code: "QUERY_OPERATOR", part: "operator", expected: "=", message };
  }
  const decoded = decodePath(rule.value);
  if (!decoded.ok) {
    const got = `value of ${field.name} is no path (${decoded.reason})`;
    return refuse("QUERY_VALUE", "value", `a path, such as ${field.example}`, got);
  }
  const depth = decoded.path.length;
  let merged = rules;
  const depthRule = (operator: TestOperator, value: number): RulesVerdict =>
    addTest(merged, numberField("depth"), rule, { operator, value: BigInt(value) });
  if (field.name === "spacename") {
    const verdict = depthRule("=", depth);
    if (!verdict.ok) return verdict;
    merged = verdict.rules;
  }
  const old = rules.pathPrefix;
  if (!startsWith(rule.value, old) && !startsWith(old, rule.value)) {
    return contradiction(rule, "prefix", "and an earlier path exclude each other");
  }
  if (rule.value.length > old.length) merged = { ...merged, pathPrefix: rule.value };
  if (depth > 0) {
    const verdict = depthRule(">", depth - 1);
    if (!verdict.ok) return verdict;
    merged = verdict.rules;
  }
  return { ok: true, rules: merged };
}

/** The rules in canonical order; adding them to `noRules` gives the same rules again. */
export function listRules(rules: QueryRules): readonly Rule[] {
  return fields.flatMap((field): readonly Rule[] => {
    switch (field.kind) {
      case "number":
        return listNumberRules(field, rules.numbers.get(field.name));
      case "bytes": {
        const listed = rules.bytes.get(field.name);
        if (listed === undefined) return [];
        return listByteRules(listed).map((rule) => ({ field, ...rule }));
      }
      case "path":
        if (field.name !== "prefix" || rules.pathPrefix.length === 0) return [];
        return [{ field, operator: "=", value: rules.pathPrefix }];
    }
  });
}

function listNumberRules(field: NumberFieldInfo, set: TestSet | undefined): readonly Rule[] {
  if (set === undefined) return [];
  const all = greatest(field.byteCount);
  const rule = (operator: TestOperator, value: bigint): Rule => ({
    field,
    operator,
    value: toBytes(value, field.byteCount),
  });
  if (set.high < set.low) return [rule("<", 0n)];
  const listed: Rule[] = [];
  if (set.low === set.high) {
    listed.push(rule("=", set.low));
  } else {
    if (set.high < all) listed.push(rule("<", set.high + 1n));
    if (set.low > 0n) listed.push(rule(">", set.low - 1n));
  }
  if (set.ones !== 0n) listed.push(rule("1", set.ones));
  if (set.zeros !== all) listed.push(rule("0", set.zeros));
  return listed;
}
