/** Reading much in a real Chromium: the main thread stays free, and memory bounded. */
import {
  browserPath,
  type Browser,
  browserReason,
  leastLongestTaskMs,
  longestTaskMs,
  type Page,
  servePage,
  startBrowser,
} from "@hawser-tooling/browser";
import { expect, test } from "vitest";

/** Tells the bytes in use after a collection, those of buffers included. */
async function heapOf(page: Page): Promise<() => Promise<number>> {
  const devTools = await page.context().newCDPSession(page);
  return async () => {
    await devTools.send("HeapProfiler.collectGarbage");
    const { usedSize, backingStorageSize } = await devTools.send("Runtime.getHeapUsage");
    return usedSize + backingStorageSize;
  };
}

async function withPage(work: (page: Page, browser: Browser) => Promise<void>): Promise<void> {
  await using served = await servePage(new URL("support/page.ts", import.meta.url));
  await using browser = await startBrowser();
  await work(await browser.openPage(served.origin), browser);
}

test.skipIf(browserPath === undefined)(
  `loading 10,000 entries holds no task up for 50 ms, in ranges large or small${browserReason}`,
  { timeout: 180_000 },
  () =>
    withPage(async (page, browser) => {
      const block = (): Promise<unknown> => page.evaluate("hawser.hashMany()");
      expect(await longestTaskMs(browser, block)).toBeGreaterThan(50);
      for (const size of [10_000, 100]) {
        await page.evaluate(`hawser.writeMany('load ${size}', 10_000, ${size})`);
        const load = async (): Promise<void> => {
          expect(await page.evaluate(`hawser.load('load ${size}')`)).toBe(10_000);
        };
        expect(await leastLongestTaskMs(browser, load, 50)).toBeLessThan(50);
      }
    }),
);

test.skipIf(browserPath === undefined)(
  `reading 100,000 entries takes bounded memory${browserReason}`,
  { timeout: 180_000 },
  () =>
    withPage(async (page) => {
      await page.evaluate("hawser.writeMany('large', 100_000, 1_000)");
      const heapBytes = await heapOf(page);
      const before = await heapBytes();
      const progress = { isOver: false };
      const read = page
        .evaluate("hawser.readFast('large')")
        .finally(() => (progress.isOver = true));
      let [most, samples] = [0, 0];
      while (!progress.isOver) {
        most = Math.max(most, await heapBytes());
        samples += 1;
      }
      expect(await read).toBe(100_000);
      expect(samples).toBeGreaterThan(2);
      // The payloads alone are 20 MB.
      expect(most - before).toBeLessThan(10_000_000);
    }),
);
