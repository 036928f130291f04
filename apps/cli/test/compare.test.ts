import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { findSample, firstDifference, plaintextSamples, readTree } from "../src/demo/compare.ts";
import { openWorkshop } from "./support/programs.ts";

const workshop = openWorkshop();
afterAll(() => workshop[Symbol.asyncDispose]());

const tree = (files: Readonly<Record<string, string>>): ReadonlyMap<string, Buffer> =>
  new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]));

describe("what the demo compares with", () => {
  test.each([
    ["equal trees", { a: "1", b: "" }, { b: "", a: "1" }, undefined],
    ["two empty trees", {}, {}, undefined],
    ["another content", { a: "1" }, { a: "2" }, "a differs"],
    ["a longer content", { a: "1" }, { a: "11" }, "a differs"],
    ["a file too few", { a: "1", b: "" }, { a: "1" }, "b is only on the first device"],
    ["a file too many", {}, { a: "" }, "a is only on the second device"],
    ["another name", { a: "1" }, { A: "1" }, "A is only on the second device"],
  ])("%s", (_name, first, second, expected) => {
    expect(firstDifference(tree(first), tree(second))).toBe(expected);
  });

  test("files that are still written do not count, files in folders do", async () => {
    const root = await workshop.makeFolder({ "a.hawser-part": "half", "deep/b": "b" });
    expect([...(await readTree(root)).keys()]).toEqual([join("deep", "b")]);
  });

  const sentence = "a sentence that nobody else may ever come to read, in none of its parts";

  test.each([
    ["at the start of a file", 0],
    ["in its middle", 70_001],
    ["across the pieces in which it is read", (1 << 20) - 7],
  ])("a sample is found %s", async (_name, offset) => {
    const root = await workshop.makeFolder({});
    await mkdir(join(root, "deep"));
    const content = Buffer.alloc(offset + 1_000, "x");
    content.write(sentence, offset);
    await writeFile(join(root, "deep", "db"), content);
    const samples = plaintextSamples(tree({ "a.txt": sentence }));
    expect(await findSample(root, samples)).toBe(join("deep", "db"));
  });

  test("names are looked for, too", async () => {
    const root = await workshop.makeFolder({ db: "… plans/takeover.md …" });
    const samples = plaintextSamples(tree({ "plans/takeover.md": "" }));
    expect(await findSample(root, samples)).toBe("db");
  });

  test("what only resembles a sample is none", async () => {
    const root = await workshop.makeFolder({ db: sentence.replace("nobody", "somebody") });
    const samples = plaintextSamples(tree({ "a.txt": sentence }));
    expect(await findSample(root, samples)).toBeUndefined();
    expect(await findSample(root, [])).toBeUndefined();
  });
});
