/**
 * Packet: typed access to the bytes of one packet (docs/spec/1-packet.md §2–5). Layer 2; pure.
 *
 * A Packet holds one Uint8Array, usually a view into the input, and reads fields when asked: nothing
 * is copied and nothing is decoded in advance. The bytes must not change while the packet is in use.
 */
import {
  groupBytes,
  domainBytes,
  hashBytes,
  linkBytes,
  linkHeaderBytes,
  netHeaderBytes,
  pathPrefixBytes,
  publicKeyBytes,
  signatureBlockBytes,
  signatureBytes,
  stampNumberLimit,
  tagBytes,
} from "./limits.ts";
import {
  packetOffsets,
  paddedBytes,
  pointOffsets,
  readU16,
  readU32,
  readU64,
  type PointKind,
} from "./layout.ts";
import { readNetHeader, writeNetHeader, type NetHeader } from "./net-header.ts";
import { rootedPathComponent, rootedPathComponents, type Path } from "./path.ts";

/** Whether hash and signature of a packet were checked. */
export type Verification = "unverified" | "verified";

declare const verification: unique symbol;

/** A tag of 16 bytes and a pointer of 32: usually the hash of another point, but free. */
export interface Link {
  readonly tag: Uint8Array;
  readonly pointer: Uint8Array;
}

/**
 * One packet. `Packet<"unverified">` has the right structure; `Packet<"verified">` also the right
 * hash and, if it is a keypoint, the right signature. The type checker keeps the two apart; plain
 * `Packet` is either. All byte fields are views.
 */
export interface Packet<State extends Verification = Verification> {
  readonly [verification]: State;
  readonly kind: PointKind;
  /** Net header, hash and point. */
  readonly bytes: Uint8Array;
  readonly netHeader: NetHeader;
  /** The hash as stated: what names the packet. True only of verified packets. */
  readonly hash: Uint8Array;
  /** The immutable part, padding and signature block included. */
  readonly point: Uint8Array;
  /** Point size without padding. */
  readonly pointBytes: number;
  /** 0–7. */
  readonly paddingBytes: number;
  /** The type byte. */
  readonly typeByte: number;

  /** 32 bytes; zeros in datapoints and error points, which have no group. */
  readonly group: Uint8Array;
  /** 16 bytes, left-padded with zeros; zeros in datapoints and error points. */
  readonly domain: Uint8Array;
  /** µs since the Unix epoch as the author states it, any u64; 0 in datapoints and error points. */
  readonly stamp: bigint;
  /** The stamp as a Number, or `undefined` from 2^53 on. */
  readonly stampNumber: number | undefined;
  /** The depth byte: number of path components (in reference mode: what the packet claims). */
  readonly pathDepth: number;
  readonly path: Path;
  /** Component `index` in O(1), or `undefined` past the last one. */
  pathComponent(index: number): Uint8Array | undefined;
  /** Length-prefixed components, without the rooted prefix. */
  readonly unrootedPath: Uint8Array;
  readonly rootedPath: Uint8Array;
  readonly linkCount: number;
  /** Link `index` in O(1), or `undefined` past the last one. */
  link(index: number): Link | undefined;
  readonly links: readonly Link[];
  readonly data: Uint8Array;

  /** x-only public key of the author; `undefined` unless this is a keypoint. */
  readonly publicKey: Uint8Array | undefined;
  /** BIP340 signature; `undefined` unless this is a keypoint. */
  readonly signature: Uint8Array | undefined;
  /** Bytes whose BLAKE3 hash is signed; `undefined` unless this is a keypoint. */
  readonly signedBytes: Uint8Array | undefined;
}

/** Start of the point within the packet. */
const start = packetOffsets.point;

class PacketView implements Packet {
  declare readonly [verification]: Verification;
  readonly bytes: Uint8Array;
  readonly kind: PointKind;

  constructor(bytes: Uint8Array, kind: PointKind) {
    this.bytes = bytes;
    this.kind = kind;
  }

