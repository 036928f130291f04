/**
 * Runners for the sections of Linkspace vectors that are about ABE expressions.
 */
import { fromUtf8, toBase64url, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { buildLinkpoint, parsePacket, publicGroup, toMiniText, type Packet } from "@hawser/packet";
import {
  abeBytes,
  createTemplate,
  defaultPacketTemplate,
  encodeAbe,
  evaluateAbe,
  toAbeText,
  tokenizeAbe,
  type AbeContext,
  type AbeDelimiter,
  type AbeList,
  type AbeVerdict,
} from "@hawser/query";
import { jsonText, readClaims, VectorShapeError, type Claims, type Json } from "./claims.ts";
import { checkSectionKeys } from "./linkspace-packets.ts";
import { checkNothingLeft, type CaseCheck, type SectionReport } from "./report.ts";
import type { RunContext, SectionRunner } from "./system.ts";

/** `abe`: expressions → bytes or errors, bytes → expressions, tokens, texts. */
export const abe: SectionRunner = async (section, report, context) => {
  const claims = readClaims(section, "abe");
  const packets = claims.has("packets") ? readPackets(claims.object("packets")) : new Map();
  await eachItem(claims, "eval", report, (check, item) => checkEvaluation(check, item, packets));
  await eachItem(claims, "encode", report, checkEncoding);
  await eachItem(claims, "b64", report, checkBase64);
  await eachItem(claims, "documented", report, (check, item) =>
    checkDocumented(check, item, context),
  );
  if (claims.has("tokenize")) {
    await report.check("tokenize", (check) => checkTokens(check, claims.object("tokenize")));
  }
  if (claims.has("help")) {
    await report.check("help", (check) => {
      const help = evaluateAbe("[help]", contextOf({ argv: [] }));
      check.equal("help", claims.text("help"), resultText(help));
    });
  }
  if (claims.has("default_pkt_template")) {
    await report.check("default_pkt_template", (check) => {
      check.equal("template", claims.text("default_pkt_template"), defaultPacketTemplate);
      checkTemplateIsPrintout(check, packets);
    });
  }
  await checkSectionKeys(claims, report, []);
};

async function eachItem(
  claims: Claims,
  key: string,
  report: SectionReport,
  run: (check: CaseCheck, item: Claims) => void,
): Promise<void> {
  if (!claims.has(key)) return;
  for (const [index, value] of claims.list(key).entries()) {
    await report.check(`${key} #${index} ${itemName(value)}`, (check) => {
      const item = readClaims(value);
      run(check, item);
      checkNothingLeft(check, item);
    });
  }
}

function itemName(value: Json): string {
  const claims = readClaims(value);
  const key = ["expr", "cmd", "hex", "encode"].find((name) => claims.has(name));
  return key === undefined ? "" : jsonText(claims.take(key)).slice(0, 60);
}

function readPackets(claims: Claims): Map<string, Packet> {
  const packets = new Map<string, Packet>();
  for (const name of claims.unchecked()) {
    const parsed = parsePacket(claims.bytes(name), { mode: "reference", allowPrivate: true });
    if (!parsed.ok) throw new VectorShapeError(`${name} is no packet`);
    packets.set(name, parsed.packet);
  }
  return packets;
}

/** Any time: no vector states what the clock says. */
function contextOf(known: Partial<AbeContext>): AbeContext {
  return { nowMicros: () => 1_700_000_000_000_000, ...known };
}

function readContext(item: Claims, packets: ReadonlyMap<string, Packet>): AbeContext {
  const name = item.has("pkt") ? item.text("pkt") : undefined;
  const packet = name === undefined ? undefined : packets.get(name);
  if (name !== undefined && packet === undefined) {
    throw new VectorShapeError(`no packet is called “${name}”`);
  }
  const argv = item.has("argv") ? item.list("argv").map((text) => utf8(jsonText(text))) : [];
  return contextOf(packet === undefined ? { argv } : { argv, packet });
}

/** One expression: its bytes, and its text where that is given, or the reference's error. */
function checkEvaluation(
  check: CaseCheck,
  item: Claims,
  packets: ReadonlyMap<string, Packet>,
): void {
  const context = readContext(item, packets);
  const loose = item.has("loose") && item.take("loose") === true;
  const result = evaluateAbe(item.text("expr"), context, { loose, encodings: "reference" });
  if (item.has("error")) {
    check.equal("error", item.text("error"), result.ok ? undefined : result.reference);
    checkFailure(check, result);
    return;
  }
  if (item.has("hex")) check.equal("hex", item.bytes("hex"), resultBytes(result));
  if (item.has("ascii")) check.equal("ascii", item.text("ascii"), resultText(result));
}

/** Our own story of a failure must say where and what, whatever the reference's says. */
function checkFailure(check: CaseCheck, result: AbeVerdict<AbeList>): void {
  if (result.ok) return;
  check.equal("expected", true, result.expected.length > 0);
  check.equal("message", true, result.message.startsWith(`byte ${result.index} `));
}

function resultBytes(result: AbeVerdict<AbeList>): Uint8Array | string {
  return result.ok ? abeBytes(result.value) : result.message;
}

function resultText(result: AbeVerdict<AbeList>): string | undefined {
  return result.ok ? fromUtf8(abeBytes(result.value)) : result.message;
}

/** The reference's text; and that the exact text evaluates to the bytes again. */
function checkEncoding(check: CaseCheck, item: Claims): void {
  const bytes = item.bytes("hex");
  const options = item.has("options") ? item.text("options") : "";
  checkEncoded(check, bytes, options, item.text("result"));
}

function checkEncoded(check: CaseCheck, bytes: Uint8Array, options: string, result: string): void {
  const context = contextOf({});
  const encoded = encodeAbe(bytes, options, context, { encodings: "reference" });
  check.equal("result", result, encoded);
  const exact = encodeAbe(bytes, options, context);
  check.equal("evaluates back", bytes, resultBytes(evaluateAbe(exact, context)));
}

function checkBase64(check: CaseCheck, item: Claims): void {
  const bytes = item.bytes("hex");
  check.equal("b64", item.text("b64"), toBase64url(bytes));
  check.equal("mini", item.text("mini"), toMiniText(bytes));
}

function checkTokens(check: CaseCheck, item: Claims): void {
  const keep = item.has("exclude_ctr") ? Array.from(item.text("exclude_ctr"), readDelimiter) : [];
  const tokens = tokenizeAbe(item.text("input"), keep);
  const got = tokens.ok
    ? tokens.value.map(({ delimiter, hasBrackets, text }) => [delimiter ?? 0, hasBrackets, text])
    : tokens.message;
  check.equal("expect", JSON.stringify(item.list("expect")), JSON.stringify(got));
  checkNothingLeft(check, item);
}

function readDelimiter(text: string): AbeDelimiter {
  if (text === ":" || text === "/" || text === "\n" || text === "\t") return text;
  throw new VectorShapeError(`“${text}” is no delimiter`);
}

/** `[pkt]` and a template of the same text are one printout. */
function checkTemplateIsPrintout(check: CaseCheck, packets: ReadonlyMap<string, Packet>): void {
  const template = createTemplate(defaultPacketTemplate);
  if (!template.ok) {
    check.fail("template", "a template", template.message);
    return;
  }
  for (const [name, packet] of packets) {
    const printed = evaluateAbe("[pkt]", contextOf({ packet }));
    const formatted = template.value.format(packet, contextOf({}));
    check.equal(name, resultBytes(printed), formatted.ok ? formatted.value : formatted.message);
  }
}

/** Lines of documents: a command, an expression, or bytes and their text. */
function checkDocumented(check: CaseCheck, item: Claims, { crypto }: RunContext): void {
  if (item.has("cmd")) {
    checkCommand(check, item, crypto);
  } else if (item.has("expr")) {
    checkEvaluation(check, item, new Map());
  } else if (item.has("encode")) {
    checkEncoded(check, item.bytes("encode"), item.text("options"), item.text("result"));
  } else {
    check.equal("result", item.text("result"), toAbeText(utf8(item.text("bytes_utf8"))));
  }
}

const evalCommand = /^lk eval (?:--json )?"([^"]*)"$/;
const formatCommand = /^lk link "::" --create <now> -- ((?:\S+ )*)\| lk pktf "([^"]*)"$/;

