/** Expressions (ABE) that options and arguments are written in, and what they must evaluate to. */
import { fromUtf8 } from "@hawser/codec";
import {
  decodePath,
  domainBytes,
  groupBytes,
  publicGroup,
  tagBytes,
  textToHash,
  type LinkDraft,
  type Packet,
  type Path,
} from "@hawser/packet";
import {
  abeBytes,
  createTemplate,
  evaluateAbe,
  type AbeContext,
  type AbeFailure,
  type AbeList,
} from "@hawser/query";
import { CliError } from "../errors.ts";
import { usage } from "./errors.ts";
import type { Session } from "./session.ts";

/** What an expression is for, and how it is read. */
export interface ExpressionUse {
  /** The option or argument, as a person wrote it. */
  readonly name: string;
  /** Takes bytes that are no ABE text as they are. Default false. */
  readonly loose?: boolean;
}

/** The separated list an expression evaluates to. Throws CliError with the failure's code. */
export function evaluateList(
  expression: string | Uint8Array,
  scope: AbeContext,
  { name, loose = false }: ExpressionUse,
): AbeList {
  const verdict = evaluateAbe(expression, scope, { loose });
  if (verdict.ok) return verdict.value;
  throw expressionError(verdict, name);
}

function expressionError({ code, message, expected, index }: AbeFailure, name: string): CliError {
  const remedy = `At character ${index + 1}: expected ${expected}. \`eval "[help]"\` lists all.`;
  return new CliError(code, `${name}: ${message}`, remedy);
}

/** An expression that is evaluated for many packets. */
export type PacketTemplate = (packet: Packet, scope: AbeContext) => Uint8Array;

/** Parses once, so that what is malformed is told before the first packet. */
export function parseTemplate(
  expression: string,
  { name, loose = false }: ExpressionUse,
): PacketTemplate {
  const parsed = createTemplate(expression, { loose });
  if (!parsed.ok) throw expressionError(parsed, name);
  return (packet, scope) => {
    const verdict = parsed.value.format(packet, scope);
    if (verdict.ok) return verdict.value;
    throw expressionError(verdict, name);
  };
}

/** The bytes of an expression; separators stand for themselves. */
export function evaluateBytes(
  expression: string | Uint8Array,
  scope: AbeContext,
  use: ExpressionUse,
): Uint8Array {
  return abeBytes(evaluateList(expression, scope, use));
}

/** Domain, group and path of a point. */
export interface Place {
  readonly domain: Uint8Array;
  readonly group: Uint8Array;
  readonly path: Path;
}

/** The group and domain where none is written: LK_GROUP and LK_DOMAIN, else public and null. */
export function defaultPlace(session: Session, scope: AbeContext): Place {
  const { LK_GROUP, LK_DOMAIN } = session.io.env;
  const group =
    LK_GROUP === undefined || LK_GROUP === ""
      ? publicGroup()
      : toHash(evaluateBytes(LK_GROUP, scope, { name: "LK_GROUP" }), "LK_GROUP");
  const domain =
    LK_DOMAIN === undefined
      ? new Uint8Array(0)
      : toDomain(evaluateBytes(LK_DOMAIN, scope, { name: "LK_DOMAIN" }), "LK_DOMAIN");
  return { domain, group, path: [] };
}

/** Reads `DOMAIN:GROUP:SPACE`; what is left out or empty has its default. */
export function evaluatePlace(session: Session, expression: string, scope: AbeContext): Place {
  const name = `place ${expression}`;
  const fields = splitFields(evaluateList(expression, scope, { name }));
  const [domain, group, space, ...more] = fields;
  if (more.length > 0 || isNested(domain) || isNested(group)) {
    const remedy = "Write DOMAIN:GROUP:SPACE, for example my_app:[#:pub]:/notes/today.";
    throw usage(`${name} is no place`, remedy);
  }
  const base = defaultPlace(session, scope);
  return {
    domain: isBlank(domain) ? base.domain : toDomain(abeBytes(domain ?? []), name),
    group: isBlank(group) ? base.group : toHash(abeBytes(group ?? []), name),
    path: space === undefined ? [] : toPath(space, name),
  };
}

/** The parts between `:`; each keeps its `/`. */
function splitFields(list: AbeList): AbeList[] {
  const fields: AbeList[] = [[]];
  for (const part of list) {
    if (part.separator === ":") fields.push([{ separator: undefined, bytes: part.bytes }]);
    else fields[fields.length - 1] = [...(fields.at(-1) ?? []), part];
  }
  return fields;
}

function isNested(field: AbeList | undefined): boolean {
  return field?.some(({ separator }) => separator === "/") ?? false;
}

function isBlank(field: AbeList | undefined): boolean {
  return field === undefined || field.every(({ bytes }) => bytes.length === 0);
}

/** `/a/b`, or one value that holds the bytes of a path, such as `[//a/b]`. */
export function toPath(field: AbeList, name: string): Path {
  const [first, ...rest] = field;
  if (first === undefined) return [];
  const lead = first.separator === "/" ? undefined : first.bytes;
  if (lead !== undefined && lead.length > 0) {
    const decoded = rest.length === 0 ? decodePath(lead) : undefined;
    if (decoded?.ok === true) return decoded.path;
    throw usage(
      `${name}: the path is not understood`,
      "Begin it with /, for example /notes/today.",
    );
  }
  const components = (lead === undefined ? field : rest).map(({ bytes }) => bytes);
  // A lone `/` is the empty path, as in Linkspace.
  return components.length === 1 && components[0]?.length === 0 ? [] : components;
}

/** 32 bytes, or their base64url text. */
export function toHash(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes.length === groupBytes) return bytes;
  const hash = textToHash(fromUtf8(bytes) ?? "");
  if (hash !== undefined) return hash;
  const remedy = "Give 43 characters of base64url, [#:pub], [@:me:local] or another expression.";
  throw usage(`${name}: ${bytes.length} bytes where a hash of 32 is needed`, remedy);
}

function toDomain(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes.length <= domainBytes) return bytes;
  throw usage(`${name}: the domain has ${bytes.length} bytes`, "A domain has at most 16 bytes.");
}

/** `tag:pointer`. */
export function evaluateLink(expression: string, scope: AbeContext): LinkDraft {
  const name = `link ${expression}`;
  const fields = splitFields(evaluateList(expression, scope, { name }));
  const [tag, pointer, ...more] = fields;
  if (tag === undefined || pointer === undefined || more.length > 0) {
    throw usage(`${name} is no link`, "Write TAG:POINTER, for example about:[#:pub].");
  }
  return { tag: toTag(abeBytes(tag), name), pointer: toHash(abeBytes(pointer), name) };
}

export function toTag(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes.length <= tagBytes) return bytes;
  throw usage(`${name}: the tag has ${bytes.length} bytes`, "A tag has at most 16 bytes.");
}

/** A stamp in µs: 8 bytes, as `[now]`, `[epoch]` and `[us:+1D]` give. */
export function evaluateStamp(expression: string, scope: AbeContext, name: string): bigint {
  const bytes = evaluateBytes(expression, scope, { name });
  if (bytes.length !== 8) {
    const remedy = "Give [now], [epoch], [now:-1D] or [u64:1700000000000000]; or use --create-int.";
    throw usage(`${name} ${expression} is no stamp`, remedy);
  }
  return bytes.reduce((value, byte) => value * 256n + BigInt(byte), 0n);
}
