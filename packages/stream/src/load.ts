/**
 * Finding out where a stream stands (docs/spec/stream.md §6.3): by its last bytes, or, after a crash or
 * damage, by the last tail that the author vouches for and a walk from there. Layer 4; pure.
 */
import { equalBytes, toHex } from "@hawser/codec";
import { logIdOf, type ChainState, type LogContext, type LogId } from "@hawser/log";
import { packetBytesMin, verifyPacket, type Packet } from "@hawser/packet";
import type { ByteStore } from "./byte-store.ts";
import {
  checkSignature,
  contextOfManifest,
  readEntry,
  toVerdict,
  type CheckCrypto,
  type EntryAt,
} from "./entry.ts";
import { createEntryReader, type StreamState } from "./entry-reader.ts";
import { entryFault, faultError, type StreamFault } from "./errors.ts";
import { pageCounts } from "./index-builder.ts";
import { readTailPacket, readTrailer, tailMark, trailerBytes, type Tail } from "./index-packet.ts";
import { indexFanOut, scanWindowBytes, tailBytesMax, tailCandidatesMax } from "./limits.ts";
import { createPacketReader, packetIn, readFully, readPacketAt } from "./packet-io.ts";
import { isClosing } from "./record.ts";
import { scan, scanStart, type ScanResult, type ScanStart } from "./scan.ts";
import type { Manifest, StreamId } from "./types.ts";

/** What a stream is, apart from where it stands. */
export interface StreamIdentity {
  readonly id: StreamId;
  readonly idBytes: Uint8Array;
  readonly context: LogContext;
  readonly logId: LogId;
  readonly manifest: Manifest;
  readonly manifestEntry: EntryAt;
}

/** Where a stream stands, and what lies behind its end. */
export interface LoadedState {
  readonly state: StreamState;
  /** Bytes of the store. */
  readonly size: number;
  /** Where a writer has to cut; the state's end when all is well. */
  readonly cutAt: number;
  /** Index packets that a writer has to put there. */
  readonly missingIndex: readonly Packet<"verified">[];
  /** What is wrong with the bytes behind the end, unless they are a torn append. */
  readonly damage: StreamFault | undefined;
}

/**
 * The stream at the start of the store. Throws STREAM_FAULT: NO_STREAM, WRONG_STREAM when `pin` is
 * another, HASH_MISMATCH, BAD_SIGNATURE, CORRUPT.
 */
export async function loadIdentity(
  crypto: CheckCrypto,
  store: ByteStore,
  pin: StreamId | undefined,
  signal?: AbortSignal,
): Promise<StreamIdentity> {
  const size = await store.size(signal);
  const options = signal === undefined ? {} : { signal };
  const read = await readPacketAt(store, 0, size, options);
  const context = read.ok ? contextOfManifest(read.packet) : undefined;
  if (!read.ok || context === undefined) {
    throw faultError({ code: "NO_STREAM", message: "no manifest at the start", offset: 0 });
  }
  const { packet } = read;
  const idBytes = crypto.hash(packet.point);
  // Safe: the brand means exactly this hash.
  const id = toHex(idBytes) as StreamId;
  // First of all: whatever else is wrong, this is not the stream that was asked for.
  if (pin !== undefined && pin !== toHex(packet.hash)) {
    throw faultError(entryFault("WRONG_STREAM", `stream ${id}, not ${pin}`, 0, 0));
  }
  const entry = readEntry(crypto, context, packet, 0, 0);
  checkSignature(crypto, context, entry);
  const { record } = entry;
  if (record.type !== "manifest") throw faultError(entryFault("CORRUPT", "no manifest", 0, 0));
  const { manifest } = record;
  const logId = logIdOf(crypto, context);
  return { id, idBytes, context, logId, manifest, manifestEntry: entry };
}

