/**
 * Marks (docs/spec/view.md §2): how the entries before a frontier were judged and opened, in bytes, so
 * that whoever folded them can go on from there, here or on another device. Layer 5, internal.
 */
import {
  compareBytes,
  decodeCbor,
  encodeCbor,
  fromHex,
  toHex,
  type CborValue,
} from "@hawser/codec";
import type { OpId } from "@hawser/auth";
import type { LogId } from "@hawser/log";
import { judgementAt, type Verdict } from "./judge.ts";
import type { Sequencer } from "./sequencer.ts";

/** An epoch reference that did not open, and with how many keys that was tried. */
export interface Unopened {
  readonly reference: Uint8Array;
  readonly keyCount: number;
}

/** What a device could not open, and whether anything was sealed to chosen devices. */
export interface LocalMark {
  readonly unopened: readonly Unopened[];
  readonly hasPrivate: boolean;
}

/** The bytes of a local mark. */
export function encodeLocal({ unopened, hasPrivate }: LocalMark): Uint8Array {
  const items = unopened.map(({ reference, keyCount }): CborValue => [reference, keyCount]);
  return encodeCbor([1, items, hasPrivate]);
}

/** The local mark in such bytes, or `undefined`. */
export function decodeLocal(bytes: Uint8Array): LocalMark | undefined {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value) || value[0] !== 1 || !Array.isArray(value[1])) return undefined;
  const unopened: Unopened[] = [];
  for (const item of value[1] as readonly CborValue[]) {
    if (!Array.isArray(item)) return undefined;
    const [reference, keyCount] = item as readonly CborValue[];
    if (!(reference instanceof Uint8Array) || typeof keyCount !== "number") return undefined;
    unopened.push({ reference, keyCount });
  }
  return { unopened, hasPrivate: value[2] === true };
}

/** Entries of a log that were written at one position. */
export interface Segment {
  readonly from: number;
  /** One past the last. */
  readonly to: number;
  readonly heads: readonly OpId[];
}

/** The positions of the first `height` entries of a log. */
export function segmentsOf(sequencer: Sequencer, logId: LogId, height: number): readonly Segment[] {
  const starts = sequencer.positionsOf(logId).map((position) => position.seq);
  const edges = [0, ...starts.filter((seq) => seq > 0 && seq < height), height];
  return edges.slice(0, -1).map((from, index) => ({
    from,
    to: edges[index + 1] ?? height,
    heads: sequencer.positionOf(logId, from),
  }));
}

const kinds = { accept: 0, quarantine: 1, reject: 2 } as const;

/**
 * The judgement of everything before a frontier: the same bytes wherever it is judged alike.
 *
 *   CBOR [1, [log id (32), height, entries never handed out, [[from, to, kind], …]], …]
 */
export function encodeJudged(
  sequencer: Sequencer,
  frontier: ReadonlyMap<string, number>,
  verdictOf: (logId: LogId, segment: Segment) => Verdict,
): Uint8Array {
  // Safe: frontiers of a space name its logs.
  const logs = [...frontier].map(([logId, height]) => ({ logId: logId as LogId, height }));
  const items = logs.flatMap(({ logId, height }) => {
    const id = fromHex(logId);
    if (id === undefined || height === 0) return [];
    const ranges: [number, number, number][] = [];
    for (const segment of segmentsOf(sequencer, logId, height)) {
      for (const part of partsOf(verdictOf(logId, segment), segment)) addPart(ranges, part);
    }
    return [{ id, item: [id, height, sequencer.rejectedBelow(logId, height), ranges] }];
  });
  items.sort((a, b) => compareBytes(a.id, b.id));
  return encodeCbor([1, ...items.map(({ item }): CborValue => item)]);
}

function partsOf(verdict: Verdict, { from, to }: Segment): readonly [number, number, number][] {
  const edges =
    verdict.kind === "reject"
      ? []
      : [verdict.upTo, ...verdict.ruled.flatMap((span) => [span.from, span.to])];
  const inside = edges.filter((seq) => from < seq && seq < to).sort((a, b) => a - b);
  const starts = [from, ...inside];
  return starts.map((start, index) => [
    start,
    starts[index + 1] ?? to,
    kinds[judgementAt(verdict, start)],
  ]);
}

/** Accepted entries are left out; neighbours of one kind become one. */
function addPart(
  ranges: [number, number, number][],
  part: readonly [number, number, number],
): void {
  const [from, to, kind] = part;
  if (kind === kinds.accept || from === to) return;
  const last = ranges.at(-1);
  if (last !== undefined && last[1] === from && last[2] === kind) last[1] = to;
  else ranges.push([from, to, kind]);
}

/** The key under which unopened references are remembered. */
export function referenceKey(reference: Uint8Array): string {
  return toHex(reference);
}
