/** The template made into a package in a temporary workspace, and held to every check there is. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkWorkspace, findWorkspace } from "@hawser-tooling/check-layers";
import { extractExamples, runExample } from "@hawser-tooling/docs";
import { afterEach, expect, test } from "vitest";
import { generate, type NewPackage, validate } from "../src/generate.ts";
import { checkShape } from "../src/shape.ts";

const realRoot = fileURLToPath(new URL("../../..", import.meta.url));
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const wish: NewPackage = {
  name: "store-opfs",
  layer: 4,
  description: "LogStore on the origin private file system.",
};

/** A workspace with the real settings, the real tools, and nothing in packages/ but the new one. */
function createRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "new-package-"));
  folders.push(root);
  const settings = ["package.json", "tsconfig.json", ".oxlintrc.json", ".oxfmtrc.json"];
  for (const path of [...settings, "tooling/tsconfig"]) {
    cpSync(join(realRoot, path), join(root, path), { recursive: true });
  }
  symlinkSync(join(realRoot, "node_modules"), join(root, "node_modules"));
  mkdirSync(join(root, "docs"));
  writeFileSync(join(root, "ARCHITECTURE.md"), "# A\n");
  return root;
}

function run(root: string, program: string, ...args: readonly string[]) {
  const path = join(realRoot, "node_modules", ".bin", program);
  const result = spawnSync(path, args, { cwd: root, encoding: "utf8" });
  return { status: result.status, output: result.stdout + result.stderr };
}

test("the command refuses bad wishes", () => {
  const root = createRoot();
  expect(validate(wish, root)).toBeUndefined();
  expect(validate({ ...wish, name: "StoreOpfs" }, root)).toMatch(/kebab-case/);
  expect(validate({ ...wish, name: "../escape" }, root)).toMatch(/kebab-case/);
  expect(validate({ ...wish, layer: 9 }, root)).toMatch(/layer/);
  expect(validate({ ...wish, layer: Number.NaN }, root)).toMatch(/layer/);
  expect(validate({ ...wish, description: "no sentence" }, root)).toMatch(/sentence/);
  expect(validate({ ...wish, description: 'A "quoted" one.' }, root)).toMatch(/sentence/);
  generate(wish, root);
  expect(validate(wish, root)).toMatch(/is there already/);
});

test("a new package passes the shape, layer, format, lint and type checks", () => {
  const root = createRoot();
  const files = generate(wish, root);
  expect(files).toContain(join("packages", "store-opfs", "src", "store-opfs.ts"));
  for (const file of files) expect(readFileSync(join(root, file), "utf8")).not.toMatch(/__\w/);
  expect(checkShape(root)).toEqual([]);
  expect(checkWorkspace(findWorkspace(root))).toEqual([]);
  // The command lays the files out anew, since lines grow with the name.
  expect(run(root, "oxfmt", "packages").status).toBe(0);
  expect(run(root, "oxlint", "--deny-warnings", "packages")).toMatchObject({ status: 0 });
  expect(run(root, "tsc", "-p", ".")).toEqual({ status: 0, output: "" });
  expect(run(root, "tsc", "-p", "packages/store-opfs/tsconfig.build.json").output).toBe("");
}, 60_000);

test("its README's example and its tests run", async () => {
  const root = createRoot();
  generate(wish, root);
  const folder = "packages/store-opfs";
  const examples = extractExamples(readFileSync(join(root, folder, "README.md"), "utf8"));
  expect(examples).toHaveLength(1);
  for (const { source } of examples) {
    const example = { place: "README.md", source, folder };
    const result = await runExample(example, root, ["--conditions=hawser-source"]);
    expect(result.problem).toBeUndefined();
  }
  writeFileSync(
    join(root, "vitest.config.mjs"),
    `export default { ssr: { resolve: { conditions: ["hawser-source"] } } };`,
  );
  const tests = run(root, "vitest", "run", "--root", root);
  expect(tests.output).toMatch(/2 passed/);
  expect(tests.status).toBe(0);
}, 60_000);

