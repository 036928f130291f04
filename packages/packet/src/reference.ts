/**
 * How the reference implementation names what this package rejects: its variant, its message, and
 * the number it throws instead of a message. Layer 2; pure. For tools that must answer as it does.
 */
import type { PacketErrorCode, PacketRejection } from "./errors.ts";
import { packetPrefixBytes } from "./limits.ts";

export interface ReferenceError {
  /** Variant in the reference's source, with its number or, for paths, `Space:` and the reason. */
  readonly variant: string;
  /** What its bindings throw: a message, or the number of bytes needed. */
  readonly thrown: string | number;
}

const pathMessage = "invalid spacename";
const sizeMessage = "content len exceeds max";

/**
 * The reference's form of a rejection; `undefined` for those that only strict mode makes. A point of
 * zero bytes, on which the reference is undefined, is given as the hash mismatch it reports.
 */
export function referenceError(rejection: PacketRejection): ReferenceError | undefined {
  const value = rejection.value ?? 0;
  switch (rejection.reason) {
    case "PACKET_TOO_SHORT":
      return { variant: "MissingHeader", thrown: packetPrefixBytes };
    case "PACKET_TRUNCATED":
      return { variant: `MissingBytes ${value}`, thrown: value };
    case "PACKET_RESERVED_BYTE":
      return {
        variant: `HeaderReservedSet ${value}`,
        thrown: `pointheader has reserved bit set ${value}`,
      };
    case "PACKET_TYPE_UNKNOWN":
      return {
        variant: `UnknownPktType ${value}`,
        thrown: `an unknown pkt type ${value} was encountered`,
      };
    case "PACKET_MAGIC":
    case "PACKET_FLAGS":
    case "PACKET_PATH_EMPTY_FORM":
      return undefined;
    default:
      return plain[rejection.reason];
  }
}

const plain: {
  readonly [code in PacketErrorCode]?: ReferenceError;
} = {
  PACKET_TOO_LARGE: { variant: "ContentLen", thrown: sizeMessage },
  PACKET_TOO_SMALL: { variant: "ContentLen", thrown: sizeMessage },
  PACKET_POINT_BYTES: { variant: "HashMismatch", thrown: "hash does not match pkt" },
  PACKET_DATA_OFFSET: {
    variant: "DataOffsetIncompatible",
    thrown: "data offset should be between spi_offset and pkt_size",
  },
  PACKET_PATH_OFFSET: {
    variant: "ISPOffsetIncompatible",
    thrown: "offset should be after header",
  },
  PACKET_LINK_BYTES: { variant: "IndivisableLinkbytes", thrown: "bad link size" },
  PACKET_PATH_PREFIX: { variant: "Space:MissingIdx", thrown: pathMessage },
  PACKET_PATH_BYTES: { variant: "Space:MaxDepth", thrown: pathMessage },
  PACKET_PATH_COMPONENT_BYTES: { variant: "Space:ComponentSize", thrown: pathMessage },
  PACKET_PATH_COMPONENT_EMPTY: { variant: "Space:ZeroComponent", thrown: pathMessage },
  PACKET_PATH_TAIL: { variant: "Space:TailLength", thrown: pathMessage },
  PACKET_PATH_DEPTH: { variant: "Space:EmptyComponentIdx", thrown: pathMessage },
  PACKET_PATH_INDEX: { variant: "Space:BadOffset", thrown: pathMessage },
  PACKET_PADDING: {
    variant: "PaddingBitsNotU8Max",
    thrown: "The padding bits aren't set right",
  },
  PACKET_SIGNATURE: { variant: "InvalidSignature", thrown: "invalid signature" },
  PACKET_HASH: { variant: "HashMismatch", thrown: "hash does not match pkt" },
  PACKET_GROUP_PRIVATE: {
    variant: "PrivateGroup",
    thrown: "the [#:0] group can't be used in this context",
  },
};

/** What the reference's builders throw where ours throw a PacketError of `code`. */
export function referenceBuildError(code: PacketErrorCode): string | undefined {
  switch (code) {
    case "PACKET_TOO_LARGE":
      return sizeMessage;
    case "PACKET_PATH_BYTES":
    case "PACKET_PATH_COMPONENT_BYTES":
    case "PACKET_PATH_COMPONENT_EMPTY":
    case "PACKET_PATH_DEPTH":
      return pathMessage;
    case "PACKET_DOMAIN_BYTES":
      return "invalid domain";
    case "PACKET_TAG_BYTES":
      return "invalid tag";
    case "PACKET_GROUP_BYTES":
      return "invalid group";
    case "PACKET_POINTER_BYTES":
      return "invalid hash";
    default:
      return undefined;
  }
}
