/**
 * The predicate language as an obvious filter: every rule is kept as it was given and asked on its
 * own; nothing is merged, nothing is compiled. Slow, and what the fast form is compared with.
 */
import { compareBytes, equalBytes, toHex } from "@hawser/codec";
import type { Packet } from "@hawser/packet";
import type { ArbitraryRule } from "./arbitraries.ts";

/** Fields that only linkpoints and keypoints have. */
const linkFields: readonly string[] = [
  "domain",
  "group",
  "spacename",
  "links_len",
  "depth",
  "create",
  "rspacename",
  "comp0",
  "comp1",
  "comp2",
  "comp3",
  "comp4",
  "comp5",
  "comp6",
  "comp7",
];

const variableFields: readonly string[] = ["rspacename", "data"];

/** Whether `packet` satisfies every one of `rules`. */
export function oracleTest(rules: readonly ArbitraryRule[], packet: Packet): boolean {
  return rules.every((rule) => satisfies(rule, packet));
}

function satisfies(rule: ArbitraryRule, packet: Packet): boolean {
  const { field, operator, value } = rule;
  if (field === "prefix") return hasPrefix(packet, value);
  if (isAlwaysTrue(rule)) return true;
  if (!hasField(packet, field)) return false;
  if (field === "spacename") return equalBytes(packet.unrootedPath, value);
  const actual = fieldBytes(packet, field);
  const isVariable = variableFields.includes(field) || field.startsWith("comp");
  return isVariable ? bytesTest(actual, operator, value) : numberTest(actual, operator, value);
}

/** An empty prefix is no rule; others are about points with a place. */
function hasPrefix(packet: Packet, prefix: Uint8Array): boolean {
  if (prefix.length === 0) return true;
  if (packet.kind !== "linkpoint" && packet.kind !== "keypoint") return false;
  return toHex(packet.unrootedPath).startsWith(toHex(prefix));
}

/** `>=` the least and `<=` the greatest number are dropped with all they imply. */
function isAlwaysTrue({ field, operator, value }: ArbitraryRule): boolean {
  if (variableFields.includes(field) || field.startsWith("comp")) return false;
  if (operator === ">=") return value.every((byte) => byte === 0);
  return operator === "<=" && value.every((byte) => byte === 255);
}

function hasField(packet: Packet, field: string): boolean {
  if (field === "pubkey" || field === "signature") return packet.kind === "keypoint";
  if (linkFields.includes(field)) {
    return packet.kind === "linkpoint" || packet.kind === "keypoint";
  }
  // The data bit, which error points lack.
  return packet.kind !== "errorpoint";
}

/** The field's value in bytes of its size. */
function fieldBytes(packet: Packet, field: string): Uint8Array {
  const { netHeader } = packet;
  switch (field) {
    case "type":
      return Uint8Array.of(packet.typeByte);
    case "netflags":
      return Uint8Array.of(netHeader.flags);
    case "hop":
      return sized(BigInt(netHeader.hop), 4);
    case "stamp":
      return sized(netHeader.stamp, 8);
    case "domain":
      return packet.domain;
    case "group":
      return packet.group;
    case "pubkey":
      return packet.publicKey ?? new Uint8Array(32);
    case "signature":
      return packet.signature ?? new Uint8Array(64);
    case "hash":
      return packet.hash;
    case "size":
      return sized(BigInt(packet.bytes.length), 2);
    case "data_size":
      return sized(BigInt(packet.data.length), 2);
    case "links_len":
      return sized(BigInt(packet.links.length), 2);
    case "depth":
      return sized(BigInt(packet.path.length), 1);
    case "create":
      return sized(packet.stamp, 8);
    case "rspacename":
      return packet.rootedPath;
    case "data":
      return packet.data;
    default:
      if (field.startsWith("comp")) {
        return packet.path[Number(field.slice(4))] ?? new Uint8Array(0);
      }
      return sized(BigInt(netHeader.ubits[Number(field.slice(5)) as 0 | 1 | 2 | 3]), 4);
  }
}

function sized(value: bigint, byteCount: number): Uint8Array {
  const hex = value.toString(16).padStart(2 * byteCount, "0");
  return Uint8Array.from(hex.match(/../gu) ?? [], (digits) => Number.parseInt(digits, 16));
}

function numberTest(actual: Uint8Array, operator: string, value: Uint8Array): boolean {
  const left = BigInt(`0x${toHex(actual)}`);
  const right = BigInt(`0x${toHex(value) || "0"}`);
  switch (operator) {
    case "=":
      return left === right;
    case "<":
      return left < right;
    case ">":
      return left > right;
    case "<=":
      return left <= right;
    case ">=":
      return left >= right;
    case "0":
      return (left | right) === right;
    case "1":
      return (left & right) === right;
    case "=*":
      return toHex(actual).startsWith(toHex(value));
    case "*=":
      return toHex(actual).endsWith(toHex(value));
    default:
      return true;
  }
}

function bytesTest(actual: Uint8Array, operator: string, value: Uint8Array): boolean {
  const order = compareBytes(actual, value);
  const bits = actual.map((byte, index) => byte & (value[index] ?? 0));
  switch (operator) {
    case "=":
      return order === 0;
    case "<":
      return order < 0;
    case ">":
      return order > 0;
    case "<=":
      return order <= 0;
    case ">=":
      return order >= 0;
    case "0":
      return actual.length === value.length && equalBytes(bits, actual);
    case "1":
      return actual.length === value.length && equalBytes(bits, value);
    case "=*":
      return toHex(actual).startsWith(toHex(value));
    case "*=":
      return toHex(actual).endsWith(toHex(value));
    default:
      return true;
  }
}
