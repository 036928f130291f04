/**
 * `pnpm docs-run [package…]`: runs the examples of all READMEs, or of the named packages, from
 * source. Exits 1 when one fails, or when a package's README has none.
 */
import { fileURLToPath } from "node:url";
import { findExamples, runExample } from "./examples.ts";

/** Examples run side by side: each is mostly the start of a process. */
const lanes = 2;

async function main(names: readonly string[]): Promise<number> {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const { examples, without } = findExamples(root);
  const isWanted = (place: string): boolean =>
    names.length === 0 || names.some((name) => place.startsWith(`packages/${name}/`));
  const missing = without.filter(isWanted);
  for (const path of missing) console.error(`${path}: no \`ts\` block under a heading "Example"`);
  const pending = examples.filter((example) => isWanted(example.place));
  const count = pending.length;
  let failures = missing.length;
  const lane = async (): Promise<void> => {
    for (let example = pending.shift(); example !== undefined; example = pending.shift()) {
      const result = await runExample(example, root, ["--conditions=hawser-source"]);
      if (result.problem === undefined) continue;
      failures++;
      console.error(`${example.place}: the example ${result.problem}`);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  console.log(`${count} examples, ${failures} problems`);
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
