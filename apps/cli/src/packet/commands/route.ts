/** route sets fields of the net header; dedup drops what came before. Neither changes a hash. */
import type { Command } from "commander";
import { toHex } from "@hawser/codec";
import { withNetHeader, type NetHeader, type Packet } from "@hawser/packet";
import { openDestinations } from "../destinations.ts";
import { usage } from "../errors.ts";
import { evaluateList } from "../expressions.ts";
import { readPackets } from "../input.ts";
import { addPacketInput, addWrite, wholeNumber, type OutputOptions } from "../options.ts";
import type { PacketInputOptions } from "../input.ts";
import type { PacketCall } from "../run.ts";
import type { Session } from "../session.ts";
import { refuseTrailing } from "./build.ts";

interface StreamOptions extends OutputOptions, PacketInputOptions {}

export function addRouteCommands(program: Command, call: PacketCall): void {
  const route = program
    .command("route")
    .description("set fields of the net header: netflags, hop, stamp, ubits0 … ubits3")
    .argument("<rules...>", "FIELD:=:VALUE, or FIELD:0:BITS to clear and FIELD:1:BITS to set bits")
    .addHelpText("after", '\nExample: hawser packet route "hop:=:[u32:0]" < in.lk > out.lk');
  addWrite(addPacketInput(route)).action(async (rules: string[], options: StreamOptions) => {
    const all = [...rules, ...call.trailing];
    await call.run((session) => routePackets(session, all, options));
  });
  const dedup = program
    .command("dedup")
    .description("drop packets whose hash was among the last ones")
    .option("--capacity <count>", "how many hashes to remember", wholeNumber(1, 16_777_216), 256)
    .addHelpText("after", "\nExample: cat a.lk b.lk | hawser packet dedup > all.lk");
  addWrite(addPacketInput(dedup)).action(async (options: StreamOptions & { capacity: number }) => {
    refuseTrailing(call, "dedup");
    await call.run((session) => dedupPackets(session, options));
  });
}

/** Remembers the last `capacity` hashes that passed. */
async function dedupPackets(
  session: Session,
  options: StreamOptions & { readonly capacity: number },
): Promise<void> {
  const destinations = await openDestinations(session, options.write, { allowPrivate: true });
  const ring: string[] = [];
  const known = new Set<string>();
  let oldest = 0;
  for await (const packet of readPackets(session, options, { allowPrivate: true })) {
    const hash = toHex(packet.hash);
    if (known.has(hash)) continue;
    if (ring.length < options.capacity) ring.push(hash);
    else {
      known.delete(ring[oldest] ?? "");
      ring[oldest] = hash;
      oldest = (oldest + 1) % options.capacity;
    }
    known.add(hash);
    await destinations.write(packet);
  }
}

const routeFields = {
  netflags: 8,
  hop: 32,
  stamp: 64,
  ubits0: 32,
  ubits1: 32,
  ubits2: 32,
  ubits3: 32,
} as const;
type RouteField = keyof typeof routeFields;

const ruleHelp =
  "Write FIELD:=:VALUE with netflags, hop, stamp or ubits0 … ubits3, for example hop:=:[u32:0].";

async function routePackets(
  session: Session,
  rules: readonly string[],
  options: StreamOptions,
): Promise<void> {
  // Rules that stand on their own are checked before the first packet is taken.
  for (const rule of rules) splitRule(rule);
  const destinations = await openDestinations(session, options.write, { allowPrivate: true });
  for await (const packet of readPackets(session, options, { allowPrivate: true })) {
    await destinations.write(routePacket(session, packet, rules));
  }
}

function routePacket(session: Session, packet: Packet, rules: readonly string[]): Packet {
  let routed = packet;
  for (const rule of rules) {
    const { field, operator, value } = evaluateRule(session, routed, rule);
    const header = routed.netHeader;
    const old = readField(header, field);
    const next = operator === "=" ? value : operator === "1" ? old | value : old & ~value;
    routed = withNetHeader(routed, writeField(header, field, next));
  }
  return routed;
}

function splitRule(rule: string): { readonly field: RouteField; readonly operator: string } {
  const [name = "", operator = ""] = rule.split(":", 2);
  if (!isRouteField(name)) throw usage(`${rule}: ${name} is no field of the net header`, ruleHelp);
  if (!["=", "0", "1"].includes(operator)) throw usage(`${rule} has no operator`, ruleHelp);
  return { field: name, operator };
}

function isRouteField(name: string): name is RouteField {
  return Object.hasOwn(routeFields, name);
}

/** A value is an expression with the packet in scope: bytes of the field's size or fewer. */
function evaluateRule(
  session: Session,
  packet: Packet,
  rule: string,
): { readonly field: RouteField; readonly operator: string; readonly value: bigint } {
  const { field, operator } = splitRule(rule);
  const list = evaluateList(rule, session.scope({ packet }), { name: `rule ${rule}` });
  const [, , value, ...more] = list;
  const byteCount = routeFields[field] / 8;
  if (value === undefined || more.length > 0 || value.bytes.length !== byteCount) {
    const need = `${field} has ${byteCount} bytes: give [u${routeFields[field]}:…] or so many.`;
    throw usage(`rule ${rule}: the value does not fit`, need);
  }
  return {
    field,
    operator,
    value: value.bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n),
  };
}

function readField(header: NetHeader, field: RouteField): bigint {
  if (field === "stamp") return header.stamp;
  if (field === "hop") return BigInt(header.hop);
  if (field === "netflags") return BigInt(header.flags);
  return BigInt(header.ubits[ubitsIndex(field)] ?? 0);
}

function writeField(header: NetHeader, field: RouteField, value: bigint): NetHeader {
  if (field === "stamp") return { ...header, stamp: value };
  if (field === "hop") return { ...header, hop: Number(value) };
  if (field === "netflags") return { ...header, flags: Number(value) };
  const [a, b, c, d] = header.ubits;
  const at = ubitsIndex(field);
  const word = Number(value);
  const ubits = [
    at === 0 ? word : a,
    at === 1 ? word : b,
    at === 2 ? word : c,
    at === 3 ? word : d,
  ];
  return { ...header, ubits: [ubits[0] ?? 0, ubits[1] ?? 0, ubits[2] ?? 0, ubits[3] ?? 0] };
}

function ubitsIndex(field: Exclude<RouteField, "stamp" | "hop" | "netflags">): number {
  return Number(field.slice(-1));
}
