/**
 * Derives the committed vectors of docs/spec/1-packet.md. Everything comes from fixed inputs; what
 * Linkspace's own documents print is stated here as printed and must come out of our code.
 * Expected verdicts on structure come from the oracle decoder, not from the parser under test.
 */
import { concatBytes, fromHex, toHex, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  buildDatapoint,
  buildErrorPoint,
  buildKeypoint,
  buildLinkpoint,
  encodePath,
  encodeRootedPath,
  hashToText,
  printPacket,
  privateGroup,
  publicGroup,
  testGroup,
  type LinkpointDraft,
  type Packet,
} from "@hawser/packet";
import { oracleDecode } from "@hawser/packet/testing";
import type { Json, JsonObject } from "./claims.ts";
import { testSecret } from "./linkspace-known.ts";

/** All sections of docs/spec/vectors/packet/v1/packet.json. */
export function derivePacketVectors(crypto: Crypto): JsonObject {
  return {
    meta: {
      title: "LK1 packets",
      spec: "docs/spec/1-packet.md",
      generator: "pnpm vectors write",
      conventions:
        "Byte strings are lower-case hex unless the key ends in _b64 (base64url without padding). " +
        "u64 values are decimal strings. Domains and tags are given without their padding.",
    },
    encode: { vectors: encodeVectors(crypto) },
    verdicts: { vectors: verdictVectors(crypto) },
    spacename: { vectors: pathVectors() },
    netheader: { vectors: netHeaderVectors(crypto) },
    documented_packets: { vectors: documentedPackets() },
    documented_hashes: { vectors: documentedHashes() },
    documented_printouts: { vectors: documentedPrintouts(crypto) },
    documented_keys: { vectors: documentedKeys },
    enckey: { vectors: enckeys },
  };
}

const sample: LinkpointDraft = {
  group: publicGroup(),
  domain: "test",
  path: ["a", "bc"],
  links: [
    { tag: "one", pointer: publicGroup() },
    { tag: "two", pointer: testGroup() },
  ],
  stamp: 1_700_000_000_000_000,
  data: utf8("hello"),
};

function encodeVectors(crypto: Crypto): readonly Json[] {
  const place = { group: publicGroup(), stamp: 0 };
  const longest = ["a".repeat(200), "b".repeat(40)];
  const drafts: readonly (readonly [string, string, LinkpointDraft])[] = [
    ["no fields but a group", "§4", place],
    ["every field", "§4", sample],
    ["largest stamp", "§4", { ...place, stamp: 2n ** 64n - 1n }],
    ["private group", "§9", { ...sample, group: privateGroup() }],
    ["eight components", "§5", { ...place, path: ["1", "2", "3", "4", "5", "6", "7", "8"] }],
    ["242 path bytes", "§5", { ...place, path: longest }],
    ["binary path", "§5", { ...place, path: [bytes("00"), bytes("2f"), bytes("ff00ff")] }],
    ["duplicate links keep their order", "§4", { ...place, links: doubled(sample.links ?? []) }],
  ];
  return [
    contentVector("empty datapoint", "§3", buildDatapoint(crypto, new Uint8Array(0))),
    contentVector("datapoint", "§3", buildDatapoint(crypto, utf8("hello"))),
    contentVector("error point", "§3", buildErrorPoint(crypto, utf8("gone"))),
    ...drafts.flatMap(([name, spec, draft]) => [
      linkVector(crypto, `linkpoint: ${name}`, spec, buildLinkpoint(crypto, draft)),
      linkVector(crypto, `keypoint: ${name}`, spec, buildKeypoint(crypto, draft, testSecret())),
    ]),
    ...refusedDrafts(),
  ];
}

function doubled<T>(items: readonly T[]): readonly T[] {
  return [...items, ...items];
}

function contentVector(name: string, spec: string, packet: Packet): JsonObject {
  return { name, spec, kind: packet.kind, fields: { data: toHex(packet.data) }, ...facts(packet) };
}

