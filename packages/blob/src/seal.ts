/**
 * Sealing chunk by chunk (docs/spec/blob.md §4): the STREAM construction with random access, key
 * commitment and bound context. Layer 3; pure. Usable without trees: a sealer makes a public header
 * and sealed chunks, an opener opens any one of them when told its index and whether it is the
 * last.
 */
import { concatBytes, equalBytes } from "@hawser/codec";
import type { Random } from "@hawser/crypto";
import { assertArgument, BlobError } from "./errors.ts";
import { chunkCountMax } from "./limits.ts";
import type { BlobCrypto, SealKey, SealOptions, SealSuite } from "./types.ts";

/** Version, suite, salt and commitment. */
export const sealHeaderBytes = 66;

const headerVersion = 1;
const keyBytes = 32;
const saltOffset = 2;
const commitmentOffset = 34;
const none = new Uint8Array(0);

/** Seals the chunks of one blob, in order. */
export interface ChunkSealer {
  /** What a reader needs beside key and context; public. */
  readonly header: Uint8Array;
  /** Index of the next chunk. */
  readonly nextIndex: number;
  /**
   * The next chunk, 16 bytes longer than `content`. Throws BLOB_ARGUMENT after the last one and
   * BLOB_TOO_LARGE after 2^32.
   */
  seal(content: Uint8Array, isLast: boolean): Uint8Array;
}

/** Opens the chunks of one blob, in any order. */
export interface ChunkOpener {
  readonly suite: SealSuite;
  /** The content, or `undefined` when the chunk is not the one sealed at this place. */
  open(sealed: Uint8Array, index: number, isLast: boolean): Uint8Array | undefined;
}

export type OpenerVerdict =
  | { readonly ok: true; readonly opener: ChunkOpener }
  /** BLOB_SHAPE: no header. BLOB_KEY: another key or context. */
  | { readonly ok: false; readonly reason: "BLOB_SHAPE" | "BLOB_KEY" };

type SealCrypto = Pick<BlobCrypto, "deriveKey" | "seal" | "open" | "sealAes" | "openAes">;

/**
 * A sealer with a fresh random salt, so that one key may seal many blobs. With `contentHash` the
 * salt is derived from key and hash instead. Throws BLOB_ARGUMENT.
 */
export function createChunkSealer(
  deps: { readonly crypto: SealCrypto; readonly random?: Random },
  options: SealOptions,
): ChunkSealer {
  const { suite = 1, contentHash } = options;
  assertKey(options);
  assertArgument(suite === 1 || suite === 2, `no seal suite ${String(suite)}`);
  const salt =
    contentHash === undefined
      ? randomSalt(deps.random)
      : convergentSalt(deps.crypto, options.key, contentHash);
  const { chunkKey, commitment } = deriveSeal(deps.crypto, options, suite, salt);
  const header = concatBytes(Uint8Array.of(headerVersion, suite), salt, commitment);
  return sealFrom(deps.crypto, suite, chunkKey, header, 0);
}

/** A sealer that goes on at chunk `nextIndex` under a known header; `undefined` for another key. */
export function continueChunkSealer(
  crypto: SealCrypto,
  options: SealOptions,
  header: Uint8Array,
  nextIndex: number,
): ChunkSealer | undefined {
  const { suite = 1 } = options;
  assertKey(options);
  const fields = readHeader(header);
  if (fields === undefined || fields.suite !== suite) return undefined;
  const { chunkKey, commitment } = deriveSeal(crypto, options, suite, fields.salt);
  if (!equalBytes(commitment, fields.commitment)) return undefined;
  return sealFrom(crypto, suite, chunkKey, header, nextIndex);
}

/** The opener for chunks sealed under `header`, or why there is none. Throws BLOB_ARGUMENT. */
export function createChunkOpener(
  deps: { readonly crypto: SealCrypto },
  key: SealKey,
  header: Uint8Array,
): OpenerVerdict {
  assertKey(key);
  const fields = readHeader(header);
  if (fields === undefined) return { ok: false, reason: "BLOB_SHAPE" };
  const { suite, salt } = fields;
  const { chunkKey, commitment } = deriveSeal(deps.crypto, key, suite, salt);
  // The commitment is public on both sides, so a plain comparison tells nobody anything.
  if (!equalBytes(commitment, fields.commitment)) return { ok: false, reason: "BLOB_KEY" };
  const { crypto } = deps;
  const opener: ChunkOpener = {
    suite,
    open: (sealed, index, isLast) => {
      if (!isChunkIndex(index)) return undefined;
      const nonce = chunkNonce(suite, index, isLast);
      return suite === 1
        ? crypto.open(chunkKey, nonce, sealed, none)
        : crypto.openAes(chunkKey, nonce, sealed, none);
    },
  };
  return { ok: true, opener };
}

