/**
 * Device: an opened home. The process that owns the home answers the requests of other commands with
 * the same functions that a command uses when nobody owns it.
 */
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import { createHawser, type Hawser, type HawserSpace } from "@hawser/hawser";
import { readConfig, type Config } from "./config.ts";
import { countSignatures, type SignatureCounts } from "./counting.ts";
import { CliError } from "./errors.ts";
import { askOwner, type ControlRequest, type Home } from "./home.ts";
import { readLog } from "./log-listing.ts";

export interface Device extends AsyncDisposable {
  readonly home: Home;
  readonly config: Config;
  readonly crypto: Crypto;
  readonly hawser: Hawser;
  readonly relay: string | undefined;
  readonly counts: Readonly<SignatureCounts>;
}

/** Opens the database of a home and connects to the relay that was given, or used last. */
export async function openDevice(home: Home, relay?: string): Promise<Device> {
  const config = await readConfig(home);
  const counts: SignatureCounts = { signed: 0, checked: 0 };
  const crypto = countSignatures(await createCrypto(), counts);
  const address = relay ?? config.relay;
  const hawser = await createHawser({
    path: home.database,
    crypto,
    ...(address === undefined ? {} : { relay: address }),
  });
  return {
    home,
    config,
    crypto,
    hawser,
    relay: address,
    counts,
    [Symbol.asyncDispose]: () => hawser[Symbol.asyncDispose](),
  };
}

/** A member as listings show it. */
export interface MemberRow {
  readonly author: string;
  readonly level: string;
  readonly note: string;
}

/** What commands can ask of a device. Values are plain data: they cross a socket. */
export const deviceCommands: Readonly<
  Record<string, (device: Device, args: Readonly<Record<string, string>>) => Promise<unknown>>
> = {
  id: async (device) => ({ author: device.hawser.author }),
  spaces: async (device) =>
    device.hawser.spaces().map((space) => ({
      id: space.id,
      folder: folderOf(device.config, space.id),
      members: space.members().length,
    })),
  members: async (device, args) => {
    const space = chooseSpace(device.hawser, args["space"]);
    return { space: space.id, members: space.members().map(memberRow) };
  },
  remove: async (device, args) => {
    const space = chooseSpace(device.hawser, args["space"]);
    const author = chooseMember(space, args["member"] ?? "");
    await space.remove(author);
    await settle(device, space);
    return { space: space.id, author };
  },
  log: async (device, args) => {
    const space = chooseSpace(device.hawser, args["space"]);
    return await readLog(device.hawser, space, Number(args["limit"] ?? "200"));
  },
  invite: async (device, args) => {
    const space = chooseSpace(device.hawser, args["space"]);
    const link = await space.invite();
    await settle(device, space);
    return { space: space.id, link };
  },
};

/** Runs a command where the home is open: in the process that owns it, or here. */
export async function runDeviceCommand(home: Home, request: ControlRequest): Promise<unknown> {
  const reply = await askOwner(home, request);
  if (reply?.ok === true) return reply.value;
  if (reply?.ok === false) throw new RemoteError(reply.code, reply.message);
  await using device = await openDevice(home);
  return await answer(device, request);
}

/** An error that the owner of the home reported. */
class RemoteError extends Error {
  override readonly name = "RemoteError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Answers a request on this device. */
export async function answer(device: Device, request: ControlRequest): Promise<unknown> {
  const command = deviceCommands[request.command];
  if (command === undefined) {
    throw new CliError("CLI_USAGE", `no command ${request.command}`, "See hawser --help.");
  }
  return await command(device, request.args);
}

function memberRow(member: ReturnType<HawserSpace["members"]>[number]): MemberRow {
  const notes = [member.isSelf ? "this device" : "", member.isRelay ? "relay" : ""];
  return {
    author: member.author,
    level: member.level,
    note: notes.filter((note) => note !== "").join(", "),
  };
}

function folderOf(config: Config, spaceId: string): string | undefined {
  return Object.entries(config.folders).find(([, id]) => id === spaceId)?.[0];
}

/** The space that was named, or the only one there is. */
export function chooseSpace(hawser: Hawser, id: string | undefined): HawserSpace {
  const spaces = hawser.spaces();
  const chosen = id === undefined ? spaces : spaces.filter((space) => space.id.startsWith(id));
  const [only] = chosen;
  if (only !== undefined && chosen.length === 1) return only;
  const problem = chosen.length === 0 ? "there is no such space" : "several spaces fit";
  throw new CliError("CLI_SPACE_UNKNOWN", problem, "Name one of `hawser spaces` with --space.");
}

function chooseMember(space: HawserSpace, text: string): AuthorId {
  const fits = space.members().filter((member) => member.author.startsWith(text.toLowerCase()));
  const [only] = fits;
  if (text.length >= 6 && only !== undefined && fits.length === 1) return only.author;
  throw new CliError(
    "CLI_MEMBER_UNKNOWN",
    "no single member begins like that",
    "Give at least 6 characters of a member from `hawser members`.",
  );
}

/** How long a command waits for the relay to have what it wrote. */
const settleMsMax = 15_000;

async function settle(device: Device, space: HawserSpace): Promise<void> {
  if (device.relay === undefined) return;
  await space.synced({ signal: AbortSignal.timeout(settleMsMax) });
}
