import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildDatapoint,
  buildErrorPoint,
  buildKeypoint,
  buildLinkpoint,
  datapointDataBytesMax,
  encodeLinkPoint,
  hashToText,
  keypointDataBytesMax,
  keypointLinkCountMax,
  linkPointBytes,
  linkpointDataBytesMax,
  linkpointLinkCountMax,
  packetBytesMax,
  packetBytesMin,
  parsePacket,
  pointTypes,
  privateGroup,
  publicGroup,
  readPacket,
  type LinkpointDraft,
  type LinkPointFields,
  type Packet,
  type PacketErrorCode,
} from "@hawser/packet";
import { arbitraryDraft } from "./arbitraries.ts";
import {
  bytesOf,
  crypto,
  draft,
  hello,
  keypoint,
  linkpoint,
  testSecret,
  toHex,
  utf8,
} from "./helpers.ts";

const defaultHeader = "4c4b310000000000ffffffffffffffff00000000000000000000000000000000";

/** The fields a packet was built from, as far as they can be told. */
function fieldsOf(packet: Packet): LinkpointDraft {
  const { group, domain, path, links, stamp, data } = packet;
  return { group, domain, path, links, stamp, data };
}

describe("literal bytes", () => {
  test("[LK-encode] a datapoint is header, data and padding under its hash", () => {
    expect(toHex(hello.bytes)).toBe(
      `${defaultHeader}0f9762e58ed1502fdea8c91563c4ce0051aff41f8f406f6331ad862633660301` +
        "0001000968656c6c6fffffffffffffff",
    );
  });

  test("[LK-encode] the smallest packet is a datapoint without data", () => {
    const packet = buildDatapoint(crypto, new Uint8Array(0));
    expect(packet.bytes.length).toBe(packetBytesMin);
    expect(toHex(packet.point)).toBe("00010004ffffffff");
  });

  test("[LK-encode] an error point has the shape of a datapoint", () => {
    const packet = buildErrorPoint(crypto, "gone");
    expect(toHex(packet.point)).toBe("00800008676f6e65");
    expect(packet.kind).toBe("errorpoint");
  });

  test("[LK-encode] the documented keypoint of two links and a path", () => {
    const packet = buildKeypoint(
      crypto,
      {
        group: publicGroup(),
        domain: "my_domain",
        path: ["hello", "world"],
        links: [
          { tag: "link1", pointer: privateGroup() },
          {
            tag: "link2",
            pointer: bytesOf("2d1bf1bc0f64246e348565a55b0a9198b02b33cedc82bfb056c2474185b4367c"),
          },
        ],
        stamp: 1_699_121_012_708_787,
      },
      bytesOf("3ef47fc3ae5136dc212e65e7b1698522384fac34bd65fc01532c61d7d4848514"),
    );
    expect(packet.bytes.length).toBe(344);
    expect(toHex(packet.point.subarray(0, 16))).toBe("0007011400a000b400060957706495b3");
    expect(toHex(packet.rootedPath)).toBe("02060c0c0c0c0c0c0568656c6c6f05776f726c64");
    expect(packet.paddingBytes).toBe(4);
    expect(toHex(packet.hash)).toBe(
      "847e58af6b34bbcf4f7d801949105d1b11f34c0e335a958e3d2779aab9349111",
    );
    expect(toHex(packet.signature ?? new Uint8Array(0))).toBe(
      "c0871bddde6ce59e53e58d7776fad6b8f36bf707d97afab3281deb6f03eb639d" +
        "5b163bae8483a4be84ccec190b44cfa4d21a4a3e6345ee5975dd01ba8ee45504",
    );
  });

  test("[LK-encode] the same draft and secret give the same keypoint", () => {
    expect(toHex(buildKeypoint(crypto, draft, testSecret).bytes)).toBe(toHex(keypoint.bytes));
  });

  test("[LK-encode] strings stand for their UTF-8", () => {
    const texts = buildLinkpoint(crypto, { ...draft, domain: "tést", path: ["ä"] });
    const bytes = buildLinkpoint(crypto, { ...draft, domain: utf8("tést"), path: [utf8("ä")] });
    expect(toHex(texts.bytes)).toBe(toHex(bytes.bytes));
  });

  test("[LK-encode] every data size from 0 to 24 pads to 8 bytes with 0xFF", () => {
    for (let size = 0; size <= 24; size++) {
      const packet = buildDatapoint(crypto, new Uint8Array(size).fill(1));
      expect(packet.point.length % 8).toBe(0);
      expect(packet.paddingBytes).toBeLessThan(8);
      const padding = packet.point.subarray(4 + size);
      expect(padding.length).toBe(packet.paddingBytes);
      expect(padding.every((byte) => byte === 0xff)).toBe(true);
    }
  });
});

