import { createServer } from "node:net";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { findSample, plaintextSamples, readTree } from "../src/demo/compare.ts";
import type { Program } from "../src/demo/processes.ts";
import { eventOf, named, openWorkshop, stepMsMax, type Outcome } from "./support/programs.ts";

// Many processes on few cores: the limit is for what hangs, not for what is slow.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const workshop = openWorkshop();
const relayData = join(workshop.folder, "relay");
let relay: { readonly url: string };
afterAll(() => workshop[Symbol.asyncDispose]());

const adaHome = workshop.newHome();
const files = {
  "plans/for the summer.md": "we go to the mountains and tell nobody about it\n",
  "long.txt": "a line of text that is not to be read by the relay\n".repeat(2_000),
};
let adaFolder: string;
beforeAll(async () => {
  relay = await workshop.startRelay(relayData, "--port", "0");
  adaFolder = await workshop.makeFolder(files);
});

async function share(home: string, folder: string): Promise<{ program: Program; link: string }> {
  const program = workshop.start(home, "share", folder, "--relay", relay.url);
  const { link } = await program.waitFor(named("shared"), stepMsMax);
  return { program, link: String(link) };
}

/** The short commands, as they answer about a home. */
async function askAll(home: string): Promise<Readonly<Record<string, unknown>>> {
  const ask = async (command: string, event = command): Promise<unknown> =>
    eventOf(await workshop.run(home, command), event);
  const [id, spaces, members, log] = await Promise.all([
    ask("id"),
    ask("spaces"),
    ask("members"),
    ask("log"),
  ]);
  return { id, spaces, members, log };
}

const hex64: unknown = expect.stringMatching(/^[0-9a-f]{64}$/);

describe("one device, with and without a running process", () => {
  test("what the commands print is stable, and the same both ways", async () => {
    const { program } = await share(adaHome, adaFolder);
    const running = await askAll(adaHome);
    await program.stop();
    expect(await program.ended).toBe(0);
    const alone = await askAll(adaHome);
    expect(alone).toEqual(running);
    expect(running["id"]).toEqual({ event: "id", author: hex64 });
    expect(running["spaces"]).toEqual({
      event: "spaces",
      spaces: [
        {
          id: expect.stringMatching(/^b[a-z2-7]+$/),
          state: "active",
          problem: null,
          folders: [adaFolder],
          members: 2,
        },
      ],
    });
    expect(running["members"]).toEqual({
      event: "members",
      space: expect.any(String),
      members: expect.arrayContaining([
        { author: hex64, level: "manage", isSelf: true },
        { author: hex64, level: "pull", isSelf: false },
      ]),
    });
    const { lines, total } = running["log"] as { lines: object[]; total: number };
    expect(lines.length).toBe(total);
    expect(lines[0]).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      author: hex64,
      domain: expect.stringMatching(/^hawser\./),
      seq: 0,
      byteCount: expect.any(Number),
      signed: expect.any(Boolean),
      what: expect.any(String),
    });
  });

  test("the newest lines of a log are shown when fewer are asked for", async () => {
    const all = eventOf(await workshop.run(adaHome, "log"), "log")["lines"] as unknown[];
    const some = eventOf(await workshop.run(adaHome, "log", "--limit", "2"), "log")["lines"];
    expect(some).toEqual(all.slice(-2));
  });

  test("[TH-130] the relay stores no name and no content of the folder", async () => {
    const samples = plaintextSamples(await readTree(adaFolder));
    expect(samples.length).toBeGreaterThan(20);
    expect(await findSample(adaFolder, samples)).toBeDefined();
    expect(await findSample(relayData, samples)).toBeUndefined();
  });

  test("share on a folder that is shared goes on with its space", async () => {
    const before = eventOf(await workshop.run(adaHome, "spaces"), "spaces")["spaces"];
    const { program } = await share(adaHome, adaFolder);
    await program.stop();
    expect(eventOf(await workshop.run(adaHome, "spaces"), "spaces")["spaces"]).toEqual(before);
  });

  test("what the home holds is for its owner alone", async () => {
    const bitsOf = async (name: string): Promise<number> =>
      (await stat(join(adaHome, name))).mode & 0o077;
    expect(await Promise.all([".", "hawser.sqlite", "config.json", "folders"].map(bitsOf))).toEqual(
      [0, 0, 0, 0],
    );
  });

  test("a database that others could read is closed to them", async () => {
    await chmod(join(adaHome, "hawser.sqlite"), 0o644);
    await workshop.run(adaHome, "id");
    expect((await stat(join(adaHome, "hawser.sqlite"))).mode & 0o777).toBe(0o600);
  });
});

