/**
 * Reading and explaining single entries (docs/spec/6-space.md §7). Layer 5, internal.
 */
import type { Judgement } from "@hawser/auth";
import type { AuthorId } from "@hawser/crypto";
import type { Entry } from "@hawser/log";
import type { ExplainCode } from "@hawser/sync";
import { SpaceError } from "./errors.ts";
import { judgementAt, rulingAt, type Verdict } from "./judge.ts";
import type { Reading } from "./reading.ts";
import type { EntryRef, ReadEntry, SpaceExplanation } from "./types.ts";
import { controlDomain, dataDomain } from "./words.ts";

/** An entry of this space with its author. */
export interface FoundEntry {
  readonly author: AuthorId;
  readonly domain: string;
  readonly entry: Entry;
}

/** Throws `SPACE_ENTRY_UNKNOWN`. */
export async function findEntry(
  core: Pick<Reading, "deps" | "syncTopic">,
  ref: EntryRef,
): Promise<FoundEntry> {
  const { store } = core.deps;
  const head = await store.head(ref.logId);
  if (head !== undefined && head.context.topic === core.syncTopic.topic && ref.seq < head.height) {
    const { author, domain } = head.context;
    for await (const entry of store.entries(ref.logId, { from: ref.seq, to: ref.seq + 1 })) {
      return { author, domain, entry };
    }
  }
  throw new SpaceError("SPACE_ENTRY_UNKNOWN", `no entry ${ref.seq} of that log is here`);
}

/** Throws `SPACE_ENTRY_UNKNOWN` and, without a key or content, `SPACE_NO_KEY`. */
export async function readEntry(core: Reading, ref: EntryRef): Promise<ReadEntry> {
  const { author, domain, entry } = await findEntry(core, ref);
  const opened = domain === dataDomain ? core.opener().open(author, entry) : undefined;
  if (opened?.status !== "opened") {
    const reason = opened?.status === "noKey" ? "no key to its epoch" : "no event in it";
    throw new SpaceError("SPACE_NO_KEY", `entry ${ref.seq} cannot be read: ${reason}`);
  }
  await core.advance();
  const { stamp, hash, logId, seq } = entry;
  const { type, sequence, body, recipients } = opened;
  const detached = opened.detached && { byteCount: opened.detached.byteCount };
  const judgement = judgementOf(core, author, ref) ?? "quarantine";
  const content = { type, sequence, body, detached, recipients };
  return { logId, seq, author, stamp, hash, ...content, judgement };
}

/** `undefined` while the entry is not released. */
function judgementOf(core: Reading, author: AuthorId, ref: EntryRef): Judgement | undefined {
  const sequencer = core.sequencer();
  const standing = sequencer.standingOf(ref.logId, ref.seq);
  if (standing.state === "rejected") return "reject";
  if (standing.state !== "released") return undefined;
  return judgementAt(verdictOf(core, author, ref), ref.seq);
}

function verdictOf(core: Reading, author: AuthorId, { logId, seq }: EntryRef): Verdict {
  const heads = core.sequencer().positionOf(logId, seq);
  return core.judge({ logId, author, heads, to: seq + 1 });
}

/** Why an entry is not there, has no effect or cannot be read. Never throws for an absent one. */
export async function explainEntry(core: Reading, ref: EntryRef): Promise<SpaceExplanation> {
  const head = await core.deps.store.head(ref.logId);
  const isOurs = head !== undefined && head.context.topic === core.syncTopic.topic;
  if (!isOurs || ref.seq >= head.height) return explainAbsent(core, ref);
  if (ref.seq < head.prunedTo) return absent("PRUNED");
  await core.advance();
  const isForked = head.forkedAt !== undefined && ref.seq >= head.forkedAt;
  if (head.context.domain === controlDomain) {
    const verdict = core.controlVerdict(ref);
    const code = isForked ? "FORKED" : verdict?.state === "pending" ? "MISSING_DEP" : "PRESENT";
    return { code, judgement: undefined, reason: verdict?.reason };
  }
  const explained = await explainData(core, ref);
  return isForked ? { ...explained, code: "FORKED" } : explained;
}

async function explainData(core: Reading, ref: EntryRef): Promise<SpaceExplanation> {
  const standing = core.sequencer().standingOf(ref.logId, ref.seq);
  if (standing.state === "held") return absent(standing.reason);
  if (standing.state === "rejected") {
    return { code: "PRESENT", judgement: "reject", reason: standing.reason };
  }
  const { author, entry } = await findEntry(core, ref);
  const verdict = verdictOf(core, author, ref);
  const judgement = judgementAt(verdict, ref.seq);
  if (rulingAt(verdict, ref.seq)?.verdict === "reject") {
    return { code: "PRESENT", judgement, reason: "RULED_OUT" };
  }
  if (judgement === "reject") return { code: "NO_ACCESS", judgement, reason: "NOT_WRITER" };
  const opened = core.opener().open(author, entry);
  const reason = judgement === "quarantine" ? "CONCURRENTLY_ENDED" : undefined;
  if (opened.status === "noKey") {
    const isSealedOtherwise = opened.keyCount > 0;
    return { code: "MISSING_EPOCH", judgement, reason: isSealedOtherwise ? "UNREADABLE" : reason };
  }
  if (opened.status === "malformed") return { code: "PRESENT", judgement, reason: "UNREADABLE" };
  if (entry.body !== undefined && core.bodies.isShredded(ref, entry.hash)) {
    return { code: "PRESENT", judgement, reason: reason ?? "SHREDDED" };
  }
  return { code: "PRESENT", judgement, reason };
}

/** An entry that is not here may have been offered and turned away. */
function explainAbsent(core: Reading, ref: EntryRef): SpaceExplanation {
  const refusal = core.refusals.find(ref);
  if (refusal === undefined) return absent("NOT_ANNOUNCED");
  return { code: codeOf(refusal.reason), judgement: undefined, reason: refusal.reason };
}

function codeOf(reason: string): ExplainCode {
  switch (reason) {
    case "LOG_BAD_SIGNATURE":
      return "BAD_SIGNATURE";
    case "OVER_BUDGET":
    case "HELD_FOR_CLOCK":
      return reason;
    case "NOT_ADMITTED":
      return "NO_ACCESS";
    default:
      return "REFUSED";
  }
}

function absent(code: ExplainCode): SpaceExplanation {
  return { code, judgement: undefined, reason: undefined };
}
