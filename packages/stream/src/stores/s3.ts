/**
 * A byte store in an S3-compatible bucket: immutable segments and one small head object that is
 * swapped under a condition (docs/spec/stream.md, "Segments"). Layer 4.
 */
import { equalBytes, toHex } from "@hawser/codec";
import type { ByteStore } from "../byte-store.ts";
import { StreamError } from "../errors.ts";
import {
  checkCut,
  checkExpected,
  checkRange,
  closedError,
  createSerialQueue,
  groupParts,
  readOnlyError,
} from "./common.ts";
import {
  answerError,
  createS3Client,
  type S3Client,
  type S3Deps,
  type S3Location,
} from "./s3-client.ts";
import {
  cutHead,
  decodeHead,
  encodeHead,
  headBytesMax,
  joinRun,
  runsMax,
  segmentBytesMax,
  segmentName,
  segmentsOf,
  withSegment,
  type Segment,
  type SegmentHead,
  type SegmentRun,
} from "./segments.ts";

export interface S3Options {
  /** `create` rejects with BYTES_EXISTS, the others with BYTES_ABSENT. Default: `append`. */
  readonly mode?: "read" | "append" | "create";
  /** The size segments have when there is enough to write, 1 to 64 MiB. Default: 8 MiB. */
  readonly segmentBytes?: number;
  readonly signal?: AbortSignal;
}

/** A ByteStore in a bucket. Not exclusive: of two writers the later one gets BYTES_MOVED. */
export interface S3Bytes extends ByteStore {
  /**
   * Joins neighbouring small segments up to the segment size. Memory: one segment. Readers that hold
   * the old head find their way to the new one. Resolves to the number of objects removed.
   */
  compact(signal?: AbortSignal): Promise<number>;
  /** Segments the bytes lie in now. */
  segmentCount(): number;
}

/** A segment on its own is never empty, and orphans behind the head are few. */
const orphansMax = 4096;

/** The store's state: what the head object says, and what we added to it. */
interface Shared {
  readonly client: S3Client;
  readonly random: (byteCount: number) => Uint8Array;
  readonly segmentBytes: number;
  readonly writer: string;
  readonly isReadOnly: boolean;
  head: SegmentHead;
  /** Of the head object as last read or written. */
  etag: string;
  /** The server wants the ETag of a condition without quotes. */
  isEtagBare: boolean;
  /** Segments were added that the head object does not name yet. */
  isDirty: boolean;
  /** A head that was sent and never answered: the head object may be this one. */
  unanswered: Uint8Array<ArrayBuffer> | undefined;
  /** Somebody else swapped the head: nothing can be written any more. */
  moved: StreamError | undefined;
}

/**
 * Opens or creates a stream's objects at `location`. Segments a crashed writer left behind the head
 * are taken as bytes of the store: who opens the stream verifies them, and cuts what is torn.
 */
export async function openS3Bytes(
  deps: S3Deps,
  location: S3Location,
  options: S3Options = {},
): Promise<S3Bytes> {
  const { mode = "append", segmentBytes = 8 << 20, signal } = options;
  if (!(segmentBytes >= 1 && segmentBytes <= segmentBytesMax)) {
    throw new StreamError("BYTES_MISUSE", `segmentBytes is ${segmentBytes}`);
  }
  const client = createS3Client(deps, location);
  const { random } = deps;
  const writer = newId(random);
  const loaded =
    mode === "create"
      ? await createHead(client, { writer, generation: newId(random), size: 0, runs: [] }, signal)
      : await loadHead(client, signal);
  const isReadOnly = mode === "read";
  const shared: Shared = {
    client,
    random,
    segmentBytes,
    writer,
    isReadOnly,
    ...loaded,
    isEtagBare: false,
    isDirty: false,
    unanswered: undefined,
    moved: undefined,
  };
  await adoptOrphans(shared, signal);
  return createS3Store(shared);
}

