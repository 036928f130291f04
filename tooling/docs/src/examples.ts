/**
 * The examples of the documentation, as programs. An example is a fenced `ts` block under the
 * heading *Example* of a package's README, or one in the root README that imports `@hawser/…`.
 * It must run on its own, print something and end with exit code 0.
 */
import { spawn } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readMarkdown } from "./markdown.ts";

export interface Example {
  /** `packages/log/README.md:17`. */
  readonly place: string;
  readonly source: string;
  /** Folder to run in, relative to the root: where its imports resolve. */
  readonly folder: string;
}

export interface ExampleResult {
  readonly example: Example;
  /** What was wrong, or undefined. */
  readonly problem: string | undefined;
  readonly milliseconds: number;
}

/** An example that takes longer is stuck. */
const exampleMillisecondsMax = 60_000;

/** The examples in one README: all blocks of its section of that name. */
export function extractExamples(text: string): readonly { source: string; line: number }[] {
  return readMarkdown(text)
    .blocks.filter((block) => block.language === "ts" && /^examples?\b/i.test(block.section))
    .map((block) => ({ source: block.text, line: block.line }));
}

/**
 * All examples of the workspace, and the published packages whose README has none: each of those
 * is a problem of its own.
 */
export function findExamples(root: string): {
  readonly examples: readonly Example[];
  readonly without: readonly string[];
} {
  const examples: Example[] = [];
  const without: string[] = [];
  for (const manifest of globSync("packages/*/package.json", { cwd: root }).sort()) {
    const folder = manifest.replaceAll("\\", "/").replace(/\/package\.json$/, "");
    const path = join(root, folder, "README.md");
    const found = existsSync(path) ? extractExamples(readFileSync(path, "utf8")) : [];
    if (found.length === 0) without.push(`${folder}/README.md`);
    for (const { source, line } of found) {
      examples.push({ place: `${folder}/README.md:${line}`, source, folder });
    }
  }
  return { examples: [...examples, ...rootExamples(root)], without };
}

/** Blocks of the root README that use the packages; they run where the front door resolves. */
function rootExamples(root: string): readonly Example[] {
  const path = join(root, "README.md");
  const folder = "packages/hawser";
  if (!existsSync(path) || !existsSync(join(root, folder))) return [];
  return readMarkdown(readFileSync(path, "utf8"))
    .blocks.filter((block) => block.language === "ts" && /from "@hawser\//.test(block.text))
    .map((block) => ({ place: `README.md:${block.line}`, source: block.text, folder }));
}

/**
 * Runs one example with TypeScript on standard input, which makes imports resolve from the folder
 * without writing a file there. `nodeArguments`: the source condition, or nothing for built code.
 */
export async function runExample(
  example: Example,
  root: string,
  nodeArguments: readonly string[],
): Promise<ExampleResult> {
  const start = performance.now();
  const child = spawn(process.execPath, [...nodeArguments, "--input-type=module-typescript", "-"], {
    cwd: join(root, example.folder),
    stdio: ["pipe", "pipe", "pipe"],
    timeout: exampleMillisecondsMax,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  // A program that ends before it has read its source closes the pipe; its exit code tells.
  child.stdin.on("error", () => undefined);
  child.stdin.end(example.source);
  const ending = await new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.on("close", (code, signal) => resolve(code ?? signal));
  });
  return {
    example,
    problem: problemOf(ending, stdout, stderr),
    milliseconds: performance.now() - start,
  };
}

function problemOf(
  ending: number | NodeJS.Signals | null,
  stdout: string,
  stderr: string,
): string | undefined {
  if (ending === "SIGKILL") return `did not end within ${exampleMillisecondsMax / 1000} s`;
  if (ending !== 0) return `ended with ${ending}\n${stderr.trim()}`;
  return stdout.trim() === "" ? "printed nothing" : undefined;
}
