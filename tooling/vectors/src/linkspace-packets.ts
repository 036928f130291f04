/**
 * Runners for the sections of Linkspace vectors that are about packets.
 */
import { concatBytes, fromBase64url, toBase64url, toHex, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  buildDatapoint,
  hashToText,
  hop,
  kindName,
  parsePacket,
  pointTypes,
  printGroup,
  printNetFlags,
  printPadded,
  printPath,
  readNetHeader,
  readPacket,
  referenceBuildError,
  referenceError,
  withNetHeader,
  type NetHeader,
  type Packet,
  type PacketRejection,
  type ParsedPacket,
  type PointTypes,
  type ReadPacket,
} from "@hawser/packet";
import {
  isObject,
  readClaims,
  VectorShapeError,
  type Claims,
  type Json,
  type JsonObject,
  jsonText,
} from "./claims.ts";
import {
  buildPoint,
  checkPacketClaims,
  checkRoundTrip,
  readDraft,
  type PointDraft,
} from "./linkspace-claims.ts";
import { describedBytes, describedPoint, filledBytes } from "./linkspace-rebuild.ts";
import { knownPacket, testSecret } from "./linkspace-known.ts";
import { checkNothingLeft, type CaseCheck, type SectionReport } from "./report.ts";
import type { SectionRunner } from "./system.ts";

/** Runs `run` for each item of a section's `vectors`, with the check that nothing is passed over. */
export function eachVector(
  run: (
    check: CaseCheck,
    claims: Claims,
    context: Parameters<SectionRunner>[2],
  ) => void | Promise<void>,
  nameOf: (vector: JsonObject) => string = defaultName,
): SectionRunner {
  return async (section, report, context) => {
    const claims = readClaims(section, "section");
    for (const [index, vector] of claims.list("vectors").entries()) {
      const name = isObject(vector) ? nameOf(vector) : "";
      await report.check(name === "" ? `#${index}` : `#${index} ${name}`, async (check) => {
        const vectorClaims = readClaims(vector);
        await run(check, vectorClaims, context);
        checkNothingLeft(check, vectorClaims);
      });
    }
    await checkSectionKeys(claims, report, ["reencoded_identical"]);
  };
}

/** Everything of a section besides its vectors must be known as well. */
export async function checkSectionKeys(
  claims: Claims,
  report: SectionReport,
  known: readonly string[],
): Promise<void> {
  const left = claims.unchecked().filter((key) => !known.includes(key));
  for (const key of left) {
    await report.check(key, (check) => check.fail("", "a check for this part", "none"));
  }
}

function defaultName(vector: JsonObject): string {
  for (const key of ["name", "case", "cmd", "hash_b64", "hash", "hex"]) {
    const value = vector[key];
    if (typeof value === "string") return value.slice(0, 60);
  }
  return "";
}

const kinds: readonly PointDraft["kind"][] = ["datapoint", "linkpoint", "keypoint", "errorpoint"];

function readKind(text: string): PointDraft["kind"] {
  const kind = kinds.find((name) => name === text);
  if (kind === undefined) throw new VectorShapeError(`unknown kind “${text}”`);
  return kind;
}

function readPoint(kind: PointDraft["kind"], fields: Claims): PointDraft {
  const note = fields.take("note");
  if (typeof note === "string") return describedPoint(kind, note);
  if (kind === "datapoint" || kind === "errorpoint") return { kind, data: fields.bytes("data") };
  return { kind, draft: readDraft(fields) };
}

/** `encode`: fields → packet, text and hashes; and back. */
export const encode: SectionRunner = eachVector((check, claims, { crypto }) =>
  checkEncoded(check, crypto, claims),
);

function checkEncoded(check: CaseCheck, crypto: Crypto, claims: Claims): void {
  const kind = readKind(claims.text("kind"));
  const secret = claims.has("secret") ? claims.bytes("secret") : undefined;
  const point = readPoint(kind, claims.object("fields"));
  if (claims.has("error")) {
    check.equal("error", claims.text("error"), buildError(crypto, point, secret));
    return;
  }
  const packet = buildPoint(crypto, point, secret);
  if (claims.has("packet")) check.equal("packet", claims.bytes("packet"), packet.bytes);
  checkRoundTrip(check, crypto, packet.bytes, secret);
  checkPacketClaims(check, crypto, claims, packet);
}

