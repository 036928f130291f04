/**
 * Scope "select link": the links of a packet (docs/spec/query.md §2.5.13). Layer 3; pure.
 */
import { toBase64url, utf8 } from "@hawser/codec";
import type { Link, Packet } from "@hawser/packet";
import { fault, success, type Result } from "../fault.ts";
import { joinBytes } from "../join.ts";
import type { Node } from "../parse.ts";
import { plainBytes } from "../parts.ts";
import { createScope, functionFault, type Call, type Run, type Scope } from "../scope.ts";
import { toAbeText } from "../text.ts";
import { readSlice } from "./bytes.ts";
import { base64Forms, formFunction, integerForms, paddedForms } from "./forms.ts";

const none = new Uint8Array(0);

/** `tag:pointer` of the chosen links, between delimiters. */
function listLinks(packet: Packet, call: Call): Result<Uint8Array> {
  const [delimiter = utf8("\n"), ...args] = call.args;
  const slice = readSlice(call, packet.linkCount, args);
  if (!slice.ok) return slice;
  const { start, step, count } = slice.value;
  const spent = call.run.budget.spend(count, 0, call.index);
  if (spent !== undefined) return spent;
  const chunks: Uint8Array[] = [];
  for (let place = 0; place < count; place++) {
    const link = packet.link(start + place * step);
    if (link === undefined) break;
    if (place > 0) chunks.push(delimiter);
    chunks.push(utf8(`${toAbeText(link.tag)}:${toBase64url(link.pointer)}`));
  }
  return success(joinBytes(chunks));
}

/** Pointer of the first link whose tag ends with the argument. */
function findLink(packet: Packet, call: Call): Result<Uint8Array> {
  const suffix = call.args[0] ?? none;
  const spent = call.run.budget.spend(packet.linkCount, 0, call.index);
  if (spent !== undefined) return spent;
  for (let index = 0; index < packet.linkCount; index++) {
    const link = packet.link(index);
    if (link !== undefined && endsWith(link.tag, suffix)) return success(link.pointer);
  }
  return functionFault(call, "the end of a link's tag", "no such link");
}

function endsWith(bytes: Uint8Array, suffix: Uint8Array): boolean {
  const start = bytes.length - suffix.length;
  return start >= 0 && suffix.every((byte, index) => byte === bytes[start + index]);
}

/** `[/links:EXPR]`: the expression once per link, with `ptr`, `tag` and `i` of it. */
function repeatForLinks(
  packet: Packet,
  nodes: readonly Node[],
  index: number,
  run: Run,
): Result<Uint8Array> {
  const [first, ...body] = nodes;
  if (first?.kind !== "separator" || first.separator !== ":") {
    return fault("ABE_SYNTAX", first?.index ?? index, "a : before the expression", "links expects");
  }
  const chunks: Uint8Array[] = [];
  for (let place = 0; place < packet.linkCount; place++) {
    const link = packet.link(place);
    if (link === undefined) break;
    const spent = run.budget.spend(1, 0, index);
    if (spent !== undefined) return spent;
    const parts = run.evaluate(body, {
      ...run,
      scopes: [...run.scopes, oneLinkScope(link, place)],
    });
    if (!parts.ok) return parts;
    const value = plainBytes(parts.value);
    if (value === undefined) {
      return fault(
        "ABE_FUNCTION",
        index,
        "an expression without : and / of its own",
        "links expects result to be undelimited bytes (fixme)",
      );
    }
    chunks.push(value);
  }
  return success(joinBytes(chunks));
}

function oneLinkScope(link: Link, place: number): Scope {
  return createScope("", "", [
    formFunction("ptr", "[?(str|abe)] - 32 byte pointer", () => success(base64Forms(link.pointer))),
    formFunction("tag", "[?(str|abe)] - 16 byte tag ", () => success(paddedForms(link.tag))),
    formFunction("i", "[?(str|abe)] - index of the link", () => success(integerForms(place, 2))),
  ]);
}

export function linkScope(packet: Packet): Scope {
  return createScope(
    "select link",
    "",
    [
      {
        id: "links",
        use: "open",
        counts: [0, 4],
        help: "[delim='\\n',start=0,stop=len,step=1] - python like slice indexing",
        apply: (call) => listLinks(packet, call),
      },
      {
        id: "link",
        use: "open",
        counts: [1, 1],
        help: "[suffix] get first link with tag ending in suffix",
        apply: (call) => findLink(packet, call),
      },
    ],
    [
      {
        id: "links",
        help: ":{EXPR} where expr is repeated for each link binding 'ptr' and 'tag'",
        apply: (nodes, index, run) => repeatForLinks(packet, nodes, index, run),
      },
    ],
  );
}
