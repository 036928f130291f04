import { appendFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { readTree } from "../src/demo/compare.ts";
import type { Program, ProgramEvent } from "../src/demo/processes.ts";
import { eventOf, named, openWorkshop, stepMsMax } from "./support/programs.ts";
import { createReplayer, startProxy, type Meddle } from "./support/proxy.ts";

// Many processes on few cores: the limit is for what hangs, not for what is slow.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
const workshop = openWorkshop();
let relay: { readonly url: string };
beforeAll(async () => {
  relay = await workshop.startRelay(join(workshop.folder, "relay"), "--port", "0");
});
afterAll(() => workshop[Symbol.asyncDispose]());

/** 1.2 MB that no compression and no accident makes. */
const large = Buffer.alloc(1_200_000);
for (let index = 0, state = 7; index < large.length; index += 4) {
  state = Math.imul(state ^ (state >>> 13), 0x5bd1e995) + 0x9e3779b9;
  large.writeInt32BE(state | 0, index);
}

async function share(url: string): Promise<{ ada: Program; folder: string; link: string }> {
  const folder = await workshop.makeFolder({ "a.txt": "a", large });
  const ada = workshop.start(workshop.newHome(), "share", folder, "--relay", url);
  const { link } = await ada.waitFor(named("shared"), stepMsMax);
  return { ada, folder, link: String(link) };
}

const passWith =
  (path: string, kind: "uploaded" | "downloaded") =>
  (event: ProgramEvent): boolean => {
    const paths = event[kind];
    return event.event === "pass" && Array.isArray(paths) && paths.includes(path);
  };

const countOf = (program: Program, name: string): number =>
  program.events.filter(named(name)).length;

describe.concurrent("a relay that goes away", () => {
  test("is told once each way; what changed meanwhile arrives", async () => {
    const data = join(workshop.folder, "shaky");
    const first = await workshop.startRelay(data, "--port", "0");
    const { ada, folder, link } = await share(first.url);
    const ben = workshop.start(workshop.newHome(), "join", link, await workshop.makeFolder({}));
    await ben.waitFor(passWith("a.txt", "downloaded"), stepMsMax);
    await first.program.stop();
    const { reason } = await ada.waitFor(named("offline"), stepMsMax);
    expect(reason).toBe("away");
    await appendFile(join(folder, "a.txt"), " and more");
    await ada.waitFor(passWith("a.txt", "uploaded"), stepMsMax);
    const before = countOf(ada, "online");
    await workshop.startRelay(data, "--port", new URL(first.url).port);
    await ada.waitFor((event) => event.event === "synced" && event["uploads"] === 1, stepMsMax);
    await ben.waitFor(
      (event) => passWith("a.txt", "downloaded")(event) && countOf(ben, "online") > 1,
      stepMsMax,
    );
    expect(countOf(ada, "offline")).toBe(1);
    expect(countOf(ada, "online")).toBe(before + 1);
    await Promise.all([ada.stop(), ben.stop()]);
  });
});

/** Files may arrive in several passes, whatever one of them says. */
async function untilEqual(one: string, other: string): Promise<void> {
  const compare = async (): Promise<void> => {
    expect(await readTree(one)).toEqual(await readTree(other));
  };
  await vi.waitFor(compare, { timeout: stepMsMax, interval: 100 });
}

describe.concurrent("a relay that breaks the rules", () => {
  /** Shares and joins through a relay that meddles with large pieces. */
  async function joinThrough(createMeddle: () => Meddle): Promise<{
    ben: Program;
    benFolder: string;
    adaFolder: string;
    stop: () => Promise<void>;
  }> {
    const proxy = await startProxy(relay.url, createMeddle);
    const { ada, folder: adaFolder, link } = await share(proxy.url);
    const benFolder = await workshop.makeFolder({});
    const ben = workshop.start(workshop.newHome(), "join", link, benFolder);
    const stop = async (): Promise<void> => {
      await Promise.all([ada.stop(), ben.stop()]);
      await proxy[Symbol.asyncDispose]();
    };
    return { ben, benFolder, adaFolder, stop };
  }

  test("one flipped bit: a code and a remedy, nothing false is written", async () => {
    const { ben, benFolder, adaFolder, stop } = await joinThrough(() => (piece) => {
      const middle = piece.length >> 1;
      if (piece.length > 8_000) piece[middle] = (piece[middle] ?? 0) ^ 1;
      return piece;
    });
    expect(await ben.ended).toBe(1);
    expect(ben.events.find(named("error"))).toMatchObject({
      code: "HAWSER_RELAY_MISBEHAVES",
      remedy: expect.stringMatching(/another relay/),
    });
    expect(ben.trouble.join("\n")).not.toMatch(/^ +at /m);
    const [mine, hers] = [await readTree(benFolder), await readTree(adaFolder)];
    for (const [path, content] of mine) expect(content).toEqual(hers.get(path));
    expect(mine.has("large")).toBe(false);
    await stop();
  });

  test("what is said twice counts once", async () => {
    let replayed = 0;
    const { ben, benFolder, adaFolder, stop } = await joinThrough(() =>
      createReplayer(() => (replayed += 1)),
    );
    await ben.waitFor(passWith("large", "downloaded"), stepMsMax);
    expect(replayed).toBeGreaterThan(3);
    await untilEqual(benFolder, adaFolder);
    await stop();
    expect(ben.trouble).toEqual([]);
  });

  test("a line that breaks three times: all arrives all the same", async () => {
    let passed = 0;
    let cuts = 0;
    const { ben, benFolder, adaFolder, stop } = await joinThrough(() => (piece, cut) => {
      passed += piece.length;
      // Three times and no more: the pauses between attempts grow, and nothing here waits for long.
      if (passed > 500_000 && cuts < 3) {
        passed = 0;
        cuts += 1;
        cut();
      }
      return piece;
    });
    await ben.waitFor(passWith("large", "downloaded"), stepMsMax);
    await untilEqual(benFolder, adaFolder);
    await stop();
  });
});

describe.concurrent("a folder in trouble", () => {
  test("one that vanishes ends the command with a code; nothing counts as deleted", async () => {
    const { ada, folder } = await share(relay.url);
    await rename(folder, `${folder}-moved`);
    expect(await ada.ended).toBe(1);
    expect(ada.events.find(named("error"))?.["code"]).toBe("CLI_FOLDER_MISSING");
    expect(ada.events.filter(named("pass")).flatMap((one) => one["removedThere"])).toEqual([]);
  });

  test("a file over the limit is told and stays out, the rest goes on", async () => {
    const { ada, folder } = await share(relay.url);
    await writeFile(join(folder, "huge"), "");
    await truncate(join(folder, "huge"), 64 * 1024 * 1024 + 1);
    const { skipped } = await ada.waitFor(named("trouble"), stepMsMax);
    expect(skipped).toEqual({ huge: expect.stringMatching(/CLI_FILE_TOO_LARGE/) });
    await writeFile(join(folder, "later"), "x");
    await ada.waitFor(passWith("later", "uploaded"), stepMsMax);
    await rm(join(folder, "huge"));
    await ada.stop();
    expect(countOf(ada, "trouble")).toBe(1);
  });
});

describe.concurrent("Ctrl-C", () => {
  test.each(["SIGINT", "SIGTERM"] as const)("%s ends a command politely", async (signal) => {
    const { ada } = await share(relay.url);
    ada.signal(signal);
    expect(await ada.ended).toBe(0);
    expect(ada.events.at(-1)?.event).toBe("stopped");
    expect(ada.trouble).toEqual([]);
  });

  test("while it waits to be let in: exit code 130, and the same link works later", async () => {
    const { ada, link } = await share(relay.url);
    await ada.stop();
    const [home, folder] = [workshop.newHome(), join(workshop.folder, "patient")];
    const waiting = workshop.start(home, "join", link, folder);
    await waiting.waitFor(named("joining"), stepMsMax);
    waiting.signal("SIGINT");
    expect(await waiting.ended).toBe(130);
    expect(waiting.events.some(named("error"))).toBe(false);
    const spaces = eventOf(await workshop.run(home, "spaces"), "spaces")["spaces"];
    expect(JSON.stringify(spaces)).not.toContain("active");
  });
});