  get #hasLinks(): boolean {
    return this.kind === "linkpoint" || this.kind === "keypoint";
  }

  get #pathStart(): number {
    return start + readU16(this.bytes, start + pointOffsets.pathOffset);
  }

  get #dataStart(): number {
    if (!this.#hasLinks) return start + pointOffsets.content;
    return start + readU16(this.bytes, start + pointOffsets.dataOffset);
  }

  get netHeader(): NetHeader {
    return readNetHeader(this.bytes);
  }

  get hash(): Uint8Array {
    return this.bytes.subarray(packetOffsets.hash, packetOffsets.hash + hashBytes);
  }

  get point(): Uint8Array {
    return this.bytes.subarray(start);
  }

  get pointBytes(): number {
    return readU16(this.bytes, start + pointOffsets.pointBytes);
  }

  get paddingBytes(): number {
    return paddedBytes(this.pointBytes) - this.pointBytes;
  }

  get typeByte(): number {
    return this.bytes[start + pointOffsets.type] ?? 0;
  }

  get group(): Uint8Array {
    if (!this.#hasLinks) return new Uint8Array(groupBytes);
    return this.bytes.subarray(start + pointOffsets.group, start + pointOffsets.group + groupBytes);
  }

  get domain(): Uint8Array {
    if (!this.#hasLinks) return new Uint8Array(domainBytes);
    return this.bytes.subarray(
      start + pointOffsets.domain,
      start + pointOffsets.domain + domainBytes,
    );
  }

  get stamp(): bigint {
    return this.#hasLinks ? readU64(this.bytes, start + pointOffsets.stamp) : 0n;
  }

  get stampNumber(): number | undefined {
    if (!this.#hasLinks) return 0;
    const offset = start + pointOffsets.stamp;
    const stamp = readU32(this.bytes, offset) * 0x1_0000_0000 + readU32(this.bytes, offset + 4);
    return stamp < stampNumberLimit ? stamp : undefined;
  }

  get rootedPath(): Uint8Array {
    if (!this.#hasLinks) return this.bytes.subarray(start, start);
    return this.bytes.subarray(this.#pathStart, this.#dataStart);
  }

  get unrootedPath(): Uint8Array {
    return this.rootedPath.subarray(pathPrefixBytes);
  }

  get pathDepth(): number {
    return this.rootedPath[0] ?? 0;
  }

  get path(): Path {
    return rootedPathComponents(this.rootedPath);
  }

  pathComponent(index: number): Uint8Array | undefined {
    return rootedPathComponent(this.rootedPath, index);
  }

  get linkCount(): number {
    if (!this.#hasLinks) return 0;
    return (this.#pathStart - start - linkHeaderBytes) / linkBytes;
  }

  link(index: number): Link | undefined {
    if (!Number.isInteger(index) || index < 0 || index >= this.linkCount) return undefined;
    const offset = start + pointOffsets.links + index * linkBytes;
    return {
      tag: this.bytes.subarray(offset, offset + tagBytes),
      pointer: this.bytes.subarray(offset + tagBytes, offset + linkBytes),
    };
  }

  get links(): readonly Link[] {
    const links: Link[] = [];
    for (let index = 0; index < this.linkCount; index++) {
      const link = this.link(index);
      if (link !== undefined) links.push(link);
    }
    return links;
  }

  get data(): Uint8Array {
    const tail = this.kind === "keypoint" ? signatureBlockBytes : 0;
    return this.bytes.subarray(this.#dataStart, start + this.pointBytes - tail);
  }

  get publicKey(): Uint8Array | undefined {
    if (this.kind !== "keypoint") return undefined;
    const offset = this.bytes.length - signatureBlockBytes;
    return this.bytes.subarray(offset, offset + publicKeyBytes);
  }

  get signature(): Uint8Array | undefined {
    if (this.kind !== "keypoint") return undefined;
    return this.bytes.subarray(this.bytes.length - signatureBytes);
  }

  get signedBytes(): Uint8Array | undefined {
    if (this.kind !== "keypoint") return undefined;
    return this.bytes.subarray(start, this.bytes.length - signatureBlockBytes);
  }
}

/**
 * A packet over `bytes`, which must be exactly one packet of that kind. For parsers and builders of
 * this package, which know; not exported from it.
 */
export function createPacket<State extends Verification>(
  bytes: Uint8Array,
  kind: PointKind,
): Packet<State> {
  // Safe: the state is a phantom; the caller is the one who checked, or did not.
  return new PacketView(bytes, kind) as Packet as Packet<State>;
}

/**
 * The same point under another net header: a copy. Identity and verification are untouched, because
 * the hash does not cover the net header. Throws PacketError PACKET_NUMBER_RANGE.
 */
export function withNetHeader<State extends Verification>(
  packet: Packet<State>,
  header: NetHeader,
): Packet<State> {
  const bytes = new Uint8Array(packet.bytes.length);
  bytes.set(packet.bytes.subarray(netHeaderBytes), netHeaderBytes);
  writeNetHeader(bytes, 0, header);
  return createPacket(bytes, packet.kind);
}

/** True when a packet is in the all-zero group, which never leaves the device. */
export function isPrivate(packet: Packet): boolean {
  if (packet.kind !== "linkpoint" && packet.kind !== "keypoint") return false;
  return packet.group.every((byte) => byte === 0);
}
