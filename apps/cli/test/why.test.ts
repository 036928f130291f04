/** `hawser why` and `hawser timeline`, as a person and a script see them. */
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { eventOf, named, openWorkshop, stepMsMax } from "./support/programs.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const workshop = openWorkshop();
afterAll(() => workshop[Symbol.asyncDispose]());

describe("who may do what, and since when", () => {
  test("[NB-4] sentences about a member; unknown keys and actions are refused", async () => {
    const relay = await workshop.startRelay(join(workshop.folder, "relay"), "--port", "0");
    const home = workshop.newHome();
    const folder = await workshop.makeFolder({ "a.txt": "a" });
    const sharing = workshop.start(home, "share", folder, "--relay", relay.url);
    await sharing.waitFor(named("shared"), stepMsMax);
    await sharing.stop();
    const author = String(eventOf(await workshop.run(home, "id"), "id")["author"]);

    const why = eventOf(await workshop.run(home, "why", author.slice(0, 12), "manage"), "why");
    expect(why).toMatchObject({ allowed: true });
    const [first, second] = why["lines"] as string[];
    expect(first).toBe(`${author.slice(0, 8)} may change who is a member.`);
    expect(second).toMatch(/founded the group and put itself in it with manage .*\(20.*Z\)\.$/);

    const timeline = eventOf(await workshop.run(home, "timeline"), "timeline");
    const changes = timeline["changes"] as Record<string, unknown>[];
    expect(changes[0]).toMatchObject({ author, change: "create", status: "effective" });
    // The relay was let in as a follower.
    expect(changes.map(({ change }) => change)).toContain("add");

    const unknown = await workshop.run(home, "why", "0123456789", "write");
    expect(unknown.exitCode).toBeGreaterThan(0);
    expect(JSON.stringify(unknown)).toContain("CLI_MEMBER_UNKNOWN");
    const word = await workshop.run(home, "why", author.slice(0, 12), "dance");
    expect(word.exitCode).toBeGreaterThan(0);
    expect(JSON.stringify(word)).toContain("CLI_USAGE");
  });
});
