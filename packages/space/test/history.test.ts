/** Why somebody may do something, and the history of membership (docs/spec/6-space.md §7 *history*). */
import { logIdOf, type Frontier, type LogId } from "@hawser/log";
import { explainWhy, type Space, type TimelineItem } from "@hawser/space";
import { describe, expect, test } from "vitest";
import { createWorld, spaceOn, twoMembers, write, type TestDevice, type World } from "./world.ts";

/** Ada and Ben manage; Cyd joined by Ben's link and writes. */
async function threeMembers(world: World) {
  const { ada, ben, space, other } = await twoMembers(world);
  await space.set(ben.author, "manage");
  await world.settle(ada, ben);
  const cyd = await world.device("cyd");
  const third = await cyd.spaces.join(await other.invite({ level: "write" }));
  await world.settle(ada, ben, cyd);
  return { ada, ben, cyd, space, other, third };
}

/** How much of the control logs a device holds now. */
async function frontierOf(device: TestDevice, space: Space): Promise<Frontier> {
  const heights = new Map<LogId, number>();
  for (const { logId, context, height } of await device.store.heads(space.topic)) {
    if (context.domain === "hawser.control") heights.set(logId, height);
  }
  return heights;
}

function named(devices: readonly TestDevice[]) {
  return (id: string): string => devices.find(({ author }) => author === id)?.name ?? "somebody";
}

const changes = (items: readonly TimelineItem[]) => items.map(({ change }) => change);

describe("why", () => {
  test("[NB-4] an access leads back to the founding, with places and times", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space } = await threeMembers(world);
    const why = space.why(cyd.author, "write");
    expect(why).toMatchObject({ allowed: true, access: { level: "write" }, need: "write" });
    const steps = why!.chain.map(({ author, member, effect }) => [author, effect, member]);
    expect(steps).toEqual([
      [ada.author, "created", ada.author],
      [ben.author, "admitted", ben.author],
      [ada.author, "changed", ben.author],
      [cyd.author, "admitted", cyd.author],
    ]);
    for (const { place, author, op } of why!.chain) {
      const context = { topic: space.topic, author, domain: "hawser.control" };
      expect(place?.logId).toBe(logIdOf(world.crypto, context));
      const item = space.timeline().find((one) => one.op === op);
      expect(item?.place).toEqual({ logId: place?.logId, seq: place?.seq });
      expect(item?.stamp).toBe(place?.stamp);
    }
  });

  test("[NB-4] in plain words, allowed and denied", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space } = await threeMembers(world);
    const nameOf = named([ada, ben, cyd]);
    const plain = (lines: readonly string[]) => lines.map((line) => line.replace(/ \(.*?Z\)/, ""));
    expect(plain(explainWhy(space.why(cyd.author, "write")!, nameOf))).toEqual([
      "cyd may write.",
      "ada founded the group and put itself in it with manage and delete.",
      "ben joined by an invite.",
      "ada set what ben may do with manage.",
      "cyd joined by an invite with write.",
    ]);
    expect(plain(explainWhy(space.why(cyd.author, "manage")!, nameOf))).toEqual([
      "cyd may not change who is a member.",
      "cyd joined by an invite with write.",
    ]);
    await space.remove(cyd.author);
    expect(plain(explainWhy(space.why(cyd.author, "pull")!, nameOf))).toEqual([
      "cyd may not follow (verify and store, without reading).",
      "ada removed cyd.",
    ]);
    const stranger = "ab".repeat(32) as never;
    expect(explainWhy(space.why(stranger, "read")!)).toEqual([
      "abababab may not read.",
      "No operation ever let abababab in.",
    ]);
    // Every sentence about an operation says when it claims to be made.
    const said = explainWhy(space.why(ben.author, "manage")!).slice(1);
    for (const line of said) expect(line).toMatch(/\(20\d\d-\d\d-\d\dT[\d:.]+Z\)/);
  });

  test("[NB-4] at a past frontier the answer is that of then, whatever came later", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space, other } = await threeMembers(world);
    const then = await frontierOf(ada, space);
    await space.remove(cyd.author);
    await world.settle(ada, ben, cyd);
    const now = await frontierOf(ada, space);
    for (const here of [space, other]) {
      expect(here.why(cyd.author, "write", { at: then })?.allowed).toBe(true);
      expect(here.why(cyd.author, "write", { at: now })?.allowed).toBe(false);
      expect(here.why(cyd.author, "write")?.allowed).toBe(false);
      expect(here.why(cyd.author, "write", { at: new Map() })?.allowed).toBe(false);
    }
    // A position that names what is not here has no answer yet.
    const [[logId, height] = []] = now;
    const beyond = new Map([[logId!, height! + 5]]);
    expect(space.why(cyd.author, "write", { at: beyond })).toBeUndefined();
  });

  test("[NB-4] who was let in by somebody removed meanwhile is told so", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space, other } = await threeMembers(world);
    const dan = await world.device("dan");
    await space.remove(ben.author);
    await other.add(await dan.spaces.bundle(), "write");
    await world.settle(ada, ben, cyd);
    const why = space.why(dan.author, "write");
    const removal = space.timeline().find(({ change }) => change === "remove");
    expect(why?.allowed).toBe(false);
    expect(why?.chain.at(-1)).toMatchObject({
      effect: "void",
      reason: "AUTHOR_REMOVED",
      causedBy: removal?.op,
    });
    const [, sentence] = explainWhy(why!, named([ada, ben, cyd, dan]));
    expect(sentence).toMatch(/^ben wanted to let dan in .*: whoever did it was removed or lowered/);
  });

  test("[TH-192] the delete right is granted, explained and taken without the rest", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const dan = await world.device("dan");
    await space.add(await dan.spaces.bundle(), "pull", { mayDelete: true });
    const may = (need: "delete" | "read" | "pull") => space.why(dan.author, need)?.allowed;
    expect([may("delete"), may("read"), may("pull")]).toEqual([true, false, true]);
    expect(space.members().find(({ author }) => author === dan.author)).toMatchObject({
      level: "pull",
      mayDelete: true,
    });
    await space.set(dan.author, "pull");
    await world.settle(ada, ben);
    expect([may("delete"), may("pull")]).toEqual([false, true]);
    const lines = explainWhy(spaceOn(ben, space).why(dan.author, "delete")!, named([ada, dan]));
    expect(lines[0]).toBe("dan may not mark entries deleted.");
    expect(lines[1]).toMatch(/^ada set what dan may do with pull \(/);
  });
});

