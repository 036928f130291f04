/**
 * Runners for Linkspace's password-wrapped keys.
 */
import { toHex, utf8 } from "@hawser/codec";
import { decryptEncKey, encKeyReasonTexts, encryptEncKey, parseEncKey } from "@hawser/crypto";
import { VectorShapeError, type Claims } from "./claims.ts";
import { eachVector } from "./linkspace-packets.ts";
import type { CaseCheck } from "./report.ts";
import type { SectionRunner } from "./system.ts";

/** Order of secp256k1: a secret and its negation have the same x-only public key. */
const curveOrder = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n;

/** `enckey`: text and password ↔ secret, and texts that must be refused. */
export const enckey: SectionRunner = eachVector(async (check, claims, { crypto }) => {
  const text = claims.text("enckey");
  const password = utf8(claims.text("password"));
  const opened = await decryptEncKey(text, password);
  if (claims.has("error")) {
    const got = opened.ok ? "a secret" : encKeyReasonTexts[opened.reason];
    check.equal("error", claims.text("error"), got);
    return;
  }
  const secret = claims.bytes("secret");
  const normalised = claims.has("normalised_secret") ? claims.bytes("normalised_secret") : secret;
  const wanted = { secret: normalised, publicKey: claims.bytes("pubkey") };
  checkOpened(check, "enckey", opened, wanted);
  check.equal("public key of the secret", wanted.publicKey, crypto.publicKey(secret));
  await checkSealed(check, text, secret, password);
  if (claims.has("secret_pubkey_y_is_odd")) checkParity(check, claims, secret, normalised);
  if (claims.has("enckey_of_raw_secret_accepted")) {
    const raw = await decryptEncKey(claims.text("enckey_of_raw_secret_accepted"), password);
    checkOpened(check, "enckey of the raw secret", raw, wanted);
  }
});

/** `documented_keys`: keys printed in documents, opened and sealed again. */
export const documentedKeys: SectionRunner = eachVector(
  async (check, claims, { crypto }) => {
    const text = claims.text("enckey");
    const password = utf8(claims.text("password"));
    const wanted = { secret: claims.bytes("secret"), publicKey: claims.bytes("pubkey") };
    checkOpened(check, "enckey", await decryptEncKey(text, password), wanted);
    check.equal("public key of the secret", wanted.publicKey, crypto.publicKey(wanted.secret));
    if (claims.take("encKeyRoundtrip") === true) {
      await checkSealed(check, text, wanted.secret, password);
    }
  },
  (vector) => (typeof vector["pubkey"] === "string" ? vector["pubkey"] : ""),
);

function checkOpened(
  check: CaseCheck,
  label: string,
  opened: Awaited<ReturnType<typeof decryptEncKey>>,
  wanted: { readonly secret: Uint8Array; readonly publicKey: Uint8Array },
): void {
  if (!opened.ok) {
    check.fail(label, "a secret", opened.reason);
    return;
  }
  check.equal(`${label} secret`, wanted.secret, opened.value.secret);
  check.equal(`${label} public key`, wanted.publicKey, opened.value.publicKey);
}

/** Sealing the secret at the text's own cost gives the text. */
async function checkSealed(
  check: CaseCheck,
  text: string,
  secret: Uint8Array,
  password: Uint8Array,
): Promise<void> {
  const parsed = parseEncKey(text);
  if (!parsed.ok) {
    check.fail("sealed", text, parsed.reason);
    return;
  }
  check.equal("sealed", text, await encryptEncKey(secret, password, parsed.value.cost));
}

function checkParity(
  check: CaseCheck,
  claims: Claims,
  secret: Uint8Array,
  normalised: Uint8Array,
): void {
  const odd = claims.take("secret_pubkey_y_is_odd");
  if (typeof odd !== "boolean") throw new VectorShapeError("secret_pubkey_y_is_odd is no boolean");
  const negated = (curveOrder - BigInt(`0x${toHex(secret)}`)).toString(16).padStart(64, "0");
  check.equal("normalised secret", odd ? negated : toHex(secret), toHex(normalised));
}
