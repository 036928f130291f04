/** hawser account …, as real processes over a real relay. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { eventOf, named, openWorkshop, stepMsMax } from "./support/programs.ts";

// Many processes on few cores: the limit is for what hangs, not for what is slow.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const workshop = openWorkshop();
const relayData = join(workshop.folder, "relay");
let relay: string;
afterAll(() => workshop[Symbol.asyncDispose]());
beforeAll(async () => {
  relay = (await workshop.startRelay(relayData, "--port", "0")).url;
});

/** "paper" for the device that has no name. */
const namesOf = (devices: unknown): readonly string[] =>
  (devices as readonly { readonly name: string | null }[])
    .map(({ name }) => name ?? "paper")
    .sort();

test("[NB-8] two devices, a revoked one, and 24 words that bring the account back", async () => {
  const laptop = workshop.newHome();
  const created = eventOf(
    await workshop.run(laptop, "account", "create", "--name", "laptop", "--relay", relay),
    "account",
  );
  expect(created["relay"]).toBe(true);
  const phrase = String(created["phrase"]);
  expect(phrase.split(" ")).toHaveLength(24);

  const phone = workshop.newHome();
  const showing = workshop.start(laptop, "account", "code");
  const { code } = await showing.waitFor(named("code"), stepMsMax);
  const joinWords = ["account", "join", String(code), "--name", "phone", "--relay", relay];
  const joined = await workshop.run(phone, ...joinWords);
  expect(namesOf(eventOf(joined, "joined")["devices"])).toContain("laptop");
  expect(await showing.ended).toBe(0);
  expect(showing.events.find(named("approved"))).toMatchObject({ name: "phone", relay: true });

  const listed = eventOf(await workshop.run(laptop, "account", "devices"), "devices");
  expect(namesOf(listed["devices"])).toEqual(["laptop", "paper", "phone"]);
  const gone = eventOf(await workshop.run(laptop, "account", "revoke", "phone"), "revoked");
  expect(gone["device"]).toMatchObject({ name: "phone" });

  const tablet = workshop.newHome();
  const words = phrase.split(" ").map((word, index) => `${index + 1}. ${word}`);
  const recover = ["account", "recover", "--name", "tablet", "--lost", "laptop", "--relay", relay];
  const back = await workshop.feed(words.join("\n"), tablet, ...recover);
  expect(back).toMatchObject({ exitCode: 0 });
  expect(namesOf(eventOf(back, "recovered")["devices"])).toEqual(["paper", "tablet"]);

  // The words are on the paper and nowhere else.
  for (const folder of [laptop, tablet, relayData]) {
    for (const file of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const content = (await readFile(join(file.parentPath, file.name))).toString("latin1");
      expect(content).not.toContain(phrase.split(" ").slice(0, 3).join(" "));
    }
  }
});

test("what goes wrong has a code and a remedy", async () => {
  const home = workshop.newHome();
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ["CLI_NO_ACCOUNT", ["account", "devices"], ""],
    ["HAWSER_NO_RELAY", ["account", "join", "1234-5678-9012"], ""],
    ["ACCOUNT_CODE_INVALID", ["account", "join", "1234", "--relay", relay], ""],
    ["ACCOUNT_MAILBOX_CLOSED", ["account", "join", "1234-5678-9012", "--relay", relay], ""],
    ["ACCOUNT_PHRASE_INVALID", ["account", "recover", "--relay", relay], "twelve words"],
    ["ACCOUNT_SHARE_INVALID", ["account", "phrase"], "hawsershare1xyz"],
    ["CLI_USAGE", ["account", "shares", "--count", "99"], ""],
  ];
  for (const [code, args, input] of cases) {
    const outcome = await workshop.feed(input, home, ...args);
    expect(outcome.exitCode).toBe(1);
    expect(eventOf(outcome, "error")).toMatchObject({ code });
    expect(outcome.stderr).toMatch(/→ [A-Z]/);
  }
});

test("shares give the words back", async () => {
  const home = workshop.newHome();
  const phrase = `${"abandon ".repeat(23)}art`;
  const cut = await workshop.feed(phrase, home, "account", "shares", "--count", "3");
  const shares = eventOf(cut, "shares")["shares"] as readonly string[];
  expect(shares).toHaveLength(3);
  const joined = await workshop.feed(shares.slice(1).join("\n"), home, "account", "phrase");
  expect(eventOf(joined, "phrase")["phrase"]).toBe(phrase);
});
