import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeWire,
  edgeOf,
  emptyEdge,
  encodeWire,
  formatThreadKey,
  identityOf,
  issueToken,
  keyPairOf,
  marshalPrivateKey,
  openBox,
  parseThreadKey,
  sealBox,
  tokenUser,
  unmarshalPrivateKey,
  unmarshalPublicKey,
} from "../src/index.ts";

const host = keyPairOf(new Uint8Array(32).fill(3));
const user = keyPairOf(new Uint8Array(32).fill(2));
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

test("thread keys come back from their text; other lengths are none", () => {
  fc.assert(
    fc.property(bytes32, fc.option(bytes32, { nil: undefined }), (service, read) => {
      const key = read === undefined ? { service } : { service, read };
      expect(parseThreadKey(formatThreadKey(key))).toEqual(key);
    }),
  );
  for (const text of [
    "",
    "b",
    "bceirceirceirceirceirceirceirceirceirceirceirceirceir",
    "z123",
    "b!!",
  ]) {
    expect(parseThreadKey(text)).toBeUndefined();
  }
});

test("private keys of Go and of old JavaScript clients are read, halves must fit", () => {
  const go = marshalPrivateKey(user);
  expect(unmarshalPrivateKey(go)).toEqual(user);
  const long = Uint8Array.of(0x08, 0x01, 0x12, 0x60, ...go.subarray(4), ...user.publicKey);
  expect(unmarshalPrivateKey(long)).toEqual(user);
  const wrong = go.slice();
  wrong[40] = (wrong[40] ?? 0) ^ 1;
  expect(unmarshalPrivateKey(wrong)).toBeUndefined();
  expect(unmarshalPrivateKey(go.slice(0, 67))).toBeUndefined();
  expect(unmarshalPrivateKey(long.slice(0, 99))).toBeUndefined();
  expect(unmarshalPublicKey(go)).toBeUndefined();
});

test("a box opens for its recipient and for nobody else, whole or not at all", () => {
  const random = (count: number): Uint8Array => new Uint8Array(count).fill(7);
  const plain = new TextEncoder().encode("Hello");
  const sealed = sealBox(user.publicKey, plain, random);
  expect(openBox(user, sealed)).toEqual(plain);
  expect(openBox(host, sealed)).toBeUndefined();
  for (let at = 0; at < sealed.length; at += 7) {
    const changed = sealed.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(openBox(user, changed)).toBeUndefined();
  }
  expect(openBox(user, sealed.subarray(0, 60))).toBeUndefined();
});

test("a token names its user to its host; changed or foreign ones name nobody", () => {
  const identity = identityOf(user.publicKey);
  const token = issueToken(host, identity, 1_600_000_000);
  expect(tokenUser(token, host.publicKey)).toBe(identity);
  expect(tokenUser(token, user.publicKey)).toBeUndefined();
  expect(tokenUser(issueToken(host, "bbaad", 1), host.publicKey)).toBeUndefined();
  for (const bad of [
    "",
    "a.b.c",
    `${token}.x`,
    token.slice(0, -4),
    `x${token}`,
    "a".repeat(5000),
  ]) {
    expect(tokenUser(bad, host.publicKey)).toBeUndefined();
  }
});

test("digests do not mind the order, and mind everything else", () => {
  const part = (id: number, value: number) => ({
    id: Uint8Array.of(id),
    value: Uint8Array.of(value),
  });
  const parts = [part(1, 2), part(3, 4), part(1, 1)];
  expect(edgeOf([...parts].reverse())).toBe(edgeOf(parts));
  expect(edgeOf(parts.slice(1))).not.toBe(edgeOf(parts));
  expect(edgeOf([])).toBe(emptyEdge);
});

test("messages come back, with integers of 64 bits", () => {
  const message = {
    edges: [{ threadId: Uint8Array.of(1), exists: 1n, addressEdge: 2n ** 64n - 1n, headsEdge: 0n }],
  };
  const bytes = encodeWire("ExchangeEdgesReply", message);
  expect(decodeWire("ExchangeEdgesReply", bytes)).toEqual(message);
  expect(decodeWire("PushLogReply", new Uint8Array(0))).toEqual({});
});

test.each([
  ["an unknown field", [0x7a, 0x00]],
  ["a field twice", [0x0a, 0x01, 0x01, 0x0a, 0x01, 0x02]],
  ["a length past the end", [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]],
  ["an integer that never ends", [0x28, ...Array.from({ length: 11 }, () => 0x80)]],
  ["another wire type", [0x0d, 0, 0, 0, 0]],
])("a message with %s is refused", (_name, bytes) => {
  expect(decodeWire("Log", Uint8Array.from(bytes))).toBeUndefined();
});

test("messages from anywhere get a verdict and never an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const message = decodeWire("GetRecordsReply", bytes);
      if (message !== undefined) {
        expect(decodeWire("GetRecordsReply", encodeWire("GetRecordsReply", message))).toEqual(
          message,
        );
      }
    }),
  );
});
