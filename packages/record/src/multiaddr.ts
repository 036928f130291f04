/**
 * Multiaddrs as text (docs/spec/record.md §9.1): `/ip4/192.0.2.7/tcp/4001/p2p/12D3…`. Only what a
 * prober needs is understood: the parts, and whether the address is a private one.
 */
import { base58btc } from "multiformats/bases/base58";
import { CID } from "multiformats/cid";

/** One protocol and its value; "" for protocols that take none. */
export interface AddressPart {
  readonly protocol: string;
  readonly value: string;
}

/** Parts of an address. */
const partsMax = 16;
/** UTF-16 code units of an address. */
const addressTextMax = 512;

const hasNoValue = (): boolean => false;
const isName = (value: string): boolean => /^[A-Za-z0-9._-]{1,253}$/.test(value);
const isPort = (value: string): boolean =>
  /^(?:0|[1-9][0-9]{0,4})$/.test(value) && Number(value) <= 0xffff;
const isHash = (value: string): boolean => /^[A-Za-z0-9_-]{1,128}$/.test(value);

/** Checks values by protocol; the table of docs/spec/record.md §9.1. */
const protocols: ReadonlyMap<string, (value: string) => boolean> = new Map([
  ["ip4", (value) => ip4Bytes(value) !== undefined],
  ["ip6", (value) => ip6Words(value) !== undefined],
  ["dns", isName],
  ["dns4", isName],
  ["dns6", isName],
  ["dnsaddr", isName],
  ["sni", isName],
  ["tcp", isPort],
  ["udp", isPort],
  ["p2p", isPeerId],
  ["certhash", isHash],
  ...[
    "ws",
    "wss",
    "tls",
    "noise",
    "http",
    "https",
    "quic",
    "quic-v1",
    "webtransport",
    "webrtc",
  ].map((name) => [name, hasNoValue] as const),
  ["webrtc-direct", hasNoValue],
  ["p2p-circuit", hasNoValue],
]);

/** The parts of an address, or `undefined`: unknown protocol, bad value, too long. */
export function parseAddress(text: string): readonly AddressPart[] | undefined {
  if (text.length > addressTextMax) return undefined;
  const words = text.split("/");
  if (words[0] !== "" || words.length < 2) return undefined;
  const parts: AddressPart[] = [];
  for (let index = 1; index < words.length;) {
    const protocol = words[index] ?? "";
    const accepts = protocols.get(protocol);
    if (accepts === undefined || parts.length === partsMax) return undefined;
    const value = accepts === hasNoValue ? "" : words[index + 1];
    if (value === undefined || (accepts !== hasNoValue && !accepts(value))) return undefined;
    parts.push({ protocol, value });
    index += accepts === hasNoValue ? 1 : 2;
  }
  return parts;
}

/** Whether text is the id of a peer: an author's 64 hex digits, or a libp2p peer id. */
export function isPeerId(text: string): boolean {
  if (/^[0-9a-f]{64}$/.test(text)) return true;
  if (text.length < 30 || text.length > 128) return false;
  try {
    if (!/^(?:1|Qm)/.test(text)) return CID.parse(text).code === 0x72;
    const hash = base58btc.decode(`z${text}`);
    const isInline = hash[0] === 0 && hash[1] === 0x24 && hash.length === 38;
    return isInline || (hash[0] === 0x12 && hash[1] === 0x20 && hash.length === 34);
  } catch {
    return false;
  }
}

/**
 * Whether an address is not plainly one of the public Internet: an IP address of a private, local
 * or reserved range, a local name, or no host at all. A public name may still lead to a private
 * address, so probers look again after resolving.
 */
export function isPrivateAddress(parts: readonly AddressPart[]): boolean {
  const host = parts[0];
  if (host === undefined) return true;
  if (host.protocol === "ip4") return isPrivateIp4(ip4Bytes(host.value) ?? []);
  if (host.protocol === "ip6") return isPrivateIp6(ip6Words(host.value) ?? []);
  if (!host.protocol.startsWith("dns")) return true;
  const name = host.value.toLowerCase().replace(/\.$/, "");
  return !name.includes(".") || /\.(?:localhost|local|internal|lan|home\.arpa)$/.test(name);
}

function ip4Bytes(text: string): readonly number[] | undefined {
  const words = text.split(".");
  if (words.length !== 4 || !words.every((word) => /^(?:0|[1-9][0-9]{0,2})$/.test(word))) {
    return undefined;
  }
  const numbers = words.map(Number);
  return numbers.every((number) => number < 256) ? numbers : undefined;
}

/** RFC 6890: this network, private, shared, loopback, link-local, documentation, tests, multicast. */
function isPrivateIp4([a = 0, b = 0, c = 0]: readonly number[]): boolean {
  if (a === 0 || a === 10 || a === 127 || a >= 224) return true;
  if (a === 100) return b >= 64 && b < 128;
  if (a === 169) return b === 254;
  if (a === 172) return b >= 16 && b < 32;
  if (a === 192) return b === 168 || (b === 0 && (c === 0 || c === 2));
  if (a === 198) return b === 18 || b === 19 || (b === 51 && c === 100);
  return a === 203 && b === 0 && c === 113;
}

/** The eight 16-bit words of an IPv6 address, with `::` at most once. */
function ip6Words(text: string): readonly number[] | undefined {
  const halves = text.split("::");
  if (text.length > 39 || halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const words = [...(head ?? []), ...(tail ?? [])];
  if (!words.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word))) return undefined;
  const isWhole = tail === undefined ? words.length === 8 : words.length < 8;
  if (!isWhole) return undefined;
  const zeros = Array.from({ length: 8 - words.length }, () => "0");
  return [...(head ?? []), ...zeros, ...(tail ?? [])].map((word) => Number.parseInt(word, 16));
}

/** Only 2000::/3 is the public Internet; of that not documentation, Teredo, 6to4 or benchmarks. */
function isPrivateIp6([first = 0, second = 0]: readonly number[]): boolean {
  if (first >> 13 !== 1) return true;
  return first === 0x2002 || (first === 0x2001 && (second < 0x200 || second === 0xdb8));
}
