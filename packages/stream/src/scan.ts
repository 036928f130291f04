/**
 * Walking over a stream from a known place, checking everything: packets, hashes, links, signatures,
 * contents, index (docs/spec/stream.md §7). Layer 4; pure. Full verification, recovery and taking in
 * foreign bytes are this one walk. Memory: one window and the state.
 */
import { equalBytes } from "@hawser/codec";
import { createChainCursor, type ChainState } from "@hawser/log";
import { packetBytesMax, type Packet } from "@hawser/packet";
import { createBodyCheck, isBodyPacket, type BodyCheck } from "./body-check.ts";
import { checkSignature, readEntry, type CheckCrypto, type EntryAt } from "./entry.ts";
import { entryFault, faultError, StreamError, type StreamFault } from "./errors.ts";
import type { StreamState } from "./entry-reader.ts";
import { createIndexBuilder, type IndexEdge } from "./index-builder.ts";
import { indexFaultsListed, unsignedEntriesMax } from "./limits.ts";
import { packetIn, type PacketReader } from "./packet-io.ts";
import { isClosing } from "./record.ts";

/** Where a walk starts: everything before is taken as checked. */
export interface ScanStart {
  readonly chain: ChainState;
  readonly edge: IndexEdge;
  readonly lastRewrap: number | undefined;
  readonly isEnded: boolean;
}

/** What a walk found. */
export interface ScanResult {
  /** The last signed entry that was reached, and where the stream stands there. */
  readonly reached:
    | {
        readonly state: StreamState;
        readonly chain: ChainState;
        /** Where its index packets start; `state.end` is behind them. */
        readonly entryEnd: number;
        /** Its index packets, as they have to be. */
        readonly index: readonly Packet<"verified">[];
        /** Whether they are all there and right. */
        readonly isIndexed: boolean;
      }
    | undefined;
  /** Why the walk ended before the end of the bytes. */
  readonly fault: StreamFault | undefined;
  /** Whether the fault is that the bytes end in the middle of a packet. */
  readonly isCut: boolean;
  /** Where the walk ended. */
  readonly offset: number;
  /** Offsets of index packets that are not what they have to be; the first 64. */
  readonly indexFaults: readonly number[];
  readonly indexFaultCount: number;
}

interface Reached {
  readonly height: number;
  readonly hash: Uint8Array;
  readonly stamp: number;
  readonly entryEnd: number;
  readonly end: number;
  readonly chain: ChainState;
  readonly edge: IndexEdge;
  readonly lastRewrap: number | undefined;
  readonly isEnded: boolean;
  readonly index: readonly Packet<"verified">[];
}

/** A start at the very beginning. */
export function scanStart(chain: ChainState): ScanStart {
  return { chain, edge: { pages: [], edges: [] }, lastRewrap: undefined, isEnded: false };
}

/** Walks until `end` or the first fault. Rejects with what the store throws and the signal's reason. */
export async function scan(
  crypto: CheckCrypto,
  reader: PacketReader,
  end: number,
  start: ScanStart,
  options: {
    readonly signal?: AbortSignal;
    /** Gets each packet after it was judged; for a damaged index packet, the right one. */
    readonly onPacket?: (bytes: Uint8Array) => Promise<void>;
    readonly onProgress?: (offset: number) => void;
  } = {},
): Promise<ScanResult> {
  const walk = createWalk(crypto, start);
  let fault: StreamFault | undefined;
  let isCut = false;
  while (reader.offset < end) {
    options.signal?.throwIfAborted();
    const { offset } = reader;
    const window = await reader.peek(packetBytesMax);
    if (window.length === 0) break;
    const step = walk.step(window, offset);
    if (!step.ok) {
      ({ fault, isCut } = step);
      break;
    }
    await options.onPacket?.(step.bytes ?? window.subarray(0, step.byteCount));
    reader.skip(step.byteCount);
    options.onProgress?.(reader.offset);
  }
  return { ...walk.result(), fault, isCut, offset: reader.offset };
}

type Step =
  | {
      readonly ok: true;
      readonly byteCount: number;
      /** What has to be there, where that is known whatever the bytes are. */
      readonly bytes?: Uint8Array;
    }
  | { readonly ok: false; readonly fault: StreamFault; readonly isCut: boolean };

interface Walk {
  /** Judges what lies at the start of `window`, which is at `offset`. */
  step(window: Uint8Array, offset: number): Step;
  result(): Pick<ScanResult, "reached" | "indexFaults" | "indexFaultCount">;
}

