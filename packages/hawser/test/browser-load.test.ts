/** A large map in a real Chromium: opening and folding it leaves the main thread room to paint. */
import { expect, test } from "vitest";
import {
  browserPath,
  browserReason,
  leastLongestTaskMs,
  servePage,
  startBrowser,
} from "@hawser-tooling/browser";

const keyCount = 6_000;

test.skipIf(browserPath === undefined)(
  `a map of 6,000 keys is opened, and folded anew, in short tasks${browserReason}`,
  { timeout: 180_000 },
  async () => {
    await using served = await servePage(new URL("browser/page.ts", import.meta.url));
    await using browser = await startBrowser();
    const page = await browser.openPage(served.origin);
    const id = await page.evaluate<string>(`hawser.fill(${keyCount})`);
    for (const work of ["open", "rebuild"]) {
      const run = async (): Promise<void> => {
        expect(await page.evaluate(`hawser.${work}('${id}')`)).toBe(keyCount);
      };
      expect(await leastLongestTaskMs(browser, run, 50)).toBeLessThan(50);
    }
  },
);
