/**
 * share, join and sync: the long-running commands. Each opens the device, keeps one folder and one
 * space in step until it is told to stop, and answers other commands meanwhile.
 */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import type { Hawser, HawserSpace } from "@hawser/hawser";
import { readConfig, writeConfig } from "./config.ts";
import { answer, chooseSpace, openDevice, type Device } from "./device.ts";
import { defaultFolderLimits } from "./folder/limits.ts";
import { keepInStep } from "./folder/live.ts";
import {
  runMirrorPass,
  type MirrorDeps,
  type MirrorOptions,
  type MirrorSpace,
  type PassResult,
} from "./folder/mirror.ts";
import { scanFolder } from "./folder/scan.ts";
import { openHome, ownHome, type Home } from "./home.ts";
import type { Output } from "./output.ts";
import { formatBytes, formatCount } from "./table.ts";

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
  const root = resolve(command.folder);
  const scan = await scanFolder(root, defaultFolderLimits);
  await withDevice(command, async (device) => {
    const known = device.config.folders[root];
    const space =
      known === undefined ? await device.hawser.create() : chooseSpace(device.hawser, known);
    await remember(device, root, space);
    const mirror = mirrorOf(device, space, root);
    await runMirrorPass(mirror.deps, mirror.options);
    const link = await space.invite();
    await firstSync(device, space, command.output, scan.files.keys());
    const bytes = [...scan.files.values()].reduce((sum, file) => sum + file.byteCount, 0);
    const count = `${formatCount(scan.files.size)} files, ${formatBytes(bytes)}`;
    command.output.event(
      "shared",
      { space: space.id, link, files: scan.files.size, bytes, author: device.hawser.author },
      `Sharing ${root} (${count}).\n\nInvite link, for one device:\n\n  ${link}\n\n` +
        "On the other device: hawser join <link> <folder>\nPress Ctrl-C to stop.",
    );
    await live(command, device, space, root);
  });
}

/** Joins by a link and fills a folder. */
export async function join(command: LongCommand & { readonly link: string }): Promise<void> {
  const root = resolve(command.folder);
  await mkdir(root, { recursive: true });
  await withDevice(command, async (device) => {
    command.output.event("joining", { author: device.hawser.author }, "Joining …");
    const space = await device.hawser.join(command.link, { signal: command.signal });
    await remember(device, root, space);
    command.output.event(
      "joined",
      { space: space.id, author: device.hawser.author },
      `Joined. Keeping ${root} in step; press Ctrl-C to stop.`,
    );
    await live(command, device, space, root);
  });
}

/** Takes up a folder that was shared or joined before. */
export async function sync(command: LongCommand): Promise<void> {
  const root = resolve(command.folder);
  await withDevice(command, async (device) => {
    const space = chooseSpace(device.hawser, device.config.folders[root]);
    command.output.event(
      "resumed",
      { space: space.id, author: device.hawser.author },
      `Keeping ${root} in step; press Ctrl-C to stop.`,
    );
    await live(command, device, space, root);
  });
}

async function withDevice(
  command: LongCommand,
  run: (device: Device) => Promise<void>,
): Promise<void> {
  const home = await openHome(command.home);
  let device: Device | undefined;
  await using _owner = await ownHome(home, async (request) => {
    if (device === undefined) throw new Error("still starting");
    return await answer(device, request);
  });
  await using opened = await openDevice(home, command.relay);
  device = opened;
  try {
    await run(opened);
  } finally {
    const { bytesSent, bytesReceived } = opened.hawser.traffic();
    const entries = await entryCount(opened.hawser);
    const stats = { ...opened.counts, entries, bytesSent, bytesReceived };
    command.output.event("stopped", { stats }, undefined);
  }
}

async function entryCount(hawser: Hawser): Promise<number> {
  const stats = await hawser.stats();
  return stats.entries;
}

