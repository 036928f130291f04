/**
 * Invite links (docs/spec/6-space.md §6): everything a device needs to join, in one line of text.
 * Whoever holds a link that is not used up can join: send it over a channel you trust.
 *
 *   link  = "hawser:join/" ‖ base64url(bytes)
 *   bytes = version u8 (1) ‖ body size u16 ‖ body ‖ checksum (4 bytes)
 *   body  = canonical CBOR [space id, create op, follow key, secret, [address…]]
 */
import type { OpId } from "@hawser/auth";
import {
  concatBytes,
  createByteReader,
  createByteWriter,
  decodeCbor,
  encodeCbor,
  equalBytes,
  fromBase64url,
  fromHex,
  toBase64url,
  toHex,
  type CborValue,
} from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { isAddress } from "./addresses.ts";
import { SpaceError } from "./errors.ts";
import { decodeSpaceId, spaceIdBytes, type SpaceId } from "./ids.ts";

/** What an invite link carries. */
export interface InviteLink {
  readonly id: SpaceId;
  /** The space's genesis: pins the group, so a relay cannot offer another one. */
  readonly createOp: OpId;
  /** The follow key of the epoch that was current when the link was made; 32 bytes. */
  readonly followKey: Uint8Array;
  /** One-time BIP340 secret; its public half names the invite. 32 bytes. */
  readonly secret: Uint8Array;
  /** Where to connect first: URLs, at most `linkAddressCountMax`. */
  readonly addresses: readonly string[];
}

/** Addresses a link may carry. */
export const linkAddressCountMax = 8;
/** Characters of the longest link that is read. */
export const linkCharactersMax = 4_096;

/** How the two kinds of links are told apart: by their first word and by their checksum. */
interface LinkForms {
  readonly prefix: string;
  readonly prefixWithSlashes: string;
  readonly checksumLabel: string;
}

const joinForms: LinkForms = {
  prefix: "hawser:join/",
  prefixWithSlashes: "hawser://join/",
  checksumLabel: "hawser invite checksum v1",
};
const openForms: LinkForms = {
  prefix: "hawser:open/",
  prefixWithSlashes: "hawser://open/",
  checksumLabel: "hawser raw link checksum v1",
};
const version = 1;
const checksumBytes = 4;

/** The link's text. Throws `SPACE_ADDRESS_INVALID` for a bad or an excess address. */
export function formatInviteLink(crypto: Crypto, link: InviteLink): string {
  checkAddresses(link.addresses);
  const createOp = fromHex(link.createOp) ?? new Uint8Array(0);
  const body = encodeCbor([
    spaceIdBytes(link.id),
    createOp,
    link.followKey,
    link.secret,
    link.addresses,
  ]);
  return encodeLink(crypto, joinForms, body);
}

/** What a link to a raw space carries; whoever has it reads and writes for good. */
export interface RawLink {
  readonly id: SpaceId;
  /** Where to connect first: URLs, at most `linkAddressCountMax`. */
  readonly addresses: readonly string[];
}

/** The link's text. Throws `SPACE_ADDRESS_INVALID` for a bad or an excess address. */
export function formatRawLink(crypto: Crypto, link: RawLink): string {
  checkAddresses(link.addresses);
  return encodeLink(crypto, openForms, encodeCbor([spaceIdBytes(link.id), link.addresses]));
}

/** Does the text begin as a link to a raw space? */
export function isRawLink(text: string): boolean {
  const { prefix, prefixWithSlashes } = openForms;
  return [prefix, prefixWithSlashes].some((start) => text.trim().startsWith(start));
}

/** Reads a link to a raw space. Throws like `parseInviteLink`. */
export function parseRawLink(crypto: Crypto, text: string): RawLink {
  const link = decodeRawBody(decodeLink(crypto, openForms, text));
  if (link === undefined) throw malformed();
  return link;
}

function checkAddresses(addresses: readonly string[]): void {
  if (addresses.length <= linkAddressCountMax && addresses.every(isAddress)) return;
  throw new SpaceError("SPACE_ADDRESS_INVALID", "a link takes at most 8 URLs of 255 characters");
}

function encodeLink(crypto: Crypto, forms: LinkForms, body: Uint8Array): string {
  const writer = createByteWriter(body.length + 8);
  writer.u8(version);
  writer.u16(body.length);
  writer.bytes(body);
  const head = writer.finish();
  return forms.prefix + toBase64url(concatBytes(head, checksumOf(crypto, forms, head)));
}