function linkVector(crypto: Crypto, name: string, spec: string, packet: Packet): JsonObject {
  const signed =
    packet.signedBytes === undefined
      ? {}
      : {
          secret: toHex(testSecret()),
          pubkey: toHex(packet.publicKey ?? new Uint8Array(0)),
          signature: toHex(packet.signature ?? new Uint8Array(0)),
          signed_digest: toHex(crypto.hash(packet.signedBytes)),
        };
  return {
    name,
    spec,
    kind: packet.kind,
    fields: {
      group: toHex(packet.group),
      domain: toHex(trimmed(packet.domain)),
      space: packet.path.map(toHex),
      links: packet.links.map((link) => ({
        tag: toHex(trimmed(link.tag)),
        ptr: toHex(link.pointer),
      })),
      create: packet.stamp.toString(),
      data: toHex(packet.data),
    },
    ...signed,
    ...facts(packet),
  };
}

function facts(packet: Packet): JsonObject {
  return {
    hash: toHex(packet.hash),
    hash_b64: hashToText(packet.hash),
    size: packet.bytes.length,
    point_type: packet.typeByte,
    packet: toHex(packet.bytes),
    to_string: printPacket(packet),
  };
}

/** Fields that fit no packet, with the reference's message. */
function refusedDrafts(): readonly JsonObject[] {
  const fields: JsonObject = {
    group: toHex(publicGroup()),
    domain: "",
    space: [],
    links: [],
    create: "1",
    data: "",
  };
  const refused = (name: string, spec: string, change: JsonObject, error: string): JsonObject => ({
    name,
    spec,
    kind: "linkpoint",
    fields: { ...fields, ...change },
    error,
  });
  return [
    refused("nine components", "§5", { space: Array(9).fill("61") }, "invalid spacename"),
    refused("empty component", "§5", { space: ["61", ""] }, "invalid spacename"),
    refused("component of 201 bytes", "§5", { space: ["61".repeat(201)] }, "invalid spacename"),
    refused(
      "path of 243 bytes",
      "§5",
      { space: ["61".repeat(200), "62".repeat(41)] },
      "invalid spacename",
    ),
    refused("domain of 17 bytes", "§4", { domain: "61".repeat(17) }, "invalid domain"),
    {
      name: "datapoint of 65,021 bytes",
      spec: "§8",
      kind: "datapoint",
      fields: { note: "data = 65021 zero bytes" },
      error: "content len exceeds max",
    },
    {
      name: "linkpoint of 64,961 data bytes",
      spec: "§8",
      kind: "linkpoint",
      fields: { note: "data = 64961 zero bytes" },
      error: "content len exceeds max",
    },
    {
      name: "linkpoint of 1,354 links",
      spec: "§8",
      kind: "linkpoint",
      fields: { note: "1354 null links" },
      error: "content len exceeds max",
    },
  ];
}

