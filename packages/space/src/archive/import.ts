/**
 * Taking an archive into a store (docs/spec/archive.md §7): as the same device, or as one more source
 * of logs and keys for another. Layer 5.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import {
  decodeChainState,
  decodeForkProof,
  ingestRange,
  verifyForkProof,
  type KvWrite,
  type LogContext,
  type LogId,
  type LogStore,
  type RangeOutcome,
  type Topic,
} from "@hawser/log";
import { decodeAbout, encodeAbout } from "../about.ts";
import { shredPending } from "../bodies.ts";
import { aboutPrefix, keysKey } from "../core.ts";
import { deviceKey, mergeDevices } from "../device.ts";
import { SpaceError } from "../errors.ts";
import {
  archivePrefix,
  encodeMark,
  forgottenKey,
  openGuard,
  restoredKey,
  type OwnHeight,
} from "../guard.ts";
import { rawPrefix } from "../raw-spaces.ts";
import type { DeviceIdentity } from "../types.ts";
import { createVault, type Vault } from "../vault.ts";
import { createByteSource, openChunks, type ArchiveDamage } from "./chunks.ts";
import type { ArchiveGap, ArchiveProgress } from "./export.ts";
import { headerBytes, openHeader, type ArchiveKey } from "./format.ts";
import { mergeKeyStates } from "./merge.ts";
import {
  decodeRecord,
  type ArchiveRecord,
  type OwnerRecord,
  type SpaceRecord,
  type ValueRecord,
} from "./records.ts";

/** What taking an archive in takes. No spaces may be open on the store. */
export interface ImportDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly random: Random;
  /**
   * The device whose store it is. Default: the archive's, which then goes on here. Another one gets the
   * archive's logs, keys and spaces beside its own, and membership of none of them.
   */
  readonly identity?: DeviceIdentity;
}

/** How an archive is taken in. */
export interface ImportOptions {
  readonly key: ArchiveKey;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ArchiveProgress) => void;
}

/** What came of an import. */
export interface ImportReport {
  /** The device whose store it is now. */
  readonly identity: DeviceIdentity;
  /** The device that the archive was made by. */
  readonly author: AuthorId;
  /** µs since the epoch when it was made, by that device's clock. */
  readonly time: number;
  /** Spaces that are in the store now. */
  readonly spaces: readonly Topic[];
  /** Entries that were not in the store before. */
  readonly entries: number;
  /** What was in the archive and is not in the store, or was missing in the archive already. */
  readonly skipped: readonly ArchiveGap[];
  /** What of the file does not open: nothing of it was taken in. */
  readonly damage: readonly ArchiveDamage[];
  /** The file is whole and all of it is here. */
  readonly complete: boolean;
}

const skippedMax = 10_000;

/**
 * Takes an archive in. Ranges are verified as a peer's are; doing it again, after a kill as well, goes
 * on where it was. Throws `SPACE_ARCHIVE_…`, what the store throws, and the signal's reason.
 */
