/** The acceptance tests that automerge-repo publishes for adapters. */
import { runNetworkAdapterTests } from "@automerge/automerge-repo/helpers/tests/network-adapter-tests.js";
import { runStorageAdapterTests } from "@automerge/automerge-repo/helpers/tests/storage-adapter-tests.js";
import { createAutomergeNetwork } from "@hawser/automerge";
import { createEphemeralHub } from "@hawser/space";
import { at, createWorld, spaceWith } from "@hawser/space/testing";
import { memorySource, open } from "./help.ts";

runStorageAdapterTests(async () => {
  const adapter = open(memorySource());
  await adapter.ready;
  return { adapter, teardown: () => void adapter[Symbol.asyncDispose]() };
}, "a source in memory");

runStorageAdapterTests(async () => {
  const world = await createWorld();
  const { spaces } = await spaceWith(world);
  const adapter = open(at(spaces, 0));
  await adapter.ready;
  return { adapter, teardown: () => void adapter[Symbol.asyncDispose]() };
}, "an encrypted space");

runNetworkAdapterTests(async () => {
  const world = await createWorld();
  const { spaces } = await spaceWith(world, "ben", "cyd");
  const hub = createEphemeralHub();
  const [a, b, c] = spaces.map((space) => createAutomergeNetwork(space.ephemeral(hub.pipe())));
  if (a === undefined || b === undefined || c === undefined) throw new Error("no adapters");
  return { adapters: [a, b, c] };
}, "three devices of a space");
