/**
 * Every way a packet can be refused, and the one error class of this package. Layer 2; pure.
 *
 * Bad bytes from a peer are normal life, so reading gives a `PacketRejection` value. `PacketError`
 * is thrown for misuse by the caller (fields that fit no packet). Both share one set of codes.
 */

/** Why bytes are no acceptable packet. Codes are API: never renamed, never reused. */
export type PacketRejectionCode =
  // In the order in which the checks run (docs/spec/1-packet.md §7).
  | "PACKET_TOO_SHORT"
  | "PACKET_MAGIC"
  | "PACKET_FLAGS"
  | "PACKET_RESERVED_BYTE"
  | "PACKET_POINT_BYTES"
  | "PACKET_TOO_LARGE"
  | "PACKET_TYPE_UNKNOWN"
  | "PACKET_TOO_SMALL"
  | "PACKET_TRUNCATED"
  | "PACKET_DATA_OFFSET"
  | "PACKET_PATH_OFFSET"
  | "PACKET_LINK_BYTES"
  | "PACKET_PATH_PREFIX"
  | "PACKET_PATH_BYTES"
  | "PACKET_PATH_COMPONENT_BYTES"
  | "PACKET_PATH_COMPONENT_EMPTY"
  | "PACKET_PATH_TAIL"
  | "PACKET_PATH_DEPTH"
  | "PACKET_PATH_INDEX"
  | "PACKET_PATH_EMPTY_FORM"
  | "PACKET_PADDING"
  | "PACKET_SIGNATURE"
  | "PACKET_HASH"
  | "PACKET_GROUP_PRIVATE";

/** Why a caller's fields fit no packet. */
export type PacketMisuseCode =
  | "PACKET_TOO_LARGE"
  | "PACKET_PATH_BYTES"
  | "PACKET_PATH_COMPONENT_BYTES"
  | "PACKET_PATH_COMPONENT_EMPTY"
  | "PACKET_PATH_DEPTH"
  | "PACKET_DOMAIN_BYTES"
  | "PACKET_TAG_BYTES"
  | "PACKET_GROUP_BYTES"
  | "PACKET_POINTER_BYTES"
  | "PACKET_HASH_BYTES"
  | "PACKET_NUMBER_RANGE"
  | "PACKET_TARGET_BYTES";

export type PacketErrorCode = PacketRejectionCode | PacketMisuseCode;

/** Misuse of this package. Match on `code`, not on the class. */
export class PacketError extends Error {
  readonly code: PacketErrorCode;

  constructor(code: PacketErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PacketError";
    this.code = code;
  }
}

/** Bytes that are no acceptable packet: the verdict every reader of this package returns. */
export interface PacketRejection {
  readonly ok: false;
  readonly reason: PacketRejectionCode;
  /**
   * The number that belongs to the reason: bytes needed (`PACKET_TOO_SHORT`, `PACKET_TRUNCATED`),
   * or the offending byte (`PACKET_RESERVED_BYTE`, `PACKET_TYPE_UNKNOWN`); otherwise `undefined`.
   */
  readonly value: number | undefined;
}

/** A rejection value. */
export function reject(reason: PacketRejectionCode, value?: number): PacketRejection {
  return { ok: false, reason, value };
}
