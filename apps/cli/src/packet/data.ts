/**
 * Data for points: bytes from stdin, a file or an option, cut into blocks. At most one block and
 * one chunk of the source are held.
 */
import { createReadStream } from "node:fs";
import { utf8 } from "@hawser/codec";
import type { AbeContext } from "@hawser/query";
import { packetError, usage } from "./errors.ts";
import { evaluateBytes } from "./expressions.ts";
import type { Session } from "./session.ts";

export interface DataOptions {
  /** A path, or false (`--no-data`) for no data. */
  readonly data?: string | boolean;
  readonly dataStdin?: boolean;
  readonly dataStr?: string;
  readonly dataRepeat?: boolean;
  /** Linkspace's other name for the same. */
  readonly rr?: boolean;
  readonly dataDelim?: string;
  readonly dataBufsize?: number;
  readonly dataReads?: number;
  readonly dataOverflow?: DataOverflow;
  readonly dataEval?: boolean;
}

/** What happens to a block that is larger than the packet has room for. */
export type DataOverflow = (typeof dataOverflows)[number];
export const dataOverflows = ["error", "split", "carry", "trim"] as const;

/** Blocks, one a packet. */
export interface DataReader {
  /** The next block of at most `room` bytes, or `undefined` at the end. */
  next(room: number, scope?: AbeContext): Promise<Uint8Array | undefined>;
  /** True when another block would follow. */
  hasMore(): Promise<boolean>;
  readonly usesStdin: boolean;
  close(): Promise<void>;
}

/** True when an option names a source of data. */
export function namesData({ data, dataStdin, dataStr }: DataOptions): boolean {
  return typeof data === "string" || dataStdin === true || dataStr !== undefined;
}

/** True when the source begins again at its end. */
export function isRepeated({ dataRepeat, rr }: DataOptions): boolean {
  return dataRepeat === true || rr === true;
}

/** Opens the source. Without one there is no data, or stdin where the command says so. */
export function openData(
  session: Session,
  options: DataOptions,
  { defaultStdin }: { readonly defaultStdin: boolean },
): DataReader {
  const { data, dataStr } = options;
  const given = [typeof data === "string", options.dataStdin === true, dataStr !== undefined];
  if (given.filter(Boolean).length + (data === false ? 1 : 0) > 1) {
    throw usage(
      "several sources of data",
      "Give one of --data, --data-stdin, --data-str, --no-data.",
    );
  }
  const usesStdin =
    data !== false && (options.dataStdin === true || (defaultStdin && !namesData(options)));
  if (usesStdin && isRepeated(options)) {
    throw usage("stdin cannot be repeated", "Give the data with --data <file> or --data-str.");
  }
  if (!usesStdin && !namesData(options)) return emptyReader();
  const open = (): AsyncIterable<Uint8Array> => {
    if (usesStdin) return session.io.stdin;
    return typeof data === "string" ? createReadStream(data) : one(utf8(dataStr ?? ""));
  };
  return createReader(session, options, { open, usesStdin });
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield await Promise.resolve(bytes);
}

/** No data: one empty block after another. */
function emptyReader(): DataReader {
  return {
    next: () => Promise.resolve(new Uint8Array(0)),
    hasMore: () => Promise.resolve(false),
    usesStdin: false,
    close: () => Promise.resolve(),
  };
}

/** Blocks carried over are refused beyond this. */
const carryBytesMax = 1_048_576;
/** A block before it is evaluated. */
const evalBytesMax = 1_048_576;

function createReader(
  session: Session,
  options: DataOptions,
  source: { readonly open: () => AsyncIterable<Uint8Array>; readonly usesStdin: boolean },
): DataReader {
  const overflow = options.dataOverflow ?? "error";
  const bytes = createByteQueue(session, source.open, isRepeated(options));
  const delimiter = readDelimiter(session, options.dataDelim);
  const isEvaluated = options.dataEval === true;
  let readsLeft = options.dataReads ?? Number.POSITIVE_INFINITY;
  let surplus: Uint8Array | undefined;

  const readBlock = async (room: number, scope: AbeContext | undefined) => {
    if (readsLeft <= 0) return undefined;
    const max =
      options.dataBufsize ?? (isEvaluated && delimiter !== undefined ? evalBytesMax : room);
    const isCut = delimiter === undefined || options.dataBufsize !== undefined;
    const block = await bytes.take(max, delimiter, isCut ? "cut" : "oneMore");
    if (block === undefined) return undefined;
    readsLeft -= 1;
    if (!isEvaluated) return block;
    return evaluateBytes(block, scope ?? session.scope(), { name: "data" });
  };
  const fit = async (block: Uint8Array, room: number): Promise<Uint8Array> => {
    if (block.length <= room) return block;
    if (overflow === "error") throw tooLarge(room);
    if (overflow === "trim") {
      if (delimiter !== undefined) await bytes.skipRest(delimiter);
      return block.subarray(0, room);
    }
    // No room at all would give the same surplus for ever.
    if (room === 0) throw tooLarge(room);
    surplus = block.slice(room);
    return block.subarray(0, room);
  };
  return {
    usesStdin: source.usesStdin,
    next: async (room, scope) => {
      const kept = surplus;
      surplus = undefined;
      if (kept === undefined) {
        const block = await readBlock(room, scope);
        return block === undefined ? undefined : await fit(block, room);
      }
      const isJoined = overflow === "carry" && kept.length < room;
      const block = isJoined ? await readBlock(room, scope) : undefined;
      const joined = block === undefined ? kept : Buffer.concat([kept, block]);
      if (joined.length > carryBytesMax) throw tooLarge(room);
      return await fit(joined, room);
    },
    hasMore: async () => surplus !== undefined || (readsLeft > 0 && (await bytes.hasMore())),
    close: () => bytes.close(),
  };
}