function buildError(
  crypto: Crypto,
  point: PointDraft,
  secret: Uint8Array | undefined,
): string | undefined {
  try {
    buildPoint(crypto, point, secret);
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // Safe: an unknown code finds no reference text, which fails the case.
    return referenceBuildError(code as Parameters<typeof referenceBuildError>[0]) ?? String(error);
  }
}

/** `decode`: bytes → what the reference's three ways of reading say. */
export const decode: SectionRunner = async (section, report, context) => {
  await eachVector((check, claims, { crypto }) => {
    const bytes = decodeInput(crypto, claims);
    if (claims.has("len")) check.equal("len", claims.number("len"), bytes.length);
    const allowed = { mode: "reference", allowPrivate: true } as const;
    const read = readPacket(crypto, bytes, allowed);
    if (claims.has("ref")) checkOutcome(check, "ref", claims.object("ref"), read);
    if (claims.has("ref_unchecked")) {
      const unchecked = parsePacket(bytes, allowed);
      checkOutcome(check, "ref_unchecked", claims.object("ref_unchecked"), unchecked);
    }
    if (claims.has("ref_no_private")) {
      const guarded = readPacket(crypto, bytes, { ...allowed, allowPrivate: false });
      checkOutcome(check, "ref_no_private", claims.object("ref_no_private"), guarded);
    }
    if (claims.has("own_error")) {
      const variant = read.ok ? "ok" : referenceError(read)?.variant;
      check.equal("own_error", claims.text("own_error"), variant);
    }
    checkStrict(check, crypto, bytes, read);
  })(withoutKey(section, "undefined_behaviour"), report, context);
  if (isObject(section) && section["undefined_behaviour"] !== undefined) {
    await runUndefinedBehaviour(section["undefined_behaviour"], report);
  }
};

function decodeInput(crypto: Crypto, claims: Claims): Uint8Array {
  if (claims.has("hex")) return claims.bytes("hex");
  const hash = claims.text("hex_blake3");
  const words = claims.text("construct");
  const head = claims.has("head_hex") ? claims.bytes("head_hex") : undefined;
  const candidates = constructed(crypto, words, head, claims.number("len"));
  const found = candidates.find((bytes) => toHex(crypto.hash(bytes)) === hash);
  if (found === undefined) throw new VectorShapeError(`cannot rebuild “${words}”`);
  if (head !== undefined && toHex(found.subarray(0, head.length)) !== toHex(head)) {
    throw new VectorShapeError("head_hex is not the start of the bytes");
  }
  return found;
}

/** Everything the words of a vector may mean; its hash picks the right one. */
function constructed(
  crypto: Crypto,
  words: string,
  head: Uint8Array | undefined,
  size: number,
): readonly Uint8Array[] {
  const raw = describedBytes(words);
  if (raw !== undefined) return [raw];
  const filled = head === undefined ? [] : filledBytes(head, size);
  const kind = kinds.find((name) => words.startsWith(name));
  if (kind === undefined) return filled;
  const packet = buildPoint(crypto, describedPoint(kind, words), testSecret());
  return [packet.bytes, ...filled];
}

/** Words by which a vector says that the reference crashed: any rejection will do for us. */
const crash = /unreachable|capacity overflow|panic|trap|undefined behaviou?r/i;

