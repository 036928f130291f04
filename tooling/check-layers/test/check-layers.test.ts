/** The layer check on small workspaces, each with one planted violation. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { checkWorkspace, findWorkspace, renderGraph, replaceSection } from "../src/index.ts";
import { readSource } from "../src/source.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface PackageOptions {
  readonly layer?: number;
  readonly dependencies?: readonly string[];
  readonly devDependencies?: readonly string[];
  readonly platform?: Readonly<Record<string, readonly string[]>>;
  readonly imports?: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
}

/** A workspace from folder → package; findings come back as `rule place message`. */
function createWorkspace(packages: Readonly<Record<string, PackageOptions>>) {
  const root = mkdtempSync(join(tmpdir(), "check-layers-"));
  folders.push(root);
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  write("package.json", JSON.stringify({ devDependencies: { vitest: "1", "fast-check": "1" } }));
  for (const [folder, options] of Object.entries(packages)) {
    const { layer, platform } = options;
    const named = (names: readonly string[] = []) =>
      Object.fromEntries(names.map((name) => [name, "workspace:*"]));
    const manifest = {
      name: `@x/${folder.split("/")[1]}`,
      description: `The ${folder}.`,
      exports: { ".": "./src/index.ts", "./testing": "./testing/index.ts" },
      imports: options.imports,
      dependencies: named(options.dependencies),
      devDependencies: named(options.devDependencies),
      hawser: { ...(layer === undefined ? {} : { layer }), ...(platform && { platform }) },
    };
    write(`${folder}/package.json`, JSON.stringify(manifest));
    for (const [file, text] of Object.entries(options.files)) write(`${folder}/${file}`, text);
  }
  return findWorkspace(root);
}

function findingsOf(packages: Readonly<Record<string, PackageOptions>>): readonly string[] {
  const findings = checkWorkspace(createWorkspace(packages));
  return findings.map((one) => `${one.rule} ${one.place} ${one.message}`);
}

const low: PackageOptions = {
  layer: 1,
  files: {
    "src/index.ts": `export { one } from "./one.ts";`,
    "src/one.ts": "export const one = 1;",
  },
};
const lowDependency = { layer: 2, dependencies: ["@x/low"] } as const;

/** Findings of one file in a package of layer 2 that may import `@x/low`. */
function findingsOfFile(text: string, file = "src/a.ts", more: Partial<PackageOptions> = {}) {
  return findingsOf({
    "packages/low": low,
    "packages/high": { ...lowDependency, ...more, files: { [file]: text } },
  });
}

