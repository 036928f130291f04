/**
 * boot.mjs on machines made of a few fake programs: a temporary checkout, and a PATH that holds
 * nothing but what the test puts there. Every fake notes its calls in `calls.log`.
 */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync } from "node:fs";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";

const bootFile = new URL("../boot.mjs", import.meta.url);
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Machine {
  readonly root: string;
  readonly bin: string;
  /** Programs npx hands out. */
  readonly fetched: string;
}

interface MachineOptions {
  readonly nodeMin?: string;
  /** A part of the folder's name, to test awkward paths. */
  readonly name?: string;
  /** Leave node_modules as a finished install would. */
  readonly installed?: boolean;
}

function writeProgram(folder: string, name: string, body: string): void {
  mkdirSync(folder, { recursive: true });
  const lines = [`#!${process.execPath}`, `"use strict";`, body];
  writeFileSync(join(folder, name), lines.join("\n"));
  chmodSync(join(folder, name), 0o755);
}

/** A fake pnpm: answers its version, and "installs" by copying the lockfile as pnpm does. */
function pnpmProgram(version: string, root: string, failure?: string): string {
  return `
const fs = require("node:fs");
const root = ${JSON.stringify(root)};
if (process.argv[2] === "--version") { console.log(${JSON.stringify(version)}); process.exit(0); }
fs.appendFileSync(root + "/calls.log", "pnpm " + process.argv.slice(2).join(" ") + "\\n");
${failure === undefined ? "" : `console.error(${JSON.stringify(failure)}); process.exit(1);`}
fs.mkdirSync(root + "/node_modules/.pnpm", { recursive: true });
fs.writeFileSync(root + "/node_modules/.modules.yaml", "");
fs.copyFileSync(root + "/pnpm-lock.yaml", root + "/node_modules/.pnpm/lock.yaml");`;
}

/** A fake npx. `kind`: what it has in its cache, and whether the registry answers. */
function npxProgram(
  machine: Machine,
  kind: "warm" | "cold" | "no network" | "stale cache",
): string {
  return `
const fs = require("node:fs");
const argv = process.argv.slice(2);
const mode = argv.find((word) => /^--(offline|prefer-offline|prefer-online)$/.test(word));
fs.appendFileSync(${JSON.stringify(machine.root)} + "/calls.log", "npx " + argv.join(" ") + "\\n");
console.error('npm warn Unknown user config "nodedir". This will stop working.');
const fails = {
  "warm": [],
  "cold": ["--offline"],
  "no network": ["--offline", "--prefer-offline", "--prefer-online"],
  "stale cache": ["--offline", "--prefer-offline"],
}[${JSON.stringify(kind)}];
if (fails.includes(mode)) {
  console.error(${JSON.stringify(kind)} === "no network" ? "npm error code EAI_AGAIN" : "npm error code ETARGET");
  process.exit(1);
}
console.log("some banner of a shell profile");
for (const word of argv) {
  const tool = /^--package=(\\w+)@/.exec(word)?.[1];
  if (tool) console.log(${JSON.stringify(machine.fetched)} + "/" + tool);
}`;
}

