/** `pnpm new-package <name> <layer> "<description>"`: a package from the template. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generate, validate } from "./generate.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

function main(args: readonly string[]): number {
  const [name = "", layer = "", description = ""] = args;
  const wish = { name, layer: layer === "" ? Number.NaN : Number(layer), description };
  const problem = args.length === 3 ? validate(wish, root) : "three arguments are needed";
  if (problem !== undefined) {
    console.error(`${problem}\nusage: pnpm new-package <name> <layer> "<description>"`);
    return 1;
  }
  for (const path of generate(wish, root)) console.log(path);
  // Lines grow with the name: lay them out anew.
  const formatter = join(root, "node_modules", ".bin", "oxfmt");
  spawnSync(formatter, [join("packages", name)], {
    cwd: root,
    shell: process.platform === "win32",
  });
  console.log(
    "\nnow: pnpm install && pnpm fix && pnpm check, and a changeset when it does something",
  );
  return 0;
}

process.exitCode = main(process.argv.slice(2));
