/**
 * What makes packages look alike: the fields of package.json, the build settings, the chapters of
 * the README, an entry there for every error code, and a reason for every third-party dependency.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readMarkdown } from "@hawser-tooling/docs";

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly private?: boolean;
  readonly description?: string;
  readonly license?: string;
  readonly type?: string;
  readonly sideEffects?: unknown;
  readonly files?: readonly string[];
  readonly engines?: { readonly node?: string };
  readonly exports?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const chapters = ["Install", "Example", "Concepts", "API", "Errors", "Limits & threat notes"];

/** Everything that differs from the common shape, as `path: message`. */
export function checkShape(root: string): readonly string[] {
  const folders = globSync("{packages,apps}/*/package.json", { cwd: root })
    .map((path) => path.replaceAll("\\", "/").replace(/\/package\.json$/, ""))
    .sort();
  const manifests = new Map(
    // Safe: every field is optional and compared, never trusted.
    folders.map((folder) => [folder, readJson(join(root, folder, "package.json")) as Manifest]),
  );
  const version = [...manifests.values()][0]?.version ?? "";
  const reasons = readIfThere(join(root, "docs/dependencies.md"));
  return [...manifests].flatMap(([folder, manifest]) => [
    ...checkManifest(folder, manifest, version),
    ...checkDependencies(folder, manifest, reasons),
    ...checkBuild(folder, root),
    ...(folder.startsWith("packages/")
      ? [...checkExports(folder, manifest, root), ...checkReadme(folder, root)]
      : []),
  ]);
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"));
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function checkManifest(folder: string, manifest: Manifest, version: string): readonly string[] {
  const name = folder.split("/")[1] ?? "";
  const isPackage = folder.startsWith("packages/");
  const expected: readonly (readonly [string, boolean])[] = [
    [`name is @hawser/${name}`, manifest.name === `@hawser/${name}`],
    [`version is ${version}, like all`, manifest.version === version],
    ["description is one sentence", /^\S.*\.$/.test(manifest.description ?? "")],
    ["license is MIT OR Apache-2.0", manifest.license === "MIT OR Apache-2.0"],
    [`type is module`, manifest.type === "module"],
    ["engines.node is >=22", manifest.engines?.node === ">=22"],
    ["scripts.build is there", manifest.scripts?.["build"] === "tsc -p tsconfig.build.json"],
    ["files has dist", manifest.files?.includes("dist") === true],
    ["files has src, for source maps", manifest.files?.includes("src") === true],
    ["sideEffects is false", !isPackage || manifest.sideEffects === false],
  ];
  return expected
    .filter(([, holds]) => !holds)
    .map(([rule]) => `${folder}/package.json: does not hold: ${rule}`);
}

function checkDependencies(folder: string, manifest: Manifest, reasons: string): readonly string[] {
  return Object.entries({ ...manifest.dependencies }).flatMap(([name, range]) => {
    const path = `${folder}/package.json`;
    if (name.startsWith("@hawser/")) {
      return range === "workspace:*" ? [] : [`${path}: ${name} is "${range}", not "workspace:*"`];
    }
    return [
      ...(range === "catalog:" ? [] : [`${path}: ${name} is "${range}", not "catalog:"`]),
      ...(reasons.includes(`\`${name}\``)
        ? []
        : [`docs/dependencies.md: no line about \`${name}\``]),
    ];
  });
}

function checkBuild(folder: string, root: string): readonly string[] {
  const text = readIfThere(join(root, folder, "tsconfig.build.json"));
  const isCommon = text.includes(`"extends": "../../tooling/tsconfig/build.json"`);
  return isCommon
    ? []
    : [`${folder}/tsconfig.build.json: does not extend the common build settings`];
}

function checkExports(folder: string, manifest: Manifest, root: string): readonly string[] {
  const path = `${folder}/package.json`;
  const doors = Object.entries({ ...manifest.exports });
  const wrong = doors.filter(([, conditions]) => {
    const expected = expectedDoor(conditions["hawser-source"]);
    return JSON.stringify(conditions) !== JSON.stringify(expected);
  });
  const hasTesting = existsSync(join(root, folder, "testing"));
  return [
    ...wrong.map(
      ([door]) => `${path}: exports["${door}"] is not source, types, default of one file`,
    ),
    ...(manifest.exports?.["."] === undefined ? [`${path}: exports["."] is missing`] : []),
    ...(hasTesting === (manifest.exports?.["./testing"] !== undefined)
      ? []
      : [`${path}: exports["./testing"] and the testing folder go together`]),
    ...(hasTesting && manifest.files?.includes("testing") !== true
      ? [`${path}: files lacks testing`]
      : []),
  ];
}

/**
 * The conditions of a door, in their order, from its source: one file, or `{ browser, default }`
 * where browsers get another one.
 */
function expectedDoor(source: unknown): unknown {
  const builtOf = (file: unknown): { readonly types: string; readonly default: string } => {
    const built = String(file).replace(/^\.\//, "./dist/").replace(/\.ts$/, "");
    return { types: `${built}.d.ts`, default: `${built}.js` };
  };
  if (typeof source !== "object" || source === null) {
    return { "hawser-source": source, ...builtOf(source) };
  }
  const { browser, default: node } = source as { browser?: unknown; default?: unknown };
  return { "hawser-source": source, browser: builtOf(browser), ...builtOf(node) };
}

function checkReadme(folder: string, root: string): readonly string[] {
  const path = `${folder}/README.md`;
  const text = readIfThere(join(root, path));
  if (text === "") return [`${path}: is missing`];
  const headings = readMarkdown(text).headings.map((heading) => heading.text.replaceAll("`", ""));
  const places = chapters.map((chapter) => headings.indexOf(chapter));
  const missing = chapters.filter((_, index) => places[index] === -1);
  const present = places.filter((place) => place !== -1);
  const isOrdered = present.every(
    (place, index) => index === 0 || place > (present[index - 1] ?? 0),
  );
  const codes = errorCodes(readIfThere(join(root, folder, "src/errors.ts")));
  return [
    ...missing.map((chapter) => `${path}: no chapter "${chapter}"`),
    ...(isOrdered
      ? []
      : [`${path}: the chapters are in another order than ${chapters.join(", ")}`]),
    ...codes
      .filter((code) => !headings.some((heading) => heading.split(/[\s,/·]+/).includes(code)))
      .map((code) => `${path}: no heading for the error ${code}`),
  ];
}

/** The codes of a package: its src/errors.ts is where they are named. */
function errorCodes(source: string): readonly string[] {
  const found = source.matchAll(/"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"/g);
  return [...new Set([...found].map((match) => match[1] ?? ""))].sort();
}
