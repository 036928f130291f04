/**
 * One rule, and how it is written (docs/spec/query.md §5.7). Layer 3; pure.
 */
import { toBase64url } from "@hawser/codec";
import { decodePath, printPaddedExpression, toEscapedText } from "@hawser/packet";
import { printPathExpression } from "./abe/scopes/space.ts";
import type { FieldInfo, NumberFieldInfo, QueryOperator } from "./fields.ts";
import { toNumber } from "./test-set.ts";

/** A field, an operator, a value in bytes. */
export interface Rule {
  readonly field: FieldInfo;
  readonly operator: QueryOperator;
  readonly value: Uint8Array;
}

/** Whether values are printed as expressions (`[u16:10]`) or as escaped bytes (`\0\n`). */
export type PrintForm = "expressions" | "text";

const operators: ReadonlySet<string> = new Set([
  "=",
  "<",
  ">",
  "<=",
  ">=",
  "0",
  "1",
  "?",
  "=*",
  "*=",
]);

/** The operator written so, or `undefined`. */
export function findOperator(text: string): QueryOperator | undefined {
  // Safe: the set holds the union's members and nothing else.
  return operators.has(text) ? (text as QueryOperator) : undefined;
}

/** `field:operator:value`, without a newline. */
export function printRule(rule: Rule, form: PrintForm): string {
  return `${rule.field.name}:${rule.operator}:${printValue(rule, form)}`;
}

function printValue({ field, operator, value }: Rule, form: PrintForm): string {
  if (field.kind === "path") return printPathValue(value, form);
  if (form === "text") return toEscapedText(value);
  if (field.kind === "number") {
    const whole = value.length === field.byteCount;
    return whole ? printNumber(field, value) : `[b:${toBase64url(value)}]`;
  }
  if (field.name === "data") return `[:${toEscapedText(value)}]`;
  const isComponent = field.name !== "rspacename" && operator === "=";
  return isComponent ? printPaddedExpression(value) : `[b:${toBase64url(value)}]`;
}

function printNumber(field: NumberFieldInfo, value: Uint8Array): string {
  switch (field.format) {
    case "bits":
      return `[b2:${(value[0] ?? 0).toString(2).padStart(8, "0")}]`;
    case "decimal":
      return `[u${8 * field.byteCount}:${toNumber(value)}]`;
    case "padded":
      return printPaddedExpression(value);
    case "base64":
      return `[b:${toBase64url(value)}]`;
  }
}

function printPathValue(unrooted: Uint8Array, form: PrintForm): string {
  const decoded = decodePath(unrooted);
  if (!decoded.ok) return toEscapedText(unrooted);
  if (form === "expressions") return printPathExpression(decoded.path);
  return decoded.path.map((component) => `/${toEscapedText(component)}`).join("");
}
