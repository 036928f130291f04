/** The pack check on a small workspace of two packages: good as it is, then broken one by one. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { openPassCache } from "../src/cache.ts";
import { tryInstalled } from "../src/install.ts";
import { lintTarball } from "../src/lint.ts";
import { closure, findPublished, pack } from "../src/packages.ts";

const realRoot = fileURLToPath(new URL("../../..", import.meta.url));
const folders: string[] = [];

function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "pack-check-"));
  folders.push(folder);
  return folder;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const readme = (source: string): string => `# T\n\n## Example\n\n\`\`\`ts\n${source}\n\`\`\`\n`;

type Files = Readonly<Record<string, string | undefined>>;

/** Files of a package that is in order; `changes` replaces some, or leaves some out. */
function packageFiles(name: string, dependencies: object, changes: Files, manifest: object): Files {
  return {
    "package.json": JSON.stringify({
      name: `@trial/${name}`,
      version: "0.0.0",
      license: "MIT",
      type: "module",
      sideEffects: false,
      engines: { node: ">=22" },
      files: ["dist", "src"],
      exports: {
        ".": {
          "hawser-source": "./src/index.ts",
          types: "./dist/src/index.d.ts",
          default: "./dist/src/index.js",
        },
      },
      dependencies,
      ...manifest,
    }),
    "README.md": readme(
      `import { value } from "@trial/${name}";\nconst v: number = value;\nconsole.log(v);`,
    ),
    LICENSE: "MIT",
    "src/index.ts": `export { value } from "./value.ts";\n`,
    "dist/src/index.js": `export { value } from "./value.js";\n`,
    "dist/src/index.d.ts": `export { value } from "./value.js";\n`,
    "dist/src/value.js": "export const value = 1;\n",
    "dist/src/value.d.ts": "export declare const value: number;\n",
    ...changes,
  };
}

function createWorkspace(changes: Files = {}, manifest: object = {}): string {
  const root = createFolder();
  const uses = { "src/index.ts": `export { value } from "@trial/low";\n` };
  const built = `export { value } from "@trial/low";\n`;
  const high = { ...uses, "dist/src/index.js": built, "dist/src/index.d.ts": built };
  const packages = {
    low: packageFiles("low", {}, changes, manifest),
    high: packageFiles("high", { "@trial/low": "workspace:*" }, high, {}),
  };
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  write("package.json", JSON.stringify({ private: true }));
  write("pnpm-workspace.yaml", "packages:\n  - packages/*\n");
  for (const [name, files] of Object.entries(packages)) {
    for (const [path, text] of Object.entries(files)) {
      if (text !== undefined) write(`packages/${name}/${path}`, text);
    }
  }
  // What pnpm reads the version behind workspace:* from.
  write(
    "packages/high/node_modules/@trial/low/package.json",
    `{"name":"@trial/low","version":"0.0.0"}`,
  );
  return root;
}

function packAll(root: string) {
  const destination = createFolder();
  return findPublished(root).map((one) => pack(one, root, destination));
}

async function lintLow(changes: Files, manifest: object = {}): Promise<string> {
  const low = packAll(createWorkspace(changes, manifest)).find((one) => one.name === "@trial/low");
  if (low === undefined) throw new Error("nothing was packed");
  return (await lintTarball(low)).join("\n");
}

test("a package in order has no problems, and packs to the same bytes again", async () => {
  const root = createWorkspace();
  const packed = packAll(root);
  expect(packed.map((one) => one.name)).toEqual(["@trial/high", "@trial/low"]);
  for (const one of packed) expect(await lintTarball(one)).toEqual([]);
  expect(packAll(root).map((one) => one.digest)).toEqual(packed.map((one) => one.digest));
});

