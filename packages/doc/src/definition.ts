/**
 * What an application says of a collection. Layer 7.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { pathOf, type Condition, type FieldPath } from "./conditions.ts";
import { DocError } from "./errors.ts";
import { isKey, type Json } from "./json.ts";
import { createLens, type LensStep } from "./lens.ts";
import { isCollectionName } from "./ops.ts";

/**
 * How concurrent changes of one field meet. `last`: the later one counts. `counter`: a whole number,
 * changes are added up. `set`: a list without order or repetition, changes of different elements all
 * count. `list`: items keep their places, insertions and removals all count. `text`: the same for the
 * characters of a text.
 */
export type FieldPolicy = "last" | "counter" | "set" | "list" | "text";

/** An index over one field or several, kept up to date with every change. */
export interface IndexDefinition {
  /** Default: the fields joined by "+". */
  readonly name?: string;
  readonly fields: readonly FieldPath[];
  /** Two documents must not have the same values in all fields (docs/spec/doc.md §5.4). */
  readonly unique?: boolean;
}

/** What an application says of a collection. */
export interface CollectionOptions<Schema extends StandardSchemaV1> {
  /** Letters, digits and single hyphens between them, at most 64. */
  readonly name: string;
  /** Any Standard Schema that answers at once, and accepts what it gives. */
  readonly schema: Schema;
  /** Policies of top-level fields, by the names they are stored under; `last` for the others. */
  readonly fields?: Readonly<Record<string, FieldPolicy>>;
  readonly indexes?: readonly IndexDefinition[];
  /** Fields that hold ids, or lists of ids, of documents of another collection. */
  readonly references?: readonly { readonly field: FieldPath; readonly collection: string }[];
  /** From the oldest documents that are stored to those of this schema, in order. */
  readonly lens?: readonly LensStep[];
  /** What documents must be like besides the schema; a rule for people in this application. */
  readonly rule?: Condition;
  /** Documents that this application does not show. No secrecy: every reader has them. */
  readonly hide?: Condition;
  /** Values that this application shows in place of what is there. No secrecy either. */
  readonly redact?: Readonly<Record<string, Json>>;
}

/** A collection as it is handed around. */
export interface CollectionDefinition<
  Input extends object,
  Doc extends object,
> extends CollectionOptions<StandardSchemaV1> {
  readonly schema: StandardSchemaV1<Input, Doc>;
}

/** An index as it is used. */
export interface ReadyIndex {
  readonly name: string;
  readonly paths: readonly (readonly string[])[];
  readonly isUnique: boolean;
}

/** The index under its name. Throws DOC_DEFINITION_INVALID. */
export function readyIndex(definition: IndexDefinition): ReadyIndex {
  const paths = definition.fields.map(pathOf);
  const texts = paths.map((path) => path.join("."));
  const isDistinct = new Set(texts).size === texts.length;
  if (paths.length === 0 || !isDistinct || texts.includes("_id")) {
    throw new DocError(
      "DOC_DEFINITION_INVALID",
      "an index has one or more fields, each once, and _id is none of them",
    );
  }
  const name = definition.name ?? texts.join("+");
  return { name, paths, isUnique: definition.unique === true };
}

/** Checks a definition and types it by its schema. Throws DOC_DEFINITION_INVALID. */
export function defineCollection<Schema extends StandardSchemaV1<object, object>>(
  options: CollectionOptions<Schema>,
): CollectionDefinition<StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>> {
  const fail = (message: string): never => {
    throw new DocError("DOC_DEFINITION_INVALID", message);
  };
  if (!isCollectionName(options.name)) {
    fail("a collection's name is letters and digits with single hyphens between them, at most 64");
  }
  for (const field of Object.keys(options.fields ?? {})) {
    if (!isKey(field) || field === "_id") fail(`${field} is no field that can have a policy`);
  }
  const ready = (options.indexes ?? []).map(readyIndex);
  const names = ready.map(({ name }) => name);
  if (new Set(names).size !== names.length) fail("two indexes have the same name");
  createLens(options.lens ?? []);
  const isShown = ([key]: readonly string[]) => !Object.hasOwn(options.redact ?? {}, key ?? "");
  for (const { isUnique, paths } of ready) {
    if (isUnique && !paths.every(isShown)) fail("a unique index would tell what is redacted");
  }
  return options;
}