/** Single changes to good packets; hashes are repaired so that structure alone decides. */
function verdictVectors(crypto: Crypto): readonly JsonObject[] {
  const hello = buildDatapoint(crypto, utf8("hello")).bytes;
  const link = buildLinkpoint(crypto, sample).bytes;
  const key = buildKeypoint(crypto, sample, testSecret()).bytes;
  const eight = buildLinkpoint(crypto, {
    ...sample,
    path: ["1", "2", "3", "4", "5", "6", "7", "8"],
  });
  const pathAt = 64 + 160;
  const structural: readonly (readonly [string, string, Uint8Array])[] = [
    ["a good datapoint", "§7", hello],
    ["a good linkpoint", "§7", link],
    ["a good keypoint", "§7", key],
    ["67 bytes", "§7.1 row 1", hello.subarray(0, 67)],
    ["magic LK2", "§7.1 row 2", edited(hello, 2, "32")],
    ["always-zero flag", "§7.1 row 3", edited(hello, 3, "80")],
    ["reserved byte 1", "§7.1 row 4", edited(hello, 64, "01")],
    ["point size 3", "§7.1 row 5", edited(hello.subarray(0, 72), 64, "00010003ffffffff")],
    ["point size 65,025", "§7.1 row 6", edited(hello, 66, "fe01")],
    ["type 2", "§7.1 row 7", edited(hello, 65, "02")],
    ["linkpoint of 63 bytes", "§7.1 row 8", edited(link, 66, "003f")],
    ["one byte short", "§7.1 row 9", key.subarray(0, key.length - 1)],
    ["data before the path", "§7.1 row 10", edited(link, 70, "0064")],
    ["data in the signature block", "§7.1 row 10", edited(key, 70, "0100")],
    ["path in the header", "§7.1 row 11", edited(link, 68, "0030")],
    ["half a link", "§7.1 row 12", edited(link, 68, "0058")],
    ["path prefix cut", "§7.1 row 13", edited(link, 70, "00a4")],
    ["component of 201 bytes", "§7.1 row 13", edited(link, pathAt + 8, "c9")],
    ["empty component", "§7.1 row 13", edited(link, pathAt + 8, "00")],
    ["component past the end", "§7.1 row 13", edited(link, pathAt + 10, "09")],
    ["depth one too many", "§7.1 row 13", edited(link, pathAt, "03")],
    ["wrong end offset", "§7.1 row 13", edited(link, pathAt + 1, "03")],
    ["depth 7 before eight components", "§7.1 row 13", edited(eight.bytes, pathAt, "07")],
    ["eight zero bytes for no path", "§7.1 row 13", emptyForm(crypto)],
    ["padding byte 0xFE", "§7.1 row 14", edited(hello, 79, "fe")],
    ["padding before the signature", "§7.1 row 14", edited(key, key.length - 97, "00")],
  ];
  const repaired = structural.map(([name, spec, input]): JsonObject => {
    const fixed = withHash(crypto, input);
    return {
      name,
      spec,
      hex: toHex(fixed),
      strict: oracle(fixed, "strict"),
      reference: oracle(fixed, "reference"),
    };
  });
  const both = (name: string, spec: string, input: Uint8Array, code: string): JsonObject => ({
    name,
    spec,
    hex: toHex(input),
    strict: code,
    reference: code,
  });
  const unsigned = withHash(crypto, edited(key, key.length - 1, "00"));
  const guarded = buildLinkpoint(crypto, { ...sample, group: privateGroup() }).bytes;
  return [
    ...repaired,
    both("signature changed, hash repaired", "§7.1 row 15", unsigned, "PACKET_SIGNATURE"),
    both("hash and signature wrong", "§7.1 row 15", edited(unsigned, 32, "ee"), "PACKET_SIGNATURE"),
    both("hash wrong", "§7.1 row 16", edited(key, 32, "00"), "PACKET_HASH"),
    {
      ...both("private group", "§7.1 row 17", guarded, "PACKET_GROUP_PRIVATE"),
      allowPrivate: false,
    },
    both("private group, allowed", "§7.1 row 17", guarded, "ok"),
  ];
}

function oracle(input: Uint8Array, mode: "strict" | "reference"): string {
  const result = oracleDecode(input, mode);
  return result.ok ? "ok" : result.reason;
}

/** A linkpoint whose path is the second spelling of none. */
function emptyForm(crypto: Crypto): Uint8Array {
  const none = buildLinkpoint(crypto, { group: publicGroup(), stamp: 0, data: new Uint8Array(8) });
  return edited(none.bytes, 70, "0048");
}

function withHash(crypto: Crypto, input: Uint8Array): Uint8Array {
  if (input.length < 72) return input;
  const output = input.slice();
  output.set(crypto.hash(output.subarray(64)), 32);
  return output;
}

function edited(input: Uint8Array, offset: number, hex: string): Uint8Array {
  const output = input.slice();
  output.set(bytes(hex), offset);
  return output;
}

function pathVectors(): readonly JsonObject[] {
  const paths = [[], ["a"], ["he", "llo"], ["1", "2", "3", "4", "5", "6", "7", "8"]];
  return paths.map((components) => {
    const path = components.map(utf8);
    return {
      components: path.map(toHex),
      spacename: toHex(encodePath(path)),
      rooted: toHex(encodeRootedPath(path)),
    };
  });
}

