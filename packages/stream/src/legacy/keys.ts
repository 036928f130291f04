/**
 * The RSA keys of ImmutableWeb files, through an injected WebCrypto (docs/spec/stream.md,
 * "ImmutableWeb files"). Layer 4.
 */
import { fromBase64url } from "@hawser/codec";

type Bytes = Uint8Array<ArrayBuffer>;

/** A key WebCrypto holds. */
export interface RsaKey {
  readonly algorithm: object;
}

/** What the reader uses of WebCrypto; `crypto.subtle` has it. */
export interface LegacySubtle {
  digest(algorithm: "SHA-256", bytes: Bytes): Promise<ArrayBuffer>;
  importKey(
    format: "spki" | "pkcs8",
    bytes: Bytes,
    algorithm: { readonly name: string; readonly hash: string },
    extractable: boolean,
    usages: ("verify" | "decrypt")[],
  ): Promise<RsaKey>;
  verify(
    algorithm: { readonly name: string; readonly saltLength: number },
    key: RsaKey,
    signature: Bytes,
    bytes: Bytes,
  ): Promise<boolean>;
  decrypt(algorithm: { readonly name: string }, key: RsaKey, bytes: Bytes): Promise<ArrayBuffer>;
}

/** A key that checks signatures. */
export interface VerifyKey {
  readonly key: RsaKey;
  /** The modulus, and so each signature, in bytes. */
  readonly modulusBytes: number;
}

/** A key that opens contents. */
export interface ContentKey {
  readonly key: RsaKey;
  readonly modulusBytes: number;
}

const pemCharsMax = 16_384;
/** Larger moduli cost seconds to use; the reference makes 2,048 bits. */
const modulusBitsMax = 8192;
const hash = "SHA-256";

/** The bytes in a PEM text with one block of this label, or `undefined`. */
export function parsePem(text: string, label: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length > pemCharsMax) return undefined;
  const lines = text.trim().split(/\r?\n/);
  if (lines.shift() !== `-----BEGIN ${label}-----`) return undefined;
  if (lines.pop() !== `-----END ${label}-----`) return undefined;
  const base64 = lines
    .join("")
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/={1,2}$/, "");
  const bytes = fromBase64url(base64);
  return bytes === undefined || bytes.length === 0 ? undefined : Uint8Array.from(bytes);
}

/** The signature key in a manifest, or `undefined` when the text is none. */
export async function importVerifyKey(
  subtle: LegacySubtle,
  pem: string,
): Promise<VerifyKey | undefined> {
  const spki = parsePem(pem, "PUBLIC KEY");
  if (spki === undefined) return undefined;
  const algorithm = { name: "RSA-PSS", hash };
  const key = await importOrNothing(() =>
    subtle.importKey("spki", spki, algorithm, false, ["verify"]),
  );
  return key === undefined ? undefined : sized(key);
}

/** A private content key in PKCS #8 PEM, or `undefined` when the text is none. */
export async function importContentKey(
  subtle: LegacySubtle,
  pem: string,
): Promise<ContentKey | undefined> {
  const pkcs8 = parsePem(pem, "PRIVATE KEY");
  if (pkcs8 === undefined) return undefined;
  const algorithm = { name: "RSA-OAEP", hash };
  const key = await importOrNothing(() =>
    subtle.importKey("pkcs8", pkcs8, algorithm, false, ["decrypt"]),
  );
  return key === undefined ? undefined : sized(key);
}

/** WebCrypto throws for bytes that are no key; for us that is a verdict. */
async function importOrNothing(run: () => Promise<RsaKey>): Promise<RsaKey | undefined> {
  try {
    return await run();
  } catch {
    return undefined;
  }
}

function sized(key: RsaKey): VerifyKey | undefined {
  const algorithm: object = key.algorithm;
  const bits = "modulusLength" in algorithm ? Number(algorithm.modulusLength) : 0;
  // Below 1,024 bits there is no room for hash and salt; such keys protect nothing anyway.
  if (!(bits >= 1024 && bits <= modulusBitsMax && bits % 8 === 0)) return undefined;
  return { key, modulusBytes: bits / 8 };
}

/** Whether the key signed the bytes: RSA-PSS, SHA-256, MGF1-SHA-256, the longest salt there can be. */
export async function verifySignature(
  subtle: LegacySubtle,
  { key, modulusBytes }: VerifyKey,
  signature: Uint8Array<ArrayBuffer>,
  signed: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  if (signature.length !== modulusBytes) return false;
  // RFC 8017 §9.1.1: the encoded message holds the salt, the hash (32) and two bytes more.
  const saltLength = modulusBytes - 32 - 2;
  return subtle.verify({ name: "RSA-PSS", saltLength }, key, signature, signed);
}

/** The plaintext, or `undefined` when the key does not open the content. */
export async function openContent(
  subtle: LegacySubtle,
  { key, modulusBytes }: ContentKey,
  content: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (content.length !== modulusBytes) return undefined;
  try {
    return new Uint8Array(await subtle.decrypt({ name: "RSA-OAEP" }, key, content));
  } catch {
    return undefined;
  }
}
