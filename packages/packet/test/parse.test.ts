import { describe, expect, test } from "vitest";
import {
  buildLinkpoint,
  parsePacket,
  parsePackets,
  readPacket,
  referenceError,
  verifyPacket,
  type PacketRejection,
} from "@hawser/packet";
import {
  bytesOf,
  crypto,
  draft,
  hello,
  keypoint,
  linkpoint,
  patch,
  problem,
  rehash,
  samples,
  structure,
  toHex,
  utf8,
  verdict,
  withRootedPath,
} from "./helpers.ts";

const reference = { mode: "reference", allowPrivate: true } as const;

function rejection(bytes: Uint8Array): PacketRejection {
  const read = readPacket(crypto, bytes, reference);
  if (read.ok) throw new Error("accepted");
  return read;
}

/** Bytes, the code, the reference's variant and what its bindings throw. */
const rejected: readonly [string, Uint8Array, string, string, string | number][] = [
  ["no bytes", new Uint8Array(0), "PACKET_TOO_SHORT", "MissingHeader", 68],
  ["67 bytes", hello.bytes.subarray(0, 67), "PACKET_TOO_SHORT", "MissingHeader", 68],
  [
    "a reserved byte",
    rehash(patch(hello.bytes, { 64: [9] })),
    "PACKET_RESERVED_BYTE",
    "HeaderReservedSet 9",
    "pointheader has reserved bit set 9",
  ],
  [
    "a point of 65,025 bytes",
    patch(hello.bytes, { 66: [0xfe, 0x01] }),
    "PACKET_TOO_LARGE",
    "ContentLen",
    "content len exceeds max",
  ],
  ...[0, 2, 4, 5, 6, 8, 0x20, 0x81, 0xff].map(
    (type): [string, Uint8Array, string, string, string] => [
      `type ${type}`,
      rehash(patch(hello.bytes, { 65: [type] })),
      "PACKET_TYPE_UNKNOWN",
      `UnknownPktType ${type}`,
      `an unknown pkt type ${type} was encountered`,
    ],
  ),
  [
    "a linkpoint of 63 bytes",
    patch(linkpoint.bytes, { 66: [0, 63] }),
    "PACKET_TOO_SMALL",
    "ContentLen",
    "content len exceeds max",
  ],
  [
    "a keypoint of 159 bytes",
    patch(keypoint.bytes, { 66: [0, 159] }),
    "PACKET_TOO_SMALL",
    "ContentLen",
    "content len exceeds max",
  ],
  ["one byte short", hello.bytes.subarray(0, 79), "PACKET_TRUNCATED", "MissingBytes 80", 80],
  [
    "data before the path",
    rehash(patch(linkpoint.bytes, { 70: [0, 100] })),
    "PACKET_DATA_OFFSET",
    "DataOffsetIncompatible",
    "data offset should be between spi_offset and pkt_size",
  ],
  [
    "data after the end",
    rehash(patch(linkpoint.bytes, { 70: [0xff, 0xff] })),
    "PACKET_DATA_OFFSET",
    "DataOffsetIncompatible",
    "data offset should be between spi_offset and pkt_size",
  ],
  [
    "data inside the signature block",
    rehash(patch(keypoint.bytes, { 70: [1, 0] })),
    "PACKET_DATA_OFFSET",
    "DataOffsetIncompatible",
    "data offset should be between spi_offset and pkt_size",
  ],
  [
    "a path inside the header",
    rehash(patch(linkpoint.bytes, { 68: [0, 16] })),
    "PACKET_PATH_OFFSET",
    "ISPOffsetIncompatible",
    "offset should be after header",
  ],
  [
    "half a link",
    rehash(patch(linkpoint.bytes, { 68: [0, 88] })),
    "PACKET_LINK_BYTES",
    "IndivisableLinkbytes",
    "bad link size",
  ],
  [
    "a path of 7 bytes",
    withRootedPath(bytesOf("01020202020202")),
    "PACKET_PATH_PREFIX",
    "Space:MissingIdx",
    "invalid spacename",
  ],
  [
    "a path of 251 bytes",
    withRootedPath(bytesOf(`02c9f3f3f3f3f3f3c8${"01".repeat(200)}29${"01".repeat(41)}`)),
    "PACKET_PATH_BYTES",
    "Space:MaxDepth",
    "invalid spacename",
  ],
  [
    "a path component of 201 bytes",
    withRootedPath(bytesOf(`01cacacacacacacac9${"61".repeat(201)}`)),
    "PACKET_PATH_COMPONENT_BYTES",
    "Space:ComponentSize",
    "invalid spacename",
  ],
  [
    "an empty path component",
    withRootedPath(bytesOf("010101010101010100")),
    "PACKET_PATH_COMPONENT_EMPTY",
    "Space:ZeroComponent",
    "invalid spacename",
  ],
  [
    "a path component past the end",
    withRootedPath(bytesOf("01030303030303030361")),
    "PACKET_PATH_TAIL",
    "Space:TailLength",
    "invalid spacename",
  ],
  [
    "depth 1 without components",
    withRootedPath(bytesOf("0100000000000000")),
    "PACKET_PATH_DEPTH",
    "Space:EmptyComponentIdx",
    "invalid spacename",
  ],
  [
    "depth 0 with a component",
    withRootedPath(bytesOf("00020202020202020161")),
    "PACKET_PATH_DEPTH",
    "Space:EmptyComponentIdx",
    "invalid spacename",
  ],
  [
    "a wrong end offset",
    withRootedPath(bytesOf("01020202020202030161")),
    "PACKET_PATH_INDEX",
    "Space:BadOffset",
    "invalid spacename",
  ],
  [
    "nine components",
    withRootedPath(bytesOf(`08020406080a0c0e${"0161".repeat(9)}`)),
    "PACKET_PATH_INDEX",
    "Space:BadOffset",
    "invalid spacename",
  ],
  [
    "a padding byte 0",
    rehash(patch(hello.bytes, { 79: [0] })),
    "PACKET_PADDING",
    "PaddingBitsNotU8Max",
    "The padding bits aren't set right",
  ],
  [
    "padding before the signature block",
    rehash(patch(keypoint.bytes, { [keypoint.bytes.length - 97]: [0xfe] })),
    "PACKET_PADDING",
    "PaddingBitsNotU8Max",
    "The padding bits aren't set right",
  ],
  [
    "another public key",
    rehash(patch(keypoint.bytes, { [keypoint.bytes.length - 96]: [1] })),
    "PACKET_SIGNATURE",
    "InvalidSignature",
    "invalid signature",
  ],
  [
    "a signature of zeros",
    rehash(patch(keypoint.bytes, { [keypoint.bytes.length - 64]: Array(64).fill(0) })),
    "PACKET_SIGNATURE",
    "InvalidSignature",
    "invalid signature",
  ],
  [
    "another hash",
    patch(hello.bytes, { 32: [0xee] }),
    "PACKET_HASH",
    "HashMismatch",
    "hash does not match pkt",
  ],
];

