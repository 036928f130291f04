/**
 * Resume tokens (docs/spec/blob.md §5): where an interrupted write stands. Layer 3; pure. A token
 * is local state, never sent; it is checked all the same, because files get damaged and mixed up.
 */
import { compareBytes, createByteReader, createByteWriter, utf8 } from "@hawser/codec";
import type { BytesOrText } from "@hawser/packet";
import type { AssemblerState, ChainPlace } from "./assembler.ts";
import { BlobError } from "./errors.ts";
import { chunkBytes, fanOut, levelMax, sealedChunkBytes } from "./layout.ts";
import { chunkCountMax } from "./limits.ts";
import { sealHeaderBytes } from "./seal.ts";
import type { BlobCrypto } from "./types.ts";

const tokenVersion = 1;
const hashBytes = 32;

/** What a token holds. */
export interface ResumeState {
  /** Chunks that were put. */
  readonly chunkCount: number;
  /** Empty when the blob is not sealed. */
  readonly header: Uint8Array;
  /** `planPrint` of the write it belongs to. */
  readonly print: Uint8Array;
  readonly assembler: AssemblerState;
}

/** 32 bytes that are equal for writes with the same shape, place and tags. */
export function planPrint(
  crypto: Pick<BlobCrypto, "deriveKey">,
  place: ChainPlace | undefined,
): Uint8Array {
  const writer = createByteWriter();
  writer.u8(place === undefined ? 1 : 2);
  if (place !== undefined) {
    writer.sized(place.group);
    writer.sized(toBytes(place.domain));
    writer.varint(place.path.length);
    for (const component of place.path) writer.sized(toBytes(component));
    writer.sized(toBytes(place.dataTag));
    writer.sized(toBytes(place.chainTag));
    writer.sized(utf8(String(place.stamp)));
    writer.varint(place.linkCountMax);
  }
  return crypto.deriveKey("hawser blob v1 write plan", writer.finish());
}

export function encodeResume(
  crypto: Pick<BlobCrypto, "deriveKey">,
  state: ResumeState,
): Uint8Array {
  const writer = createByteWriter(1024);
  writer.u8(tokenVersion);
  writer.varint(state.chunkCount);
  writer.sized(state.header);
  writer.bytes(state.print);
  const { levels, previous } = state.assembler;
  writer.sized(previous ?? new Uint8Array(0));
  writer.u8(levels.length);
  for (const hashes of levels) {
    writer.varint(hashes.length);
    for (const hash of hashes) writer.bytes(hash);
  }
  const checksum = checksumOf(crypto, writer.finish());
  writer.bytes(checksum);
  return writer.finish();
}

/** Throws BLOB_RESUME for anything that `encodeResume` did not make. */
export function decodeResume(
  crypto: Pick<BlobCrypto, "deriveKey">,
  token: Uint8Array,
  levelFull: number,
): ResumeState {
  const state = readState(crypto, token);
  if (state === undefined) throw new BlobError("BLOB_RESUME", "the resume token is damaged");
  if (!isConsistent(state, levelFull)) {
    throw new BlobError("BLOB_RESUME", "the resume token is of a write with other options");
  }
  return state;
}

/**
 * The content byte at which the source of a resumed write starts. Throws BLOB_RESUME for a damaged
 * token.
 */
export function resumePoint(crypto: Pick<BlobCrypto, "deriveKey">, token: Uint8Array): number {
  const state = readState(crypto, token);
  if (state === undefined) throw new BlobError("BLOB_RESUME", "the resume token is damaged");
  return state.chunkCount * (state.header.length === 0 ? chunkBytes : sealedChunkBytes);
}

function readState(
  crypto: Pick<BlobCrypto, "deriveKey">,
  token: Uint8Array,
): ResumeState | undefined {
  if (token.length < hashBytes) return undefined;
  const body = token.subarray(0, token.length - hashBytes);
  if (compareBytes(checksumOf(crypto, body), token.subarray(body.length)) !== 0) return undefined;
  const reader = createByteReader(body);
  if (reader.u8() !== tokenVersion) return undefined;
  const chunkCount = reader.varint();
  const header = reader.sized(sealHeaderBytes);
  const print = reader.bytes(hashBytes);
  const previous = reader.sized(hashBytes);
  const levelCount = reader.u8();
  if (reader.failed || levelCount > levelMax) return undefined;
  const levels: Uint8Array[][] = [];
  for (let level = 0; level < levelCount; level++) {
    const count = reader.varint();
    if (reader.failed || count > 2 * fanOut) return undefined;
    levels.push(Array.from({ length: count }, () => reader.bytes(hashBytes).slice()));
  }
  if (!reader.finished) return undefined;
  const assembler = { levels, previous: previous.length === 0 ? undefined : previous };
  return { chunkCount, header, print, assembler };
}

/** The waiting hashes are as many as so many chunks leave behind. */
function isConsistent({ chunkCount, assembler }: ResumeState, levelFull: number): boolean {
  if (chunkCount === 0 || chunkCount >= chunkCountMax) return false;
  const { levels, previous } = assembler;
  let arrived = chunkCount;
  for (const hashes of levels) {
    const closed = Math.floor((arrived - 1) / levelFull);
    if (arrived === 0 || hashes.length !== arrived - closed * levelFull) return false;
    arrived = closed;
  }
  if (arrived === 0) return previous === undefined;
  return levels.length === 1 && previous !== undefined;
}

function checksumOf(crypto: Pick<BlobCrypto, "deriveKey">, body: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser blob v1 resume token", body);
}

function toBytes(value: BytesOrText): Uint8Array {
  return typeof value === "string" ? utf8(value) : value;
}