/** Writes down which space a folder is, and the relay that worked. */
async function remember(device: Device, root: string, space: HawserSpace): Promise<void> {
  const config = await readConfig(device.home);
  const folders = { ...config.folders, [root]: space.id };
  await writeConfig(device.home, { relay: device.relay ?? config.relay, folders });
}

function mirrorOf(
  device: Device,
  space: HawserSpace,
  root: string,
): { readonly deps: MirrorDeps; readonly options: MirrorOptions } {
  return {
    deps: { crypto: device.crypto, space: mirrorSpace(space) },
    options: {
      root,
      baseFile: device.home.baseFile(space.id, root),
      device: device.hawser.author.slice(0, 6),
      limits: defaultFolderLimits,
    },
  };
}

function mirrorSpace(space: HawserSpace): MirrorSpace {
  return {
    kv: space.kv,
    appendChunks: (chunks) => space.append(chunks.map((body) => ({ type: "file.chunk", body }))),
    readChunk: (ref) => space.read(ref),
  };
}

async function live(
  command: LongCommand,
  device: Device,
  space: HawserSpace,
  root: string,
): Promise<void> {
  const mirror = mirrorOf(device, space, root);
  const stop = new AbortController();
  command.signal.addEventListener("abort", () => stop.abort(), { once: true });
  void space.accessLost.then(() => {
    command.output.event(
      "lost-access",
      { code: "HAWSER_NO_ACCESS", space: space.id },
      "This device was removed from the space. The folder stays as it is; nothing new arrives.",
    );
    stop.abort();
  });
  await keepInStep(mirror.deps, {
    ...mirror.options,
    signal: stop.signal,
    onSpaceChange: (listener) => space.kv.subscribe(listener),
    onPass: (result) => reportPass(command, device, space, result),
  });
  if (!command.signal.aborted) await untilAborted(command.signal);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((settle) => signal.addEventListener("abort", () => settle(), { once: true }));
}

/** Waits until the relay has the first copy. A relay that is away is no reason to fail. */
async function firstSync(
  device: Device,
  space: HawserSpace,
  output: Output,
  paths: Iterable<string>,
): Promise<void> {
  if (device.relay === undefined) {
    const hint = "No relay given: other devices can join once one is reachable (--relay <url>).";
    output.event("offline", {}, hint);
    return;
  }
  output.event("syncing", {}, "Sending the first copy to the relay …");
  await reportSynced(device, space, output, [...paths]);
}

async function reportSynced(
  device: Device,
  space: HawserSpace,
  output: Output,
  paths: readonly string[],
): Promise<void> {
  await space.synced();
  const { bytesSent, bytesReceived } = device.hawser.traffic();
  output.event("synced", { uploads: paths.length, paths, bytesSent, bytesReceived }, undefined);
}

async function reportPass(
  command: LongCommand,
  device: Device,
  space: HawserSpace,
  result: PassResult,
): Promise<void> {
  const { uploaded, downloaded, removedHere, removedThere, conflicts, waiting, failed } = result;
  const lines = [
    ...uploaded.map((path) => `↑ ${path}`),
    ...removedThere.map((path) => `↑ ${path} (deleted)`),
    ...downloaded.map((path) => `↓ ${path}`),
    ...removedHere.map((path) => `↓ ${path} (deleted)`),
    ...conflicts.map((path) => `! ${path}: both sides changed it; both versions are kept`),
    ...[...failed].map(([path, reason]) => `✗ ${path}: ${reason}`),
  ];
  if (lines.length > 0) {
    const fields = { uploaded, downloaded, removedHere, removedThere, conflicts, waiting };
    const all = { ...fields, failed: Object.fromEntries(failed) };
    command.output.event("pass", all, lines.join("\n"));
  }
  if (uploaded.length > 0 && device.relay !== undefined) {
    // In the background: a relay that is away must not stop local changes from being taken up.
    void reportSynced(device, space, command.output, uploaded).catch(() => undefined);
  }
}
