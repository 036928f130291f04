/**
 * Records: the data of a stream's entries (docs/spec/stream.md §4). Layer 4; pure. Canonical CBOR
 * arrays; a record with more, fewer or other fields is none.
 */
import { decodeCbor, encodeCbor, fromHex, toHex, type CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { Entry, LogContext } from "@hawser/log";
import { StreamError } from "./errors.ts";
import {
  directiveTargetCharactersMax,
  directiveTargetsMax,
  metadataBytesMax,
  recipientsMax,
  slotsMax,
  softwareCharactersMax,
  streamVersion,
} from "./limits.ts";
import { cborToMetadata, metadataToCbor, type Metadata } from "./metadata.ts";
import type { Directive, DirectiveType, Manifest } from "./types.ts";

const recordTypes = { manifest: 0, block: 1, rewrap: 2 } as const;
const keyIdBytes = 8;

/** A wrapped content key. `kind` 1: under the stream key; 2: to an X25519 public key. */
export interface Slot {
  readonly kind: 1 | 2;
  readonly keyId: Uint8Array;
  readonly wrapped: Uint8Array;
}

/** How a block is encrypted. */
export interface BlockSeal {
  /** Binds the content key, so that every slot opens the same content. */
  readonly commitment: Uint8Array;
  readonly isMetadataSealed: boolean;
  readonly slots: readonly Slot[];
}

export interface BlockRecord {
  readonly type: "block";
  readonly at: number;
  readonly lastRewrap: number | undefined;
  readonly directive: Directive | undefined;
  /** `undefined`: the block is plain. */
  readonly seal: BlockSeal | undefined;
  /** Encoded, or sealed when `seal` says so. */
  readonly metadata: Uint8Array;
  /** `undefined`: the content is the entry's body. */
  readonly inline: Uint8Array | undefined;
}

export interface RewrapRecord {
  readonly type: "rewrap";
  readonly at: number;
  readonly lastRewrap: number | undefined;
  readonly target: number;
  readonly slots: readonly Slot[];
}

export interface ManifestRecord {
  readonly type: "manifest";
  readonly at: number;
  readonly lastRewrap: undefined;
  readonly manifest: Manifest;
}

export type StreamRecord = BlockRecord | RewrapRecord | ManifestRecord;

/** The bytes of metadata. Throws STREAM_METADATA, also for a size over 16 KiB. */
export function encodeMetadata(metadata: Metadata): Uint8Array {
  const bytes = encodeCbor(metadataToCbor(metadata));
  if (bytes.length > metadataBytesMax) {
    throw new StreamError(
      "STREAM_METADATA",
      `metadata takes ${bytes.length} bytes, not ${metadataBytesMax} at most`,
    );
  }
  return bytes;
}

/** The metadata of these bytes, or `undefined`. */
export function decodeMetadata(bytes: Uint8Array): Metadata | undefined {
  if (bytes.length > metadataBytesMax) return undefined;
  const value = decodeCbor(bytes);
  return value === undefined ? undefined : cborToMetadata(value);
}

/** Data of the genesis entry. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return encodeCbor([
    recordTypes.manifest,
    manifest.version,
    manifest.suite,
    manifest.software,
    fromHex(manifest.uuid) ?? new Uint8Array(0),
    encodeMetadata(manifest.metadata),
    manifest.recipients,
    manifest.streamKeyId ?? null,
  ]);
}

/** Data of a block's entry. */
export function encodeBlock(record: Omit<BlockRecord, "type">): Uint8Array {
  const { at, lastRewrap, directive, seal, metadata, inline } = record;
  return encodeCbor([
    recordTypes.block,
    at,
    lastRewrap ?? null,
    directive === undefined ? null : [directive.type, ...directive.targets],
    seal === undefined
      ? null
      : [seal.commitment, seal.isMetadataSealed, ...seal.slots.map(slotToCbor)],
    metadata,
    inline ?? null,
  ]);
}

/** Data of a rewrap's entry. */
export function encodeRewrap(record: Omit<RewrapRecord, "type">): Uint8Array {
  const { at, lastRewrap, target, slots } = record;
  return encodeCbor([recordTypes.rewrap, at, lastRewrap ?? null, target, ...slots.map(slotToCbor)]);
}

function slotToCbor({ kind, keyId, wrapped }: Slot): CborValue {
  return [kind, keyId, wrapped];
}

/** The record of an entry, or `undefined` when its data is none that may stand there. */
export function readRecord(context: LogContext, entry: Entry): StreamRecord | undefined {
  if (entry.deps.length > 0 || entry.path.length > 0) return undefined;
  const fields = decodeCbor(entry.data);
  if (!isArray(fields)) return undefined;
  const [type, ...rest] = fields;
  if (entry.seq === 0) {
    return type === recordTypes.manifest ? readManifest(context, entry, rest) : undefined;
  }
  if (type === recordTypes.block) return readBlock(entry, rest);
  return type === recordTypes.rewrap ? readRewrap(entry, rest) : undefined;
}

function readManifest(
  context: LogContext,
  entry: Entry,
  fields: readonly CborValue[],
): ManifestRecord | undefined {
  const [version, suite, software, uuid, metadataBytes, recipients, keyId] = fields;
  if (fields.length !== 7 || entry.body !== undefined) return undefined;
  if (version !== streamVersion || (suite !== 1 && suite !== 2)) return undefined;
  if (typeof software !== "string" || software.length > softwareCharactersMax) return undefined;
  if (!isBytes(uuid, 16) || !(metadataBytes instanceof Uint8Array)) return undefined;
  if (!isArray(recipients) || recipients.length > recipientsMax) return undefined;
  const keys = recipients.filter((key): key is Uint8Array => isBytes(key, 32));
  const metadata = decodeMetadata(metadataBytes);
  if (metadata === undefined || keys.length !== recipients.length) return undefined;
  if (keyId !== null && !isBytes(keyId, keyIdBytes)) return undefined;
  const manifest: Manifest = {
    version,
    suite,
    software,
    author: context.author satisfies AuthorId,
    group: context.topic,
    uuid: toHex(uuid),
    created: entry.stamp,
    metadata,
    recipients: keys,
    streamKeyId: keyId ?? undefined,
  };
  return { type: "manifest", at: 0, lastRewrap: undefined, manifest };
}

function readBlock(entry: Entry, fields: readonly CborValue[]): BlockRecord | undefined {
  const [at, lastRewrap, directiveValue, sealValue, metadata, inline] = fields;
  if (fields.length !== 6 || !isCount(at) || !isPast(lastRewrap, entry)) return undefined;
  if (!(metadata instanceof Uint8Array)) return undefined;
  if (inline !== null && !(inline instanceof Uint8Array)) return undefined;
  // The content is in one place, never in two and never in none.
  if ((inline === null) !== (entry.body !== undefined)) return undefined;
  const directive = directiveValue === null ? null : readDirective(directiveValue);
  const seal = sealValue === null ? null : readSeal(sealValue);
  if (directive === undefined || seal === undefined) return undefined;
  if (seal?.isMetadataSealed !== true && decodeMetadata(metadata) === undefined) return undefined;
  return {
    type: "block",
    at,
    lastRewrap: lastRewrap ?? undefined,
    directive: directive ?? undefined,
    seal: seal ?? undefined,
    metadata,
    inline: inline ?? undefined,
  };
}

function readRewrap(entry: Entry, fields: readonly CborValue[]): RewrapRecord | undefined {
  const [at, lastRewrap, target, ...slotValues] = fields;
  if (!isCount(at) || !isPast(lastRewrap, entry) || entry.body !== undefined) return undefined;
  if (!isCount(target) || target < 1 || target >= entry.seq) return undefined;
  const slots = readSlots(slotValues);
  if (slots === undefined) return undefined;
  return { type: "rewrap", at, lastRewrap: lastRewrap ?? undefined, target, slots };
}

function readSeal(value: CborValue | undefined): BlockSeal | undefined {
  if (!isArray(value)) return undefined;
  const [commitment, isMetadataSealed, ...slotValues] = value;
  if (!isBytes(commitment, 32) || typeof isMetadataSealed !== "boolean") return undefined;
  const slots = readSlots(slotValues);
  return slots === undefined ? undefined : { commitment, isMetadataSealed, slots };
}

function readSlots(values: readonly CborValue[]): readonly Slot[] | undefined {
  if (values.length < 1 || values.length > slotsMax) return undefined;
  const slots: Slot[] = [];
  for (const value of values) {
    if (!isArray(value) || value.length !== 3) return undefined;
    const [kind, keyId, wrapped] = value;
    if ((kind !== 1 && kind !== 2) || !isBytes(keyId, keyIdBytes)) return undefined;
    if (!(wrapped instanceof Uint8Array)) return undefined;
    slots.push({ kind, keyId, wrapped });
  }
  return slots;
}

const directiveTypes: ReadonlySet<string> = new Set<DirectiveType>([
  "end",
  "fork",
  "merge",
  "redirect",
  "related-to",
  "replay",
]);

function readDirective(value: CborValue | undefined): Directive | undefined {
  if (!isArray(value)) return undefined;
  const [type, ...rest] = value;
  const targets = rest.filter((target) => typeof target === "string");
  if (typeof type !== "string" || targets.length !== rest.length) return undefined;
  return isDirective({ type, targets }) ? ({ type, targets } as Directive) : undefined;
}

/** Whether this is a directive: a known type, and targets that fit it. */
export function isDirective(value: {
  readonly type: string;
  readonly targets: readonly string[];
}): value is Directive {
  const { type, targets } = value;
  if (!directiveTypes.has(type) || targets.length > directiveTargetsMax) return false;
  if (type !== "end" && targets.length === 0) return false;
  return targets.every(
    (target) =>
      target.length > 0 && target.length <= directiveTargetCharactersMax && target.isWellFormed(),
  );
}

/** Whether nothing may follow a block with this directive. */
export function isClosing(directive: Directive | undefined): boolean {
  const type = directive?.type;
  return type === "end" || type === "merge" || type === "redirect";
}

function isArray(value: CborValue | undefined): value is readonly CborValue[] {
  return Array.isArray(value);
}

function isBytes(value: CborValue | undefined, byteCount: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === byteCount;
}

function isCount(value: CborValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** A seq before the entry's own, or null. */
function isPast(value: CborValue | undefined, entry: Entry): value is number | null {
  return value === null || (isCount(value) && value >= 1 && value < entry.seq);
}