/** Where the stream stands. O(1) when the bytes end with its tail. */
export async function loadState(
  crypto: CheckCrypto,
  store: ByteStore,
  identity: StreamIdentity,
  signal?: AbortSignal,
): Promise<LoadedState> {
  const size = await store.size(signal);
  const atEnd = await stateEndingAt(crypto, store, identity, size, signal);
  if (atEnd !== undefined) {
    return { state: atEnd, size, cutAt: atEnd.end, missingIndex: [], damage: undefined };
  }
  const base = await lastState(crypto, store, identity, size, signal);
  const start = await startAt(crypto, store, identity, base, signal);
  const from = start === undefined ? 0 : (base?.end ?? 0);
  const reader = createPacketReader(store, from, size, signal);
  const found = await scan(
    crypto,
    reader,
    size,
    start ?? beginning(identity),
    signal === undefined ? {} : { signal },
  );
  const damage = await damageOf(crypto, store, found, size, signal);
  const { reached } = found;
  if (reached !== undefined) {
    const { isIndexed, index, entryEnd } = reached;
    const cutAt = isIndexed ? reached.state.end : entryEnd;
    const state = { ...reached.state, end: cutAt };
    return { state, size, cutAt, missingIndex: isIndexed ? [] : index, damage };
  }
  if (base === undefined || start === undefined) {
    throw faultError(found.fault ?? { code: "CORRUPT", message: "no entry holds", offset: 0 });
  }
  return { state: base, size, cutAt: base.end, missingIndex: [], damage };
}

/** A walk from the very beginning. */
export function beginning(identity: Pick<StreamIdentity, "context" | "logId">): ScanStart {
  const { context, logId } = identity;
  const chain: ChainState = { context, logId, height: 0, hash: undefined, stamp: 0, skips: [] };
  return scanStart(chain);
}

/** A walk from where `base` stands; `undefined` when it has to begin at the beginning. */
export async function startAt(
  crypto: CheckCrypto,
  store: ByteStore,
  identity: StreamIdentity,
  base: StreamState | undefined,
  signal?: AbortSignal,
): Promise<ScanStart | undefined> {
  if (base === undefined) return undefined;
  const { context, logId } = identity;
  const reader = createEntryReader({ crypto, store }, context, logId, () => base);
  const loaded = await toVerdict(async () => {
    const chain = await reader.stateAt(base.height, signal);
    return { chain, edge: await reader.edge(signal) };
  });
  if (!loaded.ok || loaded.value.edge === undefined) return undefined;
  const { chain, edge } = loaded.value;
  // How many children each newest page has follows from the height: another number is a false index.
  const counts = edge.pages.map(({ offsets }) => offsets.length);
  if (counts.join() !== pageCounts(base.height).join()) return undefined;
  return { chain, edge, lastRewrap: base.lastRewrap, isEnded: base.isEnded };
}

/** Where the stream stands if a tail ends at `end`, and its head is the author's. */
async function stateEndingAt(
  crypto: CheckCrypto,
  store: ByteStore,
  identity: StreamIdentity,
  end: number,
  signal: AbortSignal | undefined,
): Promise<StreamState | undefined> {
  const length = Math.min(end, tailBytesMax);
  const bytes = await readFully(store, end - length, length, signal);
  const tail = tailIn(crypto, bytes, end);
  if (tail === undefined) return undefined;
  const headOffset = tail.tail.page.offsets.at(-1) ?? 0;
  const checked = await toVerdict(async () => {
    const seq = tail.tail.height - 1;
    const head =
      seq === 0
        ? identity.manifestEntry
        : await readHead(crypto, store, identity, seq, headOffset, end);
    checkSignature(crypto, identity.context, head);
    return head;
  });
  if (!checked.ok) return undefined;
  return stateOf(checked.value, tail, end);
}

async function readHead(
  crypto: CheckCrypto,
  store: ByteStore,
  identity: StreamIdentity,
  seq: number,
  offset: number,
  end: number,
): Promise<EntryAt> {
  const read = await readPacketAt(store, offset, end);
  if (!read.ok) throw faultError(read.fault);
  return readEntry(crypto, identity.context, read.packet, seq, offset);
}