/**
 * Reads a link a person pasted. Throws `SPACE_LINK_MALFORMED` (no link at all),
 * `SPACE_LINK_VERSION`, `SPACE_LINK_TRUNCATED` or `SPACE_LINK_CHECKSUM`; the message never quotes it.
 */
export function parseInviteLink(crypto: Crypto, text: string): InviteLink {
  const link = decodeBody(decodeLink(crypto, joinForms, text));
  if (link === undefined) throw malformed();
  return link;
}

/** The body of a link. Throws as `parseInviteLink` says. */
function decodeLink(crypto: Crypto, forms: LinkForms, text: string): Uint8Array {
  const bytes = linkBytes(forms, text.trim());
  const reader = createByteReader(bytes);
  const found = reader.u8();
  if (bytes.length > 0 && found !== version) {
    throw new SpaceError("SPACE_LINK_VERSION", `link of version ${found}; this is 1`);
  }
  const bodySize = reader.u16();
  const body = reader.bytes(bodySize);
  const checksum = reader.bytes(checksumBytes);
  if (reader.failed) throw truncated();
  const head = bytes.subarray(0, 3 + bodySize);
  if (!reader.finished || !equalBytes(checksum, checksumOf(crypto, forms, head))) {
    throw new SpaceError("SPACE_LINK_CHECKSUM", "the link has a wrong character in it");
  }
  return body;
}

function linkBytes({ prefix, prefixWithSlashes }: LinkForms, text: string): Uint8Array {
  const start = [prefixWithSlashes, prefix].find((candidate) => text.startsWith(candidate));
  if (start === undefined || text.length > linkCharactersMax) throw malformed();
  const payload = text.slice(start.length);
  const bytes = fromBase64url(payload);
  if (bytes !== undefined) return bytes;
  // A cut within a group of four characters, or a wrong last one, leaves no base64url: the size
  // the first bytes tell says which.
  const whole = fromBase64url(payload.slice(0, payload.length - (payload.length % 4)));
  if (whole === undefined || whole.length < 3) throw malformed();
  const sizeWanted = 3 + (whole[1] ?? 0) * 256 + (whole[2] ?? 0) + checksumBytes;
  if (payload.length < Math.ceil((sizeWanted * 4) / 3)) throw truncated();
  throw new SpaceError("SPACE_LINK_CHECKSUM", "the link has a wrong character in it");
}

function decodeBody(body: Uint8Array): InviteLink | undefined {
  const value = decodeCbor(body);
  if (!Array.isArray(value) || value.length !== 5) return undefined;
  const [idBytes, createOp, followKey, secret, addresses]: readonly CborValue[] = value;
  if (!(idBytes instanceof Uint8Array) || !isKey(createOp) || !isKey(followKey) || !isKey(secret)) {
    return undefined;
  }
  const parsed = decodeSpaceId(idBytes);
  if (!parsed.ok || parsed.value.variant !== "access-controlled") return undefined;
  if (!Array.isArray(addresses) || addresses.length > linkAddressCountMax) return undefined;
  if (!addresses.every(isAddress)) return undefined;
  return {
    id: parsed.value.id,
    // Safe: 32 bytes in hex are what an op id is.
    createOp: toHex(createOp) as OpId,
    followKey,
    secret,
    addresses,
  };
}

function decodeRawBody(body: Uint8Array): RawLink | undefined {
  const value = decodeCbor(body);
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [idBytes, addresses]: readonly CborValue[] = value;
  const parsed = idBytes instanceof Uint8Array ? decodeSpaceId(idBytes) : undefined;
  if (parsed?.ok !== true || parsed.value.variant !== "raw") return undefined;
  if (!Array.isArray(addresses) || addresses.length > linkAddressCountMax) return undefined;
  return addresses.every(isAddress) ? { id: parsed.value.id, addresses } : undefined;
}

function isKey(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

function checksumOf(crypto: Crypto, forms: LinkForms, head: Uint8Array): Uint8Array {
  return crypto.deriveKey(forms.checksumLabel, head, checksumBytes);
}

function truncated(): SpaceError {
  return new SpaceError("SPACE_LINK_TRUNCATED", "the link ends too early; copy all of it");
}

function malformed(): SpaceError {
  return new SpaceError("SPACE_LINK_MALFORMED", "not a Hawser link of this kind");
}
