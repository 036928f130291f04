/**
 * The outer envelope as docs/spec/6-space.md §5 writes it down. Applications take `sealOuter` and
 * `openOuter` of @hawser/space, which is in this package's own layer.
 */
import {
  concatBytes,
  createByteReader,
  createByteWriter,
  decodeCbor,
  encodeCbor,
  equalBytes,
  fromHex,
  toHex,
} from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { EncodedRange, Topic } from "@hawser/log";
import type { GossipContent } from "@hawser/transport-libp2p";

function keysOf(crypto: Crypto, followKey: Uint8Array) {
  return {
    key: crypto.deriveKey("hawser outer v1", followKey),
    head: concatBytes(
      Uint8Array.of(1),
      crypto.deriveKey("hawser follow id v1", followKey).subarray(0, 8),
    ),
  };
}

/** The least PADMÉ size for a count of bytes. */
function paddedSize(byteCount: number): number {
  if (byteCount < 2) return byteCount;
  const exponent = Math.floor(Math.log2(byteCount));
  const step = 2 ** (exponent - (Math.floor(Math.log2(exponent)) + 1));
  return Math.ceil(byteCount / Math.max(1, step)) * Math.max(1, step);
}

function rangeBytes({ context, from, count, bytes }: EncodedRange): Uint8Array {
  const ids = [context.topic, context.author].map((id) => fromHex(id) ?? new Uint8Array(0));
  return encodeCbor([ids[0] ?? null, context.domain, ids[1] ?? null, from, count, bytes]);
}

export function sealEnvelope(
  crypto: Crypto,
  random: Random,
  followKey: Uint8Array,
  content: GossipContent,
): Uint8Array {
  const { key, head } = keysOf(crypto, followKey);
  const writer = createByteWriter();
  writer.u8(content.kind === "packet" ? 0 : 1);
  writer.sized(content.kind === "packet" ? content.packet : rangeBytes(content.range));
  const plaintext = new Uint8Array(paddedSize(writer.size));
  plaintext.set(writer.finish());
  const nonce = random(24);
  return concatBytes(head, nonce, crypto.seal(key, nonce, plaintext, head));
}

export function openEnvelope(
  crypto: Crypto,
  followKey: Uint8Array,
  envelope: Uint8Array,
): GossipContent | undefined {
  const { key, head } = keysOf(crypto, followKey);
  if (envelope.length < 49 || !equalBytes(head, envelope.subarray(0, 9))) return undefined;
  const plaintext = crypto.open(key, envelope.subarray(9, 33), envelope.subarray(33), head);
  if (plaintext === undefined) return undefined;
  const reader = createByteReader(plaintext);
  const kind = reader.u8();
  const bytes = reader.sized(plaintext.length);
  if (reader.failed || kind > 1) return undefined;
  if (kind === 0) return { kind: "packet", packet: bytes };
  const value = decodeCbor(bytes);
  if (!Array.isArray(value)) return undefined;
  const [topic, domain, author, from, count, compact] = value;
  if (!(topic instanceof Uint8Array) || !(author instanceof Uint8Array)) return undefined;
  if (typeof domain !== "string" || typeof from !== "number") return undefined;
  if (typeof count !== "number" || !(compact instanceof Uint8Array)) return undefined;
  const context = { topic: toHex(topic) as Topic, domain, author: toHex(author) as AuthorId };
  return { kind: "range", range: { context, from, count, bytes: compact } };
}
