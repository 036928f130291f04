/** Signatures under operations are checked once, and nothing else is believed for it. */
import { createCrypto, type Crypto } from "@hawser/crypto";
import { expect, test } from "vitest";
import { createWorld, spaceOn } from "./world.ts";

/** Counts signatures under operations that were checked. */
function counting(crypto: Crypto): { readonly crypto: Crypto; readonly count: () => number } {
  let count = 0;
  const verifyTagged: Crypto["verifyTagged"] = (label, ...rest) => {
    if (label === "auth op") count += 1;
    return crypto.verifyTagged(label, ...rest);
  };
  return { crypto: { ...crypto, verifyTagged }, count: () => count };
}

test("what was checked is not checked again when a space is opened the second time", async () => {
  const counted = counting(await createCrypto());
  const world = await createWorld(counted.crypto);
  const ada = await world.device("ada");
  const ben = await world.device("ben");
  const space = await ada.spaces.create();
  await space.add(await ben.spaces.bundle(), "pull");
  for (let index = 0; index < 80; index++) {
    await space.set(ben.author, "pull", { mayDelete: index % 2 === 0 });
  }
  const members = space.members();
  const opening = async () => {
    const before = counted.count();
    const again = await world.restart(ada);
    expect(spaceOn(again, space).members()).toEqual(members);
    return { checks: counted.count() - before, again };
  };
  expect((await opening()).checks).toBe(82);
  const { checks, again } = await opening();
  expect(checks).toBe(0);
  await spaceOn(again, space).set(ben.author, "read");
  const before = counted.count();
  const last = await world.restart(again);
  // The newest is not in the record: so few are not worth a write.
  expect(counted.count() - before).toBe(1);
  expect(spaceOn(last, space).access(ben.author)).toMatchObject({ level: "read" });
  for (const { key } of await last.store.list(`space/${space.topic}/checked`)) {
    await last.store.commit({ writes: [{ key, value: new Uint8Array(64) }] });
  }
  const third = counted.count();
  const mended = await world.restart(last);
  expect(spaceOn(mended, space).access(ben.author)).toMatchObject({ level: "read" });
  expect(counted.count() - third).toBe(83);
});
