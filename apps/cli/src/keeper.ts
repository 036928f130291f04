/**
 * Keeper: keeps one folder and one space in step, and tells what happens: what was taken over, how far
 * a transfer is, when the relay goes and comes back, and when access is lost.
 */
import type { HawserSpace } from "@hawser/hawser";
import type { Device } from "./device.ts";
import { CliError, codeOf, messageOf } from "./errors.ts";
import { defaultFolderLimits } from "./folder/limits.ts";
import { keepInStep } from "./folder/live.ts";
import type {
  MirrorDeps,
  MirrorOptions,
  MirrorSpace,
  PassProgress,
  PassResult,
} from "./folder/mirror.ts";
import type { Output } from "./output.ts";
import { misbehaves, settle, watchRelays } from "./relay-link.ts";
import { formatBytes, formatCount, plural } from "./table.ts";

export interface KeeperDeps {
  readonly device: Device;
  readonly space: HawserSpace;
  readonly root: string;
  readonly output: Output;
  /** Aborts when the person stops the program. */
  readonly signal: AbortSignal;
}

export interface Keeper extends AsyncDisposable {
  readonly onProgress: (progress: PassProgress) => void;
  /** Tells what stays out or cannot be taken over, each path once. */
  reportTrouble(result: PassResult): void;
  /** Waits until the relay has the first copy. A relay that is away is no reason to fail. */
  firstCopy(paths: readonly string[]): Promise<"reached" | "away" | "none">;
  /**
   * Resolves when the person stops the program. Throws HAWSER_NO_ACCESS once access is lost,
   * HAWSER_RELAY_MISBEHAVES, and what makes a whole pass fail.
   */
  run(): Promise<void>;
}

/** Time between two looks at how far a transfer is. */
const transferMs = 250;

export function createKeeper(deps: KeeperDeps): Keeper {
  const { device, space, root, output } = deps;
  const { hawser } = device;
  const stop = new AbortController();
  const signal = AbortSignal.any([deps.signal, stop.signal]);
  const transfer = setInterval(() => reportTransfer(output, space), transferMs);
  const trouble = createTroubleReport(output);
  const tellRelay = createRelayReport(output);
  let failure: Error | undefined;
  const fail = (error: unknown): void => {
    failure ??= error instanceof Error ? error : new Error(messageOf(error));
    stop.abort();
  };

  const onProgress = (progress: PassProgress): void => reportProgress(output, progress);
  const reportSynced = (paths: readonly string[]): void => {
    const { bytesSent, bytesReceived } = hawser.traffic();
    output.event("synced", { uploads: paths.length, paths, bytesSent, bytesReceived }, undefined);
  };
  const announce = createAnnouncer(async (paths) => {
    await space.synced({ signal });
    reportSynced(paths);
  });

  const onSyncFailure = (error: unknown): void => {
    if (codeOf(error) === "HAWSER_RELAY_MISBEHAVES") fail(error);
    if (codeOf(error) === "HAWSER_NO_ACCESS") fail(lostAccess(space));
  };
  const onPass = (result: PassResult): void => {
    output.clear();
    reportPass(output, result);
    trouble(result);
    const changed = [...result.uploaded, ...result.removedThere];
    if (changed.length === 0 || hawser.relays().length === 0) return;
    // In the background: a relay that is away must not stop local changes from being taken up.
    announce(changed).catch(onSyncFailure);
  };

  const run = async (): Promise<void> => {
    void space.accessLost.then(() => fail(lostAccess(space)));
    void watchRelays(hawser, signal, (condition) => {
      if (condition.kind === "misbehaves") fail(misbehaves(condition.code));
      else tellRelay(condition.kind);
    });
    // Tells at a start what happened while this device was away.
    if (hawser.relays().length > 0) space.synced({ signal }).catch(onSyncFailure);
    const mirror = mirrorOf(device, space, root, { onProgress });
    try {
      await keepInStep(mirror.deps, {
        ...mirror.options,
        signal,
        onSpaceChange: (listener) => space.kv.subscribe(listener),
        onPass,
      });
    } catch (error) {
      // A change made here after the removal is refused a moment before the removal is told.
      const isRemoved = space.space.status().state === "removed";
      fail(isRemoved ? lostAccess(space) : error);
    }
    if (failure === undefined) return;
    if (codeOf(failure) === "HAWSER_NO_ACCESS") {
      output.event("lost-access", { code: "HAWSER_NO_ACCESS", space: space.id }, undefined);
    }
    throw failure;
  };

  return {
    onProgress,
    reportTrouble: trouble,
    firstCopy: async (paths) => {
      if (hawser.relays().length > 0) {
        output.event("syncing", {}, "Sending it to the relay, encrypted …");
      }
      const reached = await settle(hawser, space, signal);
      if (reached === "reached") reportSynced(paths);
      output.clear();
      return reached;
    },
    run,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      clearInterval(transfer);
      output.clear();
    },
  };
}

/** What a mirror pass needs, of a device and one of its spaces. */
export function mirrorOf(
  device: Device,
  space: HawserSpace,
  root: string,
  { onProgress }: Pick<Keeper, "onProgress">,
): { readonly deps: MirrorDeps; readonly options: MirrorOptions } {
  return {
    deps: { crypto: device.crypto, space: mirrorSpace(space), nowMs: () => Date.now() },
    options: {
      root,
      baseFile: device.home.baseFile(space.id, root),
      device: device.hawser.author.slice(0, 6),
      limits: defaultFolderLimits,
      oversize: "skip",
      onProgress,
    },
  };
}

