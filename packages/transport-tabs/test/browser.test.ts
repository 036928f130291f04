/** Real tabs of a real Chromium: the contract, a leader that closes, one that crashes. */
import {
  type Browser,
  browserPath,
  browserReason,
  type Page,
  servePage,
  type ServedPage,
  startBrowser,
  untilTrue,
} from "@hawser-tooling/browser";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

describe.skipIf(browserPath === undefined)(`tabs of a browser${browserReason}`, () => {
  let served: ServedPage;
  let browser: Browser;
  beforeAll(async () => {
    served = await servePage(new URL("support/page.ts", import.meta.url));
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await served[Symbol.asyncDispose]();
  });

  const openTab = (): Promise<Page> => browser.openPage(served.origin);
  const untilRole = (tab: Page, role: string): Promise<void> =>
    untilTrue(tab, `hawser.role() === ${JSON.stringify(role)}`);
  const openTabs = async (name: string, count: number): Promise<readonly Page[]> => {
    const tabs: Page[] = [];
    for (let n = 0; n < count; n++) {
      const tab = await openTab();
      await tab.evaluate(`hawser.start(${JSON.stringify(name)})`);
      await untilRole(tab, n === 0 ? "leading" : "following");
      tabs.push(tab);
    }
    return tabs;
  };
  const rolesOf = (tabs: readonly Page[]): Promise<unknown[]> =>
    Promise.all(tabs.map((tab) => tab.evaluate("hawser.role()")));
  const takeOver = async ([next, ...others]: readonly Page[]): Promise<void> => {
    // Locks are granted in the order they were asked for.
    if (next !== undefined) await untilRole(next, "leading");
    for (const tab of others) {
      await untilTrue(tab, "hawser.echoes().length >= 2");
      await untilRole(tab, "following");
    }
  };
  /** Ends the process of a tab. */
  const crash = async (tab: Page): Promise<void> => {
    const devTools = await browser.context.newCDPSession(tab);
    const crashed = new Promise<unknown>((resolve) => void tab.once("crash", resolve));
    // Never answers: its process is gone.
    devTools.send("Page.crash").catch(() => {});
    await crashed;
  };

  test("the connection contract holds", async () => {
    const tab = await openTab();
    expect(await tab.evaluate("hawser.runCases()")).toEqual([]);
    expect(await tab.evaluate("hawser.caseCount")).toBeGreaterThan(5);
    await tab.close();
  });

  test("50 MB from tab to tab arrive whole and in order", async () => {
    const [to, from] = [await openTab(), await openTab()];
    expect(await to.evaluate("hawser.openReceiver('many')")).toBe("leading");
    const received = to.evaluate("hawser.receiveMany()");
    const sent = from.evaluate("hawser.sendMany('many', 500)");
    expect(await sent).toBe("sent");
    expect(await received).toBe("500 true");
    await Promise.all([to.close(), from.close()]);
  });

  test("exactly one leads; when it is left, closed or crashes another takes over", async () => {
    for (const how of ["leave", "close", "crash"] as const) {
      const tabs = await openTabs(how, 3);
      for (const tab of tabs.slice(1)) await untilTrue(tab, "hawser.echoes().length === 1");
      expect(await rolesOf(tabs)).toEqual(["leading", "following", "following"]);
      const [leader, ...rest] = tabs;
      if (how === "leave") expect(await leader?.evaluate("hawser.leave()")).toBe("left");
      if (how === "close") await leader?.close();
      if (how === "crash" && leader !== undefined) await crash(leader);
      await takeOver(rest);
      expect((await rolesOf(rest)).filter((role) => role === "leading")).toHaveLength(1);
      for (const tab of rest) await tab.close();
    }
  });
});
