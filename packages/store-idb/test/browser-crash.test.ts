/** A browser killed in the middle of commits: everything acknowledged is there afterwards. */
import { expect, test } from "vitest";
import { bundlePage } from "./support/bundle.ts";
import {
  browserPath,
  browserReason,
  makeProfile,
  servePage,
  startBrowser,
} from "./support/browser.ts";

/** One run: appends until `count` were acknowledged, then kills. The last acknowledged line. */
async function runAndKill(profile: string, port: number, count: number): Promise<string> {
  await using browser = await startBrowser(profile, port);
  const tab = await browser.openTab();
  const reached = Promise.withResolvers<void>();
  const lines: string[] = [];
  await tab.onLine((line) => {
    lines.push(line);
    if (lines.length === count) reached.resolve();
  });
  expect(await tab.run("hawser.open('crash', { persistence: 'leave' })")).toBe("open");
  if (count > 0) {
    // Never answers: it ends with the browser.
    tab.run("hawser.appendForEver(1)").catch((error: unknown) => reached.reject(error));
    await reached.promise;
  }
  await browser.kill();
  return lines.at(-1) ?? "";
}

async function checkAfterCrash(profile: string, port: number, last: string): Promise<void> {
  await using browser = await startBrowser(profile, port);
  const tab = await browser.openTab();
  expect(await tab.run("hawser.open('crash', { persistence: 'leave' })")).toBe("open");
  const [seq = "", hash = ""] = last.split(" ");
  expect(await tab.run(`hawser.hashAt(1, ${seq})`)).toBe(hash);
  expect(await tab.run("hawser.append(1, 1)")).toMatch(/^cursor/);
  expect(await tab.run("hawser.readAll(1)")).toBe(await tab.run("hawser.height(1)"));
}

test.skipIf(browserPath === undefined)(
  `[TH-153] kills of the browser in the middle of commits lose nothing acknowledged${browserReason}`,
  { timeout: 120_000 },
  async () => {
    await using profile = await makeProfile();
    const { server, port } = await servePage(await bundlePage());
    try {
      for (const count of [3, 40]) {
        const last = await runAndKill(profile.path, port, count);
        await checkAfterCrash(profile.path, port, last);
      }
    } finally {
      server.closeAllConnections();
      server.close();
    }
  },
);
