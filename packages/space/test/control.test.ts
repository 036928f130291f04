/** Control entries, docs/spec/6-space.md §3. */
import { toHex, utf8 } from "@hawser/codec";
import { createNobleCrypto, type AuthorId } from "@hawser/crypto";
import type { LogId, Topic } from "@hawser/log";
import { describe, expect, test } from "vitest";
import {
  controlPartBytes,
  encodeControl,
  createPartJoiner,
  openControl,
  sealControl as sealPlaintext,
  type ControlContent,
  type ControlPart,
  type PartJoiner,
} from "../src/control.ts";
import { associatedData, type Place } from "../src/place.ts";
import { encodeCbor, concatBytes, type CborValue } from "@hawser/codec";

const crypto = createNobleCrypto();
const key = new Uint8Array(32).fill(1);
const place: Place = {
  topic: "0a".repeat(32) as Topic,
  logId: "0b".repeat(32) as LogId,
  author: "0c".repeat(32) as AuthorId,
  seq: 0,
};
const signature = new Uint8Array(64).fill(2);
const contents: readonly ControlContent[] = [
  { kind: "auth", op: utf8("op"), signature },
  { kind: "bundle", bundle: utf8("bundle") },
  {
    kind: "carry",
    ops: [
      { op: utf8("op"), signature },
      { op: utf8("other"), signature },
    ],
  },
  { kind: "keys", op: utf8("keys") },
  { kind: "address", address: "wss://relay.example", ttlSeconds: 3_600 },
  {
    kind: "evidence",
    evidence: { author: place.author, from: 3, count: 2, bytes: utf8("a range") },
  },
];

function sealControl(
  ...[backEnd, metadataKey, at, content]: readonly [
    typeof crypto,
    Uint8Array,
    Place,
    ControlContent,
  ]
): Uint8Array {
  const [plaintext, ...rest] = encodeControl(content);
  if (plaintext === undefined || rest.length > 0) throw new Error("more than one part");
  return sealPlaintext(backEnd, metadataKey, at, plaintext);
}

describe("control entries", () => {
  test("long content is cut into parts and joined again", () => {
    const op = new Uint8Array(3 * controlPartBytes).fill(7);
    const parts = encodeControl({ kind: "keys", op }).map((plaintext, index) => {
      const at = { ...place, seq: index };
      const opened = openControl(crypto, key, at, sealPlaintext(crypto, key, at, plaintext));
      if (opened?.kind !== "part") throw new Error("no part");
      return opened;
    });
    expect(parts.map((part) => part.more)).toEqual([true, true, true, false]);
    const join = (items: readonly ControlPart[]): ReturnType<PartJoiner["next"]> => {
      const joiner = createPartJoiner();
      return items.map((part) => joiner.next(part)).at(-1);
    };
    expect(join(parts)).toEqual({ kind: "keys", op });
    expect(join(parts.slice(0, 3))).toBeUndefined();
    expect(join(parts.slice(1))).toBe("unreadable");
    const bytes = encodeCbor([4, false, utf8("x")]);
    expect(join([{ kind: "part", more: false, bytes }])).toBe("unreadable");
    expect(() =>
      encodeControl({ kind: "keys", op: new Uint8Array(17 * controlPartBytes) }),
    ).toThrow(expect.objectContaining({ code: "SPACE_BODY_TOO_LARGE" }));
  });

  test.each(contents)("a $kind entry survives and shows nothing without the key", (content) => {
    const data = sealControl(crypto, key, place, content);
    expect(openControl(crypto, key, place, data)).toEqual(content);
    expect(openControl(crypto, new Uint8Array(32), place, data)).toBeUndefined();
    expect(openControl(crypto, key, { ...place, seq: 1 }, data)).toBeUndefined();
    expect(
      openControl(crypto, key, { ...place, logId: place.topic as string as LogId }, data),
    ).toBeUndefined();
  });

  test("[P2-M16] the nonce depends on the content: a restored backup cannot reuse one", () => {
    const first = sealControl(crypto, key, place, { kind: "auth", op: utf8("a"), signature });
    const second = sealControl(crypto, key, place, { kind: "auth", op: utf8("b"), signature });
    expect(toHex(first.subarray(0, 24))).not.toBe(toHex(second.subarray(0, 24)));
  });

  test.each<readonly [string, CborValue]>([
    ["an unknown kind", [9, utf8("x")]],
    ["no array", 7],
    ["no field", [0]],
    ["an op without a signature", [0, utf8("x")]],
    ["a short signature", [0, utf8("x"), utf8("short")]],
    ["a field too many", [0, utf8("x"), signature, 1]],
    ["text for bytes", [0, "x", signature]],
    ["nothing carried", [7]],
    ["a carried op without a signature", [7, [utf8("x")]]],
    ["text that is carried", [7, ["x", signature]]],
    [
      "too much carried at once",
      [7, ...Array.from({ length: 1_025 }, () => [utf8("x"), signature])],
    ],
    ["a part without bytes", [4, true]],
    ["a part with text", [4, true, "x"]],
    ["an address without ttl", [3, "wss://a.example"]],
    ["a negative ttl", [3, "wss://a.example", -1]],
    ["a ttl over the limit", [3, "wss://a.example", 1e9]],
    ["a bad address", [3, "a b", 1]],
  ])("%s is not understood", (_name, value) => {
    const nonce = new Uint8Array(24);
    const data = concatBytes(
      nonce,
      crypto.seal(key, nonce, encodeCbor(value), associatedData(place)),
    );
    expect(openControl(crypto, key, place, data)).toBeUndefined();
  });

  test("short and changed bytes are not understood", () => {
    const data = sealControl(crypto, key, place, { kind: "auth", op: utf8("op"), signature });
    for (let size = 0; size < data.length; size++) {
      expect(openControl(crypto, key, place, data.subarray(0, size))).toBeUndefined();
    }
    for (let index = 0; index < data.length; index++) {
      const changed = data.slice();
      changed[index] = (changed[index] ?? 0) ^ 0x80;
      expect(openControl(crypto, key, place, changed)).toBeUndefined();
    }
  });
});
