/** Views over a raw space: they fold events and never ask who let anybody in. */
import { logIdOf } from "@hawser/log";
import { createKv } from "@hawser/kv";
import { createWorld } from "@hawser/space/testing";
import { dataDomain } from "@hawser/space";
import { expect, test } from "vitest";

test("[TH-195] a key-value map on a raw space is one map for whoever knows the id", async () => {
  const world = await createWorld();
  const ada = await world.device("ada");
  const ben = await world.device("ben");
  const space = await ada.spaces.createRaw();
  const other = await ben.spaces.openRaw(space.link());
  const [first, second] = [createKv({ source: space }), createKv({ source: other })];
  await first.put("color", "green");
  await world.settle(ada, ben);
  await second.put("color", "blue");
  await second.put("size", 42);
  await world.settle(ada, ben);
  expect([first.get("color"), first.get("size")]).toEqual(["blue", 42]);
  expect([...second.range()].map(({ key, value }) => [key, value])).toEqual([
    ["color", "blue"],
    ["size", 42],
  ]);
  // A fork of Ben's log takes back what he wrote behind it, in the view as well.
  const thief = await world.duplicate(ben);
  const forged = createKv({ source: thief.spaces.openTopic(space.topic) });
  await forged.put("color", "stolen");
  await second.put("color", "red");
  await world.settle(ada, ben);
  expect(first.get("color")).toBe("red");
  await world.carry(thief, ada);
  const context = { topic: space.topic, author: ben.author, domain: dataDomain };
  const logId = logIdOf(world.crypto, context);
  for await (const range of thief.store.ranges(logId)) await ada.spaces.ingest(range);
  await world.settle(ada);
  expect(first.get("color")).toBe("blue");
  for (const view of [first, second, forged]) await view[Symbol.asyncDispose]();
});
