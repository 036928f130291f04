/**
 * The head object of a segmented store: which immutable objects make up the bytes, in order
 * (docs/spec/stream.md, "Segments"). Layer 4; pure.
 */
import { fromUtf8, utf8 } from "@hawser/codec";

/** `count` segments of `length` bytes each, named with `generation`. */
export interface SegmentRun {
  readonly length: number;
  readonly count: number;
  readonly generation: string;
}

export interface SegmentHead {
  readonly size: number;
  /** Names the next segments. Changes with every cut and compaction. */
  readonly generation: string;
  /** Tells two writers' equal heads apart. */
  readonly writer: string;
  readonly runs: readonly SegmentRun[];
}

/** One object, and where its first byte lies in the stream. */
export interface Segment {
  readonly start: number;
  readonly length: number;
  readonly generation: string;
}

/** The most bytes of a head object. */
export const headBytesMax: number = 1 << 20;
/** The most runs of a head. */
export const runsMax = 8192;
/** The most bytes of one segment. */
export const segmentBytesMax: number = 64 << 20;

const format = "hawser segments 1";
const idPattern = /^[0-9a-f]{16}$/;

/** The object's name below the store's prefix. */
export function segmentName(start: number, generation: string): string {
  return `seg/${start.toString(16).padStart(14, "0")}-${generation}`;
}

/** The head's bytes. */
export function encodeHead(head: SegmentHead): Uint8Array<ArrayBuffer> {
  const { size, generation, writer } = head;
  const runs = head.runs.map((run) => [run.length, run.count, run.generation]);
  return utf8(JSON.stringify({ format, size, generation, writer, runs }));
}

/** The head, or `undefined` when the bytes are none. */
export function decodeHead(bytes: Uint8Array): SegmentHead | undefined {
  const value = parseJson(bytes);
  if (value === undefined || value["format"] !== format) return undefined;
  const { size, generation, writer, runs } = value;
  if (!isCount(size) || !isId(generation) || !isId(writer) || !Array.isArray(runs))
    return undefined;
  if (runs.length > runsMax) return undefined;
  const parsed: SegmentRun[] = [];
  let sum = 0;
  for (const run of runs) {
    const decoded = decodeRun(run);
    if (decoded === undefined) return undefined;
    sum += decoded.length * decoded.count;
    parsed.push(decoded);
  }
  return sum === size ? { size, generation, writer, runs: parsed } : undefined;
}

function parseJson(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  const text = bytes.length <= headBytesMax ? fromUtf8(bytes) : undefined;
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    // Safe: every member is checked before it is used.
    return value as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

function decodeRun(run: unknown): SegmentRun | undefined {
  if (!Array.isArray(run) || run.length !== 3) return undefined;
  const [length, count, generation]: unknown[] = run;
  if (!isCount(length) || !isCount(count) || !isId(generation)) return undefined;
  if (length === 0 || length > segmentBytesMax || count === 0) return undefined;
  return Number.isSafeInteger(length * count) ? { length, count, generation } : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isId(value: unknown): value is string {
  return typeof value === "string" && idPattern.test(value);
}

/** The head with one more segment of its generation at the end. */
export function withSegment(head: SegmentHead, length: number): SegmentHead {
  const { generation } = head;
  return { ...head, size: head.size + length, runs: joinRun(head.runs, { length, generation }) };
}

/** Runs with a segment behind them. */
export function joinRun(
  runs: readonly SegmentRun[],
  segment: { readonly length: number; readonly generation: string },
): readonly SegmentRun[] {
  const { length, generation } = segment;
  const last = runs.at(-1);
  if (last?.length === length && last.generation === generation) {
    return [...runs.slice(0, -1), { ...last, count: last.count + 1 }];
  }
  return [...runs, { length, count: 1, generation }];
}

/** The head of the first `size` bytes; later segments get names of `generation`. */
export function cutHead(head: SegmentHead, size: number, generation: string): SegmentHead {
  let runs: readonly SegmentRun[] = [];
  let start = 0;
  for (const run of head.runs) {
    const whole = Math.min(run.count, Math.floor((size - start) / run.length));
    if (whole > 0) runs = [...runs, { ...run, count: whole }];
    start += whole * run.length;
    if (whole === run.count) continue;
    const rest = size - start;
    if (rest > 0) runs = joinRun(runs, { length: rest, generation: run.generation });
    break;
  }
  return { ...head, size, generation, runs };
}

/** The segments that hold bytes from `offset` to `end`, in order. */
export function* segmentsOf(head: SegmentHead, offset: number, end: number): Generator<Segment> {
  let start = 0;
  for (const { length, count, generation } of head.runs) {
    const runEnd = start + length * count;
    if (runEnd > offset && start < end) {
      const first = Math.max(0, Math.floor((offset - start) / length));
      for (let index = first; index < count && start + index * length < end; index++) {
        yield { start: start + index * length, length, generation };
      }
    }
    start = runEnd;
    if (start >= end) return;
  }
}
