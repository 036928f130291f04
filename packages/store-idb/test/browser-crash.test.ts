/** A browser killed in the middle of commits: everything acknowledged is there afterwards. */
import {
  browserPath,
  browserReason,
  makeProfile,
  type Profile,
  servePage,
  startBrowser,
} from "@hawser-tooling/browser";
import { expect, test } from "vitest";

/** One run: appends until `count` were acknowledged, then kills. The last acknowledged line. */
async function runAndKill(profile: Profile, origin: string, count: number): Promise<string> {
  await using browser = await startBrowser(profile);
  const page = await browser.openPage(origin);
  const reached = Promise.withResolvers<void>();
  const lines: string[] = [];
  await page.exposeFunction("hawserLine", (line: string) => {
    lines.push(line);
    if (lines.length === count) reached.resolve();
  });
  expect(await page.evaluate("hawser.open('crash', { persistence: 'leave' })")).toBe("open");
  if (count > 0) {
    // Never answers: it ends with the browser.
    page.evaluate("hawser.appendForEver(1)").catch((error: unknown) => reached.reject(error));
    await reached.promise;
  }
  await browser.kill();
  return lines.at(-1) ?? "";
}

async function checkAfterCrash(profile: Profile, origin: string, last: string): Promise<void> {
  await using browser = await startBrowser(profile);
  const page = await browser.openPage(origin);
  expect(await page.evaluate("hawser.open('crash', { persistence: 'leave' })")).toBe("open");
  const [seq = "", hash = ""] = last.split(" ");
  expect(await page.evaluate(`hawser.hashAt(1, ${seq})`)).toBe(hash);
  expect(await page.evaluate("hawser.append(1, 1)")).toMatch(/^cursor/);
  expect(await page.evaluate("hawser.readAll(1)")).toBe(await page.evaluate("hawser.height(1)"));
}

test.skipIf(browserPath === undefined)(
  `[TH-153] kills of the browser in the middle of commits lose nothing acknowledged${browserReason}`,
  { timeout: 180_000 },
  async () => {
    await using profile = await makeProfile();
    await using served = await servePage(new URL("support/page.ts", import.meta.url));
    for (const count of [3, 40]) {
      const last = await runAndKill(profile, served.origin, count);
      await checkAfterCrash(profile, served.origin, last);
    }
  },
);