function netHeaderVectors(crypto: Crypto): readonly JsonObject[] {
  const packet = buildDatapoint(crypto, utf8("hello"));
  const headers = [
    "4c4b310000000000ffffffffffffffff00000000000000000000000000000000",
    "4c4b310f000000050000000000000001000000010000000200000003ffffffff",
    "4c4b32ff0000ffff0000000000000000ffffffffffffffffffffffffffffffff",
  ];
  return headers.map((netheader) => ({
    netheader,
    packet: toHex(concatBytes(bytes(netheader), packet.bytes.subarray(32))),
    rewritten_identical: true,
    hash: toHex(packet.hash),
    netflags: netheader.slice(6, 8),
    hop: netheader.slice(8, 16),
    stamp: netheader.slice(16, 32),
    ubits0: netheader.slice(32, 40),
    ubits3: netheader.slice(56, 64),
  }));
}

/** Two dumps of the Linkspace guide (2023-11 and 2024-01). */
function documentedPackets(): readonly JsonObject[] {
  const header = "4c4b310000000000ffffffffffffffff00000000000000000000000000000000";
  const hash = "847e58af6b34bbcf4f7d801949105d1b11f34c0e335a958e3d2779aab9349111";
  const pubkey = "67c78fe93ea740c1d19a1d734438c09643977bcfafe1da9e4fc5f4352457b01a";
  const signature =
    "c0871bddde6ce59e53e58d7776fad6b8f36bf707d97afab3281deb6f03eb639d" +
    "5b163bae8483a4be84ccec190b44cfa4d21a4a3e6345ee5975dd01ba8ee45504";
  const path = "02060c0c0c0c0c0c0568656c6c6f05776f726c64";
  const tags = ["link1", "link2"].map((tag) => toHex(utf8(tag)).padStart(32, "0"));
  const pointers = [toHex(privateGroup()), toHex(testGroup())];
  const domain = toHex(utf8("my_domain")).padStart(32, "0");
  const point =
    `0007011400a000b400060957706495b3${toHex(publicGroup())}${domain}` +
    `${tags[0]}${pointers[0]}${tags[1]}${pointers[1]}${path}ffffffff${pubkey}${signature}`;
  return [
    {
      source: "guide, lk_write",
      hex:
        `${header}0f9762e58ed1502fdea8c91563c4ce0051aff41f8f406f6331ad862633660301` +
        "0001000968656c6c6fffffffffffffff",
      decoded: { point_type: 1, usize: 9, size: 80, padding: 7, data: toHex(utf8("hello")) },
    },
    {
      source: "guide, lk_keypoint",
      hex: `${header}${hash}${point}`,
      secret: "3ef47fc3ae5136dc212e65e7b1698522384fac34bd65fc01532c61d7d4848514",
      decoded: {
        point_type: 7,
        usize: 276,
        size: 344,
        padding: 4,
        hash,
        create: "1699121012708787",
        group: toHex(publicGroup()),
        domain16: domain,
        rooted_spacename: path,
        space: [toHex(utf8("hello")), toHex(utf8("world"))],
        links: tags.map((tag16, index) => ({ tag16, ptr: pointers[index] ?? "" })),
        data: "",
        pubkey,
        signature,
      },
    },
  ];
}

/** Hashes printed in Linkspace's documents and tests. */
function documentedHashes(): readonly JsonObject[] {
  const printed: readonly (readonly [string, string])[] = [
    ["Hello, Sol!\n", "Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk"],
    ["Some data", "ATE6XG70_mx-kV2GCZUIkNijcPa8gd1-C3OYu1pXqcU"],
    ["1", "tykMj7QFUs9PwFvZN4C-Vd06puqsvwO80VTDxSjTjR0"],
    ["2", "ef6IfBb6szkE-MIENvuiQo5AZqz9o2cjWLkTfjI3SeM"],
    ["3", "Zsu1AIcF7LrGWRbTgA3AdwtObQB0pXIcC3-mv_eeXLc"],
    ["hello", "D5di5Y7RUC_eqMkVY8TOAFGv9B-PQG9jMa2GJjNmAwE"],
    ["Hello example", "eVo9H3i6aoDZOT7D3FJfG5foxDXtf7f16vneRXeGLIo"],
  ];
  return [
    ...printed.map(([data, hash]) => ({ data_utf8: data, hash_b64: hash })),
    {
      kind: "linkpoint",
      ref: 'encode vector "rustdoc linkpoint"',
      hash_b64: "IdnnQjgxJLGxLZGKdaXWVxc82-U8KyJoyKK3sKlD8Lc",
    },
  ];
}

