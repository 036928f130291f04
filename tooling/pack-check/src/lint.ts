/**
 * What can be said about a tarball without installing it: the files that must be there, publint's
 * rules, and whether TypeScript finds the types of every door (are-the-types-wrong, ESM only).
 */
import { readFileSync } from "node:fs";
import { checkPackage, createPackageFromTarballData, type Package } from "@arethetypeswrong/core";
import { problemAffectsResolutionKind } from "@arethetypeswrong/core/problems";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import type { PackedPackage } from "./packages.ts";

/** Doors and commands are publint's to check: it knows them from package.json. */
const requiredFiles = ["package.json", "README.md", "LICENSE"];
const unwantedFile = /(^|\/)(test|bench|node_modules)\/|\.tsbuildinfo$|\.test\.|(^|\/)tsconfig/;

/** Problems of one tarball, one line each. */
export async function lintTarball(one: PackedPackage): Promise<readonly string[]> {
  const bytes = new Uint8Array(readFileSync(one.tarball));
  const pkg = createPackageFromTarballData(bytes);
  const typeProblems = one.hasExports ? await checkTypes(pkg) : [];
  return [...checkFiles(pkg), ...(await checkWithPublint(bytes)), ...typeProblems];
}

function checkFiles(pkg: Package): readonly string[] {
  const prefix = `/node_modules/${pkg.packageName}/`;
  const files = pkg.listFiles().map((path) => path.replace(prefix, ""));
  return [
    ...requiredFiles.filter((file) => !files.includes(file)).map((file) => `${file} is not packed`),
    ...files.filter((file) => unwantedFile.test(file)).map((file) => `${file} is packed`),
  ];
}

async function checkWithPublint(bytes: Uint8Array<ArrayBuffer>): Promise<readonly string[]> {
  const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer }, strict: true });
  return messages.map((message) => `publint: ${formatMessage(message, pkg) ?? message.code}`);
}

async function checkTypes(pkg: Package): Promise<readonly string[]> {
  const result = await checkPackage(pkg);
  if (result.types === false) return ["are the types wrong: the package has no types"];
  // The packages are ESM; what older CommonJS resolution would see does not count.
  return result.problems
    .filter((problem) =>
      (["node16-esm", "bundler"] as const).some((kind) =>
        problemAffectsResolutionKind(problem, kind, result),
      ),
    )
    .map((problem) => {
      const entrypoint = "entrypoint" in problem ? ` at ${problem.entrypoint}` : "";
      return `are the types wrong: ${problem.kind}${entrypoint}`;
    });
}
