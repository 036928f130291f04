/**
 * Queries of go-threads answered the plain way: each document looked at, conditions by the rules of
 * docs/spec/doc.md, then sorted, then cut. Slow and obvious: what ours is held to where go-threads
 * is wrong.
 */
import { isObject, type Json, type JsonObject } from "./claims.ts";

/** The ids that a query of the vectors should give. */
export function plainIds(documents: readonly JsonObject[], query: JsonObject): readonly string[] {
  const seek = textOf(query["Seek"]);
  const found = documents
    .filter((document) => matches(document, query))
    .filter((document) => seek === "" || idOf(document) >= seek)
    .sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const sort = isObject(query["Sort"]) ? query["Sort"] : {};
  const field = textOf(sort["FieldPath"]);
  const sign = sort["Desc"] === true ? -1 : 1;
  if (field !== "") {
    found.sort((a, b) => sign * compare(valueAt(a, field) ?? "", valueAt(b, field) ?? ""));
  }
  const skip = Number(query["Skip"]);
  const limit = Number(query["Limit"]);
  return found.slice(skip, limit === 0 ? undefined : skip + limit).map(idOf);
}

function idOf(document: JsonObject): string {
  return textOf(document["_id"]);
}

function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

/** All of `Ands`, or any of `Ors`. */
function matches(document: JsonObject, query: JsonObject): boolean {
  const ands = listOf(query["Ands"]);
  const ors = listOf(query["Ors"]);
  return (
    ands.every((criterion) => holds(document, criterion)) ||
    ors.some((other) => matches(document, other))
  );
}

function listOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly Json[]).filter(isObject) : [];
}

/** A missing field and one of another kind fulfil no condition. */
function holds(document: JsonObject, criterion: JsonObject): boolean {
  const value = valueAt(document, textOf(criterion["FieldPath"]));
  const wanted = Object.values(criterion["Value"] ?? {}).find((one) => one !== null) as Json;
  if (value === undefined || typeof value !== typeof wanted) return false;
  const order = compare(value, wanted);
  const outcomes = [order === 0, order !== 0, order > 0, order < 0, order >= 0, order <= 0];
  return outcomes[Number(criterion["Operation"])] === true;
}

function valueAt(document: JsonObject, path: string): Json | undefined {
  let value: Json | undefined = document;
  for (const key of path.split(".")) value = isObject(value) ? value[key] : undefined;
  return value;
}

function compare(a: Json, b: Json): number {
  const [left, right] = [a ?? 0, b ?? 0];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
