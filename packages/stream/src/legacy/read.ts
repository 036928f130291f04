/**
 * Reads ImmutableWeb `.iw` files with the checks their own reader forgot
 * (docs/spec/stream.md, "ImmutableWeb files"). Layer 4.
 */
import { equalBytes, fromUtf8 } from "@hawser/codec";
import type { ByteStore } from "../byte-store.ts";
import { StreamError } from "../errors.ts";
import type { LegacyFault, LegacyFaultCode } from "./faults.ts";
import {
  blockBytesLimit,
  blockBytesMin,
  lengthBytes,
  readU64,
  splitBlock,
  type LegacyFields,
} from "./format.ts";
import {
  importContentKey,
  importVerifyKey,
  openContent,
  verifySignature,
  type ContentKey,
  type LegacySubtle,
  type VerifyKey,
} from "./keys.ts";

export interface LegacyDeps {
  readonly subtle: LegacySubtle;
}

export interface LegacyOptions {
  /** The most bytes of one block that are read at once. Default: 64 MiB; at most 2^32 − 1. */
  readonly blockBytesMax?: number;
  /** 32 hex digits: another stream is IW_WRONG_STREAM. */
  readonly uuid?: string;
  /** The key expected, as PEM: another is IW_WRONG_STREAM. The only pin that proves anything. */
  readonly publicKey?: string;
  /** The stream's private content key, PKCS #8 PEM: opens every content that it can open. */
  readonly contentKey?: string;
  /** Private keys of single blocks by index: such a block must open. */
  readonly blockKeys?: ReadonlyMap<number, string>;
}

/** Parsed JSON. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };

/** A block whose place, hash and signature hold. */
export interface LegacyBlock {
  readonly ok: true;
  /** 0 is the manifest. */
  readonly index: number;
  readonly offset: number;
  readonly byteCount: number;
  readonly metadata: Json;
  /** As it stands in the file. */
  readonly metadataText: string;
  readonly content: Uint8Array<ArrayBuffer>;
  /** Whether `content` was opened with a key. If not it is as stored, and may be ciphertext. */
  readonly isDecrypted: boolean;
  readonly hash: Uint8Array<ArrayBuffer>;
}

/** An opened file. */
export interface LegacyStream {
  readonly ok: true;
  /** 32 hex digits: a label that anybody can put into a file of his own. */
  readonly uuid: string;
  /** PEM. */
  readonly publicKey: string;
  /** The manifest's metadata, without the two reserved members. */
  readonly metadata: { readonly [name: string]: Json };
  readonly manifest: LegacyBlock;
  /**
   * All blocks from the manifest on, each checked; ends at the file's end or with the first fault.
   * The store must not change meanwhile.
   */
  blocks(signal?: AbortSignal): AsyncGenerator<LegacyBlock | LegacyFault>;
}

const metadataBytesMax = 16 << 20;
const keyMember = "_stream_signature_public_key";
const uuidMember = "_stream_uuid";

interface Reader {
  readonly deps: LegacyDeps;
  readonly store: ByteStore;
  readonly blockBytesMax: number;
  readonly contentKey: ContentKey | undefined;
  readonly blockKeys: ReadonlyMap<number, ContentKey>;
}

/** Where a block is to be, and what it must follow. */
interface Place {
  readonly index: number;
  readonly offset: number;
  readonly previousHash: Uint8Array;
}

/**
 * Opens a file: reads and checks block 0. Throws BYTES_MISUSE for keys that are none, and what the
 * store throws. The store stays the caller's.
 */
export async function openLegacyStream(
  deps: LegacyDeps,
  store: ByteStore,
  options: LegacyOptions = {},
): Promise<LegacyStream | LegacyFault> {
  const reader = await createReader(deps, store, options);
  const emptyHash = new Uint8Array(await deps.subtle.digest("SHA-256", new Uint8Array(0)));
  const start: Place = { index: 0, offset: 0, previousHash: emptyHash };
  const fields = await readFields(reader, start, undefined);
  if (isFault(fields)) return fields;
  const opened = await openManifest(deps, start, fields);
  if (isFault(opened)) return opened;
  const { key, publicKey, uuid, metadata } = opened;
  const wrong = await findWrongPin(deps, opened, options);
  if (wrong !== undefined) return fault(start, "IW_WRONG_STREAM", wrong);
  const manifest = await checkBlock(reader, start, fields, key);
  if (isFault(manifest)) return manifest;
  return {
    ok: true,
    uuid,
    publicKey,
    metadata,
    manifest,
    blocks: (signal) => readBlocks(reader, start, key, signal),
  };
}

