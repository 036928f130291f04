/**
 * `changeset status` against main: fails when a package changed and no changeset says so. A checkout
 * without any main branch (a shallow clone of one commit) has nothing to compare with, and says it.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));

function run(program: string, args: readonly string[]) {
  return spawnSync(program, args, {
    cwd: root,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
}

function commitOf(name: string): string | undefined {
  const result = run("git", ["rev-parse", "--verify", "--quiet", `${name}^{commit}`]);
  return result.status === 0 ? result.stdout.trim() : undefined;
}

const base = ["main", "origin/main"].find((name) => commitOf(name) !== undefined);
if (base === undefined) {
  console.log("not compared: there is no main branch in this checkout");
} else {
  // A branch brings a changeset of its own; on main itself any pending one speaks for the change.
  const isMain = base === "main" && commitOf("main") === commitOf("HEAD");
  const bin = join(root, "node_modules", ".bin", "changeset");
  const status = run(bin, isMain ? ["status"] : ["status", `--since=${base}`]);
  console.error(status.error?.message ?? status.stdout + status.stderr);
  process.exitCode = status.status === 0 ? 0 : 1;
}