/** A printout of the Linkspace guide (2023-09). */
function documentedPrintouts(crypto: Crypto): readonly JsonObject[] {
  const pointer = buildDatapoint(crypto, utf8("Hello example")).hash;
  const packet = buildLinkpoint(crypto, {
    group: publicGroup(),
    domain: "example-domain",
    links: [
      { tag: "first tag 1", pointer: publicGroup() },
      { tag: "another tag", pointer: publicGroup() },
      { tag: "a datapoint", pointer },
    ],
    stamp: 1_695_205_480_865_654,
    data: utf8("Hello, World!"),
  });
  return [
    {
      printed: {
        type: "LinkPoint",
        hash: "0YezRgYL6ciOBr9xoS10bJS142ihogym9gHvF8w-iYE",
        group: "[#:pub]",
        domain: "example-domain",
        space: "",
        pubkey: "[@:none]",
        create: "1695205480865654",
        links: [
          "first tag 1 Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk",
          "another tag Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk",
          "a datapoint eVo9H3i6aoDZOT7D3FJfG5foxDXtf7f16vneRXeGLIo",
        ],
        data: "Hello, World!",
        data_size: 13,
      },
      packet: toHex(packet.bytes),
    },
  ];
}

/** A key printed in the Linkspace guide. */
const documentedKeys: readonly JsonObject[] = [
  {
    enckey:
      "$argon2d$v=19$m=8,t=1,p=1$NG12pnMpM8nsZJTR46Yoer/VWg69EWxzNTj4OI+K3TM" +
      "$SnCyDCAnKuK+yCANm6YL1idb3yzL5h5DUNbgtM+WS+U",
    password: "my secret",
    secret: "f0bc2aa57fdbcdc4fbe26fef39ba020723691681a16f80b00eaa79bb3fc3fa6e",
    pubkey: "346d76a6732933c9ec6494d1e3a6287abfd55a0ebd116c733538f8388f8add33",
    encKeyRoundtrip: true,
  },
];

const testEnckey =
  "$argon2d$v=19$m=8,t=1,p=1$tb0anwpH0rSbYe6JLd1Bgtf00QQUAYuhOcBqeSjAgW4" +
  "$kYAtGyF78cfPjRqcm4Y/s1hgQTRysELK/L910P2u27c";

/** Linkspace's test key, and spoiled forms of it. */
const enckeys: readonly JsonObject[] = [
  {
    secret: "923ea6fac0ba20b61749f8ebb65839a383b2df48a0c618e44420d69beefb127c",
    pubkey: "b5bd1a9f0a47d2b49b61ee892ddd4182d7f4d10414018ba139c06a7928c0816e",
    password: "",
    enckey: testEnckey,
  },
  ...[
    ["another algorithm", testEnckey.replace("argon2d", "argon2id")],
    ["parameters in another order", testEnckey.replace("m=8,t=1", "t=1,m=8")],
    ["a salt one character short", testEnckey.replace("tb0anw", "tb0aw")],
  ].map(([name, text]) => ({
    case: name ?? "",
    enckey: text ?? "",
    password: "",
    error: "The data supplied is in an unknown format",
  })),
];

function trimmed(padded: Uint8Array): Uint8Array {
  const start = padded.findIndex((byte) => byte !== 0);
  return start < 0 ? padded.subarray(padded.length) : padded.subarray(start);
}

function bytes(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0);
}
