/**
 * The three nested layers of a data entry (docs/spec/6-space.md §4; TH-050…058). Layer 5, pure.
 *
 *   content key   opens one entry; derived from read key, nonce and place, so never used twice
 *   read key      derives every content key of its epoch
 *   follow key    opens the outer envelope (outer.ts); with it one can verify and serve, not read
 *
 *   data (sealed) = 0x01 ‖ epoch reference (4) ‖ nonce (24) ‖ sealed event
 *   data (plain)  = 0x02 ‖ event
 *   data (body detached) = 0x03 ‖ hash of the key packet (32) ‖ data as above
 *   event         = kind u8 ‖ type sized ‖ sequence sized ‖ body sized ‖ zeros up to PADMÉ
 */
import {
  concatBytes,
  createByteReader,
  createByteWriter,
  equalBytes,
  fromUtf8,
  utf8,
  type ByteReader,
} from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import { SpaceError } from "./errors.ts";
import { padmeSize } from "./padding.ts";
import { encodePlace, hexBytes, placeBytes, type Place } from "./place.ts";
import { toAuthorId } from "./words.ts";

/** Greatest body of one entry, in bytes; larger content is cut into several or detached. */
export const bodyBytesMax = 57_344;
/** UTF-8 bytes of an event type, 1 at least. */
export const typeBytesMax = 64;
/** UTF-8 bytes of a sequence id. */
export const sequenceBytesMax = 128;
/** Recipients of one body that is sealed to chosen keys. */
export const recipientCountMax = 64;
/** Bytes that encryption adds to a small entry at most: a promise, tested. */
export const sealOverheadBytesMax = 80;

const flagSealed = 1;
const flagPlain = 2;
const flagDetached = 3;
const kindBody = 0;
const kindForRecipients = 1;
const kindDetached = 2;
const keyPacketHashBytes = 32;
const nonceBytes = 24;
const epochReferenceBytes = 4;
/** flags ‖ epoch reference ‖ nonce. */
const headBytes: number = 1 + epochReferenceBytes + nonceBytes;
const sealedKeyBytes = 80;
const commitmentBytes = 32;
const contentLabel = utf8("hawser content key v1");
const empty = new Uint8Array(0);

/** What an entry says, before it is sealed. */
export interface EventContent {
  /** Which reducers care, such as "kv". */
  readonly type: string;
  /** The series it belongs to (TH-186), or `undefined`. */
  readonly sequence: string | undefined;
  readonly body: Uint8Array;
}

/** A body that only some readers can open. */
export interface RecipientBody {
  readonly recipients: readonly AuthorId[];
  /** As stored: sealed keys and sealed body. */
  readonly sealed: Uint8Array;
}

/** What a reader sees of an opened entry. */
export interface OpenedEvent {
  readonly type: string;
  readonly sequence: string | undefined;
  /** `undefined` when the body is sealed to chosen recipients; then `forRecipients` is set. */
  readonly body: Uint8Array | undefined;
  readonly forRecipients: RecipientBody | undefined;
  /** Size of a body that stands beside the entry; `undefined` where it stands in it. */
  readonly detachedBytes: number | undefined;
}

/** The parts of a data entry anybody can see. */
export type DataEnvelope = (
  | { readonly mode: "plain"; readonly event: Uint8Array }
  | {
      readonly mode: "sealed";
      /** First 4 bytes of the epoch's id. */
      readonly epochReference: Uint8Array;
      readonly nonce: Uint8Array;
      readonly sealed: Uint8Array;
    }
) & {
  /** Hash of the packet with the key of a detached body. */
  readonly keyPacket?: Uint8Array;
};

/** Secrets of one epoch that content needs. */
export interface ContentEpoch {
  /** 32 bytes. */
  readonly id: Uint8Array;
  readonly readKey: Uint8Array;
}

/** Someone's public X25519 key, to whom a body is sealed. */
export interface Recipient {
  readonly author: AuthorId;
  readonly prekey: Uint8Array;
}

/** Takes an entry's data apart, or `undefined` when it has no such shape. */
export function parseEnvelope(data: Uint8Array): DataEnvelope | undefined {
  if (data[0] !== flagDetached) return parseInline(data);
  const rest = parseInline(data.subarray(1 + keyPacketHashBytes));
  return rest && { ...rest, keyPacket: data.subarray(1, 1 + keyPacketHashBytes) };
}

