/** Seeds that showed something once: they always run. */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import type { Trouble } from "@hawser-tooling/sim";
import { expectSound } from "./support.ts";

interface Kept {
  readonly seed: number;
  readonly why: string;
  /** Trouble that it needs beside what it draws. */
  readonly with?: readonly Trouble[];
}

const path = new URL("../seeds.json", import.meta.url);
// Safe: the file is part of this package.
const kept = JSON.parse(await readFile(path, "utf8")) as readonly Kept[];

test("every kept seed says why it is kept, once", () => {
  expect(kept.length).toBeGreaterThan(0);
  expect(new Set(kept.map(({ seed }) => seed)).size).toBe(kept.length);
  for (const { why } of kept) expect(why.length).toBeGreaterThan(20);
});

test.each(kept)(
  "[NB-11] seed $seed: $why",
  async ({ seed, with: added = [] }) => {
    await expectSound({ seed, with: new Set(added) });
  },
  120_000,
);
