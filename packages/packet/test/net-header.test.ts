import fc from "fast-check";
import { expect, test } from "vitest";
import {
  defaultNetHeader,
  hop,
  netFlags,
  netMagic,
  printNetFlags,
  readNetHeader,
  withNetHeader,
  writeNetHeader,
  type NetHeader,
} from "@hawser/packet";
import { bytesOf, crypto, hello, keypoint, patch, toHex, verdict } from "./helpers.ts";
import { buildDatapoint } from "@hawser/packet";

function written(header: NetHeader): string {
  const bytes = new Uint8Array(32);
  writeNetHeader(bytes, 0, header);
  return toHex(bytes);
}

test("[LK-netheader] the default header", () => {
  expect(written(defaultNetHeader)).toBe(
    "4c4b310000000000ffffffffffffffff00000000000000000000000000000000",
  );
  expect(toHex(hello.bytes.subarray(0, 32))).toBe(written(defaultNetHeader));
});

test("[LK-netheader] fields lie where the format says", () => {
  const bytes = bytesOf("4c4b318500000007123456789abcdef0deadbeefcafebabe0000000a80000000");
  expect(readNetHeader(bytes)).toEqual({
    magic: netMagic,
    flags: netFlags.silent | netFlags.linkedInPrevious | netFlags.alwaysZero,
    hop: 7,
    stamp: 0x1234_5678_9abc_def0n,
    ubits: [0xdead_beef, 0xcafe_babe, 10, 0x8000_0000],
  });
});

test("[LK-netheader] reading and writing keeps every 32 bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      expect(written(readNetHeader(bytes))).toBe(toHex(bytes));
    }),
  );
});

test("[LK-netheader] hop adds one, saturates, and clears always-zero", () => {
  expect(hop(defaultNetHeader).hop).toBe(1);
  expect(hop({ ...defaultNetHeader, hop: 0xffff_ffff }).hop).toBe(0xffff_ffff);
  expect(hop({ ...defaultNetHeader, flags: 0xff }).flags).toBe(0x7f);
  const { magic, stamp, ubits } = hop(defaultNetHeader);
  expect({ magic, stamp, ubits }).toEqual({
    magic: defaultNetHeader.magic,
    stamp: defaultNetHeader.stamp,
    ubits: defaultNetHeader.ubits,
  });
});

test("[LK-netheader] setting it makes a copy with the same identity", () => {
  const header = { ...hop(keypoint.netHeader), stamp: 5n };
  const moved = withNetHeader(keypoint, header);
  expect(moved.netHeader).toEqual(header);
  expect(keypoint.netHeader.hop).toBe(0);
  expect(toHex(moved.hash)).toBe(toHex(keypoint.hash));
  expect(verdict(moved.bytes)).toBe("ok");
  expect(moved.bytes.buffer).not.toBe(keypoint.bytes.buffer);
});

test("[LK-netheader] builders take a header", () => {
  const netHeader = { ...defaultNetHeader, flags: netFlags.dontForward };
  const packet = buildDatapoint(crypto, new Uint8Array(3), { netHeader });
  expect(packet.netHeader.flags).toBe(netFlags.dontForward);
});

test("[LK-netheader] flags print as the reference prints them", () => {
  expect(printNetFlags(0)).toBe("NetFlags(0x0)");
  expect(printNetFlags(0x85)).toBe("NetFlags(SILENT | LINKED_IN_PREVIOUS_PKT | ALWAYS_ZERO)");
  expect(printNetFlags(0x70)).toBe("NetFlags(0x70)");
});

test.each([
  ["magic", { magic: 2 ** 24 }],
  ["flags", { flags: 256 }],
  ["negative flags", { flags: -1 }],
  ["hop", { hop: 2 ** 32 }],
  ["fractional hop", { hop: 0.5 }],
  ["stamp", { stamp: 2n ** 64n }],
  ["negative stamp", { stamp: -1n }],
  ["ubits", { ubits: [0, 0, 0, 2 ** 32] as const }],
])("[LK-netheader] refuses a %s out of range", (_name, change) => {
  const misuse = expect.objectContaining({ code: "PACKET_NUMBER_RANGE" });
  expect(() => written({ ...defaultNetHeader, ...change })).toThrow(misuse);
});

test("[LK-netheader] refuses a target without room", () => {
  const misuse = expect.objectContaining({ code: "PACKET_TARGET_BYTES" });
  expect(() => writeNetHeader(new Uint8Array(31), 0, defaultNetHeader)).toThrow(misuse);
  expect(() => writeNetHeader(new Uint8Array(32), 1, defaultNetHeader)).toThrow(misuse);
});

test("[LK-netheader] the header is outside the hash", () => {
  expect(verdict(patch(hello.bytes, { 4: [1, 2, 3, 4, 5, 6, 7, 8] }))).toBe("ok");
});
