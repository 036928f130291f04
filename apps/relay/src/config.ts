/**
 * Settings from four places (docs/guides/relay.md, *Configuration*): flags come before the
 * environment, that before the file, that before the defaults. Layer 9.
 *
 * One table says everything about a setting; its flag, its variable and its help follow from it.
 */
import { readFileSync } from "node:fs";
import { fields, type Field, type FieldPath } from "./config-fields.ts";
import { RelayError } from "./errors.ts";

/** A setting's value as it is used. */
export type ConfigValue = string | number | boolean;

/** What was said, by path; what nobody said is missing. */
export type ConfigValues = Readonly<Partial<Record<FieldPath, ConfigValue>>>;

/** One mistake: where, what, and what was expected. Never the value: it may be a secret. */
export interface ConfigIssue {
  /** `limits.topicsMax` in the file, `HAWSER_RELAY_TOPICS_MAX`, or `--topics-max`. */
  readonly path: string;
  readonly message: string;
}

/** Settings, or every mistake in them. */
export type ConfigOutcome =
  | { readonly ok: true; readonly values: ConfigValues }
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

/** Where settings come from. */
export interface ConfigSources {
  /** Flags by path, as texts; `true` for one without a value, `<path>File` for a secret's file. */
  readonly flags: Readonly<Record<string, string | true>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a file as text; throws what the system says. */
  readonly readText: (path: string) => string;
}

/** The variable that names the configuration file. */
export const configFileVariable = "HAWSER_RELAY_CONFIG";
const fileSuffix = "File";
const secretBytesMax = 4_096;
const configBytesMax: number = 1024 * 1024;

/** `topicsMax` of `limits` is `topics-max`: limits stand on their own, others keep their section. */
export function flagOf(path: string): string {
  return wordsOf(path).join("-");
}

/** `HAWSER_RELAY_TOPICS_MAX`. */
export function variableOf(path: string): string {
  return `HAWSER_RELAY_${wordsOf(path).join("_").toUpperCase()}`;
}

function wordsOf(path: string): readonly string[] {
  return path
    .replace(/^limits\./, "")
    .replaceAll(".", "-")
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    .split("-");
}

/** Puts the four places together. Reads the files they name. */
export function readConfig(sources: ConfigSources): ConfigOutcome {
  const issues: ConfigIssue[] = [];
  const fail = (path: string, message: string): void => void issues.push({ path, message });
  const reader = { ...sources, fail };
  const given = sources.flags["config"] ?? sources.env[configFileVariable];
  const file = typeof given === "string" && given !== "" ? readConfigFile(reader, given) : {};
  // The later of two places wins, so the weakest comes first.
  const values = { ...file, ...readEnvironment(reader), ...readFlags(reader) };
  checkTogether(values, fail);
  return issues.length === 0 ? { ok: true, values } : { ok: false, issues };
}

/** Throws `RELAY_OPTION` with every mistake in its message. */
export function configOrThrow(outcome: ConfigOutcome): ConfigValues {
  if (outcome.ok) return outcome.values;
  const lines = outcome.issues.map(({ path, message }) => `${path}: ${message}`);
  throw new RelayError("RELAY_OPTION", lines.join("; "));
}

/** The sources of this process. */
export function processSources(flags: ConfigSources["flags"]): ConfigSources {
  return { flags, env: process.env, readText: (path) => readFileSync(path, "utf8") };
}

interface Reader extends ConfigSources {
  readonly fail: (path: string, message: string) => void;
}

type Values = Partial<Record<FieldPath, ConfigValue>>;

function readFlags(reader: Reader): Values {
  return readTexts(reader, (field, suffix) => {
    const value = reader.flags[`${field.path}${suffix}`];
    const name = `--${flagOf(`${field.path}${suffix}`)}`;
    return { name, text: value === true ? "true" : value };
  });
}

function readEnvironment(reader: Reader): Values {
  const known = new Set([configFileVariable]);
  const values = readTexts(reader, (field, suffix) => {
    const name = variableOf(`${field.path}${suffix}`);
    known.add(name);
    return { name, text: reader.env[name] };
  });
  for (const name of Object.keys(reader.env).sort()) {
    if (name.startsWith("HAWSER_RELAY_") && !known.has(name)) reader.fail(name, "no such setting");
  }
  return values;
}

/** Settings as texts, each by itself or, for a secret, from the file that its twin names. */
function readTexts(
  reader: Reader,
  find: (field: Field, suffix: "" | "File") => { name: string; text: string | undefined },
): Values {
  const values: Values = {};
  for (const field of fields) {
    const own = find(field, "");
    const file: ReturnType<typeof find> = field.secret
      ? find(field, fileSuffix)
      : { name: "", text: undefined };
    if (own.text !== undefined && file.text !== undefined) {
      reader.fail(file.name, `stands beside ${own.name}: give one of them`);
    } else if (file.text !== undefined) {
      put(reader, values, { field, name: file.name, value: readSecret(reader, file) });
    } else if (own.text !== undefined) {
      put(reader, values, { field, name: own.name, value: fromText(field, own.text) });
    }
  }
  return values;
}

