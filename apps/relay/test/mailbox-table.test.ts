/** Mailboxes in a table whose database fails now and then. */
import { seededRandom } from "@hawser/crypto/testing";
import { expect, test } from "vitest";
import { createMailboxTable } from "../src/mailbox-table.ts";

test("a database that fails while somebody waits keeps no place of a waiter", async () => {
  let reads = 0;
  let waits = 0;
  const table = createMailboxTable({
    query: async (text) => {
      if (!text.startsWith("SELECT message")) return [{}];
      reads += 1;
      // The second look of each wait fails.
      if (reads % 2 === 0) throw new Error("connection lost");
      return [];
    },
    timers: {
      after: (_ms, callback) => {
        waits += 1;
        queueMicrotask(callback);
        return () => {};
      },
    },
    tell: () => {},
  });
  const mailboxes = table.open({
    countMax: 10,
    lifeMs: 60_000,
    waitMs: 20_000,
    waitingMax: 1,
    nowMs: () => 0,
    random: seededRandom("boxes"),
    after: () => () => {},
  });
  for (let round = 1; round <= 3; round++) {
    await expect(mailboxes.take("1234", 0)).rejects.toThrow("connection lost");
    expect(waits).toBe(round);
  }
});
