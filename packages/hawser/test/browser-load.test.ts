/** A large map in a real Chromium: opening and folding it leaves the main thread room to paint. */
import { expect, test } from "vitest";
import {
  browserPath,
  browserReason,
  leastTaskShare,
  servePage,
  startBrowser,
  type Watched,
} from "@hawser-tooling/browser";

const keyCount = 6_000;

test.skipIf(browserPath === undefined)(
  `a map of 6,000 keys is opened, and folded anew, in short tasks${browserReason}`,
  { timeout: 120_000 },
  async () => {
    await using served = await servePage(new URL("browser/page.ts", import.meta.url));
    await using browser = await startBrowser();
    const page = await browser.openPage(served.origin);
    expect((await page.evaluate<Watched>("hawser.block()")).longestMs).toBeGreaterThan(50);
    const id = await page.evaluate<string>(`hawser.fill(${keyCount})`);
    for (const work of ["open", "rebuild"]) {
      const share = await leastTaskShare(async () => {
        const watched = await page.evaluate<Watched>(`hawser.${work}('${id}')`);
        expect(watched.size).toBe(keyCount);
        return watched;
      });
      expect(share).toBeLessThan(0.25);
    }
  },
);
