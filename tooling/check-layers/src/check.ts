/**
 * The rules, each a function from facts to findings:
 *   layer       packages import, and depend on, lower layers only
 *   declared    every import is declared in the importer's own package.json
 *   outside     no relative path leaves its package
 *   deep        no import goes past a package's `exports`
 *   door        src/index.ts holds named re-exports only, and no file of src imports it
 *   platform    packages up to layer 4 use no platform names but those they declare
 */
import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { platformNameOfGlobal, platformNameOfImport, pureLayerMax } from "./platform.ts";
import { type Import, readSource, type SourceFacts } from "./source.ts";
import type { Project, Workspace } from "./workspace.ts";

export interface Finding {
  readonly rule: "layer" | "declared" | "outside" | "deep" | "door" | "platform";
  /** `packages/log/src/store.ts:12`, or a package.json. */
  readonly place: string;
  readonly message: string;
}

/** Everything that is wrong with a workspace, in order of place. */
export function checkWorkspace(workspace: Workspace): readonly Finding[] {
  const byName = new Map(workspace.projects.map((project) => [project.name, project]));
  const findings = workspace.projects.flatMap((project) => [
    ...checkManifest(project, byName),
    ...checkFiles(project, workspace, byName),
  ]);
  return findings.sort((left, right) => (left.place < right.place ? -1 : 1));
}

/** Folders whose files ship to users: src always, testing as a second door. */
function isShipped(file: string): boolean {
  return file.startsWith("src/") || file.startsWith("testing/");
}

function checkManifest(project: Project, byName: ReadonlyMap<string, Project>): readonly Finding[] {
  const place = `${project.folder}/package.json`;
  const { layer, manifest } = project;
  if (layer === undefined || !Number.isInteger(layer) || layer < 0) {
    return [{ rule: "layer", place, message: `needs "hawser": { "layer": <integer> }` }];
  }
  const isPlatformByFile = Object.values({ ...manifest.hawser?.platform }).every(Array.isArray);
  if (!isPlatformByFile || Array.isArray(manifest.hawser?.platform)) {
    const message = `hawser.platform is { "<file of src>": ["<platform name>", …] }`;
    return [{ rule: "platform", place, message }];
  }
  const runtime = { ...manifest.dependencies, ...manifest.peerDependencies };
  return Object.keys(runtime).flatMap((name): readonly Finding[] => {
    const target = byName.get(name);
    if (target === undefined || (target.layer ?? -1) < layer) return [];
    const message = `layer ${layer} depends on ${name} of layer ${target.layer}`;
    return [{ rule: "layer", place, message }];
  });
}

function checkFiles(
  project: Project,
  workspace: Workspace,
  byName: ReadonlyMap<string, Project>,
): readonly Finding[] {
  const used = new Map<string, Set<string>>();
  const findings = project.files.flatMap((file) => {
    const facts = readSource(readFileSync(join(workspace.root, project.folder, file), "utf8"));
    return [
      ...facts.imports.flatMap((found) => checkImport(found, file, project, workspace, byName)),
      ...checkDoor(facts, file, project),
      ...checkPlatform(facts, file, project, used),
    ];
  });
  return [...findings, ...checkAllowances(project, used)];
}

function checkImport(
  found: Import,
  file: string,
  project: Project,
  workspace: Workspace,
  byName: ReadonlyMap<string, Project>,
): readonly Finding[] {
  const place = `${project.folder}/${file}:${found.line}`;
  const { specifier } = found;
  if (specifier === undefined) {
    if (project.kind !== "package" || !isShipped(file)) return [];
    return [{ rule: "declared", place, message: "a computed import cannot be checked" }];
  }
  if (specifier.startsWith(".")) return checkRelative(specifier, file, place);
  if (platformNameOfImport(found) !== undefined) return [];
  const parts = specifier.split("/");
  const name = specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? "");
  const target = byName.get(name);
  return [
    ...checkDeclared(name, file, place, project, workspace),
    ...(target === undefined ? [] : checkWorkspaceImport(specifier, target, file, place, project)),
  ];
}

function checkRelative(specifier: string, file: string, place: string): readonly Finding[] {
  const target = posix.normalize(posix.join(posix.dirname(file), specifier));
  if (target.startsWith("..")) {
    const message = `${specifier} leaves the package: import the other package by name`;
    return [{ rule: "outside", place, message }];
  }
  if (file.startsWith("src/") && target === "src/index.ts") {
    const message = "no file of src imports src/index.ts: import the file that has it";
    return [{ rule: "door", place, message }];
  }
  return [];
}

