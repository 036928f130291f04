/**
 * A real Chromium for tests, driven over its DevTools protocol.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Where the browser is; `undefined` for none. */
export const browserPath: string | undefined =
  process.env["HAWSER_CHROMIUM"] ?? places.find((path) => existsSync(path));

/** Ends the title of a test that needs a browser. */
export const browserReason: string =
  browserPath === undefined ? " (not run: there is no Chromium)" : "";

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--remote-debugging-port=0",
];

type Answer = { readonly [name: string]: unknown };

/** One tab. */
export interface Tab {
  /** The value of an expression, awaited. Rejects with what it throws. */
  run<Value>(expression: string): Promise<Value>;
  /** A command of the protocol to this tab. */
  send(method: string, parameters?: Answer): Promise<Answer>;
  /** Calls back for each line that the page tells with `hawserLine`. */
  onLine(listener: (line: string) => void): Promise<void>;
  close(): Promise<void>;
}

export interface Browser extends AsyncDisposable {
  /** The origin of the pages, "http://127.0.0.1:…". */
  readonly origin: string;
  /** A tab of the origin, or of another one that serves the same. */
  openTab(origin?: string): Promise<Tab>;
  /** Ends it at once, as a crash does; its profile stays. */
  kill(): Promise<void>;
}

/** Serves one page with one module, always at the same port when `port` is given. */
export async function servePage(
  module: string,
  port = 0,
): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    const isModule = request.url === "/page.js";
    response.setHeader("content-type", isModule ? "text/javascript" : "text/html");
    response.end(isModule ? module : '<script type="module" src="/page.js"></script>');
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  return { server, port: typeof bound === "object" && bound !== null ? bound.port : 0 };
}

/** A folder for a profile that outlives one browser. */
export async function makeProfile(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "hawser-chromium-"));
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 5 });
  return { path, [Symbol.asyncDispose]: remove };
}

/** Starts a browser on a profile, with pages at `port` of this computer. */
export async function startBrowser(profile: string, port: number): Promise<Browser> {
  const child = spawn(browserPath ?? "", [...flags, `--user-data-dir=${profile}`, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(child, "exit");
  const address = await debuggerAddress(child);
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", () => reject(new Error("no DevTools")), { once: true });
  });
  const wire = createWire(socket);
  const origin = `http://127.0.0.1:${port}`;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
    socket.close();
  };
  return {
    origin,
    openTab: (of = origin) => openTab(wire, `${of}/`),
    kill: () => end("SIGKILL"),
    [Symbol.asyncDispose]: () => end("SIGKILL"),
  };
}

async function debuggerAddress(child: ChildProcess): Promise<string> {
  if (child.stderr === null) throw new Error("the browser's stderr is not piped");
  const lines = createInterface({ input: child.stderr });
  const trouble: string[] = [];
  for await (const line of lines) {
    const found = /DevTools listening on (ws:\S+)/.exec(line)?.[1];
    if (found !== undefined) {
      child.stderr.resume();
      return found;
    }
    trouble.push(line);
  }
  throw new Error(`the browser did not start\n${trouble.join("\n")}`);
}

interface Wire {
  send(method: string, parameters?: Answer, session?: string): Promise<Answer>;
  onEvent(listener: (session: string, method: string, parameters: Answer) => void): void;
}

function createWire(socket: WebSocket): Wire {
  let count = 0;
  const waiting = new Map<number, (answer: Answer) => void>();
  const listeners = new Set<(session: string, method: string, parameters: Answer) => void>();
  socket.addEventListener("message", ({ data }) => {
    // Safe: the protocol's own form.
    const answer = JSON.parse(String(data)) as Answer;
    if (typeof answer["id"] === "number") {
      waiting.get(answer["id"])?.(answer);
      waiting.delete(answer["id"]);
    } else {
      const parameters = answer["params"] as Answer;
      const session = String(answer["sessionId"]);
      for (const listener of listeners) listener(session, String(answer["method"]), parameters);
    }
  });
  socket.addEventListener("close", () => {
    for (const settle of waiting.values()) settle({ error: { message: "the browser is gone" } });
  });
  return {
    send: async (method, parameters = {}, sessionId) => {
      const id = ++count;
      const answered = new Promise<Answer>((resolve) => void waiting.set(id, resolve));
      socket.send(JSON.stringify({ id, method, params: parameters, sessionId }));
      const { error, result } = await answered;
      if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
      return result as Answer;
    },
    onEvent: (listener) => void listeners.add(listener),
  };
}

async function openTab(wire: Wire, url: string): Promise<Tab> {
  const { targetId } = await wire.send("Target.createTarget", { url: "about:blank" });
  const attached = await wire.send("Target.attachToTarget", { targetId, flatten: true });
  const session = String(attached["sessionId"]);
  const send = (method: string, parameters?: Answer): Promise<Answer> =>
    wire.send(method, parameters, session);
  const loaded = new Promise<void>((resolve) => {
    wire.onEvent((of, method) => {
      if (of === session && method === "Page.loadEventFired") resolve();
    });
  });
  await send("Page.enable");
  await send("Runtime.enable");
  await send("Page.navigate", { url });
  await loaded;
  return {
    send,
    run: async (expression) => {
      const { result, exceptionDetails } = await send("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      // Safe: the caller names the type of its own expression.
      return (result as Answer)["value"] as never;
    },
    onLine: async (listener) => {
      wire.onEvent((of, method, parameters) => {
        if (of === session && method === "Runtime.bindingCalled") {
          listener(String(parameters["payload"]));
        }
      });
      await send("Runtime.addBinding", { name: "hawserLine" });
    },
    close: async () => {
      await wire.send("Target.closeTarget", { targetId });
    },
  };
}
