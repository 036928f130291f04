/**
 * Linkspace: LK1 packets, their constants, text forms and keys.
 */
import { utf8, toHex } from "@hawser/codec";
import { encryptEncKey, type Crypto } from "@hawser/crypto";
import {
  buildDatapoint,
  bytesToUniform,
  datapointDataBytesMax,
  decodePath,
  defaultNetHeader,
  encodePath,
  encodeRootedPath,
  exchangeDomain,
  handshakeDomain,
  hashToText,
  keypointDataBytesMax,
  keypointLinkCountMax,
  linkpointDataBytesMax,
  linkpointLinkCountMax,
  lnsDomain,
  netFlags,
  nullDomain,
  packetBytesMax,
  packetPrefixBytes,
  pathBytesMax,
  pathComponentBytesMax,
  pathDepthMax,
  pointBytesMax,
  pointHeaderBytes,
  pointTypes,
  privateGroup,
  publicGroup,
  publicGroupData,
  rootedPathBytesMax,
  statusComponent,
  testGroup,
  testGroupData,
  treeKey,
  treeValue,
  writeNetHeader,
} from "@hawser/packet";
import { hexBytes, isObject, readClaims, VectorShapeError, type Json, jsonText } from "./claims.ts";
import { abe } from "./linkspace-abe.ts";
import { bigdata } from "./linkspace-bigdata.ts";
import { documentedKeys, enckey } from "./linkspace-keys.ts";
import { knownPacket, testSecret } from "./linkspace-known.ts";
import {
  checkSectionKeys,
  decode,
  documentedHashes,
  documentedPrintouts,
  eachVector,
  encode,
  netheader,
  verdicts,
  versionDrift,
  wholePackets,
} from "./linkspace-packets.ts";
import { query, queryBehaviour } from "./linkspace-query.ts";
import type { SectionReport } from "./report.ts";
import type { SectionRunner, VectorSystem } from "./system.ts";

/** `constants`: one case a value; nested objects one case a member. */
const constants: SectionRunner = async (section, report, { crypto }) => {
  const claims = readClaims(section, "constants");
  const known = constantValues(crypto);
  known.set("test_enckey_empty_password", await encryptEncKey(testSecret(), new Uint8Array(0)));
  const compare = async (name: string, value: Json | undefined): Promise<void> => {
    if (isObject(value)) {
      for (const [key, inner] of Object.entries(value)) await compare(`${name}.${key}`, inner);
      return;
    }
    await report.check(name, (check) => {
      if (!known.has(name)) throw new VectorShapeError("a constant that is not known");
      check.equal("", String(known.get(name)), jsonText(value));
    });
  };
  for (const key of claims.unchecked()) await compare(key, claims.take(key));
};

function constantValues(crypto: Crypto): Map<string, string | number> {
  const header = new Uint8Array(32);
  writeNetHeader(header, 0, defaultNetHeader);
  const publicPoint = buildDatapoint(crypto, publicGroupData());
  const testPoint = buildDatapoint(crypto, testGroupData());
  const rooted = (text: string): string => toHex(encodeRootedPath([utf8(text)]));
  return new Map<string, string | number>([
    ["default_netheader", toHex(header)],
    ["private_group", toHex(privateGroup())],
    ["public_group", toHex(publicPoint.hash)],
    ["public_group_b64", hashToText(publicGroup())],
    ["public_group_preimage_data", toHex(publicGroupData())],
    ["public_group_point_bytes", toHex(publicPoint.point)],
    ["public_group_packet", toHex(publicPoint.bytes)],
    ["test_group", toHex(testPoint.hash)],
    ["test_group_b64", hashToText(testGroup())],
    ["test_group_preimage_data", toHex(testGroupData())],
    ["none_pubkey", toHex(privateGroup())],
    ["null_domain", toHex(nullDomain())],
    ["exchange_domain", toHex(exchangeDomain())],
    ["lns_domain", toHex(lnsDomain())],
    ["handshake_domain", toHex(handshakeDomain())],
    ["status_space_component", toHex(statusComponent())],
    ["lns_claims_rooted_space", rooted("claims")],
    ["lns_bytag_rooted_space", rooted("by-tag")],
    ["handshake_sentinal_rooted_space", rooted("sentinal")],
    ["handshake_anonymous_rooted_space", rooted("anonymous")],
    ["status_rooted_space", toHex(encodeRootedPath([statusComponent()]))],
    ["test_secret", toHex(testSecret())],
    ["test_pubkey", toHex(crypto.publicKey(testSecret()))],
    ["point_types.DataPoint", pointTypes.datapoint],
    ["point_types.LinkPoint", pointTypes.linkpoint],
    ["point_types.KeyPoint", pointTypes.keypoint],
    ["point_types.ErrorPoint", pointTypes.errorpoint],
    ["flags.SILENT", netFlags.silent],
    ["flags.LINKED_IN_FUTURE_PKT", netFlags.linkedInFuture],
    ["flags.LINKED_IN_PREVIOUS_PKT", netFlags.linkedInPrevious],
    ["flags.DONT_FORWARD", netFlags.dontForward],
    ["flags.ALWAYS_ZERO", netFlags.alwaysZero],
    ["limits.max_point", pointBytesMax],
    ["limits.max_netpkt", packetBytesMax],
    ["limits.min_header_bytes", packetPrefixBytes],
    ["limits.max_content", pointBytesMax - pointHeaderBytes],
    ["limits.max_data_datapoint", datapointDataBytesMax],
    ["limits.max_data_linkpoint", linkpointDataBytesMax],
    ["limits.max_data_keypoint", keypointDataBytesMax],
    // The reference forgets the 60 bytes of link header.
    ["limits.const_MAX_KEYPOINT_DATA_SIZE_bug", keypointDataBytesMax + 60],
    ["limits.max_spacename", pathBytesMax],
    ["limits.max_rooted_spacename", rootedPathBytesMax],
    ["limits.max_component", pathComponentBytesMax],
    ["limits.max_depth", pathDepthMax],
    // The reference's own constant, which it does not enforce.
    ["limits.const_MAX_LINKS_LEN", Math.floor((pointBytesMax - pathBytesMax) / 48)],
    ["limits.actual_max_links_unsigned", linkpointLinkCountMax],
    ["limits.actual_max_links_signed", keypointLinkCountMax],
  ]);
}

