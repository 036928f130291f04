/**
 * `bigdata`: the example of Linkspace's guide, 200,000,000 dashes collected in a chain of
 * linkpoints. A vector holds a packet, or states facts about the example; then the example is
 * rebuilt and every hash, packet and number that is stated must be one of it.
 */
import { fromBase64url, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  buildDatapoint,
  buildLinkpoint,
  datapointDataBytesMax,
  publicGroup,
  type LinkDraft,
  type Packet,
} from "@hawser/packet";
import { isObject, jsonText, type Json } from "./claims.ts";
import { wholePackets } from "./linkspace-packets.ts";
import type { CaseCheck } from "./report.ts";
import type { SectionRunner } from "./system.ts";

const contentBytes = 200_000_000;
const dash = 0x2d;
const linkCountMax = 1_333;

/** What is known about the example. */
interface Example {
  /** By hash in hex. */
  readonly linkpoints: ReadonlyMap<string, Packet>;
  readonly hashes: ReadonlySet<string>;
  readonly packets: ReadonlySet<string>;
  readonly numbers: ReadonlySet<number>;
}

/** The example, with one hash for the chunks that are equal. */
function rebuild(crypto: Crypto): Example {
  const full = buildDatapoint(crypto, new Uint8Array(datapointDataBytesMax).fill(dash));
  const lastBytes = contentBytes % datapointDataBytesMax;
  const last = buildDatapoint(crypto, new Uint8Array(lastBytes).fill(dash));
  const count = Math.ceil(contentBytes / datapointDataBytesMax);
  const linkpoints = new Map<string, Packet>();
  let previous: Packet | undefined;
  for (let done = 0; done < count; done += linkCountMax) {
    const size = Math.min(linkCountMax, count - done);
    const links = Array.from({ length: size }, (_, index): LinkDraft => ({
      tag: "data",
      pointer: done + index === count - 1 ? last.hash : full.hash,
    }));
    if (previous !== undefined) links.unshift({ tag: "continue", pointer: previous.hash });
    previous = buildLinkpoint(crypto, { group: publicGroup(), domain: "example", links, stamp: 0 });
    linkpoints.set(toHex(previous.hash), previous);
  }
  const packets = [full, last, ...linkpoints.values()];
  return {
    linkpoints,
    hashes: new Set([...packets.map(({ hash }) => toHex(hash)), toHex(publicGroup())]),
    packets: new Set(packets.map(({ bytes }) => toHex(bytes))),
    numbers: new Set([
      contentBytes,
      datapointDataBytesMax,
      lastBytes,
      count,
      count - 1,
      linkCountMax,
      ...packets.flatMap((packet) => [packet.bytes.length, packet.pointBytes, packet.linkCount]),
      ...packets.flatMap((packet) => [packet.point.length, packet.data.length]),
      count % linkCountMax,
      // Indices and the number of linkpoints.
      0,
      1,
      2,
      3,
    ]),
  };
}

const packetKeys: readonly string[] = ["packet", "hex", "bytes", "netpkt", "packet_b64", "fields"];

/** The section: `vectors`, a list, or one vector. */
export const bigdata: SectionRunner = async (section, report, context) => {
  const { list, rest } = split(section);
  const whole = list.filter((item) => packetKeys.some((key) => isObject(item) && key in item));
  if (whole.length > 0) await wholePackets({ vectors: whole }, report, context);
  const example = rebuild(context.crypto);
  for (const [index, item] of list.entries()) {
    if (whole.includes(item)) continue;
    await report.check(`#${index}`, (check) => {
      const hashCount = checkFacts(check, example, "", item);
      if (hashCount === 0) check.fail("", "a hash of the example", jsonText(item));
    });
  }
  if (Object.keys(rest).length > 0) {
    await report.check("(section)", (check) => void checkFacts(check, example, "", rest));
  }
};

function split(section: Json): { readonly list: readonly Json[]; readonly rest: Json & object } {
  if (!isObject(section)) {
    return { list: Array.isArray(section) ? (section as readonly Json[]) : [section], rest: {} };
  }
  const { vectors, ...rest } = section;
  if (!Array.isArray(vectors)) return { list: [section], rest: {} };
  return { list: vectors as readonly Json[], rest };
}

/** Checks every fact in a value, without recursion; the number of hashes that were checked. */
function checkFacts(check: CaseCheck, example: Example, name: string, value: Json): number {
  let hashCount = 0;
  const open: (readonly [string, Json])[] = [[name, value]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [key, fact] = next;
    if (typeof fact === "number") {
      if (!example.numbers.has(fact)) check.fail(key, "a number of the example", String(fact));
    } else if (typeof fact === "string") {
      hashCount += checkText(check, example, key, fact);
    } else if (typeof fact === "object" && fact !== null) {
      if (isObject(fact)) checkLinkCount(check, example, fact);
      for (const [inner, member] of Object.entries(fact)) {
        open.push([key === "" ? inner : `${key}.${inner}`, member]);
      }
    }
  }
  return hashCount;
}

/** Hashes inside of words, as hex or base64url, and whole packets in hex. */
function checkText(check: CaseCheck, example: Example, key: string, text: string): number {
  let hashCount = 0;
  for (const [word] of text.matchAll(/[A-Za-z0-9_-]{43,}/g)) {
    const isHex = /^[0-9a-f]{64,}$/.test(word);
    if (isHex && word.length > 64) {
      if (!example.packets.has(word)) check.fail(key, "a packet of the example", word.slice(0, 64));
      continue;
    }
    const hash = isHex ? word : word.length === 43 ? toHex(fromBase64url(word) ?? none) : undefined;
    if (hash === undefined) continue;
    hashCount += 1;
    if (!example.hashes.has(hash)) check.fail(key, "a hash of the example", word);
  }
  return hashCount;
}

/** An object that names one linkpoint by `hash` or `hash_b64` may say how many links it has. */
function checkLinkCount(
  check: CaseCheck,
  example: Example,
  fact: { readonly [key: string]: Json },
): void {
  const text = jsonText(fact["hash_b64"] ?? fact["hash"]);
  const hash = /^[0-9a-f]{64}$/.test(text) ? text : toHex(fromBase64url(text) ?? none);
  const linkpoint = example.linkpoints.get(hash);
  if (linkpoint === undefined) return;
  for (const [key, value] of Object.entries(fact)) {
    if (typeof value === "number" && /^(n_)?links?(_len|_count)?$/.test(key)) {
      check.equal(key, value, linkpoint.linkCount);
    }
  }
}

const none = new Uint8Array(0);
