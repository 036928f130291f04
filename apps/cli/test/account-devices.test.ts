/** How devices of an account are shown and chosen, whatever they have been called. */
import { describe, expect, test } from "vitest";
import type { AuthorId } from "@hawser/crypto";
import { chooseDevice, devicesText, triesToReach } from "../src/account-devices.ts";

// Safe: 32 bytes in hex name an author.
const keyOf = (start: string): AuthorId => start.padEnd(64, "0") as AuthorId;
const laptop = keyOf("aaaaaa1");
const thief = keyOf("bbbbbb2");
const device = (author: AuthorId, name: string) => ({
  author,
  name,
  isSelf: false,
  isPaper: false,
});

test("a relay that fails, or a person who gives up, does not keep the words from being shown", async () => {
  const relay = { address: "wss://relay.example", isConnected: true, misbehaviour: undefined };
  const hawser = { relays: () => [relay] };
  const abort = new AbortController();
  const failing = { synced: () => Promise.reject(new Error("it misbehaves")) };
  expect(await triesToReach(hawser, failing, abort.signal)).toBe(false);
  const waiting = {
    synced: ({ signal }: { readonly signal?: AbortSignal } = {}) =>
      new Promise<void>((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(new Error("called off")));
        abort.abort();
      }),
  };
  expect(await triesToReach(hawser, waiting, abort.signal)).toBe(false);
});

describe("devices of an account", () => {
  test("a device that is called like the paper key does not look like it", () => {
    const row = (name: string | null, isPaper: boolean) => ({
      author: thief,
      name,
      isSelf: false,
      isPaper,
    });
    const lineOf = (text: string): string | undefined => text.split("\n")[1];
    const paper = lineOf(devicesText([row(null, true)]));
    for (const name of ["the 24 words", '"the 24 words', "(no name yet)", "x  (this device)"]) {
      const line = lineOf(devicesText([row(name, false)])) ?? "";
      expect(line).not.toBe(paper);
      expect(line).toMatch(/"[^"]+"$/);
    }
  });

  test("the start of a key means that key, whatever another device is called", () => {
    const devices = [device(laptop, thief.slice(0, 7)), device(thief, "old phone")];
    expect(chooseDevice(devices, thief.slice(0, 7))).toBe(thief);
    expect(chooseDevice(devices, "old phone")).toBe(thief);
  });

  test("a short name is a name, and two of one name are told apart by key alone", () => {
    expect(chooseDevice([device(laptop, "b"), device(thief, "x")], "b")).toBe(laptop);
    const same = [device(laptop, "phone"), device(thief, "phone")];
    expect(() => chooseDevice(same, "phone")).toThrowError(
      expect.objectContaining({ code: "CLI_MEMBER_UNKNOWN" }),
    );
  });
});