function parseInline(data: Uint8Array): DataEnvelope | undefined {
  if (data[0] === flagPlain) return { mode: "plain", event: data.subarray(1) };
  if (data[0] !== flagSealed || data.length < headBytes) return undefined;
  return {
    mode: "sealed",
    epochReference: data.subarray(1, 1 + epochReferenceBytes),
    nonce: data.subarray(1 + epochReferenceBytes, headBytes),
    sealed: data.subarray(headBytes),
  };
}

/** Seals content for the readers of an epoch. Throws for content over the limits. */
export function sealEvent(
  deps: { readonly crypto: Crypto; readonly random: Random },
  epoch: ContentEpoch,
  place: Place,
  content: EventContent,
): Uint8Array {
  return sealPlaintext(deps, epoch, place, encodeEvent(kindBody, content, "padded"));
}

/** Seals the body to chosen keys, and type and sequence for the readers (TH-054). */
export function sealEventTo(
  deps: { readonly crypto: Crypto; readonly random: Random },
  epoch: ContentEpoch,
  place: Place,
  content: EventContent & { readonly recipients: readonly Recipient[] },
): Uint8Array {
  const body = sealToRecipients(deps, place, content);
  const event = encodeEvent(kindForRecipients, { ...content, body }, "padded");
  return sealPlaintext(deps, epoch, place, event);
}

/** Content for everybody who has the entry (TH-055). */
export function plainEvent(content: EventContent): Uint8Array {
  return concatBytes(Uint8Array.of(flagPlain), encodeEvent(kindBody, content, "exact"));
}

/** Type and sequence of an entry whose body stands beside it, sealed as `sealEvent` does. */
export function sealDetached(
  deps: { readonly crypto: Crypto; readonly random: Random },
  epoch: ContentEpoch,
  place: Place,
  content: DetachedContent,
): Uint8Array {
  const event = encodeEvent(kindDetached, detachedFields(content), "padded");
  return concatBytes(detachedHead(content), sealPlaintext(deps, epoch, place, event));
}

/** The same for everybody who has the entry. */
export function plainDetached(content: DetachedContent): Uint8Array {
  const event = encodeEvent(kindDetached, detachedFields(content), "exact");
  return concatBytes(detachedHead(content), Uint8Array.of(flagPlain), event);
}

/** What an entry says whose body stands beside it. */
export interface DetachedContent {
  readonly type: string;
  readonly sequence: string | undefined;
  /** Bytes of the body. */
  readonly byteCount: number;
  /** Hash of the packet with its key. */
  readonly keyPacket: Uint8Array;
}

function detachedHead({ keyPacket }: DetachedContent): Uint8Array {
  return concatBytes(Uint8Array.of(flagDetached), keyPacket);
}

function detachedFields({ type, sequence, byteCount }: DetachedContent): EventContent {
  const writer = createByteWriter(8);
  writer.varint(byteCount);
  return { type, sequence, body: writer.finish() };
}

/** The key that opens exactly one entry; give it away to disclose that entry alone. */
export function contentKeyAt(
  crypto: Crypto,
  readKey: Uint8Array,
  place: Place,
  nonce: Uint8Array,
): Uint8Array {
  const input = new Uint8Array(contentLabel.length + nonceBytes + placeBytes);
  input.set(contentLabel);
  input.set(nonce, contentLabel.length);
  input.set(encodePlace(place), contentLabel.length + nonceBytes);
  return crypto.keyedHash(readKey, input);
}

/** What a ciphertext is bound to: place ‖ flags ‖ epoch id ‖ nonce. */
function boundTo(place: Place, epochId: Uint8Array, nonce: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(placeBytes + 1 + epochId.length + nonce.length);
  bytes.set(encodePlace(place));
  bytes[placeBytes] = flagSealed;
  bytes.set(epochId, placeBytes + 1);
  bytes.set(nonce, placeBytes + 1 + epochId.length);
  return bytes;
}

/** Opens a sealed entry with its content key, or `undefined`: wrong key, place, epoch or bytes. */
export function openEvent(
  crypto: Crypto,
  contentKey: Uint8Array,
  place: Place,
  sealed: { readonly epochId: Uint8Array; readonly envelope: DataEnvelope },
): OpenedEvent | undefined {
  const { envelope, epochId } = sealed;
  if (envelope.mode !== "sealed") return undefined;
  const data = boundTo(place, epochId, envelope.nonce);
  const plaintext = crypto.openOnce(contentKey, envelope.sealed, data);
  return plaintext === undefined ? undefined : decodeEvent(plaintext);
}

