/**
 * Writing what somebody lacks into one file, and what this device has into another
 * (docs/spec/bundle.md §6). Layer 5.
 */
import type { Crypto, Random } from "@hawser/crypto";
import {
  type Clock,
  type EncodedRange,
  type LogHead,
  type LogId,
  type LogStore,
  type Topic,
} from "@hawser/log";
import { gathered } from "../gathered.ts";
import { SpaceError } from "../errors.ts";
import type { Spaces } from "../spaces.ts";
import { controlDomain } from "../words.ts";
import { createHeader, sectionKeyOf, type BundleHeader, type BundleKind } from "./format.ts";
import { encodeRecord, heightsPerRecordMax, type BundleRecord, type LogHeight } from "./records.ts";

/** What making a bundle takes. */
export interface BundleExportDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly spaces: Pick<Spaces, "list" | "openTopic">;
}

/** How far a bundle is. */
export interface BundleProgress {
  readonly entries: number;
  /** Bytes of the file so far. */
  readonly bytes: number;
}

/** How far somebody is, log by log; what is not named, it has nothing of. */
export type BundleFrontier = ReadonlyMap<Topic, ReadonlyMap<LogId, number>>;

/** What a bundle is to hold. */
export interface BundleExportOptions {
  /** Default: every space of this device. */
  readonly topics?: readonly Topic[];
  /** What the other side has (`readFrontier`); default nothing, so that everything goes in. */
  readonly frontier?: BundleFrontier;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BundleProgress) => void;
}

/** A log with entries that did not go into a bundle. */
export interface WithheldLog {
  readonly topic: Topic;
  readonly logId: LogId;
  /**
   * `SPACE_NO_KEY`: this device has no current follow key to seal them with. `TOO_LARGE`: a range
   * that is larger than any envelope. `PRUNED`: what the other side needs first was compacted away
   * here; what follows it is in the bundle all the same.
   */
  readonly reason: "SPACE_NO_KEY" | "TOO_LARGE" | "PRUNED";
}

/** What a bundle holds. */
export interface BundleExportReport {
  readonly spaces: number;
  /** Logs with something in the bundle. */
  readonly logs: number;
  readonly entries: number;
  readonly withheld: readonly WithheldLog[];
}

/** A bundle while it is made. */
export interface BundleExport {
  /** The file, piece by piece; may be iterated once. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Set once `bytes` has ended. */
  report(): BundleExportReport | undefined;
}

/** Compact bytes that an envelope has room for beside its padding. */
const rangeBytesMax: number = 14 * 1024 * 1024;
/** Logs of one space in a frontier, as in sync. */
const logsMax = 65_536;

/**
 * Writes the entries that `frontier` lacks: control logs first, in the open to whoever knows the
 * space; everything else in envelopes under the current follow key. Memory: one record, and the
 * heads of one space. Iterating `bytes` throws `SPACE_UNKNOWN`, `BUNDLE_TOO_MANY`, what the store
 * throws, and the signal's reason.
 */
export function exportBundle(
  deps: BundleExportDeps,
  options: BundleExportOptions = {},
): BundleExport {
  let report: BundleExportReport | undefined;
  const counts = { logs: 0, entries: 0, withheld: [] as WithheldLog[] };
  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    const topics = topicsOf(deps, options);
    const sectionOf = (topic: Topic) => entryRecords(deps, options, { topic, counts });
    let byteCount = 0;
    for await (const piece of sections(deps, { kind: "entries", topics, sectionOf })) {
      options.signal?.throwIfAborted();
      byteCount += piece.length;
      options.onProgress?.({ entries: counts.entries, bytes: byteCount });
      yield piece;
    }
    report = { spaces: topics.length, ...counts };
  }
  return { bytes: bytes(), report: () => report };
}

/**
 * Writes how far this device is, for somebody who is to export only the rest. Throws as `exportBundle`;
 * logs beyond 65,536 of a space are left out of it, so that more comes than is needed.
 */
export async function* exportFrontier(
  deps: BundleExportDeps,
  options: Pick<BundleExportOptions, "topics" | "signal"> = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const topics = topicsOf(deps, options);
  const sectionOf = (topic: Topic) => heightRecords(deps, topic);
  for await (const piece of sections(deps, { kind: "frontier", topics, sectionOf })) {
    options.signal?.throwIfAborted();
    yield piece;
  }
}

function topicsOf(
  deps: BundleExportDeps,
  options: Pick<BundleExportOptions, "topics">,
): readonly Topic[] {
  if (options.topics === undefined) return deps.spaces.list().map(({ topic }) => topic);
  for (const topic of options.topics) deps.spaces.openTopic(topic);
  return [...new Set(options.topics)].sort();
}

