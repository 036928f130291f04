/**
 * Chain states: where a log stands (docs/spec/2-log.md §6). Layer 3; pure.
 */
import { createByteReader, createByteWriter } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { decodeContext, encodeContext, logIdOf } from "./context.ts";
import { LogError } from "./errors.ts";
import { contextBytes, integerMax } from "./limits.ts";
import { createSkipTracker, skipSeqs, type Skip } from "./skips.ts";
import type { ChainState, LogContext } from "./types.ts";

const hashBytes = 32;

/** The state of a log without entries. Throws LOG_CONTEXT_INVALID. */
export function emptyChain(crypto: Pick<Crypto, "deriveKey">, context: LogContext): ChainState {
  const { topic, domain, author } = context;
  return {
    context: { topic, domain, author },
    logId: logIdOf(crypto, context),
    height: 0,
    hash: undefined,
    stamp: 0,
    skips: [],
  };
}

/** The chain state alone, of a head or anything else that holds one. */
export function stateOf(state: ChainState): ChainState {
  const { context, logId, height, hash, stamp, skips } = state;
  return { context, logId, height, hash, stamp, skips };
}

/** A place in a log that moves forward entry by entry, in O(1) amortised. */
export interface ChainCursor {
  readonly height: number;
  readonly hash: Uint8Array | undefined;
  readonly stamp: number;
  /** Skip target of the next entry, or `undefined` when it has none. */
  skip(): Skip | undefined;
  advance(hash: Uint8Array, stamp: number): void;
  /** This place as a value. O(log height). */
  state(): ChainState;
}

/** A cursor at `state`. Throws LOG_STATE_INVALID when the state's skips do not fit its height. */
export function createChainCursor(state: ChainState): ChainCursor {
  const { context, logId } = state;
  const tracker = createSkipTracker(state.height, state.skips);
  let { height, hash, stamp } = state;
  return {
    get height() {
      return height;
    },
    get hash() {
      return hash;
    },
    get stamp() {
      return stamp;
    },
    skip: () => tracker.next(),
    advance: (nextHash, nextStamp) => {
      tracker.add(height, nextHash);
      height++;
      hash = nextHash;
      stamp = nextStamp;
    },
    state: () => ({ context, logId, height, hash, stamp, skips: tracker.skips() }),
  };
}

/**
 * Context (80) ‖ height varint ‖ stamp varint ‖ head hash (32, absent at height 0) ‖ hash (32) of
 * each skip; their seqs follow from the height. For stores.
 */
export function encodeChainState(state: ChainState): Uint8Array<ArrayBuffer> {
  const writer = createByteWriter(contextBytes + 16 + hashBytes * (1 + state.skips.length));
  writer.bytes(encodeContext(state.context));
  writer.varint(state.height);
  writer.varint(state.stamp);
  if (state.hash !== undefined) writer.bytes(state.hash);
  for (const skip of state.skips) writer.bytes(skip.hash);
  return writer.finish();
}

/** The state of `encodeChainState` bytes. Throws STORE_CORRUPT when they are none. */
export function decodeChainState(crypto: Pick<Crypto, "deriveKey">, bytes: Uint8Array): ChainState {
  const reader = createByteReader(bytes);
  const context = decodeContext(reader.bytes(contextBytes));
  const height = reader.varint();
  const stamp = reader.varint();
  const hash = height === 0 ? undefined : reader.bytes(hashBytes).slice();
  const seqs = reader.failed || height > integerMax ? [] : skipSeqs(height);
  const skips = seqs.map((seq) => ({ seq, hash: reader.bytes(hashBytes).slice() }));
  if (context === undefined || !reader.finished) {
    throw new LogError("STORE_CORRUPT", "a stored chain state does not parse");
  }
  return { context, logId: logIdOf(crypto, context), height, hash, stamp, skips };
}
