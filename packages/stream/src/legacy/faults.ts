/** What can be wrong with an ImmutableWeb file: verdicts, not errors. Layer 4; pure. */

export type LegacyFaultCode =
  /** A length that cannot be, text that is no UTF-8 JSON, or fields that do not fill their block. */
  | "IW_CORRUPT"
  /** The file ends within a block. */
  | "IW_TRUNCATED"
  /** A block is larger than the reader was told to take. */
  | "IW_TOO_LARGE"
  /** Block 0 is no manifest with a key and an id, or the file is of another kind. */
  | "IW_NO_MANIFEST"
  /** A block's hash is not that of its bytes. */
  | "IW_HASH_MISMATCH"
  /** A block's hash is right and its signature is not of the manifest's key. */
  | "IW_BAD_SIGNATURE"
  /** A block does not name the hash of the block before it: dropped, moved, doubled or foreign. */
  | "IW_CHAIN_BROKEN"
  /** The manifest's key or id is not the one expected. */
  | "IW_WRONG_STREAM"
  /** The key given for a block does not open it. */
  | "IW_CANNOT_DECRYPT";

export interface LegacyFault {
  readonly ok: false;
  readonly code: LegacyFaultCode;
  readonly message: string;
  /** The block it was found in; 0 is the manifest. */
  readonly index: number;
  /** Where that block starts. */
  readonly offset: number;
}
