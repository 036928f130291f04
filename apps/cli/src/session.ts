/**
 * share, join and sync: the long-running commands. Each opens the device, keeps one folder and one
 * space in step until it is told to stop, and answers other commands meanwhile.
 */
import { createCrypto } from "@hawser/crypto";
import type { HawserSpace } from "@hawser/hawser";
import { parseInviteLink, type InviteLink } from "@hawser/space";
import { existsSync } from "node:fs";
import { mkdir, rmdir } from "node:fs/promises";
import { resolve } from "node:path";
import { readConfig, writeConfig } from "./config.ts";
import { ownHome } from "./control.ts";
import { answer, chooseSpace, openDevice, type Device } from "./device.ts";
import { CliError } from "./errors.ts";
import { defaultFolderLimits } from "./folder/limits.ts";
import { runMirrorPass } from "./folder/mirror.ts";
import { assertOutside, scanFolder } from "./folder/scan.ts";
import { openHome, type Home } from "./home.ts";
import { createKeeper, mirrorOf } from "./keeper.ts";
import type { Output } from "./output.ts";
import { misbehaves, probeRelay, relayCondition, watchRelays } from "./relay-link.ts";
import { formatBytes, formatCount, plural } from "./table.ts";

export interface LongCommand {
  readonly home: string | undefined;
  readonly relay: string | undefined;
  readonly folder: string;
  readonly output: Output;
  /** Aborts when the person stops the program. */
  readonly signal: AbortSignal;
}

/** Shares a folder: a new space, or the one the folder already is. */
export async function share(command: LongCommand): Promise<void> {
  const { output, signal } = command;
  const root = resolve(command.folder);
  // Everything that may be wrong is looked at before anything is made.
  const scan = await scanFolder(root, defaultFolderLimits);
  const home = await openHome(command.home);
  await assertOutside(home.folder, root);
  if (command.relay !== undefined) await probeRelay(command.relay);
  await withDevice(command, home, async (device) => {
    const space = await spaceToShare(device, root);
    await using keeper = createKeeper({ device, space, root, output, signal });
    await remember(device, root, space, undefined);
    const mirror = mirrorOf(device, space, root, keeper);
    const pass = await runMirrorPass(mirror.deps, { ...mirror.options, oversize: "stop", signal });
    keeper.reportTrouble(pass);
    const link = await space.invite();
    const reached = await keeper.firstCopy(pass.uploaded);
    const bytes = [...scan.files.values()].reduce((sum, file) => sum + file.byteCount, 0);
    const fields = { space: space.id, link, files: scan.files.size, bytes, relay: reached };
    output.event(
      "shared",
      { ...fields, author: device.hawser.author },
      sharedText(root, fields, relayOf(device)),
    );
    await keeper.run();
  });
}

function sharedText(
  root: string,
  shared: { readonly link: string; readonly files: number; readonly bytes: number },
  relay: string | undefined,
): string {
  const { link, files, bytes } = shared;
  const hint =
    relay === undefined
      ? "\nIt names no relay yet: start again with --relay <url>, so that it can be used.\n"
      : "";
  return (
    `Sharing ${root}: ${plural(files, "file")}, ${formatBytes(bytes)}.\n\n` +
    `Invite link, for one device, good for 7 days:\n\n${link}\n${hint}\n` +
    "On the other device:  hawser join <link> <folder>\n" +
    "Ctrl-C stops; `hawser sync` takes it up again."
  );
}

function relayOf(device: Device): string | undefined {
  return device.hawser.relays()[0]?.address;
}

/** The space a folder already is; else an unused one that an earlier try left; else a new one. */
async function spaceToShare(device: Device, root: string): Promise<HawserSpace> {
  const { folders } = await readConfig(device.home);
  const known = folders[root];
  if (known !== undefined) return chooseSpace(device.hawser, known);
  const taken = new Set(Object.values(folders));
  for (const space of device.hawser.spaces()) {
    await space.kv.ready;
    const others = space.members().filter(({ isSelf, level }) => !isSelf && level !== "pull");
    const isUnused = space.kv.size === 0 && others.length === 0 && !taken.has(space.id);
    const { state } = space.space.status();
    if (isUnused && state === "active" && space.space.access()?.level === "manage") return space;
  }
  return await device.hawser.create();
}

export interface JoinCommand extends LongCommand {
  readonly link: string;
  /** How long a member may take to let this device in. */
  readonly waitMsMax: number;
}

/** Joins by a link and fills a folder. */
export async function join(command: JoinCommand): Promise<void> {
  const { output } = command;
  const root = resolve(command.folder);
  const link = parseInviteLink(await createCrypto(), command.link);
  const home = await openHome(command.home);
  const ownFiles = await filesOf(root, home);
  await probeLinkRelays(command.relay, link);
  await withDevice(command, home, async (device) => {
    await assertFree(device, root, link.id);
    const made = await mkdir(root, { recursive: true });
    output.event("joining", { author: device.hawser.author }, joiningText(root, ownFiles));
    const space = await joinSpace(command, device, link).catch(async (error: unknown) => {
      if (made !== undefined) await rmdir(root).catch(() => undefined);
      throw error;
    });
    await using keeper = createKeeper({ ...command, device, space, root });
    await remember(device, root, space, link.addresses[0]);
    output.event(
      "joined",
      { space: space.id, author: device.hawser.author },
      `Joined. ${inStepText(root)}`,
    );
    await keeper.run();
  });
}

/** How many files a folder has; 0 when it is not there yet. Throws the codes of `scanFolder`. */
async function filesOf(root: string, home: Home): Promise<number> {
  if (!existsSync(root)) return 0;
  await assertOutside(home.folder, root);
  return (await scanFolder(root, defaultFolderLimits)).files.size;
}