function createWalk(crypto: CheckCrypto, start: ScanStart): Walk {
  const { context } = start.chain;
  const cursor = createChainCursor(start.chain);
  const builder = createIndexBuilder(crypto, start.edge);
  const index = createIndexCheck();
  let { lastRewrap, isEnded } = start;
  let body = createBodyCheck();
  let unsigned = 0;
  let reached: Reached | undefined;

  const stepBody = (packet: Packet, offset: number): void => {
    if (!equalBytes(crypto.hash(packet.point), packet.hash)) {
      const message = "a part of the content does not have its stated hash";
      throw faultError(entryFault("HASH_MISMATCH", message, cursor.height, offset));
    }
    const wrong = body.add(packet);
    if (wrong !== undefined) throw faultError(entryFault("CORRUPT", wrong, cursor.height, offset));
  };

  const stepEntry = (packet: Packet, offset: number): void => {
    const entry = readEntry(crypto, context, packet, cursor.height, offset);
    checkPlace(entry, cursor, { lastRewrap, isEnded });
    checkBody(entry, body);
    const { seq, hash, stamp, signature } = entry.linked.entry;
    if (signature !== undefined) checkSignature(crypto, context, entry);
    unsigned = signature === undefined ? unsigned + 1 : 0;
    if (unsigned > unsignedEntriesMax) {
      throw faultError(entryFault("CORRUPT", "too many entries without a signature", seq, offset));
    }
    const kept = hash.slice();
    cursor.advance(kept, stamp);
    body = createBodyCheck();
    if (entry.record.type === "rewrap") lastRewrap = seq;
    isEnded = entry.record.type === "block" && isClosing(entry.record.directive);
    const isSigned = signature !== undefined;
    const byteCount = packet.bytes.length;
    const expected = builder.add({ seq, hash: kept, stamp, isSigned, offset, byteCount });
    index.expect(expected);
    if (!isSigned) return;
    const entryEnd = offset + byteCount;
    let end = entryEnd;
    for (const { bytes } of expected) end += bytes.length;
    reached = {
      height: seq + 1,
      hash: kept,
      stamp,
      entryEnd,
      end,
      chain: cursor.state(),
      edge: builder.edge(),
      lastRewrap,
      isEnded,
      index: expected,
    };
  };

  const step = (window: Uint8Array, offset: number): Step => {
    const indexStep = index.step(window, offset);
    if (indexStep !== undefined) return indexStep;
    const read = packetIn(window, offset);
    if (!read.ok)
      return { ok: false, fault: { ...read.fault, seq: cursor.height }, isCut: read.isCut };
    const { packet } = read;
    try {
      if (isBodyPacket(packet)) stepBody(packet, offset);
      else stepEntry(packet, offset);
    } catch (error) {
      if (!(error instanceof StreamError) || error.fault === undefined) throw error;
      return { ok: false, fault: error.fault, isCut: false };
    }
    return { ok: true, byteCount: packet.bytes.length };
  };

  return {
    step,
    result: () => ({
      reached: reached === undefined ? undefined : toReached(reached, index.isRight(reached.index)),
      indexFaults: index.faults,
      indexFaultCount: index.faultCount(),
    }),
  };
}

/** Compares the index packets behind an entry with what they have to be. */
interface IndexCheck {
  readonly faults: readonly number[];
  faultCount(): number;
  /** These come next. */
  expect(packets: readonly Packet<"verified">[]): void;
  /** Judges the next expected one; `undefined` when none is expected. */
  step(window: Uint8Array, offset: number): Step | undefined;
  /** Whether these, expected before, all came and were right. */
  isRight(packets: readonly Packet<"verified">[]): boolean;
}

function createIndexCheck(): IndexCheck {
  const faults: number[] = [];
  let faultCount = 0;
  let expected: readonly Packet<"verified">[] = [];
  let position = 0;
  let isRight = true;
  // The index of the last signed entry that came wholly and right.
  let right: readonly Packet<"verified">[] | undefined;
  return {
    faults,
    faultCount: () => faultCount,
    expect: (packets) => {
      expected = packets;
      position = 0;
      isRight = true;
    },
    step: (window, offset) => {
      const bytes = expected[position]?.bytes;
      if (bytes === undefined) return undefined;
      if (window.length < bytes.length) {
        return { ok: false, fault: corrupt("the index is cut off", offset), isCut: true };
      }
      if (!equalBytes(window.subarray(0, bytes.length), bytes)) {
        // Its size is known, so a damaged index hides nothing of what follows.
        isRight = false;
        faultCount += 1;
        if (faults.length < indexFaultsListed) faults.push(offset);
      }
      position += 1;
      // A tail ends the index of a signed entry; that of others is never asked for.
      const isTail = position === expected.length && expected[position - 1]?.linkCount === 1;
      if (isTail && isRight) right = expected;
      return { ok: true, byteCount: bytes.length, bytes };
    },
    isRight: (packets) => right === packets,
  };
}

function toReached(reached: Reached, isIndexed: boolean): NonNullable<ScanResult["reached"]> {
  const { height, hash, stamp, entryEnd, end, chain, edge, lastRewrap, isEnded, index } = reached;
  const state: StreamState = {
    height,
    headHash: hash,
    headStamp: stamp,
    end,
    edge,
    lastRewrap,
    isEnded,
  };
  return { state, chain, entryEnd, index, isIndexed };
}

function checkPlace(
  { linked, record, offset }: EntryAt,
  cursor: ReturnType<typeof createChainCursor>,
  before: { readonly lastRewrap: number | undefined; readonly isEnded: boolean },
): void {
  const { seq, stamp } = linked.entry;
  const broken = (message: string): StreamError =>
    faultError(entryFault("CHAIN_BROKEN", message, seq, offset));
  if (before.isEnded) {
    const message = "a closing directive came before";
    throw faultError(entryFault("CLOSED", message, seq, offset));
  }
  if (!sameHash(linked.backlink, cursor.hash)) throw broken("the backlink names another entry");
  if (!sameHash(linked.skip?.hash, cursor.skip()?.hash)) {
    throw broken("the skip link names another entry");
  }
  if (stamp <= cursor.stamp) throw broken("the stamp is not after the one before");
  if (record.lastRewrap !== before.lastRewrap) throw broken("another rewrap came last");
}

function checkBody({ linked, record, offset }: EntryAt, body: BodyCheck): void {
  const { seq, body: stated } = linked.entry;
  let wrong: string | undefined;
  if (stated === undefined) {
    wrong = body.isEmpty ? undefined : "points that belong to no content";
  } else {
    const isSealed = record.type === "block" && record.seal !== undefined;
    wrong = body.isEmpty ? "the content is missing" : body.finish(stated, isSealed);
  }
  if (wrong !== undefined) throw faultError(entryFault("CORRUPT", wrong, seq, offset));
}

function sameHash(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

function corrupt(message: string, offset: number): StreamFault {
  return { code: "CORRUPT", message, offset };
}
