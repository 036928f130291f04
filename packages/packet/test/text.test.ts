import { base32 } from "multiformats/bases/base32";
import { base58btc } from "multiformats/bases/base58";
import { CID } from "multiformats/cid";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildDatapoint,
  buildKeypoint,
  buildLinkpoint,
  bytesToUniform,
  cidToHash,
  exchangeDomain,
  handshakeDomain,
  hashToCid,
  hashToText,
  lnsDomain,
  printGroup,
  printPacket,
  privateGroup,
  publicGroup,
  publicGroupData,
  statusComponent,
  testGroup,
  testGroupData,
  textToHash,
  toEscapedText,
  toMiniText,
} from "@hawser/packet";
import { bytesOf, crypto, hello, problem, testSecret, toHex, utf8 } from "./helpers.ts";

const hash32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe("hashes", () => {
  test.each([
    ["Hello, Sol!\n", "Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk"],
    ["Test Group", "LRvxvA9kJG40hWWlWwqRmLArM87cgr-wVsJHQYW0Nnw"],
    ["Some data", "ATE6XG70_mx-kV2GCZUIkNijcPa8gd1-C3OYu1pXqcU"],
    ["1", "tykMj7QFUs9PwFvZN4C-Vd06puqsvwO80VTDxSjTjR0"],
    ["2", "ef6IfBb6szkE-MIENvuiQo5AZqz9o2cjWLkTfjI3SeM"],
    ["3", "Zsu1AIcF7LrGWRbTgA3AdwtObQB0pXIcC3-mv_eeXLc"],
    ["hello", "D5di5Y7RUC_eqMkVY8TOAFGv9B-PQG9jMa2GJjNmAwE"],
    ["Hello example", "eVo9H3i6aoDZOT7D3FJfG5foxDXtf7f16vneRXeGLIo"],
  ])("[LK-hashes] datapoint %j is %s", (data, text) => {
    expect(hashToText(buildDatapoint(crypto, utf8(data)).hash)).toBe(text);
  });

  test("[LK-hashes] the linkpoint of the reference's own documentation", () => {
    const linked = buildLinkpoint(crypto, {
      group: publicGroup(),
      domain: "mydomain",
      path: ["hello", "world"],
      links: [
        { tag: "a datapoint", pointer: buildDatapoint(crypto, utf8("this is a datapoint")).hash },
        { tag: "another tag", pointer: publicGroup() },
      ],
      stamp: 0,
      data: utf8("extra data for the linkpoint"),
    });
    expect(hashToText(linked.hash)).toBe("IdnnQjgxJLGxLZGKdaXWVxc82-U8KyJoyKK3sKlD8Lc");
  });

  test("[LK-hashes] the well-known groups are hashes of datapoints", () => {
    expect(buildDatapoint(crypto, publicGroupData()).hash).toEqual(publicGroup());
    expect(buildDatapoint(crypto, testGroupData()).hash).toEqual(testGroup());
    expect(toHex(privateGroup())).toBe("00".repeat(32));
  });

  test("[LK-hashes] the well-known domains", () => {
    expect(exchangeDomain()).toEqual(bytesOf(`${"ff".repeat(8)}${toHex(utf8("exchange"))}`));
    expect(handshakeDomain()).toEqual(bytesOf(`${"00".repeat(6)}ff${toHex(utf8("handshake"))}`));
    expect(lnsDomain()).toEqual(bytesOf(`${"00".repeat(13)}${toHex(utf8("lns"))}`));
    expect(statusComponent()).toEqual(bytesOf(`ff${toHex(utf8("status"))}`));
  });

  test("[LK-hashes] constants are fresh bytes: a caller cannot change them for others", () => {
    publicGroup().fill(0);
    expect(toHex(publicGroup()).slice(0, 8)).toBe("62bb3b8b");
  });

  test("[LK-hashes] texts and hashes are one to one", () => {
    fc.assert(
      fc.property(hash32, (hash) => {
        expect(textToHash(hashToText(hash))).toEqual(hash);
      }),
    );
  });

  test.each([
    "",
    "Yrs7",
    "YrsA".repeat(11),
    `${"A".repeat(42)}B`,
    `${"A".repeat(42)}=`,
    `${"A".repeat(42)}+`,
  ])("[LK-hashes] %j is no hash", (text) => expect(textToHash(text)).toBe(undefined));

  test("[LK-hashes] the mini form shows both ends and the length", () => {
    expect(toMiniText(publicGroup())).toBe("Yrs7iz::Tk");
    expect(toMiniText(utf8("0123456789abcdef"))).toBe("MDEyMz:Zg");
    expect(toMiniText(utf8("0123456789abcdef01234567"))).toBe("MDEyMz:.Y3");
    expect(toMiniText(utf8("0123456789ab"))).toBe("MDEyMzQ1Njc4OWFi");
    expect(toMiniText(utf8("0123456789abc"))).toBe("MDEyMz.Yw");
  });

  test("[LK-hashes] bytes spread over [0, 1)", () => {
    expect(bytesToUniform(new Uint8Array(8))).toBe(0);
    expect(bytesToUniform(bytesOf("8000000000000000"))).toBe(0.5);
    expect(bytesToUniform(bytesOf("ffffffffffffffff"))).toBe(1 - 2 ** -52);
    expect(bytesToUniform(bytesOf("0000000000000fff"))).toBe(0);
    expect(bytesToUniform(publicGroup())).toBe(0.3856694426484273);
    const misuse = expect.objectContaining({ code: "PACKET_HASH_BYTES" });
    expect(() => bytesToUniform(new Uint8Array(7))).toThrow(misuse);
  });
});

