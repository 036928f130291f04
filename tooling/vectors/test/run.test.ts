import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createNobleCrypto } from "@hawser/crypto";
import { committedVectors, runVectors, type Json, type JsonObject } from "@hawser-tooling/vectors";
import { describe, expect, test } from "vitest";

const crypto = createNobleCrypto();
const committed = committedVectors[0]?.derive(crypto) ?? {};

/** First vector of a section, with changes. */
function firstOf(section: string, change: JsonObject = {}): JsonObject {
  const { vectors } = committed[section] as { readonly vectors: readonly JsonObject[] };
  return { ...vectors[0], ...change };
}

async function failuresOf(file: Json): Promise<readonly string[]> {
  const report = await runVectors("f", file, { crypto });
  expect(report.failed).toBe(new Set(report.failures.map(({ name }) => name.split(":")[0])).size);
  return report.failures.map(({ section, name }) => `${section} ${name}`);
}

const spoiled: readonly [string, Json, string][] = [
  ["another packet", { encode: { vectors: [firstOf("encode", { packet: "00" })] } }, "packet"],
  ["another hash", { encode: { vectors: [firstOf("encode", { hash: "00" })] } }, "hash"],
  ["another text", { encode: { vectors: [firstOf("encode", { to_string: "" })] } }, "to_string"],
  ["another size", { encode: { vectors: [firstOf("encode", { size: 73 })] } }, "size"],
  ["an unknown statement", { encode: { vectors: [firstOf("encode", { mass: 1 })] } }, "mass"],
  [
    "an error that does not come",
    { encode: { vectors: [firstOf("encode", { error: "content len exceeds max" })] } },
    "error",
  ],
  ["an unknown kind", { encode: { vectors: [firstOf("encode", { kind: "dot" })] } }, ""],
  [
    "words nobody understands",
    { encode: { vectors: [firstOf("encode", { fields: { note: "many bytes" } })] } },
    "",
  ],
  ["another verdict", { verdicts: { vectors: [firstOf("verdicts", { strict: "no" })] } }, "strict"],
  ["another path", { spacename: { vectors: [firstOf("spacename", { rooted: "00" })] } }, "rooted"],
  ["another flag", { netheader: { vectors: [firstOf("netheader", { hop: "01" })] } }, "hop"],
  [
    "another secret",
    { documented_keys: { vectors: [firstOf("documented_keys", { secret: "11".repeat(32) })] } },
    "enckey secret",
  ],
  ["another password", { enckey: { vectors: [firstOf("enckey", { password: "x" })] } }, "enckey"],
  [
    "another data",
    { documented_hashes: { vectors: [firstOf("documented_hashes", { data_utf8: "x" })] } },
    "hash_b64",
  ],
  [
    "a name nobody knows",
    { tree_index: { vectors: [{ name: "nobody", key: "", value: "" }] } },
    "",
  ],
  ["another constant", { constants: { default_netheader: "00" } }, ""],
  ["a vector that is no object", { encode: { vectors: [7] } }, ""],
  ["a packet section without packet", { lns_root: { hash: "00" } }, ""],
];

describe("runVectors", () => {
  test("passes every derived vector, and counts them by section", async () => {
    const report = await runVectors("f", committed, { crypto });
    expect(report.failures).toEqual([]);
    const sum = [...report.passedBySection.values()].reduce((total, count) => total + count, 0);
    expect(report.passed).toBe(sum);
    expect(report.failed).toBe(0);
  });

  test.each(spoiled)("fails %s", async (_name, file, label) => {
    const failures = await failuresOf(file);
    expect(failures.length).toBeGreaterThan(0);
    expect(failures.some((failure) => failure.endsWith(label))).toBe(true);
  });

  test("runs any subset of the sections", async () => {
    for (const [name, section] of Object.entries(committed)) {
      if (name === "meta") continue;
      const report = await runVectors("f", { [name]: section }, { crypto });
      expect(report.failed, name).toBe(0);
      expect(report.passed, name).toBeGreaterThan(0);
    }
  });

  test("reports sections without a runner, and goes on", async () => {
    const file = { cooking: [1, 2], spacename: committed["spacename"] ?? null };
    const report = await runVectors("f", file, { crypto });
    expect(report.failed).toBe(1);
    expect(report.failures[0]).toMatchObject({ section: "cooking", name: "(section)" });
    expect(report.passed).toBeGreaterThan(0);
  });

  test("reports an unknown part of a known section", async () => {
    const section = { vectors: [firstOf("encode")], extra: [1] };
    expect(await failuresOf({ encode: section })).toEqual(["encode extra"]);
  });

  test("reports a known section of another shape", async () => {
    for (const shape of [null, 7, "text", [], {}] as const) {
      expect((await failuresOf({ encode: shape })).length).toBe(1);
    }
  });

  test("reports a file that is no object of sections", async () => {
    for (const file of [null, [], 3] as const) {
      const report = await runVectors("f", file, { crypto });
      expect(report).toMatchObject({ passed: 0, failed: 1 });
    }
  });

  test("does not take another system's constants for Linkspace's", async () => {
    const report = await runVectors("f", { constants: { cipher: "AES-256-GCM" } }, { crypto });
    expect(report.failures[0]).toMatchObject({ section: "constants", name: "constants" });
  });
});

describe("pnpm vectors", () => {
  const program = fileURLToPath(new URL("../src/main.ts", import.meta.url));

  function run(args: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
    return new Promise((resolve) => {
      const command = ["--conditions=hawser-source", program, ...args];
      execFile(process.execPath, command, (error, stdout) => {
        resolve({ code: error === null ? 0 : Number(error.code), out: stdout.trimEnd() });
      });
    });
  }

  test("prints each failure and ends with the counts", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hawser-vectors-"));
    try {
      const [good, bad, broken] = ["good", "bad", "broken"].map((name) => join(folder, name));
      if (good === undefined || bad === undefined || broken === undefined) throw new Error("names");
      await writeFile(good, JSON.stringify({ encode: { vectors: [firstOf("encode")] } }));
      await writeFile(
        bad,
        JSON.stringify({ encode: { vectors: [firstOf("encode", { size: 1 })] } }),
      );
      await writeFile(broken, "{");
      expect(await run([good])).toEqual({ code: 0, out: "1 passed, 0 failed" });
      const both = await run([good, bad]);
      expect(both.code).toBe(1);
      expect(both.out.split("\n").length).toBe(2);
      expect(both.out).toMatch(/encode “#0 empty datapoint: size”: expected "1", got "72"\n/);
      expect(both.out).toMatch(/\n1 passed, 1 failed$/);
      expect((await run([broken, join(folder, "absent")])).out).toMatch(/\n0 passed, 2 failed$/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("without a file says how it is used", async () => {
    expect((await run([])).code).toBe(1);
  });

  test("check compares the derived files", async () => {
    expect(await run(["check"])).toEqual({
      code: 0,
      out: `${committedVectors.length} passed, 0 failed`,
    });
  });
});
