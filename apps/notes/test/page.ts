/** The built page on a server of its own, and browsers that open it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type Page, type ServedPage, startBrowser } from "@hawser-tooling/browser";
import { build, preview } from "vite";

const configFile = fileURLToPath(new URL("../vite.config.ts", import.meta.url));

/** Builds the page as it is shipped and serves it. */
export async function serveNotes(): Promise<ServedPage> {
  const outDir = await mkdtemp(join(tmpdir(), "hawser-notes-"));
  const shared = { configFile, logLevel: "error", build: { outDir, emptyOutDir: true } } as const;
  await build(shared);
  const server = await preview({ ...shared, preview: { host: "127.0.0.1", port: 0 } });
  const [origin = ""] = server.resolvedUrls?.local ?? [];
  return {
    origin,
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await rm(outDir, { recursive: true, force: true });
    },
  };
}

/** A browser with a profile of its own, as another device has. */
export interface Device extends AsyncDisposable {
  readonly context: Browser["context"];
  readonly page: Page;
  /** What went wrong in the page. */
  readonly errors: readonly string[];
}

export async function startDevice(): Promise<Device> {
  const browser = await startBrowser();
  const page = await browser.context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  return {
    context: browser.context,
    page,
    errors,
    [Symbol.asyncDispose]: () => browser[Symbol.asyncDispose](),
  };
}
