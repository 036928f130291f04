/**
 * Compaction (docs/spec/view.md §7): what no view needs any more is dropped from this device's store.
 * Heads, ids and signatures stay; who asks for what is gone is told `pruned`. Layer 5, internal.
 */
import { equalBytes } from "@hawser/codec";
import type { LogId } from "@hawser/log";
import type { Core } from "./core.ts";
import { SpaceError } from "./errors.ts";
import { encodeJudged } from "./marks.ts";
import type { KeptEvent } from "./order-cache.ts";
import type { SpaceEvent, SpaceMark } from "./types.ts";

/** What compaction did. */
export interface Compaction {
  /** Entries that are gone by now, of all data logs. */
  readonly prunedEntries: number;
  /** Events kept beside the logs. */
  readonly keptEvents: number;
}

/**
 * Keeps `keep` and prunes the data logs up to the mark. Throws `SPACE_NOT_COMPACTABLE` where logs are
 * forked, entries wait for others, or what lies before the mark is judged otherwise by now;
 * `SPACE_STANDBY` where another process writes.
 */
export async function compact(
  core: Core,
  mark: SpaceMark,
  keep: readonly SpaceEvent[],
): Promise<Compaction> {
  const { store } = core.deps;
  if (core.deps.isWriter?.() === false) {
    throw new SpaceError("SPACE_STANDBY", "another process writes for this device now");
  }
  await core.advance();
  const image = core.sequencer().image();
  const heads = await store.heads(core.syncTopic.topic);
  if (image === undefined || heads.some((head) => core.forkedAt(head.logId) !== undefined)) {
    throw refusal("logs are forked, or entries wait for what may never come");
  }
  if (!equalBytes(judgedNow(core, mark), mark.judged)) {
    throw refusal("what lies before the mark is judged otherwise by now: take a new one");
  }
  // Safe: frontiers of a space name its logs.
  const frontier = new Map([...mark.frontier].map(([id, height]) => [id as LogId, height]));
  const events = keep.filter((event) => event.seq < (frontier.get(event.logId) ?? 0));
  const { judged, local } = mark;
  await core.order.compact({ frontier, events: events.map(toKept), judged, local, image });
  let prunedEntries = 0;
  for (const [logId, limit] of pruneLimits(frontier, events)) {
    prunedEntries += await store.prune(logId, limit);
  }
  return { prunedEntries, keptEvents: events.length };
}

/** Detached bodies are found through their entry: the log is cut before the first of them. */
function pruneLimits(
  frontier: ReadonlyMap<LogId, number>,
  events: readonly SpaceEvent[],
): ReadonlyMap<LogId, number> {
  const limits = new Map(frontier);
  for (const { logId, seq, detached } of events) {
    if (detached !== undefined) limits.set(logId, Math.min(limits.get(logId) ?? seq, seq));
  }
  return limits;
}

function judgedNow(core: Core, mark: SpaceMark): Uint8Array {
  const sequencer = core.sequencer();
  return encodeJudged(sequencer, mark.frontier, (logId, { heads }) => {
    const author = sequencer.authorOf(logId);
    if (author === undefined) return { kind: "reject" };
    return core.judge({ logId, author, heads, to: Number.MAX_SAFE_INTEGER });
  });
}

function toKept(event: SpaceEvent): KeptEvent {
  const { logId, author, seq, stamp, hash, type, sequence, body, recipients } = event;
  const detachedBytes = event.detached?.byteCount;
  return { logId, author, seq, stamp, hash, type, sequence, body, recipients, detachedBytes };
}

function refusal(message: string): SpaceError {
  return new SpaceError("SPACE_NOT_COMPACTABLE", message);
}