/** Reads a plain entry's event, or `undefined` when it is malformed. */
export function openPlain(envelope: DataEnvelope): OpenedEvent | undefined {
  if (envelope.mode !== "plain") return undefined;
  const opened = decodeEvent(envelope.event);
  return opened === undefined || opened.forRecipients !== undefined ? undefined : opened;
}

/** Opens a body that was sealed to `author`; `open` is its HPKE opener. `undefined`: not for it. */
export function openForRecipient(
  crypto: Crypto,
  place: Place,
  body: RecipientBody,
  recipient: {
    readonly author: AuthorId;
    readonly hpkeOpen: (
      sealed: Uint8Array,
      message: { readonly info: Uint8Array; readonly associatedData: Uint8Array },
    ) => Uint8Array | undefined;
  },
): Uint8Array | undefined {
  const index = body.recipients.indexOf(recipient.author);
  if (index < 0) return undefined;
  const reader = createByteReader(body.sealed);
  const commitment = reader.bytes(commitmentBytes);
  const count = reader.varint();
  const keys = reader.bytes(count * (32 + sealedKeyBytes));
  const sealed = reader.bytes(reader.remaining);
  if (reader.failed) return undefined;
  const start = index * (32 + sealedKeyBytes) + 32;
  const key = recipient.hpkeOpen(keys.subarray(start, start + sealedKeyBytes), {
    info: recipientInfo(place, recipient.author),
    associatedData: empty,
  });
  if (key?.length !== 32 || !equalBytes(bodyCommitment(crypto, key), commitment)) return undefined;
  return crypto.openOnce(key, sealed, encodePlace(place));
}

function bodyCommitment(crypto: Crypto, key: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser body commitment v1", key, commitmentBytes);
}

/** Seals an event that is padded already. */
function sealPlaintext(
  deps: { readonly crypto: Crypto; readonly random: Random },
  epoch: ContentEpoch,
  place: Place,
  padded: Uint8Array,
): Uint8Array {
  const nonce = deps.random(nonceBytes);
  const key = contentKeyAt(deps.crypto, epoch.readKey, place, nonce);
  const sealed = deps.crypto.sealOnce(key, padded, boundTo(place, epoch.id, nonce));
  key.fill(0);
  const data = new Uint8Array(headBytes + sealed.length);
  data[0] = flagSealed;
  data.set(epoch.id.subarray(0, epochReferenceBytes), 1);
  data.set(nonce, 1 + epochReferenceBytes);
  data.set(sealed, headBytes);
  return data;
}

/** kind u8 ‖ sized type ‖ sized sequence ‖ sized body; with zeros up to PADMÉ when `padded`. */
function encodeEvent(kind: number, content: EventContent, size: "exact" | "padded"): Uint8Array {
  const type = utf8(content.type);
  const sequence = content.sequence === undefined ? empty : utf8(content.sequence);
  checkContent(content, type, sequence);
  const { body } = content;
  const fields = [type, sequence, body];
  let byteCount = 1;
  for (const field of fields) byteCount += varintBytes(field.length) + field.length;
  const bytes = new Uint8Array(size === "padded" ? padmeSize(byteCount) : byteCount);
  bytes[0] = kind;
  let offset = 1;
  for (const field of fields) {
    offset = putVarint(bytes, offset, field.length);
    bytes.set(field, offset);
    offset += field.length;
  }
  return bytes;
}

function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : 3;
}

/** Unsigned LEB128 of a size below 2^21. Returns the offset behind it. */
function putVarint(bytes: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  return at;
}

function checkContent(content: EventContent, type: Uint8Array, sequence: Uint8Array): void {
  if (content.body.length > bodyBytesMax) {
    const size = `${content.body.length} bytes, at most ${bodyBytesMax} fit`;
    throw new SpaceError("SPACE_BODY_TOO_LARGE", `a body of ${size}`);
  }
  if (type.length === 0 || type.length > typeBytesMax) {
    throw new SpaceError("SPACE_DRAFT_INVALID", `a type has 1 to ${typeBytesMax} bytes`);
  }
  if (sequence.length > sequenceBytesMax || content.sequence === "") {
    throw new SpaceError("SPACE_DRAFT_INVALID", `a sequence has 1 to ${sequenceBytesMax} bytes`);
  }
}

