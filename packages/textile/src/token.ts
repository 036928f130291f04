/**
 * Tokens by which users spoke to a go-threads daemon (docs/spec/textile.md §7). They never expire
 * and name no thread, so they are read and made for old daemons alone. Layer 7, pure.
 */
import { fromBase64url, fromUtf8, toBase64url, utf8 } from "@hawser/codec";
import { ed25519 } from "@noble/curves/ed25519.js";
import { base32 } from "multiformats/bases/base32";
import { parseFields } from "./json.ts";
import { identityOf, unmarshalPublicKey, type TextileKeyPair } from "./keys.ts";

const header = toBase64url(utf8('{"alg":"Ed25519","typ":"JWT"}'));
const tokenCharsMax = 4096;

/** A token of `host` for a user; `issuedAt` in Unix seconds. */
export function issueToken(host: TextileKeyPair, user: string, issuedAt: number): string {
  const claims = { iat: issuedAt, iss: identityOf(host.publicKey), sub: user };
  const signed = `${header}.${toBase64url(utf8(JSON.stringify(claims)))}`;
  return `${signed}.${toBase64url(ed25519.sign(utf8(signed), host.seed))}`;
}

/** The user a token of this host was made for, or `undefined` when it does not hold. */
export function tokenUser(token: string, hostKey: Uint8Array): string | undefined {
  if (token.length > tokenCharsMax) return undefined;
  const [head, body, signature, ...more] = token.split(".");
  if (head !== header || body === undefined || signature === undefined || more.length > 0) {
    return undefined;
  }
  const bytes = fromBase64url(signature);
  const claims = fromBase64url(body);
  if (bytes?.length !== 64 || claims === undefined) return undefined;
  if (!ed25519.verify(bytes, utf8(`${head}.${body}`), hostKey)) return undefined;
  const fields = parseFields(fromUtf8(claims) ?? "");
  const user = fields?.["sub"];
  if (fields?.["iss"] !== identityOf(hostKey) || typeof user !== "string") return undefined;
  return isIdentity(user) ? user : undefined;
}

/** Whether a text is the identity of somebody. */
function isIdentity(text: string): boolean {
  try {
    return unmarshalPublicKey(base32.decode(text)) !== undefined;
  } catch {
    return false;
  }
}
