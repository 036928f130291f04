/** Real data channels in a real Chromium. */
import { transportCases } from "@hawser/sync/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Server } from "node:http";
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

describe.skipIf(browserPath === undefined)(`over real data channels${browserReason}`, () => {
  let browser: Browser;
  let profile: Awaited<ReturnType<typeof makeProfile>>;
  let server: Server;
  let tab: Tab;

  beforeAll(async () => {
    profile = await makeProfile();
    const served = await servePage(await bundlePage());
    server = served.server;
    browser = await startBrowser(profile.path, served.port);
    tab = await browser.openTab();
  }, 60_000);

  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
    await profile[Symbol.asyncDispose]();
  });

  test("the page runs the cases of every transport", async () => {
    const names = transportCases.map(({ name }) => name);
    expect(await tab.run("hawser.names")).toEqual(names);
  });

  test.each(transportCases.map(({ name }, index) => [name, index] as const))(
    "[TH-113] %s",
    { timeout: 60_000 },
    async (_name, index) => {
      expect(await tab.run(`hawser.runCase(${index})`)).toBe("passed");
    },
  );
});