/** One sized field, or `undefined` where it breaks the limit or the bytes. */
function fieldAt(
  bytes: Uint8Array,
  start: number,
  bytesMax: number,
): { readonly from: number; readonly to: number } | undefined {
  let size = 0;
  let from = start;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[from++];
    // Three bytes hold every size allowed here; a last byte of zero would be a longer spelling.
    if (byte === undefined || shift > 14 || (byte === 0 && shift > 0)) return undefined;
    size |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return size > bytesMax || size > bytes.length - from ? undefined : { from, to: from + size };
}

function decodeEvent(plaintext: Uint8Array): OpenedEvent | undefined {
  const kind = plaintext[0];
  const typeAt = fieldAt(plaintext, 1, typeBytesMax);
  if (typeAt === undefined) return undefined;
  const sequenceAt = fieldAt(plaintext, typeAt.to, sequenceBytesMax);
  if (sequenceAt === undefined) return undefined;
  const bodyAt = fieldAt(plaintext, sequenceAt.to, bodyBytesMax);
  if (bodyAt === undefined || !isZeroFrom(plaintext, bodyAt.to)) return undefined;
  const type = fromUtf8(plaintext.subarray(typeAt.from, typeAt.to));
  const sequence = fromUtf8(plaintext.subarray(sequenceAt.from, sequenceAt.to));
  if (type === undefined || type === "" || sequence === undefined) return undefined;
  const header = { type, sequence: sequence === "" ? undefined : sequence };
  const body = plaintext.slice(bodyAt.from, bodyAt.to);
  const rest = { forRecipients: undefined, detachedBytes: undefined };
  if (kind === kindBody) return { ...header, ...rest, body };
  if (kind === kindDetached) {
    const reader = createByteReader(body);
    const detachedBytes = reader.varint();
    if (reader.failed || !reader.finished) return undefined;
    return { ...header, ...rest, body: undefined, detachedBytes };
  }
  if (kind !== kindForRecipients) return undefined;
  const forRecipients = parseRecipients(body);
  return forRecipients && { ...header, ...rest, body: undefined, forRecipients };
}

function isZeroFrom(bytes: Uint8Array, start: number): boolean {
  for (let index = start; index < bytes.length; index++) if (bytes[index] !== 0) return false;
  return true;
}

/**
 * commitment 32 ‖ count varint ‖ count × (author 32 ‖ HPKE-sealed key 80) ‖ body under that key. The
 * commitment makes sure that all recipients hold one key, and so see one body.
 */
function sealToRecipients(
  deps: { readonly crypto: Crypto; readonly random: Random },
  place: Place,
  content: { readonly body: Uint8Array; readonly recipients: readonly Recipient[] },
): Uint8Array {
  const recipients = [...content.recipients].sort((a, b) => (a.author < b.author ? -1 : 1));
  const distinct = new Set(recipients.map((recipient) => recipient.author)).size;
  if (distinct !== recipients.length || distinct === 0 || distinct > recipientCountMax) {
    const limit = `1 to ${recipientCountMax} different recipients`;
    throw new SpaceError("SPACE_DRAFT_INVALID", `a body is sealed to ${limit}`);
  }
  const key = deps.random(32);
  const writer = createByteWriter(content.body.length + recipients.length * 112 + 64);
  writer.bytes(bodyCommitment(deps.crypto, key));
  writer.varint(recipients.length);
  for (const { author, prekey } of recipients) {
    const message = { info: recipientInfo(place, author), associatedData: empty };
    writer.bytes(hexBytes(author));
    writer.bytes(deps.crypto.hpkeSeal(prekey, key, message, deps.random));
  }
  writer.bytes(deps.crypto.sealOnce(key, content.body, encodePlace(place)));
  key.fill(0);
  return writer.finish();
}

function parseRecipients(sealed: Uint8Array): RecipientBody | undefined {
  const reader = createByteReader(sealed);
  reader.bytes(commitmentBytes);
  const count = reader.varint();
  if (count === 0 || count > recipientCountMax) return undefined;
  const recipients = readAuthors(reader, count);
  if (reader.failed || reader.remaining < 16) return undefined;
  const sorted = recipients.every((id, index) => index === 0 || (recipients[index - 1] ?? "") < id);
  return sorted ? { recipients, sealed } : undefined;
}

function readAuthors(reader: ByteReader, count: number): readonly AuthorId[] {
  const authors: AuthorId[] = [];
  for (let index = 0; index < count; index++) {
    authors.push(toAuthorId(reader.bytes(32)));
    reader.bytes(sealedKeyBytes);
  }
  return authors;
}

function recipientInfo(place: Place, author: AuthorId): Uint8Array {
  return concatBytes(utf8("hawser recipient v1"), encodePlace(place), hexBytes(author));
}
