import { createCrypto } from "@hawser/crypto";
import { createHawser, type Hawser, type HawserSpace } from "@hawser/hawser";
import { formatInviteLink, parseInviteLink } from "@hawser/space";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { eventOf, named, openWorkshop, stepMsMax, type Outcome } from "./support/programs.ts";

// Many processes on few cores: the limit is for what hangs, not for what is slow.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const workshop = openWorkshop();
const crypto = await createCrypto();

let relay: { readonly url: string };
/** A device in this process that makes invites of every kind. */
let inviter: Hawser;
let space: HawserSpace;
beforeAll(async () => {
  relay = await workshop.startRelay(join(workshop.folder, "relay"), "--port", "0");
  inviter = await createHawser({ relay: relay.url });
  space = await inviter.create();
  await space.kv.put("file/none", null);
  await space.synced();
});

afterAll(async () => {
  await inviter[Symbol.asyncDispose]();
  await workshop[Symbol.asyncDispose]();
});

/** One sentence with a code and a remedy, for people and for programs; never a stack. */
function expectRefusal(outcome: Outcome, code: string): void {
  expect(outcome.stderr).toMatch(/^hawser: [^\n]+ \[[A-Z_]+\]\n {2}→ [^\n]+$/);
  const event = eventOf(outcome, "error");
  expect(event["code"]).toBe(code);
  expect(outcome.stderr).toContain(`[${code}]`);
  expect(String(event["remedy"])).toMatch(/\.$/);
  expect(outcome.exitCode).toBe(1);
}

/** Bytes of a link with some of them changed, as a link again. */
function editLink(link: string, edit: (bytes: Buffer) => Buffer): string {
  const prefix = "hawser:join/";
  const bytes = Buffer.from(link.slice(prefix.length), "base64url");
  return prefix + edit(bytes).toString("base64url");
}

const otherLetter = (letter: string): string => (letter === "A" ? "B" : "A");

describe.concurrent("links that cannot be used", () => {
  const cases: readonly (readonly [string, string, (link: string) => string])[] = [
    ["no link at all", "SPACE_LINK_MALFORMED", () => "https://example.org"],
    ["an empty text", "SPACE_LINK_MALFORMED", () => ""],
    ["a link without its end", "SPACE_LINK_TRUNCATED", (link) => link.slice(0, -9)],
    [
      "a link with a wrong letter",
      "SPACE_LINK_CHECKSUM",
      (link) => link.slice(0, 80) + otherLetter(link.charAt(80)) + link.slice(81),
    ],
    [
      "a link of a newer version",
      "SPACE_LINK_VERSION",
      (link) =>
        editLink(link, (bytes) => {
          bytes[0] = 2;
          return bytes;
        }),
    ],
  ];
  test.each(cases)("%s: %s, and no folder is made", async (_name, code, change) => {
    const home = workshop.newHome();
    const folder = join(workshop.folder, `${code}-target`);
    const link = change(await space.invite());
    expectRefusal(await workshop.run(home, "join", link, folder), code);
    expect(existsSync(folder)).toBe(false);
    expect(existsSync(join(home, "hawser.sqlite"))).toBe(false);
  });
});

describe.concurrent("invites that do not let in", () => {
  /**
   * The reason itself, while the link's key still opens the membership log; else that it is dead.
   */
  const refused = async (link: string, code: string): Promise<void> => {
    const home = workshop.newHome();
    const folder = join(workshop.folder, `${code}-folder`);
    const outcome = await workshop.run(home, "join", link, folder);
    const isDead = eventOf(outcome, "error")["code"] === "HAWSER_INVITE_REFUSED";
    expectRefusal(outcome, isDead ? "HAWSER_INVITE_REFUSED" : code);
    expect(existsSync(folder)).toBe(false);
    const { spaces } = eventOf(await workshop.run(home, "spaces"), "spaces");
    expect(spaces).toMatchObject([{ state: isDead ? "waiting" : "refused", folders: [] }]);
    expectRefusal(await workshop.run(home, "members"), "CLI_SPACE_UNKNOWN");
  };

  test("a used one", async () => {
    const link = await space.invite();
    await space.synced();
    const first = workshop.start(workshop.newHome(), "join", link, await workshop.makeFolder({}));
    await first.waitFor(named("joined"), stepMsMax);
    await first.stop();
    await refused(link, "SPACE_INVITE_USED");
  });

  test("a revoked one", async () => {
    const link = await space.invite();
    await space.space.revokeInvite(link);
    await space.synced();
    await refused(link, "SPACE_INVITE_REVOKED");
  });

  test("an expired one", async () => {
    const link = await space.invite({ expiresInSeconds: 0 });
    await space.synced();
    await refused(link, "SPACE_INVITE_EXPIRED");
  });

  test("one with a secret that is nobody's invite", async () => {
    const given = parseInviteLink(crypto, await space.invite());
    const link = formatInviteLink(crypto, { ...given, secret: new Uint8Array(32).fill(7) });
    const folder = join(workshop.folder, "nobody");
    const outcome = await workshop.run(workshop.newHome(), "join", "--wait", "9", link, folder);
    const { code } = eventOf(outcome, "error");
    expect(["CLI_JOIN_UNANSWERED", "HAWSER_INVITE_REFUSED"]).toContain(code);
    expectRefusal(outcome, String(code));
    expect(existsSync(folder)).toBe(false);
  });

  test("one to a space that the relay does not know", async () => {
    const offline = await createHawser();
    const unknown = parseInviteLink(crypto, await (await offline.create()).invite());
    await offline[Symbol.asyncDispose]();
    const link = formatInviteLink(crypto, { ...unknown, addresses: [relay.url] });
    const folder = join(workshop.folder, "unknown");
    const outcome = await workshop.run(workshop.newHome(), "join", "--wait", "2", link, folder);
    expectRefusal(outcome, "CLI_JOIN_UNANSWERED");
    expect(existsSync(folder)).toBe(false);
  });

  test("one without any relay", async () => {
    const given = parseInviteLink(crypto, await space.invite());
    const link = formatInviteLink(crypto, { ...given, addresses: [] });
    const folder = join(workshop.folder, "no-relay");
    expectRefusal(await workshop.run(workshop.newHome(), "join", link, folder), "HAWSER_NO_RELAY");
    expect(existsSync(folder)).toBe(false);
  });
});