/** `spacename`: components ↔ unrooted and rooted bytes. */
const spacename: SectionRunner = async (section, report, context) => {
  const claims = readClaims(section, "spacename");
  if (claims.has("documented")) await documentedSpacenames(claims.list("documented"), report);
  await eachVector(
    (check, vector) => {
      const path = vector.list("components").map(hexBytes);
      const unrooted = vector.bytes("spacename");
      check.equal("spacename", unrooted, encodePath(path));
      check.equal("rooted", vector.bytes("rooted"), encodeRootedPath(path));
      const decoded = decodePath(unrooted);
      const components = decoded.ok ? decoded.path.map(toHex) : [decoded.reason];
      check.equal("components", path.map(toHex).join("/"), components.join("/"));
    },
    (vector) => jsonText(vector["spacename"]),
  )({ vectors: claims.list("vectors") }, report, context);
  await checkSectionKeys(claims, report, []);
};

async function documentedSpacenames(items: readonly Json[], report: SectionReport): Promise<void> {
  for (const [index, item] of items.entries()) {
    await report.check(`documented #${index}`, (check) => {
      const claims = readClaims(item);
      const path = claims.list("components").map((text) => utf8(jsonText(text)));
      check.equal(
        "rooted_decimal",
        claims.list("rooted_decimal").map(jsonText).join(","),
        encodeRootedPath(path).join(","),
      );
      for (const key of claims.unchecked()) check.fail(key, "a check for this statement", "none");
    });
  }
}

/** `tree_index`: index key and value of named packets, received at 1. */
const treeIndex: SectionRunner = eachVector((check, claims, { crypto, file }) => {
  const name = claims.text("name");
  const packet = knownPacket(crypto, file, name);
  if (packet === undefined) throw new VectorShapeError(`no packet is called “${name}”`);
  check.equal("key", claims.bytes("key"), treeKey(packet));
  check.equal("value", claims.bytes("value"), treeValue(packet, 1));
});

/** `bytes2uniform`: bytes to a number in [0, 1). */
const uniform: SectionRunner = eachVector((check, claims) => {
  check.equal("value", claims.number("value"), bytesToUniform(claims.bytes("hex")));
});

/** Sections of Linkspace files, by name. */
const sections: ReadonlyMap<string, SectionRunner> = new Map([
  ["constants", constants],
  ["encode", encode],
  ["decode", decode],
  ["netheader", netheader],
  ["documented_packets", wholePackets],
  ["documented_printouts", documentedPrintouts],
  ["documented_keys", documentedKeys],
  ["documented_hashes", documentedHashes],
  ["enckey", enckey],
  ["spacename", spacename],
  ["bigdata", bigdata],
  ["lns_root", wholePackets],
  ["abe", abe],
  ["query", query],
  ["query_behaviour", queryBehaviour],
  ["tree_index", treeIndex],
  ["bytes2uniform", uniform],
  ["v0_7_drift", versionDrift],
  ["verdicts", verdicts],
]);

export const linkspace: VectorSystem = {
  name: "linkspace",
  sections,
  // Other systems have a section of constants too; only ours begins with a net header.
  recognises: (section, value) =>
    section !== "constants" || (isObject(value) && "default_netheader" in value),
};
