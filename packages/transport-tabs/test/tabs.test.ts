/** Tabs in one process of Node, over its own BroadcastChannel and Web Locks. */
import { transportCasesFor, type TransportHarness, type TransportPair } from "@hawser/sync/testing";
import { createTabs, platformTabs, type TabsDeps } from "@hawser/transport-tabs";
import { describe, expect, test } from "vitest";
import { framesOf, newName, openTestTab, type TestTab } from "./support/group.ts";

const hasLocks = (() => {
  try {
    platformTabs();
    return true;
  } catch {
    return false;
  }
})();
const reason = hasLocks ? "" : " (not run: Node has Web Locks from 24)";

/** A platform that the test ends as a crash does: channels fall silent, and locks are dropped. */
function crashable(): { readonly deps: TabsDeps; crash(): void } {
  const deps = platformTabs();
  const crashed = Promise.withResolvers<void>();
  let isGone = false;
  const openChannel: TabsDeps["openChannel"] = (channelName) => {
    const channel = deps.openChannel(channelName);
    return {
      post: (message) => (isGone ? undefined : channel.post(message)),
      listen: (onMessage) => channel.listen((message) => (isGone ? undefined : onMessage(message))),
      close: () => channel.close(),
    };
  };
  const hold: TabsDeps["locks"]["hold"] = (lockName, held, signal) =>
    deps.locks.hold(lockName, () => Promise.race([held(), crashed.promise]), signal);
  return {
    deps: { ...deps, openChannel, locks: { hold } },
    crash: () => {
      isGone = true;
      crashed.resolve();
    },
  };
}

async function openPair(): Promise<TransportPair> {
  const name = newName();
  const { deps, crash } = crashable();
  const leader = openTestTab(name, { deps });
  await leader.until(() => leader.led.begun === 1);
  const follower = openTestTab(name);
  await leader.until(() => leader.accepted.length === 1);
  await follower.until(() => follower.connected.length === 1);
  return {
    a: first(follower.connected),
    b: first(leader.accepted),
    cut: async () => {
      const end = first(leader.accepted);
      crash();
      // A tab that crashed hears nothing of it; its end here is told so that the case can look.
      end.close();
    },
    [Symbol.asyncDispose]: () => leave(leader, follower),
  };
}

const harness: TransportHarness = { waitsForReader: true, open: openPair };

function first<Item>(items: readonly Item[]): Item {
  const [item] = items;
  if (item === undefined) throw new Error("none yet");
  return item;
}

async function leave(...tabs: readonly TestTab[]): Promise<void> {
  await Promise.all(tabs.map((tab) => tab.tabs[Symbol.asyncDispose]()));
}

describe.skipIf(!hasLocks)(`pipes between tabs${reason}`, () => {
  for (const { name, run } of transportCasesFor(harness)) test(name, () => run(harness));
});

describe.skipIf(!hasLocks)(`one leader${reason}`, () => {
  test("of many tabs exactly one leads, and the others are connected to it", async () => {
    const name = newName();
    const tabs = Array.from({ length: 6 }, () => openTestTab(name));
    await Promise.all(tabs.map((tab) => tab.until(() => tab.led.begun + tab.connected.length > 0)));
    expect(tabs.filter(({ tabs: { role } }) => role() === "leading")).toHaveLength(1);
    expect(tabs.filter(({ tabs: { role } }) => role() === "following")).toHaveLength(5);
    const leader = tabs.find((tab) => tab.led.begun === 1);
    await leader?.until(() => leader.accepted.length === 5);
    await leave(...tabs);
    // Each of them led in turn while all left, or never; none twice, none without an end.
    for (const { led } of tabs) expect(led.begun).toBe(led.ended);
  });

  test("another takes over when it leaves, only after its end, and is connected to", async () => {
    const name = newName();
    const order: string[] = [];
    const release = Promise.withResolvers<void>();
    const leader = openTestTab(name, {
      end: async () => {
        await release.promise;
        order.push("ended");
      },
    });
    await leader.until(() => leader.led.begun === 1);
    const second = openTestTab(name, { lead: async () => void order.push("second leads") });
    await second.until(() => second.connected.length === 1);
    const third = openTestTab(name);
    await third.until(() => third.connected.length === 1);
    const ended = Promise.all([second, third].map((tab) => framesOf(first(tab.connected).frames)));
    const leaving = leave(leader);
    // Its followers' pipes end at once; nobody leads while it closes its store.
    expect(await ended).toEqual([[], []]);
    expect(order).toEqual([]);
    release.resolve();
    await leaving;
    await second.until(() => second.led.begun === 1);
    expect(order).toEqual(["ended", "second leads"]);
    await third.until(() => third.connected.length === 2);
    expect(third.tabs.role()).toBe("following");
    await leave(second, third);
  });

  test("who cannot lead lets another, says so, and follows", async () => {
    const name = newName();
    const broken = openTestTab(name, { lead: () => Promise.reject(new Error("no disk")) });
    await broken.until(() => broken.tabs.problem() !== undefined);
    expect(broken.tabs.problem()).toMatchObject({ code: "TRANSPORT_TABS_LEAD_FAILED" });
    const good = openTestTab(name);
    await good.until(() => good.tabs.role() === "leading");
    await broken.until(() => broken.connected.length === 1);
    await leave(good, broken);
  });

  test("tabs of another name neither wait for nor hear each other", async () => {
    const [one, other] = [openTestTab("a"), openTestTab("a/all")];
    await one.until(() => one.led.begun === 1);
    await other.until(() => other.led.begun === 1);
    expect([one.accepted.length, other.accepted.length]).toEqual([0, 0]);
    await leave(one, other);
  });

  test("a connection that its user drops is opened again", async () => {
    const name = newName();
    const leader = openTestTab(name);
    await leader.until(() => leader.led.begun === 1);
    const follower = openTestTab(name);
    await follower.until(() => follower.connected.length === 1);
    first(follower.connected).close("SYNC_IDLE");
    await follower.until(() => follower.connected.length === 2);
    await leave(leader, follower);
  });

  test("disposing is idempotent, also of a tab that never got anywhere", async () => {
    const name = newName();
    const tab = openTestTab(name);
    await Promise.all([leave(tab), leave(tab)]);
    expect(tab.tabs.role()).toBe("stopped");
    expect(tab.led.begun).toBe(tab.led.ended);
  });

  test("names out of range are refused", () => {
    for (const name of ["", "x".repeat(129), "\ud800"]) {
      const make = () =>
        createTabs(platformTabs(), {
          name,
          lead: () => new Promise(() => {}),
          follow: async () => {},
        });
      expect(make).toThrow(expect.objectContaining({ code: "TRANSPORT_TABS_BAD_OPTION" }));
    }
  });
});