function joiningText(root: string, ownFiles: number): string {
  const notice =
    ownFiles === 0 ? "" : `\n${root} has ${plural(ownFiles, "file")} already: shared as well.`;
  return `Joining …${notice}`;
}

function inStepText(root: string): string {
  return `Keeping ${root} in step. Ctrl-C stops; \`hawser sync\` takes it up again.`;
}

/**
 * Throws HAWSER_RELAY_UNREACHABLE when the relay that was given, or every one of the link, is away.
 */
async function probeLinkRelays(given: string | undefined, link: InviteLink): Promise<void> {
  if (given !== undefined) return await probeRelay(given);
  const addresses = link.addresses.filter((address) => /^wss?:/.test(address));
  if (addresses.length === 0) return;
  try {
    await Promise.any(addresses.map(probeRelay));
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}

/**
 * Throws when the folder is another space's, or the space lies in another folder of this device.
 */
async function assertFree(device: Device, root: string, id: string): Promise<void> {
  const { folders } = await readConfig(device.home);
  const other = folders[root];
  if (other !== undefined && other !== id) {
    const remedy = "Join into another folder.";
    throw new CliError("CLI_FOLDER_TAKEN", `${root} belongs to another space`, remedy);
  }
  const elsewhere = Object.keys(folders).find(
    (folder) => folder !== root && folders[folder] === id && existsSync(folder),
  );
  if (elsewhere === undefined) return;
  throw new CliError(
    "CLI_SPACE_ELSEWHERE",
    `this device has that space already, in ${elsewhere}`,
    `Run \`hawser sync ${elsewhere}\`.`,
  );
}

async function joinSpace(
  command: JoinCommand,
  device: Device,
  link: InviteLink,
): Promise<HawserSpace> {
  const { hawser } = device;
  const known = hawser.space(link.id);
  if (known?.space.status().state === "active") return known;
  const limit = AbortSignal.timeout(command.waitMsMax);
  const lie = new AbortController();
  const over = new AbortController();
  const watching = AbortSignal.any([command.signal, over.signal]);
  void watchRelays(hawser, watching, (condition) => {
    if (condition.kind === "misbehaves") lie.abort(misbehaves(condition.code));
  });
  try {
    const signal = AbortSignal.any([command.signal, limit, lie.signal]);
    return await hawser.join(command.link, { signal });
  } catch (error) {
    if (limit.aborted && !command.signal.aborted) throw unanswered(device, command.waitMsMax);
    throw error;
  } finally {
    over.abort();
  }
}

function unanswered(device: Device, waitMsMax: number): CliError {
  if (relayCondition(device.hawser).kind === "away") {
    const remedy = "Check whether it runs, then run the same command again.";
    return new CliError("HAWSER_RELAY_UNREACHABLE", "the relay does not answer any more", remedy);
  }
  return new CliError(
    "CLI_JOIN_UNANSWERED",
    `no member of the space has let this device in within ${formatCount(waitMsMax / 1_000)} s`,
    "Have one device of a member run, then run the same command again: the link stays good.",
  );
}

export interface SyncCommand extends LongCommand {
  /** The space of a folder that is not known yet: one that was moved here. */
  readonly space: string | undefined;
}

/** Takes up a folder that was shared or joined before. */
export async function sync(command: SyncCommand): Promise<void> {
  const { output } = command;
  const root = resolve(command.folder);
  await scanFolder(root, defaultFolderLimits);
  const home = await openHome(command.home);
  await assertOutside(home.folder, root);
  const known = (await readConfig(home)).folders[root];
  const wanted = known ?? command.space;
  if (wanted === undefined) throw unknownFolder(root);
  await withDevice(command, home, async (device) => {
    const space = chooseSpace(device.hawser, wanted);
    await using keeper = createKeeper({ ...command, device, space, root });
    await remember(device, root, space, undefined);
    output.event("resumed", { space: space.id, author: device.hawser.author }, inStepText(root));
    await keeper.run();
  });
}

function unknownFolder(root: string): CliError {
  return new CliError(
    "CLI_FOLDER_UNKNOWN",
    `${root} was not shared or joined on this device`,
    "`hawser spaces` shows which folders were; one that was moved needs --space <id> as well.",
  );
}

async function withDevice(
  command: LongCommand,
  home: Home,
  run: (device: Device) => Promise<void>,
): Promise<void> {
  const opening = Promise.withResolvers<Device>();
  opening.promise.catch(() => undefined);
  await using _owner = await ownHome(home, async (request) =>
    answer(await opening.promise, request),
  );
  try {
    await using device = await openDevice(home, command.relay);
    opening.resolve(device);
    try {
      await run(device);
    } finally {
      const { bytesSent, bytesReceived } = device.hawser.traffic();
      const { entries } = await device.hawser.stats();
      const stats = { ...device.counts, entries, bytesSent, bytesReceived };
      command.output.event("stopped", { stats }, undefined);
    }
  } catch (error) {
    opening.reject(error);
    throw error;
  }
}

/** Writes down which space a folder is, and the relay to use next time. */
async function remember(
  device: Device,
  root: string,
  space: HawserSpace,
  linkRelay: string | undefined,
): Promise<void> {
  const { folders, relay } = await readConfig(device.home);
  // A space is in one folder: an older one of that name was moved away or is gone.
  const others = Object.entries(folders).filter(([, id]) => id !== space.id);
  await writeConfig(device.home, {
    relay: device.relay ?? relay ?? linkRelay,
    folders: Object.fromEntries([...others, [root, space.id]]),
  });
}
