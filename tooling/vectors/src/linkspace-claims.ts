/**
 * Statements about one packet, as they appear in many sections: every key has one meaning everywhere.
 */
import { toHex, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  buildDatapoint,
  buildErrorPoint,
  buildKeypoint,
  buildLinkpoint,
  hashToText,
  paddedBytes,
  printGroup,
  printPacket,
  printPadded,
  printPath,
  readPacket,
  type LinkDraft,
  type LinkpointDraft,
  type Packet,
  type PointTypes,
} from "@hawser/packet";
import { hexBytes, readClaims, VectorShapeError, type Claims, type Json } from "./claims.ts";
import type { CaseCheck } from "./report.ts";

type Statement = (packet: Packet) => string | number;

/** Value in hex, or a number, of each key whose expected value is text or a number. */
const statements: { readonly [key: string]: Statement } = {
  create: (packet) => packet.stamp.toString(),
  data: (packet) => toHex(packet.data),
  data_size: (packet) => packet.data.length,
  depth: (packet) => packet.pathDepth,
  domain: (packet) => toHex(withoutLeadingZeros(packet.domain)),
  domain16: (packet) => toHex(packet.domain),
  group: (packet) => toHex(packet.group),
  hash: (packet) => toHex(packet.hash),
  hash_b64: (packet) => hashToText(packet.hash),
  links_len: (packet) => packet.linkCount,
  netheader: (packet) => toHex(packet.bytes.subarray(0, 32)),
  padding: (packet) => packet.paddingBytes,
  point: (packet) => toHex(packet.point),
  point_type: (packet) => packet.typeByte,
  pubkey: (packet) => toHex(packet.publicKey ?? new Uint8Array(32)),
  rooted_spacename: (packet) => toHex(packet.rootedPath),
  signature: (packet) => toHex(packet.signature ?? new Uint8Array(0)),
  size: (packet) => packet.bytes.length,
  spacename: (packet) => toHex(packet.unrootedPath),
  to_string: (packet) => printPacket(packet),
  usize: (packet) => packet.pointBytes,
};

/** Fields that may also be given as they are printed, where their value in hex is another text. */
const printed: { readonly [key: string]: (packet: Packet) => string } = {
  domain: (packet) => printPadded(packet.domain),
  group: (packet) => printGroup(packet.group),
};

/** Checks every statement of `claims` about `packet`; leaves other keys untaken. */
export function checkPacketClaims(
  check: CaseCheck,
  crypto: Crypto,
  claims: Claims,
  packet: Packet,
): void {
  for (const [key, statement] of Object.entries(statements)) {
    if (!claims.has(key)) continue;
    const expected = claims.take(key);
    const got = statement(packet);
    if (expected === printed[key]?.(packet)) continue;
    if (typeof expected === "string" || typeof expected === "number") {
      // Numbers may be given as decimal text and the other way round.
      check.equal(key, String(expected), String(got));
    } else {
      check.fail(key, "text or a number", JSON.stringify(expected));
    }
  }
  if (claims.has("packet_blake3")) {
    check.equal("packet_blake3", claims.text("packet_blake3"), toHex(crypto.hash(packet.bytes)));
  }
  if (claims.has("signed_digest")) {
    const signed = packet.signedBytes;
    const digest = signed === undefined ? "not signed" : toHex(crypto.hash(signed));
    check.equal("signed_digest", claims.text("signed_digest"), digest);
  }
  if (claims.has("data_utf8")) {
    check.equal("data_utf8", utf8(claims.text("data_utf8")), packet.data);
  }
  const space = claims.take("space");
  if (typeof space === "string") check.equal("space", space, printPath(packet.path));
  else if (space !== undefined) checkPath(check, claims.list("space"), packet);
  if (claims.has("links")) checkLinks(check, claims.list("links"), packet);
}

function checkPath(check: CaseCheck, expected: readonly Json[], packet: Packet): void {
  check.equal("space depth", expected.length, packet.path.length);
  for (const [index, component] of expected.entries()) {
    const got = packet.pathComponent(index);
    check.equal(`space ${index}`, hexBytes(component), got);
  }
}