describe("the timeline", () => {
  test("tells who did what to whom, in causal order, the same on every device", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space, third } = await threeMembers(world);
    await space.remove(cyd.author);
    await world.settle(ada, ben, cyd);
    const items = space.timeline();
    expect(changes(items).slice(0, 2)).toEqual(["create", "invite"]);
    expect(changes(items)).toContain("revoke");
    expect(items.at(-1)).toMatchObject({
      change: "remove",
      author: ada.author,
      members: [cyd.author],
    });
    const places = new Map(items.map(({ op }, index) => [op, index]));
    for (const [index, { deps }] of items.entries()) {
      for (const dep of deps) expect(places.get(dep)).toBeLessThan(index);
    }
    for (const here of [spaceOn(ben, space), third]) expect(here.timeline()).toEqual(items);
  });

  test("a removal is pending until every manager has acted after it, then stable", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space, other } = await threeMembers(world);
    await space.remove(cyd.author);
    const finality = () =>
      space.timeline().flatMap(({ change, status }) => {
        return change === "remove" && status.state === "effective" ? [status.finality] : [];
      });
    expect(finality()).toEqual(["pending"]);
    await world.settle(ada, ben);
    await other.invite({ level: "read" });
    await world.settle(ada, ben);
    expect(finality()).toEqual(["stable"]);
  });

  test("what does not count is there, with the reason and what caused it", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space, other } = await threeMembers(world);
    const dan = await world.device("dan");
    await space.remove(ben.author);
    await other.add(await dan.spaces.bundle(), "write");
    await world.settle(ada, ben, cyd);
    const removal = space.timeline().find(({ change }) => change === "remove");
    const add = space.timeline().find(({ change }) => change === "add");
    expect(add).toMatchObject({ author: ben.author, members: [dan.author] });
    expect(add?.status).toEqual({ state: "void", reason: "AUTHOR_REMOVED", by: removal?.op });
    expect(await space.explain(add!.place)).toMatchObject({ reason: "AUTHOR_REMOVED" });
  });

  test("a member with several devices and a program with its own key are put out one by one", async () => {
    const world = await createWorld();
    const { ada, space } = await twoMembers(world);
    const phone = await world.device("phone");
    const program = await world.device("program");
    for (const device of [phone, program]) {
      const bundle = await device.spaces.bundle();
      await space.add(bundle, "write");
      await device.spaces.accept(space.offer(bundle));
    }
    await world.settle(ada, phone, program);
    await space.remove(phone.author);
    await space.remove(program.author);
    const ref = await write(space, "without both");
    await world.settle(ada, phone, program);
    const outs = space.timeline().filter(({ change }) => change === "remove");
    expect(outs.map(({ members }) => members)).toEqual([[phone.author], [program.author]]);
    for (const device of [phone, program]) {
      const here = spaceOn(device, space);
      expect(here.status().state).toBe("removed");
      await expect(here.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    }
  });
});
