/**
 * Verifying a stream, from its head alone to its last byte (docs/spec/stream.md §7). Layer 4; pure.
 */
import { equalBytes } from "@hawser/codec";
import { verifyCheckpoint, type Checkpoint } from "@hawser/log";
import { toVerdict } from "./entry.ts";
import { entryFault, faultError, StreamError } from "./errors.ts";
import { indexFaultsListed } from "./limits.ts";
import { beginning, damageOf } from "./load.ts";
import { createPacketReader } from "./packet-io.ts";
import { checkContent, type BlockReadContext } from "./read-block.ts";
import { isClosing } from "./record.ts";
import { scan } from "./scan.ts";
import type { VerifyLevel, VerifyOptions, VerifyVerdict } from "./stream.ts";
import type { StreamMark } from "./types.ts";

/** What `Stream.verify` gives. Throws STREAM_RANGE for a range outside of the stream. */
export async function verifyStream(
  context: BlockReadContext,
  level: VerifyLevel,
  options: VerifyOptions,
): Promise<VerifyVerdict> {
  const { entries } = context;
  const { height } = context.state();
  const { signal } = options;
  if (level === "full") return verifyFull(context, options);
  let reached = level === "head" ? height - 1 : 0;
  const verdict = await toVerdict(async () => {
    if (level === "head") {
      await entries.entry(height - 1, signal);
    } else if ("checkpoint" in level) {
      await checkAgainst(context, level.checkpoint, signal);
    } else {
      const { from = 0, to = height } = level;
      if (!(from >= 0 && from <= to && to <= height)) {
        throw new StreamError("STREAM_RANGE", `[${from}, ${to}) is not within ${height} entries`);
      }
      reached = from;
      for (; reached < to; reached++) await checkOne(context, reached, to, signal);
    }
  });
  if (!verdict.ok) return { ok: false, fault: verdict.fault, height: reached };
  const vouched = level !== "head" && "to" in level ? (level.to ?? height) : height;
  return { ok: true, height: vouched, tornBytes: 0, indexFaults: [], indexFaultCount: 0 };
}

/** One entry of a range: that it is the author's, follows the one before, and has its content. */
async function checkOne(
  context: BlockReadContext,
  seq: number,
  to: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { entries } = context;
  const entry = await entries.entry(seq, signal);
  await checkContent(context, entry, signal);
  if (seq + 1 >= to) return;
  const next = await entries.entry(seq + 1, signal);
  const { backlink } = next.linked;
  if (backlink === undefined || !equalBytes(backlink, entry.linked.entry.hash)) {
    const message = "the backlink names another entry";
    throw faultError(entryFault("CHAIN_BROKEN", message, seq + 1, next.offset));
  }
  if (entry.record.type === "block" && isClosing(entry.record.directive)) {
    const message = "a closing directive came before";
    throw faultError(entryFault("CLOSED", message, seq + 1, next.offset));
  }
}

async function verifyFull(
  context: BlockReadContext,
  options: VerifyOptions,
): Promise<VerifyVerdict> {
  const { deps, store, identity } = context;
  const size = await store.size(options.signal);
  const reader = createPacketReader(store, 0, size, options.signal);
  const found = await scan(deps.crypto, reader, size, beginning(identity), options);
  const { reached, fault, indexFaults, indexFaultCount } = found;
  const height = reached?.state.height ?? 0;
  const damage = await damageOf(deps.crypto, store, found, size, options.signal);
  if (damage !== undefined) return { ok: false, fault: damage, height };
  if (reached === undefined || height < context.state().height) {
    const message = "entries that were there before are gone";
    return { ok: false, fault: fault ?? entryFault("ROLLED_BACK", message, height), height };
  }
  const { state, entryEnd } = reached;
  if (found.offset >= state.end) {
    return { ok: true, height, tornBytes: size - state.end, indexFaults, indexFaultCount };
  }
  // The index of the last entry is not there, or cut off.
  return {
    ok: true,
    height,
    tornBytes: size - entryEnd,
    indexFaults: [...indexFaults, entryEnd].slice(0, indexFaultsListed),
    indexFaultCount: indexFaultCount + 1,
  };
}

async function checkAgainst(
  context: BlockReadContext,
  checkpoint: Checkpoint | StreamMark,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { deps, identity, entries } = context;
  const isOurs =
    "streamId" in checkpoint
      ? checkpoint.streamId === identity.id
      : checkpoint.logId === identity.logId && checkpoint.author === identity.context.author;
  if (!isOurs)
    throw faultError({ code: "WRONG_STREAM", message: "a checkpoint of another stream" });
  if ("signature" in checkpoint && !verifyCheckpoint(deps, checkpoint)) {
    throw faultError({ code: "BAD_CHECKPOINT", message: "the author did not sign the checkpoint" });
  }
  const { height, hash } = checkpoint;
  if (height > context.state().height) {
    const message = `${context.state().height} entries, the checkpoint has ${height}`;
    throw faultError(entryFault("ROLLED_BACK", message, height - 1));
  }
  const { linked } = await entries.entry(height - 1, signal);
  if (equalBytes(linked.entry.hash, hash)) return;
  const message = "another entry than the checkpoint has";
  throw faultError(entryFault("FORK", message, height - 1));
}