function checkOutcome(
  check: CaseCheck,
  label: string,
  expected: Claims,
  got: ParsedPacket | ReadPacket | PacketRejection,
): void {
  check.equal(`${label} ok`, expected.take("ok") === true, got.ok);
  if (got.ok) {
    const { packet, rest } = got;
    if (expected.has("hash")) check.equal(`${label} hash`, expected.bytes("hash"), packet.hash);
    if (expected.has("type")) {
      check.equal(`${label} type`, expected.number("type"), packet.typeByte);
    }
    if (expected.has("rest")) check.equal(`${label} rest`, expected.number("rest"), rest.length);
    if (expected.has("depth")) {
      check.equal(`${label} depth`, expected.number("depth"), packet.pathDepth);
    }
    return;
  }
  const error = expected.take("error");
  if (typeof error === "string" && crash.test(error)) return;
  const thrown = referenceError(got)?.thrown;
  if (typeof error === "string" || typeof error === "number") {
    check.equal(`${label} error`, error, thrown);
  } else {
    check.fail(`${label} error`, JSON.stringify(error), String(thrown));
  }
}

/** What strict mode accepts, reference mode accepts too, and building it again gives the same bytes. */
function checkStrict(
  check: CaseCheck,
  crypto: Crypto,
  bytes: Uint8Array,
  reference: ReadPacket | PacketRejection,
): void {
  const strict = readPacket(crypto, bytes, { allowPrivate: true });
  if (!strict.ok) return;
  check.equal("reference accepts what strict accepts", true, reference.ok);
  checkRoundTrip(check, crypto, strict.packet.bytes, undefined);
}

/**
 * `verdicts`: bytes and the code of each mode, `"ok"` where they are a packet. The private group is
 * allowed unless `allowPrivate` is false.
 */
export const verdicts: SectionRunner = eachVector((check, claims, { crypto }) => {
  const bytes = claims.bytes("hex");
  const allowPrivate = claims.take("allowPrivate") !== false;
  for (const mode of ["strict", "reference"] as const) {
    const read = readPacket(crypto, bytes, { mode, allowPrivate });
    check.equal(mode, claims.text(mode), read.ok ? "ok" : read.reason);
  }
});

/** Sizes the reference has no defined answer to: rejected in both modes. */
async function runUndefinedBehaviour(cases: Json, report: SectionReport): Promise<void> {
  if (!Array.isArray(cases)) throw new VectorShapeError("undefined_behaviour is no list");
  for (const item of cases as readonly Json[]) {
    const claims = readClaims(item);
    const name = claims.text("name");
    await report.check(name, (check) => {
      const range = /^usz=(\d+)(?:\.\.(\d+))?$/.exec(name);
      if (range === null) throw new VectorShapeError(`unknown case “${name}”`);
      const first = Number(range[1]);
      for (let size = first; size <= Number(range[2] ?? first); size++) {
        const bytes = new Uint8Array(80).fill(0xff);
        bytes.set(readNetHeaderBytes());
        bytes.set([0, 1, 0, size], 64);
        check.equal(`strict ${size}`, false, parsePacket(bytes).ok);
        check.equal(`reference ${size}`, false, parsePacket(bytes, { mode: "reference" }).ok);
      }
      checkNothingLeft(check, claims);
    });
  }
}

function readNetHeaderBytes(): Uint8Array {
  return concatBytes(Uint8Array.of(0x4c, 0x4b, 0x31, 0, 0, 0, 0, 0), new Uint8Array(8).fill(0xff));
}

function withoutKey(section: Json, key: string): Json {
  if (!isObject(section)) return section;
  return Object.fromEntries(Object.entries(section).filter(([name]) => name !== key));
}

/** `netheader`: fields of the 32 bytes, and that reading and writing keeps them. */
export const netheader: SectionRunner = eachVector(
  (check, claims, { crypto }) => {
    const bytes = claims.bytes("packet");
    const read = readPacket(crypto, bytes, { mode: "reference" });
    if (!read.ok) {
      check.fail("read", "ok", read.reason);
      return;
    }
    const header = readNetHeader(bytes);
    check.equal("netheader", claims.bytes("netheader"), bytes.subarray(0, 32));
    const rewritten = withNetHeader(read.packet, header).bytes;
    const identical = toHex(rewritten) === toHex(bytes);
    check.equal("rewritten", claims.take("rewritten_identical") === true, identical);
    check.equal("hash", claims.bytes("hash"), read.packet.hash);
    for (const [key, value] of Object.entries(netHeaderTexts(header))) {
      if (claims.has(key)) check.equal(key, claims.text(key), value);
    }
    const hopped = hop(header);
    check.equal("hop", Math.min(header.hop + 1, 0xffff_ffff), hopped.hop);
    check.equal("hop flags", header.flags & 0x7f, hopped.flags);
  },
  (vector) => jsonText(vector["netheader"]),
);