test.each<[string, (text: string) => string, string, RegExp]>([
  [
    "another licence",
    (text) => text.replace("MIT OR Apache-2.0", "ISC"),
    "package.json",
    /license/,
  ],
  [
    "side effects",
    (text) => text.replace(`"sideEffects": false`, `"sideEffects": true`),
    "package.json",
    /sideEffects/,
  ],
  [
    "doors in another order",
    (text) =>
      text.replace(/("types": .*,)\n\s+("default": .*)/, "$2,\n$1").replace(/,\n(\s+})/, "\n$1"),
    "package.json",
    /exports\["\."\]/,
  ],
  [
    "a door to another file",
    (text) => text.replace("dist/src/index.js", "dist/index.js"),
    "package.json",
    /exports\["\."\]/,
  ],
  [
    "a dependency without a reason",
    (text) => text.replace(`"engines"`, `"dependencies": { "left-pad": "catalog:" }, "engines"`),
    "package.json",
    /no line about `left-pad`/,
  ],
  [
    "a dependency with a version of its own",
    (text) => text.replace(`"engines"`, `"dependencies": { "left-pad": "1.0.0" }, "engines"`),
    "package.json",
    /not "catalog:"/,
  ],
  [
    "a workspace dependency by version",
    (text) => text.replace(`"engines"`, `"dependencies": { "@hawser/log": "0.0.0" }, "engines"`),
    "package.json",
    /not "workspace:\*"/,
  ],
  [
    "a missing chapter",
    (text) => text.replace("## Concepts", "## Ideas"),
    "README.md",
    /no chapter "Concepts"/,
  ],
  [
    "chapters in another order",
    (text) =>
      text.replace("## API", "## X").replace("## Install", "## API").replace("## X", "## Install"),
    "README.md",
    /another order/,
  ],
  [
    "an error code without a heading",
    (text) => text.replace(`"STORE_OPFS_CLOSED";`, `"STORE_OPFS_CLOSED" | "STORE_OPFS_FULL";`),
    "src/errors.ts",
    /no heading for the error STORE_OPFS_FULL/,
  ],
  ["build settings of its own", () => "{}", "tsconfig.build.json", /does not extend/],
])("%s is found", (_what, change, file, problem) => {
  const root = createRoot();
  generate(wish, root);
  const path = join(root, "packages/store-opfs", file);
  const before = readFileSync(path, "utf8");
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(path, after);
  expect(checkShape(root).join("\n")).toMatch(problem);
});

test("a door may lead to another file in browsers", () => {
  const root = createRoot();
  generate(wish, root);
  const path = join(root, "packages/store-opfs/package.json");
  const manifest = JSON.parse(readFileSync(path, "utf8"));
  const door = {
    "hawser-source": { browser: "./src/browser.ts", default: "./src/index.ts" },
    browser: { types: "./dist/src/browser.d.ts", default: "./dist/src/browser.js" },
    types: "./dist/src/index.d.ts",
    default: "./dist/src/index.js",
  };
  writeFileSync(path, JSON.stringify({ ...manifest, exports: { ".": door } }));
  expect(checkShape(root)).toEqual([]);
  const swapped = {
    ...door,
    browser: { types: "./dist/src/index.d.ts", default: "./dist/src/index.js" },
  };
  writeFileSync(path, JSON.stringify({ ...manifest, exports: { ".": swapped } }));
  expect(checkShape(root)).toHaveLength(1);
});

test("a testing folder needs its door, and a README must be there", () => {
  const root = createRoot();
  generate(wish, root);
  mkdirSync(join(root, "packages/store-opfs/testing"));
  rmSync(join(root, "packages/store-opfs/README.md"));
  expect(checkShape(root)).toEqual([
    `packages/store-opfs/package.json: exports["./testing"] and the testing folder go together`,
    "packages/store-opfs/package.json: files lacks testing",
    "packages/store-opfs/README.md: is missing",
  ]);
});
