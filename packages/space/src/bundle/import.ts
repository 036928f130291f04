/**
 * Taking a bundle in, as if a peer had sent it (docs/spec/bundle.md §7). Layer 5.
 */
import type { AuthorId, Crypto } from "@hawser/crypto";
import { logIdOf, type EncodedRange, type LogId, type LogStore, type Topic } from "@hawser/log";
import { openOuter } from "../outer.ts";
import type { Spaces } from "../spaces.ts";
import { controlDomain } from "../words.ts";
import { BundleError } from "./errors.ts";
import type { BundleFrontier, BundleProgress } from "./export.ts";
import { readParts, type BundleDamage, type BundlePart } from "./reader.ts";
import type { BundleRecord } from "./records.ts";

/** What taking a bundle in takes. */
export interface BundleImportDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly spaces: Pick<Spaces, "list" | "openTopic" | "topics" | "ingest">;
}

/** How a bundle is taken in. */
export interface BundleImportOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BundleProgress) => void;
}

/** A range that was in a bundle and is not in the store. */
export interface RefusedRange {
  readonly topic: Topic;
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly domain: string;
  readonly from: number;
  readonly count: number;
  /** As in sync: not ours to keep, does not verify, does not follow, on another branch. */
  readonly status: "refused" | "bad" | "gap" | "forked";
  readonly reason: string;
}

/** What came of one space of a bundle. */
export interface ImportedSpace {
  readonly topic: Topic;
  /** µs: when the bundle was made, by its maker's clock. */
  readonly time: number | undefined;
  /** Entries that were not here before. */
  readonly entries: number;
  /** Ranges all of which were here already. */
  readonly known: number;
  /** Ranges under follow keys that this device does not have (yet). */
  readonly unopened: number;
  /** Logs that its maker could not put in, as it says. */
  readonly withheld: number;
  /** Everything its maker put in is here. */
  readonly complete: boolean;
}

/** What came of an import. */
export interface BundleImportReport {
  /** Spaces of this device that are in the bundle, in its order. */
  readonly spaces: readonly ImportedSpace[];
  /** Spaces in the bundle that are not on this device. */
  readonly foreign: number;
  /** At most 1,000 of them. */
  readonly refused: readonly RefusedRange[];
  readonly refusedCount: number;
  /** At most 1,000. */
  readonly damage: readonly BundleDamage[];
  readonly damageCount: number;
  /** Nothing is damaged, and of every space of this device everything is here. */
  readonly complete: boolean;
}

/** Refusals and damages that are listed. */
const listedMax = 1_000;
/** Times a bundle is read: each brings at least one log that the one before had to refuse. */
const passesMax = 64;
/** Ranges that a further pass need not look at again; beyond that it does. */
const settledMax = 65_536;

/**
 * Takes a bundle in. `open` starts the file from its beginning: what was refused for want of something
 * behind it is tried again while anything new came. Doing it anew, after a kill as well, changes
 * nothing that is here. Throws `BUNDLE_MALFORMED`, `BUNDLE_VERSION`, `BUNDLE_KIND`, what the store
 * throws, and the signal's reason.
 */
export async function importBundle(
  deps: BundleImportDeps,
  open: () => AsyncIterable<Uint8Array>,
  options: BundleImportOptions = {},
): Promise<BundleImportReport> {
  const taker = createTaker(deps);
  for (let pass = 0; pass < passesMax; pass++) {
    taker.begin();
    const topics = deps.spaces.list().map(({ topic }) => topic);
    let byteCount = 0;
    const onRead = (offset: number): void => {
      byteCount = offset;
    };
    const parts = readParts({ crypto: deps.crypto, topics }, "entries", open(), onRead);
    for await (const part of parts) {
      options.signal?.throwIfAborted();
      await taker.take(part);
      options.onProgress?.({ entries: taker.entries(), bytes: byteCount });
    }
    if (!taker.isWorthAnother()) break;
  }
  return taker.report();
}

/**
 * Reads how far somebody is. Spaces that are not on this device are left out. Throws as
 * `importBundle`, `BUNDLE_DAMAGED` when not all of it is as it was written, and `BUNDLE_TOO_MANY`.
 */
export async function readFrontier(
  deps: Pick<BundleImportDeps, "crypto"> & { readonly spaces: Pick<Spaces, "list"> },
  file: AsyncIterable<Uint8Array>,
): Promise<BundleFrontier> {
  const topics = deps.spaces.list().map(({ topic }) => topic);
  const frontier = new Map<Topic, Map<LogId, number>>();
  for await (const part of readParts({ crypto: deps.crypto, topics }, "frontier", file)) {
    if (part.kind === "damage") {
      throw new BundleError("BUNDLE_DAMAGED", "the frontier is not as it was written");
    }
    if (part.kind !== "record" || part.record.kind !== "heights") continue;
    const heights = frontier.get(part.topic) ?? new Map<LogId, number>();
    frontier.set(part.topic, heights);
    for (const { logId, height } of part.record.heights) heights.set(logId, height);
    if (heights.size > frontierLogsMax) {
      throw new BundleError("BUNDLE_TOO_MANY", "the frontier names more logs than a space has");
    }
  }
  return frontier;
}

/** Logs of one space in a frontier, as in sync. */
const frontierLogsMax = 65_536;

type RecordPart = BundlePart & { readonly kind: "record" };

interface SpaceTally {
  readonly topic: Topic;
  time: number | undefined;
  entries: number;
  known: number;
  unopened: number;
  withheld: number;
  refused: number;
  isEnded: boolean;
  isDamaged: boolean;
}