/** Each field as raw hex, as text and as an ABE expression. */
function netHeaderTexts(header: NetHeader): { readonly [key: string]: string } {
  const flagBits = header.flags.toString(2).padStart(8, "0");
  const texts: { [key: string]: string } = {
    netflags: header.flags.toString(16).padStart(2, "0"),
    netflags_str: printNetFlags(header.flags),
    netflags_abe: `[b2:${flagBits}]`,
    stamp: header.stamp.toString(16).padStart(16, "0"),
    stamp_str: header.stamp.toString(),
    stamp_abe: `[u64:${header.stamp}]`,
  };
  const words: readonly (readonly [string, number])[] = [
    ["hop", header.hop],
    ...header.ubits.map((value, index) => [`ubits${index}`, value] as const),
  ];
  for (const [key, value] of words) {
    texts[key] = value.toString(16).padStart(8, "0");
    texts[`${key}_str`] = value.toString();
    texts[`${key}_abe`] = `[u32:${value}]`;
  }
  return texts;
}

/** Keys under which sections give the bytes of a packet. */
const packetKeys = ["packet", "hex", "bytes", "netpkt", "packet_b64", "b64"] as const;

/**
 * Sections of whole packets with what they decode to: `documented_packets`, `lns_root`.
 * A section may hold `vectors` or be a single one.
 */
export const wholePackets: SectionRunner = async (section, report, context) => {
  const single = isObject(section) && !Array.isArray(section["vectors"]);
  const list: Json = single ? { vectors: [section] } : section;
  await eachVector((check, claims, { crypto }) => checkWholePacket(check, crypto, claims))(
    list,
    report,
    context,
  );
};

function checkWholePacket(check: CaseCheck, crypto: Crypto, claims: Claims): void {
  const key = packetKeys.find((name) => claims.has(name));
  if (key === undefined && claims.has("kind") && claims.has("fields")) {
    checkEncoded(check, crypto, claims);
    return;
  }
  if (key === undefined) throw new VectorShapeError("no packet bytes in this vector");
  const secret = claims.has("secret") ? claims.bytes("secret") : undefined;
  const bytes = key.endsWith("b64") ? fromBase64url(claims.text(key)) : claims.bytes(key);
  if (bytes === undefined) throw new VectorShapeError(`${key} is no base64url`);
  const packet = checkRoundTrip(check, crypto, bytes, secret);
  if (packet === undefined) return;
  checkPacketClaims(check, crypto, claims, packet);
  for (const nested of ["decoded", "fields"]) {
    if (claims.has(nested)) checkPacketClaims(check, crypto, claims.object(nested), packet);
  }
}

/** `documented_printouts`: a printout, and the packet whose fields it shows. */
export const documentedPrintouts: SectionRunner = eachVector(
  (check, claims, { crypto }) => {
    const secret = claims.has("secret") ? claims.bytes("secret") : undefined;
    const packet = checkRoundTrip(check, crypto, claims.bytes("packet"), secret);
    if (packet === undefined) return;
    if (claims.has("pubkey")) check.equal("pubkey", claims.bytes("pubkey"), packet.publicKey);
    checkPrintout(check, claims.object("printed"), packet);
  },
  (vector) => (isObject(vector["printed"]) ? jsonText(vector["printed"]["hash"]) : ""),
);

