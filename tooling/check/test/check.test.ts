import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { runSteps, type Step } from "../src/runner.ts";

const node = (name: string, script: string): Step => ({
  name,
  command: [process.execPath, "-e", script],
  remedy: `mend ${name}`,
});

async function run(steps: readonly Step[], ...wanted: readonly string[]) {
  const lines: string[] = [];
  const code = await runSteps(steps, wanted, tmpdir(), (line) => lines.push(line));
  return { code, lines };
}

test("a step that passes prints one line, and not what it wrote", async () => {
  const { code, lines } = await run([node("quiet", `console.log("noise")`)]);
  expect(code).toBe(0);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^ok {4}quiet +\d+\.\d s$/);
  expect(lines[1]).toMatch(/^1 of 1 checks passed in \d+\.\d s$/);
});

test("a failed step shows both streams and the remedy; the rest runs", async () => {
  const failing = node("bad", `console.log("out"); console.error("err"); process.exit(3)`);
  const { code, lines } = await run([failing, node("good", "")]);
  expect(code).toBe(1);
  expect(lines.join("\n")).toMatch(/^FAIL {2}bad[^]*out[^]*remedy: mend bad[^]*ok {4}good/);
  expect(lines.join("\n")).toContain("err");
  expect(lines.at(-1)).toMatch(/^1 of 2 checks passed/);
});

test("a program that is not there, and one that is killed, count as failures", async () => {
  const absent: Step = { name: "absent", command: ["no-such-program"], remedy: "install it" };
  const killed = node("killed", `process.kill(process.pid, "SIGKILL")`);
  const { code, lines } = await run([absent, killed]);
  expect(code).toBe(1);
  expect(lines.join("\n")).toContain("cannot start no-such-program");
  expect(lines.at(-1)).toMatch(/^0 of 2/);
});

test("steps are chosen by name; an unknown name runs nothing", async () => {
  const steps = [node("one", ""), node("two", "process.exit(1)")];
  expect((await run(steps, "one")).code).toBe(0);
  const unknown = await run(steps, "three");
  expect(unknown.code).toBe(1);
  expect(unknown.lines).toEqual(["no step called three; there is: one, two"]);
});
