/** `hawser bundle`: two devices that no network joins, and files between them. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { eventOf, named, openWorkshop, stepMsMax } from "./support/programs.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const workshop = openWorkshop();
afterAll(() => workshop[Symbol.asyncDispose]());

const path = (name: string): string => join(workshop.folder, name);

test("[TH-124] a device joins and fills its folder by files alone, without any relay", async () => {
  const [ada, ben] = [workshop.newHome(), workshop.newHome()];
  const folder = await workshop.makeFolder({ "a.txt": "a secret sentence" });
  const sharing = workshop.start(ada, "share", folder);
  const shared = await sharing.waitFor(named("shared"), stepMsMax);
  await sharing.stop();

  const first = await workshop.run(ada, "bundle", "export", path("1"));
  expect(first.exitCode, JSON.stringify(first)).toBe(0);
  expect((await readFile(path("1"))).includes("a secret sentence")).toBe(false);
  const joining = await workshop.run(ben, "bundle", "join", String(shared["link"]));
  expect(joining.exitCode, JSON.stringify(joining)).toBe(0);
  await workshop.run(ben, "bundle", "import", path("1"));
  expect((await workshop.run(ben, "bundle", "export", path("2"))).exitCode).toBe(0);
  const answered = await workshop.run(ada, "bundle", "import", path("2"));
  expect(eventOf(answered, "imported")).toMatchObject({ complete: true });
  expect((await workshop.run(ben, "bundle", "frontier", path("3"))).exitCode).toBe(0);
  const rest = await workshop.run(ada, "bundle", "export", path("4"), "--for", path("3"));
  const everything = Number(eventOf(first, "exported")["entries"]);
  expect(Number(eventOf(rest, "exported")["entries"])).toBeLessThan(everything);
  const last = await workshop.run(ben, "bundle", "import", path("4"));
  expect(eventOf(last, "imported")).toMatchObject({ complete: true, damageCount: 0 });

  const target = await workshop.makeFolder({});
  const syncing = workshop.start(ben, "sync", target, "--space", String(shared["space"]));
  await expect
    .poll(() => readFile(join(target, "a.txt"), "utf8").catch(() => ""), { timeout: stepMsMax })
    .toBe("a secret sentence");
  await syncing.stop();
});

test("what is no bundle, damaged, of somebody else or in the way is said, with an exit code", async () => {
  const home = workshop.newHome();
  const folder = await workshop.makeFolder({ "a.txt": "a" });
  const sharing = workshop.start(home, "share", folder);
  await sharing.waitFor(named("shared"), stepMsMax);
  await sharing.stop();
  await workshop.run(home, "bundle", "export", path("whole"));
  const bytes = await readFile(path("whole"));
  await writeFile(path("cut"), bytes.subarray(0, bytes.length - 100));
  await writeFile(path("none"), "no bundle at all");

  const taken = await workshop.run(home, "bundle", "export", path("whole"));
  expect(eventOf(taken, "error")).toMatchObject({ code: "CLI_ARCHIVE_EXISTS" });
  const missing = await workshop.run(home, "bundle", "import", path("missing"));
  expect(eventOf(missing, "error")).toMatchObject({ code: "CLI_ARCHIVE_MISSING" });
  const none = await workshop.run(home, "bundle", "import", path("none"));
  expect(eventOf(none, "error")).toMatchObject({ code: "BUNDLE_MALFORMED" });
  const kind = await workshop.run(home, "bundle", "export", path("x"), "--for", path("whole"));
  expect(eventOf(kind, "error")).toMatchObject({ code: "BUNDLE_KIND" });
  const cut = await workshop.run(home, "bundle", "import", path("cut"));
  expect(cut.exitCode).toBe(1);
  expect(eventOf(cut, "imported")).toMatchObject({ complete: false });
  const stranger = await workshop.run(workshop.newHome(), "bundle", "import", path("whole"));
  expect(eventOf(stranger, "imported")).toMatchObject({ spaces: [], foreign: 1, entries: 0 });
});