async function createReader(
  deps: LegacyDeps,
  store: ByteStore,
  options: LegacyOptions,
): Promise<Reader> {
  const { blockBytesMax = 64 << 20 } = options;
  if (!(blockBytesMax >= blockBytesMin && blockBytesMax <= blockBytesLimit)) {
    throw new StreamError("BYTES_MISUSE", `blockBytesMax is ${blockBytesMax}`);
  }
  const blockKeys = new Map<number, ContentKey>();
  for (const [index, pem] of options.blockKeys ?? []) {
    blockKeys.set(index, await requireContentKey(deps, pem));
  }
  const contentKey =
    options.contentKey === undefined
      ? undefined
      : await requireContentKey(deps, options.contentKey);
  return { deps, store, blockBytesMax, contentKey, blockKeys };
}

async function requireContentKey(deps: LegacyDeps, pem: string): Promise<ContentKey> {
  const key = await importContentKey(deps.subtle, pem);
  if (key !== undefined) return key;
  throw new StreamError("BYTES_MISUSE", "a content key is no RSA key in PKCS #8 PEM");
}

async function* readBlocks(
  reader: Reader,
  start: Place,
  key: VerifyKey,
  signal: AbortSignal | undefined,
): AsyncGenerator<LegacyBlock | LegacyFault> {
  let place = start;
  const size = await reader.store.size(signal);
  while (place.offset < size) {
    const fields = await readFields(reader, place, signal);
    const block = isFault(fields) ? fields : await checkBlock(reader, place, fields, key);
    yield block;
    if (!block.ok) return;
    const offset = block.offset + block.byteCount;
    place = { index: block.index + 1, offset, previousHash: block.hash };
  }
}

type SizedFields = LegacyFields & { readonly byteCount: number };

/** The fields of the block at a place; nothing is allocated before its length is believed. */
async function readFields(
  { store, blockBytesMax }: Reader,
  place: Place,
  signal: AbortSignal | undefined,
): Promise<SizedFields | LegacyFault> {
  const left = (await store.size(signal)) - place.offset;
  const lengthField = await store.read(place.offset, lengthBytes, signal);
  if (lengthField.length < lengthBytes) {
    return fault(place, "IW_TRUNCATED", `${left} bytes are no block`);
  }
  const byteCount = readU64(lengthField, 0) ?? Infinity;
  if (byteCount < blockBytesMin || byteCount > blockBytesLimit) {
    return fault(place, "IW_CORRUPT", `a block of ${byteCount} bytes`);
  }
  if (byteCount > left) {
    return fault(place, "IW_TRUNCATED", `${left} of a block's ${byteCount} bytes are there`);
  }
  if (byteCount > blockBytesMax) {
    return fault(place, "IW_TOO_LARGE", `${byteCount} bytes, at most ${blockBytesMax} are read`);
  }
  const bytes = Uint8Array.from(await store.read(place.offset, byteCount, signal));
  if (bytes.length < byteCount) return fault(place, "IW_TRUNCATED", "the file became shorter");
  const fields = splitBlock(bytes);
  if (fields === undefined) return fault(place, "IW_CORRUPT", "fields do not fill their block");
  return { ...fields, byteCount };
}

