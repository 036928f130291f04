/**
 * How somebody shows over HTTP that they hold a space's current follow key, and the name under which
 * the space goes there (docs/spec/relay-http.md §1, §2). Pure. Layer 9.
 */
import {
  concatBytes,
  createByteWriter,
  equalSecrets,
  fromBase64url,
  fromHex,
  toBase64url,
  toHex,
  utf8,
} from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { Topic } from "@hawser/log";

/** The scheme in `Authorization` and `WWW-Authenticate`. */
export const proofScheme = "Hawser-Follow";
/** Seconds by which the clocks of the two sides may differ. */
export const proofSecondsMax = 120;

/** A request as far as its proof covers it. */
export interface ProvenRequest {
  /** The relay that is asked: a proof for one is worth nothing at another. */
  readonly relay: AuthorId;
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  /** Empty where the request has none. */
  readonly body: Uint8Array;
}

/** What makes each proof another. */
export interface ProofPlace {
  /** Unix seconds. */
  readonly seconds: number;
  /** 16 random bytes. */
  readonly nonce: Uint8Array;
}

/** A proof as read from a header; nothing is verified yet. */
export interface FollowProof extends ProofPlace {
  readonly mac: Uint8Array;
}

const nonceBytes = 16;
const macBytes = 32;
const nameBytes = 16;
const label: Uint8Array = utf8("hawser relay request v1");
const headerPattern =
  /^Hawser-Follow v=1,t=(0|[1-9][0-9]{0,12}),n=([A-Za-z0-9_-]{22}),m=([A-Za-z0-9_-]{43})$/i;

/**
 * The name of a space at one relay, 22 characters: whoever knows the topic can compute it, nobody can
 * go back, and two relays have different ones.
 */
export function blindName(crypto: Crypto, topic: Topic, relay: AuthorId): string {
  const bytes = concatBytes(idBytes(topic), idBytes(relay));
  return toBase64url(crypto.deriveKey("hawser relay name v1", bytes, nameBytes));
}

/** The key of proofs; the follow key cannot be computed from it. */
export function proofKeyOf(crypto: Crypto, followKey: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser relay http v1", followKey);
}

/** 16 characters that say which follow key, and nothing about it. */
export function followIdOf(crypto: Crypto, followKey: Uint8Array): string {
  return toHex(crypto.deriveKey("hawser relay follow id v1", followKey, 8));
}

/**
 * The id of a hook, 22 characters: one target of one provider has one, so that registering it again
 * changes nothing. Whoever registers knows it beforehand.
 */
export function hookIdOf(
  crypto: Crypto,
  followKey: Uint8Array,
  hook: { readonly provider: string; readonly address: string },
): string {
  const writer = createByteWriter();
  writer.sized(followKey);
  writer.sized(utf8(hook.provider));
  writer.sized(utf8(hook.address));
  return toBase64url(crypto.deriveKey("hawser relay hook id v1", writer.finish(), 16));
}

/** The key that signs what a hook is sent: 32 bytes that both sides compute and nobody sends. */
export function hookSecretOf(
  crypto: Crypto,
  followKey: Uint8Array,
  hook: { readonly relay: AuthorId; readonly id: string },
): Uint8Array {
  const writer = createByteWriter();
  writer.sized(followKey);
  writer.bytes(idBytes(hook.relay));
  writer.sized(utf8(hook.id));
  return crypto.deriveKey("hawser relay hook secret v1", writer.finish());
}

/** The value of `Authorization` by which the holder of `followKey` sends one request. */
export function proveFollow(
  crypto: Crypto,
  followKey: Uint8Array,
  request: ProvenRequest & ProofPlace,
): string {
  if (request.nonce.length !== nonceBytes) throw new TypeError("nonce: expected 16 bytes");
  const mac = macOf(crypto, proofKeyOf(crypto, followKey), request);
  const [nonce, code] = [toBase64url(request.nonce), toBase64url(mac)];
  return `${proofScheme} v=1,t=${request.seconds},n=${nonce},m=${code}`;
}

/** Reads the header; `undefined` for none, or for one of another form. */
export function parseFollowProof(header: string | undefined): FollowProof | undefined {
  const [, seconds, nonceText, macText] = headerPattern.exec(header ?? "") ?? [];
  const [nonce, mac] = [fromBase64url(nonceText ?? ""), fromBase64url(macText ?? "")];
  if (nonce?.length !== nonceBytes || mac?.length !== macBytes) return undefined;
  return { seconds: Number(seconds), nonce, mac };
}

/** Whether the proof is one of this request under a key of `proofKeyOf`. */
export function holdsUnder(
  crypto: Crypto,
  proofKey: Uint8Array,
  request: ProvenRequest,
  proof: FollowProof,
): boolean {
  return equalSecrets(macOf(crypto, proofKey, { ...request, ...proof }), proof.mac);
}

function macOf(crypto: Crypto, key: Uint8Array, request: ProvenRequest & ProofPlace): Uint8Array {
  const writer = createByteWriter();
  writer.bytes(label);
  writer.bytes(idBytes(request.relay));
  writer.sized(utf8(request.method));
  writer.sized(utf8(request.target));
  writer.u64(request.seconds);
  writer.bytes(request.nonce);
  writer.bytes(crypto.hash(request.body));
  return crypto.keyedHash(key, writer.finish());
}

function idBytes(id: Topic | AuthorId): Uint8Array {
  const bytes = fromHex(id);
  // Safe by its brand: parsers alone make ids, from 32 bytes.
  if (bytes === undefined) throw new TypeError("an id is not hex");
  return bytes;
}