describe("both directions", () => {
  test("[LK-encode] [LK-decode] fields → linkpoint → fields → linkpoint", () => {
    fc.assert(
      fc.property(arbitraryDraft, (fields) => {
        const packet = buildLinkpoint(crypto, fields);
        const read = readPacket(crypto, packet.bytes, { allowPrivate: true });
        if (!read.ok) throw new Error(read.reason);
        expect(read.packet.stamp).toBe(BigInt(fields.stamp));
        expect(read.packet.data).toEqual(fields.data);
        expect(read.packet.path).toEqual(fields.path);
        expect(read.packet.linkCount).toBe(fields.links?.length);
        const again = buildLinkpoint(crypto, fieldsOf(read.packet));
        expect(toHex(again.bytes)).toBe(toHex(packet.bytes));
      }),
      { numRuns: 200 },
    );
  });

  test("[LK-encode] [LK-decode] fields → keypoint → fields → keypoint", () => {
    fc.assert(
      fc.property(arbitraryDraft, (fields) => {
        const packet = buildKeypoint(crypto, fields, testSecret);
        const read = readPacket(crypto, packet.bytes, { allowPrivate: true });
        if (!read.ok) throw new Error(read.reason);
        expect(read.packet.publicKey).toEqual(crypto.publicKey(testSecret));
        const again = buildKeypoint(crypto, fieldsOf(read.packet), testSecret);
        expect(toHex(again.bytes)).toBe(toHex(packet.bytes));
      }),
      { numRuns: 20 },
    );
  });

  test("[LK-encode] [LK-decode] data → datapoint → data", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (data) => {
        const read = readPacket(crypto, buildDatapoint(crypto, data).bytes);
        expect(read.ok && read.packet.data).toEqual(data);
      }),
      { numRuns: 100 },
    );
  });

  test("[LK-encode] changed type bytes build and parse under the same table only", () => {
    const types = { ...pointTypes, datapoint: 0x03, linkpoint: 0x02 };
    const packet = buildDatapoint(crypto, utf8("Hello\n"), { types });
    expect(packet.typeByte).toBe(3);
    // As printed by Linkspace 0.7-dev.
    expect(hashToText(packet.hash)).toMatch(/^iHzk-ATX/);
    const light = buildDatapoint(crypto, utf8("light on"), { types });
    expect(hashToText(light.hash)).toMatch(/^lQh39e6E/);
    const read = parsePacket(packet.bytes, { types });
    expect(read.ok && read.packet.kind).toBe("datapoint");
    expect(parsePacket(packet.bytes)).toMatchObject({ ok: false, reason: "PACKET_TOO_SMALL" });
    const link = buildLinkpoint(crypto, draft, { types });
    expect(link.typeByte).toBe(2);
  });
});