describe("CIDs", () => {
  test("[LK-cid] CIDv1, raw, BLAKE3: the bytes and the text", () => {
    const cid = hashToCid(publicGroup());
    expect(toHex(CID.parse(cid).bytes)).toBe(`01551e20${toHex(publicGroup())}`);
    expect(cid).toMatch(/^bafkr4i[a-z2-7]{52}$/);
  });

  test("[LK-cid] CIDs and hashes are one to one", () => {
    fc.assert(
      fc.property(hash32, (hash) => {
        expect(cidToHash(hashToCid(hash))).toEqual(hash);
      }),
    );
  });

  const cid = hashToCid(publicGroup());
  test.each([
    ["nothing", ""],
    ["a hash in base64url", hashToText(publicGroup())],
    ["a cut CID", cid.slice(0, -1)],
    ["a longer CID", `${cid}a`],
    ["another base", CID.parse(cid).toString(base58btc)],
    ["upper case", cid.toUpperCase()],
    ["hidden bits", `${cid.slice(0, -1)}${cid.endsWith("b") ? "c" : "b"}`],
    ["CIDv0", "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"],
    ["dag-cbor", CID.createV1(0x71, CID.parse(cid).multihash).toString()],
    ["another hash function", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"],
    ["a codec in two bytes", base32.encode(bytesOf(`01d5001e20${toHex(publicGroup())}`))],
    ["a hash of 31 bytes", base32.encode(bytesOf(`01551e1f${"00".repeat(31)}`))],
    ["bytes after the hash", base32.encode(bytesOf(`01551e20${"00".repeat(33)}`))],
    ["a very long text", "b".repeat(100_000)],
  ])("[LK-cid] refuses %s", (_name, text) => expect(cidToHash(text)).toBe(undefined));

  test("[LK-cid] only hashes of 32 bytes have text forms", () => {
    const misuse = expect.objectContaining({ code: "PACKET_HASH_BYTES" });
    expect(() => hashToCid(new Uint8Array(31))).toThrow(misuse);
    expect(() => hashToText(new Uint8Array(33))).toThrow(misuse);
  });
});

describe("printing", () => {
  test("[LK-documented-printouts] a datapoint", () => {
    expect(printPacket(hello)).toBe(
      [
        "type\tDataPoint",
        "hash\tD5di5Y7RUC_eqMkVY8TOAFGv9B-PQG9jMa2GJjNmAwE",
        "group\t[#:0]",
        "domain\t",
        "space\t",
        "pubkey\t[b:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA]",
        "create\t0",
        "links\t0",
        "data\t5",
        "hello",
      ].join("\n"),
    );
    expect(printPacket(problem).split("\n")[0]).toBe("type\tErrorPoint");
  });

  test("[LK-documented-printouts] a keypoint with links, path and binary data", () => {
    const packet = buildKeypoint(
      crypto,
      {
        group: new Uint8Array(32).fill(4),
        domain: bytesOf("ff61"),
        path: [bytesOf("612f00"), "b"],
        links: [
          { tag: "", pointer: privateGroup() },
          { tag: "t:g", pointer: publicGroup() },
        ],
        stamp: 2n ** 64n - 1n,
        data: bytesOf("efbbbf61ff62"),
      },
      testSecret,
    );
    expect(printPacket(packet).split("\n").slice(2)).toEqual([
      "group\t[b:BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ]",
      "domain\t\\fa",
      "space\t/a\\/\\0/b",
      "pubkey\t[b:tb0anwpH0rSbYe6JLd1Bgtf00QQUAYuhOcBqeSjAgW4]",
      "create\t18446744073709551615",
      "links\t2",
      "\t AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
      "\tt\\:g Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk",
      "data\t6",
      "\ufeffa\ufffdb",
    ]);
  });

  test("[LK-documented-printouts] well-known groups have names", () => {
    const groups = [privateGroup(), publicGroup(), testGroup()];
    expect(groups.map(printGroup)).toEqual(["[#:0]", "[#:pub]", "[#:test]"]);
  });

  test("[LK-documented-printouts] escaped text is printable ASCII for every byte", () => {
    const all = toEscapedText(Uint8Array.from({ length: 256 }, (_, byte) => byte));
    expect(all).toMatch(/^[\x20-\x7e]*$/);
    expect(toEscapedText(utf8("a:b/c\\d[e]\n\r\t"))).toBe("a\\:b\\/c\\\\d\\[e\\]\\n\\r\\t");
    expect(toEscapedText(bytesOf("00ff1f7f80"))).toBe("\\0\\f\\x1f\\x7f\\x80");
  });
});
