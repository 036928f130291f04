/** Two browsers with profiles of their own share a space: through a relay, and past it. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  type Browser,
  browserPath,
  browserReason,
  type Page,
  servePage,
  type ServedPage,
  startBrowser,
  untilTrue,
} from "@hawser-tooling/browser";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/** The relay's own program, at one port for all of its lives. */
interface RelayProgram {
  readonly url: string;
  start(): Promise<void>;
  /** Ends it at once, as a power cut does. */
  kill(): Promise<void>;
}

const mainPath = fileURLToPath(new URL("../src/main.ts", import.meta.url));

async function createProgram(folder: string): Promise<RelayProgram> {
  let port = "0";
  let url = "";
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const given = ["--port", port, "--data", folder, "--json"];
    child = spawn(process.execPath, ["--conditions=hawser-source", mainPath, ...given], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    if (child.stdout === null) throw new Error("the relay's stdout is not piped");
    for await (const line of createInterface({ input: child.stdout })) {
      ({ url = "" } = JSON.parse(line) as { readonly url?: string });
      port = new URL(url).port;
      break;
    }
  };
  await start();
  return {
    url,
    start,
    kill: async () => {
      if (child === undefined) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      child = undefined;
      await exited;
    },
  };
}

/** One person: a browser of its own and a tab. */
interface Person {
  readonly page: () => Page;
  /** Closes the tab and loads the page anew. */
  reload(): Promise<void>;
  end(): Promise<void>;
}

async function createPerson(origin: string): Promise<Person> {
  const browser: Browser = await startBrowser();
  let page = await browser.openPage(origin);
  return {
    page: () => page,
    reload: async () => {
      await page.close();
      page = await browser.openPage(origin);
    },
    end: async () => {
      await browser[Symbol.asyncDispose]();
    },
  };
}

const untilShows = (page: Page, ...keys: readonly string[]): Promise<void> =>
  untilTrue(page, `hawser.shows(${JSON.stringify(keys)})`);

const put = (page: Page, key: string, value: string): Promise<void> =>
  page.evaluate(`hawser.put(${JSON.stringify(key)}, ${JSON.stringify(value)})`);

/** Kept where `HAWSER_SHOTS` says, for people to look at. */
async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env["HAWSER_SHOTS"];
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`) });
}

describe.skipIf(browserPath === undefined)(`two browsers${browserReason}`, () => {
  let folder: string;
  let served: ServedPage;
  let relay: RelayProgram;
  let ada: Person;
  let bob: Person;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hawser-browsers-"));
    served = await servePage(new URL("browser/page.ts", import.meta.url));
    relay = await createProgram(folder);
    [ada, bob] = await Promise.all([createPerson(served.origin), createPerson(served.origin)]);
  });

  afterAll(async () => {
    await Promise.all([ada, bob].map((person) => person.end()));
    await relay.kill();
    await served[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test("[TH-114] [TH-124] join by a link, edit both ways, go offline, come back, match", async () => {
    const [a, b] = [ada.page(), bob.page()];
    await a.evaluate(`hawser.open({ relay: ${JSON.stringify(relay.url)} })`);
    await b.evaluate("hawser.open({})");
    const id = await a.evaluate<string>("hawser.create()");
    await put(a, "from ada", "hello");
    const link = await a.evaluate<string>("hawser.invite()");
    expect(await b.evaluate(`hawser.join(${JSON.stringify(link)})`)).toBe(id);
    await untilShows(b, "from ada");
    await put(b, "from bob", "hello, too");
    await untilShows(a, "from bob");

    await relay.kill();
    await Promise.all([put(a, "both", "ada"), put(a, "ada offline", "1")]);
    await b.evaluate("hawser.remove('from ada')");
    await Promise.all([put(b, "both", "bob"), put(b, "bob offline", "2")]);
    // What was written offline is on the disk of the profile.
    await b.evaluate("hawser.close()");
    await bob.reload();
    await bob.page().evaluate("hawser.open({})");
    await untilShows(bob.page(), "bob offline", "both");

    await relay.start();
    for (const page of [a, bob.page()]) {
      await untilShows(page, "bob offline", "ada offline", "both");
    }
    for (const page of [a, bob.page()])
      expect(await page.evaluate("hawser.synced()")).toBe("synced");
    const texts = [await a.evaluate("hawser.text()"), await bob.page().evaluate("hawser.text()")];
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).not.toContain("from ada");
    await shoot(a, "through-the-relay");
  });

  test("[TH-120] [TH-113] directly from the author: the relay only signals, then is gone", async () => {
    for (const person of [ada, bob]) {
      await person.page().evaluate("hawser.close()");
      await person.reload();
      await person.page().evaluate("hawser.open({ isDirect: true, isSyncBlocked: true })");
    }
    const [a, b] = [ada.page(), bob.page()];
    for (const page of [a, b]) {
      await untilTrue(page, "hawser.directPeers() === 1");
      expect(await page.evaluate("hawser.syncSockets()")).toBe(0);
    }
    await Promise.all([put(a, "ada direct", "3"), put(b, "bob direct", "4")]);
    await Promise.all([a, b].map((page) => untilShows(page, "ada direct", "bob direct")));
    await relay.kill();
    await Promise.all([put(a, "ada alone", "5"), put(b, "bob alone", "6")]);
    await Promise.all([a, b].map((page) => untilShows(page, "ada alone", "bob alone")));
    expect(await a.evaluate("hawser.text()")).toBe(await b.evaluate("hawser.text()"));
    for (const page of [a, b]) expect(await page.evaluate("hawser.syncSockets()")).toBe(0);
    await shoot(b, "past-the-relay");
  });
});
