/**
 * Linkspace's password-wrapped signing keys ("enckey"), for import and export. Layer 1.
 *
 *   $argon2d$v=19$m=<KiB>,t=<passes>,p=<lanes>$<public key>$<x>
 *
 * Both values are 32 bytes in base64 without padding (RFC 4648 §4). The public key is the salt, and
 * x = Argon2d(password, public key) XOR secret. There is no tag: a password is right when the secret
 * it gives has that public key. New keys are better wrapped with `argon2id` and `seal`; this form
 * exists because Linkspace writes and reads it.
 */
import { schnorr, secp256k1 } from "@noble/curves/secp256k1.js";
import { equalBytes, fromBase64url, toBase64url } from "@hawser/codec";
import { areArgon2Costs, argon2, type Argon2Costs } from "./argon2.ts";
import { assertSigningSecret, isSigningSecret, negatedSecret } from "./signing-secret.ts";
import { keyBytes } from "./sizes.ts";

/** How dear a guess of the password is. */
export type EncKeyCost = Pick<Argon2Costs, "memoryKib" | "passes" | "lanes">;

/**
 * Linkspace's three costs. `insecure` protects nothing: it is for keys without a password, and for
 * tests.
 */
export const encKeyCosts: Readonly<Record<"default" | "expensive" | "insecure", EncKeyCost>> = {
  default: { memoryKib: 131_072, passes: 4, lanes: 4 },
  expensive: { memoryKib: 2_097_152, passes: 1, lanes: 4 },
  insecure: { memoryKib: 8, passes: 1, lanes: 1 },
};

/** The parts of an enckey text. */
export interface EncKey {
  readonly cost: EncKeyCost;
  /** The x-only public key, readable without the password. */
  readonly publicKey: Uint8Array;
  /** x: the secret XORed with Argon2d's output. */
  readonly wrappedSecret: Uint8Array;
}

/**
 * - `ENCKEY_FORMAT`: the text is no enckey.
 * - `ENCKEY_COST`: its costs are beyond what this package evaluates for a text from elsewhere.
 * - `ENCKEY_PASSWORD`: the password is wrong.
 */
export type EncKeyReason = "ENCKEY_FORMAT" | "ENCKEY_COST" | "ENCKEY_PASSWORD";

/** The sentence for each reason; the first and the last are Linkspace's own. */
export const encKeyReasonTexts: Readonly<Record<EncKeyReason, string>> = {
  ENCKEY_FORMAT: "The data supplied is in an unknown format",
  ENCKEY_COST: "The costs of this key are higher than allowed here",
  ENCKEY_PASSWORD: "The password is incorrect",
};

/** The verdict on an enckey text. */
export type EncKeyVerdict<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly reason: EncKeyReason };

/** Longer than any text of this form with the largest costs. */
const textCharactersMax = 256;
/** KiB × passes: twice the dearest cost that Linkspace writes, some ten seconds of one core. */
const workMax = 4_194_304;
const costPattern = /^m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,9})(?:,[^$]*)?$/;

/**
 * Reads an enckey text without its password. Parameters must come in the order m, t, p; what follows
 * them is passed over, as Linkspace does.
 */
export function parseEncKey(text: string): EncKeyVerdict<EncKey> {
  if (text.length > textCharactersMax) return refuse("ENCKEY_FORMAT");
  const [before, algorithm, version, costs, salt, wrapped, ...rest] = text.split("$");
  if (before !== "" || algorithm !== "argon2d" || version !== "v=19" || rest.length > 0) {
    return refuse("ENCKEY_FORMAT");
  }
  const [, memoryKib, passes, lanes] = (costs ?? "").match(costPattern) ?? [];
  const publicKey = fromBase64(salt ?? "");
  const wrappedSecret = fromBase64(wrapped ?? "");
  if (memoryKib === undefined || publicKey === undefined || wrappedSecret === undefined) {
    return refuse("ENCKEY_FORMAT");
  }
  const cost = { memoryKib: Number(memoryKib), passes: Number(passes), lanes: Number(lanes) };
  if (cost.memoryKib < 8 * cost.lanes) return refuse("ENCKEY_FORMAT");
  if (!areArgon2Costs({ ...cost, byteCount: keyBytes }) || cost.memoryKib * cost.passes > workMax) {
    return refuse("ENCKEY_COST");
  }
  return { ok: true, value: { cost, publicKey, wrappedSecret } };
}

