/**
 * Link paths: from a signed entry down to an older one by backlinks and skip links
 * (docs/spec/2-log.md §8). Layer 3.
 *
 * A path is whole packets back to back: first a keypoint whose signature holds, then each packet
 * linked by the one before it. Whoever has the path and the context needs nothing else.
 */
import { concatBytes, equalBytes, fromHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { parsePackets } from "@hawser/packet";
import { entryPacket, readEntryPacket, type LinkedEntry } from "./entry-packet.ts";
import { LogError, type ProofRejectionCode } from "./errors.ts";
import { pathPointsMax } from "./limits.ts";
import { createPointWriter } from "./point-writer.ts";
import { skipTarget } from "./skips.ts";
import type { LogStore } from "./store.ts";
import type { ChainState, Entry, LogContext } from "./types.ts";

/** A checked path. */
export type PathVerdict =
  | {
      readonly ok: true;
      /** The signed entry the path starts from. */
      readonly first: LinkedEntry;
      readonly last: LinkedEntry;
      readonly points: number;
    }
  | { readonly ok: false; readonly reason: ProofRejectionCode };

/** seqs of the shortest path from `from` down to `to`: a skip link wherever it does not pass `to`. */
export function pathSeqs(from: number, to: number): readonly number[] {
  const seqs = [from];
  let seq = from;
  while (seq > to) {
    const skip = skipTarget(seq);
    seq = skip !== undefined && skip >= to ? skip : seq - 1;
    seqs.push(seq);
  }
  return seqs;
}

/** Where the entries of a path come from. */
export interface PathSource {
  stateAt(height: number): Promise<ChainState | undefined>;
  entryAt(seq: number): Promise<Entry | undefined>;
}

/** A store's log as the source of a path. */
export function storeSource(
  store: Pick<LogStore, "stateAt" | "entries">,
  logId: ChainState["logId"],
): PathSource {
  return {
    stateAt: (height) => store.stateAt(logId, height),
    entryAt: async (seq) => {
      for await (const entry of store.entries(logId, { from: seq, to: seq + 1 })) return entry;
      return undefined;
    },
  };
}

/** Builds the path from entry `from` to entry `to`. Throws LOG_NOT_FOUND when one is not there. */
export async function buildPath(
  context: LogContext,
  source: PathSource,
  from: number,
  to: number,
): Promise<Uint8Array> {
  const points = createPointWriter(context);
  const packets: Uint8Array[] = [];
  for (const seq of pathSeqs(from, to)) {
    const before = await source.stateAt(seq);
    const entry = await source.entryAt(seq);
    if (before === undefined || entry === undefined) {
      throw new LogError("LOG_NOT_FOUND", `entry ${seq} is not there (any more)`);
    }
    packets.push(entryPacket(before, entry, points));
  }
  return concatBytes(...packets);
}

/** Checks a path: one signature, and a hash a point. Needs no other entry. */
export function verifyPath(
  crypto: Pick<Crypto, "hash" | "deriveKey" | "verifyPoint">,
  context: LogContext,
  path: Uint8Array,
): PathVerdict {
  let first: LinkedEntry | undefined;
  let last: LinkedEntry | undefined;
  let points = 0;
  for (const parsed of parsePackets(path, { allowPrivate: true })) {
    if (!parsed.ok || ++points > pathPointsMax) return refuse("LOG_PROOF_MALFORMED");
    const { packet } = parsed;
    const linked = readEntryPacket(crypto, context, packet);
    if (linked === undefined) return refuse("LOG_PROOF_CONTEXT");
    if (last === undefined) {
      const { signature, signedBytes } = packet;
      const author = fromHex(context.author);
      if (signature === undefined || signedBytes === undefined || author === undefined) {
        return refuse("LOG_PROOF_UNSIGNED");
      }
      if (!crypto.verifyPoint(signedBytes, signature, author)) return refuse("LOG_BAD_SIGNATURE");
      first = linked;
    } else if (!isLinked(last, linked)) {
      return refuse("LOG_PROOF_LINK");
    }
    last = linked;
  }
  if (first === undefined || last === undefined) return refuse("LOG_PROOF_MALFORMED");
  return { ok: true, first, last, points };
}

function isLinked(from: LinkedEntry, to: LinkedEntry): boolean {
  const { seq, hash } = to.entry;
  if (seq === from.entry.seq - 1) {
    return from.backlink !== undefined && equalBytes(from.backlink, hash);
  }
  return seq === from.skip?.seq && equalBytes(from.skip.hash, hash);
}

function refuse(reason: ProofRejectionCode): {
  readonly ok: false;
  readonly reason: ProofRejectionCode;
} {
  return { ok: false, reason };
}
