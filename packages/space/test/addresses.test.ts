/** Address book and multiaddrs, docs/spec/6-space.md §8. */
import { fromHex, toHex } from "@hawser/codec";
import type { LogId } from "@hawser/log";
import { describe, expect, test } from "vitest";
import { addressesPerLogMax, createAddressBook } from "../src/addresses.ts";
import {
  decapsulate,
  decodeMultiaddr,
  encapsulate,
  encodeMultiaddr,
  formatMultiaddr,
  parseMultiaddr,
  peerIdBytes,
  peerIdCid,
  peerIdPublicKey,
} from "../src/multiaddr.ts";
import { createTestClock } from "./help.ts";

const log = "0a".repeat(32) as LogId;
const other = "0b".repeat(32) as LogId;
const a = "wss://a.example";
const b = "/ip4/127.0.0.1/tcp/1";

describe("address book", () => {
  test("[TH-035] one log has several addresses", () => {
    const book = createAddressBook({ clock: createTestClock() });
    book.add(log, a, 60);
    book.add(log, b, 60);
    expect(book.addresses(log).map((entry) => entry.address)).toEqual([b, a]);
    expect(book.addresses(other)).toEqual([]);
    expect(book.logs()).toEqual([log]);
  });

  test("[TH-036] expired addresses vanish", () => {
    const clock = createTestClock();
    const book = createAddressBook({ clock });
    book.add(log, a, 1);
    expect(book.addresses(log)).toHaveLength(1);
    clock.advance(2);
    expect(book.addresses(log)).toEqual([]);
    expect(book.logs()).toEqual([]);
  });

  test("[TH-036] add never shortens, does nothing for ttl 0, and set replaces", () => {
    const clock = createTestClock();
    const book = createAddressBook({ clock });
    book.add(log, a, 0);
    book.add(log, a, -5);
    expect(book.addresses(log)).toEqual([]);
    book.add(log, a, 100);
    book.add(log, a, 10);
    expect(book.addresses(log)[0]?.ttlSeconds).toBe(100);
    book.add(log, a, 200);
    expect(book.addresses(log)[0]?.ttlSeconds).toBe(200);
    book.set(log, a, 10);
    expect(book.addresses(log)[0]?.ttlSeconds).toBe(10);
    book.set(log, a, 0);
    expect(book.addresses(log)).toEqual([]);
  });

  test("[TH-036] update touches only addresses with the old ttl", () => {
    const book = createAddressBook({ clock: createTestClock() });
    book.add(log, a, 100);
    book.add(log, b, 50);
    book.update(log, 100, 7);
    expect(book.addresses(log).map((entry) => entry.ttlSeconds)).toEqual([50, 7]);
    book.update(log, 50, 0);
    expect(book.addresses(log).map((entry) => entry.address)).toEqual([a]);
    book.clear(log);
    expect(book.logs()).toEqual([]);
  });

  test("an announcement that is already over is not listed", () => {
    const book = createAddressBook({ clock: createTestClock() });
    book.set(log, a, 60, 1_000_000);
    expect(book.addresses(log)).toEqual([]);
  });

  test("the book is bounded: the soonest to expire goes", () => {
    const book = createAddressBook({ clock: createTestClock() });
    for (let index = 0; index <= addressesPerLogMax; index++) {
      book.add(log, `wss://${index}.example`, 100 + index);
    }
    expect(book.addresses(log)).toHaveLength(addressesPerLogMax);
    expect(book.addresses(log).map((entry) => entry.address)).not.toContain("wss://0.example");
  });

  test.each(["", "relay", "wss://", "wss://a b", "WSS://a", `wss://${"x".repeat(300)}`, "wss://é"])(
    "%s is no address",
    (address) => {
      const book = createAddressBook({ clock: createTestClock() });
      expect(() => book.add(log, address, 1)).toThrow(
        expect.objectContaining({ code: "SPACE_ADDRESS_INVALID" }),
      );
    },
  );
});

describe("multiaddrs", () => {
  const peer = "12D3KooWC2zyCVron7AA34N6oKNtaXaZB51feG9rBkr7QbCcW8ab";
  const host = "12D3KooWRndVhVZPCiQwHBBBdg769GyrPUW13zxwqQyf9r3ANaba";

  test("[TH-031] [TH-032] the paper's example parses, prints back, encapsulates and decapsulates", () => {
    const text = `/ip4/127.0.0.1/tcp/1234/p2p/${host}/ipel/${peer}`;
    const parsed = parseMultiaddr(text) ?? [];
    expect(formatMultiaddr(parsed)).toBe(text);
    const outer = decapsulate(parsed, "ipel");
    expect(formatMultiaddr(outer)).toBe(`/ip4/127.0.0.1/tcp/1234/p2p/${host}`);
    const inner = parseMultiaddr(`/ipel/${peer}`) ?? [];
    expect(encapsulate(outer, inner)).toEqual(parsed);
    expect(encodeMultiaddr(parsed)).toBeUndefined();
  });

  test("[TH-032] a thread address has the bytes Textile gave it", () => {
    const text = `/ip4/127.0.0.1/tcp/4006/p2p/${host}/thread/bafkxd5bjgi6k4zivuoyxo4ua4mzyy`;
    const hex =
      "047f000001060fa6a50326002408011220ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1" +
      "960312015571f429323cae6515a3b1777280e3338c";
    const parsed = parseMultiaddr(text);
    const bytes = parsed === undefined ? undefined : encodeMultiaddr(parsed);
    expect(toHex(bytes ?? new Uint8Array(0))).toBe(hex);
    expect(decodeMultiaddr(fromHex(hex) ?? new Uint8Array(0))).toEqual(parsed);
    for (let size = 1; size < hex.length / 2; size++) {
      const cut = decodeMultiaddr((fromHex(hex) ?? new Uint8Array(0)).subarray(0, size));
      expect(cut).not.toEqual(parsed);
    }
  });

  test("[TH-051] the public key can be read out of the paper's peer id", () => {
    const bytes = peerIdBytes(peer) ?? new Uint8Array(0);
    expect(peerIdPublicKey(bytes)).toBe(
      "20f3f45b5662e9ca5514c40fc2df3fa3f8a0bf19c498f2de73787ed95870a330",
    );
    expect(peerIdCid(bytes)).toBe(
      "bafzaajaiaejcaiht6rnvmyxjzjkrjrapylpt7i7yuc7rtrey6lphg6d63fmhbizq",
    );
  });

  test.each([
    "",
    "ip4/1.2.3.4",
    "/ip4",
    "/ip4/1.2.3",
    "/ip4/256.1.1.1",
    "/ip4/01.1.1.1",
    "/tcp/70000",
    "/tcp/-1",
    "/tcp/01",
    "/nothing/1",
    "/p2p/abc",
    `/p2p/${peer.slice(0, -1)}`,
    "/thread/zzz",
    "/dns/a b",
    "/ws".repeat(17),
  ])("%s is no multiaddr", (text) => {
    expect(parseMultiaddr(text)).toBeUndefined();
  });

  test("bytes with an unknown protocol or an over-long value are no multiaddr", () => {
    for (const hex of ["", "ff", "99990100", "04", "04010203", "a503ff7f00", "9603020155"]) {
      const parsed = decodeMultiaddr(fromHex(hex) ?? new Uint8Array(0));
      if (hex === "") expect(parsed).toEqual([]);
      else expect([hex, parsed]).toEqual([hex, undefined]);
    }
  });
});
