/** The status line says what is true. */
import { inviteInHash, pageLink, relayInQuery, statusOf, type Facts } from "@hawser/notes";
import fc from "fast-check";
import { expect, test } from "vitest";

const calm: Facts = {
  isRemoved: false,
  problem: undefined,
  isTyping: false,
  hasRelay: true,
  isConnected: true,
  misbehaviour: undefined,
  entriesToSend: 0,
  entriesToReceive: 0,
  syncedAtMs: 5,
  isChanged: false,
  mayBeEvicted: false,
};
const say = (facts: Partial<Facts>) => statusOf({ ...calm, ...facts }, (ms) => `${String(ms)} ms`);

test.each<readonly [Partial<Facts>, string, string]>([
  [{}, "fine", "Saved here and at the relay at 5 ms"],
  [{ isTyping: true }, "busy", "Writing to this device …"],
  [{ entriesToSend: 1 }, "busy", "Sending 1 change …"],
  [{ entriesToReceive: 3 }, "busy", "Fetching 3 changes …"],
  [{ syncedAtMs: undefined }, "busy", "Comparing with the relay …"],
  [{ isChanged: true }, "busy", "Comparing with the relay …"],
  [{ hasRelay: false }, "waiting", "Only on this device: no relay is set."],
  [
    { isConnected: false, syncedAtMs: undefined },
    "waiting",
    "Offline. Saved on this device; the relay has none of it yet.",
  ],
  [
    { isConnected: false, isChanged: true, mayBeEvicted: true },
    "waiting",
    "Offline. Saved on this device; the relay has it as of 5 ms. " +
      "The browser may delete it when space runs out.",
  ],
  [{ problem: "the disk is full" }, "alarm", "Not saved: the disk is full"],
  [{ isRemoved: true }, "alarm", "You are no member any more: this is your old copy"],
  [
    { misbehaviour: "SYNC_BAD_RANGE" },
    "alarm",
    "Saved here; the relay misbehaved (SYNC_BAD_RANGE) and was left",
  ],
])("%j is told as %s", (facts, tone, text) => {
  expect(say(facts)).toEqual({ tone, text });
});

test("it is never calm while something is not stored here or at the relay", () => {
  const facts = fc.record({
    isRemoved: fc.boolean(),
    problem: fc.option(fc.constant("x"), { nil: undefined }),
    isTyping: fc.boolean(),
    hasRelay: fc.boolean(),
    isConnected: fc.boolean(),
    misbehaviour: fc.option(fc.constant("y"), { nil: undefined }),
    entriesToSend: fc.nat({ max: 2 }),
    entriesToReceive: fc.nat({ max: 2 }),
    syncedAtMs: fc.option(fc.nat(), { nil: undefined }),
    isChanged: fc.boolean(),
    mayBeEvicted: fc.boolean(),
  });
  fc.assert(
    fc.property(facts, (given) => {
      if (say(given).tone !== "fine") return;
      expect(given).toMatchObject({
        isRemoved: false,
        problem: undefined,
        isTyping: false,
        hasRelay: true,
        isConnected: true,
        entriesToSend: 0,
        entriesToReceive: 0,
        isChanged: false,
      });
      expect(given.syncedAtMs).toBeDefined();
    }),
  );
});

test("an invite goes into the part of the address that is sent to nobody, and comes back", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (invite) => {
      if (!invite.isWellFormed()) return;
      const link = new URL(pageLink("https://notes.example/page?relay=x#old", invite));
      expect(link.search).toBe("?relay=x");
      expect(inviteInHash(link.hash)).toBe(invite);
    }),
  );
  expect(inviteInHash("")).toBeUndefined();
  expect(inviteInHash("#join=")).toBeUndefined();
  expect(inviteInHash("#join=%")).toBeUndefined();
});

test("only WebSocket addresses are relays", () => {
  expect(relayInQuery("?relay=wss%3A%2F%2Frelay.example")).toBe("wss://relay.example");
  for (const bad of ["", "?relay=", "?relay=javascript:alert(1)", "?relay=https://x", "?relay=%"]) {
    expect(relayInQuery(bad)).toBeUndefined();
  }
});
