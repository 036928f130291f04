/**
 * `@hawser/hawser/bundle`: entries in files, for devices that no network joins. An entry point of its
 * own: who carries no files does not load it.
 */
import type { Topic } from "@hawser/log";
import {
  exportBundle,
  exportFrontier,
  importBundle,
  readFrontier,
  type BundleExport,
  type BundleExportReport,
  type BundleFrontier,
  type BundleImportReport,
  type BundleProgress,
} from "@hawser/space/bundle";
import { platformTimers } from "@hawser/transport-ws";
import { partsOf, type Parts } from "./parts.ts";
import { systemClock, systemRandom } from "./platform.ts";
import type { Hawser, HawserSpace } from "./types.ts";

export type {
  BundleExport,
  BundleExportReport,
  BundleFrontier,
  BundleImportReport,
  BundleProgress,
};

/** What a file is to hold. */
export interface BundleOptions {
  /** Default: every space of the device, the account's too. */
  readonly spaces?: readonly HawserSpace[];
  /** What the other side has, from its frontier file; default nothing. */
  readonly frontier?: BundleFrontier;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BundleProgress) => void;
}

/**
 * Writes what somebody lacks into a file. Iterate `bytes` to the end. Throws `BUNDLE_TOO_MANY`, the
 * STORE_… codes, and the signal's reason.
 */
export function writeBundle(hawser: Hawser, options: BundleOptions = {}): BundleExport {
  const { spaces, ...rest } = options;
  const topics = topicsOf(spaces);
  return exportBundle(depsOf(partsOf(hawser)), { ...rest, ...(topics && { topics }) });
}

/** Writes how far this device is, for somebody who is to write only the rest. */
export function writeFrontier(
  hawser: Hawser,
  options: Pick<BundleOptions, "spaces" | "signal"> = {},
): AsyncIterable<Uint8Array> {
  const { spaces, signal } = options;
  const topics = topicsOf(spaces);
  const given = { ...(topics && { topics }), ...(signal && { signal }) };
  return exportFrontier(depsOf(partsOf(hawser)), given);
}

/** Reads such a file. Throws the BUNDLE_… codes. */
export function loadFrontier(
  hawser: Hawser,
  file: AsyncIterable<Uint8Array>,
): Promise<BundleFrontier> {
  return readFrontier(partsOf(hawser), file);
}

/**
 * Takes a file in; `open` starts it from its beginning, maybe several times. Resolves when what it
 * made due here, such as keys for somebody who joined, is written too. Throws the BUNDLE_… and
 * STORE_… codes, and the signal's reason.
 */
export async function takeBundle(
  hawser: Hawser,
  open: () => AsyncIterable<Uint8Array>,
  options: Pick<BundleOptions, "signal" | "onProgress"> = {},
): Promise<BundleImportReport> {
  const parts = partsOf(hawser);
  const report = await importBundle(parts, open, options);
  await atRest(parts, options.signal);
  return report;
}

/**
 * Begins to join a space without asking any relay: the join goes into the next bundle, and whoever
 * takes that in lets this device in by the one after. Throws the SPACE_LINK_… codes, `SPACE_EXISTS`.
 */
export async function beginJoin(hawser: Hawser, link: string): Promise<Topic> {
  return (await partsOf(hawser).spaces.join(link)).topic;
}

/** Answers come after a short delay that depends on who else could give them (spec 6 §6). */
const restMs = 1_500;
const restMsMax = 15_000;

/** Resolves when nothing has been written for a while. */
async function atRest({ store }: Parts, signal: AbortSignal | undefined): Promise<void> {
  const done = Promise.withResolvers<void>();
  let cancel = platformTimers.after(restMs, done.resolve);
  const stopListening = store.onCommit(() => {
    cancel();
    cancel = platformTimers.after(restMs, done.resolve);
  });
  const cancelLimit = platformTimers.after(restMsMax, done.resolve);
  const onAbort = (): void => done.reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await done.promise;
  } finally {
    stopListening();
    cancel();
    cancelLimit();
    signal?.removeEventListener("abort", onAbort);
  }
}

function topicsOf(spaces: readonly HawserSpace[] | undefined): readonly Topic[] | undefined {
  return spaces?.map(({ space }) => space.topic);
}

function depsOf({ store, crypto, spaces }: Parts): Parameters<typeof exportBundle>[0] {
  return { store, crypto, spaces, clock: systemClock, random: systemRandom };
}
