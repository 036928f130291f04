/** All promises of the PacketStore contract, and of what stands on it. */
import type { PacketStoreCase } from "./harness.ts";
import { orderAndAddCases } from "./order-cases.ts";
import { readCases } from "./read-cases.ts";
import { watchCases } from "./watch-cases.ts";

export const packetStoreCases: readonly PacketStoreCase[] = [
  ...orderAndAddCases,
  ...readCases,
  ...watchCases,
];
