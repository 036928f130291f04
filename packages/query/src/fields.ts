/**
 * The table of predicate fields (docs/spec/query.md §5.1). Layer 3; pure.
 */
import { domainBytes, groupBytes, hashBytes, publicKeyBytes, signatureBytes } from "@hawser/packet";

/** Fields of a fixed size: unsigned big-endian numbers of 1 to 64 bytes. */
export type NumberField =
  | "type"
  | "netflags"
  | "hop"
  | "stamp"
  | "ubits0"
  | "ubits1"
  | "ubits2"
  | "ubits3"
  | "domain"
  | "group"
  | "pubkey"
  | "hash"
  | "size"
  | "data_size"
  | "links_len"
  | "depth"
  | "recv"
  | "create"
  | "signature"
  | "i"
  | "i_new"
  | "i_db"
  | "i_branch";

/** Fields of any length. */
export type BytesField =
  | "rspacename"
  | "comp0"
  | "comp1"
  | "comp2"
  | "comp3"
  | "comp4"
  | "comp5"
  | "comp6"
  | "comp7"
  | "data";

/** Fields whose value is a path. */
export type PathField = "prefix" | "spacename";

export type PredicateField = NumberField | BytesField | PathField;

/** Operators as written in a statement. */
export type QueryOperator = "=" | "<" | ">" | "<=" | ">=" | "0" | "1" | "?" | "=*" | "*=";

/** How a value is written as an expression: `[b2:…]`, `[u16:…]`, `[a:…]`, `[b:…]`. */
export type NumberFormat = "bits" | "decimal" | "padded" | "base64";

interface FieldBase {
  /** Bits of the point type that a packet must have for the field to mean anything. */
  readonly typeBits: number;
  /** An example value, for messages. */
  readonly example: string;
}

export interface NumberFieldInfo extends FieldBase {
  readonly kind: "number";
  readonly name: NumberField;
  readonly byteCount: number;
  readonly format: NumberFormat;
}

export interface BytesFieldInfo extends FieldBase {
  readonly kind: "bytes";
  readonly name: BytesField;
}

export interface PathFieldInfo extends FieldBase {
  readonly kind: "path";
  readonly name: PathField;
}

export type FieldInfo = NumberFieldInfo | BytesFieldInfo | PathFieldInfo;

/** Bits of the point type. */
export const typeBits: { readonly data: 1; readonly link: 2; readonly signature: 4 } = {
  data: 1,
  link: 2,
  signature: 4,
};

const { data, link } = typeBits;
// A signed point always has a place, so the signature bit never comes alone: what is printed then
// parses to itself. (The reference implies the signature bit only; the packets are the same.)
const signed = typeBits.link | typeBits.signature;

function number(
  name: NumberField,
  byteCount: number,
  format: NumberFormat,
  bits: number,
): NumberFieldInfo {
  const examples: { readonly [format in NumberFormat]: string } = {
    bits: "[b2:00000011]",
    decimal: `[u${8 * byteCount}:10]`,
    padded: "[a:example]",
    base64: name === "signature" ? "[b:…]" : "[#:pub] or 43 characters of base64url",
  };
  return { kind: "number", name, byteCount, format, typeBits: bits, example: examples[format] };
}

function bytes(name: BytesField, bits: number): BytesFieldInfo {
  return { kind: "bytes", name, typeBits: bits, example: "text or [b:…]" };
}

const example = "/some/path";

/** Every field, in the order in which its rules are printed. */
export const fields: readonly FieldInfo[] = [
  number("type", 1, "bits", data),
  number("netflags", 1, "bits", data),
  number("hop", 4, "decimal", data),
  number("stamp", 8, "decimal", data),
  number("ubits0", 4, "decimal", data),
  number("ubits1", 4, "decimal", data),
  number("ubits2", 4, "decimal", data),
  number("ubits3", 4, "decimal", data),
  number("domain", domainBytes, "padded", link),
  number("group", groupBytes, "base64", link),
  number("pubkey", publicKeyBytes, "base64", signed),
  { kind: "path", name: "prefix", typeBits: 0, example },
  { kind: "path", name: "spacename", typeBits: link, example },
  number("hash", hashBytes, "base64", data),
  number("size", 2, "decimal", data),
  number("data_size", 2, "decimal", data),
  number("links_len", 2, "decimal", link),
  number("depth", 1, "decimal", link),
  number("recv", 8, "decimal", 0),
  number("create", 8, "decimal", link),
  number("signature", signatureBytes, "base64", signed),
  bytes("rspacename", link),
  bytes("comp0", link),
  bytes("comp1", link),
  bytes("comp2", link),
  bytes("comp3", link),
  bytes("comp4", link),
  bytes("comp5", link),
  bytes("comp6", link),
  bytes("comp7", link),
  bytes("data", data),
  number("i", 4, "decimal", 0),
  number("i_new", 4, "decimal", 0),
  number("i_db", 4, "decimal", 0),
  number("i_branch", 4, "decimal", 0),
];

/**
 * Names of Linkspace 0.6 that mean one of ours. Its `stamp` (the point's) is not among them: that
 * word is the net header's in 0.5, whose meaning stays.
 */
const aliases: readonly (readonly [string, PredicateField])[] = [
  ["space", "spacename"],
  ["rspace", "rspacename"],
  ["varstamp", "stamp"],
  ["i_watch", "i_new"],
  ["i_read", "i_db"],
];

const infos: ReadonlyMap<string, FieldInfo> = new Map(fields.map((info) => [info.name, info]));
const aliasNames: ReadonlyMap<string, PredicateField> = new Map(aliases);

/** The field of that name, of 0.5 or 0.6, or `undefined`. */
export function findField(name: string): FieldInfo | undefined {
  return infos.get(aliasNames.get(name) ?? name);
}

/** A fixed-size field's entry of the table. */
export function numberField(name: NumberField): NumberFieldInfo {
  const info = infos.get(name);
  // Safe: the table holds every name of the union under its own kind; a test walks it.
  return info as NumberFieldInfo;
}

const limitFields: ReadonlySet<PredicateField> = new Set(["i", "i_new", "i_db", "i_branch"]);

/** Whether the field counts results instead of saying something about packets. */
export function isLimitField(field: PredicateField): boolean {
  return limitFields.has(field);
}