describe("rejections", () => {
  test.each(rejected)("[LK-decode] %s", (_name, bytes, reason, variant, thrown) => {
    const found = rejection(bytes);
    expect(found.reason).toBe(reason);
    expect(referenceError(found)).toEqual({ variant, thrown });
    expect(verdict(bytes)).toBe(reason);
  });

  test("[LK-decode] the order of checks is the reference's", () => {
    // Each change adds a fault that is looked for earlier than the ones before it.
    const steps: readonly [{ readonly [offset: number]: readonly number[] }, string][] = [
      [{ 32: [0xee] }, "PACKET_HASH"],
      [{ [keypoint.bytes.length - 1]: [0xee] }, "PACKET_SIGNATURE"],
      [{ [keypoint.bytes.length - 97]: [0] }, "PACKET_PADDING"],
      [{ 224: [3] }, "PACKET_PATH_DEPTH"],
      [{ 225: [9] }, "PACKET_PATH_INDEX"],
      [{ 68: [0, 88] }, "PACKET_LINK_BYTES"],
      [{ 68: [0, 8] }, "PACKET_PATH_OFFSET"],
      [{ 70: [0, 4] }, "PACKET_DATA_OFFSET"],
      [{ 66: [2, 0] }, "PACKET_TRUNCATED"],
      [{ 66: [0, 159] }, "PACKET_TOO_SMALL"],
      [{ 65: [9] }, "PACKET_TYPE_UNKNOWN"],
      [{ 66: [0xff, 0xff] }, "PACKET_TOO_LARGE"],
      [{ 64: [1] }, "PACKET_RESERVED_BYTE"],
    ];
    let bytes = keypoint.bytes;
    for (const [change, reason] of steps) {
      bytes = patch(bytes, change);
      expect(verdict(bytes, reference)).toBe(reason);
    }
    expect(verdict(bytes.subarray(0, 67), reference)).toBe("PACKET_TOO_SHORT");
  });

  test("[LK-decode] every truncation is rejected, and says how much is needed", () => {
    for (const packet of samples) {
      for (let size = 0; size < packet.bytes.length; size++) {
        const parsed = parsePacket(packet.bytes.subarray(0, size));
        const needed = size < 68 ? 68 : packet.bytes.length;
        expect(parsed).toMatchObject({ ok: false, value: needed });
      }
    }
  });
});