function tooLarge(room: number): Error {
  return packetError(
    "CLI_DATA_TOO_LARGE",
    `the data is larger than the ${room} bytes that are free in the packet`,
    "Cut it with --data-overflow split, carry or trim; or put it into datapoints and collect them.",
  );
}

function readDelimiter(session: Session, expression: string | undefined): number | undefined {
  if (expression === undefined) return undefined;
  const bytes = evaluateBytes(expression, session.scope(), { name: "--data-delim" });
  if (bytes.length === 1) return bytes[0];
  throw usage(
    `--data-delim ${expression} has ${bytes.length} bytes`,
    "Give one byte, such as '\\n'.",
  );
}

/** Bytes of a source, taken in blocks. */
interface ByteQueue {
  /**
   * Up to `max` bytes; with a delimiter up to and without it. Where a block with a delimiter is
   * longer, `cut` ends it at `max`, and `oneMore` gives one byte more to show that it is. The end
   * of the source, and of each pass of a repeated one, ends a block. `undefined` at the end.
   */
  take(
    max: number,
    delimiter: number | undefined,
    long: "cut" | "oneMore",
  ): Promise<Uint8Array | undefined>;
  /** Drops what is left of a block that `take` gave in part. */
  skipRest(delimiter: number): Promise<void>;
  hasMore(): Promise<boolean>;
  close(): Promise<void>;
}

/** The chunks of a source, one after another and, if wanted, over and over. */
function createChunks(
  session: Session,
  open: () => AsyncIterable<Uint8Array>,
  isRepeated: boolean,
): {
  /** What has not been taken of the present chunk. */
  rest(): Uint8Array;
  drop(byteCount: number): void;
  /** Makes `rest` non-empty; false at the end of the pass. */
  fill(): Promise<boolean>;
  /** Starts the next pass where there is one. */
  startPass(): void;
  close(): Promise<void>;
} {
  let iterator = open()[Symbol.asyncIterator]();
  let chunk: Uint8Array = new Uint8Array(0);
  let isAtEnd = false;
  let hadBytes = false;
  return {
    rest: () => chunk,
    drop: (byteCount) => {
      chunk = chunk.subarray(byteCount);
    },
    fill: async () => {
      while (chunk.length === 0 && !isAtEnd) {
        await session.flush();
        const { value, done } = await iterator.next();
        if (done === true) isAtEnd = true;
        else chunk = value;
        hadBytes ||= chunk.length > 0;
      }
      return chunk.length > 0;
    },
    startPass: () => {
      // A pass without bytes would be followed by such passes for ever.
      if (!isRepeated || !isAtEnd || !hadBytes || chunk.length > 0) return;
      iterator = open()[Symbol.asyncIterator]();
      isAtEnd = false;
      hadBytes = false;
    },
    close: async () => void (await iterator.return?.()),
  };
}

function createByteQueue(
  session: Session,
  open: () => AsyncIterable<Uint8Array>,
  isRepeated: boolean,
): ByteQueue {
  const chunks = createChunks(session, open, isRepeated);
  let isCutShort = false;

  const takeDelimited = async (limit: number, delimiter: number) => {
    const parts: Uint8Array[] = [];
    let size = 0;
    while (await chunks.fill()) {
      const rest = chunks.rest();
      const at = rest.subarray(0, limit - size + 1).indexOf(delimiter);
      const byteCount = at >= 0 ? at : Math.min(rest.length, limit - size);
      parts.push(rest.subarray(0, byteCount));
      size += byteCount;
      chunks.drop(at >= 0 ? byteCount + 1 : byteCount);
      if (at >= 0) return join(parts);
      // The delimiter may be the first byte of the next chunk.
      if (size < limit || !(await chunks.fill())) continue;
      isCutShort = chunks.rest()[0] !== delimiter;
      if (!isCutShort) chunks.drop(1);
      return join(parts);
    }
    return size === 0 ? undefined : join(parts);
  };
  const takeUpTo = async (max: number) => {
    const parts: Uint8Array[] = [];
    let size = 0;
    while (size < max && (await chunks.fill())) {
      const part = chunks.rest().subarray(0, max - size);
      parts.push(part);
      size += part.length;
      chunks.drop(part.length);
    }
    return size === 0 ? undefined : join(parts);
  };
  return {
    take: async (max, delimiter, long) => {
      chunks.startPass();
      isCutShort = false;
      if (delimiter === undefined) return await takeUpTo(max);
      const limit = long === "cut" ? max : max + 1;
      return await takeDelimited(limit, delimiter);
    },
    skipRest: async (delimiter) => {
      while (isCutShort && (await chunks.fill())) {
        const rest = chunks.rest();
        const at = rest.indexOf(delimiter);
        isCutShort = at < 0;
        chunks.drop(at < 0 ? rest.length : at + 1);
      }
    },
    hasMore: async () => {
      chunks.startPass();
      return await chunks.fill();
    },
    close: chunks.close,
  };
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? (parts[0] ?? new Uint8Array(0)) : Buffer.concat(parts);
}
