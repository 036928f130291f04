/**
 * Multiaddrs of logs and threads (docs/spec/6-space.md §8; TH-031, TH-032): the paper's
 * `/ip4/127.0.0.1/tcp/1234/p2p/<peer>/ipel/<log>` and Textile's `/…/thread/<id>`, in text and, for
 * protocols with a registered code, in bytes. Layer 5, pure.
 */
import {
  concatBytes,
  createByteReader,
  createByteWriter,
  fromUtf8,
  toHex,
  utf8,
} from "@hawser/codec";
import { base32 } from "multiformats/bases/base32";
import { base58btc } from "multiformats/bases/base58";
import { decodeSpaceId, parseSpaceId } from "./ids.ts";

/** One protocol of a multiaddr with its value as text; `""` for protocols that take none. */
export interface MultiaddrPart {
  readonly protocol: string;
  readonly value: string;
}

/** A multiaddr, outermost protocol first. */
export type Multiaddr = readonly MultiaddrPart[];

/** Parts a multiaddr may have. */
export const multiaddrPartsMax = 16;

interface Protocol {
  readonly name: string;
  /** `undefined`: text only. */
  readonly code: number | undefined;
  /** Bytes of the value; `"sized"`: preceded by a varint length. */
  readonly size: number | "sized";
  /** Bytes of a value, or `undefined` when it is not one. */
  readonly encode: (value: string) => Uint8Array | undefined;
  readonly decode: (bytes: Uint8Array) => string | undefined;
}

const none: Pick<Protocol, "size" | "encode" | "decode"> = {
  size: 0,
  encode: (value) => (value === "" ? new Uint8Array(0) : undefined),
  decode: () => "",
};
const port: Pick<Protocol, "size" | "encode" | "decode"> = {
  size: 2,
  encode: encodePort,
  decode: (bytes) => String((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0)),
};
const name: Pick<Protocol, "size" | "encode" | "decode"> = {
  size: "sized",
  encode: (value) => (/^[A-Za-z0-9.-]{1,253}$/.test(value) ? utf8(value) : undefined),
  decode: fromUtf8,
};
const peer: Pick<Protocol, "size" | "encode" | "decode"> = {
  size: "sized",
  encode: peerIdBytes,
  decode: (bytes) => base58btc.encode(bytes).slice(1),
};

const protocols: readonly Protocol[] = [
  { name: "ip4", code: 4, size: 4, encode: encodeIp4, decode: (bytes) => bytes.join(".") },
  { name: "tcp", code: 6, ...port },
  { name: "udp", code: 273, ...port },
  { name: "dns", code: 53, ...name },
  { name: "dns4", code: 54, ...name },
  { name: "dns6", code: 55, ...name },
  { name: "dnsaddr", code: 56, ...name },
  { name: "ws", code: 477, ...none },
  { name: "wss", code: 478, ...none },
  { name: "p2p", code: 421, ...peer },
  { name: "thread", code: 406, size: "sized", encode: encodeThread, decode: decodeThread },
  // The paper names this protocol but never registered a code.
  { name: "ipel", code: undefined, ...peer },
];

/** Parses the text form, or `undefined`: unknown protocol, bad value, too many parts. */
export function parseMultiaddr(text: string): Multiaddr | undefined {
  const words = text.split("/", 2 * multiaddrPartsMax + 2);
  if (words[0] !== "" || words.length < 2) return undefined;
  const parts: MultiaddrPart[] = [];
  for (let index = 1; index < words.length;) {
    const protocol = protocols.find((candidate) => candidate.name === words[index]);
    if (protocol === undefined || parts.length === multiaddrPartsMax) return undefined;
    const value = protocol.size === 0 ? "" : words[index + 1];
    if (value === undefined || protocol.encode(value) === undefined) return undefined;
    parts.push({ protocol: protocol.name, value });
    index += protocol.size === 0 ? 1 : 2;
  }
  return parts;
}

/** The text form. */
export function formatMultiaddr(address: Multiaddr): string {
  return address
    .map(({ protocol, value }) => (value === "" ? `/${protocol}` : `/${protocol}/${value}`))
    .join("");
}

