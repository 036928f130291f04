/**
 * The follow layer (docs/spec/6-space.md §5; TH-057): a whole packet or range under the follow key,
 * for when it leaves the circle of followers (pub/sub, HTTP pull, blind storage, export). Within
 * it, peers have proven the follow key already and see what followers may see. Layer 5, pure.
 *
 *   outer   = 0x01 ‖ follow id (8) ‖ nonce (24) ‖ XChaCha20-Poly1305(content)
 *   content = kind u8 ‖ bytes sized ‖ zeros up to PADMÉ
 */
import {
  concatBytes,
  createByteReader,
  createByteWriter,
  decodeCbor,
  encodeCbor,
  equalBytes,
} from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import type { EncodedRange } from "@hawser/log";
import { padmeSize } from "./padding.ts";
import { hexBytes } from "./place.ts";
import { toAuthorId, toTopic } from "./words.ts";

/** What lies in an outer envelope. */
export type OuterContent =
  | { readonly kind: "packet"; readonly packet: Uint8Array }
  | { readonly kind: "range"; readonly range: EncodedRange };

/** Greatest content of one envelope, in bytes. */
export const outerBytesMax: number = 16 * 1024 * 1024;

const version = 1;
const headBytes = 9;
const nonceBytes = 24;

/** First 8 bytes of deriveKey("hawser follow id v1", follow key). */
export function followIdOf(crypto: Crypto, followKey: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser follow id v1", followKey).subarray(0, 8);
}

/** Seals a packet or range so that outsiders see neither links nor signatures nor authors. */
export function sealOuter(
  deps: { readonly crypto: Crypto; readonly random: Random },
  followKey: Uint8Array,
  content: OuterContent,
): Uint8Array {
  const bytes = content.kind === "packet" ? content.packet : encodeRange(content.range);
  const writer = createByteWriter(bytes.length + 16);
  writer.u8(content.kind === "packet" ? 0 : 1);
  writer.sized(bytes);
  const plaintext = new Uint8Array(padmeSize(writer.size));
  plaintext.set(writer.finish());
  const head = concatBytes(Uint8Array.of(version), followIdOf(deps.crypto, followKey));
  const nonce = deps.random(nonceBytes);
  const sealed = deps.crypto.seal(outerKey(deps.crypto, followKey), nonce, plaintext, head);
  return concatBytes(head, nonce, sealed);
}

/** Opens an envelope with whichever key it names; `undefined` when none fits or it was changed. */
export function openOuter(
  crypto: Crypto,
  followKeys: readonly Uint8Array[],
  envelope: Uint8Array,
): OuterContent | undefined {
  if (envelope.length > outerBytesMax || envelope[0] !== version) return undefined;
  const head = envelope.subarray(0, headBytes);
  const nonce = envelope.subarray(headBytes, headBytes + nonceBytes);
  const sealed = envelope.subarray(headBytes + nonceBytes);
  if (nonce.length !== nonceBytes) return undefined;
  for (const key of followKeys) {
    if (!equalBytes(followIdOf(crypto, key), head.subarray(1))) continue;
    const plaintext = crypto.open(outerKey(crypto, key), nonce, sealed, head);
    if (plaintext !== undefined) return decodeContent(plaintext);
  }
  return undefined;
}

function decodeContent(plaintext: Uint8Array): OuterContent | undefined {
  const reader = createByteReader(plaintext);
  const kind = reader.u8();
  const bytes = reader.sized(outerBytesMax).slice();
  if (reader.failed || !plaintext.subarray(reader.offset).every((byte) => byte === 0)) {
    return undefined;
  }
  if (kind === 0) return { kind: "packet", packet: bytes };
  const range = kind === 1 ? decodeRange(bytes) : undefined;
  return range === undefined ? undefined : { kind: "range", range };
}

function outerKey(crypto: Crypto, followKey: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser outer v1", followKey);
}

/** Canonical CBOR [topic, domain, author, from, count, compact bytes]. */
function encodeRange(range: EncodedRange): Uint8Array {
  const { topic, domain, author } = range.context;
  return encodeCbor([
    hexBytes(topic),
    domain,
    hexBytes(author),
    range.from,
    range.count,
    range.bytes,
  ]);
}

function decodeRange(encoded: Uint8Array): EncodedRange | undefined {
  const value = decodeCbor(encoded);
  if (!Array.isArray(value) || value.length !== 6) return undefined;
  const [topic, domain, author, from, count, bytes] = value;
  if (!isId(topic) || !isId(author) || typeof domain !== "string") return undefined;
  if (!isCount(from) || !isCount(count) || !(bytes instanceof Uint8Array)) return undefined;
  return {
    context: { topic: toTopic(topic), domain, author: toAuthorId(author) },
    from,
    count,
    bytes,
  };
}

function isId(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
