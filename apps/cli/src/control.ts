/**
 * Control: how a second command reaches the process that has the home. That process listens on a
 * local socket, and commands such as `hawser members` ask it instead of opening the database
 * themselves.
 */
import { chmod, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { CliError, codeOf, messageOf, remedyOf } from "./errors.ts";
import { homeBusy, takeHome, type Home } from "./home.ts";

/** A request of one command to the process that has the home: a name and plain arguments. */
export interface ControlRequest {
  readonly command: string;
  readonly args: Readonly<Record<string, string>>;
}

/** What it answers: plain data, or an error as a person shall see it. */
export type ControlReply =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false;
      readonly code: string;
      readonly message: string;
      readonly remedy: string;
    };

export type Answer = (request: ControlRequest) => Promise<unknown>;

/** Longest request or reply, in characters; both carry listings, never content of files. */
const lineLengthMax = 16 * 1024 * 1024;
/** How long a command waits while another short one has the home. */
const busyMsMax = 15_000;
const busyPauseMs = 50;

/**
 * Asks the process that has the home. When none has, takes the home and calls `here`. Throws
 * CLI_HOME_BUSY when the home stays taken by a process that does not answer.
 */
export async function askOrRun(
  home: Home,
  request: ControlRequest,
  here: () => Promise<unknown>,
): Promise<unknown> {
  const deadline = performance.now() + busyMsMax;
  do {
    const reply = await askOwner(home, request);
    if (reply?.ok === true) return reply.value;
    if (reply?.ok === false) throw new CliError(reply.code, reply.message, reply.remedy);
    using taken = takeHome(home);
    if (taken !== undefined) return await here();
    await pause(busyPauseMs);
  } while (performance.now() < deadline);
  throw homeBusy(home);
}

async function askOwner(home: Home, request: ControlRequest): Promise<ControlReply | undefined> {
  const socket = await connectTo(home.socket);
  if (socket === undefined) return undefined;
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    for await (const line of lines(socket)) {
      // Safe: only this user reaches the socket, and the process behind it writes replies.
      return JSON.parse(line) as ControlReply;
    }
  } catch (cause) {
    throw unanswered(cause);
  } finally {
    socket.destroy();
  }
  throw unanswered(undefined);
}

/** Whether it did what it was asked is not known, so nothing is done twice. */
function unanswered(cause: unknown): CliError {
  const message = "the running hawser process ended before it answered";
  return new CliError("CLI_HOME_BUSY", message, "Look at `hawser members`, then try again.", {
    cause,
  });
}

function connectTo(path: string): Promise<Socket | undefined> {
  return new Promise((settle) => {
    const socket = connect(path);
    socket.once("connect", () => settle(socket));
    socket.once("error", () => settle(undefined));
  });
}

/**
 * Takes the home and answers requests until it is disposed. Throws CLI_HOME_BUSY when another
 * process has the home for long; a short command is waited for.
 */
export async function ownHome(home: Home, answer: Answer): Promise<AsyncDisposable> {
  const taken = await waitForHome(home);
  try {
    // Whoever holds the lock is alone: a socket file is what a killed process left behind.
    if (process.platform !== "win32") await rm(home.socket, { force: true });
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.on("error", () => socket.destroy());
      void serve(socket, answer).catch(() => socket.destroy());
    });
    await listen(server, home.socket);
    return {
      [Symbol.asyncDispose]: async () => {
        const closed = new Promise<void>((done) => server.close(() => done()));
        for (const socket of sockets) socket.destroy();
        await closed;
        taken[Symbol.dispose]();
      },
    };
  } catch (error) {
    taken[Symbol.dispose]();
    throw error;
  }
}

async function waitForHome(home: Home): Promise<Disposable> {
  const deadline = performance.now() + busyMsMax;
  for (;;) {
    const taken = takeHome(home);
    if (taken !== undefined) return taken;
    const owner = await connectTo(home.socket);
    owner?.destroy();
    if (owner !== undefined || performance.now() > deadline) throw homeBusy(home);
    await pause(busyPauseMs);
  }
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((settle, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      settle();
    });
  });
  if (process.platform !== "win32") await chmod(path, 0o600);
}

async function serve(socket: Socket, answer: Answer): Promise<void> {
  for await (const line of lines(socket)) {
    // Safe: only this user reaches the socket, and commands write requests.
    const request = JSON.parse(line) as ControlRequest;
    socket.write(`${JSON.stringify(await replyTo(request, answer))}\n`);
  }
  socket.end();
}

async function replyTo(request: ControlRequest, answer: Answer): Promise<ControlReply> {
  try {
    return { ok: true, value: await answer(request) };
  } catch (error) {
    const [code, message] = [codeOf(error), messageOf(error)];
    return { ok: false, code, message, remedy: remedyOf(error) };
  }
}

/** Lines of a socket, bounded. */
async function* lines(socket: Socket): AsyncGenerator<string, void, undefined> {
  socket.setEncoding("utf8");
  let rest = "";
  for await (const text of socket) {
    rest += String(text);
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
    if (rest.length > lineLengthMax) throw new Error("a line is too long");
  }
}