function createS3Store(shared: Shared): S3Bytes {
  const queue = createSerialQueue();
  let isClosed = false;
  const begin = (signal?: AbortSignal): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closedError();
  };
  const beginChange = (signal?: AbortSignal): void => {
    begin(signal);
    if (shared.isReadOnly) throw readOnlyError();
    if (shared.moved !== undefined) throw shared.moved;
  };
  const close = async (): Promise<void> => {
    isClosed = true;
    await queue.run(async () => undefined);
  };
  return {
    abilities: {
      canTruncate: !shared.isReadOnly,
      isExclusive: false,
      isReadOnly: shared.isReadOnly,
    },
    size: async (signal) => {
      begin(signal);
      return shared.head.size;
    },
    read: async (offset, length, signal) => {
      begin(signal);
      checkRange(offset, length);
      return readSegments(shared, offset, length, signal);
    },
    append: (expectedSize, parts, signal) =>
      queue.run(async () => {
        beginChange(signal);
        checkExpected(expectedSize, shared.head.size);
        for await (const group of groupParts(parts, signal, shared.segmentBytes)) {
          await putSegment(shared, group, signal);
        }
        await swapHead(shared);
        return shared.head.size;
      }),
    flush: () =>
      queue.run(async () => {
        begin();
        if (!shared.isReadOnly) await swapHead(shared);
      }),
    truncate: (size) =>
      queue.run(async () => {
        beginChange();
        checkCut(size, shared.head.size);
        if (size === shared.head.size) return;
        const cut = [...segmentsOf(shared.head, size, shared.head.size)];
        shared.head = cutHead(shared.head, size, newId(shared.random));
        shared.isDirty = true;
        await swapHead(shared);
        await removeSegments(
          shared,
          cut.filter(({ start }) => start >= size),
        );
      }),
    compact: (signal) =>
      queue.run(async () => {
        beginChange(signal);
        return compactSegments(shared, signal);
      }),
    segmentCount: () => shared.head.runs.reduce((sum, { count }) => sum + count, 0),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function newId(random: (byteCount: number) => Uint8Array): string {
  return toHex(random(8));
}

type LoadedHead = Pick<Shared, "head" | "etag">;

async function createHead(
  client: S3Client,
  head: SegmentHead,
  signal: AbortSignal | undefined,
): Promise<LoadedHead> {
  const request = { method: "PUT", name: "head" } as const;
  const body = encodeHead(head);
  const answer = await client.send({ ...request, headers: { "if-none-match": "*" }, body, signal });
  if (answer.status === 200) return { head, etag: requireEtag(answer.etag) };
  if (answer.status !== 412) throw answerError(answer, request);
  if (answer.isAmbiguous) {
    const loaded = await loadHead(client, signal);
    if (loaded.head.writer === head.writer) return loaded;
  }
  throw new StreamError("BYTES_EXISTS", "the bucket holds such a stream");
}

async function loadHead(client: S3Client, signal?: AbortSignal): Promise<LoadedHead> {
  const request = { method: "GET", name: "head", bodyBytesMax: headBytesMax, signal } as const;
  const answer = await client.send(request);
  if (answer.status === 404) {
    throw new StreamError("BYTES_ABSENT", "the bucket holds no such stream");
  }
  if (answer.status !== 200) throw answerError(answer, request);
  const head = decodeHead(answer.body);
  if (head === undefined) throw new StreamError("BYTES_IO", "the head object is damaged");
  return { head, etag: requireEtag(answer.etag) };
}

function requireEtag(etag: string | undefined): string {
  if (etag !== undefined) return etag;
  throw new StreamError("BYTES_IO", "the server sent no ETag: it cannot keep two writers apart");
}

/** Segments that a writer put and did not name in the head any more. */
async function adoptOrphans(shared: Shared, signal: AbortSignal | undefined): Promise<void> {
  for (let count = 0; count < orphansMax; count++) {
    const { size, generation } = shared.head;
    const request = { method: "HEAD", name: segmentName(size, generation), signal } as const;
    const answer = await shared.client.send(request);
    if (answer.status === 404) return;
    if (answer.status !== 200) throw answerError(answer, request);
    const length = Number(answer.headers.get("content-length") ?? Number.NaN);
    if (!Number.isSafeInteger(length) || length < 1 || length > segmentBytesMax) {
      throw new StreamError("BYTES_IO", "a segment behind the head has no length in bounds");
    }
    shared.head = withSegment(shared.head, length);
    shared.isDirty = true;
  }
}

const writerHeader = "x-amz-meta-hawser-writer";

async function putSegment(
  shared: Shared,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { client, head, writer } = shared;
  const next = withSegment(head, bytes.length);
  if (next.runs.length > runsMax) {
    throw new StreamError("BYTES_FULL", `the head names ${runsMax} runs: compact the store`);
  }
  const request = { method: "PUT", name: segmentName(head.size, head.generation) } as const;
  const headers = { "if-none-match": "*", [writerHeader]: writer };
  const sent = { ...request, headers, body: Uint8Array.from(bytes), signal };
  const answer = await client.send(sent).catch((error: unknown) => {
    // The object may be there all the same, so its name is used up.
    shared.head = { ...head, generation: newId(shared.random) };
    throw error;
  });
  if (answer.status === 412) {
    const isOurs = answer.isAmbiguous && (await isSegmentOf(shared, request.name, bytes.length));
    if (!isOurs) throw markMoved(shared);
  } else if (answer.status !== 200) {
    throw answerError(answer, request);
  }
  shared.head = next;
  shared.isDirty = true;
}

/** Whether a try of ours that seemed to fail made the segment after all. */
async function isSegmentOf(shared: Shared, name: string, length: number): Promise<boolean> {
  const answer = await shared.client.send({ method: "HEAD", name });
  return (
    answer.status === 200 &&
    answer.headers.get(writerHeader) === shared.writer &&
    answer.headers.get("content-length") === String(length)
  );
}

function markMoved(shared: Shared): StreamError {
  shared.moved = new StreamError("BYTES_MOVED", "somebody else wrote to the store");
  return shared.moved;
}

/** Makes the head object say what we know; no bytes count as appended before. */
async function swapHead(shared: Shared): Promise<void> {
  if (shared.moved !== undefined) throw shared.moved;
  if (!shared.isDirty) return;
  const head: SegmentHead = { ...shared.head, writer: shared.writer };
  const body = encodeHead(head);
  const etag = await putHead(shared, body).catch((error: unknown) => {
    shared.unanswered = body;
    throw error;
  });
  if (etag === undefined) throw markMoved(shared);
  shared.unanswered = undefined;
  shared.etag = etag;
  shared.head = head;
  shared.isDirty = false;
}

/** The new ETag, or `undefined` when the head object is no longer the one we know. */
async function putHead(shared: Shared, body: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  const request = { method: "PUT", name: "head" } as const;
  for (;;) {
    const { etag, isEtagBare } = shared;
    const condition = isEtagBare ? etag.replace(/^"(.*)"$/, "$1") : etag;
    // Not abortable: half a swap would leave us not knowing what the head is.
    const answer = await shared.client.send({
      ...request,
      headers: { "if-match": condition },
      body,
    });
    if (answer.status === 200) return requireEtag(answer.etag);
    if (answer.status !== 412 && answer.status !== 404) throw answerError(answer, request);
    const loaded = await loadHead(shared.client);
    const found = encodeHead(loaded.head);
    if (equalBytes(found, body)) return loaded.etag;
    if (loaded.etag !== etag && shared.unanswered && equalBytes(found, shared.unanswered)) {
      // Ours, and nobody swapped it since: it has the name of this writer.
      shared.etag = loaded.etag;
      continue;
    }
    if (loaded.etag !== etag || isEtagBare) return undefined;
    // The head is the one we named: Ceph compares the condition with the tag without its quotes.
    shared.isEtagBare = true;
  }
}

async function readSegments(
  shared: Shared,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const size = Math.max(0, Math.min(length, shared.head.size - offset));
  const bytes = new Uint8Array(size);
  let done = 0;
  let isFresh = false;
  while (done < size) {
    const { head } = shared;
    const range = { from: offset + done, end: offset + size };
    const [segment] = segmentsOf(head, range.from, range.end);
    if (segment === undefined) throw movedUnderReader();
    const part = await getPart(shared, segment, range, signal);
    if (part !== undefined) {
      bytes.set(part, done);
      done += part.length;
      isFresh = false;
      continue;
    }
    // The segment is gone: compacted away or cut off since the head was read. Once anew with the
    // head as it is now, then give up.
    if (isFresh) throw movedUnderReader();
    isFresh = true;
    if (head === shared.head) await refreshHead(shared, range.end, signal);
  }
  return bytes;
}

/** Takes the head object as it is now, if it still has the bytes before `end`. */
async function refreshHead(
  shared: Shared,
  end: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  // A writer's head is its own: when its segments are gone, somebody else was here.
  if (!shared.isReadOnly) throw movedUnderReader();
  const loaded = await loadHead(shared.client, signal);
  if (loaded.head.size < end) throw movedUnderReader();
  shared.head = loaded.head;
  shared.etag = loaded.etag;
}

function movedUnderReader(): StreamError {
  return new StreamError("BYTES_MOVED", "the segments changed since the store was opened");
}

/** Bytes of one segment, or `undefined` when there is no such object. */
async function getPart(
  shared: Shared,
  segment: Segment,
  range: { readonly from: number; readonly end: number },
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  const first = range.from - segment.start;
  const last = Math.min(range.end - segment.start, segment.length) - 1;
  const request = {
    method: "GET",
    name: segmentName(segment.start, segment.generation),
    headers: { range: `bytes=${first}-${last}` },
    bodyBytesMax: last - first + 1,
    signal,
  } as const;
  const answer = await shared.client.send(request);
  if (answer.status === 404) return undefined;
  if (answer.status !== 206) throw answerError(answer, request);
  if (answer.body.length === last - first + 1) return answer.body;
  throw new StreamError("BYTES_IO", "the server sent another range than asked for");
}

/** Rewrites neighbours that are small; the head is swapped before anything is removed. */
async function compactSegments(shared: Shared, signal: AbortSignal | undefined): Promise<number> {
  await swapHead(shared);
  const old = shared.head;
  const generation = newId(shared.random);
  const replaced: Segment[] = [];
  let runs: readonly SegmentRun[] = [];
  let group: Segment[] = [];
  let groupLength = 0;
  const finish = async (): Promise<void> => {
    const [first] = group;
    if (first !== undefined && group.length > 1) {
      await putJoined(shared, first.start, groupLength, generation, signal);
      runs = joinRun(runs, { length: groupLength, generation });
      replaced.push(...group);
    } else if (first !== undefined) {
      runs = joinRun(runs, first);
    }
    group = [];
    groupLength = 0;
  };
  for (const segment of segmentsOf(old, 0, old.size)) {
    if (groupLength + segment.length > shared.segmentBytes) await finish();
    group.push(segment);
    groupLength += segment.length;
  }
  await finish();
  if (replaced.length === 0) return 0;
  shared.head = { ...old, generation, runs };
  shared.isDirty = true;
  await swapHead(shared);
  await removeSegments(shared, replaced);
  return replaced.length;
}

/** Objects the head names no more. One that stays costs room and harms nothing. */
async function removeSegments(shared: Shared, segments: readonly Segment[]): Promise<void> {
  for (const { start, generation } of segments) {
    await shared.client.send({ method: "DELETE", name: segmentName(start, generation) });
  }
}

async function putJoined(
  shared: Shared,
  start: number,
  length: number,
  generation: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const bytes = await readSegments(shared, start, length, signal);
  const request = { method: "PUT", name: segmentName(start, generation) } as const;
  const headers = { "if-none-match": "*", [writerHeader]: shared.writer };
  const answer = await shared.client.send({
    ...request,
    headers,
    body: Uint8Array.from(bytes),
    signal,
  });
  const isOurs = answer.status === 412 && answer.isAmbiguous;
  if (answer.status !== 200 && !isOurs) throw answerError(answer, request);
}
