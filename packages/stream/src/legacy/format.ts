/**
 * One block of an ImmutableWeb file, byte by byte (docs/spec/stream.md, "ImmutableWeb files").
 * Layer 4; pure.
 */

/** The fields of a block, as views into its bytes. */
export interface LegacyFields {
  readonly previousHash: Uint8Array<ArrayBuffer>;
  readonly metadata: Uint8Array<ArrayBuffer>;
  readonly content: Uint8Array<ArrayBuffer>;
  readonly hash: Uint8Array<ArrayBuffer>;
  readonly signature: Uint8Array<ArrayBuffer>;
  /** What the hash is of: everything between the block's length and its hash. */
  readonly hashed: Uint8Array<ArrayBuffer>;
  /** What the signature is of: the same and the hash. */
  readonly signed: Uint8Array<ArrayBuffer>;
}

export const lengthBytes = 8;
const hashBytes = 32;
const metadataLengthBytes = 4;
const contentLengthBytes = 8;
const signatureLengthBytes = 4;
/** A block without metadata, content or signature. */
export const blockBytesMin: number =
  lengthBytes +
  hashBytes +
  metadataLengthBytes +
  contentLengthBytes +
  hashBytes +
  signatureLengthBytes;
/** The reference's own limit, in spite of eight bytes of length. */
export const blockBytesLimit: number = 2 ** 32 - 1;

/** A little-endian u64 that is an exact number, or `undefined`. */
export function readU64(bytes: Uint8Array, offset: number): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const value = view.getBigUint64(offset, true);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

/** The fields of a whole block, or `undefined` when they do not fill it exactly. */
export function splitBlock(block: Uint8Array<ArrayBuffer>): LegacyFields | undefined {
  if (block.length < blockBytesMin) return undefined;
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  // Each length is compared with what is left before it is used.
  const leftAfter = (at: number): number => block.length - at;
  const metadataAt = lengthBytes + hashBytes + metadataLengthBytes;
  const metadataLength = view.getUint32(metadataAt - metadataLengthBytes, true);
  if (metadataLength + contentLengthBytes > leftAfter(metadataAt)) return undefined;
  const contentAt = metadataAt + metadataLength + contentLengthBytes;
  const contentLength = readU64(block, contentAt - contentLengthBytes);
  if (contentLength === undefined) return undefined;
  if (contentLength + hashBytes + signatureLengthBytes > leftAfter(contentAt)) return undefined;
  const hashAt = contentAt + contentLength;
  const signatureAt = hashAt + hashBytes + signatureLengthBytes;
  const signatureLength = view.getUint32(signatureAt - signatureLengthBytes, true);
  if (signatureLength !== leftAfter(signatureAt)) return undefined;
  return {
    previousHash: block.subarray(lengthBytes, lengthBytes + hashBytes),
    metadata: block.subarray(metadataAt, metadataAt + metadataLength),
    content: block.subarray(contentAt, hashAt),
    hash: block.subarray(hashAt, hashAt + hashBytes),
    signature: block.subarray(signatureAt),
    hashed: block.subarray(lengthBytes, hashAt),
    signed: block.subarray(lengthBytes, hashAt + hashBytes),
  };
}
