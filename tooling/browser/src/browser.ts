/** A real Chromium for tests, driven by playwright. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Where the browser is; `undefined` for none. */
export const browserPath: string | undefined =
  process.env["HAWSER_CHROMIUM"] ?? places.find((path) => existsSync(path));

/** Ends the title of a test that needs a browser. */
export const browserReason: string =
  browserPath === undefined ? " (not run: there is no Chromium)" : "";

/** How long a page may take to load, or to make a condition true. */
const waitMsMax = 60_000;

/** A folder with what a browser keeps; it outlives the browser. */
export interface Profile extends AsyncDisposable {
  readonly path: string;
}

export interface Browser extends AsyncDisposable {
  readonly context: BrowserContext;
  /** A tab of a served page, once its module has put `hawser` on the global object. */
  openPage(origin: string): Promise<Page>;
  /** Ends it at once, as a crash does; its profile stays. */
  kill(): Promise<void>;
}

export async function makeProfile(): Promise<Profile> {
  const path = await mkdtemp(join(tmpdir(), "hawser-chromium-"));
  // Processes of a browser that was killed may still write.
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 5 });
  return { path, [Symbol.asyncDispose]: remove };
}

/** Starts a browser, on a profile that goes with it unless one is given. */
export async function startBrowser(given?: Profile): Promise<Browser> {
  const profile = given ?? (await makeProfile());
  const context = await chromium.launchPersistentContext(profile.path, {
    ...(browserPath === undefined ? {} : { executablePath: browserPath }),
    args: [
      "--disable-gpu",
      // Without it WebRTC names this computer by names that only its own mDNS resolves.
      "--disable-features=WebRtcHideLocalIpsWithMdns",
    ],
    viewport: { width: 1200, height: 760 },
  });
  context.setDefaultTimeout(waitMsMax);
  return {
    context,
    openPage: async (origin) => {
      const page = await context.newPage();
      await page.goto(origin);
      await untilTrue(page, "globalThis.hawser !== undefined");
      return page;
    },
    kill: () => kill(context),
    [Symbol.asyncDispose]: async () => {
      await context.close();
      if (given === undefined) await profile[Symbol.asyncDispose]();
    },
  };
}

/** Resolves once an expression is true in a page; a hidden page draws no frames, so time paces it. */
export async function untilTrue(page: Page, expression: string): Promise<void> {
  await page.waitForFunction(expression, undefined, { polling: 20 });
}

async function kill(context: BrowserContext): Promise<void> {
  const devTools = await context.browser()?.newBrowserCDPSession();
  const { processInfo = [] } = { ...(await devTools?.send("SystemInfo.getProcessInfo")) };
  const browserProcess = processInfo.find(({ type }) => type === "browser");
  if (browserProcess === undefined) throw new Error("the browser tells no process of its own");
  const closed = new Promise<unknown>((resolve) => void context.once("close", resolve));
  process.kill(browserProcess.id, "SIGKILL");
  await closed;
}