function checkDeclared(
  name: string,
  file: string,
  place: string,
  project: Project,
  workspace: Workspace,
): readonly Finding[] {
  const { manifest } = project;
  const runtime = {
    ...manifest.dependencies,
    ...manifest.peerDependencies,
    ...manifest.optionalDependencies,
  };
  if (name in runtime) return [];
  // A package import (`#name`) leads to files of the package, which are checked themselves.
  if (name in { ...manifest.imports }) return [];
  // Tools are never published: all of a tool is development.
  const isDevelopment = project.kind === "tool" || !isShipped(file);
  // A package finds itself by name through its own exports; src has no need to.
  if (!file.startsWith("src/") && name === project.name) return [];
  if (isDevelopment && name in { ...manifest.devDependencies }) return [];
  if (isDevelopment && workspace.rootDependencies.has(name)) return [];
  const where = isDevelopment ? "dependencies or devDependencies" : "dependencies";
  return [{ rule: "declared", place, message: `${name} is not in the package's ${where}` }];
}

function checkWorkspaceImport(
  specifier: string,
  target: Project,
  file: string,
  place: string,
  project: Project,
): readonly Finding[] {
  const findings: Finding[] = [];
  const subpath = `.${specifier.slice(target.name.length)}`;
  if (!(subpath in { ...target.manifest.exports })) {
    const message = `${specifier} is not among the exports of ${target.name}`;
    findings.push({ rule: "deep", place, message });
  }
  // Tests and doubles may use their own package by name, and a bench the bench helpers.
  const isOwnTest = target === project && !file.startsWith("src/");
  const isHelper = target.kind === "tool" && !isShipped(file);
  if (!isOwnTest && !isHelper && (target.layer ?? -1) >= (project.layer ?? -1)) {
    const message = `layer ${project.layer} imports ${target.name} of layer ${target.layer}`;
    findings.push({ rule: "layer", place, message });
  }
  return findings;
}

function checkDoor(facts: SourceFacts, file: string, project: Project): readonly Finding[] {
  if (project.kind !== "package" || file !== "src/index.ts") return [];
  const message = "src/index.ts holds `export { … } from` and `export type { … } from` only";
  return facts.otherStatementLines.map((line) => ({
    rule: "door",
    place: `${project.folder}/${file}:${line}`,
    message,
  }));
}

/** Notes each declared use in `used`, and reports the undeclared ones. */
function checkPlatform(
  facts: SourceFacts,
  file: string,
  project: Project,
  used: Map<string, Set<string>>,
): readonly Finding[] {
  const isPure = project.kind === "package" && (project.layer ?? 0) <= pureLayerMax;
  if (!isPure || !file.startsWith("src/")) return [];
  const allowed = allowancesOf(project).get(file) ?? [];
  const uses = [
    ...facts.globals.map((use) => ({ name: platformNameOfGlobal(use), line: use.line })),
    ...facts.imports.map((found) => ({ name: platformNameOfImport(found), line: found.line })),
  ];
  return uses.flatMap(({ name, line }): readonly Finding[] => {
    if (name === undefined) return [];
    if (allowed.includes(name)) {
      used.set(file, (used.get(file) ?? new Set()).add(name));
      return [];
    }
    const message = `${name} in layer ${project.layer}: inject it, or declare it for this file in hawser.platform of package.json`;
    return [{ rule: "platform", place: `${project.folder}/${file}:${line}`, message }];
  });
}

/** The allowances by file; what is not in that form is reported with the manifest. */
function allowancesOf(project: Project): ReadonlyMap<string, readonly string[]> {
  const platform = Object.entries({ ...project.manifest.hawser?.platform });
  return new Map(platform.filter(([, names]) => Array.isArray(names)));
}

/** An allowance nobody uses is a hole that waits. */
function checkAllowances(
  project: Project,
  used: ReadonlyMap<string, ReadonlySet<string>>,
): readonly Finding[] {
  return [...allowancesOf(project)].flatMap(([file, names]) =>
    names
      .filter((name) => used.get(file)?.has(name) !== true)
      .map((name) => ({
        rule: "platform" as const,
        place: `${project.folder}/package.json`,
        message: `hawser.platform allows ${name} to ${file}, which does not use it`,
      })),
  );
}