/** The byte form, or `undefined` when a part has no registered code or a bad value. */
export function encodeMultiaddr(address: Multiaddr): Uint8Array | undefined {
  const writer = createByteWriter(64);
  for (const part of address) {
    const protocol = protocols.find((candidate) => candidate.name === part.protocol);
    const bytes = protocol?.encode(part.value);
    if (protocol?.code === undefined || bytes === undefined) return undefined;
    writer.varint(protocol.code);
    if (protocol.size === "sized") writer.sized(bytes);
    else writer.bytes(bytes);
  }
  return writer.finish();
}

/** Parses the byte form, or `undefined`. */
export function decodeMultiaddr(bytes: Uint8Array): Multiaddr | undefined {
  const reader = createByteReader(bytes);
  const parts: MultiaddrPart[] = [];
  while (reader.remaining > 0 && !reader.failed && parts.length < multiaddrPartsMax) {
    const code = reader.varint();
    const protocol = protocols.find((candidate) => candidate.code === code);
    if (protocol === undefined) return undefined;
    const raw = protocol.size === "sized" ? reader.sized(256) : reader.bytes(protocol.size);
    const value = reader.failed ? undefined : protocol.decode(raw);
    if (value === undefined || protocol.encode(value) === undefined) return undefined;
    parts.push({ protocol: protocol.name, value });
  }
  return reader.finished ? parts : undefined;
}

/** The address of something inside: a log or thread at a peer. */
export function encapsulate(outer: Multiaddr, inner: Multiaddr): Multiaddr {
  return [...outer, ...inner];
}

/** What is left of an address without its last `protocol` and all that follows it. */
export function decapsulate(address: Multiaddr, protocol: string): Multiaddr {
  const index = address.findLastIndex((part) => part.protocol === protocol);
  return index < 0 ? address : address.slice(0, index);
}

/** Bytes of a libp2p peer id in base58 without prefix, or `undefined`. */
export function peerIdBytes(text: string): Uint8Array | undefined {
  if (text.length < 30 || text.length > 128) return undefined;
  try {
    const bytes = base58btc.decode(`z${text}`);
    return isPeerId(bytes) ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** The Ed25519 key inside a peer id in hex, or `undefined` for a hashed one. */
export function peerIdPublicKey(bytes: Uint8Array): string | undefined {
  const isInline = toHex(bytes.subarray(0, 6)) === "002408011220" && bytes.length === 38;
  return isInline ? toHex(bytes.subarray(6)) : undefined;
}

/** A peer id as CIDv1, codec libp2p-key (0x72), base32. */
export function peerIdCid(bytes: Uint8Array): string {
  return base32.encode(concatBytes(Uint8Array.of(1, 0x72), bytes));
}

/** Identity multihash of a marshalled Ed25519 key, or a SHA-256 multihash. */
function isPeerId(bytes: Uint8Array): boolean {
  const head = toHex(bytes.subarray(0, 2));
  return (head === "0024" && bytes.length === 38) || (head === "1220" && bytes.length === 34);
}

function encodePort(value: string): Uint8Array | undefined {
  if (!/^(?:0|[1-9][0-9]{0,4})$/.test(value)) return undefined;
  const number = Number(value);
  return number > 0xffff ? undefined : Uint8Array.of(number >> 8, number & 0xff);
}

function encodeIp4(value: string): Uint8Array | undefined {
  const words = value.split(".", 5);
  if (words.length !== 4 || !words.every((word) => /^(?:0|[1-9][0-9]{0,2})$/.test(word))) {
    return undefined;
  }
  const numbers = words.map(Number);
  return numbers.every((number) => number < 256) ? Uint8Array.from(numbers) : undefined;
}

function encodeThread(value: string): Uint8Array | undefined {
  const parsed = parseSpaceId(value);
  return parsed.ok ? parsed.value.bytes : undefined;
}

function decodeThread(bytes: Uint8Array): string | undefined {
  const parsed = decodeSpaceId(bytes);
  return parsed.ok ? parsed.value.id : undefined;
}