function readConfigFile(reader: Reader, path: string): Values {
  let parsed: unknown;
  try {
    const text = reader.readText(path);
    if (text.length > configBytesMax) throw new RangeError("the file is longer than 1 MiB");
    parsed = JSON.parse(text);
  } catch (cause) {
    // A parser's message quotes the file, which may hold a secret.
    const isSyntax = cause instanceof SyntaxError;
    reader.fail(path, isSyntax ? "is not JSON" : `cannot be read: ${systemCode(cause)}`);
    return {};
  }
  if (!isRecord(parsed)) {
    reader.fail(path, "expected a JSON object");
    return {};
  }
  const values: Values = {};
  readSection(reader, values, { prefix: "", section: parsed });
  return values;
}

/** Sections nest one deep: a table of a table is a mistake, so nothing here is recursive. */
function readSection(
  reader: Reader,
  values: Values,
  { prefix, section }: { readonly prefix: string; readonly section: Record<string, unknown> },
): void {
  for (const [key, value] of Object.entries(section)) {
    const path = `${prefix}${key}`;
    const field = fields.find((known) => known.path === path);
    const twin = fields.find((known) => known.secret && `${known.path}${fileSuffix}` === path);
    if (field !== undefined) {
      put(reader, values, { field, name: path, value });
    } else if (twin !== undefined) {
      if (section[key.slice(0, -fileSuffix.length)] !== undefined) {
        reader.fail(path, `stands beside ${twin.path}: give one of them`);
      } else {
        const text = typeof value === "string" ? value : "";
        put(reader, values, {
          field: twin,
          name: path,
          value: readSecret(reader, { name: path, text }),
        });
      }
    } else if (prefix === "" && fields.some((known) => known.path.startsWith(`${key}.`))) {
      if (isRecord(value)) readSection(reader, values, { prefix: `${key}.`, section: value });
      else reader.fail(path, "expected an object");
    } else {
      reader.fail(path, "no such setting");
    }
  }
}

function readSecret(
  reader: Reader,
  { name, text }: { readonly name: string; readonly text: string | undefined },
): string | undefined {
  try {
    const secret = reader.readText(text ?? "").replace(/\r?\n$/, "");
    if (secret.length > 0 && secret.length <= secretBytesMax) return secret;
    reader.fail(name, "the file is empty, or longer than 4 KiB");
  } catch (cause) {
    reader.fail(name, `the file cannot be read: ${systemCode(cause)}`);
  }
  return undefined;
}

/** Texts become what the field holds; what does not fit stays a text and is refused as one. */
function fromText(field: Field, text: string): unknown {
  if (field.type === "count" && /^\d{1,15}$/.test(text)) return Number(text);
  if (field.type === "switch" && (text === "true" || text === "false")) return text === "true";
  return text;
}

function put(
  reader: Reader,
  values: Values,
  { field, name, value }: { readonly field: Field; readonly name: string; readonly value: unknown },
): void {
  if (value === undefined) return;
  const problem = problemOf(field, value);
  if (problem !== undefined) reader.fail(name, problem);
  // Safe: a value without a problem has the type that its field says.
  else values[field.path] = value as ConfigValue;
}

function problemOf(field: Field, value: unknown): string | undefined {
  switch (field.type) {
    case "count": {
      const { min, max } = field;
      const isCount = typeof value === "number" && Number.isSafeInteger(value);
      if (isCount && value >= min && value <= max) return undefined;
      return `expected a whole number from ${min} to ${max}`;
    }
    case "switch":
      return typeof value === "boolean" ? undefined : "expected true or false";
    case "choice":
      return field.choices.some((choice) => choice === value)
        ? undefined
        : `expected one of ${field.choices.join(", ")}`;
    case "text":
      if (typeof value !== "string" || value === "") return "expected a text";
      return field.pattern === undefined || field.pattern.test(value)
        ? undefined
        : `expected ${field.expected}`;
  }
}

/** Settings that contradict each other. */
function checkTogether(values: Values, fail: Reader["fail"]): void {
  if (values["metrics.host"] !== undefined && values["metrics.port"] === undefined) {
    fail("metrics.host", "says where metrics.port listens, and that is missing");
  }
  if (values["store"] !== undefined && values["data"] !== undefined) {
    fail("data", "is for SQLite, and store names a database: give one of them");
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function systemCode(cause: unknown): string {
  if (cause instanceof RangeError) return cause.message;
  return cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
}
