import { describe, test } from "vitest";
import { createMemoryStore } from "@hawser/log";
import { logStoreCases, testCrypto as crypto } from "@hawser/log/testing";

describe("the memory store keeps the contract", () => {
  // It keeps nothing, so there is nothing to reopen.
  for (const { name, run } of logStoreCases.filter((each) => each.needsReopen !== true)) {
    test(name, () => run({ open: async () => createMemoryStore({ crypto }) }));
  }
});
