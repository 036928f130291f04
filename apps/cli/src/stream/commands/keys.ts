/** keys: makes a key to sign and read streams with. */
import type { Command } from "commander";
import { usage } from "../errors.ts";
import { keyBase, makeKeys, readPassword, type KeyOptions } from "../keys.ts";
import type { RunWork, Session } from "../session.ts";
import { formatFields } from "../text.ts";

interface KeysOptions extends KeyOptions {
  readonly force?: boolean;
}

export function addKeysCommand(program: Command, run: RunWork): void {
  program
    .command("keys")
    .description("make a key: NAME.key, which signs and reads, and NAME.pub, for everybody")
    .argument("<name>", "where to put it, for example ada or ~/keys/ada")
    .option("--password <text>", "protects it; others may see it here: better HAWSER_PASSWORD")
    .option("--no-password", "leave it unprotected: whoever reads the file can sign as you")
    .option("--force", "replace the key there is")
    .addHelpText("after", "\nExample: HAWSER_PASSWORD=… hawser stream keys ada")
    .action((name: string, options: KeysOptions) => run((session) => keys(session, name, options)));
}

async function keys({ io, output }: Session, name: string, options: KeysOptions): Promise<void> {
  const password = readPassword(io, options);
  if (password === undefined || (password.length === 0 && options.password !== false)) {
    const remedy = "Put one into HAWSER_PASSWORD, or leave the key unprotected with --no-password.";
    throw usage("a password is needed", remedy);
  }
  const base = keyBase(name);
  const replace = options.force === true;
  const { author, reader } = await makeKeys(io, base, { password, replace });
  const isProtected = password.length > 0;
  const text = formatFields([
    ["key", `${base}.key${isProtected ? "" : "  (no password: keep the file to yourself)"}`],
    ["public", `${base}.pub  (give it to those who write to you)`],
    ["author", author],
    ["reader", reader],
  ]);
  const files = { key: `${base}.key`, public: `${base}.pub` };
  output.event("keys", { author, reader, ...files, protected: isProtected }, text);
}