function checkLinks(check: CaseCheck, expected: readonly Json[], packet: Packet): void {
  check.equal("links", expected.length, packet.linkCount);
  for (const [index, item] of expected.entries()) {
    const link = packet.link(index);
    if (link === undefined) continue;
    if (typeof item === "string") {
      check.equal(`link ${index}`, item, `${printPadded(link.tag)} ${hashToText(link.pointer)}`);
      continue;
    }
    const claims = readClaims(item, `links ${index}`);
    check.equal(`link ${index} pointer`, claims.bytes("ptr"), link.pointer);
    if (claims.has("tag16")) {
      check.equal(`link ${index} tag`, claims.bytes("tag16"), link.tag);
    } else {
      const tag = withoutLeadingZeros(claims.bytes("tag"));
      check.equal(`link ${index} tag`, tag, withoutLeadingZeros(link.tag));
    }
    for (const key of claims.unchecked()) check.fail(`link ${index} ${key}`, "a known key", key);
  }
}

/** Linkpoint fields from a `fields` object: group, domain, space, links, create, data. */
export function readDraft(fields: Claims): LinkpointDraft {
  return {
    group: fields.bytes("group"),
    domain: fields.bytes("domain"),
    path: fields.list("space").map(hexBytes),
    links: fields.list("links").map((item): LinkDraft => {
      const link = readClaims(item, "link");
      return { tag: link.bytes("tag"), pointer: link.bytes("ptr") };
    }),
    stamp: BigInt(fields.text("create")),
    data: fields.bytes("data"),
  };
}

/** What a vector's `kind` and fields describe. */
export type PointDraft =
  | { readonly kind: "datapoint" | "errorpoint"; readonly data: Uint8Array }
  | { readonly kind: "linkpoint" | "keypoint"; readonly draft: LinkpointDraft };

/** Builds a described point. Throws what the builders throw. */
export function buildPoint(
  crypto: Crypto,
  point: PointDraft,
  secret: Uint8Array | undefined,
  types?: PointTypes,
): Packet<"verified"> {
  const options = types === undefined ? {} : { types };
  switch (point.kind) {
    case "datapoint":
      return buildDatapoint(crypto, point.data, options);
    case "errorpoint":
      return buildErrorPoint(crypto, point.data, options);
    case "linkpoint":
      return buildLinkpoint(crypto, point.draft, options);
    case "keypoint":
      if (secret === undefined) throw new VectorShapeError("a keypoint without secret");
      return buildKeypoint(crypto, point.draft, secret, options);
  }
}

/** The fields of a packet, ready to be built again. */
export function describePoint(packet: Packet): PointDraft {
  if (packet.kind === "datapoint" || packet.kind === "errorpoint") {
    return { kind: packet.kind, data: packet.data };
  }
  const { group, domain, path, links, stamp, data } = packet;
  return { kind: packet.kind, draft: { group, domain, path, links, stamp, data } };
}

/**
 * Reads `bytes` as exactly one packet that holds in both modes, and builds it again from its own
 * fields. A keypoint whose secret is not known keeps its signature block, which was verified.
 */
export function checkRoundTrip(
  check: CaseCheck,
  crypto: Crypto,
  bytes: Uint8Array,
  secret: Uint8Array | undefined,
  types?: PointTypes,
): Packet<"verified"> | undefined {
  const options = { allowPrivate: true, ...(types === undefined ? {} : { types }) };
  const reference = readPacket(crypto, bytes, { ...options, mode: "reference" });
  const strict = readPacket(crypto, bytes, options);
  if (!reference.ok || !strict.ok) {
    const reason = [reference, strict].map((read) => (read.ok ? "ok" : read.reason)).join(", ");
    check.fail("read (reference, strict)", "ok, ok", reason);
    return undefined;
  }
  check.equal("bytes after the packet", 0, strict.rest.length);
  const { packet } = strict;
  const again = rebuild(crypto, packet, secret, types);
  check.equal("built again", packet.point, again);
  return packet;
}

function rebuild(
  crypto: Crypto,
  packet: Packet,
  secret: Uint8Array | undefined,
  types: PointTypes | undefined,
): Uint8Array {
  if (packet.kind !== "keypoint" || secret !== undefined) {
    return buildPoint(crypto, describePoint(packet), secret, types).point;
  }
  // Any secret gives the right size and the right bytes up to the signature block.
  const built = buildPoint(crypto, describePoint(packet), new Uint8Array(32).fill(1), types);
  const point = built.point.slice();
  const signatureStart = paddedBytes(packet.pointBytes) - 96;
  point.set(packet.point.subarray(signatureStart), signatureStart);
  return point;
}

export function withoutLeadingZeros(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0);
  return start < 0 ? bytes.subarray(bytes.length) : bytes.subarray(start);
}
