import { describe, test } from "vitest";
import { createCrypto } from "@hawser/crypto";
import { createMemoryStore } from "@hawser/log";
import { logStoreScaleCases } from "@hawser/log/testing";

const crypto = await createCrypto();

describe("the memory store keeps the contract at size", () => {
  for (const { name, run } of logStoreScaleCases) {
    test(name, { timeout: 120_000 }, () =>
      run({ open: async () => createMemoryStore({ crypto }) }),
    );
  }
});
