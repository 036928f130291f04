/**
 * Runs a command of this workspace on a machine that has only Node (18 or later) and npm:
 *
 *     node tooling/boot/boot.mjs <command> [argument…]
 *
 * Three steps, each silent when there is nothing to do:
 *   1. tools    when this Node is older than `hawser.nodeMin` of the root package.json, or pnpm is
 *               missing or not the version `packageManager` pins, take the pinned ones from the npm
 *               registry through npx (which caches them: a second run needs no network);
 *   2. install  when node_modules is missing or was made from another lockfile, `pnpm install`;
 *   3. run      the command, with those tools and node_modules/.bin first on PATH.
 *
 * The command's exit code, or the signal that ended it, becomes this program's own. A failure of
 * boot itself is one line of cause and one of remedy on stderr, and exit code 1.
 *
 * No dependencies, plain JavaScript: this is the one file that must run before anything is there.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { basename, delimiter, dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const isWindows = process.platform === "win32";
/** The environment without PATH, whose name Windows spells as it likes. */
const { PATH: inheritedPath = "", ...inherited } = Object.fromEntries(
  Object.entries(process.env).map(([name, value]) => [/^path$/i.test(name) ? "PATH" : name, value]),
);

/** A failure with a remedy; caught once, at the end of this file. */
class BootError extends Error {
  constructor(message, remedy, details = "") {
    super(message);
    this.remedy = remedy;
    this.details = details;
  }
}

function say(line) {
  process.stderr.write(`boot: ${line}\n`);
}

/** The versions this checkout pins, from its package.json. */
function readPins() {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const pnpm = /^pnpm@([0-9]+\.[0-9]+\.[0-9]+)/.exec(manifest.packageManager ?? "")?.[1];
  const { node, nodeMin } = manifest.hawser ?? {};
  if (pnpm === undefined || node === undefined || nodeMin === undefined) {
    throw new BootError(
      "package.json pins no pnpm (packageManager) or no Node (hawser.node, hawser.nodeMin)",
      "restore those fields of the root package.json",
    );
  }
  return { pnpm, node, nodeMin };
}

/** Compares `a.b.c` versions: true when `version` comes before `least`. */
function isOlder(version, least) {
  const left = version.split(".").map(Number);
  const right = least.split(".").map(Number);
  for (let index = 0; index < 3; index++) {
    if (left[index] !== right[index]) return (left[index] ?? 0) < (right[index] ?? 0);
  }
  return false;
}

