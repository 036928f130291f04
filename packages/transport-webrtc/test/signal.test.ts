/** docs/spec/transport-webrtc.md §3, §4: rooms, and what is said in them. */
import { fromHex, toHex, utf8 } from "@hawser/codec";
import { createCrypto } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import { createSeededRandom } from "@hawser/sync/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { everybody, openSignal, roomOf, sealSignal, type Signal } from "../src/signal.ts";

const crypto = await createCrypto();
const deps = { crypto, random: createSeededRandom(1) };
const topic = toHex(crypto.hash(utf8("topic"))) as Topic;
const followKey = crypto.hash(utf8("follow key"));
const room = roomOf(crypto, topic, followKey);
const none = new Uint8Array(16);
const hello: Signal = {
  kind: "hello",
  from: none.slice().fill(1),
  to: everybody,
  session: none,
  description: "",
};
const offer: Signal = {
  kind: "offer",
  from: none.slice().fill(1),
  to: none.slice().fill(2),
  session: none.slice().fill(3),
  description: "v=0\r\n",
};

describe("rooms", () => {
  test("another key or another topic is another room, with another key", () => {
    const other = crypto.hash(utf8("other"));
    const rooms = [
      room,
      roomOf(crypto, topic, other),
      roomOf(crypto, toHex(other) as Topic, followKey),
      roomOf(crypto, toHex(followKey) as Topic, fromHex(topic) ?? other),
    ];
    const all = rooms.flatMap(({ name, key }) => [toHex(name), toHex(key)]);
    expect(new Set(all).size).toBe(8);
  });
});

describe("signals", () => {
  test("all kinds come out as they went in, and are of two lengths", () => {
    const long = { ...offer, description: "x".repeat(8_000) };
    const here: Signal = { ...hello, kind: "here", to: offer.to };
    const lengths = [hello, here, offer, { ...offer, kind: "answer" as const }, long].map((one) => {
      const sealed = sealSignal(deps, room, one);
      expect(openSignal(crypto, room, sealed)).toEqual(one);
      return sealed.length;
    });
    expect(lengths).toEqual([4_136, 4_136, 4_136, 4_136, 8_232]);
  });

  test("the same said twice cannot be told to be the same, and shows nothing of itself", () => {
    const description = "a=candidate:1 1 udp 1 192.168.178.20 9 typ host";
    const [one, two] = [0, 1].map(() => sealSignal(deps, room, { ...offer, description }));
    expect(one).not.toEqual(two);
    const text = new TextDecoder("latin1").decode(one);
    expect(text).not.toContain("192.168");
    expect(text).not.toContain("candidate");
  });

  test("neither another room's key nor another room's name opens it", () => {
    const sealed = sealSignal(deps, room, offer);
    const other = roomOf(crypto, topic, crypto.hash(utf8("other")));
    expect(openSignal(crypto, other, sealed)).toBeUndefined();
    expect(openSignal(crypto, { ...room, name: other.name }, sealed)).toBeUndefined();
  });

  test("no flipped bit and no cut is taken", () => {
    const sealed = sealSignal(deps, room, offer);
    fc.assert(
      fc.property(fc.nat(sealed.length * 8 - 1), fc.nat(sealed.length - 1), (bit, length) => {
        const flipped = sealed.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(openSignal(crypto, room, flipped)).toBeUndefined();
        expect(openSignal(crypto, room, sealed.subarray(0, length))).toBeUndefined();
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  const change = (at: number, value: number) => (plain: Uint8Array) => {
    plain[at] = value;
  };
  test.each([
    ["another version", change(0, 2)],
    ["an unknown kind", change(1, 4)],
    ["a hello with a description", change(1, 0)],
    ["a description that ends behind the end", change(50, 255)],
    ["no description", (plain: Uint8Array) => plain.fill(0, 50, 57)],
    ["bytes after the end", change(4_095, 1)],
    ["an offer without a session", (plain: Uint8Array) => plain.fill(0, 34, 50)],
    ["an offer to everybody", (plain: Uint8Array) => plain.fill(0, 18, 34)],
  ])("%s is not taken, though a member sealed it", (_name, spoil) => {
    const sealed = sealSignal(deps, room, offer);
    const associated = new Uint8Array([...utf8("hawser signal v1"), ...room.name]);
    const nonce = sealed.subarray(0, 24);
    const plain = crypto.open(room.key, nonce, sealed.subarray(24), associated) ?? none;
    const again = (bytes: Uint8Array): Uint8Array =>
      new Uint8Array([...nonce, ...crypto.seal(room.key, nonce, bytes, associated)]);
    expect(openSignal(crypto, room, again(plain))).toEqual(offer);
    spoil(plain);
    expect(openSignal(crypto, room, again(plain))).toBeUndefined();
  });
});
