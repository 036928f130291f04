/** Real data channels in a real Chromium. */
import {
  type Browser,
  browserPath,
  browserReason,
  type Page,
  servePage,
  type ServedPage,
  startBrowser,
} from "@hawser-tooling/browser";
import { transportCases } from "@hawser/sync/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe.skipIf(browserPath === undefined)(`over real data channels${browserReason}`, () => {
  let browser: Browser;
  let served: ServedPage;
  let page: Page;

  beforeAll(async () => {
    served = await servePage(new URL("support/page.ts", import.meta.url));
    browser = await startBrowser();
    page = await browser.openPage(served.origin);
  }, 180_000);

  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await served[Symbol.asyncDispose]();
  });

  test("the page runs the cases of every transport", async () => {
    const names = transportCases.map(({ name }) => name);
    expect(await page.evaluate("hawser.names")).toEqual(names);
  });

  test.each(transportCases.map(({ name }, index) => [name, index] as const))(
    "[TH-113] %s",
    { timeout: 180_000 },
    async (_name, index) => {
      expect(await page.evaluate(`hawser.runCase(${index})`)).toBe("passed");
    },
  );
});
