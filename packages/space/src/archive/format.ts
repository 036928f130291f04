/**
 * The first bytes of an archive and the key they lead to (docs/spec/archive.md §3). Layer 5, internal.
 */
import { concatBytes, createByteReader, createByteWriter, equalBytes, utf8 } from "@hawser/codec";
import { argon2id, type Crypto, type Random } from "@hawser/crypto";
import { SpaceError } from "../errors.ts";

/** What deriving a key from a password costs. */
export interface ArchiveCost {
  /** KiB of memory, 8 … 262,144 and at least 8 for each lane. */
  readonly memoryKib: number;
  /** 1 … 10. */
  readonly passes: number;
  /** 1 … 4. */
  readonly lanes: number;
}

/** What opens an archive. */
export type ArchiveKey =
  /** 32 bytes, kept by somebody else. */
  | { readonly key: Uint8Array }
  /** `cost` counts when an archive is made. */
  | { readonly password: string; readonly cost?: ArchiveCost };

/** 64 MiB, 3 passes: about a second on a phone. */
export const archiveCostDefault: ArchiveCost = { memoryKib: 65_536, passes: 3, lanes: 1 };

/** Bytes before the first chunk. */
export const headerBytes = 67;
const magic: Uint8Array = utf8("hawserar");
const version = 1;
const saltBytes = 32;
const checkBytes = 16;
const plainBytes: number = headerBytes - checkBytes;
const costMax: ArchiveCost = { memoryKib: 262_144, passes: 10, lanes: 4 };
const keyBytes = 32;
const kinds = { key: 0, password: 1 } as const;

/** A header, and the key of the chunks behind it. */
export interface ArchiveHeader {
  readonly bytes: Uint8Array;
  readonly fileKey: Uint8Array;
}

/** Draws a new header. Throws `SPACE_ARCHIVE_KEY`, `SPACE_ARCHIVE_COST`. */
export async function createHeader(
  deps: { readonly crypto: Crypto; readonly random: Random },
  given: ArchiveKey,
): Promise<ArchiveHeader> {
  const isPassword = "password" in given;
  const cost = isPassword ? (given.cost ?? archiveCostDefault) : noCost;
  if (isPassword && !isAffordable(cost)) throw costError();
  const writer = createByteWriter(headerBytes);
  writer.bytes(magic);
  writer.bytes(new Uint8Array([version, isPassword ? kinds.password : kinds.key]));
  writer.u32(cost.memoryKib);
  writer.u32(cost.passes);
  writer.bytes(new Uint8Array([cost.lanes]));
  writer.bytes(deps.random(saltBytes));
  const plain = writer.finish();
  const fileKey = await fileKeyOf(deps.crypto, plain, given, cost);
  return { bytes: concatBytes(plain, checkOf(deps.crypto, fileKey)), fileKey };
}

/**
 * The key behind a header. Nothing is derived before the cost is known to be affordable. Throws
 * `SPACE_ARCHIVE_MALFORMED`, `_VERSION`, `_COST`, `_KEY`.
 */
export async function openHeader(
  crypto: Crypto,
  bytes: Uint8Array,
  given: ArchiveKey,
): Promise<ArchiveHeader> {
  if (!equalBytes(bytes.subarray(0, magic.length), magic)) throw malformed("not a Hawser archive");
  if (bytes.length < headerBytes) throw malformed("the archive ends within its first bytes");
  const reader = createByteReader(bytes.subarray(magic.length, plainBytes));
  const [found, kind] = reader.bytes(2);
  const [memoryKib, passes] = [reader.u32(), reader.u32()];
  const [lanes = 0] = reader.bytes(1);
  const cost = { memoryKib, passes, lanes };
  if (found !== version) {
    const message = `an archive of version ${found}; this program reads ${version}`;
    throw new SpaceError("SPACE_ARCHIVE_VERSION", message);
  }
  const isPassword = "password" in given;
  if (kind !== kinds.key && kind !== kinds.password) throw malformed("no kind of key this is");
  if ((kind === kinds.password) !== isPassword) {
    const wanted = kind === kinds.password ? "a password" : "a key of 32 bytes";
    throw new SpaceError("SPACE_ARCHIVE_KEY", `the archive opens with ${wanted}`);
  }
  if (isPassword && !isAffordable(cost)) throw costError();
  const fileKey = await fileKeyOf(crypto, bytes.subarray(0, plainBytes), given, cost);
  if (!equalBytes(bytes.subarray(plainBytes, headerBytes), checkOf(crypto, fileKey))) {
    const message = "wrong password or key, or the first bytes of the archive are damaged";
    throw new SpaceError("SPACE_ARCHIVE_KEY", message);
  }
  return { bytes, fileKey };
}

const noCost: ArchiveCost = { memoryKib: 0, passes: 0, lanes: 0 };

async function fileKeyOf(
  crypto: Crypto,
  plain: Uint8Array,
  given: ArchiveKey,
  cost: ArchiveCost,
): Promise<Uint8Array> {
  const root = "password" in given ? await stretch(given.password, plain, cost) : given.key;
  if (root.length !== keyBytes) {
    throw new SpaceError("SPACE_ARCHIVE_KEY", "the key of an archive has 32 bytes");
  }
  return crypto.deriveKey("hawser archive v1", concatBytes(root, plain));
}

function stretch(password: string, plain: Uint8Array, cost: ArchiveCost): Promise<Uint8Array> {
  const salt = plain.subarray(plainBytes - saltBytes);
  // One password however it was typed: keyboards compose accents differently.
  const bytes = utf8(password.normalize("NFKC"));
  if (bytes.length === 0) throw new SpaceError("SPACE_ARCHIVE_KEY", "an empty password");
  return argon2id(bytes, salt, { ...cost, byteCount: keyBytes });
}

function checkOf(crypto: Crypto, fileKey: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser archive check v1", fileKey).subarray(0, checkBytes);
}

function isAffordable({ memoryKib, passes, lanes }: ArchiveCost): boolean {
  const isWhole = [memoryKib, passes, lanes].every(Number.isInteger);
  const isSmall =
    memoryKib <= costMax.memoryKib && passes <= costMax.passes && lanes <= costMax.lanes;
  return isWhole && isSmall && passes >= 1 && lanes >= 1 && memoryKib >= 8 * lanes;
}

function costError(): SpaceError {
  const message = "Argon2 with more than 256 MiB, 10 passes or 4 lanes, or less than 8 KiB a lane";
  return new SpaceError("SPACE_ARCHIVE_COST", message);
}

function malformed(message: string): SpaceError {
  return new SpaceError("SPACE_ARCHIVE_MALFORMED", message);
}
