/**
 * The OPFS store in a real Chromium: the conformance cases run in a page, against a dedicated
 * worker. The browser gets the sources themselves, with their types stripped; no bundler is needed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const browser = process.env["HAWSER_CHROMIUM"] ?? browsers.find((path) => existsSync(path));
const reason = browser === undefined ? " (not run: there is no Chromium)" : "";
const packageFolder = fileURLToPath(new URL("..", import.meta.url));

const worker = `
import { openOpfsBytes, serveBytes } from "/src/opfs.ts";
const directory = await navigator.storage.getDirectory();
serveBytes(self, ({ name, mode }) => openOpfsBytes(directory, name, { mode }));
self.postMessage("ready");
`;

const page = `
import { connectBytes, openOpfsBytes } from "/src/opfs.ts";
import { byteStoreCases } from "/testing/byte-store-cases.ts";
const connect = async (subject) => {
  const worker = new Worker("/worker.js", { type: "module" });
  await new Promise((resolve, reject) => {
    worker.addEventListener("message", resolve, { once: true });
    worker.addEventListener("error", (event) => reject(new Error(event.message)), { once: true });
  });
  return connectBytes(worker, subject);
};
const results = [];
for (const [index, { name, run }] of byteStoreCases.entries()) {
  const file = "case-" + index;
  const harness = {
    open: async (bytes) => {
      const store = await connect({ name: file, mode: "create" });
      await store.append(0, [bytes]);
      return store;
    },
    reopen: async (store) => {
      await store.close();
      return connect({ name: file, mode: "append" });
    },
    second: () => connect({ name: file, mode: "append" }),
    reader: async () => openOpfsBytes(await navigator.storage.getDirectory(), file, { mode: "read" }),
  };
  const error = await run(harness).then(() => undefined, (error) => String(error));
  results.push({ name, error });
}
await fetch("/result", { method: "POST", body: JSON.stringify(results) });
`;

async function answer(path: string): Promise<{ type: string; body: string } | undefined> {
  if (path === "/")
    return { type: "text/html", body: '<script type="module" src="/page.js"></script>' };
  if (path === "/page.js") return { type: "text/javascript", body: page };
  if (path === "/worker.js") return { type: "text/javascript", body: worker };
  const isSource = /^\/(?:src|testing)\/[a-z0-9/-]+\.ts$/.test(path);
  if (!isSource) return undefined;
  const source = await readFile(join(packageFolder, normalize(path)), "utf8");
  return { type: "text/javascript", body: stripTypeScriptTypes(source) };
}

async function readRequest(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

async function runInBrowser(path: string): Promise<readonly { name: string; error?: string }[]> {
  const finished = Promise.withResolvers<string>();
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method === "POST") {
      finished.resolve(await readRequest(request));
      response.end();
      return;
    }
    const found = await answer(request.url ?? "");
    response.writeHead(found === undefined ? 404 : 200, {
      "content-type": found?.type ?? "text/plain",
    });
    response.end(found?.body);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => finished.reject(error));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  const profile = await mkdtemp(join(tmpdir(), "hawser-chromium-"));
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
  const quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update"];
  const child = spawn(
    path,
    [
      ...flags,
      ...quiet,
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      `http://127.0.0.1:${port}/`,
    ],
    { stdio: "ignore" },
  );
  const exited = once(child, "exit");
  try {
    const gone = exited.then(() => Promise.reject(new Error("the browser ended early")));
    const text = await Promise.race([finished.promise, gone]);
    // Safe: the page above wrote it.
    return JSON.parse(text) as { name: string; error?: string }[];
  } finally {
    child.kill();
    await exited;
    server.closeAllConnections();
    server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

test.skipIf(browser === undefined)(
  `[IW-bytestore] OPFS in a real Chromium keeps the contract${reason}`,
  async () => {
    const results = await runInBrowser(browser ?? "");
    expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(results.length).toBeGreaterThan(15);
  },
  60_000,
);
