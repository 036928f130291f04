/**
 * `pnpm bench [name…] [--option…]`: runs every bench file, or those of the named packages or files.
 * From the first option on all is passed on to them.
 *
 * A bench file is `packages/<package>/bench/<file>.bench.ts`, which measures one package, or
 * `tooling/bench/src/<name>.ts`, which may use all of them. It is a program of its own, run in a fresh
 * process so that one bench's garbage and compiled code do not colour the next.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { cpus } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** A bench file and the names it answers to. */
interface BenchFile {
  readonly path: string;
  readonly names: readonly string[];
}

function findBenchFiles(): readonly BenchFile[] {
  const own = globSync("tooling/bench/src/*.ts", { cwd: root })
    .filter((path) => basename(path) !== "main.ts")
    .map((path) => ({ path, names: [basename(path).replace(/\.ts$/, "")] }));
  const inPackages = globSync("packages/*/bench/*.bench.ts", { cwd: root }).map((path) => ({
    path,
    names: [path.split(/[\\/]/)[1] ?? "", basename(path, ".bench.ts")],
  }));
  return [...own, ...inPackages].sort((left, right) => (left.path < right.path ? -1 : 1));
}

function main(words: readonly string[]): number {
  const optionsAt = words.findIndex((word) => word.startsWith("--"));
  const wanted = optionsAt < 0 ? words : words.slice(0, optionsAt);
  const options = optionsAt < 0 ? [] : words.slice(optionsAt);
  const all = findBenchFiles();
  const chosen =
    wanted.length === 0
      ? all
      : all.filter((file) => file.names.some((name) => wanted.includes(name)));
  const unknown = wanted.filter((name) => !all.some((file) => file.names.includes(name)));
  if (unknown.length > 0 || chosen.length === 0) {
    const known = [...new Set(all.flatMap((file) => file.names))].sort();
    console.error(
      `no bench called ${unknown.join(", ") || "anything"}; there is: ${known.join(", ")}`,
    );
    return 1;
  }
  const processors = cpus();
  console.log(`Node ${process.version}, ${processors.length} × ${processors[0]?.model ?? "?"}`);
  let failures = 0;
  for (const file of chosen) {
    console.log(`\n${file.path}`);
    const args = ["--conditions=hawser-source", "--expose-gc", join(root, file.path), ...options];
    const result = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
    if (result.status === 0) continue;
    failures++;
    console.error(`${file.path} ended with ${result.status ?? result.signal}`);
  }
  return failures === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
