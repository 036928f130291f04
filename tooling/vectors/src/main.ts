/**
 * `pnpm vectors <file>…`: runs vector files, prints each failure, and ends with `N passed, N failed`.
 * Exit code 1 when anything failed, a file could not be read, or none was named.
 */
import { readFile } from "node:fs/promises";
import { createNobleCrypto } from "@hawser/crypto";
import type { Json } from "./claims.ts";
import { formatFailure } from "./report.ts";
import { runVectors } from "./run.ts";

async function main(files: readonly string[]): Promise<number> {
  if (files.length === 0) {
    console.error("usage: pnpm vectors <file>…");
    return 1;
  }
  const crypto = createNobleCrypto();
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

process.exitCode = await main(process.argv.slice(2));