describe("imports", () => {
  test("a clean workspace has no findings", () => {
    expect(findingsOfFile(`import { one } from "@x/low"; export const two = one + 1;`)).toEqual([]);
  });

  test.each([
    ["a static import", `import { a } from "@x/absent";`],
    ["a type import", `import type { A } from "@x/absent";`],
    ["an import for its effect", `import "@x/absent";`],
    ["a re-export", `export { a } from "@x/absent";`],
    ["a star re-export", `export * from "@x/absent";`],
    ["a dynamic import", `export const a = () => import("@x/absent");`],
    ["an import type", `export type A = import("@x/absent").A;`],
    ["a subpath", `import { a } from "@x/absent/deep/er";`],
  ])("%s of an undeclared package is found", (_what, text) => {
    expect(findingsOfFile(text)).toEqual([
      "declared packages/high/src/a.ts:1 @x/absent is not in the package's dependencies",
    ]);
  });

  test("an undeclared third-party package is found, a root development one in src too", () => {
    expect(findingsOfFile(`import v from "vitest";`)).toHaveLength(1);
    expect(findingsOfFile(`import v from "lodash";`)).toHaveLength(1);
    expect(findingsOfFile(`import v from "vitest";`, "testing/a.ts")).toHaveLength(1);
    expect(findingsOfFile(`import v from "vitest";`, "test/a.test.ts")).toEqual([]);
  });

  test("a package import must be in the package's import map", () => {
    const more = { imports: { "#here": "./src/here.ts" } };
    expect(findingsOfFile(`import "#here";`, "src/a.ts", more)).toEqual([]);
    expect(findingsOfFile(`import "#there";`, "src/a.ts", more)).toHaveLength(1);
  });

  test("a development dependency does not serve src", () => {
    const more = { dependencies: [], devDependencies: ["@x/low"] };
    expect(findingsOfFile(`import "@x/low";`, "src/a.ts", more)).toHaveLength(1);
    expect(findingsOfFile(`import "@x/low";`, "test/a.test.ts", more)).toEqual([]);
  });

  test("importing upwards and sideways is found in package.json and in the source", () => {
    const up = findingsOf({
      "packages/low": {
        layer: 1,
        dependencies: ["@x/high"],
        files: { "src/a.ts": `import "@x/high";` },
      },
      "packages/high": { layer: 2, files: {} },
      "packages/peer": {
        layer: 2,
        dependencies: ["@x/high"],
        files: { "src/b.ts": `// one\nimport "@x/high";` },
      },
    });
    expect(up).toEqual([
      "layer packages/low/package.json layer 1 depends on @x/high of layer 2",
      "layer packages/low/src/a.ts:1 layer 1 imports @x/high of layer 2",
      "layer packages/peer/package.json layer 2 depends on @x/high of layer 2",
      "layer packages/peer/src/b.ts:2 layer 2 imports @x/high of layer 2",
    ]);
  });

  test("tests obey the layers too, but may use tools and their own package", () => {
    const more = { devDependencies: ["@x/top", "@x/bench"] };
    const text = `import "@x/top"; import "@x/bench"; import "@x/high"; import "@x/high/testing";`;
    const found = findingsOf({
      "packages/high": { layer: 2, ...more, files: { "test/a.test.ts": text } },
      "packages/top": { layer: 3, files: {} },
      "tooling/bench": { layer: 99, files: {} },
    });
    expect(found).toEqual([
      "layer packages/high/test/a.test.ts:1 layer 2 imports @x/top of layer 3",
    ]);
  });

  test("a package without a layer is found", () => {
    expect(findingsOf({ "packages/low": { files: {} } })).toHaveLength(1);
    expect(findingsOf({ "packages/low": { layer: 1.5, files: {} } })).toHaveLength(1);
  });

  test.each([
    ["../../low/src/one.ts", "src/a.ts"],
    ["../../../low/src/one.ts", "src/b/a.ts"],
    ["../../../vitest.config.ts", "test/a.test.ts"],
  ])("%s from %s leaves the package", (specifier, file) => {
    const found = findingsOfFile(`import "${specifier}";`, file);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^outside /);
  });

  test("a path up inside the package is fine", () => {
    expect(findingsOfFile(`import "../src/index.ts";`, "test/a.test.ts")).toEqual([]);
    expect(findingsOfFile(`import "../errors.ts";`, "src/b/a.ts")).toEqual([]);
  });

  test.each(["@x/low/src/one.ts", "@x/low/dist/index.js", "@x/low/package.json"])(
    "%s is a deep import",
    (specifier) => {
      const found = findingsOfFile(`import "${specifier}";`);
      expect(found).toHaveLength(1);
      expect(found[0]).toMatch(/^deep /);
    },
  );

  test("an exported subpath is not deep", () => {
    expect(findingsOfFile(`import "@x/low/testing";`)).toEqual([]);
  });

  test("a computed import is found in a package, not in an app", () => {
    const text = "export const load = (name: string) => import(name);";
    expect(findingsOfFile(text)).toHaveLength(1);
    expect(findingsOf({ "apps/cli": { layer: 9, files: { "src/a.ts": text } } })).toEqual([]);
  });
});

describe("the door", () => {
  test("src/index.ts holds named re-exports only", () => {
    const text = [
      `export type { A } from "./a.ts";`,
      `export { b } from "./b.ts";`,
      `export * from "./c.ts";`,
      `export * as d from "./d.ts";`,
      `import "./e.ts";`,
      `export const f = 1;`,
      `export {};`,
    ].join("\n");
    const lines = findingsOfFile(text, "src/index.ts").map((one) => one.split(" ")[1]);
    expect(lines).toEqual([3, 4, 5, 6, 7].map((line) => `packages/high/src/index.ts:${line}`));
  });

  test("no file of src imports it", () => {
    const nested = findingsOfFile(`import { a } from "../index.ts";`, "src/b/a.ts");
    expect(nested[0]).toMatch(/^door packages\/high\/src\/b\/a\.ts:1/);
    expect(findingsOfFile(`import { a } from "./index.ts";`)[0]).toMatch(/^door /);
  });
});