describe("limits", () => {
  const zeroLink = { tag: "", pointer: privateGroup() };
  const empty = { group: publicGroup(), stamp: 0 };

  test("[LK-encode] the largest datapoint is 65,088 bytes", () => {
    const packet = buildDatapoint(crypto, new Uint8Array(datapointDataBytesMax));
    expect(packet.bytes.length).toBe(packetBytesMax);
  });

  test("[LK-encode] the largest linkpoint and keypoint are 65,088 bytes", () => {
    const link = buildLinkpoint(crypto, { ...empty, data: new Uint8Array(linkpointDataBytesMax) });
    expect(link.bytes.length).toBe(packetBytesMax);
    const data = new Uint8Array(keypointDataBytesMax);
    expect(buildKeypoint(crypto, { ...empty, data }, testSecret).bytes.length).toBe(packetBytesMax);
  });

  test("[LK-encode] 1,353 links fit a linkpoint and 1,351 a keypoint", () => {
    const links = Array.from({ length: linkpointLinkCountMax }, () => zeroLink);
    expect(buildLinkpoint(crypto, { ...empty, links }).linkCount).toBe(1353);
    const signedLinks = links.slice(0, keypointLinkCountMax);
    expect(buildKeypoint(crypto, { ...empty, links: signedLinks }, testSecret).linkCount).toBe(
      1351,
    );
  });

  const refused: readonly [string, PacketErrorCode, () => unknown][] = [
    [
      "a datapoint of one byte more",
      "PACKET_TOO_LARGE",
      () => buildDatapoint(crypto, new Uint8Array(datapointDataBytesMax + 1)),
    ],
    [
      "an error point of one byte more",
      "PACKET_TOO_LARGE",
      () => buildErrorPoint(crypto, new Uint8Array(datapointDataBytesMax + 1)),
    ],
    [
      "a linkpoint of one byte more",
      "PACKET_TOO_LARGE",
      () => buildLinkpoint(crypto, { ...empty, data: new Uint8Array(linkpointDataBytesMax + 1) }),
    ],
    [
      "a keypoint of one byte more",
      "PACKET_TOO_LARGE",
      () =>
        buildKeypoint(
          crypto,
          { ...empty, data: new Uint8Array(keypointDataBytesMax + 1) },
          testSecret,
        ),
    ],
    [
      "one link more",
      "PACKET_TOO_LARGE",
      () =>
        buildLinkpoint(crypto, {
          ...empty,
          links: Array.from({ length: linkpointLinkCountMax + 1 }, () => zeroLink),
        }),
    ],
    [
      "one link more, signed",
      "PACKET_TOO_LARGE",
      () =>
        buildKeypoint(
          crypto,
          { ...empty, links: Array.from({ length: keypointLinkCountMax + 1 }, () => zeroLink) },
          testSecret,
        ),
    ],
    [
      "a domain of 17 bytes",
      "PACKET_DOMAIN_BYTES",
      () => buildLinkpoint(crypto, { ...empty, domain: "x".repeat(17) }),
    ],
    [
      "a tag of 17 bytes",
      "PACKET_TAG_BYTES",
      () =>
        buildLinkpoint(crypto, {
          ...empty,
          links: [{ tag: "x".repeat(17), pointer: publicGroup() }],
        }),
    ],
    [
      "a pointer of 31 bytes",
      "PACKET_POINTER_BYTES",
      () =>
        buildLinkpoint(crypto, { ...empty, links: [{ tag: "t", pointer: new Uint8Array(31) }] }),
    ],
    [
      "a group of 33 bytes",
      "PACKET_GROUP_BYTES",
      () => buildLinkpoint(crypto, { ...empty, group: new Uint8Array(33) }),
    ],
    [
      "nine path components",
      "PACKET_PATH_DEPTH",
      () => buildLinkpoint(crypto, { ...empty, path: Array.from({ length: 9 }, () => "a") }),
    ],
    [
      "an empty path component",
      "PACKET_PATH_COMPONENT_EMPTY",
      () => buildLinkpoint(crypto, { ...empty, path: ["a", ""] }),
    ],
    [
      "a path component of 201 bytes",
      "PACKET_PATH_COMPONENT_BYTES",
      () => buildLinkpoint(crypto, { ...empty, path: ["x".repeat(201)] }),
    ],
    [
      "a path of 243 bytes",
      "PACKET_PATH_BYTES",
      () => buildLinkpoint(crypto, { ...empty, path: ["x".repeat(200), "x".repeat(41)] }),
    ],
    [
      "a negative stamp",
      "PACKET_NUMBER_RANGE",
      () => buildLinkpoint(crypto, { ...empty, stamp: -1 }),
    ],
    [
      "a fractional stamp",
      "PACKET_NUMBER_RANGE",
      () => buildLinkpoint(crypto, { ...empty, stamp: 0.5 }),
    ],
    [
      "an unsafe stamp",
      "PACKET_NUMBER_RANGE",
      () => buildLinkpoint(crypto, { ...empty, stamp: 2 ** 53 }),
    ],
    [
      "a stamp of 2^64",
      "PACKET_NUMBER_RANGE",
      () => buildLinkpoint(crypto, { ...empty, stamp: 2n ** 64n }),
    ],
  ];
  test.each(refused)("[LK-encode] refuses %s", (_name, code, build) => {
    expect(build).toThrow(expect.objectContaining({ code, name: "PacketError" }));
  });

  test("[LK-encode] errors never show data", () => {
    const secretText = "do not print me";
    const draftWithSecret = { ...empty, domain: secretText + secretText };
    let message = "";
    try {
      buildLinkpoint(crypto, draftWithSecret);
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain("domain has 30 bytes");
    expect(message).not.toContain(secretText);
  });
});

describe("encodeLinkPoint", () => {
  const fields: LinkPointFields = {
    signed: false,
    group: publicGroup(),
    domain: utf8("test"),
    path: [utf8("a"), utf8("bc")],
    links: linkpoint.links,
    stamp: 1_700_000_000_000_000,
    data: utf8("hello"),
  };

  test("[LK-encode] writes the point of the builders over any old bytes", () => {
    const target = new Uint8Array(1000).fill(0xa5);
    const size = encodeLinkPoint(target, 100, fields);
    expect(size).toBe(linkPointBytes(fields));
    expect(toHex(target.subarray(100, 100 + size))).toBe(toHex(linkpoint.point));
    expect(target.subarray(0, 100).every((byte) => byte === 0xa5)).toBe(true);
    expect(target.subarray(100 + size).every((byte) => byte === 0xa5)).toBe(true);
  });

  test("[LK-encode] of a signed point writes exactly the bytes to sign", () => {
    const target = new Uint8Array(1000).fill(0xa5);
    const size = encodeLinkPoint(target, 0, { ...fields, signed: true });
    expect(size).toBe(keypoint.point.length);
    expect(toHex(target.subarray(0, size - 96))).toBe(
      toHex(keypoint.signedBytes ?? new Uint8Array(0)),
    );
    expect(target.subarray(size - 96).every((byte) => byte === 0xa5)).toBe(true);
  });

  test("[LK-encode] fits a target of exactly its size and refuses a smaller one", () => {
    const size = linkPointBytes(fields);
    expect(encodeLinkPoint(new Uint8Array(size), 0, fields)).toBe(size);
    const misuse = expect.objectContaining({ code: "PACKET_TARGET_BYTES" });
    expect(() => encodeLinkPoint(new Uint8Array(size - 1), 0, fields)).toThrow(misuse);
    expect(() => encodeLinkPoint(new Uint8Array(size), 1, fields)).toThrow(misuse);
    expect(() => encodeLinkPoint(new Uint8Array(size), -1, fields)).toThrow(misuse);
  });

  test("[LK-encode] writes Number and bigint stamps alike", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (stamp) => {
        const size = linkPointBytes(fields);
        const [a, b] = [new Uint8Array(size), new Uint8Array(size)];
        encodeLinkPoint(a, 0, { ...fields, stamp });
        encodeLinkPoint(b, 0, { ...fields, stamp: BigInt(stamp) });
        expect(toHex(a)).toBe(toHex(b));
      }),
    );
  });
});