describe.skipIf(!hasLocks)(`messages that nobody of this name and version sends${reason}`, () => {
  const id = "0".repeat(32);
  const base = { app: "hawser-tabs", version: 1, from: id };

  async function listening(): Promise<{
    readonly name: string;
    readonly leader: TestTab;
    readonly say: InstanceType<typeof BroadcastChannel>;
  }> {
    const name = newName();
    const leader = openTestTab(name);
    await leader.until(() => leader.led.begun === 1);
    const say = new BroadcastChannel(`hawser-tabs/${encodeURIComponent(name)}/all`);
    return { name, leader, say };
  }

  test("neither noise nor another space's messages on the channel open a pipe", async () => {
    const { name, leader, say } = await listening();
    const open = { ...base, name, kind: "open", to: leader.tabs.id, pipe: id };
    const bad: readonly unknown[] = [
      null,
      "open",
      42,
      [],
      new Uint8Array(9),
      { ...open, name: `${name} other` },
      { ...open, app: "other" },
      { ...open, version: 2 },
      { ...open, version: "1" },
      { ...open, to: id },
      { ...open, pipe: "../../x" },
      { ...open, from: 7 },
      { ...open, kind: "steal" },
    ];
    for (const message of bad) say.postMessage(message);
    // Behind all of them on the same channel: once it is there, they were heard.
    const follower = openTestTab(name);
    await follower.until(() => follower.connected.length === 1);
    await leader.until(() => leader.accepted.length > 0);
    expect(leader.accepted).toHaveLength(1);
    say.close();
    await leave(leader, follower);
  });

  test("a leader of another version is waited for, not talked to", async () => {
    const name = newName();
    const release = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const lock = platformTabs().locks.hold(
      `hawser-tabs/${encodeURIComponent(name)}/leader`,
      async () => {
        held.resolve();
        await release.promise;
      },
      new AbortController().signal,
    );
    await held.promise;
    const tab = openTestTab(name);
    const say = new BroadcastChannel(`hawser-tabs/${encodeURIComponent(name)}/all`);
    const heard = new Promise<void>((resolve) => {
      say.onmessage = () => resolve();
    });
    await heard;
    say.postMessage({ ...base, name, version: 2, kind: "leads" });
    await tab.until(() => tab.tabs.problem() !== undefined);
    expect(tab.tabs.problem()).toMatchObject({ code: "TRANSPORT_TABS_VERSION" });
    expect(tab.tabs.role()).toBe("waiting");
    release.resolve();
    await lock;
    await tab.until(() => tab.tabs.role() === "leading");
    say.close();
    await leave(tab);
  });
});

describe("a platform without the means", () => {
  test("is said", () => {
    if (hasLocks) return expect(platformTabs()).toMatchObject({ locks: expect.anything() });
    return expect(platformTabs).toThrow(
      expect.objectContaining({ code: "TRANSPORT_TABS_UNSUPPORTED" }),
    );
  });
});