/** Whether bytes have the form of a seal header. */
export function isSealHeader(bytes: Uint8Array): boolean {
  return readHeader(bytes) !== undefined;
}

/**
 * The key for a convergent blob: equal for equal content inside one space, and of use for this
 * content alone. `spaceSecret` and `contentHash` (of `hashContent`) are 32 bytes. Throws
 * BLOB_ARGUMENT.
 */
export function convergentKey(
  crypto: Pick<BlobCrypto, "deriveKey">,
  spaceSecret: Uint8Array,
  contentHash: Uint8Array,
): Uint8Array {
  assertArgument(spaceSecret.length === keyBytes, "a space secret has 32 bytes");
  return deriveFromContent(crypto, "hawser blob v1 convergent key", spaceSecret, contentHash);
}

function convergentSalt(
  crypto: Pick<BlobCrypto, "deriveKey">,
  key: Uint8Array,
  contentHash: Uint8Array,
): Uint8Array {
  return deriveFromContent(crypto, "hawser blob v1 convergent salt", key, contentHash);
}

function deriveFromContent(
  crypto: Pick<BlobCrypto, "deriveKey">,
  label: string,
  secret: Uint8Array,
  contentHash: Uint8Array,
): Uint8Array {
  assertArgument(contentHash.length === keyBytes, "a content hash has 32 bytes");
  const material = concatBytes(secret, contentHash);
  const derived = crypto.deriveKey(label, material, keyBytes);
  material.fill(0);
  return derived;
}

function sealFrom(
  crypto: SealCrypto,
  suite: SealSuite,
  chunkKey: Uint8Array,
  header: Uint8Array,
  firstIndex: number,
): ChunkSealer {
  let nextIndex = firstIndex;
  let isFinished = false;
  return {
    header,
    get nextIndex() {
      return nextIndex;
    },
    seal: (content, isLast) => {
      assertArgument(!isFinished, "the last chunk was already sealed");
      if (!isChunkIndex(nextIndex)) {
        throw new BlobError("BLOB_TOO_LARGE", `a blob has at most ${chunkCountMax} chunks`);
      }
      // One nonce seals once, because the counter only moves on.
      const nonce = chunkNonce(suite, nextIndex, isLast);
      nextIndex += 1;
      isFinished = isLast;
      const sealed =
        suite === 1
          ? crypto.seal(chunkKey, nonce, content, none)
          : crypto.sealAes(chunkKey, nonce, content, none);
      if (isLast) chunkKey.fill(0);
      return sealed;
    },
  };
}

/**
 * Zeros, the index in four bytes, and 1 for the last chunk: 24 bytes for suite 1, 12 for suite 2.
 */
function chunkNonce(suite: SealSuite, index: number, isLast: boolean): Uint8Array {
  const nonce = new Uint8Array(suite === 1 ? 24 : 12);
  new DataView(nonce.buffer).setUint32(nonce.length - 5, index);
  nonce[nonce.length - 1] = isLast ? 1 : 0;
  return nonce;
}

function deriveSeal(
  crypto: SealCrypto,
  { key, context = none }: SealKey,
  suite: SealSuite,
  salt: Uint8Array,
): { readonly chunkKey: Uint8Array; readonly commitment: Uint8Array } {
  // Every part but the last has a fixed size, so no two inputs give the same bytes.
  const material = concatBytes(key, Uint8Array.of(suite), salt, context);
  const derived = crypto.deriveKey("hawser blob v1 seal", material, 2 * keyBytes);
  material.fill(0);
  const chunkKey = derived.slice(0, keyBytes);
  const commitment = derived.slice(keyBytes);
  derived.fill(0);
  return { chunkKey, commitment };
}

function readHeader(header: Uint8Array):
  | {
      readonly suite: SealSuite;
      readonly salt: Uint8Array;
      readonly commitment: Uint8Array;
    }
  | undefined {
  const suite = header[1];
  if (header.length !== sealHeaderBytes || header[0] !== headerVersion) return undefined;
  if (suite !== 1 && suite !== 2) return undefined;
  return {
    suite,
    salt: header.subarray(saltOffset, commitmentOffset),
    commitment: header.subarray(commitmentOffset),
  };
}

function randomSalt(random: Random | undefined): Uint8Array {
  assertArgument(random !== undefined, "sealing needs `random` for the salt");
  const salt = random(keyBytes);
  assertArgument(salt.length === keyBytes, "`random` gave another number of bytes");
  return salt;
}

function assertKey({ key }: SealKey): void {
  assertArgument(key.length === keyBytes, "a blob key has 32 bytes");
}

function isChunkIndex(index: number): boolean {
  return Number.isInteger(index) && index >= 0 && index < chunkCountMax;
}
