/** The documents over real spaces: signed logs, sealed entries, devices that were apart. */
import { fromUtf8, utf8 } from "@hawser/codec";
import { createAcl, createAclGate, rulesId, type Acl, type AclRules } from "@hawser/acl";
import type { Space } from "@hawser/space";
import { at, createWorld, spaceWith, write } from "@hawser/space/testing";
import { openView, type View } from "@hawser/view";
import { describe, expect, test } from "vitest";

const notes: View<readonly string[]> = {
  name: "notes",
  version: 1,
  types: ["note"],
  init: () => [],
  apply: (state, event) => [...state, fromUtf8(event.body) ?? "?"],
  encode: (state) => utf8(JSON.stringify(state)),
  decode: (bytes) => JSON.parse(fromUtf8(bytes) ?? "[]") as string[], // Safe: `encode` made them.
};

function rulesOf(space: Space, founder: string): AclRules {
  return { id: space.id ?? "space", isFounder: (author) => author === founder };
}

async function readThrough(space: Space, rules: AclRules) {
  await using view = openView({ source: space }, notes, { gate: createAclGate(rules) });
  await view.ready;
  const withheld = view.withheld().map(({ event, verdict }) => [fromUtf8(event.body), verdict]);
  return { texts: view.state, withheld };
}

/** Ada founds, Ben and Cyd join and may write at the space; the documents say more. */
async function createScene(benBehindMicros = 0) {
  const world = await createWorld();
  const { devices, spaces } = await spaceWith(world, "ben", "cyd");
  const [ada, cyd] = [at(devices, 0), at(devices, 2)];
  const [adaSpace, cydSpace] = [at(spaces, 0), at(spaces, 2)];
  let [ben, benSpace] = [at(devices, 1), at(spaces, 1)];
  if (benBehindMicros > 0) {
    ben = await world.device("ben", { clockShift: -benBehindMicros, store: ben.store });
    benSpace = at(ben.spaces.list(), 0);
  }
  const rules = rulesOf(adaSpace, ada.author);
  const acl = createAcl({ source: adaSpace }, rules);
  await acl.ready;
  const write = ["write"] as const;
  await acl.edit(rulesId(rules.id), {
    default: "no-access",
    grant: new Map([[ada.author, write]]),
  });
  await acl.edit(rules.id, {
    default: "no-access",
    grant: new Map([ada, ben].map(({ author }) => [author, write])),
  });
  const settle = (): Promise<void> => world.settle(ada, ben, cyd);
  await settle();
  return { ada, ben, cyd, adaSpace, benSpace, cydSpace, rules, acl, settle };
}

async function close(acl: Acl): Promise<void> {
  await acl[Symbol.asyncDispose]();
}

describe("over spaces", () => {
  test("[TH-180] [TH-182] [TH-191] every device lets in whom the documents name, and no other member", async () => {
    const { adaSpace, benSpace, cydSpace, rules, acl, settle } = await createScene();
    await write(benSpace, "from ben");
    await write(cydSpace, "from cyd");
    await settle();
    for (const space of [adaSpace, benSpace, cydSpace]) {
      expect(await readThrough(space, rules)).toEqual({
        texts: ["from ben"],
        withheld: [["from cyd", "refuse"]],
      });
    }
    await close(acl);
  });

  test("[TH-182] [TD-7] what Ben writes apart and dates back after he lost the right counts nowhere", async () => {
    const scene = await createScene(100e6);
    const { ada, ben, adaSpace, benSpace, cydSpace, rules, acl, settle } = scene;
    await write(benSpace, "in time");
    await settle();
    await acl.edit(rules.id, { revoke: new Map([[ben.author, ["write"]]]) });
    const revoked = at(acl.edits(), 2).event;
    await write(benSpace, "back-dated");
    await settle();
    for (const space of [adaSpace, benSpace, cydSpace]) {
      expect(await readThrough(space, rules)).toEqual({
        texts: ["in time"],
        withheld: [["back-dated", "quarantine"]],
      });
    }
    const view = openView({ source: cydSpace }, notes, { gate: createAclGate(rules) });
    await view.ready;
    const kept = at(view.withheld(), 0).event;
    expect(kept.stamp).toBeLessThan(revoked.stamp);
    // Ada, who holds write in the document about documents, lets it in.
    expect(await acl.accept([kept])).toBe("effective");
    await settle();
    expect((await readThrough(cydSpace, rules)).texts).toEqual(["in time", "back-dated"]);
    await view[Symbol.asyncDispose]();
    await close(acl);
    expect(ada.author).not.toBe(ben.author);
  });

  test("[TH-184] who gets a right writes as soon as it has seen the edit", async () => {
    const { cyd, cydSpace, adaSpace, rules, acl, settle } = await createScene();
    await acl.edit(rules.id, { grant: new Map([[cyd.author, ["write"]]]) });
    await settle();
    await write(cydSpace, "from cyd");
    await settle();
    expect((await readThrough(adaSpace, rules)).texts).toEqual(["from cyd"]);
    await close(acl);
  });

  test("[TH-194] a member's edit changes nothing, though every device stores it", async () => {
    const { cyd, cydSpace, adaSpace, rules, acl, settle } = await createScene();
    await using mine = createAcl({ source: cydSpace }, rules);
    await mine.ready;
    const grant = new Map([[cyd.author, ["write"] as const]]);
    expect(await mine.edit(rulesId(rules.id), { grant })).toBe("refused");
    expect(await mine.edit(rules.id, { grant })).toBe("refused");
    await write(cydSpace, "from cyd");
    await settle();
    expect((await readThrough(adaSpace, rules)).texts).toEqual([]);
    await close(acl);
  });
});