test.each<[string, Files, object, RegExp]>([
  ["no README", { "README.md": undefined }, {}, /README.md is not packed/],
  ["no build", { "dist/src/index.js": undefined }, {}, /publint: .*index\.js/],
  ["tests inside", { "dist/test/a.js": "" }, {}, /dist\/test\/a.js is packed/],
  ["build state inside", { "dist/.tsbuildinfo": "" }, {}, /tsbuildinfo is packed/],
  ["a door to a file that is not packed", {}, { files: ["src"] }, /publint: .*index\.js/],
  [
    "types that import what is not there",
    { "dist/src/index.d.ts": `export { value } from "./absent.js";` },
    {},
    /are the types wrong: Internal/,
  ],
  [
    "no types at all",
    { "dist/src/index.d.ts": undefined, "dist/src/value.d.ts": undefined },
    {},
    /types/,
  ],
  ["CommonJS behind an ESM door", { "dist/src/index.js": "exports.value = 1;" }, {}, /publint: /],
])("%s is found", async (_what, changes, manifest, problem) => {
  expect(await lintLow(changes, manifest)).toMatch(problem);
});

test("a private package is not published, and a closure holds what is needed", () => {
  const root = createWorkspace({}, { private: true });
  expect(findPublished(root).map((one) => one.name)).toEqual(["@trial/high"]);
  const both = findPublished(createWorkspace());
  expect(closure("@trial/high", both).map((one) => one.name)).toEqual([
    "@trial/high",
    "@trial/low",
  ]);
  expect(closure("@trial/low", both).map((one) => one.name)).toEqual(["@trial/low"]);
});

test("an example runs from an npm install of the tarballs, types included", async () => {
  const root = createWorkspace();
  const packed = packAll(root);
  const [high] = packed;
  if (high === undefined) throw new Error("nothing was packed");
  // The compiler comes from this workspace; the rest from the small one.
  const roots = { ...high, folder: join("..", "..", "..", root, high.folder) };
  expect(await tryInstalled(roots, packed, realRoot, createFolder())).toEqual([]);
}, 60_000);

test("an example that does not compile, or does not run, is found", async () => {
  const source = `import { value } from "@trial/low";\nconst v: string = value;\nconsole.log(v); throw v;`;
  const root = createWorkspace({ "README.md": readme(source) });
  const packed = packAll(root);
  const low = packed.find((one) => one.name === "@trial/low");
  if (low === undefined) throw new Error("nothing was packed");
  const relocated = { ...low, folder: join("..", "..", "..", root, low.folder) };
  const problems = await tryInstalled(relocated, packed, realRoot, createFolder());
  expect(problems).toHaveLength(2);
  expect(problems[0]).toMatch(/does not type-check[^]*TS2322/);
  expect(problems[1]).toMatch(/ended with 1/);
}, 60_000);

test.each([
  ["helps", `console.log("usage: trial");`, []],
  ["fails", `throw new Error("no help");`, [/trial --help ended with 1[^]*no help/]],
  ["says nothing", "", [/trial --help ended with 0/]],
] as const)(
  "an installed command that %s",
  async (_what, body, expected) => {
    const root = createWorkspace(
      { "README.md": "# T", "dist/src/main.js": `#!/usr/bin/env node\n${body}` },
      { bin: { trial: "./dist/src/main.js" }, exports: undefined },
    );
    const packed = packAll(root);
    const low = packed.find((one) => one.name === "@trial/low");
    if (low === undefined) throw new Error("nothing was packed");
    expect(await lintTarball(low)).toEqual([]);
    const relocated = { ...low, folder: join("..", "..", "..", root, low.folder) };
    const problems = await tryInstalled(relocated, packed, realRoot, createFolder());
    expect(problems).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
  },
  60_000,
);

test("the cache keeps what passed and was asked for, and survives a broken file", () => {
  const path = join(createFolder(), "sub", "cache.json");
  const first = openPassCache(path);
  first.add("a");
  first.add("b");
  first.save();
  const second = openPassCache(path);
  expect([second.has("a"), second.has("c")]).toEqual([true, false]);
  second.save();
  expect(openPassCache(path).has("b")).toBe(false);
  writeFileSync(path, "{ broken");
  expect(openPassCache(path).has("a")).toBe(false);
});