async function* sections(
  deps: BundleExportDeps,
  parts: {
    readonly kind: BundleKind;
    readonly topics: readonly Topic[];
    sectionOf(topic: Topic): AsyncIterable<BundleRecord>;
  },
): AsyncGenerator<Uint8Array, void, undefined> {
  const header = createHeader(deps.random, parts.kind, parts.topics.length);
  yield header.bytes;
  for (const [section, topic] of parts.topics.entries()) {
    yield* sectionBytes(deps, header, { topic, section, records: parts.sectionOf(topic) });
  }
}

/** Tag, chunks, and a size of zero. The record `end` is the last. */
async function* sectionBytes(
  { crypto }: BundleExportDeps,
  header: BundleHeader,
  parts: {
    readonly topic: Topic;
    readonly section: number;
    readonly records: AsyncIterable<BundleRecord>;
  },
): AsyncGenerator<Uint8Array, void, undefined> {
  const key = sectionKeyOf(crypto, header, parts);
  yield key.tag;
  let index = 0;
  for await (const record of parts.records) {
    yield key.seal(index, encodeRecord(record), record.kind === "end");
    index += 1;
  }
  yield new Uint8Array(4);
}

interface Counts {
  logs: number;
  entries: number;
  readonly withheld: WithheldLog[];
}

async function* entryRecords(
  deps: BundleExportDeps,
  options: BundleExportOptions,
  place: { readonly topic: Topic; readonly counts: Counts },
): AsyncGenerator<BundleRecord, void, undefined> {
  const { topic, counts } = place;
  const known = options.frontier?.get(topic);
  const before = counts.withheld.length;
  let rangeCount = 0;
  yield { kind: "begin", time: deps.clock.nowMicros() };
  for (const head of controlFirst(await deps.store.heads(topic))) {
    const wanted = known?.get(head.logId) ?? 0;
    const from = Math.max(head.prunedTo, wanted);
    if (wanted < head.prunedTo) {
      counts.withheld.push({ topic, logId: head.logId, reason: "PRUNED" });
    }
    if (from >= head.signedHeight) continue;
    let isCounted = false;
    const part = { from, to: head.signedHeight };
    for await (const range of gathered(deps.store.ranges(head.logId, part))) {
      const record = toRecord(deps, range);
      if (record.kind === "withheld") {
        counts.withheld.push({ topic, logId: head.logId, reason: record.reason });
        break;
      }
      if (!isCounted) counts.logs += 1;
      isCounted = true;
      counts.entries += range.count;
      rangeCount += 1;
      yield record;
    }
  }
  yield { kind: "end", rangeCount, withheld: counts.withheld.length - before };
}

/** Who lacks a rotation finds it before what was sealed after it. Otherwise by log id. */
function controlFirst(heads: readonly LogHead[]): readonly LogHead[] {
  const isControl = ({ context }: LogHead): boolean => context.domain === controlDomain;
  return [...heads.filter(isControl), ...heads.filter((head) => !isControl(head))];
}

function toRecord(
  { spaces }: BundleExportDeps,
  range: EncodedRange,
): BundleRecord | { readonly kind: "withheld"; readonly reason: WithheldLog["reason"] } {
  if (range.bytes.length > rangeBytesMax) return { kind: "withheld", reason: "TOO_LARGE" };
  const { context, from, count, bytes } = range;
  const plain = { context, from, count, bytes };
  if (context.domain === controlDomain) return { kind: "control", range: plain };
  try {
    const space = spaces.openTopic(context.topic);
    return { kind: "sealed", envelope: space.sealOuter({ kind: "range", range: plain }) };
  } catch (error) {
    const isKeyless = error instanceof SpaceError && error.code === "SPACE_NO_KEY";
    if (isKeyless) return { kind: "withheld", reason: "SPACE_NO_KEY" };
    throw error;
  }
}

async function* heightRecords(
  { store, clock }: BundleExportDeps,
  topic: Topic,
): AsyncGenerator<BundleRecord, void, undefined> {
  yield { kind: "begin", time: clock.nowMicros() };
  const heads = (await store.heads(topic)).filter(({ signedHeight }) => signedHeight > 0);
  const heights: LogHeight[] = heads
    .slice(0, logsMax)
    .map(({ logId, signedHeight }) => ({ logId, height: signedHeight }));
  for (let index = 0; index < heights.length; index += heightsPerRecordMax) {
    yield { kind: "heights", heights: heights.slice(index, index + heightsPerRecordMax) };
  }
  yield { kind: "end", rangeCount: heights.length, withheld: heads.length - heights.length };
}