describe.concurrent("relays that cannot be used", () => {
  const web = createServer((_, answer) => answer.end("<html>")).listen(0, "127.0.0.1");
  afterAll(() => web.close());
  const cases: readonly (readonly [string, () => string])[] = [
    ["nobody listens", () => "ws://127.0.0.1:1"],
    ["another program listens", () => `ws://127.0.0.1:${(web.address() as AddressInfo).port}`],
    ["the address is none", () => "http://127.0.0.1:8787"],
    ["the address is nonsense", () => "relay"],
  ];
  test.each(cases)("%s: a code, and no space is made", async (_name, address) => {
    const home = workshop.newHome();
    const folder = await workshop.makeFolder({ "a.txt": "a" });
    const outcome = await workshop.run(home, "share", folder, "--relay", address());
    expectRefusal(outcome, "HAWSER_RELAY_UNREACHABLE");
    expect(eventOf(await workshop.run(home, "spaces"), "spaces")["spaces"]).toEqual([]);
  });

  test("one that is full refuses; the next try goes on with the same space", async () => {
    const data = join(workshop.folder, "full-relay");
    const full = await workshop.startRelay(data, "--port", "0", "--topics-max", "1");
    const first = await createHawser({ relay: full.url });
    await first.create();
    await first[Symbol.asyncDispose]();
    const home = workshop.newHome();
    const folder = await workshop.makeFolder({ "a.txt": "a" });
    expectRefusal(
      await workshop.run(home, "share", folder, "--relay", full.url),
      "HAWSER_RELAY_REFUSED",
    );
    const again = workshop.start(home, "share", folder, "--relay", relay.url);
    await again.waitFor(named("shared"), stepMsMax);
    await again.stop();
    const { spaces } = eventOf(await workshop.run(home, "spaces"), "spaces");
    expect(spaces).toMatchObject([{ state: "active", folders: [folder] }]);
  });
});

describe.concurrent("homes that cannot be used", () => {
  const applicationId = 0x48415753;
  const makeDatabase = async (sql: string): Promise<string> => {
    const home = workshop.newHome();
    await mkdir(home);
    const database = new DatabaseSync(join(home, "hawser.sqlite"));
    database.exec(sql);
    database.close();
    return home;
  };
  const digestOf = async (home: string): Promise<string> =>
    createHash("sha256")
      .update(await readFile(join(home, "hawser.sqlite")))
      .digest("hex");

  test.each([
    [
      "a store of a newer format",
      "STORE_NEWER_FORMAT",
      `CREATE TABLE logs (id); PRAGMA application_id = ${applicationId}; PRAGMA user_version = 99;`,
    ],
    ["a database of another program", "STORE_FOREIGN_FILE", "CREATE TABLE recipes (id)"],
  ])("%s: %s, and it is left as it was", async (_name, code, sql) => {
    const home = await makeDatabase(sql);
    const before = await digestOf(home);
    const folder = await workshop.makeFolder({ "a.txt": "a" });
    expectRefusal(await workshop.run(home, "id"), code);
    expectRefusal(await workshop.run(home, "share", folder), code);
    expect(await digestOf(home)).toBe(before);
  });

  test("a file that is no database", async () => {
    const home = workshop.newHome();
    await mkdir(home);
    await writeFile(join(home, "hawser.sqlite"), "no database ".repeat(100));
    expectRefusal(await workshop.run(home, "id"), "STORE_UNREADABLE");
  });

  test("a settings file that is not JSON", async () => {
    const home = workshop.newHome();
    await mkdir(home);
    await writeFile(join(home, "config.json"), "{");
    expectRefusal(await workshop.run(home, "spaces"), "CLI_USAGE");
  });

  test("a home that is a file", async () => {
    const folder = await workshop.makeFolder({ home: "" });
    expectRefusal(await workshop.run(join(folder, "home"), "id"), "CLI_HOME_UNUSABLE");
  });
});

