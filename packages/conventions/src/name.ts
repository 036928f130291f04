/**
 * Names of the Linkspace name system and the paths they stand for (docs/spec/conventions.md §7.1).
 * Layer 4; pure.
 *
 *   john:example:test   ↔   /claims/test/example/john
 */
import { equalBytes, utf8 } from "@hawser/codec";
import {
  pathComponentBytesMax,
  pathDepthMax,
  privateGroup,
  publicGroup,
  pathBytesMax,
  testGroup,
  toEscapedText,
  type BytesOrText,
  type Path,
} from "@hawser/packet";
import { ConventionsError } from "./errors.ts";
import { toBytes } from "./place.ts";

/** Components as written: the most special first, the root last. No component only for the root. */
export type Name = readonly Uint8Array[];

/** The path prefix of claims is one of the eight components. */
export const nameDepthMax: number = pathDepthMax - 1;
/** Bytes of all components, one more for each. */
export const nameBytesMax: number = pathBytesMax - 8;

export const claimsComponent: Uint8Array = utf8("claims");
const localComponent = utf8("local");

export type NameReason =
  | "NAME_EMPTY"
  | "NAME_DEPTH"
  | "NAME_COMPONENT_EMPTY"
  | "NAME_COMPONENT_BYTES"
  | "NAME_BYTES";

/** Why components make no name, or `undefined` when they do. */
export function checkName(components: readonly Uint8Array[]): NameReason | undefined {
  if (components.length === 0) return "NAME_EMPTY";
  if (components.length > nameDepthMax) return "NAME_DEPTH";
  let byteCount = 0;
  for (const component of components) {
    if (component.length === 0) return "NAME_COMPONENT_EMPTY";
    if (component.length > pathComponentBytesMax) return "NAME_COMPONENT_BYTES";
    byteCount += component.length + 1;
  }
  return byteCount > nameBytesMax ? "NAME_BYTES" : undefined;
}

/** A name of components, or of a text whose components are separated by `:` (no escapes). Throws
 * CONVENTIONS_NAME. */
export function toName(value: string | readonly BytesOrText[]): Name {
  const components = (typeof value === "string" ? value.split(":") : value).map(toBytes);
  const reason = checkName(components);
  if (reason !== undefined) {
    throw new ConventionsError("CONVENTIONS_NAME", `the components make no name: ${reason}`);
  }
  return components;
}

/** The path at which claims of a name lie. */
export function nameToPath(name: Name): Path {
  return [claimsComponent, ...name.toReversed()];
}

/** The name whose claims lie at a path, or why there is none. */
export function pathToName(
  path: Path,
):
  | { readonly ok: true; readonly name: Name }
  | { readonly ok: false; readonly reason: NameReason | "NAME_PREFIX" } {
  const [prefix, ...components] = path;
  if (prefix === undefined || !equalBytes(prefix, claimsComponent)) {
    return { ok: false, reason: "NAME_PREFIX" };
  }
  const reason = checkName(components);
  return reason === undefined ? { ok: true, name: components.toReversed() } : { ok: false, reason };
}

/** True when a name ends in `local`: its claims are those of this device. */
export function isLocalName(name: Name): boolean {
  const last = name.at(-1);
  return last !== undefined && equalBytes(last, localComponent);
}

/** The group in which claims of a name lie: private for local names, public for all others. */
export function nameGroup(name: Name): Uint8Array {
  return isLocalName(name) ? privateGroup() : publicGroup();
}

/** The name as text for people and for ABE: escaped components, `:` between them. */
export function printName(name: Name): string {
  return name.map(toEscapedText).join(":");
}

/** Groups that have a name without any claim: `0`, `pub`, `test`. */
export function staticGroup(name: Name): Uint8Array | undefined {
  return staticGroups().find(([text]) => isSingle(name, text))?.[1];
}

/** The static name of a group. */
export function staticGroupName(group: Uint8Array): string | undefined {
  return staticGroups().find(([, bytes]) => equalBytes(bytes, group))?.[0];
}

/** `none` (and, as later Linkspace writes it, `0`) is the key of nobody: 32 zeros. */
export function staticPublicKey(name: Name): Uint8Array | undefined {
  return isSingle(name, "none") || isSingle(name, "0") ? privateGroup() : undefined;
}

/** The static name of a public key. */
export function staticPublicKeyName(publicKey: Uint8Array): string | undefined {
  return equalBytes(publicKey, privateGroup()) ? "none" : undefined;
}

function staticGroups(): readonly (readonly [string, Uint8Array])[] {
  return [
    ["0", privateGroup()],
    ["pub", publicGroup()],
    ["test", testGroup()],
  ];
}

function isSingle(name: Name, text: string): boolean {
  const [component] = name;
  return name.length === 1 && component !== undefined && equalBytes(component, utf8(text));
}
