/**
 * `@hawser/hawser/archive`: a device in one encrypted file, and back. An entry point of its own: who
 * makes no archives does not load it.
 */
import { toHex } from "@hawser/codec";
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import {
  exportAndRetire,
  exportArchive,
  importArchive,
  type ArchiveCost,
  type ArchiveDamage,
  type ArchiveExport,
  type ArchiveGap,
  type ArchiveKey,
  type ArchiveProgress,
  type ExportReport,
  type ImportReport,
} from "@hawser/space/archive";
import { loadSecret, readSecret, saveSecret } from "./device-store.ts";
import { HawserError } from "./errors.ts";
import { openStore } from "./hawser.ts";
import { partsOf } from "./parts.ts";
import { systemClock, systemRandom } from "./platform.ts";
import type { Hawser } from "./types.ts";

export type {
  ArchiveCost,
  ArchiveDamage,
  ArchiveExport,
  ArchiveGap,
  ArchiveKey,
  ArchiveProgress,
  ExportReport,
  ImportReport,
};

/** How a device is written into an archive. */
export interface BackupOptions {
  readonly key: ArchiveKey;
  /** The device moves: from now on it writes nothing here any more (`SPACE_RETIRED`), for good. */
  readonly retire?: boolean;
  /** Without it the device's secret is not in the file. Default: with it. */
  readonly withIdentity?: boolean;
  /**
   * Spaces that were compacted on this device. `refuse` (default): `SPACE_ARCHIVE_PRUNED`, nothing is
   * made. `leave`: after a restore their logs come from a peer that has all of them.
   */
  readonly pruned?: "refuse" | "leave";
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ArchiveProgress) => void;
}

/**
 * Writes a device into an archive; it may be in use meanwhile. Iterate `bytes` to the end. Throws
 * `SPACE_ARCHIVE_PRUNED`, `SPACE_ARCHIVE_KEY`, `SPACE_ARCHIVE_COST`, the STORE_… codes, and the
 * signal's reason.
 */
export function backupDevice(hawser: Hawser, options: BackupOptions): ArchiveExport {
  const { store, crypto, spaces } = partsOf(hawser);
  const { retire = false, ...rest } = options;
  let report: (() => ExportReport | undefined) | undefined;
  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    const { secret } = await loadSecret(store, systemRandom, undefined);
    const identity = { author: spaces.author, secret };
    const deps = { store, crypto, clock: systemClock, random: systemRandom, spaces, identity };
    const made = retire ? exportAndRetire(deps, rest) : exportArchive(deps, rest);
    report = made.report;
    yield* made.bytes;
  }
  return { bytes: bytes(), report: () => report?.() };
}

/** Where a device is restored. */
export interface RestoreOptions {
  /** The file of the database, made when missing; or a store of one's own. */
  readonly path?: string;
  readonly store?: LogStore;
  readonly crypto?: Crypto;
  readonly key: ArchiveKey;
  readonly source: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ArchiveProgress) => void;
}

/**
 * Takes an archive into a store that no device has open: an empty one becomes the archive's device, one
 * that has a device gets logs, keys and spaces beside its own. Doing it again after a kill goes on where
 * it was. `createHawser` opens the store afterwards; spaces of `restoredSpaces` wait for a peer. Throws
 * the SPACE_ARCHIVE_… and STORE_… codes, and the signal's reason.
 */
export async function restoreDevice(options: RestoreOptions): Promise<ImportReport> {
  const { source, key, signal, onProgress, ...where } = options;
  const crypto = options.crypto ?? (await createCrypto());
  const store = await openStore(where, crypto);
  try {
    const identity = await identityIn(store, crypto);
    const deps = { store, crypto, random: systemRandom, ...(identity && { identity }) };
    const given = { key, ...(signal && { signal }), ...(onProgress && { onProgress }) };
    const report = await importArchive(deps, source, given);
    // Last: a store that was filled by half is no device.
    if (identity === undefined) await saveSecret(store, report.identity.secret);
    return report;
  } finally {
    if (options.store === undefined) await store.close();
  }
}

/** Ids of spaces that wait until a peer has said how far this device's own logs go. */
export function restoredSpaces(hawser: Hawser): readonly string[] {
  const { spaces } = partsOf(hawser);
  return spaces.restored().flatMap((topic) => spaces.openTopic(topic).id ?? topic);
}

/**
 * Ends the wait of every space without a peer: no other copy of this device has written anything since
 * the archive was made. If one has, both have forked their logs. Throws `SPACE_RESTORED` where own
 * entries are missing that the archive knew of.
 */
export async function assumeOnlyCopy(hawser: Hawser): Promise<void> {
  const { spaces } = partsOf(hawser);
  for (const topic of spaces.restored()) await spaces.assumeOnlyCopy(topic);
}

/** Resolves when no space waits any more. Rejects with the signal's reason, HAWSER_NO_RELAY. */
export async function untilCompared(
  hawser: Hawser,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { spaces, relays } = partsOf(hawser);
  const { signal } = options;
  while (spaces.restored().length > 0) {
    signal?.throwIfAborted();
    if (relays.isEmpty) throw new HawserError("HAWSER_NO_RELAY", "no relay is configured");
    const change = Promise.withResolvers<void>();
    const stop = spaces.onTopicsChanged(change.resolve);
    try {
      await Promise.race([relays.changed(signal), change.promise]);
    } finally {
      stop();
    }
  }
}

async function identityIn(
  store: LogStore,
  crypto: Crypto,
): Promise<ImportReport["identity"] | undefined> {
  const secret = await readSecret(store);
  // Safe: 32 bytes in hex name an author.
  return secret && { author: toHex(crypto.publicKey(secret)) as AuthorId, secret };
}
