import { describe, expect, test } from "vitest";
import { CliError } from "../src/errors.ts";
import { createOutput, type Output } from "../src/output.ts";

function open(options: { json?: boolean; isTTY?: boolean } = {}): {
  output: Output;
  /** What was printed since the last call, and lets time go on. */
  printed(passedMs?: number): readonly [string, string];
} {
  let [now, stdout, stderr] = [0, "", ""];
  const output = createOutput({
    json: options.json === true,
    stdout: {
      write: (text) => (stdout += text),
      isTTY: options.isTTY === true,
      columns: 40,
    },
    stderr: { write: (text) => (stderr += text) },
    nowMs: () => now,
  });
  const printed = (passedMs = 0): readonly [string, string] => {
    const both = [stdout, stderr] as const;
    now += passedMs;
    [stdout, stderr] = ["", ""];
    return both;
  };
  return { output, printed };
}

describe("what is printed", () => {
  test("an event: a sentence for people, an object for programs", () => {
    const [people, programs] = [open(), open({ json: true })];
    for (const { output } of [people, programs]) {
      output.event("shared", { files: 2 }, "Sharing.");
      output.event("synced", { files: 3 }, undefined);
    }
    expect(people.printed()).toEqual(["Sharing.\n", ""]);
    const lines = '{"event":"shared","files":2}\n{"event":"synced","files":3}\n';
    expect(programs.printed()).toEqual([lines, ""]);
  });

  test("an error: code and remedy, on stderr; programs get an event as well", () => {
    const error = new CliError("CLI_USAGE", "it is not understood", "Look it up.");
    const [people, programs] = [open(), open({ json: true })];
    for (const { output } of [people, programs]) output.error(error);
    const text = "hawser: it is not understood [CLI_USAGE]\n  → Look it up.\n";
    expect(people.printed()).toEqual(["", text]);
    const [stdout, stderr] = programs.printed();
    expect(stderr).toBe(text);
    expect(JSON.parse(stdout)).toEqual({
      event: "error",
      code: "CLI_USAGE",
      message: "it is not understood",
      remedy: "Look it up.",
    });
  });

  test.each([
    ["an error without a code", new Error("boom"), "CLI_UNEXPECTED"],
    ["an abort", new DOMException("too late", "TimeoutError"), "CLI_UNEXPECTED"],
    ["something else", "text", "CLI_UNEXPECTED"],
    ["a full disk", Object.assign(new Error("no space"), { code: "ENOSPC" }), "ENOSPC"],
  ])("%s has a code and a remedy, and no stack", (_name, error, code) => {
    const { output, printed } = open();
    output.error(error);
    expect(printed()[1]).toMatch(
      new RegExp(`^hawser: [^\\n]+ \\[${code}\\]\\n  → [^\\n]+\\.?\\n$`),
    );
  });

  test.each(["\u001b", "\u0007", "\r", "\u009b", "\u202e"])(
    "what could steer a terminal, %j, does not reach it",
    (steering) => {
      const { output, printed } = open({ isTTY: true });
      output.event("pass", {}, `↓ a${steering}b`);
      expect(printed(1_000)[0]).toBe("↓ a\ufffdb\n");
      output.progress({}, `↓ a${steering}b`);
      expect(printed()[0]).toBe("↓ a\ufffdb");
      const programs = open({ json: true });
      programs.output.event("pass", { name: `a${steering}b` }, undefined);
      const [line] = programs.printed();
      expect(line).not.toContain(steering);
      expect(JSON.parse(line)).toEqual({ event: "pass", name: `a${steering}b` });
    },
  );
});

describe("progress", () => {
  test("a terminal shows the newest on one line, cut to its width, and clears it", () => {
    const { output, printed } = open({ isTTY: true });
    output.progress({}, "too early");
    expect(printed(1_000)[0]).toBe("");
    output.progress({}, "x".repeat(100));
    expect(printed(1_000)[0]).toBe("x".repeat(39));
    output.progress({}, "second");
    expect(printed()[0]).toBe("\r\u001b[Ksecond");
    output.event("done", {}, "Done.");
    output.clear();
    expect(printed()[0]).toBe("\r\u001b[KDone.\n");
  });

  test("a file gets a line now and then, a program an event a second", () => {
    const [file, program] = [open(), open({ json: true })];
    let [lines, events] = ["", ""];
    for (let second = 0; second <= 30; second++) {
      for (const { output } of [file, program]) output.progress({ second }, `second ${second}`);
      lines += file.printed(1_000)[0];
      events += program.printed(1_000)[0];
    }
    expect(lines).toBe("second 10\nsecond 20\nsecond 30\n");
    expect(events.split("\n")).toHaveLength(31);
  });
});
