/**
 * hawser account …: a person's devices. Words of a phrase and shares come by standard input, never by
 * the command line, where other users of the machine could read them.
 */
import { AccountError } from "@hawser/account";
import {
  approveDevice,
  createAccount,
  joinAccount,
  phraseOfShares,
  recoverAccount,
  sharePhrase,
  type AccountDevice,
} from "@hawser/hawser/account";
import type { AuthorId } from "@hawser/crypto";
import { text } from "node:stream/consumers";
import { createHawser } from "@hawser/hawser";
import { ownHome } from "./control.ts";
import {
  chooseDevice,
  devicesText,
  listDevices,
  reach,
  requireAccount,
  triesToReach,
} from "./account-devices.ts";
import { openDevice, type Device } from "./device.ts";
import { CliError } from "./errors.ts";
import { openHome } from "./home.ts";
import type { Output } from "./output.ts";
import { probeRelay } from "./relay-link.ts";

/** What every account command is given. */
export interface AccountCommand {
  readonly home: string | undefined;
  readonly relay: string | undefined;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Founds an account and prints its phrase. */
export async function createCommand(
  command: AccountCommand,
  { name }: { readonly name: string },
): Promise<void> {
  const { output, signal } = command;
  await withHome(command, async (device) => {
    const made = await createAccount(device.hawser, { name });
    await using account = made.account;
    // Called off or cut short: the words are shown all the same, nobody can show them again.
    const isReached = await triesToReach(device.hawser, account, signal);
    const fields = { phrase: made.phrase, relay: isReached };
    output.event("account", fields, phraseText(made.phrase) + awayText(isReached));
  });
}

function phraseText(phrase: string): string {
  const words = phrase.split(" ").map((word, index) => `${`${index + 1}`.padStart(2)} ${word}`);
  const rows = [0, 1, 2, 3, 4, 5].map((row) =>
    [0, 6, 12, 18].map((column) => (words[column + row] ?? "").padEnd(13)).join(" "),
  );
  return (
    "This account comes back with these 24 words. Write them down; nobody can show them again,\n" +
    "and whoever has them has the account.\n\n" +
    `${rows.map((row) => `  ${row.trimEnd()}`).join("\n")}\n\n` +
    "Let another device in:  hawser account code"
  );
}

/** Shows a code and lets in the device that is given it. */
export async function codeCommand(command: AccountCommand): Promise<void> {
  const { output, signal } = command;
  await withHome(command, async (device) => {
    await using account = await requireAccount(device.hawser);
    const onCode = (code: string): void =>
      output.event(
        "code",
        { code },
        `On the new device:  hawser account join ${code}${relayHint(device)}\n` +
          "The code is good for one try. Tell it to nobody who asks you for it.",
      );
    const { author, name } = await approveDevice(device.hawser, account, { onCode, signal });
    const isReached = await reach(device.hawser, account, signal);
    const said = `${name ?? "A device"} is in (${author.slice(0, 16)}…).${awayText(isReached)}`;
    output.event("approved", { author, name: name ?? null, relay: isReached }, said);
  });
}

function relayHint({ hawser }: Device): string {
  const address = hawser.relays()[0]?.address;
  return address === undefined ? "" : ` --relay ${address}`;
}

/** Joins an account with the code that another device shows. */
export async function joinCommand(
  command: AccountCommand,
  { code, name }: { readonly code: string; readonly name: string },
): Promise<void> {
  const { output, signal } = command;
  await withHome(command, async (device) => {
    await using account = await joinAccount(device.hawser, { code, name, signal });
    await reach(device.hawser, account, signal);
    const devices = await listDevices(device.hawser);
    output.event("joined", { devices }, `This device is in.\n${devicesText(devices)}`);
  });
}

/** Brings an account back from the phrase on standard input. */
export async function recoverCommand(
  command: AccountCommand,
  options: { readonly name: string; readonly lost: readonly string[] },
): Promise<void> {
  const { output, signal } = command;
  const phrase = await readInput(command, "Type or pipe in the 24 words, then Ctrl-D:");
  await withHome(command, async (device) => {
    const { name } = options;
    const lost = (devices: readonly AccountDevice[]): Promise<readonly AuthorId[]> =>
      Promise.resolve(options.lost.map((one) => chooseDevice(devices, one)));
    const missed: string[] = [];
    const onMissed = ({ topic }: { readonly topic: string }): void => {
      missed.push(topic);
    };
    const wanted = { phrase, name, lost, onMissed, signal };
    await using account = await recoverAccount(device.hawser, wanted);
    const isReached = await reach(device.hawser, account, signal);
    const devices = await listDevices(device.hawser);
    const text = `The account is back.\n${devicesText(devices)}`;
    const said = `${text}${missedText(missed.length)}${awayText(isReached)}`;
    output.event("recovered", { devices, relay: isReached, missed }, said);
  });
}

/** Cuts the phrase on standard input into shares. */
export async function sharesCommand(
  command: AccountCommand,
  options: { readonly count: number; readonly needed: number },
): Promise<void> {
  const phrase = await readInput(command, "Type or pipe in the 24 words, then Ctrl-D:");
  await using hawser = await createHawser();
  const shares = await sharePhrase(hawser, phrase, options);
  const { count, needed } = options;
  const intro = `${count} shares; any ${needed} of them give the words back. One for each friend:`;
  command.output.event("shares", { shares, needed }, [intro, "", ...shares].join("\n"));
}

/** Prints the phrase of the shares on standard input. */
export async function phraseCommand(command: AccountCommand): Promise<void> {
  const input = await readInput(command, "Type or pipe in the shares, one a line, then Ctrl-D:");
  const phrase = await phraseOfShares(input.split("\n").filter((line) => line.trim() !== ""));
  command.output.event("phrase", { phrase }, phrase);
}

/** Runs a command with the home for itself. */
async function withHome(
  command: AccountCommand,
  run: (device: Device) => Promise<void>,
): Promise<void> {
  const home = await openHome(command.home);
  if (command.relay !== undefined) await probeRelay(command.relay);
  const busy = new CliError(
    "CLI_HOME_BUSY",
    "this device is busy with an account command",
    "Wait until it has ended.",
  );
  await using _owner = await ownHome(home, () => Promise.reject(busy));
  await using device = await openDevice(home, command.relay);
  await run(device);
}

function missedText(count: number): string {
  if (count === 0) return "";
  return (
    `\nIn ${count === 1 ? "one space" : `${count} spaces`} nothing could be put right: ` +
    "a lost device may still be in there by itself.\nAsk whoever manages it to remove that device."
  );
}

function awayText(isReached: boolean): string {
  return isReached ? "" : "\nNo relay has it yet: other devices learn of it once one is reached.";
}

/** Words or shares from standard input. */
async function readInput({ output }: AccountCommand, question: string): Promise<string> {
  if (process.stdin.isTTY) output.event("question", { question }, question);
  const input = await text(process.stdin);
  if (input.length > inputCharactersMax) {
    throw new AccountError("ACCOUNT_OUT_OF_RANGE", "that is more than any phrase or shares");
  }
  return input;
}

/** 32 shares, with room for what people write beside them. */
const inputCharactersMax = 16_384;
