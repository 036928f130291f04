/**
 * Reading what the directory points at (docs/spec/store-file.md §5, §7). Layer 4, a leaf. Every record
 * is checked against its checksum each time it is read.
 */
import { createByteReader, equalBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  createPointWriter,
  createRangeWalk,
  cutRange,
  decodeForkProof,
  LogError,
  startMark,
  type ChainState,
  type Entry,
  type ForkProof,
  type LogHead,
  type LogId,
  type PointWriter,
  type RangeWalk,
  type StoredRange,
} from "@hawser/log";
import type { RangeRow } from "./columns.ts";
import { heightOf, type Directory, type Located, type LogDirectory } from "./directory.ts";
import { recordTypes } from "./format.ts";
import { hashPrefix, rangeBody, readMeta, type RangeBody, type RecordMeta } from "./records.ts";
import type { SegmentTable } from "./segments.ts";
import { readState } from "./states.ts";
import { createReadWindow, type ReadWindow } from "./window.ts";

export interface Reader {
  head(log: LogDirectory): LogHead | undefined;
  /** The range that holds `from`, or the first after it, cut to [from, to). */
  rangeAt(
    log: LogDirectory,
    bounds: { readonly from: number; readonly to: number },
    window: ReadWindow,
  ): StoredRange | undefined;
  stored(log: LogDirectory, row: RangeRow, window: ReadWindow): StoredRange;
  entries(log: LogDirectory, from: number, to: number): Generator<Entry, void, void>;
  stateAt(log: LogDirectory, height: number): ChainState | undefined;
  findSigned(hash: Uint8Array): { readonly logId: LogId; readonly seq: number } | undefined;
  forkProofs(log: LogDirectory): readonly ForkProof[];
  /** A copy. */
  value(at: Located): Uint8Array;
}

interface Parsed {
  readonly meta: RecordMeta;
  readonly payload: Uint8Array;
  /** Where the body begins. */
  readonly bodyStart: number;
}