describe("platform names", () => {
  test.each([
    ["Date.now", "Date.now();"],
    ["Date.now", "const now = Date.now;"],
    ["Date", "new Date();"],
    ["Date", "Date();"],
    ["Date", "const { now } = Date;"],
    ["Date", `Date["now"]();`],
    ["Math.random", "Math.random();"],
    ["Math.random", "const { random } = Math;"],
    ["Math.random", `Math["ran" + "dom"]();`],
    ["setTimeout", "setTimeout(() => {}, 1);"],
    ["setInterval", "export const timer = setInterval;"],
    ["queueMicrotask", "queueMicrotask(() => {});"],
    ["fetch", `await fetch("x");`],
    ["fetch", "export const deps = { fetch };"],
    ["crypto", "crypto.getRandomValues(new Uint8Array(1));"],
    ["crypto", "function f(crypto: object) { return crypto; } crypto.subtle;"],
    ["performance", "performance.now();"],
    ["process", "process.env;"],
    ["process", "typeof process;"],
    ["globalThis", "globalThis.setTimeout;"],
    ["Buffer", `Buffer.from("");`],
    ["console", "console.log(1);"],
    ["require", `require("fs");`],
    ["node:fs", `import "node:fs";`],
    ["node:fs", `import "node:fs/promises";`],
    ["node:fs", `import "fs";`],
    ["node:crypto", `export const load = () => import("node:crypto");`],
    ["node:timers", `import { setTimeout } from "node:timers/promises"; setTimeout(1);`],
  ])("%s is found in: %s", (name, text) => {
    const found = findingsOfFile(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`platform packages/high/src/a.ts:1 ${name} in layer 2`);
  });

  test.each([
    "export function f(crypto: { hash(): void }) { crypto.hash(); }",
    "export const f = ({ fetch, process }: Deps) => fetch(process);",
    "const setTimeout = 1; export { setTimeout };",
    "class performance {} new performance();",
    "export type Timer = ReturnType<typeof setTimeout>;",
    "export interface Clock { fetch(): void; crypto: string }",
    "export const o = { process: 1, fetch() {} }; o.process; o.fetch();",
    "new Date(0); Date.UTC(2020, 1); Math.max(1, 2);",
    "// Date.now() and setTimeout in a comment, `fetch` in words",
    `export const text = "process.env";`,
    "fetch: for (;;) break fetch;",
    "new TextEncoder(); new AbortController(); structuredClone(1);",
  ])("is not found in: %s", (text) => {
    expect(findingsOfFile(text)).toEqual([]);
  });

  test("layer 5 and above, apps, tests and doubles may use the platform", () => {
    const text = `import "node:fs"; Date.now(); setTimeout(f, 1);`;
    expect(findingsOf({ "packages/a": { layer: 5, files: { "src/a.ts": text } } })).toEqual([]);
    expect(findingsOf({ "packages/a": { layer: 4, files: { "src/a.ts": text } } })).toHaveLength(3);
    expect(findingsOfFile(text, "test/a.test.ts")).toEqual([]);
    expect(findingsOfFile(text, "testing/a.ts")).toEqual([]);
  });

  test("an allowance holds for its file and its name alone", () => {
    const platform = { "src/a.ts": ["node:crypto"] };
    const text = `import "node:crypto";`;
    expect(findingsOfFile(text, "src/a.ts", { platform })).toEqual([]);
    expect(findingsOfFile(`${text} process.env;`, "src/a.ts", { platform })).toHaveLength(1);
    // In another file it is a violation, and the allowance is unused.
    expect(findingsOfFile(text, "src/b.ts", { platform })).toHaveLength(2);
  });

  test("an allowance nobody uses is found", () => {
    const platform = { "src/a.ts": ["node:crypto", "process"] };
    expect(findingsOfFile(`import "node:crypto";`, "src/a.ts", { platform })).toEqual([
      "platform packages/high/package.json hawser.platform allows process to src/a.ts, which does not use it",
    ]);
  });

  test("an allowance in another form allows nothing and is found", () => {
    for (const platform of [["node:crypto"], { "node:crypto": "why" }]) {
      // Safe: the point is a package.json that does not have the type.
      const wrong = { platform: platform as unknown as Record<string, readonly string[]> };
      const found = findingsOfFile(`import "node:crypto";`, "src/a.ts", wrong);
      expect(found.map((one) => one.split(" ").slice(0, 2).join(" "))).toEqual([
        "platform packages/high/package.json",
        "platform packages/high/src/a.ts:1",
      ]);
    }
  });

  test("deep nesting is read without overflowing the stack of the check", () => {
    const depth = 500;
    const text = `${"(".repeat(depth)}process${")".repeat(depth)};`;
    expect(readSource(text).globals.map((use) => use.name)).toEqual(["process"]);
  });
});

describe("the graph", () => {
  const packages = {
    "packages/low": low,
    "packages/middle": { ...lowDependency, files: {} },
    "packages/top": { layer: 3, dependencies: ["@x/low", "@x/middle"], files: {} },
    "tooling/bench": { layer: 99, dependencies: ["@x/low"], files: {} },
  };

  test("draws reduced edges, lists all, and leaves tools out", () => {
    const graph = renderGraph(createWorkspace(packages));
    expect(graph).toContain("  @x/top --> @x/middle\n");
    expect(graph).not.toContain("@x/top --> @x/low");
    expect(graph).toContain(
      "| 3 | [@x/top](packages/top) | The packages/top. | @x/low, @x/middle |",
    );
    expect(graph).not.toContain("bench");
  });

  test("is put between its markers, once", () => {
    const document = "# A\n\n<!-- layers:begin -->\nold\n<!-- layers:end -->\nrest\n";
    const once = replaceSection(document, "new");
    expect(once).toBe("# A\n\n<!-- layers:begin -->\n\nnew\n\n<!-- layers:end -->\nrest\n");
    expect(replaceSection(once ?? "", "new")).toBe(once);
    expect(replaceSection("# A\n", "new")).toBeUndefined();
    expect(replaceSection("<!-- layers:begin -->", "new")).toBeUndefined();
    expect(replaceSection(document + document, "new")).toBeUndefined();
  });
});

test("the real workspace is found: projects with layers, and files", () => {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const log = findWorkspace(root).projects.find((project) => project.name === "@hawser/log");
  expect(log?.layer).toBe(3);
  expect(log?.files).toContain("src/index.ts");
});