describe("acceptance", () => {
  test("[LK-decode] bytes after a packet are given back", () => {
    const both = bytesOf(toHex(hello.bytes) + toHex(linkpoint.bytes));
    const read = readPacket(crypto, both);
    expect(read.ok && read.packet.bytes.length).toBe(80);
    expect(read.ok && toHex(read.rest)).toBe(toHex(linkpoint.bytes));
  });

  test("[LK-decode] an empty error point and an empty datapoint are legal", () => {
    expect(
      verdict(rehash(patch(hello.bytes.subarray(0, 72), { 64: [0, 1, 0, 4, 255, 255, 255, 255] }))),
    ).toBe("ok");
    expect(
      verdict(
        rehash(patch(hello.bytes.subarray(0, 72), { 64: [0, 128, 0, 4, 255, 255, 255, 255] })),
      ),
    ).toBe("ok");
  });

  test("[LK-decode] any stamp, domain, tag and pointer is legal", () => {
    const packet = buildLinkpoint(crypto, {
      ...draft,
      stamp: 2n ** 64n - 1n,
      domain: new Uint8Array(16).fill(0xff),
      links: [{ tag: new Uint8Array(16).fill(0xff), pointer: new Uint8Array(32) }],
    });
    expect(verdict(packet.bytes)).toBe("ok");
    expect(packet.stamp).toBe(2n ** 64n - 1n);
    expect(packet.stampNumber).toBe(undefined);
  });

  test("[LK-decode] stamps are Numbers up to 2^53 − 1", () => {
    const stampNumber = (stamp: bigint): number | undefined =>
      buildLinkpoint(crypto, { ...draft, stamp }).stampNumber;
    expect(stampNumber(2n ** 53n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
    expect(stampNumber(2n ** 53n)).toBe(undefined);
    expect(stampNumber(2n ** 32n)).toBe(2 ** 32);
    expect(stampNumber(0n)).toBe(0);
  });

  test("[LK-decode] parsing copies nothing", () => {
    const input = keypoint.bytes.slice();
    const parsed = parsePacket(input);
    if (!parsed.ok) throw new Error(parsed.reason);
    const { packet, rest } = parsed;
    const views = [packet.bytes, packet.point, packet.data, packet.group, packet.rootedPath, rest];
    for (const view of views) expect(view.buffer).toBe(input.buffer);
  });

  test("[LK-decode] parsing works on a view in the middle of a buffer", () => {
    const buffer = new Uint8Array(1000).fill(0x55);
    buffer.set(keypoint.bytes, 333);
    const read = readPacket(crypto, buffer.subarray(333, 333 + keypoint.bytes.length));
    expect(read.ok && toHex(read.packet.data)).toBe(toHex(utf8("hello")));
  });

  test("[LK-decode] getters of points without a place give zeros, none and nothing", () => {
    for (const packet of [hello, problem]) {
      expect(toHex(packet.group)).toBe("00".repeat(32));
      expect(toHex(packet.domain)).toBe("00".repeat(16));
      expect(packet.stamp).toBe(0n);
      expect(packet.stampNumber).toBe(0);
      expect(packet.links).toEqual([]);
      expect(packet.path).toEqual([]);
      expect(packet.pathDepth).toBe(0);
      expect(packet.link(0)).toBe(undefined);
      expect(packet.publicKey).toBe(undefined);
      expect(packet.signature).toBe(undefined);
      expect(packet.signedBytes).toBe(undefined);
    }
  });

  test("[LK-decode] links are read by index, and past the end there is none", () => {
    expect(toHex(linkpoint.link(1)?.pointer ?? new Uint8Array(0))).toBe("07".repeat(32));
    expect(toHex(linkpoint.link(0)?.tag ?? new Uint8Array(0))).toBe(`${"00".repeat(13)}6f6e65`);
    for (const index of [2, -1, 0.5, Number.NaN]) expect(linkpoint.link(index)).toBe(undefined);
  });

  test("[LK-decode] verification is of the point: a changed net header does not matter", () => {
    const parsed = parsePacket(patch(keypoint.bytes, { 4: [0, 0, 0, 9] }));
    if (!parsed.ok) throw new Error(parsed.reason);
    const verified = verifyPacket(crypto, parsed.packet);
    expect(verified.ok && verified.packet).toBe(parsed.packet);
    expect(parsed.packet.netHeader.hop).toBe(9);
  });
});

describe("parsePackets", () => {
  test("[LK-decode] yields packets lying back to back", () => {
    const all = bytesOf(samples.map((packet) => toHex(packet.bytes)).join(""));
    const kinds = [...parsePackets(all)].map((parsed) => (parsed.ok ? parsed.packet.kind : "-"));
    expect(kinds).toEqual(samples.map((packet) => packet.kind));
    expect([...parsePackets(new Uint8Array(0))]).toEqual([]);
  });

  test("[LK-decode] ends with the first rejection", () => {
    const all = bytesOf(`${toHex(hello.bytes)}${toHex(hello.bytes).slice(0, 150)}`);
    const verdicts = [...parsePackets(all)].map((parsed) => (parsed.ok ? "ok" : parsed.reason));
    expect(verdicts).toEqual(["ok", "PACKET_TRUNCATED"]);
    const broken = bytesOf(`${"ff".repeat(80)}${toHex(hello.bytes)}`);
    expect([...parsePackets(broken)].length).toBe(1);
  });

  test("[LK-decode] structure and verification are separate", () => {
    expect(structure(patch(hello.bytes, { 32: [0xee] }))).toBe("ok");
    expect(verdict(patch(hello.bytes, { 32: [0xee] }))).toBe("PACKET_HASH");
  });
});