describe.concurrent("two devices", () => {
  test("invite, join, remove, through the running process and without one", async () => {
    const ada = await share(adaHome, adaFolder);
    const { link, relay: reached } = eventOf(await workshop.run(adaHome, "invite"), "invite");
    expect(reached).toBe("reached");
    const benHome = workshop.newHome();
    const benFolder = await workshop.makeFolder({});
    const ben = workshop.start(benHome, "join", String(link), benFolder);
    const { author } = await ben.waitFor(named("joined"), stepMsMax);
    await ben.waitFor(named("pass"), stepMsMax);
    expect(await readTree(benFolder)).toEqual(await readTree(adaFolder));
    await ben.stop();

    const refusals: readonly (readonly [string, string, string])[] = [
      [adaHome, "abc", "CLI_MEMBER_UNKNOWN"],
      [adaHome, "f".repeat(64), "CLI_MEMBER_UNKNOWN"],
      [benHome, String(author), "SPACE_NO_ACCESS"],
    ];
    for (const [home, member, code] of refusals) {
      const outcome = await workshop.run(home, "remove", member);
      expect([outcome.exitCode, eventOf(outcome, "error")["code"]]).toEqual([1, code]);
      expect(eventOf(outcome, "error")["remedy"]).toMatch(/\.$/);
    }
    await ada.program.stop();
    const prefix = String(author).slice(0, 6).toUpperCase();
    const removed = eventOf(await workshop.run(adaHome, "remove", prefix), "removed");
    expect(removed).toMatchObject({ author, relay: "reached" });
    const gone = await workshop.run(benHome, "sync", benFolder);
    expect(gone.exitCode).toBe(1);
    expect(eventOf(gone, "error")["code"]).toBe("HAWSER_NO_ACCESS");
    expect(await readTree(benFolder)).toEqual(await readTree(adaFolder));
  });

  test("who was removed comes back by a new link, into the same folder", async () => {
    const [home, benHome] = [workshop.newHome(), workshop.newHome()];
    const [folder, benFolder] = [
      await workshop.makeFolder({ "a.txt": "a" }),
      await workshop.makeFolder({}),
    ];
    const { program, link } = await share(home, folder);
    const ben = workshop.start(benHome, "join", link, benFolder);
    const { author } = await ben.waitFor(named("joined"), stepMsMax);
    await ben.waitFor(named("pass"), stepMsMax);
    await workshop.run(home, "remove", String(author));
    await ben.waitFor(named("lost-access"), stepMsMax);
    expect(await ben.ended).toBe(1);
    await writeFile(join(folder, "while away.txt"), "written while ben was out");
    const { link: second } = eventOf(await workshop.run(home, "invite"), "invite");
    const back = workshop.start(benHome, "join", String(second), benFolder);
    await back.waitFor(named("pass"), stepMsMax);
    expect(await readTree(benFolder)).toEqual(await readTree(folder));
    await back.stop();
    expect(await back.ended).toBe(0);
    await program.stop();
  });

  test("join on a device that has the space: goes on, or says where it is", async () => {
    const sharer = workshop.newHome();
    const { program, link } = await share(sharer, await workshop.makeFolder({ "a.txt": "a" }));
    const second = eventOf(await workshop.run(sharer, "invite"), "invite")["link"];
    const home = workshop.newHome();
    const folder = await workshop.makeFolder({});
    for (const one of [link, String(second)]) {
      const joiner = workshop.start(home, "join", one, folder);
      await joiner.waitFor(named("joined"), stepMsMax);
      await joiner.stop();
    }
    const elsewhere = await workshop.run(home, "join", String(second), join(folder, "other"));
    expect(eventOf(elsewhere, "error")["code"]).toBe("CLI_SPACE_ELSEWHERE");
    const other = await share(workshop.newHome(), await workshop.makeFolder({ "b.txt": "b" }));
    const taken = await workshop.run(home, "join", other.link, folder);
    expect(eventOf(taken, "error")["code"]).toBe("CLI_FOLDER_TAKEN");
    await other.program.stop();
    await program.stop();
  });
});

