/** What can go wrong in a space; codes are API: never renamed, never reused. */
export type SpaceErrorCode =
  /** No space of that id or topic is open on this device. */
  | "SPACE_UNKNOWN"
  /** A space of that id is already on this device. */
  | "SPACE_EXISTS"
  /** The space or the whole set of spaces was closed. */
  | "SPACE_CLOSED"
  /** What was compacted away on this device would count otherwise by now. */
  | "SPACE_HISTORY_GONE"
  /** Logs are forked, entries wait, or judgements moved since the mark was made. */
  | "SPACE_NOT_COMPACTABLE"
  /** A snapshot cannot be shared: not all readers read the same events before its mark. */
  | "SPACE_SNAPSHOT_PRIVATE"
  /** The store holds a state of this space that this version cannot read. */
  | "SPACE_STATE_VERSION"
  /** What the store holds about this space contradicts itself or the wrong identity opened it. */
  | "SPACE_STATE_CORRUPT"
  /** The invite had no use left when the join was made or counted. */
  | "SPACE_INVITE_USED"
  /** A manager revoked the invite. */
  | "SPACE_INVITE_REVOKED"
  /** The invite's time is over. */
  | "SPACE_INVITE_EXPIRED"
  /** The link names an invite the space does not know, or its maker was not entitled to it. */
  | "SPACE_INVITE_INVALID"
  /** This device joined and no reader has answered with a Welcome yet. */
  | "SPACE_NOT_WELCOMED"
  /** The Welcome's genesis does not give the space id of the link: somebody serves another space. */
  | "SPACE_GENESIS_MISMATCH"
  /** This device's access does not cover the action. */
  | "SPACE_NO_ACCESS"
  /** The action is not valid here: the member is already in, not in, or the last manager. */
  | "SPACE_MEMBERSHIP"
  /** The store came back from an archive, and no peer has said yet how far its own logs go. */
  | "SPACE_RESTORED"
  /** Another process writes for this device: this one only takes in and serves. */
  | "SPACE_STANDBY"
  /** This device was moved to another store and writes no more in this one. */
  | "SPACE_RETIRED"
  /** The password or key does not open the archive, or the archive's first bytes are damaged. */
  | "SPACE_ARCHIVE_KEY"
  /** Not an archive, or too short to be one. */
  | "SPACE_ARCHIVE_MALFORMED"
  /** The archive was made by a newer version. */
  | "SPACE_ARCHIVE_VERSION"
  /** The archive asks for more work than this program does to open one. */
  | "SPACE_ARCHIVE_COST"
  /** The archive is damaged where it says whose it is: nothing of it can be used. */
  | "SPACE_ARCHIVE_DAMAGED"
  /** Logs lack their beginning on this device: an archive of them would restore nothing. */
  | "SPACE_ARCHIVE_PRUNED"
  /** The store belongs to another device than the archive, or the archive names no device. */
  | "SPACE_ARCHIVE_IDENTITY"
  /** A group card is malformed or does not prove itself. */
  | "SPACE_CARD_INVALID"
  /** A key bundle is malformed, expired or of another author. */
  | "SPACE_BUNDLE_INVALID"
  /** A detached body is asked for and no store for bodies was given. */
  | "SPACE_NO_BODY_STORE"
  /** A part of a detached body is not here and nobody gave it. */
  | "SPACE_BODY_MISSING"
  /** The body was shredded by somebody who may. */
  | "SPACE_BODY_SHREDDED"
  /** A detached body is not what its entry says. */
  | "SPACE_BODY_INVALID"
  /** Not a range of bytes of the body. */
  | "SPACE_BODY_RANGE"
  /** The body stands in its entry, which cannot be shredded. */
  | "SPACE_BODY_INLINE"
  /** A member, or a bundle that was handed in, lacks the space's cipher suite; or a way down. */
  | "SPACE_SUITE"
  /** The cipher suite is not in this device's crypto. */
  | "SPACE_SUITE_UNAVAILABLE"
  /** The body does not fit into one entry. */
  | "SPACE_BODY_TOO_LARGE"
  /** A draft is malformed: its type, sequence or recipients break a limit. */
  | "SPACE_DRAFT_INVALID"
  /** No entry at that place on this device. */
  | "SPACE_ENTRY_UNKNOWN"
  /** A ruling about entries that are not in quarantine: they count, or never could. */
  | "SPACE_NOT_QUARANTINED"
  /** The entry is here but this device has no key to it. */
  | "SPACE_NO_KEY"
  /** The action is about membership, and a raw space has none. */
  | "SPACE_RAW"
  /** This device takes no further space to follow; the message says why. */
  | "SPACE_REFUSED"
  /** An offer or hosting request is malformed, of the other kind, or sealed to another device. */
  | "SPACE_OFFER_INVALID"
  /** Work in the background failed, as the cause says; the logs are unharmed. */
  | "SPACE_BACKGROUND"
  /** An address or its time to live breaks a limit. */
  | "SPACE_ADDRESS_INVALID"
  /** Not an invite link at all. */
  | "SPACE_LINK_MALFORMED"
  /** The link ends too early: part of it was lost when it was copied. */
  | "SPACE_LINK_TRUNCATED"
  /** The link has a wrong character in it. */
  | "SPACE_LINK_CHECKSUM"
  /** The link was made by a newer version. */
  | "SPACE_LINK_VERSION"
  | SpaceIdErrorCode;

/** Why a text or byte string is no space id (docs/spec/6-space.md §2). */
export type SpaceIdErrorCode =
  /** Fewer bytes than version, variant and 16 random bytes. */
  | "SPACE_ID_TOO_SHORT"
  /** More bytes than `spaceIdBytesMax`. */
  | "SPACE_ID_TOO_LONG"
  /** The first character names no multibase this version reads. */
  | "SPACE_ID_BASE"
  /** A character outside the alphabet, bits left over, or a varint that is not minimal. */
  | "SPACE_ID_MALFORMED"
  /** A version other than 1. */
  | "SPACE_ID_VERSION"
  /** A variant other than raw (0x55) and access-controlled (0x70). */
  | "SPACE_ID_VARIANT"
  /** Fewer than 16 random bytes. */
  | "SPACE_ID_RANDOM";

/** Misuse, I/O and broken promises of the space layer. Match on `code`. */
export class SpaceError extends Error {
  override readonly name = "SpaceError";
  readonly code: SpaceErrorCode;

  constructor(code: SpaceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
