/** The WebSocket of a real Chromium, both ends of a connection in one page. */
import { transportCases } from "@hawser/sync/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Server } from "node:http";
import { createSplice, type Splice } from "./support/splice.ts";
import { bundlePage } from "./support/bundle.ts";
import {
  browserPath,
  browserReason,
  makeProfile,
  servePage,
  startBrowser,
  type Browser,
  type Tab,
} from "./support/browser.ts";

// Browsers cannot stop reading, so what they are sent is bounded by credit alone.
const cases = transportCases.filter(({ needsReader }) => !needsReader);

describe.skipIf(browserPath === undefined)(`WebSockets of a browser${browserReason}`, () => {
  let browser: Browser;
  let profile: Awaited<ReturnType<typeof makeProfile>>;
  let server: Server;
  let splice: Splice;
  let tab: Tab;

  beforeAll(async () => {
    profile = await makeProfile();
    splice = await createSplice();
    const served = await servePage(await bundlePage());
    server = served.server;
    browser = await startBrowser(profile.path, served.port);
    tab = await browser.openTab();
    await tab.run(`hawser.use(${splice.port}, ${splice.silentPort})`);
  }, 60_000);

  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
    await splice[Symbol.asyncDispose]();
    await profile[Symbol.asyncDispose]();
  });

  test("the page runs the cases of every transport", async () => {
    expect(await tab.run("hawser.names")).toEqual(cases.map(({ name }) => name));
  });

  test.each(cases.map(({ name }, index) => [name, index] as const))(
    "[TH-113] [TH-114] %s",
    { timeout: 60_000 },
    async (_name, index) => {
      expect(await tab.run(`hawser.runCase(${index})`)).toBe("passed");
    },
  );
});
