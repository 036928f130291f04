/** `hawser backup` and `hawser restore`, as a person and a script see them. */
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createCrypto } from "@hawser/crypto";
import { createSqliteStore } from "@hawser/store-sqlite";
import { afterAll, describe, expect, test, vi } from "vitest";
import { eventOf, named, openWorkshop, stepMsMax } from "./support/programs.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 60_000 });
const workshop = openWorkshop();
afterAll(() => workshop[Symbol.asyncDispose]());

const password = "correct horse battery\n";

describe("a device in one file", () => {
  test("[NB-9] [TH-131] backup, lose the disk, restore: the folder comes back and goes on", async () => {
    const relay = await workshop.startRelay(join(workshop.folder, "relay"), "--port", "0");
    const home = workshop.newHome();
    const folder = await workshop.makeFolder({ "a.txt": "a secret sentence" });
    const sharing = workshop.start(home, "share", folder, "--relay", relay.url);
    await sharing.waitFor(named("shared"), stepMsMax);
    await sharing.stop();
    const file = join(workshop.folder, "device.hawser");
    const made = eventOf(await workshop.feed(password, home, "backup", file), "backup");
    expect(made).toMatchObject({ spaces: 1, skipped: [], retired: false });
    expect((await stat(file)).size).toBe(made["bytes"]);
    if (process.platform !== "win32") expect((await stat(file)).mode & 0o077).toBe(0);
    expect((await readFile(file)).includes("a secret sentence")).toBe(false);

    const wrong = await workshop.feed("incorrect horse\n", workshop.newHome(), "restore", file);
    expect(wrong.exitCode).toBe(1);
    expect(eventOf(wrong, "error")).toMatchObject({ code: "SPACE_ARCHIVE_KEY" });
    expect(JSON.stringify(wrong)).not.toContain("incorrect horse");

    const next = workshop.newHome();
    const outcome = await workshop.feed(password, next, "restore", file);
    expect(outcome.exitCode).toBe(0);
    expect(eventOf(outcome, "restored")).toMatchObject({
      sameDevice: true,
      complete: true,
      damage: [],
    });
    // The relay has said how far the device's own logs go.
    expect(eventOf(outcome, "writable")).toMatchObject({ waiting: [] });
    const id = async (of: string) => eventOf(await workshop.run(of, "id"), "id")["author"];
    expect(await id(next)).toBe(await id(home));
    const { spaces } = eventOf(await workshop.run(next, "spaces"), "spaces") as unknown as {
      spaces: { id: string }[];
    };
    const target = await workshop.makeFolder({});
    const space = String(spaces[0]?.id);
    const syncing = workshop.start(next, "sync", target, "--space", space, "--relay", relay.url);
    await expect
      .poll(() => readFile(join(target, "a.txt"), "utf8").catch(() => ""), {
        timeout: stepMsMax,
      })
      .toBe("a secret sentence");
    await syncing.stop();
  });

  test("without a relay it says what waits and why; --only-copy ends that; damage is named", async () => {
    const home = workshop.newHome();
    const folder = await workshop.makeFolder({ "a.txt": "a", "b.bin": "x".repeat(300_000) });
    const sharing = workshop.start(home, "share", folder);
    await sharing.waitFor(named("shared"), stepMsMax);
    await sharing.stop();
    const file = join(workshop.folder, "alone.hawser");
    const made = eventOf(await workshop.feed(password, home, "backup", file, "--retire"), "backup");
    expect(made).toMatchObject({ retired: true });
    const again = await workshop.feed(password, home, "backup", file);
    expect(eventOf(again, "error")).toMatchObject({ code: "CLI_ARCHIVE_EXISTS" });
    const short = await workshop.feed("short\n", home, "backup", `${file}2`);
    expect(eventOf(short, "error")).toMatchObject({ code: "CLI_USAGE" });
    const refused = await workshop.run(home, "invite");
    expect(eventOf(refused, "error")).toMatchObject({ code: "SPACE_RETIRED" });

    const next = workshop.newHome();
    const waiting = await workshop.feed(password, next, "restore", file);
    expect(eventOf(waiting, "writable")["waiting"]).toHaveLength(1);
    expect(eventOf(await workshop.run(next, "invite"), "error")).toMatchObject({
      code: "SPACE_RESTORED",
    });
    const only = await workshop.feed(password, next, "restore", file, "--only-copy");
    expect(eventOf(only, "writable")).toMatchObject({ waiting: [] });
    expect((await workshop.run(next, "invite")).exitCode).toBe(0);

    // As compaction leaves a log.
    const store = createSqliteStore(
      { crypto: await createCrypto() },
      { path: join(home, "hawser.sqlite") },
    );
    const [topic] = await store.topics();
    const heads = topic === undefined ? [] : await store.heads(topic);
    const data = heads.find(({ context }) => context.domain === "hawser.data");
    if (data === undefined) throw new Error("no data log");
    expect(await store.prune(data.logId, data.height)).toBeGreaterThan(0);
    await store.close();
    const compacted = join(workshop.folder, "compacted.hawser");
    const whole = await workshop.feed(password, home, "backup", compacted);
    expect(eventOf(whole, "error")).toMatchObject({ code: "SPACE_ARCHIVE_PRUNED" });
    expect(eventOf(whole, "error")["remedy"]).toContain("--leave-compacted");
    const left = await workshop.feed(password, home, "backup", compacted, "--leave-compacted");
    expect(left.exitCode).toBe(0);
    expect(eventOf(left, "backup")).toMatchObject({ skipped: [{ topic, reason: "PRUNED" }] });

    const bytes = await readFile(file);
    const bad = join(workshop.folder, "bad.hawser");
    await writeFile(bad, bytes.subarray(0, bytes.length - 70_000));
    const part = await workshop.feed(password, workshop.newHome(), "restore", bad);
    expect(part.exitCode).toBe(1);
    expect(eventOf(part, "restored")).toMatchObject({ complete: false });
    expect(eventOf(part, "restored")["damage"]).toHaveLength(1);
    const missing = await workshop.feed(password, home, "restore", `${file}.none`);
    expect(eventOf(missing, "error")).toMatchObject({ code: "CLI_ARCHIVE_MISSING" });
  });
});