function stateOf(
  head: EntryAt,
  { tail, start }: { readonly tail: Tail; readonly start: number },
  end: number,
): StreamState | undefined {
  const { entry } = head.linked;
  const gap = start - head.offset - head.packet.bytes.length;
  // Between the head and its tail lie the pages that a 256th entry completes, and nothing else.
  const mayHavePages = tail.height % indexFanOut === 0;
  if (gap < 0 || (gap > 0 && !mayHavePages)) return undefined;
  if (!equalBytes(entry.hash, tail.headHash) || entry.stamp !== tail.stamp) return undefined;
  const { record } = head;
  return {
    height: tail.height,
    headHash: entry.hash.slice(),
    headStamp: entry.stamp,
    end,
    edge: { pages: [tail.page], edges: tail.edges },
    lastRewrap: record.type === "rewrap" ? entry.seq : record.lastRewrap,
    isEnded: record.type === "block" && isClosing(record.directive),
  };
}

/** The tail that `bytes`, which end at file offset `end`, end with. */
function tailIn(
  crypto: CheckCrypto,
  bytes: Uint8Array,
  end: number,
): { readonly tail: Tail; readonly start: number } | undefined {
  if (bytes.length < packetBytesMin) return undefined;
  const start = readTrailer(bytes.subarray(bytes.length - trailerBytes));
  const from = start === undefined ? -1 : bytes.length - (end - start);
  if (start === undefined || from < 0 || end - start < packetBytesMin) return undefined;
  const read = packetIn(bytes.subarray(from), start);
  if (!read.ok || read.packet.bytes.length !== end - start) return undefined;
  const tail = readTailPacket(read.packet, start);
  if (tail === undefined || !verifyPacket(crypto, read.packet).ok) return undefined;
  return { tail, start };
}

/**
 * Where the stream stood at the last tail in the first `size` bytes. Content may look like a tail, but
 * not like a tail of an entry that the author signed for that very offset. `undefined` when there is
 * none, or so many false ones that a walk from the start is better.
 */
async function lastState(
  crypto: CheckCrypto,
  store: ByteStore,
  identity: StreamIdentity,
  size: number,
  signal: AbortSignal | undefined,
): Promise<StreamState | undefined> {
  let candidates = 0;
  let windowEnd = size;
  while (windowEnd > 0) {
    const windowStart = Math.max(0, windowEnd - scanWindowBytes);
    // A mark may lie across two windows.
    const length = Math.min(windowEnd + tailMark.length, size) - windowStart;
    const window = await readFully(store, windowStart, length, signal);
    // Packets are multiples of 8 bytes, so every tail ends at one.
    let end = Math.floor((windowStart + window.length) / 8) * 8;
    for (; end - tailMark.length >= windowStart; end -= 8) {
      const at = end - tailMark.length - windowStart;
      if (!isMark(window, at)) continue;
      candidates += 1;
      if (candidates > tailCandidatesMax) return undefined;
      const state = await stateEndingAt(crypto, store, identity, end, signal);
      if (state !== undefined) return state;
    }
    windowEnd = windowStart;
  }
  return undefined;
}

function isMark(window: Uint8Array, at: number): boolean {
  for (const [index, byte] of tailMark.entries()) if (window[at + index] !== byte) return false;
  return true;
}

/**
 * What is wrong behind the end, or `undefined` when it looks like an append that a crash cut: no bytes,
 * whole packets without their entry, a packet that the end cuts, or zeros.
 */
export async function damageOf(
  crypto: CheckCrypto,
  store: ByteStore,
  found: ScanResult,
  size: number,
  signal: AbortSignal | undefined,
): Promise<StreamFault | undefined> {
  const { fault, isCut, offset } = found;
  if (fault === undefined) return undefined;
  if (isCut) {
    // A whole tail at the very end shows that the bytes were all there once.
    const length = Math.min(size, tailBytesMax);
    const bytes = await readFully(store, size - length, length, signal);
    return tailIn(crypto, bytes, size) === undefined ? undefined : fault;
  }
  for (let at = offset; at < size; at += scanWindowBytes) {
    const bytes = await readFully(store, at, Math.min(scanWindowBytes, size - at), signal);
    if (bytes.some((byte) => byte !== 0)) return fault;
  }
  return undefined;
}