function checkPrintout(check: CaseCheck, printed: Claims, packet: Packet): void {
  const lines: { readonly [key: string]: string | number } = {
    type: kindName(packet.kind),
    hash: hashToText(packet.hash),
    group: printGroup(packet.group),
    domain: printPadded(packet.domain),
    space: printPath(packet.path),
    create: packet.stamp.toString(),
    data: new TextDecoder("utf-8", { ignoreBOM: true }).decode(packet.data),
    data_size: packet.data.length,
  };
  for (const [key, value] of Object.entries(lines)) {
    if (printed.has(key)) check.equal(key, jsonText(printed.take(key)), String(value));
  }
  if (printed.has("links")) {
    const links = packet.links.map(
      (link) => `${printPadded(link.tag)} ${hashToText(link.pointer)}`,
    );
    check.equal("links", JSON.stringify(printed.list("links")), JSON.stringify(links));
  }
  if (!printed.has("pubkey")) return;
  // Names such as [@:me:local] were local to the author's machine: only signed or not can be told.
  const pubkey = printed.text("pubkey");
  if (["[@:none]", "[@:0]"].includes(pubkey)) check.equal("signed", false, isSigned(packet));
  else if (pubkey.startsWith("[b:")) {
    check.equal("pubkey", pubkey, `[b:${hashToText(packet.publicKey ?? new Uint8Array(32))}]`);
  } else check.equal("signed", true, isSigned(packet));
}

function isSigned(packet: Packet): boolean {
  return packet.publicKey !== undefined;
}

/** `documented_hashes`: data, or a packet named elsewhere, and its hash. */
export const documentedHashes: SectionRunner = eachVector((check, claims, { crypto, file }) => {
  const reference = claims.take("ref");
  if (typeof reference !== "string") {
    const packet = buildDatapoint(crypto, utf8(claims.text("data_utf8")));
    checkPacketClaims(check, crypto, claims, packet);
    return;
  }
  const name = /encode vector "(.*)"/.exec(reference)?.[1] ?? reference;
  const packet = knownPacket(crypto, file, name);
  if (packet === undefined) throw new VectorShapeError(`no packet is called “${name}”`);
  if (claims.has("kind")) check.equal("kind", claims.text("kind"), packet.kind);
  checkPacketClaims(check, crypto, claims, packet);
});

/** Datapoints as 0.7 numbers them. It gave 0x03 to datapoints; the other bytes are not known. */
const driftedTypes: PointTypes = { ...pointTypes, datapoint: 0x03, linkpoint: -1, keypoint: -1 };

/** `v0_7_drift`: data and its hash under the later type byte. */
export const versionDrift: SectionRunner = async (section, report, context) => {
  const single = isObject(section) && !Array.isArray(section["vectors"]);
  const list: Json = single ? { vectors: [section] } : section;
  await eachVector((check, claims, { crypto }) => {
    const key = ["data_utf8", "data_hex", "data"].find((name) => claims.has(name));
    if (key === undefined) throw new VectorShapeError("no data in this vector");
    const data = key === "data_utf8" ? utf8(claims.text(key)) : claims.bytes(key);
    const packet = buildPoint(crypto, { kind: "datapoint", data }, undefined, driftedTypes);
    checkRoundTrip(check, crypto, packet.bytes, undefined, driftedTypes);
    for (const name of ["type", "type_byte", "datapoint_type"]) {
      if (claims.has(name)) check.equal(name, Number(claims.take(name)), packet.typeByte);
    }
    if (claims.has("packet")) check.equal("packet", claims.bytes("packet"), packet.bytes);
    checkPacketClaims(check, crypto, claims, packet);
    checkOtherHashes(check, claims, packet, buildDatapoint(crypto, data));
  })(list, report, context);
};

/** Further hashes: of the type byte that their key names, else of either. */
function checkOtherHashes(check: CaseCheck, claims: Claims, later: Packet, first: Packet): void {
  for (const key of claims.unchecked()) {
    const typeByte = /(?:type_?|0x0?)([13])(?!\d)/.exec(key)?.[1];
    if (!key.includes("hash")) continue;
    const packets = [later, first].filter(
      (packet) => typeByte === undefined || packet.typeByte === Number(typeByte),
    );
    const texts = packets.flatMap(({ hash }) => [toHex(hash), toBase64url(hash)]);
    const stated = claims.text(key);
    check.equal(key, stated, texts.find((text) => text === stated) ?? texts[0]);
  }
}
