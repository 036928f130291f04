import { concatBytes } from "@hawser/codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildDatapoint,
  createPacketSplitter,
  packetBytesMax,
  type PacketRejectionCode,
} from "@hawser/packet";
import { crypto, hello, keypoint, linkpoint, patch, samples, toHex } from "./helpers.ts";

const large = buildDatapoint(crypto, new Uint8Array(60_000).fill(9));
const stream = concatBytes(...samples.map((packet) => packet.bytes), large.bytes, hello.bytes);
const hashes = [...samples, large, hello].map((packet) => toHex(packet.hash));

/** Hashes of the packets found when the stream comes in pieces of these sizes (the last repeats). */
function split(bytes: Uint8Array, sizes: readonly number[]): string[] {
  const splitter = createPacketSplitter();
  const found: string[] = [];
  let offset = 0;
  for (let count = 0; offset < bytes.length; count++) {
    const size = Math.max(1, sizes[Math.min(count, sizes.length - 1)] ?? 1);
    const { packets, rejection } = splitter.push(bytes.subarray(offset, offset + size));
    if (rejection !== undefined) throw new Error(rejection.reason);
    found.push(...packets.map((packet) => toHex(packet.hash)));
    expect(splitter.pendingBytes).toBeLessThan(packetBytesMax);
    offset += size;
  }
  expect(splitter.finish()).toBe(undefined);
  return found;
}

describe("createPacketSplitter", () => {
  test.each([1, 7, 8, 63, 64, 67, 68, 69, 72, 80, 1000, 1_000_000])(
    "[LK-decode] finds the same packets in chunks of %i bytes",
    (size) => expect(split(stream, [size])).toEqual(hashes),
  );

  test("[LK-decode] finds the same packets in chunks of any sizes", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1 }), (sizes) => {
        expect(split(stream, sizes)).toEqual(hashes);
      }),
      { numRuns: 100 },
    );
  });

  test("[LK-decode] empty chunks change nothing", () => {
    const splitter = createPacketSplitter();
    expect(splitter.push(new Uint8Array(0))).toEqual({ packets: [], rejection: undefined });
    splitter.push(hello.bytes.subarray(0, 70));
    expect(splitter.push(new Uint8Array(0)).packets).toEqual([]);
    expect(splitter.pendingBytes).toBe(70);
    expect(splitter.push(hello.bytes.subarray(70)).packets.length).toBe(1);
  });

  test("[LK-decode] packets given out stay as they are while later chunks arrive", () => {
    const splitter = createPacketSplitter();
    splitter.push(linkpoint.bytes.subarray(0, 100));
    const [first] = splitter.push(linkpoint.bytes.subarray(100)).packets;
    splitter.push(keypoint.bytes.subarray(0, 100));
    splitter.push(keypoint.bytes.subarray(100));
    expect(toHex(first?.bytes ?? new Uint8Array(0))).toBe(toHex(linkpoint.bytes));
  });

  test.each([
    [0, undefined, undefined],
    [1, "PACKET_TOO_SHORT", 68],
    [67, "PACKET_TOO_SHORT", 68],
    [68, "PACKET_TRUNCATED", keypoint.bytes.length],
    [keypoint.bytes.length - 1, "PACKET_TRUNCATED", keypoint.bytes.length],
    [keypoint.bytes.length, undefined, undefined],
  ])("[LK-decode] a stream that ends after %i bytes", (size, reason, value) => {
    const splitter = createPacketSplitter();
    splitter.push(keypoint.bytes.subarray(0, size));
    const expected = reason === undefined ? undefined : { ok: false, reason, value };
    expect(splitter.finish()).toEqual(expected);
  });

  const faults: readonly [PacketRejectionCode, Uint8Array][] = [
    ["PACKET_MAGIC", patch(hello.bytes, { 0: [0] })],
    ["PACKET_TYPE_UNKNOWN", patch(hello.bytes, { 65: [9] })],
    ["PACKET_TOO_LARGE", patch(hello.bytes, { 66: [0xff, 0xff] })],
    ["PACKET_PADDING", patch(hello.bytes, { 79: [0] })],
  ];
  test.each(faults)("[LK-decode] %s ends the stream for good, in any chunks", (reason, bad) => {
    for (const size of [1, 50, 68, 1000]) {
      const splitter = createPacketSplitter();
      const bytes = concatBytes(hello.bytes, bad, hello.bytes);
      let packets = 0;
      let last: string | undefined;
      for (let offset = 0; offset < bytes.length; offset += size) {
        const result = splitter.push(bytes.subarray(offset, offset + size));
        packets += result.packets.length;
        last = result.rejection?.reason;
      }
      expect(packets).toBe(1);
      expect(last).toBe(reason);
      expect(splitter.push(hello.bytes)).toMatchObject({ packets: [], rejection: { reason } });
      expect(splitter.finish()?.reason).toBe(reason);
      expect(splitter.pendingBytes).toBe(0);
    }
  });

  test("[LK-decode] reference mode reaches a verdict on a size of 0 as well", () => {
    const splitter = createPacketSplitter({ mode: "reference" });
    const bytes = patch(hello.bytes, { 66: [0, 0] });
    const results = [...bytes].map((byte) => splitter.push(Uint8Array.of(byte)).rejection?.reason);
    expect(results.at(-1)).toBe("PACKET_POINT_BYTES");
  });
});
