/**
 * Scope "print pkt default": whole packets as text, HTML or bytes (docs/spec/query.md §2.5.13).
 * Layer 3; pure.
 */
import { toBase64url, utf8 } from "@hawser/codec";
import { printGroup, printPacket, printPadded, toMiniText, type Packet } from "@hawser/packet";
import { defaultPacketTemplate } from "../default-template.ts";
import { success, type Result } from "../fault.ts";
import { nameText } from "../join.ts";
import { parseUnsigned, sizeMax } from "../numbers.ts";
import { parseAbe } from "../parse.ts";
import { abeBytes } from "../parts.ts";
import { createScope, type Call, type Scope, type ScopeFunction } from "../scope.ts";
import { toAbeText } from "../text.ts";
import { lossyText } from "./bytes.ts";
import { toStamp } from "./time.ts";

/** The packet in the default template, evaluated where the call stands. */
function printByTemplate(call: Call): Result<Uint8Array> {
  const nodes = parseAbe(utf8(defaultPacketTemplate), "strict");
  const parts = nodes.ok ? call.run.evaluate(nodes.value, call.run) : nodes;
  return parts.ok ? success(abeBytes(parts.value)) : parts;
}

/** The packet without looking names up, perhaps with its receive stamp and less data. */
function printQuick(packet: Packet, call: Call): Result<Uint8Array> {
  const [wantsReceived, limitText] = call.args;
  const limit = limitText === undefined ? undefined : parseUnsigned(call, limitText, sizeMax);
  if (limit?.ok === false) return limit;
  const { recv } = call.run.context;
  const received = ["", "false"].includes(nameText(wantsReceived ?? new Uint8Array(0)))
    ? ""
    : `recv\t${recv === undefined ? "???" : toStamp(recv)}\n`;
  const whole = printPacket(packet);
  if (limit === undefined) return success(utf8(received + whole));
  const head = whole.slice(0, whole.length - lossyText(packet.data).length);
  const shown = packet.data.subarray(0, Number(limit.value));
  return success(utf8(received + head + lossyText(shown)));
}

/** The packet as an HTML fragment; all text from the packet is escaped. */
function printHtml(packet: Packet): string {
  const hash = toBase64url(packet.hash);
  const color = (packet.hash[0] ?? 0) >> 4;
  const author =
    packet.publicKey === undefined ? "" : `lk-pubkey='${toBase64url(packet.publicKey)}'`;
  const size = packet.data.length;
  const open =
    `<div lk-point='${hash}' lk-ptype='${packet.typeByte}' class='lk-c${color}' ${author}\n` +
    `lk-data-size='${size}' lk-links-len='${packet.linkCount}' lk-depth='${packet.pathDepth}'>`;
  const hasLinks = packet.kind === "linkpoint" || packet.kind === "keypoint";
  const data = escapeHtml(lossyText(packet.data));
  return (
    open +
    htmlHash("hash", packet.hash) +
    (hasLinks ? htmlLinkpoint(packet) : "") +
    `<span lk-data-size='${size}'>${size}</span>\n` +
    `<pre lk-data='${size}'>${data}</pre></div>`
  );
}

function htmlLinkpoint(packet: Packet): string {
  const { pathDepth, linkCount } = packet;
  const domain = escapeHtml(printPadded(packet.domain));
  const components = packet.path.map((component, index) => {
    const text = escapeHtml(toAbeText(component));
    return `<li lk-space${index}='${toBase64url(component)}'>${text}</li>`;
  });
  const links = packet.links.map(({ tag, pointer }) => {
    const tag64 = toBase64url(tag);
    const text = escapeHtml(printPadded(tag));
    return (
      `<li lk-link-tag='${tag64}'><span lk-tag='${tag64}'>${text}</span>` +
      `${htmlHash("ptr", pointer)}</li>\n`
    );
  });
  return (
    (packet.publicKey === undefined ? "" : htmlHash("pubkey", packet.publicKey)) +
    `<span lk-domain='${toBase64url(packet.domain)}'>${domain}</span>` +
    htmlHash("group", packet.group) +
    `<span lk-create='${packet.stamp}'>${packet.stamp}</span>` +
    `<span lk-depth='${pathDepth}' >${pathDepth}</span>` +
    `<ol lk-space='${toBase64url(packet.unrootedPath)}' lk-depth='${pathDepth}'>\n` +
    `${components.join("")}</ol>\n` +
    `<span lk-links-len='${linkCount}'>${linkCount}</span>` +
    `<ol lk-links='${linkCount}'>\n${links.join("")}</ol>`
  );
}

/** 32 bytes by their well-known name or in short, with two classes to colour them by. */
function htmlHash(role: string, bytes: Uint8Array): string {
  const named = printGroup(bytes);
  const text = named.startsWith("[#:") ? named : toMiniText(bytes);
  const classes = `lk-b64 lk-c${(bytes[14] ?? 0) >> 4} lk-d${(bytes[15] ?? 0) >> 4}`;
  return `<span lk-${role}='${toBase64url(bytes)}' class='${classes}'>${text}</span>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function printFunction(
  packet: Packet,
  id: string,
  help: string,
  counts: readonly [number, number],
  apply: (call: Call) => Result<Uint8Array>,
): ScopeFunction {
  return {
    id,
    use: "open",
    counts,
    help,
    // Printing looks at the whole packet, however little of it is given.
    apply: (call) => call.run.budget.spend(1, packet.bytes.length, call.index) ?? apply(call),
  };
}

export function printScope(packet: Packet): Scope {
  return createScope("print pkt default", "", [
    printFunction(packet, "pkt", "default pk fmt", [0, 0], printByTemplate),
    printFunction(packet, "netpkt", "TODO default netpkt fmt", [0, 0], printByTemplate),
    printFunction(packet, "point", "TODO default point fmt", [0, 0], printByTemplate),
    printFunction(
      packet,
      "pkt-quick",
      "[add recv? =false , data_limit = max] same as pkt but without dynamic lookup",
      [0, 2],
      (call) => printQuick(packet, call),
    ),
    printFunction(packet, "html-quick", "same as html but without dynamic lookup", [0, 0], () =>
      success(utf8(printHtml(packet))),
    ),
    printFunction(packet, "netbytes", "raw netpkt bytes", [0, 0], () => success(packet.bytes)),
  ]);
}