/**
 * The secret in an enckey text, normalised to the scalar whose point has an even y, as Linkspace
 * writes it. Signatures of a secret and its normal form are the same.
 */
export async function decryptEncKey(
  text: string,
  password: Uint8Array,
): Promise<EncKeyVerdict<{ readonly secret: Uint8Array; readonly publicKey: Uint8Array }>> {
  const parsed = parseEncKey(text);
  if (!parsed.ok) return parsed;
  const { cost, publicKey, wrappedSecret } = parsed.value;
  const candidate = await mask(password, publicKey, cost);
  xorInto(candidate, wrappedSecret);
  if (!isSigningSecret(candidate) || !equalBytes(schnorr.getPublicKey(candidate), publicKey)) {
    candidate.fill(0);
    return refuse("ENCKEY_PASSWORD");
  }
  const secret = evenSecret(candidate);
  candidate.fill(0);
  return { ok: true, value: { secret, publicKey } };
}

/**
 * The enckey text of `secret`, which is normalised first. The cost is `default`, or `insecure` for an
 * empty password. Rejects with `CRYPTO_BAD_SECRET`, `CRYPTO_BAD_LENGTH` or `CRYPTO_BAD_COST`.
 */
export async function encryptEncKey(
  secret: Uint8Array,
  password: Uint8Array,
  cost: EncKeyCost = password.length === 0 ? encKeyCosts.insecure : encKeyCosts.default,
): Promise<string> {
  assertSigningSecret(secret);
  const normal = evenSecret(secret);
  const publicKey = schnorr.getPublicKey(normal);
  const wrapped = await mask(password, publicKey, cost);
  xorInto(wrapped, normal);
  normal.fill(0);
  const { memoryKib, passes, lanes } = cost;
  const costText = `m=${memoryKib},t=${passes},p=${lanes}`;
  return `$argon2d$v=19$${costText}$${toBase64(publicKey)}$${toBase64(wrapped)}`;
}

function refuse(reason: EncKeyReason): { readonly ok: false; readonly reason: EncKeyReason } {
  return { ok: false, reason };
}

/** What hides the secret: Argon2d of the password, salted with the public key. */
function mask(password: Uint8Array, publicKey: Uint8Array, cost: EncKeyCost): Promise<Uint8Array> {
  return argon2("d", password, publicKey, { ...cost, byteCount: keyBytes });
}

/** A copy of `secret`, or n − secret when its point has an odd y. */
function evenSecret(secret: Uint8Array): Uint8Array {
  const isOdd = secp256k1.getPublicKey(secret, true)[0] === 0x03;
  return isOdd ? negatedSecret(secret) : secret.slice();
}

function xorInto(target: Uint8Array, bytes: Uint8Array): void {
  for (let index = 0; index < target.length; index++) {
    target[index] = (target[index] ?? 0) ^ (bytes[index] ?? 0);
  }
}

/** 32 bytes of canonical base64 without padding, or `undefined`. */
function fromBase64(text: string): Uint8Array | undefined {
  if (/[-_]/.test(text)) return undefined;
  const bytes = fromBase64url(text.replaceAll("+", "-").replaceAll("/", "_"));
  return bytes?.length === keyBytes ? bytes : undefined;
}

function toBase64(bytes: Uint8Array): string {
  return toBase64url(bytes).replaceAll("-", "+").replaceAll("_", "/");
}
