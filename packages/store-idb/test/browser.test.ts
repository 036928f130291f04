/** The store in a real Chromium: the contract, and what only tabs, quotas and clearing can show. */
import {
  type Browser,
  browserPath,
  browserReason,
  type Page,
  servePage,
  type ServedPage,
  startBrowser,
} from "@hawser-tooling/browser";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe.skipIf(browserPath === undefined)(`in a real Chromium${browserReason}`, () => {
  let browser: Browser;
  let served: ServedPage;

  beforeAll(async () => {
    served = await servePage(new URL("support/page.ts", import.meta.url));
    browser = await startBrowser();
  }, 180_000);

  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await served[Symbol.asyncDispose]();
  });

  const withTabs = async (
    count: number,
    work: (...tabs: Page[]) => Promise<void>,
  ): Promise<void> => {
    const tabs = await Promise.all(
      Array.from({ length: count }, () => browser.openPage(served.origin)),
    );
    try {
      await work(...tabs);
    } finally {
      for (const tab of tabs) await tab.close();
    }
  };

  test("every case of the contract holds", { timeout: 180_000 }, () =>
    withTabs(1, async (tab) => {
      const outcome = await tab.evaluate<{ passed: number; failed: string[] }>(
        "hawser.conformance()",
      );
      expect(outcome.failed).toEqual([]);
      expect(outcome.passed).toBeGreaterThan(35);
    }),
  );

  test("two tabs see each other's commits, and the slower one is told that the head moved", () =>
    withTabs(2, async (one, two) => {
      for (const tab of [one, two]) expect(await tab.evaluate("hawser.open('tabs')")).toBe("open");
      expect(await one.evaluate("hawser.append(1, 3)")).toBe("cursor 1");
      expect(await two.evaluate("hawser.height(1)")).toBe(3);
      expect(await two.evaluate("hawser.appendStale(1)")).toBe("moved 3");
      expect(await two.evaluate("hawser.append(1, 2)")).toBe("cursor 2");
      expect(await one.evaluate("hawser.height(1)")).toBe(5);
      await two.evaluate(
        "hawser.store().commit({ writes: [{ key: 'k', value: new Uint8Array([7]) }] })",
      );
      expect(await one.evaluate("hawser.store().get('k').then((value) => value[0])")).toBe(7);
    }));

  test("each tab hears of every range once, in order, whoever commits", () =>
    withTabs(2, async (one, two) => {
      for (const tab of [one, two]) expect(await tab.evaluate("hawser.open('feed')")).toBe("open");
      const many = (log: number): string =>
        `(async () => { const said = [];
           for (let i = 0; i < 40; i++) said.push(await hawser.append(${log}, 1));
           return said; })()`;
      const [left, right] = await Promise.all([
        one.evaluate<string[]>(many(1)),
        two.evaluate<string[]>(many(2)),
      ]);
      const cursors = [...left, ...right].map((said) => Number(said.split(" ")[1]));
      expect(cursors.sort((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, at) => at + 1));
      for (const tab of [one, two]) {
        const heard = await tab.evaluate<string[]>("hawser.heardAll(80)");
        expect(heard.map((line) => Number(line.split("@")[1]))).toEqual(
          Array.from({ length: 80 }, (_, at) => at + 1),
        );
      }
    }));

  test("of many tabs' commits on one head exactly one wins each time", () =>
    withTabs(3, async (...tabs) => {
      for (const tab of tabs) expect(await tab.evaluate("hawser.open('race')")).toBe("open");
      const said = await Promise.all(
        tabs.map((tab) => tab.evaluate<string>("hawser.appendStale(4)")),
      );
      expect(said.sort()).toEqual(["cursor 1", "moved 2", "moved 2"]);
    }));

  test("a tab lets go of a database that another upgrades or deletes, and says so", () =>
    withTabs(2, async (one, two) => {
      expect(await one.evaluate("hawser.open('old')")).toBe("open");
      expect(await one.evaluate("hawser.append(1, 2)")).toBe("cursor 1");
      expect(await two.evaluate("hawser.upgrade('old', 9)")).toBe("upgraded");
      expect(await one.evaluate("hawser.reported(1)")).toEqual(["STORE_SUPERSEDED"]);
      expect(await one.evaluate("hawser.append(1, 2)")).toBe("STORE_SUPERSEDED");
      expect(await one.evaluate("hawser.height(1)")).toBe("STORE_SUPERSEDED");
      expect(await two.evaluate("hawser.open('old')")).toBe("STORE_NEWER_FORMAT");
      expect(await one.evaluate("hawser.open('other')")).toBe("open");
      expect(await one.evaluate("hawser.append(1, 2)")).toBe("cursor 1");
      expect(await two.evaluate("hawser.remove('other')")).toBe("deleted");
      expect(await one.evaluate("hawser.reported(2)")).toEqual([
        "STORE_SUPERSEDED",
        "STORE_EVICTED",
      ]);
      expect(await two.evaluate("hawser.open('other')")).toBe("open");
    }));

  test("a tab that does not let go holds another up for a while, not for ever", () =>
    withTabs(2, async (one, two) => {
      expect(await one.evaluate("hawser.holdOpen('held')")).toBe("held");
      expect(await two.evaluate("hawser.remove('held')")).toBe("STORE_BLOCKED");
      const options = "{ blockedMsMax: 300 }";
      expect(await two.evaluate(`hawser.open('held', ${options})`)).toBe("STORE_BLOCKED");
      await one.evaluate("hawser.letGo()");
      expect(await two.evaluate("hawser.open('held')")).toBe("open");
      expect(await two.evaluate("hawser.append(1, 1)")).toBe("cursor 1");
    }));

  test("a database cleared under a running store is told, then and at the next starts", () =>
    withTabs(2, async (one, two) => {
      expect(await one.evaluate("hawser.open('evicted')")).toBe("open");
      expect(await one.evaluate("hawser.append(1, 3)")).toBe("cursor 1");
      const { origin } = served;
      const devTools = await browser.context.newCDPSession(one);
      await devTools.send("Storage.clearDataForOrigin", { origin, storageTypes: "indexeddb" });
      expect(await one.evaluate("hawser.append(1, 3)")).toBe("STORE_EVICTED");
      expect(await one.evaluate("hawser.height(1)")).toBe("STORE_EVICTED");
      expect(await one.evaluate("hawser.reported(1)")).toEqual(["STORE_EVICTED"]);
      for (let start = 0; start < 2; start++) {
        expect(await two.evaluate("hawser.open('evicted')")).toBe("STORE_EVICTED");
      }
      expect(await two.evaluate("hawser.open('evicted', { existing: 'optional' })")).toBe("open");
      expect(await two.evaluate("hawser.height(1)")).toBe(0);
      expect(await two.evaluate("hawser.append(1, 1)")).toBe("cursor 1");
      // With the marker gone as well, only the caller can know.
      await two.evaluate("hawser.close()");
      const storageTypes = "indexeddb,local_storage";
      await devTools.send("Storage.clearDataForOrigin", { origin, storageTypes });
      expect(await two.evaluate("hawser.open('evicted', { existing: 'required' })")).toBe(
        "STORE_EVICTED",
      );
      expect(await two.evaluate("hawser.open('evicted')")).toBe("open");
    }));

  test("without room a commit fails, says why, and the store goes on", async () => {
    // Another origin, and the quota first: the browser remembers for a while how much room there is.
    const origin = served.origin.replace("127.0.0.1", "full.localhost");
    const tab = await browser.openPage(origin);
    const devTools = await browser.context.newCDPSession(tab);
    await devTools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1_000_000 });
    expect(await tab.evaluate("hawser.open('full')")).toBe("open");
    expect(await tab.evaluate("hawser.append(1, 3)")).toBe("cursor 1");
    let said = "";
    let height = 3;
    for (let count = 0; count < 60; count++) {
      said = await tab.evaluate<string>("hawser.append(1, 1, 40_000)");
      if (!said.startsWith("cursor")) break;
      height += 1;
    }
    expect(said).toBe("STORE_WRITE_FAILED");
    expect(await tab.evaluate("hawser.lastMessage()")).toContain("no more room");
    expect(await tab.evaluate("hawser.readAll(1)")).toBe(height);
    await devTools.send("Storage.overrideQuotaForOrigin", { origin });
    expect(await tab.evaluate("hawser.append(1, 1, 40_000)")).toBe(`cursor ${height - 1}`);
    expect(await tab.evaluate("hawser.readAll(1)")).toBe(height + 1);
    await tab.close();
  });

  test("whether the browser may evict is asked once and can be seen", async () => {
    // Another origin: what was granted to one stays granted.
    const origin = served.origin.replace("127.0.0.1", "localhost");
    const tab = await browser.openPage(origin);
    const devTools = await browser.context.newCDPSession(tab);
    const set = (setting: "granted" | "denied"): Promise<unknown> => {
      const permission = { name: "persistent-storage" };
      return devTools.send("Browser.setPermission", { origin, permission, setting });
    };
    const state = "hawser.store().storage().then((state) => state.persistence)";
    await set("denied");
    expect(await tab.evaluate("hawser.open('kept')")).toBe("open");
    expect(await tab.evaluate("hawser.store().requestPersistence()")).toBe("best-effort");
    expect(await tab.evaluate(state)).toBe("best-effort");
    await set("granted");
    expect(await tab.evaluate("hawser.store().requestPersistence()")).toBe("persistent");
    expect(await tab.evaluate(state)).toBe("persistent");
    await tab.close();
  });
});