function createMachine(options: MachineOptions = {}): Machine {
  const base = mkdtempSync(join(tmpdir(), `hawser boot ${options.name ?? ""}`));
  folders.push(base);
  const root = join(base, "checkout");
  const machine = { root, bin: join(base, "bin"), fetched: join(base, "cache", ".bin") };
  mkdirSync(join(root, "tooling", "boot"), { recursive: true });
  mkdirSync(machine.bin, { recursive: true });
  copyFileSync(bootFile, join(root, "tooling", "boot", "boot.mjs"));
  const pins = { node: "99.1.0", nodeMin: options.nodeMin ?? "18.0.0" };
  const manifest = { type: "module", packageManager: "pnpm@12.0.7", hawser: pins };
  writeFileSync(join(root, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(root, "pnpm-lock.yaml"), "lockfileVersion: '9.0'\n");
  writeFileSync(join(root, "calls.log"), "");
  if (options.installed !== false) {
    mkdirSync(join(root, "node_modules", ".pnpm"), { recursive: true });
    writeFileSync(join(root, "node_modules", ".modules.yaml"), "");
    copyFileSync(join(root, "pnpm-lock.yaml"), join(root, "node_modules", ".pnpm", "lock.yaml"));
  }
  const nodeFake = `
if (process.argv[2] === "--version") { console.log("v99.1.0"); process.exit(0); }
console.log("ran on the fetched node");`;
  // npx's folder holds what was asked for and nothing else.
  if (options.nodeMin !== undefined) writeProgram(machine.fetched, "node", nodeFake);
  writeProgram(machine.fetched, "pnpm", pnpmProgram("12.0.7", root));
  // What the tests run through boot.
  writeProgram(machine.bin, "show", `console.log(JSON.stringify(process.argv.slice(2)));`);
  return machine;
}

function environment(machine: Machine): NodeJS.ProcessEnv {
  return { PATH: machine.bin, HOME: machine.root, CI: "true" };
}

function boot(machine: Machine, ...args: readonly string[]) {
  return spawnSync(process.execPath, [join(machine.root, "tooling", "boot", "boot.mjs"), ...args], {
    encoding: "utf8",
    env: environment(machine),
    // No stdin at all, as under a CI runner.
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function calls(machine: Machine): readonly string[] {
  return readFileSync(join(machine.root, "calls.log"), "utf8").split("\n").filter(Boolean);
}

test("with the right tools and a fresh install it only runs the command, in silence", () => {
  const machine = createMachine();
  writeProgram(machine.bin, "pnpm", pnpmProgram("12.0.7", machine.root));
  const result = boot(machine, "show", "a b", "--flag", "", "$HOME", "*");
  expect(result.stdout).toBe('["a b","--flag","","$HOME","*"]\n');
  expect(result.stderr).toBe("");
  expect(result.status).toBe(0);
  expect(calls(machine)).toEqual([]);
});

test("an exit code of the command becomes its own", () => {
  const machine = createMachine();
  writeProgram(machine.bin, "pnpm", pnpmProgram("12.0.7", machine.root));
  writeProgram(machine.bin, "leave", "process.exit(37);");
  expect(boot(machine, "leave").status).toBe(37);
});

test("a signal that ends the command ends boot", () => {
  const machine = createMachine();
  writeProgram(machine.bin, "pnpm", pnpmProgram("12.0.7", machine.root));
  writeProgram(
    machine.bin,
    "die",
    `process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 9);`,
  );
  expect(boot(machine, "die").signal).toBe("SIGKILL");
});

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("%s reaches the command", async (signal) => {
  const machine = createMachine();
  writeProgram(machine.bin, "pnpm", pnpmProgram("12.0.7", machine.root));
  const wait = `process.on("${signal}", () => { console.log("got ${signal}"); process.exit(5); });
setInterval(() => {}, 1000); console.log("ready");`;
  writeProgram(machine.bin, "wait", wait);
  const args = [join(machine.root, "tooling", "boot", "boot.mjs"), "wait"];
  const child = spawn(process.execPath, args, {
    env: environment(machine),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  const code = await new Promise((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output === "ready\n") child.kill(signal);
    });
    child.on("close", resolve);
  });
  expect(output).toBe(`ready\ngot ${signal}\n`);
  expect(code).toBe(5);
});

test("telemetry of tools is off, and fetched tools and node_modules/.bin come first", () => {
  const machine = createMachine({ nodeMin: "99.0.0" });
  writeProgram(machine.bin, "npx", npxProgram(machine, "warm"));
  const program = `const { PATH, DO_NOT_TRACK, TURBO_TELEMETRY_DISABLED } = process.env;
console.log(JSON.stringify([PATH.split(":"), DO_NOT_TRACK, TURBO_TELEMETRY_DISABLED]));`;
  writeProgram(machine.bin, "environment", program);
  const [path, ...telemetry] = JSON.parse(boot(machine, "environment").stdout);
  expect(path[0]).toBe(join(machine.root, "node_modules", ".bin"));
  expect(path[1]).toBe(machine.fetched);
  expect(path).toContain(machine.bin);
  expect(telemetry).toEqual(["1", "1"]);
});

test("an old Node is replaced by the pinned one", () => {
  const machine = createMachine({ nodeMin: "99.0.0", name: "it's ünusual (1) " });
  writeProgram(machine.bin, "npx", npxProgram(machine, "warm"));
  const result = boot(machine, "node", "anything.ts");
  expect(result.stdout).toBe("ran on the fetched node\n");
  expect(result.stderr).toBe("");
});

test("a Node that is new enough stays", () => {
  const machine = createMachine();
  writeProgram(machine.bin, "npx", npxProgram(machine, "warm"));
  const result = boot(machine, "node", "-p", "process.version");
  expect(result.stdout).toBe(`${process.version}\n`);
  expect(calls(machine)).toEqual(["npx --yes --offline --package=pnpm@12.0.7 -c command -v pnpm"]);
});

test("a cold cache prints one line for each thing it fetches, and no npm warnings", () => {
  const machine = createMachine({ nodeMin: "99.0.0", installed: false });
  writeProgram(machine.bin, "npx", npxProgram(machine, "cold"));
  const result = boot(machine, "show", "x");
  expect(result.stderr.trimEnd().split("\n")).toEqual([
    "boot: fetching node 99.1.0 from the npm registry",
    "boot: fetching pnpm 12.0.7 from the npm registry",
    "boot: installing the workspace's packages (pnpm install)",
  ]);
  expect(result.status).toBe(0);
  expect(calls(machine).map((call) => call.split(" ").slice(0, 3).join(" "))).toEqual([
    "npx --yes --offline",
    "npx --yes --prefer-offline",
    "pnpm install --frozen-lockfile",
  ]);
});

test.each(["11.9.9", "12.0.70", "13.0.0"])("pnpm %s on PATH is not the pinned one", (version) => {
  const machine = createMachine();
  writeProgram(machine.bin, "pnpm", pnpmProgram(version, machine.root));
  writeProgram(machine.bin, "npx", npxProgram(machine, "warm"));
  expect(boot(machine, "pnpm", "--version").stdout).toBe("12.0.7\n");
});

test("a pnpm on PATH that cannot run counts as missing", () => {
  const machine = createMachine();
  writeProgram(machine.bin, "pnpm", `throw new Error("corepack: no matching signature");`);
  writeProgram(machine.bin, "npx", npxProgram(machine, "warm"));
  const result = boot(machine, "pnpm", "--version");
  expect(result.stdout).toBe("12.0.7\n");
  expect(result.stderr).toBe("");
});

test("a registry answer older than the pin is asked for again", () => {
  const machine = createMachine();
  writeProgram(machine.bin, "npx", npxProgram(machine, "stale cache"));
  expect(boot(machine, "show").status).toBe(0);
  expect(calls(machine).map((call) => call.split(" ")[2])).toEqual([
    "--offline",
    "--prefer-offline",
    "--prefer-online",
  ]);
});

test("without npm it says what to install", () => {
  const machine = createMachine();
  const result = boot(machine, "show");
  expect(result.status).toBe(1);
  expect(result.stdout).toBe("");
  expect(result.stderr).toMatch(/cannot start npx \(ENOENT\)\nboot: remedy: install npm/);
  expect(result.stderr).toContain("pnpm 12.0.7");
});

test("without network and with a cold cache it says so", () => {
  const machine = createMachine();
  writeProgram(machine.bin, "npx", npxProgram(machine, "no network"));
  const result = boot(machine, "show");
  expect(result.status).toBe(1);
  expect(result.stdout).toBe("");
  expect(result.stderr).toMatch(/registry cannot be reached\nboot: remedy: connect to the network/);
});

test("an npx that succeeds without saying where the tools are is an error", () => {
  const machine = createMachine();
  writeProgram(machine.bin, "npx", `console.log("/nowhere/pnpm");`);
  const result = boot(machine, "show");
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("npx could not provide pnpm 12.0.7");
});

test("a fetched tool that answers as another version is an error", () => {
  const machine = createMachine({ nodeMin: "99.0.0" });
  writeProgram(machine.bin, "npx", npxProgram(machine, "warm"));
  writeProgram(machine.fetched, "node", `console.log("v20.1.0");`);
  const result = boot(machine, "show");
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("node 99.1.0 was fetched, but answers as 20.1.0");
});

test("a lockfile that changed since the install is installed again, once", () => {
  const machine = createMachine();
  writeProgram(machine.bin, "pnpm", pnpmProgram("12.0.7", machine.root));
  writeFileSync(join(machine.root, "pnpm-lock.yaml"), "lockfileVersion: '9.0'\n# changed\n");
  expect(boot(machine, "show").stderr).toBe(
    "boot: installing the workspace's packages (pnpm install)\n",
  );
  expect(boot(machine, "show").stderr).toBe("");
  expect(calls(machine)).toHaveLength(1);
});

test.each([
  ["ERR_PNPM_OUTDATED_LOCKFILE cannot install", "does not match the package.json files"],
  ["ERR_PNPM_META_FETCH_FAIL getaddrinfo ENOTFOUND", "cannot reach the npm registry"],
  ["ERR_PNPM_SOMETHING_ELSE", "pnpm install failed with exit code 1"],
])("an install that fails with %s shows pnpm's words and a remedy", (failure, message) => {
  const machine = createMachine({ installed: false });
  writeProgram(machine.bin, "pnpm", pnpmProgram("12.0.7", machine.root, failure));
  const result = boot(machine, "show");
  expect(result.status).toBe(1);
  expect(result.stdout).toBe("");
  expect(result.stderr).toContain(failure);
  expect(result.stderr).toContain(message);
  expect(result.stderr).toContain("boot: remedy: ");
  expect(existsSync(join(machine.root, "node_modules", ".modules.yaml"))).toBe(false);
});

test("a command that does not exist is named", () => {
  const machine = createMachine();
  writeProgram(machine.bin, "pnpm", pnpmProgram("12.0.7", machine.root));
  const result = boot(machine, "absent");
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("cannot start absent (ENOENT)");
});

test("without a command, or without pins, it says what is missing", () => {
  const machine = createMachine();
  expect(boot(machine).stderr).toContain("no command given");
  writeFileSync(join(machine.root, "package.json"), "{}");
  const result = boot(machine, "show");
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("package.json pins no pnpm");
});

test("the root package.json has the pins boot reads", () => {
  const manifest = JSON.parse(
    readFileSync(new URL("../../../package.json", import.meta.url), "utf8"),
  );
  expect(manifest.packageManager).toMatch(/^pnpm@\d+\.\d+\.\d+$/);
  expect(manifest.hawser.node).toMatch(/^\d+\.\d+\.\d+$/);
  expect(manifest.hawser.nodeMin).toMatch(/^\d+\.\d+\.\d+$/);
});
