import { describe, test } from "vitest";
import { createMemoryPacketStore } from "@hawser/query";
import { packetStoreCases } from "@hawser/query/testing";

describe("PacketStore contract", () => {
  for (const { name, needsReopen, run } of packetStoreCases) {
    if (needsReopen === true) continue;
    test(name, () => run({ open: async (clock) => createMemoryPacketStore({ clock }) }));
  }
});