describe.concurrent("one home, several processes", () => {
  const errorCode = (outcome: Outcome): unknown => eventOf(outcome, "error")["code"];

  test("of two that start at once one has the home, the other says so", async () => {
    const home = workshop.newHome();
    const folder = await workshop.makeFolder({ "a.txt": "a" });
    const both = [1, 2].map(() => workshop.start(home, "share", folder));
    const first = await Promise.race(both.map((one) => one.ended.then(() => one)));
    const [other] = both.filter((one) => one !== first);
    expect(await first.ended).toBe(1);
    expect(first.events.find(named("error"))?.["code"]).toBe("CLI_HOME_BUSY");
    await other?.waitFor(named("shared"), stepMsMax);
    await other?.stop();
  });

  test("after kill -9 the home is free again, and nothing is lost", async () => {
    const home = workshop.newHome();
    const folder = await workshop.makeFolder({ "a.txt": "a" });
    const killed = workshop.start(home, "share", folder);
    await killed.waitFor(named("shared"), stepMsMax);
    killed.signal("SIGKILL");
    await killed.ended;
    const id = await workshop.run(home, "id");
    expect(id.exitCode).toBe(0);
    const again = workshop.start(home, "share", folder);
    await again.waitFor(named("shared"), stepMsMax);
    expect(eventOf(await workshop.run(home, "id"), "id")).toEqual(eventOf(id, "id"));
    await again.stop();
  });

  test("short commands at once take turns", async () => {
    const home = workshop.newHome();
    const ids = await Promise.all([1, 2, 3, 4].map(() => workshop.run(home, "id")));
    expect(new Set(ids.map((one) => eventOf(one, "id")["author"])).size).toBe(1);
  });

  test("a home with a path too long for a socket works as well", async () => {
    const home = join(workshop.newHome(), "x".repeat(120));
    const folder = await workshop.makeFolder({ "a.txt": "a" });
    const program = workshop.start(home, "share", folder);
    await program.waitFor(named("shared"), stepMsMax);
    expect(eventOf(await workshop.run(home, "spaces"), "spaces")["spaces"]).toHaveLength(1);
    await program.stop();
  });

  test("a socket that nobody hawser knows listens on does not stop a command", async () => {
    const home = workshop.newHome();
    await mkdir(home);
    const stranger = createServer((socket) => socket.destroy());
    await new Promise<void>((done) => stranger.listen(join(home, "control.sock"), done));
    expect(errorCode(await workshop.run(home, "id"))).toBe("CLI_HOME_BUSY");
    await new Promise((done) => stranger.close(done));
    expect((await workshop.run(home, "id")).exitCode).toBe(0);
  });

  test("doctor looks into a home that another process has", async () => {
    const home = workshop.newHome();
    const program = workshop.start(home, "share", await workshop.makeFolder({ "a.txt": "a" }));
    await program.waitFor(named("shared"), stepMsMax);
    const outcome = await workshop.run(home, "doctor");
    expect(outcome.exitCode).toBe(0);
    const { healthy, logs } = eventOf(outcome, "doctor");
    expect(healthy).toBe(true);
    expect(logs).toHaveLength(2);
    await program.stop();
  });

  test("settings are written so that a stop in between leaves the old ones", async () => {
    const text = await readFile(join(adaHome, "config.json"), "utf8");
    expect(JSON.parse(text)).toMatchObject({ folders: { [adaFolder]: expect.any(String) } });
  });
});