interface Taker {
  /** The file is read from its start. */
  begin(): void;
  take(part: BundlePart): Promise<void>;
  entries(): number;
  isWorthAnother(): boolean;
  report(): BundleImportReport;
}

function createTaker(deps: BundleImportDeps): Taker {
  const tallies = new Map<Topic, SpaceTally>();
  const settled = new Set<string>();
  let refused: RefusedRange[] = [];
  let damage: BundleDamage[] = [];
  let [foreign, refusedCount, damageCount] = [0, 0, 0];
  let [passes, storedInPass] = [0, 0];

  const tallyOf = (topic: Topic): SpaceTally => {
    const known = tallies.get(topic);
    if (known !== undefined) return known;
    const counts = { entries: 0, known: 0, unopened: 0, withheld: 0, refused: 0 };
    const states = { isEnded: false, isDamaged: false };
    const made: SpaceTally = { topic, time: undefined, ...counts, ...states };
    tallies.set(topic, made);
    return made;
  };
  const refuse = (range: EncodedRange, status: RefusedRange["status"], reason: string): void => {
    const { context, from, count } = range;
    tallyOf(context.topic).refused += 1;
    refusedCount += 1;
    if (refused.length >= listedMax) return;
    const logId = logIdOf(deps.crypto, context);
    refused.push({ ...context, logId, from, count, status, reason });
  };
  /** True when the range needs no further try. */
  const takeRange = async (range: EncodedRange): Promise<boolean> => {
    const tally = tallyOf(range.context.topic);
    const logId = logIdOf(deps.crypto, range.context);
    const before = (await deps.store.head(logId))?.height ?? 0;
    const outcome = await deps.spaces.ingest(range);
    const after = (await deps.store.head(logId))?.height ?? 0;
    tally.entries += Math.max(0, after - before);
    switch (outcome.status) {
      case "stored":
        storedInPass += 1;
        return true;
      case "known":
        if (passes === 1) tally.known += 1;
        return true;
      case "gap":
        refuse(range, "gap", `ENTRIES_MISSING_BEFORE_${range.from}`);
        return false;
      case "forked":
        refuse(range, "forked", "FORKED");
        return false;
      case "refused":
        refuse(range, "refused", outcome.reason);
        return false;
      case "bad":
        refuse(range, "bad", outcome.reason);
        return false;
    }
  };
  const addDamage = (found: BundleDamage): void => {
    damageCount += 1;
    if (found.topic !== undefined) tallyOf(found.topic).isDamaged = true;
    if (damage.length < listedMax) damage.push(found);
  };
  /** True when the record needs no further try. */
  const takeEntries = async (part: RecordPart): Promise<boolean> => {
    const { topic, section, chunk, record } = part;
    const range = rangeOf(deps, topic, record);
    if (range === "sealed") {
      tallyOf(topic).unopened += 1;
      return false;
    }
    if (range !== "malformed") return takeRange(range);
    // Whoever wrote that has the keys, and no program that writes bundles.
    addDamage({ section, topic, chunk, reason: "malformed" });
    return false;
  };

  return {
    begin: () => {
      passes += 1;
      [refused, damage, foreign, refusedCount, damageCount] = [[], [], 0, 0, 0];
      storedInPass = 0;
      for (const tally of tallies.values())
        Object.assign(tally, { unopened: 0, refused: 0, isDamaged: false });
    },
    take: async (part) => {
      if (part.kind === "foreign") foreign += 1;
      if (part.kind === "damage") addDamage(part.damage);
      if (part.kind !== "record") return;
      const { section, chunk, record } = part;
      const tally = tallyOf(part.topic);
      if (record.kind === "begin") tally.time = record.time;
      else if (record.kind === "end") [tally.isEnded, tally.withheld] = [true, record.withheld];
      else {
        const place = `${section}/${chunk}`;
        if (settled.has(place)) return;
        const isSettled = await takeEntries(part);
        if (isSettled && settled.size < settledMax) settled.add(place);
      }
    },
    entries: () => [...tallies.values()].reduce((sum, { entries }) => sum + entries, 0),
    isWorthAnother: () => {
      const isWaiting = [...tallies.values()].some((tally) => tally.unopened + tally.refused > 0);
      return storedInPass > 0 && isWaiting;
    },
    report: () => {
      const spaces = [...tallies.values()].map(toImported);
      const isWhole = damageCount === 0 && spaces.every(({ complete }) => complete);
      return { spaces, foreign, refused, refusedCount, damage, damageCount, complete: isWhole };
    },
  };
}

/** The range in a record: in the open, or under any follow key this device had or was invited with. */
function rangeOf(
  { spaces, crypto }: BundleImportDeps,
  topic: Topic,
  record: BundleRecord,
): EncodedRange | "sealed" | "malformed" {
  if (record.kind === "control") {
    return record.range.context.domain === controlDomain ? record.range : "malformed";
  }
  if (record.kind !== "sealed") return "malformed";
  const given =
    spaces
      .topics()
      .find((one) => one.topic === topic)
      ?.followKeys() ?? [];
  const space = spaces.openTopic(topic);
  const content = space.openOuter(record.envelope) ?? openOuter(crypto, given, record.envelope);
  if (content === undefined) return "sealed";
  const isRange = content.kind === "range" && content.range.context.topic === topic;
  return isRange ? content.range : "malformed";
}

function toImported({ refused, isEnded, isDamaged, ...counts }: SpaceTally): ImportedSpace {
  const isWhole = isEnded && !isDamaged && refused === 0 && counts.unopened === 0;
  return { ...counts, complete: isWhole && counts.withheld === 0 };
}