function mirrorSpace(space: HawserSpace): MirrorSpace {
  return {
    kv: space.kv,
    caughtUp: () => space.caughtUp(),
    appendChunks: (chunks) => space.append(chunks.map((body) => ({ type: "file.chunk", body }))),
    readChunk: (ref) => space.read(ref),
  };
}

/** Runs one announcement at a time; what comes meanwhile goes with the next. */
function createAnnouncer(
  send: (paths: readonly string[]) => Promise<void>,
): (paths: readonly string[]) => Promise<void> {
  let waiting: string[] = [];
  let running: Promise<void> | undefined;
  const work = async (): Promise<void> => {
    try {
      while (waiting.length > 0) {
        const paths = waiting;
        waiting = [];
        await send(paths);
      }
    } finally {
      running = undefined;
    }
  };
  return (paths) => {
    waiting.push(...paths);
    running ??= work();
    return running;
  };
}

function lostAccess(space: HawserSpace): CliError {
  const isRemoved = space.space.status().state === "removed";
  const message = isRemoved
    ? "this device was removed from the space"
    : "the relay serves this device no longer, as after a removal from the space";
  const remedy = "The folder stays as it is. To come back, ask for a new invite link.";
  return new CliError("HAWSER_NO_ACCESS", message, remedy);
}

/** Tells when the relay goes and comes; that it is there at the start is no news to a person. */
function createRelayReport(output: Output): (kind: "none" | "connected" | "away") => void {
  let wasAway = false;
  return (kind) => {
    if (kind === "connected") {
      output.event("online", {}, wasAway ? "The relay is back." : undefined);
    } else {
      const text =
        kind === "none"
          ? "There is no relay: changes stay on this device."
          : "The relay is away. Changes are kept here and go out when it is back.";
      output.event("offline", { reason: kind }, text);
    }
    wasAway = kind === "away";
  };
}

/** A person is shown so many paths of one pass. */
const linesMax = 40;

function reportPass(output: Output, result: PassResult): void {
  const { uploaded, downloaded, removedHere, removedThere, conflicts, waiting } = result;
  const lines = [
    ...uploaded.map((path) => `↑ ${path}`),
    ...removedThere.map((path) => `↑ ${path} (deleted)`),
    ...downloaded.map((path) => `↓ ${path}`),
    ...removedHere.map((path) => `↓ ${path} (deleted)`),
    ...conflicts.map((path) => `! ${path}: both sides changed it; both versions are kept`),
  ];
  if (lines.length === 0) return;
  const fields = { uploaded, downloaded, removedHere, removedThere, conflicts, waiting };
  const hidden = lines.length - linesMax;
  const shown =
    hidden > 0 ? [...lines.slice(0, linesMax), `… and ${plural(hidden, "file")} more`] : lines;
  output.event("pass", fields, shown.join("\n"));
}

function createTroubleReport(output: Output): (result: PassResult) => void {
  const told = new Map<string, string>();
  return ({ failed, skipped }) => {
    const isNews = ([path, reason]: readonly [string, string]): boolean =>
      told.get(path) !== reason;
    const news = {
      failed: [...failed].filter(isNews),
      skipped: [...skipped].filter(isNews),
    };
    told.clear();
    for (const [path, reason] of [...failed, ...skipped]) told.set(path, reason);
    const lines = [
      ...news.failed.map(([path, reason]) => `✗ ${path}: ${reason}`),
      ...news.skipped.map(([path, reason]) => `– ${path} stays out: it ${reason}`),
    ];
    if (lines.length === 0) return;
    const fields = {
      failed: Object.fromEntries(news.failed),
      skipped: Object.fromEntries(news.skipped),
    };
    output.event("trouble", fields, lines.join("\n"));
  };
}

const stepWords: { readonly [Step in PassProgress["step"]]: string } = {
  reading: "Reading",
  encrypting: "Encrypting",
  writing: "Writing",
};

function reportProgress(output: Output, progress: PassProgress): void {
  const { step, files, filesTotal, bytes, bytesTotal } = progress;
  const text =
    `${stepWords[step]}: ${formatCount(files)} of ${plural(filesTotal, "file")}, ` +
    `${formatBytes(bytes)} of ${formatBytes(bytesTotal)}`;
  output.progress({ ...progress }, text);
}

/** Tells how far entries are on their way from and to the relay. */
function reportTransfer(output: Output, space: HawserSpace): void {
  const {
    entriesSent,
    entriesToSend,
    entriesReceived,
    entriesToReceive,
    bytesSent,
    bytesReceived,
  } = space.progress();
  if (entriesToSend + entriesToReceive === 0) return;
  const parts = [
    entriesToSend === 0
      ? []
      : [`sent ${formatBytes(bytesSent)}, ${formatCount(entriesToSend)} entries to go`],
    entriesToReceive === 0
      ? []
      : [`received ${formatBytes(bytesReceived)}, ${formatCount(entriesToReceive)} entries to go`],
  ];
  const fields = { entriesSent, entriesToSend, entriesReceived, entriesToReceive };
  output.progress(
    { step: "transfer", ...fields, bytesSent, bytesReceived },
    `Relay: ${parts.flat().join("; ")}`,
  );
}
