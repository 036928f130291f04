/** A real Chromium with real tabs, driven over its DevTools protocol, and the page they load. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Where the browser is; `undefined` for none. */
export const browserPath: string | undefined =
  process.env["HAWSER_CHROMIUM"] ?? places.find((path) => existsSync(path));

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

type Fields = Readonly<Record<string, unknown>>;

/** One tab that has loaded the page. */
export interface BrowserTab {
  /** The value of an expression in it, awaited. */
  run(expression: string): Promise<unknown>;
  /** The same, once the value fits. */
  until(expression: string, fits: (value: unknown) => boolean): Promise<unknown>;
  /** Closes it without a word to the page. */
  close(): Promise<void>;
  /** Ends its process. */
  crash(): Promise<void>;
}

export interface TestBrowser extends AsyncDisposable {
  openTab(): Promise<BrowserTab>;
}

/** Starts a browser, and a server with the page. */
export async function startBrowser(): Promise<TestBrowser> {
  const cleanups: (() => unknown)[] = [];
  const dispose = async (): Promise<void> => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  };
  try {
    return { openTab: await launch(cleanups), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function launch(cleanups: (() => unknown)[]): Promise<TestBrowser["openTab"]> {
  const port = await servePage(cleanups);
  const profile = await mkdtemp(join(tmpdir(), "hawser-tabs-"));
  cleanups.push(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }));
  const child = spawn(browserPath ?? "", [...flags, `--user-data-dir=${profile}`, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(child, "exit");
  cleanups.push(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const socket = new WebSocket(await addressIn(createInterface({ input: child.stderr })));
  child.stderr.resume();
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", () => reject(new Error("no DevTools")), { once: true });
  });
  cleanups.push(() => socket.close());
  const send = createSender(socket);
  return () => openTab(send, `http://127.0.0.1:${port}/`);
}

async function servePage(cleanups: (() => unknown)[]): Promise<number> {
  const build = await rolldown({
    input: fileURLToPath(new URL("page.ts", import.meta.url)),
    platform: "browser",
    resolve: { conditionNames: ["hawser-source", "browser", "import", "default"] },
    logLevel: "silent",
  });
  const { output } = await build.generate({ format: "esm", codeSplitting: false });
  await build.close();
  const server = createServer((request, response) => {
    const isModule = request.url === "/page.js";
    response.setHeader("content-type", isModule ? "text/javascript" : "text/html");
    response.end(isModule ? output[0].code : '<script type="module" src="/page.js"></script>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : 0;
}

async function addressIn(lines: AsyncIterable<string>): Promise<string> {
  const trouble: string[] = [];
  for await (const line of lines) {
    const found = /DevTools listening on (ws:\S+)/.exec(line)?.[1];
    if (found !== undefined) return found;
    trouble.push(line);
  }
  throw new Error(`the browser did not start\n${trouble.join("\n")}`);
}

type Send = (method: string, parameters?: Fields, sessionId?: string) => Promise<Fields>;

function createSender(socket: WebSocket): Send {
  const waiting = new Map<unknown, (answer: Fields) => void>();
  let count = 0;
  socket.addEventListener("message", ({ data }) => {
    // Safe: the protocol's own form.
    const answer = JSON.parse(String(data)) as Fields;
    waiting.get(answer["id"])?.(answer);
    waiting.delete(answer["id"]);
  });
  return async (method, parameters = {}, sessionId) => {
    const id = ++count;
    const answered = new Promise<Fields>((resolve) => void waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params: parameters, sessionId }));
    const { error, result } = await answered;
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result as Fields;
  };
}

async function openTab(send: Send, url: string): Promise<BrowserTab> {
  const { targetId } = await send("Target.createTarget", { url });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const session = String(sessionId);
  const run = async (expression: string): Promise<unknown> => {
    const given = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await send("Runtime.evaluate", given, session);
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as Fields)["value"];
  };
  const until: BrowserTab["until"] = async (expression, fits) => {
    for (;;) {
      const value = await run(expression);
      if (fits(value)) return value;
      await run("new Promise((resolve) => requestIdleCallback(resolve, { timeout: 50 }))");
    }
  };
  const isLoaded = (): Promise<unknown> =>
    until("typeof globalThis.hawser", (type) => type === "object").catch((error: unknown) => {
      // A new tab is empty first, and what runs in it then ends when the page takes its place.
      if (/context was destroyed|navigated/.test(String(error))) return isLoaded();
      throw error;
    });
  await isLoaded();
  return {
    run,
    until,
    close: async () => void (await send("Target.closeTarget", { targetId })),
    // Never answers: its process is gone.
    crash: async () => void send("Page.crash", {}, session).catch(() => {}),
  };
}
