import { expect, expectTypeOf, test } from "vitest";
import {
  buildDatapoint,
  parsePacket,
  readPacket,
  verifyPacket,
  withNetHeader,
  type Packet,
} from "@hawser/packet";
import { crypto, hello } from "./helpers.ts";

function needsVerified(packet: Packet<"verified">): number {
  return packet.bytes.length;
}

function needsUnverified(packet: Packet<"unverified">): number {
  return packet.bytes.length;
}

function needsAny(packet: Packet): number {
  return packet.bytes.length;
}

test("[LK-decode] the type checker keeps unverified and verified packets apart", () => {
  const parsed = parsePacket(hello.bytes);
  if (!parsed.ok) throw new Error(parsed.reason);
  const { packet } = parsed;
  expectTypeOf(packet).toEqualTypeOf<Packet<"unverified">>();
  // @ts-expect-error an unverified packet is not a verified one
  expect(needsVerified(packet)).toBe(80);
  expect(needsUnverified(packet)).toBe(80);
  expect(needsAny(packet)).toBe(80);

  const verified = verifyPacket(crypto, packet);
  if (!verified.ok) throw new Error(verified.reason);
  expectTypeOf(verified.packet).toEqualTypeOf<Packet<"verified">>();
  expect(needsVerified(verified.packet)).toBe(80);
  // @ts-expect-error a verified packet is not an unverified one
  expect(needsUnverified(verified.packet)).toBe(80);
  expect(needsAny(verified.packet)).toBe(80);
});

test("[LK-decode] what was read or built is verified; what was only parsed is not", () => {
  const read = readPacket(crypto, hello.bytes);
  if (!read.ok) throw new Error(read.reason);
  expectTypeOf(read.packet).toEqualTypeOf<Packet<"verified">>();
  expectTypeOf(buildDatapoint(crypto, hello.data)).toEqualTypeOf<Packet<"verified">>();
  expectTypeOf(withNetHeader(read.packet, read.packet.netHeader)).toEqualTypeOf<
    Packet<"verified">
  >();
});

test("[LK-decode] packets are made by this package alone", () => {
  const { bytes, kind } = hello;
  // @ts-expect-error a look-alike has no verification state
  const forged: Packet<"verified"> = { bytes, kind };
  expect(forged.kind).toBe("datapoint");
});
