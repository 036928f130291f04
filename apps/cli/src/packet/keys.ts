/** Which key signs: an enckey text given or kept under a name, and the password that opens it. */
import { utf8 } from "@hawser/codec";
import { decryptEncKey, encKeyReasonTexts } from "@hawser/crypto";
import { packetError } from "./errors.ts";
import { evaluateBytes } from "./expressions.ts";
import { keyName, readKeyText } from "./key-files.ts";
import type { Session } from "./session.ts";

export interface KeyOptions {
  readonly password?: string;
  readonly utf8Password?: boolean;
  readonly key?: string;
  readonly enckey?: string;
}

/** The password: `--password`, else LK_PASS, else empty. An expression unless `-u`. */
export function readPassword(session: Session, options: KeyOptions): Uint8Array {
  const text = options.password ?? session.io.env["LK_PASS"] ?? "";
  if (options.utf8Password === true) return utf8(text);
  try {
    return evaluateBytes(text, session.scope(), { name: "password" });
  } catch {
    // The evaluator's message may quote the password, so it is not passed on, not even as a cause.
    const remedy = "Quote : / [ ] \\ with a backslash, or take it as it is with --utf8-password.";
    throw packetError("CLI_USAGE", "the password is no expression", remedy);
  }
}

/** `--key`, else LK_KEYNAME, else `me`. */
export function readKeyName(session: Session, options: KeyOptions): string {
  return keyName(options.key ?? session.io.env["LK_KEYNAME"] ?? "me:local");
}

/** The 32-byte signing secret. Throws CLI_KEY_MISSING, CLI_KEY_PASSWORD, CLI_KEY_FORMAT. */
export async function openKey(session: Session, options: KeyOptions): Promise<Uint8Array> {
  const text = options.enckey ?? keptText(session, readKeyName(session, options));
  return (await openKeyText(text, readPassword(session, options))).secret;
}

function keptText(session: Session, name: string): string {
  const text = readKeyText(session.folder, name);
  if (text !== undefined) return text;
  throw packetError(
    "CLI_KEY_MISSING",
    `there is no key ${name}:local in ${session.folder}`,
    "Make one with `hawser packet key`, name another with --key, or give one with --enckey.",
  );
}

/** Opens an enckey text. The errors name neither text nor password. */
export async function openKeyText(
  text: string,
  password: Uint8Array,
): Promise<{ readonly secret: Uint8Array; readonly publicKey: Uint8Array }> {
  const verdict = await decryptEncKey(text.trim(), password);
  if (verdict.ok) return verdict.value;
  if (verdict.reason === "ENCKEY_PASSWORD") {
    const remedy = "Give it with --password or LK_PASS.";
    throw packetError("CLI_KEY_PASSWORD", "the password does not open the key", remedy);
  }
  const remedy = "An enckey begins with $argon2d$v=19$; put it in single quotes in a shell.";
  throw packetError("CLI_KEY_FORMAT", encKeyReasonTexts[verdict.reason], remedy);
}
