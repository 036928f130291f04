/**
 * Keys of streams on disk. `NAME.key` holds the secret as an enckey text, for its owner alone:
 *
 *   $argon2d$v=19$m=131072,t=4,p=4$…$…
 *
 * and `NAME.pub` what may be told to everybody:
 *
 *   author 64 hex digits     who signs
 *   reader 64 hex digits     X25519; whom others encrypt to (--to)
 *
 * The secret to read with follows from the one to sign with, so there is one file and one password.
 */
import { chmod, open, readFile, rm } from "node:fs/promises";
import { fromHex, toHex, utf8 } from "@hawser/codec";
import {
  decryptEncKey,
  encKeyCosts,
  encKeyReasonTexts,
  encryptEncKey,
  parseEncKey,
  type Crypto,
} from "@hawser/crypto";
import { codeOf, isMissing } from "../errors.ts";
import { streamError, usage } from "./errors.ts";
import type { StreamIo } from "./io.ts";

/** What `--key`, `--password` and `--no-password` say. */
export interface KeyOptions {
  readonly key?: string;
  /** `false` for `--no-password`. */
  readonly password?: string | false;
}

/** An opened key. The holder zeroes both secrets when done. */
export interface StreamKeys {
  readonly signing: Uint8Array;
  readonly reading: Uint8Array;
  drop(): void;
}

/** What a `NAME.pub` says. */
export interface PublicKeys {
  readonly author: string;
  readonly reader: string;
}

const readingContext = "hawser cli v1 stream reading key";
/** Longer than any key file. */
const fileBytesMax = 4_096;
const none = new Uint8Array(0);
const keyPattern = /^[0-9a-f]{64}$/;

/** `NAME` of `NAME.key`, `NAME.pub` or `NAME` itself. */
export function keyBase(path: string): string {
  return path.replace(/\.(?:key|pub)$/, "");
}

/** The password of `--password`, else of HAWSER_PASSWORD; `undefined` when none is given. */
export function readPassword(io: StreamIo, options: KeyOptions): Uint8Array | undefined {
  if (options.password === false) return new Uint8Array(0);
  const text = options.password ?? io.env["HAWSER_PASSWORD"];
  return text === undefined ? undefined : utf8(text);
}

function keysOf(crypto: Crypto, signing: Uint8Array): StreamKeys {
  const reading = crypto.deriveKey(readingContext, signing);
  return {
    signing,
    reading,
    drop: () => {
      signing.fill(0);
      reading.fill(0);
    },
  };
}

function publicOf(crypto: Crypto, { signing, reading }: StreamKeys): PublicKeys {
  return {
    author: toHex(crypto.publicKey(signing)),
    reader: toHex(crypto.agreementKey(reading)),
  };
}

/** Makes a key and writes both files. Throws CLI_KEY_EXISTS unless `replace`. */
export async function makeKeys(
  io: StreamIo,
  base: string,
  { password, replace }: { readonly password: Uint8Array; readonly replace: boolean },
): Promise<PublicKeys> {
  const { crypto } = io;
  const secret = await newSecret(io);
  const keys = keysOf(crypto, secret);
  try {
    const publicKeys = publicOf(crypto, keys);
    const text = await encryptEncKey(secret, password);
    if (!replace) await refuseExisting([`${base}.key`, `${base}.pub`]);
    await writeNew(`${base}.key`, `${text}\n`, 0o600, replace);
    const { author, reader } = publicKeys;
    await writeNew(`${base}.pub`, `author ${author}\nreader ${reader}\n`, 0o644, replace);
    return publicKeys;
  } finally {
    keys.drop();
  }
}

/** A signing secret in the form that an enckey gives back, from which the reading key follows. */
async function newSecret({ random }: StreamIo): Promise<Uint8Array> {
  const secret = random(32);
  const text = await encryptEncKey(secret, none, encKeyCosts.insecure);
  secret.fill(0);
  const opened = await decryptEncKey(text, none);
  if (!opened.ok) throw new Error("a key just made does not open");
  return opened.value.secret;
}

