/**
 * Asking a Standard Schema, whoever made it. Layer 7.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { DocError, type DocIssue } from "./errors.ts";
import { checkJson, type JsonObject } from "./json.ts";

/** What a schema makes of a value. */
export type Checked =
  | { readonly ok: true; readonly value: JsonObject }
  | {
      readonly ok: false;
      readonly code: "DOC_INVALID" | "DOC_SCHEMA_ASYNC" | "DOC_VALUE_INVALID";
      readonly issues: readonly DocIssue[];
    };

/** Asks the schema; one that throws has refused. */
export function checkBySchema(schema: StandardSchemaV1, value: unknown): Checked {
  const refuse = (message: string): Checked => ({
    ok: false,
    code: "DOC_INVALID",
    issues: [{ path: [], message }],
  });
  try {
    const result = schema["~standard"].validate(value);
    if (result instanceof Promise) {
      result.catch(() => undefined);
      const issue = { path: [], message: "the schema answers later" };
      return { ok: false, code: "DOC_SCHEMA_ASYNC", issues: [issue] };
    }
    if (result.issues !== undefined) {
      return { ok: false, code: "DOC_INVALID", issues: result.issues.map(toIssue) };
    }
    checkJson(result.value);
    return { ok: true, value: result.value };
  } catch (error) {
    if (error instanceof DocError && error.code === "DOC_VALUE_INVALID") {
      return { ok: false, code: error.code, issues: error.issues };
    }
    return refuse("the schema threw an error");
  }
}

function toIssue({ message, path = [] }: StandardSchemaV1.Issue): DocIssue {
  // Some libraries give lists of a kind of their own: `Array.from` makes plain ones.
  const keys = Array.from(path, (part) => String(typeof part === "object" ? part.key : part));
  return { path: keys, message };
}

/** Issues in a line for people. */
export function describeIssues(issues: readonly DocIssue[]): string {
  const shown = issues.slice(0, 5);
  return shown.map(({ path, message }) => `${path.join(".") || "document"}: ${message}`).join("; ");
}
