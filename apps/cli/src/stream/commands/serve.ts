/** serve: the streams of a folder over HTTP. */
import { once } from "node:events";
import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { equalSecrets, utf8 } from "@hawser/codec";
import { createStreamHandler } from "@hawser/stream/http";
import { messageOf } from "../../errors.ts";
import { plural } from "../../table.ts";
import { explain, streamError, usage } from "../errors.ts";
import { createFolderHost } from "../folder-host.ts";
import type { StreamIo } from "../io.ts";
import { readCount } from "../options.ts";
import { startServer } from "../server.ts";
import type { RunWork, Session } from "../session.ts";

interface ServeOptions {
  readonly port: string;
  readonly host: string;
  readonly token?: string | true;
  readonly readOnly?: boolean;
  readonly maxBytes: string;
  readonly log?: boolean;
}

const tokenVariable = "HAWSER_STREAM_TOKEN";
/** A token that is shorter can be guessed. */
const tokenCharactersMin = 16;

export function addServeCommand(program: Command, run: RunWork): void {
  program
    .command("serve")
    .description("serve the streams of a folder over HTTP, and take what their authors add")
    .argument("<folder>")
    .option("--port <number>", "0 takes any free one", "8790")
    .option("--host <address>", "0.0.0.0 and :: serve others than this machine", "127.0.0.1")
    .option(
      "--token [variable]",
      `let who sends the token in this variable of the environment (${tokenVariable}) add streams`,
    )
    .option("--read-only", "take nothing")
    .option("--max-bytes <count>", "the most bytes of one upload", String(16 * 2 ** 30))
    .option("--log", "tell of every request, not only of what is written and what fails")
    .addHelpText(
      "after",
      "\nStreams are at /<id>, blocks at /<id>/<seq>, the list at /streams. What is encrypted stays so." +
        "\n\nExample: hawser stream serve ./streams --port 8790",
    )
    .action((folder: string, options: ServeOptions) =>
      run((session) => serve(session, folder, options)),
    );
}

async function serve(session: Session, folder: string, options: ServeOptions): Promise<void> {
  const { io, deps, output } = session;
  const { host, readOnly } = options;
  const port = readCount("--port", options.port, 65_535);
  const bodyBytesMax = readCount("--max-bytes", options.maxBytes);
  const token = readToken(io, options);
  await requireFolder(folder);
  const streams = createFolderHost(deps, folder, { canCreate: token !== undefined });
  const count = (await streams.refresh()).size;
  const handler = createStreamHandler(
    {
      host: streams,
      authorize: async (request) => isAllowed(io, request, token),
      report: (error) => output.event("trouble", { message: messageOf(error) }, messageOf(error)),
    },
    { bodyBytesMax, acceptsAppends: readOnly !== true },
  );
  try {
    await using server = await startServer(handler, {
      host,
      port,
      onAnswer: (method, path, status) => {
        // Reading a large stream is thousands of requests.
        const isRead = method === "GET" || method === "HEAD";
        if (isRead && status < 500 && options.log !== true) return;
        output.event("answered", { method, path, status }, `${status} ${method} ${path}`);
      },
    });
    const url = `http://${host.includes(":") ? `[${host}]` : host}:${server.port}`;
    const text = `Serving ${plural(count, "stream")} of ${folder} at ${url}/streams. Ctrl-C stops.`;
    output.event("listening", { url, streams: count }, text);
    if (!io.signal.aborted) await once(io.signal, "abort");
    output.event("stopping", {}, "Stopping; what is under way is finished.");
  } catch (error) {
    throw explain(error, `${host}:${port}`);
  }
  output.event("stopped", {}, "Stopped.");
}

async function requireFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw streamError(
    "CLI_FILE_MISSING",
    `${folder} is no folder`,
    "Name the folder of the streams.",
  );
}

/** The token, from the environment alone: words of a command are seen by everybody on a machine. */
function readToken(io: StreamIo, { token, readOnly }: ServeOptions): Uint8Array | undefined {
  if (token === undefined) return undefined;
  if (readOnly === true) throw usage("--token and --read-only exclude each other");
  const name = token === true ? tokenVariable : token;
  if (!/^[A-Z_][A-Z0-9_]*$/.test(name)) {
    throw usage("--token names a variable of the environment, and is not the token itself");
  }
  const value = io.env[name] ?? "";
  if (value.length >= tokenCharactersMin) return utf8(value);
  const remedy =
    "Put at least 16 random characters into it, for example of `openssl rand -hex 16`.";
  throw usage(`the token in ${name} is missing or too short`, remedy);
}

function isAllowed(io: StreamIo, request: Request, token: Uint8Array | undefined): boolean {
  const [, given] =
    /^Bearer ([!-~]{1,1024})$/.exec(request.headers.get("authorization") ?? "") ?? [];
  if (token === undefined || given === undefined) return false;
  // Equal hashes take equally long to compare, whatever their lengths were.
  return equalSecrets(io.crypto.hash(utf8(given)), io.crypto.hash(token));
}
