/**
 * Keys on disk: one enckey text a file, `keys/NAME.enckey` under the packet folder, for its owner
 * alone. NAME is what `[@:NAME:local]` resolves to.
 */
import { readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { equalBytes, fromUtf8 } from "@hawser/codec";
import { parseEncKey } from "@hawser/crypto";
import type { AbeNames } from "@hawser/query";
import { codeOf, isMissing } from "../errors.ts";
import { packetError, usage } from "./errors.ts";

const suffix = ".enckey";
const namePattern = /^[A-Za-z0-9_-]{1,64}$/;
/** Longer than any enckey text. */
const textCharactersMax = 1_024;
/** Keys looked through for the name of a public key. */
const keyCountMax = 1_000;

/** The NAME in `NAME:local` or `NAME`. */
export function keyName(text: string): string {
  const name = text.endsWith(":local") ? text.slice(0, -":local".length) : text;
  if (namePattern.test(name)) return name;
  const remedy = "Use letters, digits, - and _, for example me:local.";
  throw usage(`${text} is no name of a key`, remedy);
}

function keyFile(folder: string, name: string): string {
  return join(folder, "keys", `${name}${suffix}`);
}

/** The enckey text of a key, or `undefined` when there is none. */
export function readKeyText(folder: string, name: string): string | undefined {
  try {
    return readFileSync(keyFile(folder, name), "utf8").trim().slice(0, textCharactersMax);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Writes a key whole or not at all, mode 0600. Throws CLI_KEY_EXISTS unless `replace`. */
export async function writeKeyText(
  folder: string,
  name: string,
  text: string,
  { replace }: { readonly replace: boolean },
): Promise<void> {
  const path = keyFile(folder, name);
  await mkdir(join(folder, "keys"), { recursive: true, mode: 0o700 });
  const target = replace ? `${path}.new` : path;
  try {
    if (replace) await rm(target, { force: true });
    // Exclusive: of two processes that make the same key at once, one fails.
    const file = await open(target, "wx", 0o600);
    await file.writeFile(`${text}\n`);
    await file.sync();
    await file.close();
    await chmod(target, 0o600);
    if (replace) await rename(target, path);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    const remedy = "Use another --key, show it with --error-none, or give --overwrite.";
    throw packetError("CLI_KEY_EXISTS", `there is a key ${name}:local already`, remedy, error);
  }
}

function readPublicKey(folder: string, name: string): Uint8Array | undefined {
  const parsed = parseEncKey(readKeyText(folder, name) ?? "");
  return parsed.ok ? parsed.value.publicKey : undefined;
}

/** `[@:NAME:local]` and back, by the keys of this folder. Public keys need no password. */
export function createKeyNames(folder: string): AbeNames {
  let byName: ReadonlyMap<string, Uint8Array> | undefined;
  const list = (): ReadonlyMap<string, Uint8Array> => (byName ??= listPublicKeys(folder));
  return {
    group: () => undefined,
    groupName: () => undefined,
    publicKey: (name) => {
      const [first, second, ...more] = name.map((part) => fromUtf8(part) ?? "");
      if (first === undefined || second !== "local" || more.length > 0) return undefined;
      return namePattern.test(first) ? readPublicKey(folder, first) : undefined;
    },
    publicKeyName: (publicKey) => {
      for (const [name, key] of list()) if (equalBytes(key, publicKey)) return `${name}:local`;
      return undefined;
    },
  };
}

function listPublicKeys(folder: string): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  let files: readonly string[];
  try {
    files = readdirSync(join(folder, "keys"));
  } catch (error) {
    if (isMissing(error)) return found;
    throw error;
  }
  const names = files
    .filter((file) => file.endsWith(suffix))
    .map((file) => file.slice(0, -suffix.length))
    .filter((name) => namePattern.test(name));
  for (const name of names.toSorted().slice(0, keyCountMax)) {
    const publicKey = readPublicKey(folder, name);
    if (publicKey !== undefined) found.set(name, publicKey);
  }
  return found;
}
