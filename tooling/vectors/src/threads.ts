/**
 * Textile Threads: ids in every base, multiaddrs, keys, records, databases, messages of peers.
 */
import {
  decodeMultiaddr,
  decodeSpaceId,
  encodeMultiaddr,
  formatMultiaddr,
  formatSpaceId,
  parseMultiaddr,
  parseSpaceId,
  peerIdBytes,
  peerIdCid,
  peerIdPublicKey,
  type ParsedSpaceId,
  type SpaceIdBase,
  type SpaceIdErrorCode,
  type SpaceIdParts,
} from "@hawser/space";
import { isObject, readClaims, VectorShapeError, type Claims, type Json } from "./claims.ts";
import { checkNothingLeft, type CaseCheck } from "./report.ts";
import type { SectionRunner, VectorSystem } from "./system.ts";
import { dbMisc } from "./threads-behaviours.ts";
import { dbDocs, dbQueries } from "./threads-docs.ts";
import {
  asymmetric,
  constants,
  dagCbor,
  edges,
  keyPair,
  threadKey,
  token,
  wire,
} from "./threads-keys.ts";
import { forgedRecords, jsonpatcher, records, reducerDivergence } from "./threads-records.ts";

const bases: readonly SpaceIdBase[] = ["base16", "base36", "base58btc", "base64url"];

/** Words of the two originals, and which of our codes may stand for them. */
const refusals: readonly (readonly [RegExp, readonly SpaceIdErrorCode[]])[] = [
  [/random (id bytes|component)/i, ["SPACE_ID_RANDOM", "SPACE_ID_TOO_SHORT"]],
  [/variant/i, ["SPACE_ID_VARIANT"]],
  [/version/i, ["SPACE_ID_VERSION"]],
  [/varint/i, ["SPACE_ID_MALFORMED", "SPACE_ID_TOO_SHORT"]],
  [/too short/i, ["SPACE_ID_TOO_SHORT"]],
  [/multibase|encod|character|base/i, ["SPACE_ID_BASE", "SPACE_ID_MALFORMED"]],
];

/** `threadIds`: what is well-formed in every spelling; what either original refuses is refused. */
const threadIds: SectionRunner = async (section, report) => {
  if (!Array.isArray(section)) throw new VectorShapeError("threadIds is a list");
  for (const [index, item] of (section as readonly Json[]).entries()) {
    const spelled = isObject(item) ? (item["string"] ?? item["bytes"]) : undefined;
    const name = typeof spelled === "string" ? ` ${spelled}` : "";
    await report.check(`#${index}${name}`, (check) => {
      const claims = readClaims(item);
      const parsed = parseGiven(check, claims);
      const reasons = refusalReasons(claims);
      if (reasons.length > 0) checkRefused(check, parsed, reasons);
      else checkWellFormed(check, claims, parsed);
      checkNothingLeft(check, claims);
    });
  }
};

/** Parses the text and the bytes, whichever are given; they must come to the same. */
function parseGiven(check: CaseCheck, claims: Claims): ParsedSpaceId {
  const fromBytes = claims.has("bytes") ? decodeSpaceId(claims.bytes("bytes")) : undefined;
  const fromText = claims.has("string") ? parseSpaceId(claims.text("string")) : undefined;
  const parsed = fromBytes ?? fromText;
  if (parsed === undefined) throw new VectorShapeError("neither string nor bytes");
  if (fromBytes !== undefined && fromText !== undefined) {
    check.equal("string and bytes agree", fromBytes.ok, fromText.ok);
  }
  return parsed;
}

function refusalReasons(claims: Claims): readonly string[] {
  const reasons: string[] = [];
  if (claims.has("error")) reasons.push(claims.text("error"));
  if (claims.has("jsThreadsId")) {
    const verdict = claims.text("jsThreadsId");
    if (verdict.startsWith("error")) reasons.push(verdict);
  }
  return reasons;
}

function checkRefused(check: CaseCheck, parsed: ParsedSpaceId, reasons: readonly string[]): void {
  if (parsed.ok) {
    check.fail("refused", reasons.join(" / "), parsed.value.id);
    return;
  }
  const allowed = reasons.flatMap((reason) => {
    const known = refusals.find(([words]) => words.test(reason));
    if (known === undefined) check.fail("error", "an error that is known", reason);
    return known?.[1] ?? [];
  });
  if (!allowed.includes(parsed.reason)) check.fail("code", allowed.join(" or "), parsed.reason);
}

