/**
 * Writing a device into one encrypted file (docs/spec/archive.md §5). Layer 5.
 */
import { equalBytes } from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import {
  encodeChainState,
  encodeForkProof,
  type Clock,
  type LogHead,
  type LogStore,
  type Topic,
} from "@hawser/log";
import { gathered } from "../gathered.ts";
import { aboutPrefix, keysKey } from "../core.ts";
import { deviceKey } from "../device.ts";
import { SpaceError } from "../errors.ts";
import type { OwnHeight } from "../guard.ts";
import { rawPrefix } from "../raw-spaces.ts";
import type { Spaces } from "../spaces.ts";
import type { DeviceIdentity } from "../types.ts";
import { createVault, type Vault } from "../vault.ts";
import { sealChunks } from "./chunks.ts";
import { createHeader, type ArchiveKey } from "./format.ts";
import { encodeRecord, type ArchiveRecord } from "./records.ts";

/** What making an archive takes. */
export interface ArchiveDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly identity: DeviceIdentity;
}

/** How far an archive is. */
export interface ArchiveProgress {
  /** Spaces begun. */
  readonly spaces: number;
  readonly entries: number;
  /** Bytes of the file so far. */
  readonly bytes: number;
}

/** How an archive is made. */
export interface ExportOptions {
  readonly key: ArchiveKey;
  /**
   * Without the device's secret the file restores this device only where the secret is given again,
   * and merges into any other one all the same. Default: with it.
   */
  readonly withIdentity?: boolean;
  /**
   * Logs without their beginning, because the space was compacted on this device: nobody can verify
   * them from a file. `refuse` (default): no archive is begun, `SPACE_ARCHIVE_PRUNED`. `leave`: it is
   * made, the report names them, and after a restore they come from a peer that has all of them.
   */
  readonly pruned?: "refuse" | "leave";
  /** Starts of further keys of the store's key-value space that belong to the account. */
  readonly values?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ArchiveProgress) => void;
}

/** A part of the store that is not in an archive, or did not come out of one. */
export interface ArchiveGap {
  readonly topic: Topic;
  readonly reason: string;
}

/** What an archive holds. */
export interface ExportReport {
  readonly spaces: number;
  readonly logs: number;
  readonly entries: number;
  /** Spaces and logs that were damaged in the store, or lack their beginning (`PRUNED`). */
  readonly skipped: readonly ArchiveGap[];
}

/** An archive while it is made. */
export interface ArchiveExport {
  /** The file, piece by piece; may be iterated once. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Set once `bytes` has ended. */
  report(): ExportReport | undefined;
}

/** Beside what spaces keep: what the layers above keep and belongs to the account. */
const accountPrefixes: readonly string[] = [
  "account",
  "group-offers",
  "hawser/relays",
  "hawser/hosted/",
];
/** How often a space is read again when something was written meanwhile. */
const snapshotTriesMax = 64;

/**
 * Writes a device into an archive: identity, prekeys, spaces with their keys, logs. The store may be
 * in use: each space is as of one moment. Iterating `bytes` throws `SPACE_ARCHIVE_PRUNED`,
 * `SPACE_ARCHIVE_KEY`, `SPACE_ARCHIVE_COST`, what the store throws, and the signal's reason.
 */
export function exportArchive(deps: ArchiveDeps, options: ExportOptions): ArchiveExport {
  let report: ExportReport | undefined;
  const writer = createRecordWriter(deps, options);
  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    await refusePruned(deps.store, options);
    const header = await createHeader(deps, options.key);
    let byteCount = header.bytes.length;
    yield header.bytes;
    for await (const chunk of sealChunks(deps.crypto, header.fileKey, writer.records())) {
      options.signal?.throwIfAborted();
      byteCount += chunk.length;
      options.onProgress?.({ ...writer.progress(), bytes: byteCount });
      yield chunk;
    }
    report = writer.report();
  }
  return { bytes: bytes(), report: () => report };
}

/**
 * Moves a device: from now on `spaces` writes nothing any more (`SPACE_RETIRED`), so that what is in
 * the archive is the last of it. As `exportArchive`.
 */
