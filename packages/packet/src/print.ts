/**
 * The reference's text rendering of packets (docs/spec/1-packet.md §10). Layer 2; pure.
 * For people and pipes; not a format to be read back.
 */
import { equalBytes, toBase64url } from "@hawser/codec";
import { privateGroup, publicGroup, testGroup } from "./constants.ts";
import type { PointKind } from "./layout.ts";
import { tagBytes } from "./limits.ts";
import { netFlags } from "./net-header.ts";
import type { Packet } from "./packet.ts";
import { decodePath, type Path } from "./path.ts";

const kindNames: { readonly [kind in PointKind]: string } = {
  datapoint: "DataPoint",
  linkpoint: "LinkPoint",
  keypoint: "KeyPoint",
  errorpoint: "ErrorPoint",
};

/** The reference's name of a kind: `"DataPoint"`, `"LinkPoint"`, `"KeyPoint"`, `"ErrorPoint"`. */
export function kindName(kind: PointKind): string {
  return kindNames[kind];
}

/**
 * Bytes as printable ASCII (Linkspace "abtxt"): NUL as `\0`, 0xFF as `\f`, newline, return and tab as
 * in C, `: / \ [ ]` behind a backslash, other bytes outside 0x20–0x7E as `\xhh`.
 */
export function toEscapedText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += escapes[byte];
  return text;
}

const escapes: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  const named: { readonly [character: string]: string } = {
    "\0": "\\0",
    "\xff": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
  };
  const name = named[character];
  if (name !== undefined) return name;
  if (":/\\[]".includes(character)) return `\\${character}`;
  return byte >= 0x20 && byte <= 0x7e ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
});

/** A domain or tag without the zeros it was padded with, escaped. */
export function printPadded(bytes: Uint8Array): string {
  const start = bytes.findIndex((byte) => byte !== 0);
  return start < 0 ? "" : toEscapedText(bytes.subarray(start));
}

/**
 * `/component/component`; the empty string without components. Components of 32 bytes are printed as
 * hashes, `[b:…]`; those of 16 as tags, `[a:…]`, unless they are plain text; all others escaped.
 */
export function printPath(path: Path): string {
  return path.map((component) => `/${printComponent(component)}`).join("");
}

function printComponent(component: Uint8Array): string {
  if (component.length === 32) return printBytes(component);
  const text = toEscapedText(component);
  const isPlain = text.length === component.length;
  return component.length === tagBytes && !isPlain ? printPaddedExpression(component) : text;
}

/**
 * Padded bytes as the expression that gives them: `[a:text]`, or `[f:text]` where the padding is 0xFF,
 * with their length behind the text unless it is that of a tag.
 */
export function printPaddedExpression(bytes: Uint8Array): string {
  const pad = bytes[0] === 0xff ? 0xff : 0;
  const start = bytes.findIndex((byte) => byte !== pad);
  const text = start < 0 ? "" : toEscapedText(bytes.subarray(start));
  const length = bytes.length === tagBytes ? "" : `:${bytes.length}`;
  return `[${pad === 0 ? "a" : "f"}:${text}${length}]`;
}

/** `[#:0]`, `[#:pub]`, `[#:test]` or `[b:…]`. */
export function printGroup(group: Uint8Array): string {
  if (equalBytes(group, privateGroup())) return "[#:0]";
  if (equalBytes(group, publicGroup())) return "[#:pub]";
  if (equalBytes(group, testGroup())) return "[#:test]";
  return printBytes(group);
}

/**
 * A packet as the reference prints it where no names are known: one line per field, then the data as
 * UTF-8 with U+FFFD for what is none, and no newline after it.
 */
export function printPacket(packet: Packet): string {
  const unrooted = decodePath(packet.unrootedPath);
  const lines = [
    `type\t${kindName(packet.kind)}`,
    `hash\t${toBase64url(packet.hash)}`,
    `group\t${printGroup(packet.group)}`,
    `domain\t${printPadded(packet.domain)}`,
    `space\t${printPath(unrooted.ok ? unrooted.path : [])}`,
    `pubkey\t${printBytes(packet.publicKey ?? privateGroup())}`,
    `create\t${packet.stamp}`,
    `links\t${packet.linkCount}`,
    ...packet.links.map((link) => `\t${printPadded(link.tag)} ${toBase64url(link.pointer)}`),
    `data\t${packet.data.length}`,
  ];
  return `${lines.join("\n")}\n${lossyDecoder.decode(packet.data)}`;
}

/** Names of the net flags, lowest bit first; bits 0x10–0x40 have none. */
const flagNames: readonly (readonly [number, string])[] = [
  [netFlags.silent, "SILENT"],
  [netFlags.linkedInFuture, "LINKED_IN_FUTURE_PKT"],
  [netFlags.linkedInPrevious, "LINKED_IN_PREVIOUS_PKT"],
  [netFlags.dontForward, "DONT_FORWARD"],
  [netFlags.alwaysZero, "ALWAYS_ZERO"],
];

/** Net flags as the reference prints them: `NetFlags(SILENT | ALWAYS_ZERO | 0x70)`. */
export function printNetFlags(flags: number): string {
  const set = flagNames.filter(([bit]) => (flags & bit) !== 0);
  const unnamed = set.reduce((left, [bit]) => left & ~bit, flags);
  const parts = set.map(([, name]) => name);
  if (unnamed !== 0 || parts.length === 0) parts.push(`0x${unnamed.toString(16)}`);
  return `NetFlags(${parts.join(" | ")})`;
}

const lossyDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

function printBytes(bytes: Uint8Array): string {
  return `[b:${toBase64url(bytes)}]`;
}