function checkWellFormed(check: CaseCheck, claims: Claims, parsed: ParsedSpaceId): void {
  if (!parsed.ok) {
    check.fail("id", "an id", parsed.reason);
    return;
  }
  const { value } = parsed;
  check.equal("string", claims.text("string"), value.id);
  check.equal("bytes", claims.bytes("bytes"), value.bytes);
  for (const base of bases) {
    if (!claims.has(base)) continue;
    check.equal(base, claims.text(base), formatSpaceId(value.id, base));
    const again = parseSpaceId(claims.text(base));
    check.equal(`${base} parses`, value.id, again.ok ? again.value.id : again.reason);
  }
  checkParts(check, claims, value);
  checkMultiaddr(check, claims, value);
}

function checkParts(check: CaseCheck, claims: Claims, value: SpaceIdParts): void {
  const { variant, random } = value;
  if (claims.has("random")) check.equal("random", claims.bytes("random"), random);
  if (claims.has("randomBits")) {
    check.equal("randomBits", claims.number("randomBits"), random.length * 8);
  }
  if (claims.has("version")) check.equal("version", claims.number("version"), value.bytes[0]);
  if (claims.has("variant")) check.equal("variant", claims.number("variant"), value.bytes[1]);
  if (claims.has("variantName")) {
    const name = claims.text("variantName").replaceAll("_", "-");
    check.equal("variantName", name, variant);
  }
  if (claims.has("roundtrip")) {
    const again = parseSpaceId(value.id);
    check.equal("roundtrip", claims.take("roundtrip") === true, again.ok);
  }
}

function checkMultiaddr(check: CaseCheck, claims: Claims, value: SpaceIdParts): void {
  if (claims.has("multiaddr"))
    check.equal("multiaddr", claims.text("multiaddr"), `/thread/${value.id}`);
  if (claims.has("multiaddrBytes")) {
    const address = parseMultiaddr(`/thread/${value.id}`) ?? [];
    check.equal("multiaddrBytes", claims.bytes("multiaddrBytes"), encodeMultiaddr(address));
  }
}

/** `paperExample1`: from the peer id to the key inside it. */
const paperExample1: SectionRunner = async (section, report) => {
  await report.check("paperExample1", (check) => {
    const claims = readClaims(section);
    const bytes = peerIdBytes(claims.text("peerId")) ?? new Uint8Array(0);
    check.equal("bytes", claims.bytes("bytes"), bytes);
    check.equal("ed25519PublicKey", claims.text("ed25519PublicKey"), peerIdPublicKey(bytes));
    check.equal("libp2pKeyCid", claims.text("libp2pKeyCid"), peerIdCid(bytes));
    checkNothingLeft(check, claims);
  });
};

/** `threadAddr`: one multiaddr in text and bytes, both ways. */
const threadAddr: SectionRunner = async (section, report) => {
  await report.check("threadAddr", (check) => {
    const claims = readClaims(section);
    const text = claims.text("string");
    const bytes = claims.bytes("bytes");
    const parsed = parseMultiaddr(text);
    check.equal("to bytes", bytes, parsed && encodeMultiaddr(parsed));
    const decoded = decodeMultiaddr(bytes);
    check.equal("to text", text, decoded && formatMultiaddr(decoded));
    checkNothingLeft(check, claims);
  });
};

export const threads: VectorSystem = {
  name: "threads",
  sections: new Map<string, SectionRunner>([
    ["threadIds", threadIds],
    ["paperExample1", paperExample1],
    ["threadAddr", threadAddr],
    ["dbDocs", dbDocs],
    ["dbQueries", dbQueries],
    ["dbMisc", dbMisc],
    ["constants", constants],
    ["logKey", keyPair("logKey")],
    ["identityKey", keyPair("identityKey")],
    ["hostKey", keyPair("hostKey")],
    ["threadKey", threadKey],
    ["dagCbor", dagCbor],
    ["records", records],
    ["forgedRecords", forgedRecords],
    ["jsonpatcher", jsonpatcher],
    ["reducerDivergence", reducerDivergence],
    ["edges", edges],
    ["token", token],
    ["asymmetric", asymmetric],
    ["asymmetricKnownAnswer", asymmetric],
    ["wire", wire],
  ]),
  recognises: () => true,
};
