/**
 * `pnpm vectors <file>…`: runs vector files, prints each failure, and ends with `N passed, N failed`.
 * Exit code 1 when anything failed, a file could not be read, or none was named.
 * `pnpm vectors check` compares the derived files of this repository with what they should hold;
 * `pnpm vectors write` writes them.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createNobleCrypto } from "@hawser/crypto";
import type { Json } from "./claims.ts";
import { committedVectors, vectorText } from "./committed.ts";
import { formatFailure } from "./report.ts";
import { runVectors } from "./run.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const crypto = createNobleCrypto();

async function runFiles(files: readonly string[]): Promise<number> {
  let passed = 0;
  let failed = 0;
  for (const file of files) {
    try {
      const parsed: Json = JSON.parse(await readFile(file, "utf8"));
      const report = await runVectors(file, parsed, { crypto });
      for (const failure of report.failures) console.log(formatFailure(failure));
      passed += report.passed;
      failed += report.failed;
    } catch (error) {
      console.log(`${file}: ${String(error)}`);
      failed++;
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

async function checkCommitted(): Promise<number> {
  let stale = 0;
  for (const { path, derive } of committedVectors) {
    const committed = await readFile(join(root, path), "utf8").catch(() => "");
    if (committed === vectorText(derive(crypto))) continue;
    console.log(`${path} is not what pnpm vectors write would write`);
    stale++;
  }
  console.log(`${committedVectors.length - stale} passed, ${stale} failed`);
  return stale === 0 ? 0 : 1;
}

async function writeCommitted(): Promise<number> {
  for (const { path, derive } of committedVectors) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), vectorText(derive(crypto)));
    console.log(path);
  }
  return 0;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.length === 0) {
    console.error("usage: pnpm vectors <file>… | check | write");
    return 1;
  }
  if (args.length === 1 && args[0] === "check") return checkCommitted();
  if (args.length === 1 && args[0] === "write") return writeCommitted();
  return runFiles(args);
}

process.exitCode = await main(process.argv.slice(2));
