import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { checkLinks, extractExamples, findExamples, runExample } from "../src/index.ts";
import { readMarkdown } from "../src/markdown.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function createFolder(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "docs-"));
  folders.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

describe("examples", () => {
  const readme = (source: string): string =>
    `# X\n\n## Install\n\n\`\`\`ts\nnot this\n\`\`\`\n\n## Example\n\n\`\`\`ts\n${source}\n\`\`\`\n`;

  test("are the ts blocks under the heading Example", () => {
    expect(extractExamples(readme("const a = 1;"))).toEqual([
      { source: "const a = 1;\n", line: 11 },
    ]);
    expect(extractExamples("## Examples\n```js\nx\n```\n~~~ts\ny\n~~~\n")).toEqual([
      { source: "y\n", line: 5 },
    ]);
    const below = "## Example\n```ts\na\n```\n### More\n```ts\nb\n```\n## API\n```ts\nc\n```\n";
    expect(extractExamples(below).map(({ source }) => source)).toEqual(["a\n", "b\n"]);
    expect(extractExamples("## Example\n````ts\n```\n````\n")[0]?.source).toBe("```\n");
  });

  test("are found in every package; a README without one is told", () => {
    const root = createFolder({
      "packages/a/package.json": "{}",
      "packages/a/README.md": readme("1"),
      "packages/b/package.json": "{}",
      "packages/b/README.md": "# B",
      "packages/c/package.json": "{}",
      "packages/hawser/package.json": "{}",
      "packages/hawser/README.md": readme("2"),
      "README.md":
        '```ts\nimport { a } from "@hawser/hawser";\n```\n```ts\nconst other = 1;\n```\n',
    });
    const { examples, without } = findExamples(root);
    expect(examples.map((one) => [one.place, one.folder])).toEqual([
      ["packages/a/README.md:11", "packages/a"],
      ["packages/hawser/README.md:11", "packages/hawser"],
      ["README.md:1", "packages/hawser"],
    ]);
    expect(without).toEqual(["packages/b/README.md", "packages/c/README.md"]);
  });

  test.each([
    ["prints", `const a: number = 1; console.log(a);`, undefined],
    ["throws", `throw new Error("no luck");`, /ended with 1[^]*no luck/],
    ["is silent", `const a = 1;`, /printed nothing/],
    ["does not parse", `const = ;`, /ended with 1/],
    ["imports what is not there", `import "nowhere";\nconsole.log(1);`, /ended with 1[^]*nowhere/],
    ["waits for ever at the top", `console.log(1); await new Promise(() => {});`, /ended with 13/],
  ])("an example that %s", async (_what, source, problem) => {
    const root = createFolder({ "package.json": "{}" });
    const result = await runExample({ place: "x", source, folder: "." }, root, []);
    if (problem === undefined) expect(result.problem).toBeUndefined();
    else expect(result.problem).toMatch(problem);
  });

  test("imports resolve from the package's folder, by the condition that is asked for", async () => {
    const manifest = {
      name: "@x/self",
      type: "module",
      exports: { ".": { "hawser-source": "./source.ts", default: "./built.js" } },
    };
    const root = createFolder({
      "package.json": JSON.stringify(manifest),
      "source.ts": `export const from: string = "source";`,
      "built.js": `export const from = "";`,
    });
    const source = `import { from } from "@x/self"; console.log(from);`;
    const example = { place: "x", source, folder: "." };
    const fromSource = await runExample(example, root, ["--conditions=hawser-source"]);
    expect(fromSource.problem).toBeUndefined();
    // The built file prints nothing: so it was the built file.
    expect((await runExample(example, root, [])).problem).toBe("printed nothing");
  });
});

describe("links", () => {
  test("headings get the anchors GitHub gives them", () => {
    const text = "# A `b` c!\n## A, b\n## A, b\n### 3.1 Größe: §4\n```\n# not one\n```\n";
    expect(readMarkdown(text).headings.map((heading) => heading.anchor)).toEqual([
      "a-b-c",
      "a-b",
      "a-b-1",
      "31-größe-4",
    ]);
  });

  test("a good document has no findings", () => {
    const root = createFolder({
      "README.md": "# T\n[a](docs/a.md#two) [b](#t) [c](docs) [d](https://x.y/z) [e]: docs/a.md\n",
      "docs/a.md":
        '# One\n## Two\n[up](../README.md "title") `[x](nowhere)`\n```\n[y](nowhere)\n```\n',
    });
    expect(checkLinks(root)).toEqual([]);
  });

  test.each([
    ["[a](nowhere.md)", "README.md:1: nowhere.md leads nowhere"],
    ["\n[a](docs/a.md#three)", "README.md:2: docs/a.md has no heading #three"],
    ["[a](#none)", "README.md:1: README.md has no heading #none"],
    ["[a](../outside.md)", "README.md:1: ../outside.md leads out of the repository"],
    ["[a]: nowhere.md", "README.md:1: nowhere.md leads nowhere"],
    ["![a](nowhere.png)", "README.md:1: nowhere.png leads nowhere"],
  ])("%j is found", (text, finding) => {
    const root = createFolder({ "README.md": text, "docs/a.md": "# One\n## Two\n" });
    expect(checkLinks(root)).toEqual([finding]);
  });

  test("citations in code lead to numbered headings", () => {
    const root = createFolder({
      "docs/spec/2-log.md": "# 2. Log\n## 1. One\n## 3. Three\n### 3.1 Part\n### 3.12 Other\n",
      "packages/log/src/a.ts": [
        "// docs/spec/2-log.md §3, docs/spec/2-log.md §3.1. And docs/spec/2-log.md alone.",
        "/* A long comment that ends docs/spec/2-log.md",
        " * §3.12 on the next line */",
      ].join("\n"),
      "packages/log/src/b.ts": "// docs/spec/2-log.md §4",
      "packages/log/src/c.ts": "// docs/spec/9-none.md §1",
      "packages/log/src/d.ts": "// docs/spec/2-log.md §3.2",
    });
    expect(checkLinks(root)).toEqual([
      "packages/log/src/b.ts: cites docs/spec/2-log.md §4, a heading it does not have",
      "packages/log/src/c.ts: cites docs/spec/9-none.md, which does not exist",
      "packages/log/src/d.ts: cites docs/spec/2-log.md §3.2, a heading it does not have",
    ]);
  });

  test("the specification names no code", () => {
    const root = createFolder({ "docs/spec/1-a.md": "# 1\nSee packages/log/src/entry.ts.\n" });
    expect(checkLinks(root)).toEqual([
      "docs/spec/1-a.md:2: the specification names code (packages/log/src/entry.ts.)",
    ]);
  });
});
