/** Reading much in a real Chromium: the main thread stays free, and memory bounded. */
import { expect, test } from "vitest";
import { bundlePage } from "./support/bundle.ts";
import {
  browserPath,
  browserReason,
  makeProfile,
  servePage,
  startBrowser,
  type Tab,
} from "./support/browser.ts";

interface Load {
  readonly entries: number;
  readonly longestMs: number;
}

/** Bytes in use after a collection, those of buffers included. */
async function heapBytes(tab: Tab): Promise<number> {
  await tab.send("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize } = await tab.send("Runtime.getHeapUsage");
  return Number(usedSize) + Number(backingStorageSize ?? 0);
}

async function withTab(work: (tab: Tab) => Promise<void>): Promise<void> {
  await using profile = await makeProfile();
  const { server, port } = await servePage(await bundlePage());
  try {
    await using browser = await startBrowser(profile.path, port);
    await work(await browser.openTab());
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test.skipIf(browserPath === undefined)(
  `loading 10,000 entries holds no task up for 50 ms, in ranges large or small${browserReason}`,
  { timeout: 60_000 },
  () =>
    withTab(async (tab) => {
      expect((await tab.run<Load>("hawser.block()")).longestMs).toBeGreaterThan(50);
      for (const size of [10_000, 100]) {
        await tab.run(`hawser.writeMany('load ${size}', 10_000, ${size})`);
        // The best of five: a task is also long when other programs take the processor from it.
        const longest: number[] = [];
        while (longest.length < 5 && !longest.includes(0)) {
          const { entries, longestMs } = await tab.run<Load>(`hawser.load('load ${size}')`);
          expect(entries).toBe(10_000);
          longest.push(longestMs);
        }
        expect(Math.min(...longest)).toBe(0);
      }
    }),
);

test.skipIf(browserPath === undefined)(
  `reading 100,000 entries takes bounded memory${browserReason}`,
  { timeout: 60_000 },
  () =>
    withTab(async (tab) => {
      await tab.run("hawser.writeMany('large', 100_000, 1_000)");
      const before = await heapBytes(tab);
      const progress = { isOver: false };
      const read = tab.run("hawser.readFast('large')").finally(() => (progress.isOver = true));
      let [most, samples] = [0, 0];
      while (!progress.isOver) {
        most = Math.max(most, await heapBytes(tab));
        samples += 1;
      }
      expect(await read).toBe(100_000);
      expect(samples).toBeGreaterThan(2);
      // The payloads alone are 20 MB.
      expect(most - before).toBeLessThan(10_000_000);
    }),
);