export function createReader(
  crypto: Pick<Crypto, "hash">,
  directory: Directory,
  segments: SegmentTable,
): Reader {
  const parse = (at: Located, window?: ReadWindow): Parsed => {
    const frame = segments.read(at, window);
    const reader = createByteReader(frame.payload);
    const meta = readMeta(frame.type, reader);
    if (meta === undefined) throw unreadable("a stored record does not parse");
    return { meta, payload: frame.payload, bodyStart: reader.offset };
  };

  const bodyOf = (row: RangeRow, window: ReadWindow): RangeBody => {
    const { meta, payload, bodyStart } = parse(row, window);
    if (meta.type === recordTypes.range && meta.from === row.from) {
      return rangeBody(meta, payload, bodyStart);
    }
    throw unreadable("a record is not the range it should be");
  };

  const cutState = (log: LogDirectory): ChainState => {
    const parsed = log.cut === undefined ? undefined : parse(log.cut);
    if (parsed?.meta.type !== recordTypes.prune) throw unreadable("a prune record is missing");
    const reader = createByteReader(parsed.payload, parsed.bodyStart);
    return known(readState(reader, parsed.meta.prunedTo, emptyOf(log)));
  };

  /** The state before range `index`: from the nearest record that holds one, rolled forward. */
  const stateBefore = (log: LogDirectory, index: number, window: ReadWindow): ChainState => {
    let at = index;
    let row = log.ranges.row(at);
    while (row !== undefined && at > 0 && !row.hasState) row = log.ranges.row(--at);
    let state = row?.from === 0 ? emptyOf(log) : undefined;
    for (; at < index; at++) {
      const next = log.ranges.row(at);
      if (next === undefined) break;
      const body = bodyOf(next, window);
      state ??= body.stateBefore(emptyOf(log)) ?? cutState(log);
      state = known(body.stateAfter(state));
    }
    return state ?? cutState(log);
  };

  /** Range `index` and the state before it, which `state` may already be. */
  const locate = (
    log: LogDirectory,
    index: number,
    window: ReadWindow,
    state?: ChainState,
  ):
    | { readonly row: RangeRow; readonly body: RangeBody; readonly before: ChainState }
    | undefined => {
    const row = log.ranges.row(index);
    if (row === undefined) return undefined;
    const body = bodyOf(row, window);
    const held = state?.height === row.from ? state : body.stateBefore(emptyOf(log));
    return { row, body, before: held ?? stateBefore(log, index, window) };
  };

  const stateAt = (log: LogDirectory, height: number): ChainState | undefined => {
    if (height > heightOf(log) || height < log.prunedTo || heightOf(log) === 0) return undefined;
    if (height === log.prunedTo && log.cut !== undefined) return cutState(log);
    const found = locate(log, log.ranges.indexAt(height), createReadWindow());
    if (found === undefined) return undefined;
    const { row, body, before } = found;
    if (height === row.to) return known(body.stateAfter(before));
    return walkTo(log, body, before, height).cursor.state();
  };

  /** One point writer, of the log last read: it is 64 KiB, and each step of a walk is done with it. */
  let shared: { readonly log: LogDirectory; readonly points: PointWriter } | undefined;
  const pointsOf = (log: LogDirectory): PointWriter => {
    if (shared?.log !== log) shared = { log, points: createPointWriter(log.context) };
    return shared.points;
  };

  const walkTo = (
    log: LogDirectory,
    body: RangeBody,
    before: ChainState,
    seq: number,
  ): RangeWalk => {
    const mark = body.markBefore(before, seq) ?? startMark(before);
    const walk = createRangeWalk(crypto, body.bytes, mark, pointsOf(log));
    while (walk.cursor.height < seq) step(walk);
    return walk;
  };

  const head = (log: LogDirectory): LogHead | undefined => {
    if (log.head !== undefined) return log.head;
    const state = stateAt(log, heightOf(log));
    if (state === undefined) return undefined;
    const signed = log.signedHeight === state.height ? state : stateAt(log, log.signedHeight);
    log.head = {
      ...state,
      signedHeight: log.signedHeight,
      signedHash: signed?.hash,
      forkedAt: log.fork?.seq,
      prunedTo: log.prunedTo,
    };
    return log.head;
  };

  function* entries(log: LogDirectory, from: number, to: number): Generator<Entry, void, void> {
    const window = createReadWindow();
    let state: ChainState | undefined;
    for (let next = from; next < to;) {
      const found = locate(log, rangeIndex(log, next), window, state);
      if (found === undefined || found.row.from >= to) return;
      const { row, body, before } = found;
      const walk = walkTo(log, body, before, Math.max(next, row.from));
      const end = Math.min(to, row.to);
      while (walk.cursor.height < end) yield step(walk);
      state = walk.cursor.state();
      next = end;
    }
  }

  const stored = (log: LogDirectory, row: RangeRow, window: ReadWindow): StoredRange => ({
    context: log.context,
    logId: log.logId,
    from: row.from,
    count: row.to - row.from,
    bytes: bodyOf(row, window).bytes,
    signed: row.to <= log.signedHeight,
    cursor: row.cursor,
  });

  return {
    head,
    rangeAt: (log, { from, to }, window) => {
      const row = log.ranges.row(rangeIndex(log, from));
      if (row === undefined || row.from >= to || from >= to) return undefined;
      const whole = stored(log, row, window);
      const cut = cutRange(whole, Math.max(from, row.from), Math.min(to, row.to));
      return { ...whole, ...cut, signed: cut.from + cut.count <= log.signedHeight };
    },
    stored,
    entries,
    stateAt,
    findSigned: (hash) => {
      for (const { log: number, seq } of directory.signedPlaces(hashPrefix(hash))) {
        const log = directory.logByNumber(number);
        if (log === undefined || seq < log.prunedTo) continue;
        for (const entry of entries(log, seq, seq + 1)) {
          if (equalBytes(entry.hash, hash)) return { logId: log.logId, seq };
        }
      }
      return undefined;
    },
    forkProofs: (log) => {
      if (log.fork === undefined) return [];
      const { payload, bodyStart } = parse(log.fork);
      const proof = decodeForkProof(payload.subarray(bodyStart));
      if (proof === undefined) throw unreadable("a stored fork proof does not parse");
      return [proof];
    },
    value: (at) => {
      const { payload, bodyStart } = parse(at);
      return payload.slice(bodyStart);
    },
  };
}

function emptyOf({ context, logId }: LogDirectory): ChainState {
  return { context, logId, height: 0, hash: undefined, stamp: 0, skips: [] };
}

/** The range that holds `seq`, or the first after it. */
function rangeIndex(log: LogDirectory, seq: number): number {
  const index = log.ranges.indexAt(seq);
  const row = log.ranges.row(index);
  return row !== undefined && row.to > seq ? index : index + 1;
}

function step(walk: RangeWalk): Entry {
  const entry = walk.next();
  if (typeof entry === "string") throw unreadable("a stored range went bad");
  return entry;
}

function known(state: ChainState | undefined): ChainState {
  if (state === undefined) throw unreadable("a stored state does not parse");
  return state;
}

function unreadable(what: string): LogError {
  return new LogError("STORE_CORRUPT", what);
}
