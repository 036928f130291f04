import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import { openWorkshop } from "./support/programs.ts";

// Many processes on few cores: the limit is for what hangs, not for what is slow.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const workshop = openWorkshop();
afterAll(() => workshop[Symbol.asyncDispose]());

const demo = fileURLToPath(new URL("../src/demo/main.ts", import.meta.url));

interface Shown {
  readonly exitCode: number | null;
  readonly text: string;
  /** What is left in the temporary folder that the demo was given. */
  readonly left: readonly string[];
}

/** Runs the demo with a temporary folder of its own; `onText` hears what it prints. */
async function show(
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly onText?: (text: string, interrupt: () => void) => void;
  } = {},
): Promise<Shown> {
  const temporary = await workshop.makeFolder({});
  const child = spawn(process.execPath, ["--conditions=hawser-source", demo, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TMPDIR: temporary, ...options.env },
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
    options.onText?.(text, () => child.kill("SIGINT"));
  });
  const [exitCode] = (await once(child, "close")) as [number | null];
  // Where paths are too long for sockets, the folder they lie in stays for the next process.
  const left = (await readdir(temporary)).filter((name) => !/^hawser-\d+$/.test(name));
  return { exitCode, text, left };
}

/** 5 MB that do not repeat, the same each time. */
function largeContent(): Uint8Array {
  const words = new Uint32Array(1_250_000);
  let state = 1;
  for (let index = 0; index < words.length; index++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
}

describe.concurrent("the demo", () => {
  test("[TH-130] [TH-037] a small folder: every comparison holds, the table is there", async () => {
    const folder = await workshop.makeFolder({
      "notes/monday morning.md": "the quick brown fox jumps over the lazy dog\n",
      "todo.txt": "nothing\n",
    });
    const { exitCode, text, left } = await show([folder]);
    expect(text).not.toContain("✗");
    expect(exitCode).toBe(0);
    expect(text).toContain("Every comparison held.");
    expect(text).toMatch(/files shared at the start +2$/m);
    expect(text).toMatch(/signatures, ada \(made \/ checked\) +[0-9]+ \/ [0-9]+$/m);
    expect(text).toMatch(/sealed bytes in them +[0-9,]+ k?B$/m);
    expect(text).not.toContain("NaN");
    expect(left).toEqual([]);
  });

  test("[TH-130] large, empty, nested and executable files; what stays out is said", async () => {
    const folder = await workshop.makeFolder({
      "large.bin": largeContent(),
      empty: "",
      "deep/er/still/here.txt": "found",
      "run.sh": "#!/bin/sh\nexit 0\n",
    });
    await chmod(join(folder, "run.sh"), 0o755);
    await symlink("run.sh", join(folder, "shortcut"));
    await mkdir(join(folder, "no files"));
    const { exitCode, text } = await show([folder]);
    expect(text).not.toContain("✗");
    expect(exitCode).toBe(0);
    expect(text).toMatch(/shortcut stays out: it is a link/);
    expect(text).toMatch(/files shared at the start +4$/m);
    expect(text).toMatch(/payload of these files +5,000 kB$/m);
  });

  test("a folder is found from where npm was called; a missing one is a clear error", async () => {
    const root = await workshop.makeFolder({ "with space/a.txt": "a" });
    const env = { INIT_CWD: root };
    const [found, missing] = await Promise.all([
      show(["./with space"], { env }),
      show(["./elsewhere"], { env }),
    ]);
    expect(found.exitCode).toBe(0);
    expect(missing.exitCode).toBe(1);
    expect(missing.text).toContain("[CLI_FOLDER_MISSING]");
    expect(missing.text).not.toMatch(/^ +at /m);
    expect(missing.left).toEqual([]);
  });

  test("Ctrl-C ends the processes and takes the temporary folder away", async () => {
    const folder = await workshop.makeFolder({ "a.txt": "a" });
    const { exitCode, text, left } = await show([folder], {
      onText: (seen, interrupt) => {
        if (seen.includes("the relay listens on")) interrupt();
      },
    });
    expect(exitCode).toBe(130);
    expect(text).not.toContain("What happened");
    expect(left).toEqual([]);
  });
});
