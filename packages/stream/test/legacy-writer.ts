/**
 * Writes ImmutableWeb files for the tests, from their description alone: it shares no code with the
 * reader. WebCrypto makes keys, signatures and ciphertexts.
 */
const subtle: typeof globalThis.crypto.subtle = globalThis.crypto.subtle;

export type Bytes = Uint8Array<ArrayBuffer>;
type KeyPair = Awaited<ReturnType<typeof subtle.generateKey>> & {
  readonly publicKey: Parameters<typeof subtle.sign>[1];
  readonly privateKey: Parameters<typeof subtle.sign>[1];
};

export interface LegacyKeys {
  readonly sign: KeyPair["privateKey"];
  readonly publicPem: string;
}

export interface LegacyContentKeys {
  readonly encrypt: KeyPair["publicKey"];
  readonly privatePem: string;
}

async function rsaPair(
  name: string,
  usages: ("sign" | "verify" | "encrypt" | "decrypt")[],
  bits: number,
): Promise<KeyPair> {
  const publicExponent = new Uint8Array([1, 0, 1]);
  const algorithm = { name, modulusLength: bits, publicExponent, hash: "SHA-256" };
  return subtle.generateKey(algorithm, true, usages);
}

function pem(label: string, der: ArrayBuffer): string {
  const base64 = Buffer.from(der).toString("base64");
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

export async function makeLegacyKeys(bits = 2048): Promise<LegacyKeys> {
  const pair = await rsaPair("RSA-PSS", ["sign", "verify"], bits);
  const publicPem = pem("PUBLIC KEY", await subtle.exportKey("spki", pair.publicKey));
  return { sign: pair.privateKey, publicPem };
}

export async function makeLegacyContentKeys(): Promise<LegacyContentKeys> {
  const pair = await rsaPair("RSA-OAEP", ["encrypt", "decrypt"], 2048);
  const privatePem = pem("PRIVATE KEY", await subtle.exportKey("pkcs8", pair.privateKey));
  return { encrypt: pair.publicKey, privatePem };
}

async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await subtle.digest("SHA-256", bytes));
}

/** JSON as ujson prints it. */
function ujson(value: unknown): string {
  const escape = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value)
    .replaceAll("/", "\\/")
    .replaceAll(/[\u0080-\uffff]/g, escape);
}

export interface LegacyBlockDraft {
  readonly content?: string | Bytes;
  /** Absent: `null`. */
  readonly metadata?: unknown;
  /** Metadata as these bytes, whatever they are. */
  readonly rawMetadata?: Bytes;
  readonly encryptTo?: LegacyContentKeys;
}

export interface WrittenBlock {
  readonly bytes: Bytes;
  readonly hash: Bytes;
}

export async function writeLegacyBlock(
  keys: LegacyKeys,
  previousHash: Bytes,
  draft: LegacyBlockDraft,
): Promise<WrittenBlock> {
  const metadata = draft.rawMetadata ?? Buffer.from(ujson(draft.metadata ?? null));
  let content = Buffer.from(draft.content ?? "");
  if (draft.encryptTo !== undefined) {
    const sealed = await subtle.encrypt({ name: "RSA-OAEP" }, draft.encryptTo.encrypt, content);
    content = Buffer.from(sealed);
  }
  const metadataLength = Buffer.alloc(4);
  metadataLength.writeUInt32LE(metadata.length);
  const contentLength = Buffer.alloc(8);
  contentLength.writeBigUInt64LE(BigInt(content.length));
  const hashed = Buffer.concat([previousHash, metadataLength, metadata, contentLength, content]);
  const hash = await sha256(Uint8Array.from(hashed));
  const signed = Uint8Array.from(Buffer.concat([hashed, hash]));
  const bits = Number(
    Object.entries(keys.sign.algorithm).find(([name]) => name === "modulusLength")?.[1],
  );
  const algorithm = { name: "RSA-PSS", saltLength: bits / 8 - 34 };
  const signature = Buffer.from(await subtle.sign(algorithm, keys.sign, signed));
  const signatureLength = Buffer.alloc(4);
  signatureLength.writeUInt32LE(signature.length);
  const rest = Buffer.concat([signed, signatureLength, signature]);
  const blockLength = Buffer.alloc(8);
  blockLength.writeBigUInt64LE(BigInt(rest.length + 8));
  return { bytes: Uint8Array.from(Buffer.concat([blockLength, rest])), hash };
}

/** The blocks of a file: the manifest, then the drafts. */
export async function writeLegacyBlocks(
  keys: LegacyKeys,
  drafts: readonly LegacyBlockDraft[],
  manifest: Readonly<Record<string, unknown>> = {},
): Promise<readonly WrittenBlock[]> {
  const metadata = {
    ...manifest,
    _stream_signature_public_key: keys.publicPem,
    _stream_uuid: "0123456789abcdef0123456789abcdef",
  };
  const blocks = [await writeLegacyBlock(keys, await sha256(new Uint8Array(0)), { metadata })];
  for (const draft of drafts) {
    const previous = blocks.at(-1)?.hash ?? new Uint8Array(32);
    blocks.push(await writeLegacyBlock(keys, previous, draft));
  }
  return blocks;
}

/** The file of some blocks. */
export function joinBlocks(blocks: readonly WrittenBlock[]): Bytes {
  return Uint8Array.from(Buffer.concat(blocks.map(({ bytes }) => bytes)));
}