export function exportAndRetire(
  deps: ArchiveDeps & { readonly spaces: Pick<Spaces, "retire"> },
  options: ExportOptions,
): ArchiveExport {
  const made = exportArchive(deps, options);
  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    // Before anything ends: a device that was retired for a file that is not made is lost.
    await refusePruned(deps.store, options);
    await deps.spaces.retire();
    yield* made.bytes;
  }
  return { bytes: bytes(), report: made.report };
}

/** Looks at every log before the first byte, so that nobody holds half a file for a whole one. */
async function refusePruned(store: LogStore, { pruned }: ExportOptions): Promise<void> {
  if (pruned === "leave") return;
  for (const { topic } of await topicsOf(store)) {
    for (const { prunedTo } of await store.heads(topic)) if (prunedTo > 0) throw prunedIn(topic);
  }
}

function prunedIn(topic: Topic): SpaceError {
  const message =
    `space ${topic.slice(0, 8)}… was compacted on this device: its logs lack their beginning, and ` +
    "nothing can be restored from them. Make the archive on a device that has all of them, or leave " +
    'them out knowingly (pruned: "leave")';
  return new SpaceError("SPACE_ARCHIVE_PRUNED", message);
}

interface RecordWriter {
  records(): AsyncGenerator<Uint8Array, void, undefined>;
  progress(): { readonly spaces: number; readonly entries: number };
  report(): ExportReport;
}

/** A space as it is at one moment. */
interface SpaceSnapshot {
  readonly about: Uint8Array;
  readonly values: readonly { readonly key: string; readonly value: Uint8Array }[];
  readonly heads: readonly LogHead[];
}

function createRecordWriter(deps: ArchiveDeps, options: ExportOptions): RecordWriter {
  const { store, clock, identity } = deps;
  const vault = createVault(deps, identity.secret);
  const skipped: ArchiveGap[] = [];
  let [spaces, logs, entries] = [0, 0, 0];

  async function* logRecords(head: LogHead): AsyncGenerator<ArchiveRecord, void, undefined> {
    const { logId, signedHeight: to } = head;
    const { topic } = head.context;
    let isBegun = false;
    for await (const range of gathered(store.ranges(logId, { from: head.prunedTo, to }))) {
      if (!isBegun) {
        const state = await store.stateAt(logId, range.from);
        // Pruned while it was read: what is left is told, and starts later.
        if (state === undefined) throw new SpaceError("SPACE_STATE_CORRUPT", "no chain state");
        if (range.from > 0) leave(topic);
        yield { kind: "log", state: encodeChainState(state), height: to };
        isBegun = true;
        logs += 1;
      }
      entries += range.count;
      const { from, count, bytes } = range;
      yield { kind: "range", from, count, bytes };
    }
    // Nothing is left of it but its head.
    if (!isBegun) leave(topic);
    const proofs = isBegun ? await store.forkProofs(logId) : [];
    for (const proof of proofs) yield { kind: "fork", proof: encodeForkProof(proof) };
  }

  async function* spaceRecords(
    topic: Topic,
    variant: "access-controlled" | "raw",
  ): AsyncGenerator<ArchiveRecord, void, undefined> {
    const prefix = variant === "raw" ? rawPrefix : aboutPrefix;
    const snapshot = await snapshotOf(store, topic, prefix + topic);
    const about = vault.open(prefix + topic, snapshot.about);
    if (about === undefined) throw damaged("the record of the space does not open");
    const values = snapshot.values.map((pair) => valueOf(vault, pair));
    const hasBadKeys = values.some(({ key, isSealed }) => key === keysKey(topic) && !isSealed);
    if (hasBadKeys) throw damaged("the keys of the space do not open");
    spaces += 1;
    const own = ownHeights(snapshot.heads, identity);
    yield { kind: "space", topic, variant, about, own };
    yield* values;
    for (const head of snapshot.heads) {
      if (head.signedHeight === 0) continue;
      try {
        yield* logRecords(head);
      } catch (cause) {
        yield broken(topic, cause);
      }
    }
  }

  /** Pruned meanwhile, or with leave. The reader of the file finds out by itself. */
  const leave = (topic: Topic): void => {
    if (options.pruned !== "leave") throw prunedIn(topic);
    skipped.push({ topic, reason: "PRUNED" });
  };

  const broken = (topic: Topic, cause: unknown): ArchiveRecord => {
    const reason = codeOfDamage(cause);
    skipped.push({ topic, reason });
    return { kind: "broken", topic, reason };
  };

  async function* all(): AsyncGenerator<ArchiveRecord, void, undefined> {
    const { author } = identity;
    const secret = options.withIdentity === false ? undefined : identity.secret;
    yield { kind: "owner", time: clock.nowMicros(), author, secret };
    for (const { topic, variant } of await topicsOf(store)) {
      try {
        yield* spaceRecords(topic, variant);
      } catch (cause) {
        yield broken(topic, cause);
      }
    }
    // Last: whatever prekey an entry above needs is there by then.
    for (const prefix of [deviceKey, ...accountPrefixes, ...(options.values ?? [])].sort()) {
      for (const pair of await store.list(prefix)) yield valueOf(vault, pair);
    }
    yield { kind: "end", spaces, logs, entries };
  }

  return {
    records: async function* records() {
      for await (const record of all()) {
        options.signal?.throwIfAborted();
        yield encodeRecord(record);
      }
    },
    progress: () => ({ spaces, entries }),
    report: () => ({ spaces, logs, entries, skipped }),
  };
}

