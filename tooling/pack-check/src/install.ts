/**
 * A user's first minute: install the tarballs with npm into an empty folder, type-check the README's
 * example against what was installed, and run it on plain Node; ask each command for its help.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { extractExamples, runExample } from "@hawser-tooling/docs";
import { closure, type PackedPackage } from "./packages.ts";

const compilerOptions = {
  strict: true,
  noEmit: true,
  target: "ES2024",
  lib: ["ES2024", "ESNext.Disposable", "DOM"],
  module: "NodeNext",
  skipLibCheck: true,
  types: ["node"],
};

/** Types of what runs the examples, as a user on Node has them, at the workspace's versions. */
function typePackages(root: string): readonly string[] {
  const catalog = readFileSync(join(root, "pnpm-workspace.yaml"), "utf8");
  return ["@types/node", "@types/ws"].flatMap((name) => {
    const version = new RegExp(`"${name}": (\\S+)`).exec(catalog)?.[1];
    return version === undefined ? [] : [`${name}@${version}`];
  });
}

/** Problems of one package in `folder`, which must exist and be empty. */
export async function tryInstalled(
  one: PackedPackage,
  all: readonly PackedPackage[],
  root: string,
  folder: string,
): Promise<readonly string[]> {
  const readme = readFileSync(join(root, one.folder, "README.md"), "utf8");
  const examples = extractExamples(readme);
  if (examples.length === 0 && one.commands.length === 0) return ["the README has no example"];
  const manifest = { name: "trial", private: true, type: "module" };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  const needed = closure(one.name, all);
  const tarballs = needed.map((dependency) => dependency.tarball);
  const peers = [...new Set(needed.flatMap((dependency) => dependency.peers))];
  const installed = spawnSync(
    "npm",
    [
      "install",
      "--no-audit",
      "--no-fund",
      "--prefer-offline",
      "--loglevel=error",
      ...tarballs,
      ...peers,
      ...typePackages(root),
    ],
    { cwd: folder, encoding: "utf8", shell: process.platform === "win32" },
  );
  if (installed.status !== 0) {
    const cause = installed.error?.message ?? `${installed.stdout}${installed.stderr}`;
    return [`npm install failed\n${cause}`];
  }
  const problems = one.commands.flatMap((command) => tryCommand(command, folder));
  for (const { source, line } of examples) {
    const place = `${one.folder}/README.md:${line}`;
    problems.push(...typeCheck(source, root, folder, place));
    const result = await runExample({ place, source, folder: "." }, folder, []);
    if (result.problem !== undefined) problems.push(`${place}: the example ${result.problem}`);
  }
  return problems;
}

function tryCommand(command: string, folder: string): readonly string[] {
  const path = join(folder, "node_modules", ".bin", command);
  const result = spawnSync(path, ["--help"], {
    encoding: "utf8",
    shell: process.platform === "win32",
    timeout: 30_000,
  });
  if (result.status === 0 && result.stdout.trim() !== "") return [];
  const cause = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
  return [`${command} --help ended with ${result.status ?? result.signal}\n${cause}`];
}

function typeCheck(source: string, root: string, folder: string, place: string): readonly string[] {
  writeFileSync(join(folder, "example.ts"), source);
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: ["example.ts"] }),
  );
  const compiler = join(root, "node_modules", ".bin", "tsc");
  const result = spawnSync(compiler, ["-p", folder], {
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  return result.status === 0 ? [] : [`${place}: the example does not type-check\n${result.stdout}`];
}
