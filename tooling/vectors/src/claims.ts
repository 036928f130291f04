/**
 * Reading vectors so that nothing they state is passed over: every value of a vector is taken by
 * name, and what nobody took is a failure.
 */
import { fromHex } from "@hawser/codec";

/** A value of a JSON file. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: Json;
}

/** A vector whose shape is not the expected one. Becomes a failure of its case. */
export class VectorShapeError extends Error {}

/** The statements of one vector; each getter marks its key as looked at. */
export interface Claims {
  has(key: string): boolean;
  /** The raw value, or `undefined` when absent. */
  take(key: string): Json | undefined;
  text(key: string): string;
  number(key: string): number;
  bytes(key: string): Uint8Array;
  object(key: string): Claims;
  list(key: string): readonly Json[];
  /** Keys that nobody took and that are no mere description. */
  unchecked(): readonly string[];
}

/** Keys that say where a vector comes from or why it exists, and state nothing to be checked. */
const descriptive: ReadonlySet<string> = new Set([
  "case",
  "comment",
  "commit",
  "date",
  "file",
  "level",
  "name",
  "note",
  "repo",
  "source",
  "spec",
  "version",
  "why",
]);

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Claims of `value`. Throws VectorShapeError unless it is an object. */
export function readClaims(value: Json | undefined, path = "vector"): Claims {
  if (!isObject(value)) throw new VectorShapeError(`${path} is no object`);
  const taken = new Set<string>();
  const nested: { readonly key: string; readonly claims: Claims }[] = [];
  const take = (key: string): Json | undefined => {
    taken.add(key);
    return Object.hasOwn(value, key) ? value[key] : undefined;
  };
  const shaped = <T>(key: string, wanted: string, result: T | undefined): T => {
    if (result === undefined) throw new VectorShapeError(`${path}.${key} is no ${wanted}`);
    return result;
  };
  const text = (key: string): string => {
    const found = take(key);
    return shaped(key, "text", typeof found === "string" ? found : undefined);
  };
  return {
    has: (key) => Object.hasOwn(value, key),
    take,
    text,
    number(key) {
      const found = take(key);
      return shaped(key, "number", typeof found === "number" ? found : undefined);
    },
    bytes: (key) => shaped(key, "hex", fromHex(text(key))),
    object(key) {
      const claims = readClaims(take(key), `${path}.${key}`);
      nested.push({ key, claims });
      return claims;
    },
    list(key) {
      const found = take(key);
      return shaped(key, "list", Array.isArray(found) ? (found as readonly Json[]) : undefined);
    },
    unchecked() {
      const own = Object.keys(value).filter((key) => !taken.has(key) && !descriptive.has(key));
      const inner = nested.flatMap(({ key, claims }) =>
        claims.unchecked().map((name) => `${key}.${name}`),
      );
      return [...own, ...inner];
    },
  };
}

/** A value as text: strings as they are, others as JSON. */
export function jsonText(value: Json | undefined): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

/** Bytes of a hex string inside a list. */
export function hexBytes(value: Json | undefined): Uint8Array {
  const bytes = typeof value === "string" ? fromHex(value) : undefined;
  if (bytes === undefined) throw new VectorShapeError(`${JSON.stringify(value)} is no hex`);
  return bytes;
}