/** Every space of the store, sorted by topic. */
async function topicsOf(
  store: LogStore,
): Promise<readonly { readonly topic: Topic; readonly variant: "access-controlled" | "raw" }[]> {
  const members = await store.list(aboutPrefix);
  const raw = await store.list(rawPrefix);
  // Safe: only topics are written behind these prefixes.
  const topicOf = (key: string, prefix: string): Topic => key.slice(prefix.length) as Topic;
  return [
    ...members.map(({ key }) => ({
      topic: topicOf(key, aboutPrefix),
      variant: "access-controlled" as const,
    })),
    ...raw.map(({ key }) => ({ topic: topicOf(key, rawPrefix), variant: "raw" as const })),
  ].sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

/**
 * Values and heads that belong together: nothing was written between them. Keys become durable with
 * the entries that bring them, so equal values before and after mean one moment. Under writing that
 * never pauses the last reading stands: keys at least as new as the entries.
 */
async function snapshotOf(store: LogStore, topic: Topic, name: string): Promise<SpaceSnapshot> {
  const read = async (): Promise<Pick<SpaceSnapshot, "about" | "values">> => {
    const about = await store.get(name);
    if (about === undefined) throw damaged("the record of the space is gone");
    return { about, values: await store.list(`space/${topic}/`) };
  };
  let before = await read();
  for (let attempt = 1; ; attempt++) {
    const heads = await store.heads(topic);
    const after = await read();
    const isStill = equalBytes(before.about, after.about) && isSame(before.values, after.values);
    if (isStill || attempt === snapshotTriesMax) return { ...after, heads };
    before = after;
  }
}

function isSame(a: SpaceSnapshot["values"], b: SpaceSnapshot["values"]): boolean {
  if (a.length !== b.length) return false;
  return a.every(({ key, value }, index) => {
    const other = b[index];
    return other?.key === key && equalBytes(value, other.value);
  });
}

function ownHeights(heads: readonly LogHead[], { author }: DeviceIdentity): readonly OwnHeight[] {
  const own = heads.filter(({ context, signedHeight }) => {
    return context.author === author && signedHeight > 0;
  });
  return own.map(({ logId, signedHeight }) => ({ logId, height: signedHeight }));
}

function valueOf(
  vault: Vault,
  { key, value }: { readonly key: string; readonly value: Uint8Array },
): ArchiveRecord & { readonly kind: "value" } {
  const plaintext = vault.open(key, value);
  return { kind: "value", key, isSealed: plaintext !== undefined, value: plaintext ?? value };
}

function damaged(message: string): SpaceError {
  return new SpaceError("SPACE_STATE_CORRUPT", message);
}

/** The code of an error that means damage in the store; whatever else is thrown on. */
function codeOfDamage(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "SPACE_STATE_CORRUPT" || code === "STORE_CORRUPT") return code;
  throw cause;
}
