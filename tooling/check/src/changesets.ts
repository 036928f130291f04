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

const base = ["main", "origin/main"].find(
  (name) => run("git", ["rev-parse", "--verify", "--quiet", `${name}^{commit}`]).status === 0,
);
if (base === undefined) {
  console.log("not compared: there is no main branch in this checkout");
} else {
  const bin = join(root, "node_modules", ".bin", "changeset");
  const status = run(bin, ["status", `--since=${base}`]);
  console.error(status.error?.message ?? status.stdout + status.stderr);
  process.exitCode = status.status === 0 ? 0 : 1;
}
