/** The store in a real Chromium: the contract, and what only several tabs and a crash can show. */
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
} from "./support/browser.ts";

describe.skipIf(browserPath === undefined)(`in a real Chromium${browserReason}`, () => {
  let browser: Browser;
  let profile: Awaited<ReturnType<typeof makeProfile>>;
  let server: Server;

  beforeAll(async () => {
    profile = await makeProfile();
    const served = await servePage(await bundlePage("page.ts"));
    server = served.server;
    browser = await startBrowser(profile.path, served.port);
  }, 60_000);

  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
    await profile[Symbol.asyncDispose]();
  });

  test("every case of the contract holds", { timeout: 60_000 }, async () => {
    const tab = await browser.openTab();
    const outcome = await tab.run<{ passed: number; failed: string[] }>("hawser.conformance()");
    expect(outcome.failed).toEqual([]);
    expect(outcome.passed).toBeGreaterThan(35);
    await tab.close();
  });
});