async function refuseExisting(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    try {
      await (await open(path, "r")).close();
    } catch (error) {
      if (isMissing(error)) continue;
      throw error;
    }
    throw keyExists(path);
  }
}

function keyExists(path: string, cause?: unknown): Error {
  const remedy = "Choose another name. --force replaces it: what it alone can open stays shut.";
  return streamError("CLI_KEY_EXISTS", `there is a key ${path} already`, remedy, cause);
}

async function writeNew(path: string, text: string, mode: number, replace: boolean): Promise<void> {
  try {
    if (replace) await rm(path, { force: true });
    // Exclusive: of two processes that make the same key at once, one fails.
    const file = await open(path, "wx", mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(path, mode);
  } catch (error) {
    throw codeOf(error) === "EEXIST" ? keyExists(path, error) : error;
  }
}

/** The key file that `--key` or HAWSER_STREAM_KEY names; `undefined` when neither does. */
export function namedKey(io: StreamIo, options: KeyOptions): string | undefined {
  const name = options.key ?? io.env["HAWSER_STREAM_KEY"];
  return name === undefined || name === "" ? undefined : `${keyBase(name)}.key`;
}

/** Opens the key that is named, if one is. Throws CLI_KEY_MISSING, _FORMAT, _PASSWORD. */
export async function openKeys(io: StreamIo, options: KeyOptions): Promise<StreamKeys | undefined> {
  const path = namedKey(io, options);
  if (path === undefined) return undefined;
  const text = (await readKeyFile(path)).trim();
  const opened = await decryptEncKey(
    text,
    isUnprotected(text) ? none : (readPassword(io, options) ?? none),
  );
  if (opened.ok) return keysOf(io.crypto, opened.value.secret);
  if (opened.reason === "ENCKEY_PASSWORD") {
    const remedy = "Give the password in HAWSER_PASSWORD or with --password.";
    throw streamError("CLI_KEY_PASSWORD", `the password does not open ${path}`, remedy);
  }
  const remedy = "Name the .key file that `hawser stream keys` made.";
  throw streamError("CLI_KEY_FORMAT", `${path}: ${encKeyReasonTexts[opened.reason]}`, remedy);
}

/** A key made without a password opens although the environment holds the one of another key. */
function isUnprotected(text: string): boolean {
  const parsed = parseEncKey(text);
  return parsed.ok && parsed.value.cost.memoryKib === encKeyCosts.insecure.memoryKib;
}

/** The same where the command cannot do without. */
export async function requireKeys(io: StreamIo, options: KeyOptions): Promise<StreamKeys> {
  const keys = await openKeys(io, options);
  if (keys !== undefined) return keys;
  throw usage(
    "the author's key is needed",
    "Name it with --key or HAWSER_STREAM_KEY; `hawser stream keys NAME` makes one.",
  );
}

/** The reader key that `--to` names: 64 hex digits, or a `.pub` file. */
export async function readRecipient(text: string): Promise<Uint8Array> {
  const hex = keyPattern.test(text) ? text : readerIn(await readKeyFile(`${keyBase(text)}.pub`));
  const key = hex === undefined ? undefined : fromHex(hex);
  if (key !== undefined) return key;
  const remedy = "Give the .pub file of the reader, or the 64 hex digits behind `reader` in it.";
  throw streamError("CLI_KEY_FORMAT", `${text} holds no reader's key`, remedy);
}

function readerIn(text: string): string | undefined {
  return /^reader ([0-9a-f]{64})$/m.exec(text)?.[1];
}

async function readKeyFile(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    return bytes.subarray(0, fileBytesMax).toString("utf8");
  } catch (error) {
    if (!isMissing(error)) throw error;
    const remedy = "Check the path; `hawser stream keys NAME` makes NAME.key and NAME.pub.";
    throw streamError("CLI_KEY_MISSING", `there is no key ${path}`, remedy, error);
  }
}
