/**
 * Building packets (docs/spec/1-packet.md §3–4, §6). Layer 2; pure. Each builder writes once into
 * one buffer. What it returns is verified by construction: it computed hash and signature itself.
 */
import type { Crypto } from "@hawser/crypto";
import { utf8 } from "@hawser/codec";
import { encodeLinkPoint, linkPointBytes, type LinkPointFields } from "./encode.ts";
import { PacketError } from "./errors.ts";
import {
  packetOffsets,
  paddedBytes,
  pointOffsets,
  pointTypes,
  writeU16,
  type PointTypes,
} from "./layout.ts";
import {
  packetHeadBytes,
  pointBytesMax,
  pointHeaderBytes,
  publicKeyBytes,
  signatureBlockBytes,
  signatureBytes,
} from "./limits.ts";
import { defaultNetHeader, writeNetHeader, type NetHeader } from "./net-header.ts";
import { createPacket, type Link, type Packet } from "./packet.ts";

/** Bytes, or a string that stands for its UTF-8. */
export type BytesOrText = Uint8Array | string;

/** Settings of every builder. */
export interface BuildOptions {
  /** Default `defaultNetHeader`. */
  readonly netHeader?: NetHeader;
  /** Default `pointTypes` (Linkspace 0.3–0.6). */
  readonly types?: PointTypes;
}

/** A tag of 0–16 bytes and a pointer of 32 bytes. */
export interface LinkDraft {
  readonly tag: BytesOrText;
  readonly pointer: Uint8Array;
}

/** What a linkpoint or keypoint says. */
export interface LinkpointDraft {
  /** 32 bytes. There is no default: `publicGroup()` must be meant. */
  readonly group: Uint8Array;
  /** 0–16 bytes; default none. */
  readonly domain?: BytesOrText;
  /** At most 8 components of 1–200 bytes, 242 bytes together; default none. */
  readonly path?: readonly BytesOrText[];
  readonly links?: readonly LinkDraft[];
  /** µs since the Unix epoch; any u64. */
  readonly stamp: number | bigint;
  /** Default none. */
  readonly data?: Uint8Array;
}

/** A datapoint: bytes named by their hash. Throws PacketError PACKET_TOO_LARGE. */
export function buildDatapoint(
  crypto: Pick<Crypto, "hash">,
  data: Uint8Array,
  options: BuildOptions = {},
): Packet<"verified"> {
  return buildContentPoint(crypto, data, "datapoint", options);
}

/** An error point: a message in the shape of a datapoint. Throws PacketError PACKET_TOO_LARGE. */
export function buildErrorPoint(
  crypto: Pick<Crypto, "hash">,
  message: BytesOrText,
  options: BuildOptions = {},
): Packet<"verified"> {
  return buildContentPoint(crypto, toBytes(message), "errorpoint", options);
}

/** An unsigned point at a place. Throws PacketError as `encodeLinkPoint`. */
export function buildLinkpoint(
  crypto: Pick<Crypto, "hash">,
  draft: LinkpointDraft,
  options: BuildOptions = {},
): Packet<"verified"> {
  const fields = draftFields(draft, false);
  const bytes = new Uint8Array(packetHeadBytes + linkPointBytes(fields));
  encodeLinkPoint(bytes, packetOffsets.point, fields, options.types);
  finish(crypto, bytes, options);
  return createPacket(bytes, "linkpoint");
}

/**
 * A point at a place, signed with a BIP340 secret of 32 bytes. Deterministic: the same draft and
 * secret give the same bytes. Throws PacketError as `encodeLinkPoint`, and what `crypto` throws for
 * a secret that is none.
 */
export function buildKeypoint(
  crypto: Pick<Crypto, "hash" | "publicKey" | "signPoint">,
  draft: LinkpointDraft,
  secret: Uint8Array,
  options: BuildOptions = {},
): Packet<"verified"> {
  const fields = draftFields(draft, true);
  const bytes = new Uint8Array(packetHeadBytes + linkPointBytes(fields));
  encodeLinkPoint(bytes, packetOffsets.point, fields, options.types);
  const signedEnd = bytes.length - signatureBlockBytes;
  const signature = crypto.signPoint(bytes.subarray(packetOffsets.point, signedEnd), secret);
  if (signature.length !== signatureBytes) {
    throw new PacketError("PACKET_SIGNATURE", "the crypto back end gave no 64-byte signature");
  }
  bytes.set(crypto.publicKey(secret), signedEnd);
  bytes.set(signature, signedEnd + publicKeyBytes);
  finish(crypto, bytes, options);
  return createPacket(bytes, "keypoint");
}

function buildContentPoint(
  crypto: Pick<Crypto, "hash">,
  data: Uint8Array,
  kind: "datapoint" | "errorpoint",
  options: BuildOptions,
): Packet<"verified"> {
  const pointBytes = pointHeaderBytes + data.length;
  if (pointBytes > pointBytesMax) {
    throw new PacketError(
      "PACKET_TOO_LARGE",
      `point would have ${pointBytes} bytes, not ${pointBytesMax} at most`,
    );
  }
  const start = packetOffsets.point;
  const bytes = new Uint8Array(packetHeadBytes + paddedBytes(pointBytes));
  bytes[start + pointOffsets.type] = (options.types ?? pointTypes)[kind];
  writeU16(bytes, start + pointOffsets.pointBytes, pointBytes);
  bytes.set(data, start + pointOffsets.content);
  bytes.fill(0xff, start + pointBytes);
  finish(crypto, bytes, options);
  return createPacket(bytes, kind);
}

/** Net header and hash, once the point is there. */
function finish(crypto: Pick<Crypto, "hash">, bytes: Uint8Array, options: BuildOptions): void {
  writeNetHeader(bytes, packetOffsets.netHeader, options.netHeader ?? defaultNetHeader);
  bytes.set(crypto.hash(bytes.subarray(packetOffsets.point)), packetOffsets.hash);
}

function draftFields(draft: LinkpointDraft, signed: boolean): LinkPointFields {
  return {
    signed,
    group: draft.group,
    domain: toBytes(draft.domain ?? ""),
    path: (draft.path ?? []).map(toBytes),
    links: (draft.links ?? []).map((link): Link => ({
      tag: toBytes(link.tag),
      pointer: link.pointer,
    })),
    stamp: draft.stamp,
    data: draft.data ?? new Uint8Array(0),
  };
}

function toBytes(value: BytesOrText): Uint8Array {
  return typeof value === "string" ? utf8(value) : value;
}
