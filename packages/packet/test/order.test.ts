import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "@hawser/codec";
import {
  buildLinkpoint,
  comparePackets,
  publicGroup,
  treeKey,
  treeValue,
  type LinkpointDraft,
  type Packet,
} from "@hawser/packet";
import { arbitraryDraft } from "./arbitraries.ts";
import { crypto, hello, keypoint, linkpoint, problem, testSecret, toHex } from "./helpers.ts";

const base: LinkpointDraft = { group: publicGroup(), stamp: 5 };

function build(change: Partial<LinkpointDraft>): Packet<"verified"> {
  return buildLinkpoint(crypto, { ...base, ...change });
}

test("[LK-tree-index] key and value of a keypoint", () => {
  expect(toHex(treeKey(keypoint) ?? new Uint8Array(0))).toBe(
    `${toHex(publicGroup())}${"00".repeat(12)}74657374` +
      `020161026263${toHex(crypto.publicKey(testSecret))}`,
  );
  expect(toHex(treeValue(keypoint, 258) ?? new Uint8Array(0))).toBe(
    `00060a24181e4000${toHex(keypoint.hash)}000000000000010200020005`,
  );
});

test("[LK-tree-index] points without a place have no key", () => {
  for (const packet of [hello, problem]) {
    expect(treeKey(packet)).toBe(undefined);
    expect(treeValue(packet, 1)).toBe(undefined);
  }
});

test("[LK-tree-index] a receive stamp must be an unsigned safe integer", () => {
  for (const received of [-1, 0.5, 2 ** 53, Number.NaN]) {
    const misuse = expect.objectContaining({ code: "PACKET_NUMBER_RANGE" });
    expect(() => treeValue(linkpoint, received)).toThrow(misuse);
  }
});

test("[LK-tree-index] packets sort by group, domain, depth, path, key, stamp", () => {
  const ordered = [
    build({ group: new Uint8Array(32).fill(1), domain: "z", path: ["z"] }),
    build({ stamp: 4 }),
    build({ stamp: 5 }),
    build({ stamp: 2n ** 63n }),
    build({ path: ["z"] }),
    // Length before bytes: "b" is shorter than "aa".
    build({ path: ["aa"] }),
    build({ path: ["a", "a"] }),
    build({ domain: "a" }),
    build({ domain: "b" }),
    build({ domain: "aa" }),
    linkpoint,
    keypoint,
    build({ domain: "zzzzz" }),
  ];
  const sorted = [...ordered].reverse().sort(comparePackets);
  expect(sorted.map((packet) => toHex(packet.hash))).toEqual(
    ordered.map((packet) => toHex(packet.hash)),
  );
});

test("[LK-tree-index] points without a place come last, by hash", () => {
  const sorted = [hello, problem, keypoint].sort(comparePackets);
  expect(sorted[0]).toBe(keypoint);
  expect(compareBytes(sorted[1]?.hash ?? hello.hash, sorted[2]?.hash ?? hello.hash)).toBeLessThan(
    0,
  );
  expect(comparePackets(hello, hello)).toBe(0);
});

test("[LK-tree-index] index bytes sort like packets", () => {
  fc.assert(
    fc.property(arbitraryDraft, arbitraryDraft, fc.nat(3), (left, right, same) => {
      const shared = same > 0 ? { group: left.group } : {};
      const deeper = same > 1 ? { domain: left.domain ?? "" } : {};
      const a = buildLinkpoint(crypto, left);
      const b = buildLinkpoint(crypto, { ...right, ...shared, ...deeper });
      const [keyA, keyB] = [treeKey(a), treeKey(b)];
      if (keyA === undefined || keyB === undefined) throw new Error("no key");
      const byKey = compareBytes(keyA, keyB);
      if (byKey !== 0) expect(Math.sign(comparePackets(a, b))).toBe(Math.sign(byKey));
    }),
    { numRuns: 200 },
  );
});
