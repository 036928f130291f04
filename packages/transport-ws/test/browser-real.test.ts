/** The WebSocket of a real Chromium, both ends of a connection in one page. */
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
import { createSplice, type Splice } from "./support/splice.ts";

// Browsers cannot stop reading, so what they are sent is bounded by credit alone.
const cases = transportCases.filter(({ needsReader }) => !needsReader);

describe.skipIf(browserPath === undefined)(`WebSockets of a browser${browserReason}`, () => {
  let browser: Browser;
  let served: ServedPage;
  let splice: Splice;
  let page: Page;

  beforeAll(async () => {
    splice = await createSplice();
    served = await servePage(new URL("support/page.ts", import.meta.url));
    browser = await startBrowser();
    page = await browser.openPage(served.origin);
    await page.evaluate(`hawser.use(${splice.port}, ${splice.silentPort})`);
  }, 180_000);

  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await served[Symbol.asyncDispose]();
    await splice[Symbol.asyncDispose]();
  });

  test("the page runs the cases of every transport", async () => {
    expect(await page.evaluate("hawser.names")).toEqual(cases.map(({ name }) => name));
  });

  test.each(cases.map(({ name }, index) => [name, index] as const))(
    "[TH-113] [TH-114] %s",
    { timeout: 180_000 },
    async (_name, index) => {
      expect(await page.evaluate(`hawser.runCase(${index})`)).toBe("passed");
    },
  );
});
