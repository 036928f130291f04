/**
 * Home: where one device keeps its database and small files, and how a second command reaches the
 * process that has them open. One process owns a home at a time: it listens on a local socket, and
 * commands such as `hawser members` ask it instead of opening the database themselves.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CliError } from "./errors.ts";

export interface Home {
  readonly folder: string;
  readonly database: string;
  readonly socket: string;
  /** Where the mirror of a space remembers what both sides last agreed on. */
  baseFile(spaceId: string, folder: string): string;
}

/** A request of one command to the process that owns the home: a name and plain arguments. */
export interface ControlRequest {
  readonly command: string;
  readonly args: Readonly<Record<string, string>>;
}

export type ControlReply =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false;
      readonly code: string;
      readonly message: string;
      readonly remedy: string;
    };

/** Longest request or reply line; both carry listings, never content of files. */
const lineBytesMax = 4 * 1024 * 1024;
/** Unix socket paths have room for about 100 bytes. */
const socketPathBytesMax = 100;

/** `--home`, else `HAWSER_HOME`, else `.hawser` in the home folder. */
export async function openHome(given: string | undefined): Promise<Home> {
  const folder = resolve(given ?? process.env["HAWSER_HOME"] ?? join(homedir(), ".hawser"));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return {
    folder,
    database: join(folder, "hawser.sqlite"),
    socket: socketPath(folder),
    baseFile: (spaceId, shared) =>
      join(folder, "folders", `${digest(`${spaceId} ${shared}`)}.base`),
  };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 24);
}

function socketPath(folder: string): string {
  if (process.platform === "win32") return `\\\\.\\pipe\\hawser-${digest(folder)}`;
  const inside = join(folder, "control.sock");
  if (Buffer.byteLength(inside) <= socketPathBytesMax) return inside;
  return join(tmpdir(), `hawser-${digest(folder)}.sock`);
}

/** Asks the owner of the home. `undefined` when no process owns it. */
export async function askOwner(
  home: Home,
  request: ControlRequest,
): Promise<ControlReply | undefined> {
  const socket = await connectTo(home.socket);
  if (socket === undefined) return undefined;
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    for await (const line of lines(socket)) {
      // Safe: the socket lies in a folder only this user can enter; the owner writes replies.
      return JSON.parse(line) as ControlReply;
    }
    throw new CliError(
      "CLI_HOME_BUSY",
      "the running hawser process ended before it answered",
      "Try again.",
    );
  } finally {
    socket.destroy();
  }
}

function connectTo(path: string): Promise<Socket | undefined> {
  return new Promise((settle, reject) => {
    const socket = connect(path);
    socket.once("connect", () => settle(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") settle(undefined);
      else reject(error);
    });
  });
}

/** Serves requests until it is disposed. Throws CLI_HOME_BUSY when another process owns the home. */
export async function ownHome(
  home: Home,
  answer: (request: ControlRequest) => Promise<unknown>,
): Promise<AsyncDisposable> {
  const other = await connectTo(home.socket);
  if (other !== undefined) {
    other.destroy();
    throw new CliError(
      "CLI_HOME_BUSY",
      `another hawser process uses ${home.folder}`,
      "Stop it, or give this device a home of its own with --home.",
    );
  }
  // A socket file that nobody listens on is what a killed process left behind.
  if (process.platform !== "win32" && existsSync(home.socket)) await rm(home.socket);
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    void serve(socket, answer).catch(() => socket.destroy());
  });
  await listen(server, home.socket);
  if (process.platform !== "win32") await chmod(home.socket, 0o600);
  return {
    [Symbol.asyncDispose]: () => new Promise<void>((done) => server.close(() => done())),
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((settle, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      settle();
    });
  });
}

async function serve(
  socket: Socket,
  answer: (request: ControlRequest) => Promise<unknown>,
): Promise<void> {
  for await (const line of lines(socket)) {
    // Safe: the socket lies in a folder only this user can enter; commands write requests.
    const request = JSON.parse(line) as ControlRequest;
    const reply = await replyTo(request, answer);
    socket.write(`${JSON.stringify(reply)}\n`);
  }
  socket.end();
}

async function replyTo(
  request: ControlRequest,
  answer: (request: ControlRequest) => Promise<unknown>,
): Promise<ControlReply> {
  try {
    return { ok: true, value: await answer(request) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "CLI_USAGE";
    const remedy = error instanceof CliError ? error.remedy : "";
    return { ok: false, code, message: error instanceof Error ? error.message : "failed", remedy };
  }
}

/** Lines of a socket, bounded. */
async function* lines(socket: Socket): AsyncGenerator<string, void, undefined> {
  socket.setEncoding("utf8");
  let rest = "";
  for await (const text of socket) {
    rest += String(text);
    if (rest.length > lineBytesMax) throw new CliError("CLI_USAGE", "line too long", "");
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
  }
}
