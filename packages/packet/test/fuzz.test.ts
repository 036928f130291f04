import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildLinkpoint,
  createPacketSplitter,
  parsePacket,
  parsePackets,
  printPacket,
  readPacket,
  treeKey,
  type Packet,
} from "@hawser/packet";
import { oracleDecode, type OracleResult } from "@hawser/packet/testing";
import { arbitraryDraft } from "./arbitraries.ts";
import { createCrypto } from "@hawser/crypto";
import { keypoint, samples, toHex } from "./helpers.ts";

// The fastest back end of this machine: every bit of a keypoint costs a signature check.
const crypto = await createCrypto();

const modes = ["strict", "reference"] as const;

/** The fast parser's answer in the oracle's words. */
function fastDecode(bytes: Uint8Array, mode: "strict" | "reference"): OracleResult {
  const parsed = parsePacket(bytes, { mode, allowPrivate: true });
  if (!parsed.ok) return { ok: false, reason: parsed.reason, value: parsed.value };
  const { packet, rest } = parsed;
  const optional = (value: Uint8Array | undefined): string | undefined =>
    value === undefined ? undefined : toHex(value);
  return {
    ok: true,
    size: bytes.length - rest.length,
    fields: {
      kind: packet.kind,
      netHeader: toHex(packet.bytes.subarray(0, 32)),
      hash: toHex(packet.hash),
      stamp: packet.stamp,
      group: toHex(packet.group),
      domain: toHex(packet.domain),
      depth: packet.pathDepth,
      path: packet.path.map(toHex),
      links: packet.links.map((link) => toHex(link.tag) + toHex(link.pointer)),
      data: toHex(packet.data),
      publicKey: optional(packet.publicKey),
      signature: optional(packet.signature),
      signedBytes: optional(packet.signedBytes),
    },
  };
}

function expectSame(bytes: Uint8Array): void {
  for (const mode of modes) expect(fastDecode(bytes, mode)).toEqual(oracleDecode(bytes, mode));
}

/** Touches everything a packet offers. */
function useAll(packet: Packet): number {
  return (
    printPacket(packet).length +
    (treeKey(packet)?.length ?? 0) +
    packet.links.length +
    packet.path.length +
    Number(packet.netHeader.stamp & 1n) +
    (packet.stampNumber ?? 0)
  );
}

/** Header bytes that get past the first checks often, then anything. */
const plausible: fc.Arbitrary<Uint8Array> = fc
  .record({
    type: fc.constantFrom(1, 3, 3, 7, 7, 128, 0, 5),
    pointBytes: fc.oneof(fc.nat(300), fc.nat(65_535)),
    pathOffset: fc.oneof(fc.constantFrom(64, 112, 160), fc.nat(300)),
    pathBytes: fc.oneof(fc.constantFrom(0, 8, 10), fc.nat(250)),
    rest: fc.uint8Array({ minLength: 8, maxLength: 400 }),
  })
  .map(({ type, pointBytes, pathOffset, pathBytes, rest }) => {
    const bytes = new Uint8Array(64 + 8 + rest.length);
    bytes.set([0x4c, 0x4b, 0x31, 0]);
    const dataOffset = pathOffset + pathBytes;
    bytes.set([0, type, pointBytes >> 8, pointBytes & 255], 64);
    bytes.set([pathOffset >> 8, pathOffset & 255, dataOffset >> 8, dataOffset & 255], 68);
    bytes.set(rest, 72);
    return bytes;
  });

describe("fast parser against the oracle", () => {
  test("[LK-decode] on random bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), expectSame), { numRuns: 1000 });
  });

  test("[LK-decode] on bytes with a plausible header", () => {
    fc.assert(fc.property(plausible, expectSame), { numRuns: 1500 });
  });

  test("[LK-decode] on built packets", () => {
    fc.assert(
      fc.property(arbitraryDraft, (fields) => expectSame(buildLinkpoint(crypto, fields).bytes)),
      { numRuns: 200 },
    );
  });

  test("[LK-decode] on mutated packets", () => {
    const edit = fc.record({ offset: fc.nat(), value: fc.nat(255) });
    fc.assert(
      fc.property(arbitraryDraft, fc.array(edit, { maxLength: 6 }), (fields, edits) => {
        const bytes = buildLinkpoint(crypto, fields).bytes.slice();
        for (const { offset, value } of edits) bytes[offset % bytes.length] = value;
        expectSame(bytes);
      }),
      { numRuns: 500 },
    );
  });

  test("[LK-decode] [LK-strict] on every value of every byte of header and path prefix", () => {
    const bytes = keypoint.bytes.slice();
    const offsets = [0, 1, 2, 3, 64, 65, 66, 67, 68, 69, 70, 71];
    for (let offset = 224; offset < 240; offset++) offsets.push(offset);
    for (const offset of offsets) {
      const before = bytes[offset] ?? 0;
      for (let value = 0; value < 256; value++) {
        bytes[offset] = value;
        for (const mode of modes) {
          const [fast, slow] = [fastDecode(bytes, mode), oracleDecode(bytes, mode)];
          if (fast.ok !== slow.ok || (!fast.ok && !slow.ok && fast.reason !== slow.reason)) {
            throw new Error(`offset ${offset} value ${value} mode ${mode}`);
          }
        }
      }
      bytes[offset] = before;
    }
  });
});

describe("hostile bytes", () => {
  test("[LK-decode] every single-bit flip of the point is caught, of the net header ignored", () => {
    for (const packet of samples) {
      const bytes = packet.bytes.slice();
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const offset = bit >> 3;
        bytes[offset] = (bytes[offset] ?? 0) ^ (1 << (bit & 7));
        const read = readPacket(crypto, bytes, { mode: "reference" });
        expect(read.ok).toBe(offset < 32);
        if (offset >= 3 && offset < 32) {
          expect(readPacket(crypto, bytes).ok).toBe(bit !== 31);
        }
        bytes[offset] = packet.bytes[offset] ?? 0;
      }
    }
  });

  test("[LK-decode] no input throws, and every accepted packet can be used", () => {
    const inputs = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }),
      plausible,
      arbitraryDraft.map((fields) => buildLinkpoint(crypto, fields).bytes),
    );
    let accepted = 0;
    fc.assert(
      fc.property(inputs, fc.constantFrom(...modes), (bytes, mode) => {
        for (const parsed of parsePackets(bytes, { mode, allowPrivate: true })) {
          if (!parsed.ok) continue;
          accepted++;
          expect(useAll(parsed.packet)).toBeGreaterThan(0);
        }
        const splitter = createPacketSplitter({ mode, allowPrivate: true });
        for (let offset = 0; offset < bytes.length; offset += 37) {
          splitter.push(bytes.subarray(offset, offset + 37));
          expect(splitter.pendingBytes).toBeLessThanOrEqual(bytes.length);
        }
        splitter.finish();
      }),
      { numRuns: 1000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  test("[LK-decode] a stated size never makes the splitter hold more than arrived", () => {
    const splitter = createPacketSplitter({ mode: "reference" });
    const prefix = new Uint8Array(68);
    prefix.set([0, 1, 0xfe, 0], 64);
    expect(splitter.push(prefix).rejection).toBe(undefined);
    expect(splitter.pendingBytes).toBe(68);
    expect(splitter.finish()).toMatchObject({ reason: "PACKET_TRUNCATED", value: 65_088 });
  });
});
