/** Test pages: a module with all that it imports, on a server of its own. */
import { once } from "node:events";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

export interface ServedPage extends AsyncDisposable {
  /** "http://127.0.0.1:…"; `localhost` and what ends with it serve the same. */
  readonly origin: string;
}

/** Serves a page that does nothing but run a module. */
export async function servePage(entry: URL): Promise<ServedPage> {
  const module = await bundle(fileURLToPath(entry));
  const server = createServer((request, response) => {
    const isModule = request.url === "/page.js";
    response.setHeader("content-type", isModule ? "text/javascript" : "text/html");
    response.end(isModule ? module : '<script type="module" src="/page.js"></script>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The sources of a module and of the packages it imports, as one. */
async function bundle(input: string): Promise<string> {
  const build = await rolldown({
    input,
    platform: "browser",
    resolve: { conditionNames: ["hawser-source", "browser", "import", "default"] },
    logLevel: "silent",
  });
  try {
    const { output } = await build.generate({ format: "esm", codeSplitting: false });
    return output[0].code;
  } finally {
    await build.close();
  }
}