export async function importArchive(
  deps: ImportDeps,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImportReport> {
  const pieces = iterate(source);
  try {
    const bytes = createByteSource(pieces);
    const header = await openHeader(deps.crypto, await bytes.take(headerBytes), options.key);
    return await takeParts(deps, options, openChunks(deps.crypto, header.fileKey, bytes), bytes);
  } finally {
    await pieces.return?.();
  }
}

function iterate(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncIterator<Uint8Array> {
  async function* all(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* source;
  }
  return all();
}

async function takeParts(
  deps: ImportDeps,
  options: ImportOptions,
  parts: ReturnType<typeof openChunks>,
  source: { readonly offset: number },
): Promise<ImportReport> {
  const damage: ArchiveDamage[] = [];
  let taker: Taker | undefined;
  for await (const part of parts) {
    options.signal?.throwIfAborted();
    if (part.kind === "damage") {
      addDamage(damage, part.damage);
      taker?.lose();
    } else {
      const record = decodeRecord(part.record);
      if (record === undefined) throw malformed("a record that this program does not know");
      taker ??= await begin(deps, record, damage);
      await taker.take(record);
    }
    if (taker !== undefined) options.onProgress?.({ ...taker.progress(), bytes: source.offset });
  }
  if (taker === undefined) throw ownerLost();
  return taker.report(damage);
}

/** Neighbouring damage is one. */
function addDamage(all: ArchiveDamage[], next: ArchiveDamage): void {
  const before = all.at(-1);
  if (before !== undefined && before.to === next.from) {
    all[all.length - 1] = { ...next, from: before.from };
  } else all.push(next);
}

/** Whose archive it is, and whose store. */
interface Owners {
  readonly owner: OwnerRecord;
  readonly identity: DeviceIdentity;
  readonly isSame: boolean;
}

async function begin(
  deps: ImportDeps,
  first: ArchiveRecord,
  damage: readonly ArchiveDamage[],
): Promise<Taker> {
  if (damage.length > 0) throw ownerLost();
  if (first.kind !== "owner") throw malformed("the first record does not say whose archive it is");
  const { store, crypto } = deps;
  const identity = deps.identity ?? identityOf(crypto, first);
  const vault = createVault(deps, identity.secret);
  for (const prefix of [deviceKey, aboutPrefix, rawPrefix]) {
    const values = await store.list(prefix);
    // Single values may be damaged; when none opens it is another device's store.
    if (values.length > 0 && values.every(({ key, value }) => !vault.open(key, value))) {
      const message = "the store belongs to another device: give its identity to merge into it";
      throw new SpaceError("SPACE_ARCHIVE_IDENTITY", message);
    }
  }
  const owners = { owner: first, identity, isSame: identity.author === first.author };
  return createTaker(deps, owners, vault);
}

function identityOf(crypto: Crypto, { author, secret }: OwnerRecord): DeviceIdentity {
  if (secret === undefined) {
    const message = "the archive was made without its device's secret: give one";
    throw new SpaceError("SPACE_ARCHIVE_IDENTITY", message);
  }
  if (toHex(crypto.publicKey(secret)) !== author) throw malformed("a secret of another device");
  return { author, secret };
}

/** Takes records in, one after the other. */
interface Taker {
  take(record: ArchiveRecord): Promise<void>;
  /** Records are missing here: nothing is known of the log they were of. */
  lose(): void;
  progress(): { readonly spaces: number; readonly entries: number };
  report(damage: readonly ArchiveDamage[]): ImportReport;
}

/** A log while its ranges come. */
interface OpenLog {
  readonly context: LogContext;
  readonly logId: LogId;
  isStuck: boolean;
}

function createTaker(deps: ImportDeps, owners: Owners, vault: Vault): Taker {
  const { store, crypto } = deps;
  const { owner, identity, isSame } = owners;
  const spaces = new Set<Topic>();
  const skipped: ArchiveGap[] = [];
  const shredded = new Set<Topic>();
  let log: OpenLog | undefined;
  let entries = 0;
  let isEnded = false;
  let isWhole = true;

  const skip = (topic: Topic, reason: string): void => {
    isWhole = false;
    if (skipped.length < skippedMax) skipped.push({ topic, reason });
  };

  const takeSpace = async (record: SpaceRecord): Promise<void> => {
    log = undefined;
    const { topic, variant } = record;
    // Whoever took a space off this device wants it back by no older file.
    if ((await store.get(forgottenKey(topic))) !== undefined) return skip(topic, "FORGOTTEN");
    const prefix = variant === "raw" ? rawPrefix : aboutPrefix;
    const other = variant === "raw" ? aboutPrefix : rawPrefix;
    if ((await store.get(other + topic)) !== undefined) return skip(topic, "SPACE_EXISTS");
    const isHere = (await store.get(prefix + topic)) !== undefined;
    const about = aboutOf(record, isSame);
    if (about === undefined) return skip(topic, "SPACE_STATE_CORRUPT");
    const writes: KvWrite[] = isHere ? [] : [vault.write(prefix + topic, about)];
    const mark = isSame ? await markFor(record, isHere) : undefined;
    if (mark !== undefined) writes.push(mark);
    // Together: a space that is here is a space that waits.
    if (writes.length > 0) await store.commit({ writes });
    spaces.add(topic);
  };

  /** The mark of a space that may have gone on elsewhere; none where this store is the newer one. */
  const markFor = async (record: SpaceRecord, isHere: boolean): Promise<KvWrite | undefined> => {
    const { topic, own } = record;
    let isBehind = !isHere;
    for (const { logId, height } of own) {
      isBehind ||= ((await store.head(logId))?.signedHeight ?? 0) < height;
    }
    if (!isBehind) return undefined;
    const guard = await openGuard(store, vault);
    const known = guard.waiting().find((mark) => mark.topic === topic);
    const heights = higher(known?.heights ?? [], own);
    const mark = { topic, heights, behind: known?.behind ?? [] };
    return vault.write(restoredKey(topic), encodeMark(mark));
  };

  const takeValue = async (record: ValueRecord): Promise<void> => {
    const { key } = record;
    if (key.startsWith(archivePrefix)) return;
    const topic = topicOfKey(key);
    if (topic === undefined) return takeAccountValue(record);
    if (!spaces.has(topic)) return;
    if (key === keysKey(topic)) return takeKeys(topic, record);
    // What own entries have pointed at is no other device's affair.
    if (!isSame && key.startsWith(`space/${topic}/seen/`)) return;
    if (key.startsWith(`space/${topic}/body-key/`)) await shredAgain(topic);
    await putNew(record);
  };

  /** What was shredded here may come back with the keys of bodies: it is forgotten anew at the start. */
  const shredAgain = async (topic: Topic): Promise<void> => {
    if (shredded.has(topic)) return;
    shredded.add(topic);
    const notes = await store.list(`space/${topic}/shredded/`);
    const writes = notes.map(({ key, value }) => {
      const pending = value.slice();
      pending[0] = shredPending;
      return { key, value: pending };
    });
    if (writes.length > 0) await store.commit({ writes });
  };

  const takeKeys = async (topic: Topic, { key, value }: ValueRecord): Promise<void> => {
    const here = await store.get(key);
    const stored = here && vault.open(key, here);
    const owns = { topic, from: owner.author, to: identity.author };
    const isDamaged = here !== undefined && stored === undefined;
    const merged = isDamaged
      ? undefined
      : mergeKeyStates(crypto, owns, { archived: value, stored });
    if (merged === undefined) return skip(topic, "SPACE_STATE_CORRUPT");
    await store.commit({ writes: [vault.write(key, merged)] });
  };

  const takeAccountValue = async (record: ValueRecord): Promise<void> => {
    if (!isSame) return;
    if (record.key !== deviceKey) return putNew(record);
    const here = await store.get(deviceKey);
    const stored = here && vault.open(deviceKey, here);
    const merged = mergeDevices(crypto, owner.author, { archived: record.value, stored });
    await store.commit({ writes: [vault.write(deviceKey, merged)] });
  };

  /** What the store has already is newer, or the same. */
  const putNew = async ({ key, isSealed, value }: ValueRecord): Promise<void> => {
    if ((await store.get(key)) !== undefined) return;
    await store.commit({ writes: [isSealed ? vault.write(key, value) : { key, value }] });
  };

  const takeRange = async (
    open: OpenLog,
    range: { readonly from: number; readonly count: number; readonly bytes: Uint8Array },
  ): Promise<void> => {
    if (open.isStuck) return;
    const before = (await store.head(open.logId))?.height ?? 0;
    const { from, count, bytes } = range;
    const outcome = await ingestRange(
      { store, crypto },
      { context: open.context, from, count, bytes },
    );
    const reason = flawOf(outcome);
    if (reason !== undefined) {
      open.isStuck = true;
      skip(open.context.topic, reason);
    }
    entries += Math.max(0, ((await store.head(open.logId))?.height ?? 0) - before);
  };

  const takeFork = async (bytes: Uint8Array): Promise<void> => {
    const proof = decodeForkProof(bytes);
    if (proof === undefined || log === undefined) return;
    const [known] = await store.forkProofs(log.logId);
    if (known !== undefined || (await store.head(log.logId)) === undefined) return;
    const isOfLog = proof.context.author === log.context.author;
    if (isOfLog && verifyForkProof({ crypto }, proof).ok) await store.commit({ forks: [proof] });
  };

  const take = async (record: ArchiveRecord): Promise<void> => {
    switch (record.kind) {
      case "owner":
        return;
      case "space":
        return takeSpace(record);
      case "value":
        return takeValue(record);
      case "log": {
        const { context, logId } = decodeChainState(crypto, record.state);
        log = spaces.has(context.topic) ? { context, logId, isStuck: false } : undefined;
        return;
      }
      case "range":
        return log === undefined ? undefined : takeRange(log, record);
      case "fork":
        return takeFork(record.proof);
      case "broken":
        return skip(record.topic, record.reason);
      case "end":
        isEnded = true;
    }
  };

  return {
    take,
    lose: () => {
      log = undefined;
    },
    progress: () => ({ spaces: spaces.size, entries }),
    report: (damage) => ({
      identity,
      author: owner.author,
      time: owner.time,
      spaces: [...spaces].sort(),
      entries,
      skipped,
      damage,
      complete: isEnded && isWhole && damage.length === 0,
    }),
  };
}

/** The record of a space for this store; an invite that another device had is not its own. */
function aboutOf(record: SpaceRecord, isSame: boolean): Uint8Array | undefined {
  if (isSame || record.variant === "raw") return record.about;
  try {
    return encodeAbout({ ...decodeAbout(record.about), inviteSecret: undefined });
  } catch (error) {
    if (error instanceof SpaceError && error.code === "SPACE_STATE_CORRUPT") return undefined;
    throw error;
  }
}

/** The higher of two heights of each log. */
function higher(a: readonly OwnHeight[], b: readonly OwnHeight[]): readonly OwnHeight[] {
  const heights = new Map(a.map(({ logId, height }) => [logId, height]));
  for (const { logId, height } of b) heights.set(logId, Math.max(height, heights.get(logId) ?? 0));
  return [...heights].map(([logId, height]) => ({ logId, height }));
}

/** The space whose value a key names, or `undefined`. */
function topicOfKey(key: string): Topic | undefined {
  const topic = /^space\/([0-9a-f]{64})\//.exec(key)?.[1];
  // Safe: 32 bytes in hex name a topic.
  return topic as Topic | undefined;
}

/** Why a range was not taken in, or `undefined` when the store has what it holds. */
function flawOf(outcome: RangeOutcome): string | undefined {
  switch (outcome.status) {
    case "stored":
    case "known":
    case "held":
      return undefined;
    case "gap":
      return "PRUNED";
    // The store keeps the branch it had; the proof is kept beside it.
    case "forked":
      return "FORKED";
    case "conflict":
      return "CONFLICT";
    case "bad":
      return outcome.reason;
  }
}

function ownerLost(): SpaceError {
  const message = "the archive is damaged where it says whose it is: nothing of it can be used";
  return new SpaceError("SPACE_ARCHIVE_DAMAGED", message);
}

function malformed(message: string): SpaceError {
  return new SpaceError("SPACE_ARCHIVE_MALFORMED", message);
}