describe.concurrent("a tampered entry in the device's own database", () => {
  /** Which stored range gets a flipped bit, and what `sync` then does. */
  const cases: readonly (readonly [string, (bytes: Uint8Array) => boolean, string | undefined])[] =
    [
      ["a chunk of a file", (bytes) => bytes.length > 100_000, undefined],
      ["what tells which files there are", (bytes) => bytes.length < 400, undefined],
      ["who founded the space", (bytes) => bytes.length > 600, "SPACE_NOT_WELCOMED"],
    ];
  test.each(cases)("%s: nothing is deleted, the doctor finds it", async (_name, isIt, code) => {
    const home = workshop.newHome();
    const folder = await workshop.makeFolder({ "a.txt": "a", b: "x".repeat(200_000) });
    const first = workshop.start(home, "share", folder);
    await first.waitFor(named("shared"), stepMsMax);
    await first.stop();
    const database = new DatabaseSync(join(home, "hawser.sqlite"));
    const rows = database.prepare("SELECT cursor, bytes FROM ranges ORDER BY cursor").all();
    const row = rows.find(({ bytes }) => bytes instanceof Uint8Array && isIt(bytes));
    const bytes = Uint8Array.from(row?.["bytes"] as Uint8Array);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    database
      .prepare("UPDATE ranges SET bytes = ? WHERE cursor = ?")
      .run(bytes, row?.["cursor"] ?? 0);
    database.close();

    const diagnosis = await workshop.run(home, "doctor");
    expect(diagnosis.exitCode).toBe(1);
    expect(JSON.stringify(eventOf(diagnosis, "doctor"))).toContain("LOG_BAD_SIGNATURE");
    await writeFile(join(folder, "new.txt"), "new");
    const sync = workshop.start(home, "sync", folder);
    if (code === undefined) {
      await sync.waitFor(named("pass"), stepMsMax);
      await sync.stop();
    } else {
      await sync.ended;
      expectRefusal({ exitCode: 1, events: sync.events, stderr: sync.trouble.join("\n") }, code);
    }
    expect(await readdir(folder)).toEqual(["a.txt", "b", "new.txt"]);
  });
});

describe.concurrent("folders that cannot be used", () => {
  const cases: readonly (readonly [string, string, () => Promise<string>])[] = [
    ["a missing one", "CLI_FOLDER_MISSING", async () => join(workshop.folder, "missing")],
    [
      "a file",
      "CLI_FOLDER_MISSING",
      async () => join(await workshop.makeFolder({ file: "" }), "file"),
    ],
    [
      "one with a file over the limit",
      "CLI_FILE_TOO_LARGE",
      async () => {
        const folder = await workshop.makeFolder({ "ok.txt": "1", "big.bin": "" });
        await truncate(join(folder, "big.bin"), 64 * 1024 * 1024 + 1);
        return folder;
      },
    ],
  ];
  test.each(cases)("share: %s: %s, and no space is made", async (_name, code, makeFolder) => {
    const home = workshop.newHome();
    const folder = await makeFolder();
    expectRefusal(await workshop.run(home, "share", folder, "--relay", relay.url), code);
    expect(existsSync(join(home, "hawser.sqlite"))).toBe(false);
  });

  test("share: one that contains the home, whose secret it would give away", async () => {
    const folder = await workshop.makeFolder({ "a.txt": "a" });
    const outcome = await workshop.run(join(folder, "deep", "home"), "share", folder);
    expectRefusal(outcome, "CLI_FOLDER_HAS_HOME");
  });

  test("join: a file in the place of the folder does not use the invite up", async () => {
    const link = await space.invite();
    await space.synced();
    const root = await workshop.makeFolder({ file: "mine" });
    const home = workshop.newHome();
    expectRefusal(await workshop.run(home, "join", link, join(root, "file")), "CLI_FOLDER_MISSING");
    const program = workshop.start(home, "join", link, join(root, "folder"));
    await program.waitFor(named("joined"), stepMsMax);
    await program.stop();
    expect(await readdir(root)).toEqual(["file", "folder"]);
  });

  test("sync: one that was never shared here", async () => {
    const folder = await workshop.makeFolder({ "a.txt": "a" });
    expectRefusal(await workshop.run(workshop.newHome(), "sync", folder), "CLI_FOLDER_UNKNOWN");
  });
});

describe.concurrent("commands that are not understood", () => {
  test.each([
    [["log", "--limit", "many"], "CLI_USAGE"],
    [["log", "--limit", "0"], "CLI_USAGE"],
    [["join", "--wait", "-1", "x", "y"], "CLI_USAGE"],
    [["members", "--space", "zz"], "CLI_SPACE_UNKNOWN"],
    [["members"], "CLI_SPACE_UNKNOWN"],
    [["bogus"], "CLI_USAGE"],
    [["share"], "CLI_USAGE"],
  ])("hawser %j: %s", async (args, code) => {
    const outcome = await workshop.run(workshop.newHome(), ...args);
    expect(eventOf(outcome, "error")["code"]).toBe(code);
    expect(outcome.exitCode).toBe(1);
  });
});
