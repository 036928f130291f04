/** Runs named steps one after the other and prints one line for each. */
import { spawn } from "node:child_process";

export interface Step {
  readonly name: string;
  /** Program and arguments; the program is looked up on PATH. */
  readonly command: readonly [string, ...string[]];
  /** What to do when it fails: one short line. */
  readonly remedy: string;
}

export interface StepResult {
  readonly isOk: boolean;
  readonly milliseconds: number;
  /** What the step wrote, both streams in the order it came. */
  readonly output: string;
}

/** Runs one step to its end. */
export async function runStep(step: Step, folder: string): Promise<StepResult> {
  const start = performance.now();
  const [program, ...args] = step.command;
  const child = spawn(program, args, {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    shell: process.platform === "win32",
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const isOk = await new Promise<boolean>((resolve) => {
    child.on("error", (error) => {
      output += `cannot start ${program}: ${error.message}\n`;
      resolve(false);
    });
    child.on("close", (code) => resolve(code === 0));
  });
  return { isOk, milliseconds: performance.now() - start, output };
}

/**
 * Runs the steps called `wanted`, or all of them, and prints as it goes. A failed step prints its
 * output and its remedy; the others run all the same. Returns the exit code.
 */
export async function runSteps(
  steps: readonly Step[],
  wanted: readonly string[],
  folder: string,
  print: (line: string) => void,
): Promise<number> {
  const unknown = wanted.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    print(`no step called ${unknown.join(", ")}; there is: ${steps.map((s) => s.name).join(", ")}`);
    return 1;
  }
  const chosen = steps.filter((step) => wanted.length === 0 || wanted.includes(step.name));
  const width = Math.max(...chosen.map((step) => step.name.length));
  const start = performance.now();
  let failures = 0;
  for (const step of chosen) {
    const result = await runStep(step, folder);
    const seconds = (result.milliseconds / 1000).toFixed(1).padStart(6);
    print(`${result.isOk ? "ok  " : "FAIL"}  ${step.name.padEnd(width)} ${seconds} s`);
    if (result.isOk) continue;
    failures++;
    print(result.output.trimEnd());
    print(`      remedy: ${step.remedy}\n`);
  }
  const total = ((performance.now() - start) / 1000).toFixed(1);
  print(`${chosen.length - failures} of ${chosen.length} checks passed in ${total} s`);
  return failures === 0 ? 0 : 1;
}
