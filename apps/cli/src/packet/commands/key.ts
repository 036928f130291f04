/** key: makes a key or shows the one there is. Secrets stay inside unless asked for. */
import { Option, type Command } from "commander";
import { toBase64url, toHex } from "@hawser/codec";
import { encKeyCosts, encryptEncKey, parseEncKey, type EncKeyCost } from "@hawser/crypto";
import { packetError, usage } from "../errors.ts";
import { readKeyText, writeKeyText } from "../key-files.ts";
import { openKey, openKeyText, readKeyName, readPassword, type KeyOptions } from "../keys.ts";
import { addKeyOptions, unifyKeyOptions } from "../options.ts";
import type { PacketCall } from "../run.ts";
import type { Session } from "../session.ts";
import { refuseTrailing } from "./build.ts";

interface KeyCommandOptions extends KeyOptions {
  readonly createNew?: boolean;
  readonly errorSome?: boolean;
  readonly open?: boolean;
  readonly errorNone?: boolean;
  readonly overwrite?: boolean;
  /** False for `--no-check`. */
  readonly check: boolean;
  /** False for `--no-enckey` … : which lines to leave out. */
  readonly showEnckey: boolean;
  readonly pubkey: boolean;
  readonly showSecret?: boolean;
  readonly decryptCost?: "0" | "1" | "2";
  readonly newPass?: string;
}

const costs: Readonly<Record<"0" | "1" | "2", EncKeyCost>> = {
  0: encKeyCosts.insecure,
  1: encKeyCosts.default,
  2: encKeyCosts.expensive,
};

export function addKeyCommand(program: Command, call: PacketCall): void {
  const command = program
    .command("key")
    .description("make a signing key, or show the one there is: enckey and public key")
    .option("--create-new", "fail when there is such a key already")
    .addOption(new Option("--error-some").hideHelp())
    .option("--open", "fail when there is no such key")
    .addOption(new Option("--error-none").hideHelp())
    .option("--overwrite", "replace the key there is; what it signed stays signed")
    .option("--no-check", "show a key without opening it, so without its password")
    .option("--hide-enckey", "do not print the enckey")
    .option("--no-pubkey", "do not print the public key")
    .option("--show-secret", "print the secret in hex: whoever has it can sign as you")
    .addOption(
      new Option(
        "--decrypt-cost <cost>",
        "how dear a guess of the password is: 0 nothing, 1, 2",
      ).choices(["0", "1", "2"]),
    )
    .option("--new-pass <expr>", "wrap the key anew with this password")
    .addHelpText("after", '\nExample: hawser packet key --key me:local --password "my secret"');
  addKeyOptions(command).action(async (given: KeyCommandOptions & { hideEnckey?: boolean }) => {
    refuseTrailing(call, "key");
    const options = { ...unifyKeyOptions(given), showEnckey: given.hideEnckey !== true };
    await call.run((session) => runKey(session, options));
  });
}

async function runKey(session: Session, options: KeyCommandOptions): Promise<void> {
  const mustBeNew = options.createNew === true || options.errorSome === true;
  const mustExist = options.open === true || options.errorNone === true;
  if (mustBeNew && (mustExist || options.overwrite === true || options.enckey !== undefined)) {
    throw usage("--create-new goes with neither --open, --overwrite nor --enckey");
  }
  const name = readKeyName(session, options);
  const kept = options.enckey ?? readKeyText(session.folder, name);
  if (kept !== undefined && mustBeNew) {
    const remedy = "Name another with --key, or use it as it is.";
    throw packetError("CLI_KEY_EXISTS", `there is a key ${name}:local already`, remedy);
  }
  if (kept === undefined && mustExist) {
    await openKey(session, options);
  }
  const text =
    kept === undefined || (options.overwrite === true && options.enckey === undefined)
      ? await createKey(session, options, name)
      : await keepKey(session, options, name, kept);
  await showKey(session, options, text);
}

async function createKey(
  session: Session,
  options: KeyCommandOptions,
  name: string,
): Promise<string> {
  const secret = session.io.random(32);
  try {
    const password = readPassword(session, options);
    const text = await encryptEncKey(secret, password, costFor(options));
    await writeKeyText(session.folder, name, text, { replace: options.overwrite === true });
    return text;
  } finally {
    secret.fill(0);
  }
}

/** Opens the key there is, wraps it anew where asked, and keeps one that was handed in. */
async function keepKey(
  session: Session,
  options: KeyCommandOptions,
  name: string,
  kept: string,
): Promise<string> {
  const isHandedIn = options.enckey !== undefined;
  if (!options.check && options.newPass === undefined && !isHandedIn) return kept;
  const { secret } = await openKeyText(kept, readPassword(session, options));
  try {
    if (options.newPass === undefined) {
      // An enckey from elsewhere is only looked at, unless it is to take the place of the key here.
      if (isHandedIn && options.overwrite === true) {
        await writeKeyText(session.folder, name, kept, { replace: true });
      }
      return kept;
    }
    const password = readPassword(session, { ...options, password: options.newPass });
    const text = await encryptEncKey(secret, password, costFor(options));
    if (!isHandedIn || options.overwrite === true) {
      await writeKeyText(session.folder, name, text, { replace: true });
    }
    return text;
  } finally {
    secret.fill(0);
  }
}

function costFor({ decryptCost }: KeyCommandOptions): EncKeyCost | undefined {
  return decryptCost === undefined ? undefined : costs[decryptCost];
}

async function showKey(session: Session, options: KeyCommandOptions, text: string): Promise<void> {
  const lines: string[] = [];
  if (options.showEnckey) lines.push(text);
  const parsed = parseEncKey(text);
  if (options.pubkey && parsed.ok) lines.push(toBase64url(parsed.value.publicKey));
  if (options.showSecret === true) {
    const password = readPassword(session, {
      ...options,
      ...(options.newPass === undefined ? {} : { password: options.newPass }),
    });
    const { secret } = await openKeyText(text, password);
    lines.push(toHex(secret));
    secret.fill(0);
  }
  await session.stdout.write(Buffer.from(lines.map((line) => `${line}\n`).join("")));
}
