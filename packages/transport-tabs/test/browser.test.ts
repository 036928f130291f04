/** Real tabs of a real Chromium: the contract, a leader that closes, one that crashes. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { browserPath, startBrowser, type BrowserTab, type TestBrowser } from "./support/browser.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });
const reason = browserPath === undefined ? " (not run: there is no Chromium)" : "";

describe.skipIf(browserPath === undefined)(`tabs of a browser${reason}`, () => {
  let browser: TestBrowser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
  });

  const openTabs = async (name: string, count: number): Promise<readonly BrowserTab[]> => {
    const tabs: BrowserTab[] = [];
    for (let n = 0; n < count; n++) {
      const tab = await browser.openTab();
      await tab.run(`hawser.start(${JSON.stringify(name)})`);
      await tab.until("hawser.role()", (role) => role === (n === 0 ? "leading" : "following"));
      tabs.push(tab);
    }
    return tabs;
  };
  const rolesOf = (tabs: readonly BrowserTab[]): Promise<unknown[]> =>
    Promise.all(tabs.map((tab) => tab.run("hawser.role()")));
  const takeOver = async (rest: readonly BrowserTab[]): Promise<void> => {
    const [next, ...others] = rest;
    // Locks are granted in the order they were asked for.
    await next?.until("hawser.role()", (role) => role === "leading");
    for (const tab of others) {
      await tab.until("hawser.echoes().length", (count) => Number(count) >= 2);
      await tab.until("hawser.role()", (role) => role === "following");
    }
    expect((await rolesOf(rest)).filter((role) => role === "leading")).toHaveLength(1);
  };

  test("the connection contract holds", async () => {
    const tab = await browser.openTab();
    expect(await tab.run("hawser.runCases()")).toEqual([]);
    expect(await tab.run("hawser.caseCount")).toBeGreaterThan(5);
    await tab.close();
  });

  test("50 MB from tab to tab arrive whole and in order", async () => {
    const [to, from] = [await browser.openTab(), await browser.openTab()];
    expect(await to.run("hawser.openReceiver('many')")).toBe("leading");
    const received = to.run("hawser.receiveMany()");
    const sent = from.run("hawser.sendMany('many', 500)");
    expect(await sent).toBe("sent");
    expect(await received).toBe("500 true");
    await Promise.all([to.close(), from.close()]);
  });

  test("exactly one leads; when it is left, closed or crashes another takes over", async () => {
    for (const how of ["leave", "close", "crash"] as const) {
      const tabs = await openTabs(how, 3);
      for (const tab of tabs.slice(1)) {
        await tab.until("hawser.echoes().length", (count) => count === 1);
      }
      expect(await rolesOf(tabs)).toEqual(["leading", "following", "following"]);
      const [leader, ...rest] = tabs;
      if (how === "leave") expect(await leader?.run("hawser.leave()")).toBe("left");
      if (how === "close") await leader?.close();
      if (how === "crash") await leader?.crash();
      await takeOver(rest);
      for (const tab of rest) await tab.close();
    }
  });
});
