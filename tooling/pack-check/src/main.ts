/**
 * `node tooling/pack-check/src/main.ts`: builds and packs every published package, lints each
 * tarball, and installs each with npm into an empty folder to run its README's example, or its commands'
 * `--help`, on plain Node.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openPassCache, type PassCache } from "./cache.ts";
import { tryInstalled } from "./install.ts";
import { lintTarball } from "./lint.ts";
import { closure, findPublished, pack, type PackedPackage } from "./packages.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

function build(): boolean {
  const turbo = join(root, "node_modules", ".bin", "turbo");
  const result = spawnSync(turbo, ["run", "build", "--output-logs=errors-only"], {
    cwd: root,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (result.status !== 0) {
    console.error(`the build failed\n${result.error?.message ?? result.stdout + result.stderr}`);
  }
  return result.status === 0;
}

/** A key that changes with the package, with Node, and with these checks themselves. */
function createKey(): (kind: string, packages: readonly PackedPackage[]) => string {
  const own = createHash("sha256").update(process.version);
  for (const path of globSync("src/*.ts", { cwd: join(root, "tooling/pack-check") }).sort()) {
    own.update(readFileSync(join(root, "tooling/pack-check", path)));
  }
  own.update(readFileSync(join(root, "pnpm-lock.yaml")));
  const checks = own.digest("hex").slice(0, 16);
  return (kind, packages) => [checks, kind, ...packages.map((one) => one.digest)].join(" ");
}

/** Runs a check unless it passed on the same bytes before; returns its problems. */
async function once(
  cache: PassCache,
  key: string,
  check: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  if (cache.has(key)) return [];
  const problems = await check();
  if (problems.length === 0) cache.add(key);
  return problems;
}

async function main(folder: string): Promise<number> {
  if (!build()) return 1;
  const cache = openPassCache(join(root, "node_modules/.cache/hawser/pack-check.json"));
  const keyOf = createKey();
  const packed = findPublished(root).map((one) => pack(one, root, join(folder, "tarballs")));
  const problems: string[] = [];
  const note = (one: PackedPackage, found: readonly string[]): void => {
    problems.push(...found.map((problem) => `${one.name}: ${problem}`));
  };
  for (const one of packed) {
    note(one, await once(cache, keyOf("lint", [one]), () => lintTarball(one)));
  }
  for (const one of packed) {
    const key = keyOf("install", closure(one.name, packed));
    const trial = () => tryInstalled(one, packed, root, mkdtempSync(join(folder, "trial-")));
    note(one, await once(cache, key, trial));
  }
  cache.save();
  for (const problem of problems) console.error(problem);
  console.log(`${packed.length} packages packed, ${problems.length} problems`);
  return problems.length === 0 && packed.length > 0 ? 0 : 1;
}

const folder = mkdtempSync(join(tmpdir(), "hawser-pack-"));
try {
  process.exitCode = await main(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