/** Runs to the end and returns status, output and a spawn error if there was one. */
function capture(command, args, options = {}) {
  // A shell is needed on Windows alone, where npx and pnpm are .cmd files.
  const words = isWindows ? args.map((word) => (/[\s&|"]/.test(word) ? `"${word}"` : word)) : args;
  const result = spawnSync(command, words, {
    encoding: "utf8",
    shell: isWindows,
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
    ...options,
  });
  return {
    status: result.status,
    stdout: result.stdout ?? "",
    stderr: result.stderr ?? "",
    error: result.error,
  };
}

/** The version a tool on `path` reports, or undefined when it is absent or does not answer. */
function versionOf(tool, path) {
  // Outside the checkout, and with corepack's shim kept offline: neither an old pnpm nor corepack
  // may start to switch versions by itself.
  const env = { ...inherited, PATH: path, COREPACK_ENABLE_NETWORK: "0" };
  const result = capture(tool, ["--version"], { cwd: tmpdir(), env, timeout: 30_000 });
  const version = /^v?([0-9]+\.[0-9]+\.[0-9]+)/.exec(result.stdout.trim())?.[1];
  return result.status === 0 ? version : undefined;
}

/** True when an error text speaks of an unreachable registry. */
function isNetworkFailure(text) {
  return /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|NO_OFFLINE|META_FETCH_FAIL|socket hang up|network|fetch failed|dns error|error sending request/i.test(
    text,
  );
}

/** How to start npx: from PATH, or else the npm that runs this script. */
function findNpx() {
  const beside = join(dirname(process.env.npm_execpath ?? ""), "npx-cli.js");
  if (process.env.npm_execpath !== undefined && existsSync(beside)) {
    return { command: process.execPath, first: [beside] };
  }
  return { command: "npx", first: [] };
}

/** One npx call that prints where each tool is; `mode` is npm's cache mode. */
function askNpx(tools, mode) {
  const npx = findNpx();
  const locate = isWindows ? "where" : "command -v";
  const script = tools.map((tool) => `${locate} ${tool.name}`).join(isWindows ? " & " : "; ");
  const packages = tools.map((tool) => `--package=${tool.name}@${tool.version}`);
  // npm's own defaults wait more than a minute before they report a missing network.
  const env = {
    npm_config_fetch_retries: "2",
    npm_config_fetch_retry_mintimeout: "1000",
    npm_config_fetch_retry_maxtimeout: "5000",
    npm_config_update_notifier: "false",
    ...inherited,
    PATH: inheritedPath,
  };
  const result = capture(npx.command, [...npx.first, "--yes", mode, ...packages, "-c", script], {
    cwd: tmpdir(),
    env,
  });
  if (result.error !== undefined) {
    throw new BootError(
      `cannot start npx (${result.error.code ?? result.error.message})`,
      "install npm (it comes with Node from nodejs.org), or install " +
        tools.map((tool) => `${tool.name} ${tool.version}`).join(" and ") +
        " yourself",
    );
  }
  return result;
}

/** The folders npx printed, in the order of `tools`; undefined unless every tool is among them. */
function parseLocations(stdout, tools) {
  const lines = stdout.split(/\r?\n/).map((line) => line.trim());
  const folders = tools.map((tool) => {
    const isTool = (line) => basename(line).replace(/\.(cmd|exe)$/i, "") === tool.name;
    const path = lines.find((line) => isAbsolute(line) && isTool(line) && existsSync(line));
    return path === undefined ? undefined : dirname(path);
  });
  return folders.includes(undefined) ? undefined : [...new Set(folders)];
}

/** Folders that hold exactly the pinned tools, from npx's cache or else from the registry. */
function fetchTools(tools) {
  const warm = askNpx(tools, "--offline");
  const cached = warm.status === 0 ? parseLocations(warm.stdout, tools) : undefined;
  if (cached !== undefined) return cached;
  for (const tool of tools) say(`fetching ${tool.name} ${tool.version} from the npm registry`);
  let result = askNpx(tools, "--prefer-offline");
  // A registry answer cached before the pinned version existed hides it: ask again, afresh.
  if (result.status !== 0 && /ETARGET/.test(result.stderr))
    result = askNpx(tools, "--prefer-online");
  const folders = result.status === 0 ? parseLocations(result.stdout, tools) : undefined;
  if (folders !== undefined) return folders;
  const names = tools.map((tool) => `${tool.name} ${tool.version}`).join(" and ");
  throw isNetworkFailure(result.stderr)
    ? new BootError(
        `cannot fetch ${names}: the npm registry cannot be reached`,
        "connect to the network once (later runs work offline), or check `npm ping` and your proxy",
        result.stderr,
      )
    : new BootError(
        `npx could not provide ${names}`,
        `install ${names} yourself and run the command again; what npx said is above`,
        result.stderr,
      );
}

/** The PATH to work with: fetched tools, this Node, the workspace's programs, then what was there. */
function preparePath(pins) {
  const isNodeFirst = versionOf("node", inheritedPath) === process.versions.node;
  const own = isNodeFirst
    ? inheritedPath
    : [dirname(process.execPath), inheritedPath].join(delimiter);
  const wanted = [
    ...(isOlder(process.versions.node, pins.nodeMin) ? [{ name: "node", version: pins.node }] : []),
    ...(versionOf("pnpm", own) === pins.pnpm ? [] : [{ name: "pnpm", version: pins.pnpm }]),
  ];
  const fetched = wanted.length === 0 ? [] : fetchTools(wanted);
  const path = [...fetched, own].join(delimiter);
  for (const tool of wanted) {
    const version = versionOf(tool.name, path);
    if (version === tool.version) continue;
    throw new BootError(
      `${tool.name} ${tool.version} was fetched, but answers as ${version ?? "nothing at all"}`,
      `install ${tool.name} ${tool.version} yourself (npm may have been told to ignore scripts)`,
    );
  }
  return path;
}

/** True when node_modules does not hold exactly what the lockfile says. */
function isInstallStale() {
  const lockfile = join(root, "pnpm-lock.yaml");
  // pnpm keeps a copy of the lockfile it installed from.
  const installed = join(root, "node_modules", ".pnpm", "lock.yaml");
  if (!existsSync(join(root, "node_modules", ".modules.yaml")) || !existsSync(installed))
    return true;
  return readFileSync(lockfile, "utf8") !== readFileSync(installed, "utf8");
}

function install(env) {
  say("installing the workspace's packages (pnpm install)");
  const flags = ["--frozen-lockfile", "--prefer-offline", "--config.confirm-modules-purge=false"];
  const result = capture("pnpm", ["install", ...flags], { cwd: root, env });
  if (result.status === 0) return;
  const output = result.stdout + result.stderr;
  if (/OUTDATED_LOCKFILE/.test(output)) {
    throw new BootError(
      "pnpm-lock.yaml does not match the package.json files",
      "run `pnpm install` and commit the lockfile",
      output,
    );
  }
  throw isNetworkFailure(output)
    ? new BootError(
        "pnpm install cannot reach the npm registry",
        "connect to the network once (later runs work offline), or check your proxy",
        output,
      )
    : new BootError(
        `pnpm install failed with ${result.error?.code ?? `exit code ${result.status}`}`,
        "read pnpm's message above; removing node_modules and running again is safe",
        output,
      );
}

/** Runs the command in the foreground and ends this process the way it ended. */
function run(command, args, env) {
  const child = spawn(command, args, { cwd: root, env, stdio: "inherit", shell: isWindows });
  for (const signal of ["SIGTERM", "SIGHUP", "SIGINT"]) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the whole foreground group: the child has it already.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", (error) => {
    fail(
      new BootError(
        `cannot start ${command} (${error.code ?? error.message})`,
        "run `pnpm install`, or check the spelling of the script in package.json",
      ),
    );
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // Where a signal does not end this process (Windows, or an ignored one), say it as shells do.
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 1000);
  });
}

function fail(error) {
  if (!(error instanceof BootError)) throw error;
  if (error.details !== "") process.stderr.write(`${error.details.trimEnd()}\n`);
  say(error.message);
  say(`remedy: ${error.remedy}`);
  process.exit(1);
}

function main() {
  const [command, ...args] = process.argv.slice(2);
  if (command === undefined) {
    throw new BootError("no command given", "node tooling/boot/boot.mjs <command> [argument…]");
  }
  const env = {
    ...inherited,
    // No tool of the workspace may report home.
    DO_NOT_TRACK: "1",
    TURBO_TELEMETRY_DISABLED: "1",
    PATH: [join(root, "node_modules", ".bin"), preparePath(readPins())].join(delimiter),
  };
  if (isInstallStale()) install(env);
  run(command, args, env);
}

try {
  main();
} catch (error) {
  fail(error);
}
