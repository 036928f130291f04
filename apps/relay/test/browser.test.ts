/** Two browsers with profiles of their own share a space: through a relay, and past it. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  browserPath,
  browserReason,
  makeProfile,
  servePage,
  startBrowser,
  type Browser,
  type Tab,
} from "./browser/browser.ts";
import { bundlePage } from "./browser/bundle.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

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

/** One person: a browser, a profile and a tab. */
interface Person {
  readonly tab: () => Tab;
  /** Closes the tab and loads the page anew. */
  reload(): Promise<void>;
  end(): Promise<void>;
}

async function createPerson(port: number): Promise<Person> {
  const profile = await makeProfile();
  const browser: Browser = await startBrowser(profile.path, port);
  let tab = await browser.openTab();
  return {
    tab: () => tab,
    reload: async () => {
      await tab.close();
      tab = await browser.openTab();
    },
    end: async () => {
      await browser[Symbol.asyncDispose]();
      await profile[Symbol.asyncDispose]();
    },
  };
}

/** The value once it fits; the page's own idle time paces the looks. */
async function until<Value>(
  tab: Tab,
  expression: string,
  fits: (value: Value) => boolean,
): Promise<Value> {
  for (;;) {
    const value = await tab.run<Value>(expression);
    if (fits(value)) return value;
    await tab.run("new Promise((resolve) => requestIdleCallback(resolve, { timeout: 50 }))");
  }
}

const untilShows = (tab: Tab, ...keys: readonly string[]): Promise<string> =>
  until<string>(tab, "hawser.text()", (text) => keys.every((key) => text.includes(`"${key}"`)));

const put = (tab: Tab, key: string, value: string): Promise<void> =>
  tab.run(`hawser.put(${JSON.stringify(key)}, ${JSON.stringify(value)})`);

/** Kept where `HAWSER_SCREENSHOTS` says, for people to look at. */
async function keepPicture(tab: Tab, name: string): Promise<void> {
  const folder = process.env["HAWSER_SCREENSHOTS"];
  if (folder === undefined) return;
  const { data } = await tab.send("Page.captureScreenshot", { format: "png" });
  await writeFile(join(folder, `${name}.png`), Buffer.from(String(data), "base64"));
}

describe.skipIf(browserPath === undefined)(`two browsers${browserReason}`, () => {
  let folder: string;
  let server: Server;
  let relay: RelayProgram;
  let ada: Person;
  let bob: Person;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hawser-browsers-"));
    const served = await servePage(await bundlePage());
    server = served.server;
    relay = await createProgram(folder);
    [ada, bob] = await Promise.all([createPerson(served.port), createPerson(served.port)]);
  });

  afterAll(async () => {
    await Promise.all([ada, bob].map((person) => person.end()));
    await relay.kill();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test("[TH-114] [TH-124] join by a link, edit both ways, go offline, come back, match", async () => {
    const [a, b] = [ada.tab(), bob.tab()];
    await a.run(`hawser.open({ relay: ${JSON.stringify(relay.url)} })`);
    await b.run("hawser.open({})");
    const id = await a.run<string>("hawser.create()");
    await put(a, "from ada", "hello");
    const link = await a.run<string>("hawser.invite()");
    expect(await b.run(`hawser.join(${JSON.stringify(link)})`)).toBe(id);
    await untilShows(b, "from ada");
    await put(b, "from bob", "hello, too");
    await untilShows(a, "from bob");

    await relay.kill();
    await Promise.all([put(a, "both", "ada"), put(a, "ada offline", "1")]);
    await b.run("hawser.remove('from ada')");
    await Promise.all([put(b, "both", "bob"), put(b, "bob offline", "2")]);
    // What was written offline is on the disk of the profile.
    await b.run("hawser.close()");
    await bob.reload();
    await bob.tab().run("hawser.open({})");
    await untilShows(bob.tab(), "bob offline", "both");

    await relay.start();
    const [one, two] = await Promise.all([
      untilShows(a, "bob offline", "ada offline", "both"),
      untilShows(bob.tab(), "bob offline", "ada offline", "both"),
    ]);
    for (const tab of [a, bob.tab()]) expect(await tab.run("hawser.synced()")).toBe("synced");
    const texts = [await a.run("hawser.text()"), await bob.tab().run("hawser.text()")];
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).not.toContain("from ada");
    expect([one, two].every((text) => text.includes("both"))).toBe(true);
    await keepPicture(a, "through-the-relay");
  });

  test("[TH-120] [TH-113] directly from the author: the relay only signals, then is gone", async () => {
    for (const person of [ada, bob]) {
      await person.tab().run("hawser.close()");
      await person.reload();
      await person.tab().run("hawser.open({ isDirect: true, isSyncBlocked: true })");
    }
    const [a, b] = [ada.tab(), bob.tab()];
    for (const tab of [a, b]) {
      await until<number>(tab, "hawser.directPeers()", (count) => count === 1);
      expect(await tab.run("hawser.syncSockets()")).toBe(0);
    }
    await Promise.all([put(a, "ada direct", "3"), put(b, "bob direct", "4")]);
    await Promise.all([a, b].map((tab) => untilShows(tab, "ada direct", "bob direct")));
    await relay.kill();
    await Promise.all([put(a, "ada alone", "5"), put(b, "bob alone", "6")]);
    await Promise.all([a, b].map((tab) => untilShows(tab, "ada alone", "bob alone")));
    expect(await a.run("hawser.text()")).toBe(await b.run("hawser.text()"));
    for (const tab of [a, b]) expect(await tab.run("hawser.syncSockets()")).toBe(0);
    await keepPicture(b, "past-the-relay");
  });
});
