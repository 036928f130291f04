/** The devices of an account, for the command line: listing, choosing, revoking. */
import type { AuthorId } from "@hawser/crypto";
import type { Hawser } from "@hawser/hawser";
import { openAccount, type AccountDevice, type HawserAccount } from "@hawser/hawser/account";
import { chooseFrom } from "./choose.ts";
import { CliError } from "./errors.ts";

/** A device of the account as listings show it. */
export interface DeviceRow {
  readonly author: string;
  /** `null` for the paper key, and until the device's name has arrived. */
  readonly name: string | null;
  readonly isSelf: boolean;
  readonly isPaper: boolean;
}

/** Characters of a key that name a device. */
const keyStartMin = 6;

/** How long a command waits for the relay before it says that it is away. */
const syncMsMax = 60_000;

/** The devices of the account, for listings. */
export async function listDevices(hawser: Hawser): Promise<readonly DeviceRow[]> {
  await using account = await requireAccount(hawser);
  return (await named(account)).map(deviceRow);
}

/** Revokes the device of that name or key. */
export async function revokeDevice(hawser: Hawser, text: string): Promise<DeviceRow> {
  await using account = await requireAccount(hawser);
  const devices = await named(account);
  const author = chooseDevice(devices, text);
  await account.revoke(author);
  await reach(hawser, account, AbortSignal.timeout(syncMsMax));
  const revoked = devices.find((one) => one.author === author);
  if (revoked === undefined) throw new Error("a device that was chosen is in the list");
  return deviceRow(revoked);
}

/** A table of devices. */
export function devicesText(devices: readonly DeviceRow[]): string {
  const lines = devices.map(({ author, name, isSelf, isPaper }) => {
    // In quotes, which a name has not: one that says "the 24 words" is seen to be a name.
    const shown = isPaper ? "the 24 words" : name === null ? "(no name yet)" : quoted(name);
    return `  ${author.slice(0, 16)}…  ${shown}${isSelf ? "  (this device)" : ""}`;
  });
  return ["Devices of the account:", ...lines].join("\n");
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', "'")}"`;
}

function deviceRow({ author, name, isSelf, isPaper }: AccountDevice): DeviceRow {
  return { author, name: name ?? null, isSelf, isPaper };
}

/**
 * The device that is meant by a name or the start of a key. Devices name each other, so one may have
 * been given the start of another's key as its name: then the key counts.
 */
export function chooseDevice(devices: readonly AccountDevice[], text: string): AuthorId {
  const byName = devices.filter(({ name }) => name === text);
  const [only] = byName;
  const authors = devices.map(({ author }) => author);
  const isKey = text.length >= keyStartMin && authors.some((author) => author.startsWith(text));
  if (only !== undefined && byName.length === 1 && !isKey) return only.author;
  const remedy = "Give its name or at least 6 characters of its key from `hawser account devices`.";
  return chooseFrom(authors, text, remedy);
}

/** Its devices, once their names are known. */
async function named(account: HawserAccount): Promise<readonly AccountDevice[]> {
  await account.ready;
  return account.devices();
}

/** The account of this device. Throws CLI_NO_ACCOUNT. */
export async function requireAccount(hawser: Hawser): Promise<HawserAccount> {
  const account = await openAccount(hawser);
  if (account !== undefined) return account;
  throw new CliError(
    "CLI_NO_ACCOUNT",
    "this device belongs to no account",
    "Begin with `hawser account create`, or `hawser account join` with another device's code.",
  );
}

/** Like `reach`; whatever goes wrong is no reason to fail: something has to be shown that is lost else. */
export async function triesToReach(
  hawser: Pick<Hawser, "relays">,
  account: Pick<HawserAccount, "synced">,
  signal: AbortSignal,
): Promise<boolean> {
  return await reach(hawser, account, signal).catch(() => false);
}

/** Has a relay got what this device has? Waits a while for one that is slow. */
export async function reach(
  hawser: Pick<Hawser, "relays">,
  account: Pick<HawserAccount, "synced">,
  signal: AbortSignal,
): Promise<boolean> {
  if (hawser.relays().length === 0) return false;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(syncMsMax)]);
  try {
    await account.synced({ signal: limit });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) return false;
    throw error;
  }
}