function checkCommand(check: CaseCheck, item: Claims, crypto: Crypto): void {
  const command = item.text("cmd");
  const evaluated = evalCommand.exec(command);
  if (evaluated !== null) {
    const result = evaluateAbe(evaluated[1] ?? "", contextOf({ argv: [] }), { loose: true });
    if (item.has("hex")) check.equal("hex", item.bytes("hex"), resultBytes(result));
    if (item.has("json")) {
      check.equal("json", JSON.stringify(item.list("json")), JSON.stringify(jsonList(result)));
    }
    return;
  }
  const formatted = formatCommand.exec(command);
  if (formatted === null) throw new VectorShapeError(`an unknown command: ${command}`);
  const packet = linkpointOf(crypto, (formatted[1] ?? "").trim().split(" "));
  const template = createTemplate(formatted[2] ?? "", { loose: true });
  const got = template.ok ? template.value.format(packet, contextOf({})) : template;
  const shape = item.text("shape").replace("<b64>", toBase64url(packet.hash));
  check.equal("shape", shape, got.ok ? fromUtf8(got.value) : got.message);
}

/** A list as the reference's JSON: pairs of separator and text. */
function jsonList(result: AbeVerdict<AbeList>): unknown {
  if (!result.ok) return result.message;
  return result.value.map(({ separator, bytes }) => [separator ?? null, fromUtf8(bytes)]);
}

/** The linkpoint of `lk link "::" -- tag:[#:name] …`. */
function linkpointOf(crypto: Crypto, words: readonly string[]): Packet {
  const links = words.map((word) => {
    const [tag, ...pointer] = word.split(":");
    const value = evaluateAbe(pointer.join(":"), contextOf({}));
    if (tag === undefined || !value.ok) throw new VectorShapeError(`“${word}” is no link`);
    return { tag, pointer: abeBytes(value.value) };
  });
  return buildLinkpoint(crypto, { group: publicGroup(), links, stamp: 0 });
}
