/**
 * Keeper: keeps one folder and one space in step, and tells what happens: what was taken over, how
 * far a transfer is, when the relay goes and comes back, and when access is lost.
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
import { misbehaves, settle, watchRelays, type Reach } from "./relay-link.ts";
import {
  createRelayReport,
  createTroubleReport,
  reportPass,
  reportProgress,
  reportTransfer,
} from "./reports.ts";

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
  firstCopy(paths: readonly string[]): Promise<Reach>;
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
  let passHeardMs = 0;
  const transfer = setInterval(() => {
    // While a pass tells how far it is, that says more.
    if (performance.now() - passHeardMs > transferMs) reportTransfer(output, space);
  }, transferMs);
  const trouble = createTroubleReport(output);
  let failure: Error | undefined;
  const fail = (error: unknown): void => {
    failure ??= error instanceof Error ? error : new Error(messageOf(error));
    stop.abort();
  };

  const onProgress = (progress: PassProgress): void => {
    passHeardMs = performance.now();
    reportProgress(output, progress);
  };
  const sender = createSender(deps, signal);
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
    sender.announce(changed).catch(onSyncFailure);
  };

  const run = async (): Promise<void> => {
    const tellRelay = createRelayReport(output);
    void space.accessLost.then(() => fail(lostAccess(space)));
    void watchRelays(hawser, signal, (condition) => {
      if (condition.kind === "misbehaves") fail(misbehaves(condition.code));
      else tellRelay(condition.kind);
    });
    // Tells at a start what happened while this device was away.
    if (hawser.relays().length > 0) space.synced({ signal }).catch(onSyncFailure);
    const mirror = mirrorOf(device, space, root, { onProgress });
    const onSpaceChange = (listener: () => void) => space.kv.subscribe(listener);
    // A change made here after the removal is refused a moment before the removal is told.
    const onFailure = (error: unknown): void =>
      fail(space.space.status().state === "removed" ? lostAccess(space) : error);
    const options = { ...mirror.options, signal, onSpaceChange, onPass };
    await keepInStep(mirror.deps, options).catch(onFailure);
    if (failure === undefined) return;
    if (codeOf(failure) === "HAWSER_NO_ACCESS") {
      output.event("lost-access", { code: "HAWSER_NO_ACCESS", space: space.id }, undefined);
    }
    throw failure;
  };

  return {
    onProgress,
    reportTrouble: trouble,
    firstCopy: sender.firstCopy,
    run,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      clearInterval(transfer);
      output.clear();
    },
  };
}

/** Throws the code of what stands in the way when the device is no reader of the space now. */
function assertActive(space: HawserSpace): void {
  const { state, problem = "SPACE_NOT_WELCOMED" } = space.space.status();
  if (state === "active") return;
  const remedy = "Run `hawser doctor` if it was before; else ask for a new invite link.";
  throw new CliError(problem, "this device cannot read the space now", remedy);
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
    caughtUp: async () => {
      assertActive(space);
      await space.caughtUp();
    },
    appendChunks: (chunks) => space.append(chunks.map((body) => ({ type: "file.chunk", body }))),
    readChunk: (ref) => space.read(ref),
  };
}

interface Sender {
  readonly firstCopy: Keeper["firstCopy"];
  /** Tells, once the relay has them, that these paths are there. */
  announce(paths: readonly string[]): Promise<void>;
}

function createSender({ device, space, output }: KeeperDeps, signal: AbortSignal): Sender {
  const { hawser } = device;
  const reportSynced = (paths: readonly string[]): void => {
    const { bytesSent, bytesReceived } = hawser.traffic();
    output.event("synced", { uploads: paths.length, paths, bytesSent, bytesReceived }, undefined);
  };
  return {
    firstCopy: async (paths) => {
      if (hawser.relays().length > 0) {
        output.event("syncing", {}, "Sending it to the relay, encrypted …");
      }
      const reached = await settle(hawser, space, signal);
      if (reached === "reached") reportSynced(paths);
      output.clear();
      return reached;
    },
    announce: createAnnouncer(async (paths) => {
      await space.synced({ signal });
      reportSynced(paths);
    }),
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
  // A device that has not seen its own removal cannot join again: it takes itself for a member.
  const home = isRemoved ? "" : ", and join with a new --home";
  const remedy = `The folder stays as it is. To come back, ask for a new invite link${home}.`;
  return new CliError("HAWSER_NO_ACCESS", message, remedy);
}
