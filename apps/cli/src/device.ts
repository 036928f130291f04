/**
 * Device: an opened home. The process that owns the home answers the requests of other commands
 * with the same functions that a command uses when nobody owns it.
 */
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import { createHawser, type Hawser, type HawserSpace } from "@hawser/hawser";
import type { TimelineItem } from "@hawser/space";
import { listDevices, revokeDevice, type DeviceRow } from "./account-devices.ts";
import { chooseFrom } from "./choose.ts";
import { readConfig, type Config } from "./config.ts";
import { askOrRun, type ControlRequest } from "./control.ts";
import { countSignatures, type SignatureCounts } from "./counting.ts";
import { CliError } from "./errors.ts";
import { protectDatabase, type Home } from "./home.ts";
import { readLog, type LogListing } from "./log-listing.ts";
import { settle, type Reach } from "./relay-link.ts";

export interface Device extends AsyncDisposable {
  readonly home: Home;
  readonly crypto: Crypto;
  readonly hawser: Hawser;
  /** The relay this device was last told to use. */
  readonly relay: string | undefined;
  readonly counts: Readonly<SignatureCounts>;
}

/** Opens the database of a home and connects to the relay that was given, or used last. */
export async function openDevice(home: Home, relay?: string): Promise<Device> {
  const config = await readConfig(home);
  const counts: SignatureCounts = { signed: 0, checked: 0 };
  const crypto = countSignatures(await createCrypto(), counts);
  const address = relay ?? config.relay;
  await protectDatabase(home);
  const hawser = await createHawser({
    path: home.database,
    crypto,
    ...(address === undefined ? {} : { relay: address }),
  });
  return {
    home,
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
  /** "pull" stores and forwards, and cannot read; then "read", "write", "manage". */
  readonly level: string;
  readonly isSelf: boolean;
}

/** A space as listings show it. */
export interface SpaceRow {
  readonly id: string;
  /** Where this device stands: "active", "waiting", "removed" or "refused". */
  readonly state: string;
  /** A code that says what stands in the way, or `null`. */
  readonly problem: string | null;
  readonly folders: readonly string[];
  readonly members: number;
}

/** What commands can ask of a device. Values are plain data: they cross a socket. */
export interface DeviceAnswers {
  readonly id: { readonly author: string };
  readonly spaces: readonly SpaceRow[];
  readonly members: { readonly space: string; readonly members: readonly MemberRow[] };
  readonly remove: { readonly space: string; readonly author: string; readonly relay: Reach };
  readonly invite: { readonly space: string; readonly link: string; readonly relay: Reach };
  readonly why: {
    readonly space: string;
    readonly allowed: boolean;
    readonly lines: readonly string[];
  };
  readonly timeline: { readonly space: string; readonly changes: readonly ChangeRow[] };
  readonly log: LogListing;
  readonly accountDevices: readonly DeviceRow[];
  readonly accountRevoke: DeviceRow;
}

/** One change of who is in a space. */
export interface ChangeRow {
  /** ISO 8601, UTC: what its author claims. */
  readonly time: string;
  readonly author: string;
  readonly change: string;
  readonly members: readonly string[];
  /** "effective", or what became of it, with the reason. */
  readonly status: string;
}

type Arguments = Readonly<Record<string, string>>;

const deviceCommands: {
  readonly [Name in keyof DeviceAnswers]: (
    device: Device,
    args: Arguments,
  ) => Promise<DeviceAnswers[Name]>;
} = {
  id: async (device) => ({ author: device.hawser.author }),
  spaces: async (device) => {
    const config = await readConfig(device.home);
    return device.hawser.spaces().map((space) => spaceRow(config, space));
  },
  members: async (device, args) => {
    const space = chooseSpace(device.hawser, args["space"]);
    return { space: space.id, members: space.members().map(memberRow) };
  },
  remove: async (device, args) => {
    const space = chooseSpace(device.hawser, args["space"]);
    const author = chooseMember(space, args["member"] ?? "");
    await space.remove(author);
    return { space: space.id, author, relay: await reach(device, space) };
  },
  invite: async (device, args) => {
    const space = chooseSpace(device.hawser, args["space"]);
    const link = await space.invite();
    return { space: space.id, link, relay: await reach(device, space) };
  },
  why: async (device, args) => {
    const space = chooseSpace(device.hawser, args["space"]);
    const author = chooseAnybody(space, args["member"] ?? "");
    const answer = space.why(author, chooseNeed(args["action"] ?? ""));
    if (answer === undefined) throw new Error("a question about now has an answer");
    return { space: space.id, allowed: answer.allowed, lines: answer.sentences };
  },
  timeline: async (device, args) => {
    const space = chooseSpace(device.hawser, args["space"]);
    return { space: space.id, changes: space.timeline().map(changeRow) };
  },
  log: async (device, args) => {
    const space = chooseSpace(device.hawser, args["space"]);
    return await readLog(device.hawser, space, Number(args["limit"]));
  },
  accountDevices: (device) => listDevices(device.hawser),
  accountRevoke: (device, args) => revokeDevice(device.hawser, args["device"] ?? ""),
};

/** Runs a command where the home is open: in the process that has it, or here. */
export async function runDeviceCommand<Name extends keyof DeviceAnswers>(
  home: Home,
  command: Name,
  args: Arguments,
): Promise<DeviceAnswers[Name]> {
  const request = { command, args };
  const value = await askOrRun(home, request, async () => {
    await using device = await openDevice(home);
    return await answer(device, request);
  });
  // Safe: whichever process ran it, `deviceCommands` made the value.
  return value as DeviceAnswers[Name];
}

/** Answers a request on this device. */
export async function answer(device: Device, request: ControlRequest): Promise<unknown> {
  const { command, args } = request;
  if (!isDeviceCommand(command)) {
    throw new CliError("CLI_USAGE", `no command ${command}`, "See hawser --help.");
  }
  return await deviceCommands[command](device, args);
}

function isDeviceCommand(name: string): name is keyof DeviceAnswers {
  return Object.hasOwn(deviceCommands, name);
}

function memberRow(member: ReturnType<HawserSpace["members"]>[number]): MemberRow {
  const { author, level, isSelf } = member;
  return { author, level, isSelf };
}

function spaceRow(config: Config, space: HawserSpace): SpaceRow {
  const { state, problem = null } = space.space.status();
  const own = Object.entries(config.folders).filter(([, id]) => id === space.id);
  const folders = own.map(([folder]) => folder).sort();
  return { id: space.id, state, problem, folders, members: space.members().length };
}

/** The space that was named by the start of its id, or the only one this device takes part in. */
export function chooseSpace(hawser: Hawser, id: string | undefined): HawserSpace {
  const isIn = (space: HawserSpace): boolean =>
    ["active", "removed"].includes(space.space.status().state);
  const chosen = hawser
    .spaces()
    .filter((space) => (id === undefined ? isIn(space) : space.id.startsWith(id)));
  const [only] = chosen;
  if (only !== undefined && chosen.length === 1) return only;
  const [problem, remedy] =
    only !== undefined
      ? ["several spaces fit", "Name one of `hawser spaces`, with as many characters as it takes."]
      : id !== undefined
        ? ["no space on this device begins like that", "`hawser spaces` lists them."]
        : noSpaceText(hawser.spaces().length);
  throw new CliError("CLI_SPACE_UNKNOWN", problem, remedy);
}

function noSpaceText(known: number): readonly [string, string] {
  return known === 0
    ? ["this device is in no space yet", "Begin with `hawser share` or `hawser join`."]
    : ["this device is in none of its spaces", "`hawser spaces` says why, `hawser doctor` more."];
}

function changeRow({ stamp, author, change, members, status }: TimelineItem): ChangeRow {
  const reason = "reason" in status ? ` (${status.reason})` : "";
  const time = new Date(stamp / 1_000).toISOString();
  return { time, author, change, members, status: status.state + reason };
}

type Need = Parameters<HawserSpace["why"]>[1];

const needs: readonly Need[] = ["pull", "read", "write", "manage", "delete"];

function chooseNeed(text: string): Need {
  const need = needs.find((one) => one === text);
  if (need !== undefined) return need;
  throw new CliError("CLI_USAGE", `no action ${text}`, `One of: ${needs.join(", ")}.`);
}

function chooseMember(space: HawserSpace, text: string): AuthorId {
  const members = space.members().map(({ author }) => author);
  return chooseFrom(members, text, "Give at least 6 characters of a member from `hawser members`.");
}

/** Whoever is or was in the space, or wanted to be. */
function chooseAnybody(space: HawserSpace, text: string): AuthorId {
  // Safe: groups are found by their ids as authors are.
  const named = space
    .timeline()
    .flatMap(({ author, members }) => [author, ...members]) as AuthorId[];
  const remedy = "Give at least 6 characters of a key from `hawser timeline`.";
  return chooseFrom([...new Set(named)], text, remedy);
}

/** How long a command waits for a relay that is there and slow. */
const reachMsMax = 60_000;

async function reach(device: Device, space: HawserSpace): Promise<Reach> {
  const limit = AbortSignal.timeout(reachMsMax);
  try {
    return await settle(device.hawser, space, limit);
  } catch (error) {
    if (limit.aborted) return "away";
    throw error;
  }
}