async function checkBlock(
  reader: Reader,
  place: Place,
  fields: SizedFields,
  key: VerifyKey,
): Promise<LegacyBlock | LegacyFault> {
  const { subtle } = reader.deps;
  const hash = new Uint8Array(await subtle.digest("SHA-256", fields.hashed));
  if (!equalBytes(hash, fields.hash)) {
    return fault(place, "IW_HASH_MISMATCH", "the hash is not that of the bytes");
  }
  if (!equalBytes(fields.previousHash, place.previousHash)) {
    return fault(place, "IW_CHAIN_BROKEN", "the block does not follow the one before it");
  }
  if (!(await verifySignature(subtle, key, fields.signature, fields.signed))) {
    return fault(place, "IW_BAD_SIGNATURE", "the signature is not by the manifest's key");
  }
  const metadataText = fromUtf8(fields.metadata);
  const metadata = parseJson(metadataText);
  if (metadataText === undefined || metadata === undefined) {
    return fault(place, "IW_CORRUPT", "metadata are no JSON");
  }
  const opened = await openBlock(reader, place, fields.content);
  if (isFault(opened)) return opened;
  const { index, offset } = place;
  const { byteCount } = fields;
  return { ok: true, index, offset, byteCount, metadata, metadataText, ...opened, hash };
}

async function openBlock(
  { deps, contentKey, blockKeys }: Reader,
  place: Place,
  content: Uint8Array<ArrayBuffer>,
): Promise<Pick<LegacyBlock, "content" | "isDecrypted"> | LegacyFault> {
  const blockKey = blockKeys.get(place.index);
  if (blockKey !== undefined) {
    const plain = await openContent(deps.subtle, blockKey, content);
    if (plain !== undefined) return { content: plain, isDecrypted: true };
    return fault(place, "IW_CANNOT_DECRYPT", "the block's key does not open it");
  }
  // Blocks do not say whether they are encrypted; a ciphertext made by chance would need 2^-256 luck.
  const plain =
    contentKey === undefined ? undefined : await openContent(deps.subtle, contentKey, content);
  return plain === undefined
    ? { content, isDecrypted: false }
    : { content: plain, isDecrypted: true };
}

interface OpenedManifest {
  readonly ok: true;
  readonly key: VerifyKey;
  readonly publicKey: string;
  readonly uuid: string;
  readonly metadata: { readonly [name: string]: Json };
}

async function openManifest(
  deps: LegacyDeps,
  place: Place,
  fields: LegacyFields,
): Promise<OpenedManifest | LegacyFault> {
  if (!equalBytes(fields.previousHash, place.previousHash)) {
    return fault(place, "IW_NO_MANIFEST", "the file does not begin as an ImmutableWeb stream");
  }
  const metadata = parseJson(fromUtf8(fields.metadata));
  if (fields.content.length > 0 || !isJsonObject(metadata)) {
    return fault(place, "IW_NO_MANIFEST", "block 0 is no manifest");
  }
  const { [keyMember]: publicKey, [uuidMember]: uuid, ...own } = metadata;
  if (typeof uuid !== "string" || !/^[0-9a-f]{32}$/.test(uuid)) {
    return fault(place, "IW_NO_MANIFEST", "the manifest has no id");
  }
  const key =
    typeof publicKey === "string" ? await importVerifyKey(deps.subtle, publicKey) : undefined;
  if (typeof publicKey !== "string" || key === undefined) {
    return fault(place, "IW_NO_MANIFEST", "the manifest has no RSA key");
  }
  return { ok: true, key, publicKey, uuid, metadata: own };
}

/** What does not match the pins, or `undefined`. */
async function findWrongPin(
  deps: LegacyDeps,
  opened: OpenedManifest,
  options: LegacyOptions,
): Promise<string | undefined> {
  if (options.uuid !== undefined && options.uuid !== opened.uuid) return "the id is another";
  if (options.publicKey === undefined) return undefined;
  if ((await importVerifyKey(deps.subtle, options.publicKey)) === undefined) {
    throw new StreamError("BYTES_MISUSE", "the expected key is no RSA key in PEM");
  }
  const squeeze = (pem: string): string => pem.replaceAll(/\s/g, "");
  return squeeze(options.publicKey) === squeeze(opened.publicKey)
    ? undefined
    : "the key is another";
}

function parseJson(text: string | undefined): Json | undefined {
  if (text === undefined || text.length > metadataBytesMax) return undefined;
  try {
    // Safe: JSON.parse gives nothing else.
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

function isJsonObject(value: Json | undefined): value is { readonly [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fault(place: Place, code: LegacyFaultCode, message: string): LegacyFault {
  return { ok: false, code, message, index: place.index, offset: place.offset };
}

function isFault(value: object): value is LegacyFault {
  return "ok" in value && value.ok === false;
}
